#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the node's reverse proxy reads: documents, aliases and the map of containers; their versions, modes, names and
ends; and that a crash leaves them as the state file says."""
import ctypes
import hashlib
import json
import os
import pathlib
import signal
import struct
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap


def read(path):
    try:
        return json.loads(path.read_text())
    except OSError:
        return None


def fails(report, code, what):
    tap.eq((report["state"], report.get("error", {}).get("code")), ("failed", code), what)


def documents(node, top, cid):
    def put(version, document, **more):
        return node.do("proxy.document", cid, scope="container", file_version=version, document=document, **more)

    path = top / "containers" / f"{cid}.json"
    secret = {"groups": {"ops": {"type": "token", "header": "X-Key", "value": "the-secret"}}, "default": "deny"}
    report = put(3, secret)
    tap.ok(report["state"] == "succeeded" and read(path) == secret, "a document is written as it was ordered", report)
    tap.eq((path.stat().st_mode & 0o7777, path.parent.stat().st_mode & 0o7777, path.stat().st_uid), (0o600, 0o700, 0),
           "for root alone")
    tap.ok("the-secret" not in json.dumps(node.reports()) and "the-secret" not in node.log.read_text(),
           "its secrets stand in no report and no log")
    tap.eq(put(3, secret)["state"], "succeeded", "the same again: success")
    fails(put(2, {}), "superseded", "an older one")
    fails(put(3, {"default": "allow"}), "superseded", "another of the same version")
    tap.eq(read(path), secret, "changes nothing")
    tap.ok(put(9, None)["state"] == "succeeded" and not path.exists(), "null deletes it")
    fails(put(8, secret), "superseded", "what was deleted stays deleted for older versions")
    tap.eq(put(10, secret)["state"], "succeeded", "a newer one comes back")
    project = top / "projects" / f"{harness.PROJECT}.json"
    node.do("proxy.document", None, scope="project", file_version=1, document={"default": "allow"})
    tap.eq(read(project), {"default": "allow"}, "a project's document")
    fails(node.do("proxy.document", node.new_id(), scope="container", file_version=1, document={}),
          "CONTAINER_NOT_FOUND", "of a container that is not here")
    # A crash: the state file is what holds.
    node.kill9("agent")
    path.write_text("{}")
    project.unlink()
    (top / "containers" / f"{node.new_id()}.json").write_text("{}")
    (top / "aliases" / "stray.json").write_text("{}")
    node.start_agent()
    tap.eq((read(path), read(project), [p.name
                                        for p in (top / "containers").iterdir()], list((top / "aliases").iterdir())),
           (secret, {"default": "allow"}, [path.name], []), "the agent's start puts all right")


def aliases(node, top, cid):
    def alias(aid, name, enabled=True, target=True, **more):
        return node.do("proxy.alias", None, alias_id=aid, alias=name, enabled=enabled,
                       target={"container_id": cid, "program": "http", "port": 80} if target else None, **more)

    one, two = node.new_id(), node.new_id()
    path = top / "aliases" / "my-app.json"
    tap.eq(alias(one, "my-app")["state"], "succeeded", "an alias")
    tap.eq((read(path)["alias_id"], read(path)["target"]["port"], path.stat().st_mode & 0o777), (one, 80, 0o600),
           "is one file")
    fails(alias(two, "my-app"), "ALIAS_IN_USE", "a second owner is refused")
    alias(one, "renamed")
    tap.ok(not path.exists() and (top / "aliases" / "renamed.json").exists(), "a new name is a new file")
    tap.eq(alias(two, "my-app")["state"], "succeeded", "the old name is free")
    alias(one, "renamed", enabled=False)
    tap.ok(not (top / "aliases" / "renamed.json").exists(), "disabled: no file")
    fails(alias(node.new_id(), "renamed"), "ALIAS_IN_USE", "but still its owner's")
    soon = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 2))
    alias(two, "my-app", expires_at=soon)
    tap.ok(path.exists(), "up until its end")
    tap.ok(host.poll(lambda: not path.exists(), 6), "gone at its end")
    tap.ok(node.wait_report("proxy", event="expired"), "which is reported")
    tap.eq(alias(one, "renamed", target=False)["state"], "succeeded", "deleted")
    tap.eq(alias(one, "renamed", target=False)["state"], "succeeded", "deleted again: success")
    return alias


def long_ago(node, top, alias):
    """None that has ended with the epoch or before it is there for ever."""
    ids, last = [node.new_id(), node.new_id()], node.last_seq()
    for aid, when in zip(ids, ("0001-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000Z")):
        tap.eq(alias(aid, f"of-{when[:4]}", expires_at=when)["state"], "succeeded", f"one that has ended in {when[:4]}")
    node.restart()
    tap.eq(sorted(top.glob("aliases/of-*")), [], "is not there after a start")

    def expired():
        return {r["data"]["id"] for r in node.reports(last, "proxy") if r["event"] == "expired"}

    tap.ok(host.poll(lambda: expired() == set(ids), 6), "but has ended, which is reported", expired(), ids)
    for aid in ids:
        alias(aid, "of-old", target=False)


def the_map(node, top, cid):
    path = top / "map.json"

    def status():
        return {c["id"]: c["status"] for c in read(path)["containers"]}

    before = read(path)
    tap.eq((status()[cid], path.stat().st_mode & 0o777), ("running", 0o600), "the map has the container")
    entry = next(c for c in before["containers"] if c["id"] == cid)
    tap.eq((entry["ipv4"], entry["project_id"]),
           (node.ctl("exec", cid, "sh", "-c", "ip -4 -o addr show eth0")[1].split()[3].split("/")[0], harness.PROJECT),
           "with its address")
    node.do("container.stop", cid)
    tap.ok(host.poll(lambda: status()[cid] == "stopped", 2), "a stop is there at once")
    tap.ok(read(path)["generation"] > before["generation"], "with a higher generation")
    generation = read(path)["generation"]
    node.restart()
    node.do("container.start", cid)
    tap.ok(
        host.poll(lambda: status()[cid] == "running", 2) and read(path)["generation"] > generation,
        "generations go on after a restart")
    watched(node, path, cid, status)
    in_the_way(node, top, cid)
    # A power cut may take the last map: the next one's generation is none that a reader has seen.
    generation = read(path)["generation"]
    node.stop_agent()
    path.unlink()
    node.start_agent()
    tap.ok(
        host.poll(path.exists, 2) and read(path)["generation"] > generation,
        "nor does a map that was lost bring one back",
        read(path)["generation"], generation)


def in_the_way(node, top, cid):
    """What can't be written (here for a directory that has the temporary file's name) is as soon as it can be, without
    another change or a start."""
    status = lambda: {c["id"]: c["status"] for c in read(top / "map.json")["containers"]}[cid]
    lines = lambda: node.log.read_text().count("map.json can't be written")
    document, before = top / "containers" / f"{cid}.json", lines()
    was, refused = status(), top / ".new"
    refused.mkdir()
    node.do("container.stop", cid)
    tap.ok(
        host.poll(lambda: lines() > before, 5) and status() == was, "a map that can't be written is as it was",
        status())
    node.do("container.start", cid)
    # By then what is there is what is wanted, at the next try, which comes within a second of the first.
    node.ctl("exec", cid, "sleep", "3")
    node.do("container.stop", cid)
    host.poll(lambda: lines() - before > 1, 1)
    refused.rmdir()
    tap.ok(host.poll(lambda: status() == "stopped", 70), "and written when it can be", status())
    tap.eq(lines() - before, 1, "that it couldn't be was said once")
    node.stop_agent()
    refused, content = document.parent / ".new", read(document)
    document.write_text("{}")
    refused.mkdir()
    node.start_agent()
    tap.eq(read(document), {}, "a document that can't be written at the start is as it was")
    refused.rmdir()
    tap.ok(host.poll(lambda: read(document) == content, 70), "and written when it can be", read(document))
    node.do("container.start", cid)


def watched(node, path, cid, status):
    """While it changes: one rename for each, which inotify(7) tells, never half a map, and generations that only
    rise."""
    libc, changes, stop = ctypes.CDLL(None), 20, threading.Event()
    # IN_MOVED_TO, and what a writer in place would make: IN_CLOSE_WRITE, IN_MODIFY
    moved_to, mask = 0x80, 0x80 | 0x8 | 0x2
    fd = libc.inotify_init1(os.O_NONBLOCK)
    libc.inotify_add_watch(fd, os.fsencode(path.parent), mask)
    generations = []

    def look():
        while not stop.is_set():
            generations.append(read(path)["generation"]) # raises for half of one

    reader = threading.Thread(target=look)
    reader.start()
    for i in range(changes):
        node.do("container.pause" if i % 2 == 0 else "container.resume", cid)
        host.poll(lambda: status()[cid] == ("paused" if i % 2 == 0 else "running"), 2)
    stop.set()
    reader.join()
    generations.append(read(path)["generation"])
    data, events = os.read(fd, 1 << 20), []
    while data:
        _, kind, _, length = struct.unpack_from("iIII", data)
        events.append((kind, data[16:16 + length].rstrip(b"\0").decode()))
        data = data[16 + length:]
    os.close(fd)
    renames = [k for k, name in events if name == path.name and k == moved_to]
    tap.ok(
        len(renames) >= changes and all(k == moved_to for k, name in events if name == path.name),
        "each change is one rename, and nothing is written in place", events[-4:])
    rose = generations[-1] - generations[0] # how many of them a reader sees is the scheduler's
    tap.ok(rose >= changes and generations == sorted(generations) and len(generations) > 100,
           "it can be read at any time, and its generation only rises", len(generations), rose)


def the_api(node, api, cid, pid):
    def call(method, path, body=None, version=None):
        headers = {"If-Match": f"file:v{version}"} if version is not None else {}
        return api.ask(method, f"/containers/{cid}/proxy{path}", body, headers)

    v = api.do("GET", f"/containers/{cid}/proxy/permissions")["file_version"]
    tap.eq(call("PUT", "/permissions", {})[0], 428, "without If-Match: 428")
    tap.eq(call("PUT", "/permissions", {}, v + 7)[0], 412, "a stale one: 412")
    project = api.do("GET", f"/projects/{pid}/proxy/permissions")["file_version"]
    for name, old in (("file_version", lambda n: n - 1), ("etag", lambda n: f"file:v{n - 1}")):
        answers = [
            call("PUT", "/permissions", {name: old(v)}, v),
            api.ask("PUT", f"/projects/{pid}/proxy/permissions", {name: old(project)})
        ]
        tap.eq([(s, a["error"], a["data"]["field"]) for s, _, a in answers], [(412, "PRECONDITION_FAILED", name)] * 2,
               f"a stale {name} in the document: 412, with an etag of its own or without")
    status, _, answer = call("PUT", "/permissions", {"groups": {}, "file_version": v, "etag": f"file:v{v}"}, v)
    tap.eq((status, answer["data"]["file_version"], answer["data"]["propagation"]["state"]), (200, v + 1, "applied"),
           "with the etag: written")
    v += 1
    status, headers, answer = call("GET", "/settings")
    tap.eq((headers["ETag"], answer["data"]["default"], answer["data"]["enable_proxy"]), (f"file:v{v}", "deny", True),
           "settings, with ETag")
    tap.eq(call("PATCH", "/settings", {"default": "sometimes"}, v)[0], 400, "a bad policy is refused")
    status, _, answer = call("PUT", "/permissions/groups/ops/password", {"username": "admin", "password": "secret"}, v)
    v += 1
    rule = api.do("GET", f"/containers/{cid}/proxy/permissions")["groups"]["ops"]
    tap.eq(rule["password"],
           hashlib.sha256((rule["salt"] + "secret").encode()).hexdigest(), "passwords are hashed with a salt")
    status, _, answer = call("POST", "/hooks/http", {"match": {"path": "/a"}, "script": "1"}, v)
    first = answer["data"]["hook"]["id"]
    status, _, answer = call("POST", "/hooks/http", {"match": {"path": "/b"}, "script": "2"}, v + 1)
    second = answer["data"]["hook"]["id"]
    v += 2
    tap.ok(len(first) == 26 and second > first[:10], "hooks have ULIDs", first, second)
    call("PATCH", f"/hooks/http/{second}/position", {"position": 0}, v)
    hooks = api.do("GET", f"/containers/{cid}/proxy/hooks/http")["hooks"]
    tap.eq([(h["id"], h["position"]) for h in hooks], [(second, 0), (first, 1)], "moved")
    call("PATCH", f"/hooks/http/{first}", {"match": {"path": "/c"}, "script": "3"}, v + 1)
    hooks = api.do("GET", f"/containers/{cid}/proxy/hooks/http")["hooks"]
    tap.eq((hooks[1]["id"], hooks[1]["match"]["path"]), (first, "/c"), "replaced in its place")
    tap.eq(call("DELETE", "/hooks/http/01aaaaaaaaaaaaaaaaaaaaaaaa", None, v + 2)[0], 404, "one that is not there")
    call("DELETE", f"/hooks/http/{second}", None, v + 2)
    tap.eq([h["id"] for h in api.do("GET", f"/containers/{cid}/proxy/hooks")["hooks"]["http"]], [first], "deleted")
    for i in range(7):
        call("POST", "/hooks/http", {"match": {}, "script": str(i)}, v + 3 + i)
    tap.eq(call("POST", "/hooks/http", {"match": {}, "script": "x"}, v + 10)[0], 400, "8 for a service")
    tap.eq(api.do("GET", f"/containers/{cid}/proxy/services")["services"], ["http"], "services that are named")
    status, headers, _ = api.ask("GET", f"/projects/{pid}/proxy/permissions")
    tap.eq((api.ask("DELETE", f"/projects/{pid}/proxy/permissions", None,
                    {"If-Match": "file:v99"})[0], api.ask("GET", f"/projects/{pid}/proxy/permissions")[1]["ETag"]),
           (412, headers["ETag"]), "a project's document is not deleted by who has read another version")
    tap.eq(
        api.ask("DELETE", f"/projects/{pid}/proxy/permissions", None, {"If-Match": headers["ETag"]})[0], 200,
        "but by who has read this one")
    status, _, answer = api.ask("POST", "/proxy/aliases", {"alias": "web-one", "container_id": cid, "project_id": pid})
    aid = answer["data"]["id"]
    tap.eq((status, answer["data"]["alias"], answer["data"]["container_id"]), (201, "web-one", cid),
           "an alias by the local API")
    tap.eq(api.ask("POST", "/proxy/aliases", {"alias": "web-one", "container_id": cid})[0], 409, "a second is refused")
    tap.eq(api.do("PATCH", f"/proxy/aliases/{aid}", {"alias": "web-two"})["alias"], "web-two", "renamed")
    tap.eq(api.do("PATCH", f"/proxy/aliases/{aid}/state", {"enabled": False})["enabled"], False, "disabled")
    api.do("DELETE", f"/proxy/aliases/{aid}")
    tap.eq(api.ask("GET", f"/proxy/aliases/{aid}")[0], 404, "deleted")


def pieces(api, cid, pid):
    """What a piece must say beyond its types, alone and in a whole document; and nothing is changed by what isn't."""
    top, hook = f"/containers/{cid}/proxy", {"match": {"path": "/x"}, "script": "1"}
    alone = [
        ("/groups/g/ip", {"range": "10.0.0.0/8", "allowed_ips": ["10.0.0.0/9"]}, "allowed_ips"),
        ("/groups/g/ip", {"allowed_ips": ["10.0.0.1", "banana"]}, "allowed_ips[1]"),
        ("/groups/g/jwt", {"secret": "x", "jwt_config": {"secret": "y"}}, "secret"),
        ("/groups/g/jwt", {"secret": "x", "sources": ["header:X", "banana"]}, "sources[1]"),
        ("/groups/g/jwt", {"jwt_config": {"sources": ["param:x"]}}, "jwt_config.sources[0]"),
        ("/groups/g/token", {"header": "X", "cookie": "Y", "value": "z"}, "cookie"),
        ("/groups/g/token", {"header": "X"}, "value"), ("/groups/g/token", {"value": "x"}, "header"),
        ("/groups/g/token", {"header": "a b", "value": "x"}, "header"),
        ("/groups/g/token", {"header": "X", "value": "x", "tokens": ["y"]}, "tokens"),
        ("/permissions/g", {"b ad": True}, "b ad"), ("/permissions/g", {"files": 1}, "files"),
        ("/permissions/g", {"http": "banana"}, "http"), ("/permissions/a%20b", {"http": True}, "group")
    ]
    hooks = [
        ({"match": {"path": "x"}}, "match.path"), ({"match": {"method": "get"}}, "match.method"),
        ({"match": {"method": ["GET", "GET"]}}, "match.method[1]"), ({"match": {"method": ["*"]}}, "match.method[0]"),
        ({"match": {"headers": {"A B": "x"}}}, "match.headers.A B"),
        ({"script": {"path": "/x", "subdomain": "A"}}, "script.subdomain"),
        ({"applies_to": {"groups": ["a b"]}}, "applies_to.groups[0]")
    ]
    whole = [
        ({"groups": {"g": {"type": "banana"}}}, "groups.g.type"), ({"groups": {"g": {"range": "x"}}}, "groups.g.type"),
        ({"groups": {"g": {"type": "ip", "range": "x"}}}, "groups.g.range"),
        ({"groups": {"g": {"type": "ip"}}}, "groups.g"),
        ({"groups": {"g": {"type": "password", "username": "u"}}}, "groups.g.password"),
        ({"groups": {"g": {"type": "ip", "banana": 1}}}, "groups.g.banana"),
        ({"groups": {"a b": {"type": "ip", "range": "10.0.0.1"}}}, "groups.a b"),
        ({"permissions": {"g": {"http": "x"}}}, "permissions.g.http"), ({"hooks": {"logs": []}}, "hooks.logs"),
        ({"hooks": {"http": [hook, {**hook, "match": {"path": "x"}}]}}, "hooks.http[1].match.path"),
        ({"container": "f" * 24}, "container"), ({"project": "f" * 24}, "project")
    ]
    calls = [("PUT", f"{top}/permissions{path}", body, field) for path, body, field in alone]
    calls += [("POST", f"{top}/hooks/http", {**hook, **more}, field) for more, field in hooks]
    calls += [("POST", f"{top}/hooks/{service}", hook, "service") for service in ("egress", "a%20b")]
    calls += [("PUT", f"{top}/permissions", body, field) for body, field in whole]
    calls += [("PUT", f"/projects/{pid}/proxy/permissions", {"hooks": {}}, "hooks")]
    before = api.do("GET", f"{top}/permissions")
    for method, path, body, field in calls:
        version = {"If-Match": before["etag"]} if "/containers/" in path else {}
        status, _, answer = api.ask(method, path, body, version)
        tap.eq((status, answer.get("error"), answer["data"].get("field")), (400, "VALIDATION_ERROR", field),
               f"{method} {path.rsplit('/proxy')[-1]} {body}")
    tap.eq(api.do("GET", f"{top}/permissions"), before, "nothing was changed")
    good = {
        "default": "deny", "groups": {"who": {"type": "password", "username": "u", "password": "secret"},
                                      "key": {"type": "token", "header": "X-Key", "value": "v"}},
        "permissions": {"who": {"http": True, "web": "1-3", "ssh": [1, 2], "code": "*"}},
        "hooks": {"http": [hook, hook]}
    }
    status, _, answer = api.ask("PUT", f"{top}/permissions", good, {"If-Match": before["etag"]})
    tap.ok(status == 200, "what is all right is taken", answer)
    now = api.do("GET", f"{top}/permissions")
    who, ids = now["groups"]["who"], [h["id"] for h in now["hooks"]["http"]]
    tap.eq((hashlib.sha256((who["salt"] + "secret").encode()).hexdigest(), len(set(ids)), [h["position"] for h in
                                                                                            now["hooks"]["http"]]),
           (who["password"], 2, [0, 1]), "a whole document's passwords are hashed, too, and its hooks go by ids")
    status, _, answer = api.ask("PUT", f"{top}/permissions", now, {"If-Match": now["etag"]})
    tap.eq((status, api.do("GET", f"{top}/permissions")["groups"]), (200, now["groups"]),
           "what was read can be written")


