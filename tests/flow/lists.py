#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a list may be asked has its effect: which rows, in which order, which page of them and how many there are; and
what only the control plane knows is said to be its. bodies.py holds that nothing else may be asked."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap
import webserver


def make(api, project, name, **more):
    body = {"image": harness.IMAGE, "name": name, "start": False, **more}
    return api.do("POST", f"/projects/{project}/containers", body)["id"]


def column(api, path, rows, member):
    return [row[member] for row in api.do("GET", path)[rows]]


def is_sorted(api, path, rows, by, key=lambda v: (v is not None, v)):
    """By `by`, both ways."""
    for order in ("asc", "desc"):
        got = column(api, f"{path}{'&' if '?' in path else '?'}sort_by={by}&sort_order={order}&limit=100", rows, by)
        tap.ok(got and got == sorted(got, key=key, reverse=order == "desc"), f"{path} by {by}, {order}", got)


def paged(api, path, rows, member="id"):
    """Pages of one are what the whole is; both envelopes say where in it they are."""
    whole, got = column(api, f"{path}?limit=100", rows, member), []
    for page in range(1, len(whole) + 2):
        _, _, answer = api.ask("GET", f"{path}?limit=1&page={page}")
        want = {"page": page, "per_page": 1, "total": len(whole)}
        pagination = {"total": len(whole), "page": page, "limit": 1, "totalPages": len(whole)}
        if answer["meta"] != want or answer["data"]["pagination"] != pagination:
            got.append((answer["meta"], answer["data"]["pagination"]))
        got += [row[member] for row in answer["data"][rows]]
    tap.ok(len(whole) > 1 and got == whole, f"{path}, page by page", got, whole)


def elsewhere(api, cid):
    for path, field in (
        ("/projects?realm_id=x", "realm_id"), ("/containers?realm_id=x", "realm_id"),
        ("/containers?runtime=true", "runtime"), (f"/containers/{cid}?runtime=%7B%22displays%22%3Atrue%7D", "runtime"),
        ("/storage/shares?realm_id=x", "realm_id"), ("/storage/incoming?realm_id=x", "realm_id"),
        ("/proxy/aliases?realm_id=x", "realm_id"), ("/images/public?price=0", "price"),
        ("/images/user?rating=5", "rating"), ("/images/public?sort_by=price", "sort_by"),
        ("/images/public?sort_by=rating", "sort_by")
    ):
        status, _, answer = api.ask("GET", path)
        tap.eq((status, answer["error"], answer["data"].get("field")), (501, "CONTROL_PLANE_ONLY", field),
               f"{path} is the control plane's to know")


def containers(node, api, project, cids):
    path = f"/projects/{project}/containers"
    for by in ("id", "name", "status", "created_at", "updated_at"):
        is_sorted(api, path, "containers", by)
    paged(api, path, "containers")
    with (node.directory / "run/turns").open("r+b") as turns: # no worker gets its turn
        fcntl.lockf(turns, fcntl.LOCK_EX)
        api.ask("DELETE", f"/containers/{cids[0]}", {"force": True}, {"Prefer": "respond-async"})
        host.poll(lambda: api.do("GET", f"/containers/{cids[0]}")["status"] == "deleting", 10)
        tap.eq([cids[0] in column(api, f"{p}{q}", "containers", "id")
                for p in ("/containers", path) for q in ("", "?include_deleting=false", "?include_deleting=true")],
               [False, False, True] * 2, "what is being deleted is listed for who asks for it")
        tap.ok("deleting" in node.ctl("container", "list")[1], "as hoodyctl does", node.ctl("container", "list"))
    host.poll(lambda: api.ask("GET", f"/containers/{cids[0]}")[0] == 404, 10)


def proxy_flags(api, project, cid):
    alias = api.do("POST", "/proxy/aliases", {"container_id": cid, "alias": "flagged"})["id"]
    names = {"has_proxy_permissions", "proxy_permissions_scope", "proxy_permissions", "project_proxy_permissions"}
    plain = api.do("GET", f"/containers/{cid}")
    tap.eq([n for n in plain if "proxy" in n], [], "what the proxy knows of a container is shown to who asks")
    v = api.do("GET", f"/containers/{cid}?include_proxy_domains=true")
    tap.eq(([a["id"] for a in v["proxy_domains"]], v["has_proxy_domains"], v["proxy_domains_count"], names & set(v)),
           ([alias], True, 1, set()), "its names")
    ask = lambda: api.do("GET", f"/projects/{project}/containers?include_proxy_permissions=true&sort_by=name"
                        )["containers"][-1]
    v = ask()
    tap.eq([v[n] for n in sorted(names)], [False, None, None, "none"], "no document yet")
    api.do("PUT", f"/projects/{project}/proxy/permissions", {"default": "deny"})
    v = ask()
    tap.eq((v["id"], v["proxy_permissions_scope"], v["project_proxy_permissions"]["default"], v["proxy_permissions"]),
           (cid, "project", "deny", None), "its project's")
    api.ask("PUT", f"/containers/{cid}/proxy/permissions", {"default": "allow"}, {"If-Match": "file:v0"})
    v = ask()
    tap.eq((v["proxy_permissions_scope"], v["proxy_permissions"]["default"], v["has_proxy_permissions"]),
           ("both", "allow", True), "both")
    api.do("DELETE", f"/proxy/aliases/{alias}")


def shares(api, project, source, target):
    path = f"/containers/{source}/storage/shares"
    new = lambda where, **more: api.do("POST", path, {"path": where, **more})["id"]
    one = new("/etc", label="b-label", alias="z-alias", target_container_id=target)
    two = new("/bin", label="a-label", target_project_id=project, mode="rw")
    gone = new("/root", target_container_id=target, expires_at=1) # kept until a clock has held
    for where in (path, "/storage/shares", f"/containers/{target}/storage/incoming", "/storage/incoming"):
        listed = [gone in column(api, f"{where}{q}", "shares", "id") for q in ("", "?include_expired=true")]
        tap.eq(listed, [False, True], f"{where}: one that has expired is listed for who asks for it")
    api.do("DELETE", f"/storage/shares/{gone}")
    three = new("/usr", target_container_id=target, expires_at=int(time.time()) + 86400, enabled=False)
    for by in ("id", "source_path", "alias", "label", "mode", "status", "expires_at", "created_at", "updated_at"):
        is_sorted(api, path, "shares", by)
    is_sorted(api, f"/containers/{target}/storage/incoming", "shares", "source_path")
    paged(api, path, "shares")
    for query, want in (("", {one, two, three}), ("label=a-label", {two}), ("target_type=project", {two}),
                        ("enabled=false", {three}), ("enabled=true&target_type=container", {one}),
                        ("status=failed", set()), ("status=active", {one, two, three}),
                        ("label=a-label&enabled=false", set()), ("include_expired=true", {one, two, three})):
        for where in (path, "/storage/shares"):
            _, _, answer = api.ask("GET", f"{where}?{query}")
            tap.eq(({s["id"] for s in answer["data"]["shares"]}, answer["meta"]["total"]), (want, len(want)),
                   f"{where} with {query or 'nothing'}")
    tap.eq({s["id"] for s in api.do("GET", f"/containers/{target}/storage/incoming?target_type=project")["shares"]},
           {two}, "what is received through the project")


def aliases(api, project, cids):
    for name, cid, more in (("bbb", cids[0], {"program": "web"}), ("aaa", cids[1], {"enabled": False}),
                            ("ccc", cids[1], {"expires_at": "2099-01-01T00:00:00.000Z", "program": "api"})):
        api.do("POST", "/proxy/aliases", {"container_id": cid, "alias": name, **more})
    for by in ("id", "alias", "program", "enabled", "expires_at", "created_at", "updated_at"):
        for order in ("asc", "desc"):
            got = [a.get(by) for a in api.do("GET", f"/proxy/aliases?sort_by={by}&sort_order={order}")["aliases"]]
            want = sorted(got, key=lambda v: (v is not None, v), reverse=order == "desc")
            tap.eq(got, want, f"aliases by {by} {order}")
    paged(api, "/proxy/aliases", "aliases")
    other = api.do("POST", "/projects", {"alias": "without"})["id"]
    for query, want in (("", ["aaa", "bbb", "ccc"]), (f"container_id={cids[1]}", ["aaa", "ccc"]),
                        (f"project_id={project}", ["aaa", "bbb", "ccc"]), (f"project_id={other}", []),
                        ("enabled=false", ["aaa"]), (f"enabled=true&container_id={cids[1]}", ["ccc"])):
        tap.eq(column(api, f"/proxy/aliases?{query}", "aliases", "alias"), want, f"aliases with {query or 'nothing'}")


def projects(api):
    for alias in ("zebra", "antelope"):
        api.do("POST", "/projects", {"alias": alias})
    for by in ("id", "alias", "created_at", "updated_at"):
        is_sorted(api, "/projects", "projects", by)
    paged(api, "/projects", "projects")