def ahead(node, top):
    """A document stands in a queue with what makes its container, or ends its project, and in nobody else's."""
    source, copy, project = node.new_id(), node.new_id(), "ab" * 12
    closed = {"default": "deny"}

    def document(scope, cid=None, version=1):
        return node.order("proxy.document", cid, project_id=project, scope=scope, file_version=version,
                          document=closed)

    def while_it_stops(*orders):
        """Behind a stop of an init that hears nothing for now."""
        init = host.init_of(node.prefix, source)
        os.kill(init, signal.SIGSTOP)
        ids = [node.order("container.stop", source), *(order() for order in orders)]
        other = node.do("proxy.document", None, project_id="cd" * 12, scope="project", file_version=len(ids),
                        document=closed)
        tap.eq(other["state"], "succeeded", "another project's document waits for none of it")
        os.kill(init, signal.SIGCONT)
        return [node.wait(order)["state"] for order in ids]

    node.do("container.create", source, image=harness.IMAGE, project_id=project)
    states = while_it_stops(
        lambda: node.order("container.copy", copy, source_container_id=source, project_id=project, start=False),
        lambda: document("container", copy))
    tap.eq((states, read(top / "containers" / f"{copy}.json")), (["succeeded"] * 3, closed),
           "a document of a copy that waits for its source")
    node.do("container.start", source)
    states = while_it_stops(lambda: node.order("project.delete", None, project_id=project), lambda: document("project"))
    tap.eq((states, read(top / "projects" / f"{project}.json")), (["succeeded"] * 3, closed),
           "that of a project comes after the deletion before it")