def images(node, api):
    work = node.directory / "image"
    (work / "root/etc").mkdir(parents=True)
    subprocess.run(["tar", "-C", work / "root", "-cf", work / "image.tar", "."], check=True)
    digest = hashlib.sha256((work / "image.tar").read_bytes()).hexdigest()
    with contextlib.closing(webserver.Server(work)) as server:
        for name in ("shop/2", "shop/1", "alpine/3"):
            api.do("POST", f"/images/import/{name.replace('/', '%2F')}",
                   {"sha256": digest, "url": server.url("image.tar")})
    for where in ("/images/public", "/images/user"):
        for by in ("alias", "added_date"):
            is_sorted(api, where, "images", by)
        paged(api, where, "images", "alias")
        for query, want in (("os=shop", ["shop/1", "shop/2"]), ("search=SHOP%2F1", ["shop/1"]),
                            ("search=3", ["alpine/3"]), ("search=banana", []), ("architecture=banana", []),
                            ("search=p&sort_order=desc", ["shop/2", "shop/1", "alpine/3"])):
            tap.eq(column(api, f"{where}?{query}", "images", "alias"), want, f"{where} with {query}")


def events(api):
    whole = api.do("GET", "/events?limit=500&sort_order=asc")["events"]
    ids = [e["id"] for e in whole]
    tap.ok(len(ids) > 10 and ids == sorted(ids), "events, the oldest first", len(ids))
    tap.eq(column(api, "/events?limit=500", "events", "id"), ids[::-1], "the newest first without a word")
    after = f"/events?after={ids[4]}&limit=3"
    tap.eq((column(api, after, "events", "id"), column(api, f"{after}&page=2", "events", "id"),
            column(api, f"{after}&sort_order=desc", "events", "id"), api.ask("GET", after)[2]["meta"]["total"]),
           (ids[5:8], ids[8:11], ids[:-4:-1], len(ids) - 5), "after one: those that came then, in pages")
    tap.eq(column(api, "/events?bootstrap=true&limit=3", "events", "id"), ids[:3], "bootstrap begins with the oldest")
    status, _, answer = api.ask("GET", f"/events?bootstrap=true&after={ids[0]}")
    tap.eq((status, answer["data"]["field"]), (400, "bootstrap"), "and not after one")
    stream = api.stream("/events?bootstrap=true")
    got = [data["id"] for _, (_, data) in zip(ids, stream)]
    stream.close()
    tap.eq(got, ids, "who follows is given all since then, too")
    for event in ids[:3]:
        api.do("DELETE", f"/events/{event}")
    status, _, answer = api.ask("GET", f"/events?after={ids[0]}")
    tap.eq((status, answer["error"], answer["data"]["field"]), (410, "EVENT_CURSOR_EXPIRED", "after"),
           "what has gone since one is said, not passed over")
    tap.eq(column(api, f"/events?after={ids[2]}&limit=500", "events", "id"), ids[3:],
           "all since the last of them is here")


def missed(node, api):
    """More events than a stream begins with."""
    node.stop_agent()
    with sqlite3.connect(node.directory / "state/state.db") as db:
        columns = "at_ms, event_type, resource_type, resource_id, project_id, payload"
        while db.execute("SELECT count(*) FROM events").fetchone()[0] <= 500:
            db.execute(f"INSERT INTO events({columns}) SELECT {columns} FROM events")
    db.close()
    node.start_agent()
    ids = [e["id"] for page in (1, 2) for e in api.do("GET", f"/events?limit=500&sort_order=asc&page={page}")["events"]]
    got = []
    while len(got) < len(ids):
        stream = api.stream(f"/events?after={got[-1]}" if got else "/events?bootstrap=true")
        got += [data["id"] for _, (_, data) in zip(ids[len(got):], stream)]
        stream.close()
    tap.eq(got, ids, "who has missed many is given all, in more streams than one")
    api.do("DELETE", f"/events/{ids[-2]}")
    tap.eq([api.ask("GET", f"/events?after={event}")[0] for event in ids[-3:]], [410, 200, 200],
           "one has gone, and that is said to who had not come so far")
    api.do("DELETE", "/events", {"all": True})
    tap.eq([api.ask("GET", f"/events?after={event}")[0] for event in ids[-2:]], [410, 200],
           "all have gone, and that is said to who had not seen the last")


def operations(api):
    paged(api, "/operations", "operations", "order_id")


def snapshots(api, cid):
    for name in ("one", "two", "three"):
        api.do("POST", f"/containers/{cid}/snapshots", {"alias": name})
    paged(api, f"/containers/{cid}/snapshots", "snapshots", "name")
    tap.eq(api.do("GET", f"/containers/{cid}/snapshots?limit=1")["snapshot_count"], 3, "their number is that of all")


def whole(api, project, cid):
    """Lists without pages have one, which all is on."""
    api.do("POST", f"/containers/{cid}/firewall/ingress", {"action": "allow", "protocol": "tcp", "port": 80})
    api.do("POST", f"/containers/{cid}/firewall/egress", {"action": "allow", "protocol": "tcp", "port": 80})
    for path, n in ((f"/containers/{cid}/firewall/rules", 2), (f"/containers/{cid}/proxy/hooks", 0),
                    (f"/containers/{cid}/proxy/hooks/http", 0), (f"/containers/{cid}/proxy/groups", 0),
                    (f"/containers/{cid}/proxy/services", 0), ("/meta/public-key", 0), ("/stats", None),
                    (f"/projects/{project}/stats", None), (f"/servers/{harness.NODE_ID}/available-commands", 4)):
        _, _, answer = api.ask("GET", path)
        data, meta = answer["data"], answer.get("meta")
        n = len(data.get("containers", data.get("stats", []))) if n is None else n
        tap.ok(meta and meta["page"] == 1 and meta["total"] == n and meta["per_page"] >= max(n, 1),
               f"{path}: meta of a list of {n}", meta)


def rules(api, cid):
    """The answer has all of them; what is kept of each of many changes has the change alone."""
    path, many = f"/containers/{cid}/firewall", [{
        "action": "allow", "protocol": "tcp", "destination_port": str(n)
    } for n in range(1, 301)]
    api.do("PUT", f"{path}/rules", {"ingress": many, "egress": []})
    after = api.do("PATCH", f"{path}/ingress", {"filters": {"destination_port": "1"}, "state": "disabled"})
    tap.eq((len(after["ingress"]), after["ingress"][0]["state"], after["egress"]), (300, "disabled", []),
           "a change's answer has the rules as they are")
    result = api.do("GET", f"/operations/{after['operation_id']}")["result"]
    tap.eq(sorted(result), ["direction", "new_state", "updated"], "the operation has what it has changed")
    events = [e for e in api.do("GET", "/events?limit=500")["events"] if e["resource_id"] == cid]
    tap.ok({"firewall.rule.updated", "firewall.rule.disabled"} <= {e["event_type"] for e in events} and
           all(len(json.dumps(e)) < 2000 for e in events), "and no event of 300 rules is long",
           [(e["event_type"], len(json.dumps(e))) for e in events])


def too_long(api, project):
    """An answer that is longer than a frame is refused with what to do about it, by both sockets; less of it is given.
    """
    group = lambda n: {"type": "token", "header": "X-Key", "value": f"{n:0900}"}
    document = {"default": "deny", "groups": {f"g{n}": group(n) for n in range(1000)}}
    more = [make(api, project, f"long-{n}") for n in range(13)]
    api.do("PUT", f"/projects/{project}/proxy/permissions", document)
    for cid in more:
        status, _, v = api.ask("PUT", f"/containers/{cid}/proxy/permissions", document, {"If-Match": "file:v0"})
        assert status < 300, v
    ask = lambda limit: api.ask("GET", f"/containers?include_proxy_permissions=true&limit={limit}")
    status, _, v = ask(100)
    tap.eq((status, v["error"]), (400, "ANSWER_TOO_LONG"), "13 containers, each with two documents of 0.9 MB")
    status, _, v = ask(10)
    tap.eq((status, len(v["data"]["containers"])), (200, 10), "ten of them come")
    for cid in more:
        api.do("DELETE", f"/containers/{cid}", {"force": True})


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        api = local.Local(node)
        projects(api)
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        cids = [make(api, project, name) for name in ("ccc", "aaa", "bbb", "ddd")]
        elsewhere(api, cids[0])
        containers(node, api, project, cids)
        proxy_flags(api, project, cids[3])
        shares(api, project, cids[1], cids[2])
        aliases(api, project, cids[1:])
        images(node, api)
        snapshots(api, cids[1])
        operations(api)
        events(api)
        missed(node, api)
        whole(api, project, cids[2])
        rules(api, cids[2])
        too_long(api, project)
        for cid in cids[1:]:
            api.do("DELETE", f"/containers/{cid}", {"force": True})
        for image in column(api, "/images/user", "images", "id"):
            api.ask("DELETE", f"/images/user/{image}")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