def target_anew(node, top):
    """An alias of a container that is made anew before it: the old one takes its own aliases along, and not that."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, start=False)
    with host.take_turns(node.directory / "run", [cid]):
        orders = [
            node.order("container.delete", cid),
            node.order("container.create", cid, image=harness.IMAGE, start=False),
            node.order("proxy.alias", None, alias_id=node.new_id(), alias="of-the-new", enabled=True,
                       target={"container_id": cid})
        ]
        host.poll(lambda: any(o["order_id"] == orders[-1] for o in node.hoodyctl("orders")["orders"]), 10, 0.1)
    tap.eq([node.wait(o)["state"] for o in orders], ["succeeded"] * 3, "an alias of a container that is made anew")
    tap.ok((top / "aliases" / "of-the-new.json").exists(), "does not go with the old one")
    node.do("container.delete", cid)


def unchanged(node, top):
    """An agent that starts writes what is not as it should be; for what is it waits for no disk."""
    files = sorted(p for kind in ("projects", "containers", "aliases") for p in (top / kind).glob("*.json"))
    look = lambda: {p: (p.read_text(), p.stat().st_mode & 0o777) for p in files}
    before = look()
    node.stop_agent()
    text = files[0].read_text()
    files[0].write_text(text.translate(str.maketrans("ae", "ea")))
    files[1].chmod(0o644)
    inodes = {p: p.stat().st_ino for p in files[2:]}
    node.start_agent()
    tap.eq(look(), before, "what somebody has changed, of the same length or its mode, is put right at a start")
    now = {p: p.stat().st_ino for p in files[2:]}
    tap.eq((now, len(now) > 0), (inodes, True), "and what is right is left alone")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        top, api, cid = node.directory / "state" / "proxy", local.Local(node), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="web")
        documents(node, top, cid)
        alias = aliases(node, top, cid)
        long_ago(node, top, alias)
        the_map(node, top, cid)
        the_api(node, api, cid, harness.PROJECT)
        pieces(api, cid, harness.PROJECT)
        ahead(node, top)
        target_anew(node, top)
        alias(node.new_id(), "last")
        unchanged(node, top)
        seen = node.last_seq()
        node.do("container.delete", cid, force=True)
        told = [(r["event"], r["data"]["alias"]) for r in node.reports(seen, "proxy")]
        tap.eq(told, [("deleted", "last"), ("deleted", "my-app")], "aliases that go with their container are told of")
        tap.ok(not (top / "containers" / f"{cid}.json").exists() and not (top / "aliases" / "last.json").exists(),
               "a container takes its document and its aliases with it")
        tap.ok(host.poll(lambda: read(top / "map.json")["containers"] == [], 2), "and leaves the map")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
