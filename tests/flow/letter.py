#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""To the letter of the public API: what it allows passes and has its effect, what is wrong is named in the caller's
words, and what a standalone node keeps is kept."""
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import loop
import tap
import webserver

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGMkhyWKpkzX5aPDnqYmfmyMhIBJ8vFJXLBWPCWT2BGr a@b"
LINES = "-----BEGIN\n\ta key\r\n-----END\n"


def refused(api, method, path, body, want, words, headers=()):
    status, _, answer = api.ask(method, path, body, headers)
    tap.eq((status, answer.get("error"), (answer.get("data") or {}).get("field")), want, words)


def make(api, project, name, **more):
    return api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": name, **more})["id"]


def in_session(node, cid, name):
    command = [
        harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", cid, "sh", "-c",
        f'printf %s "${name}"'
    ]
    return subprocess.run(command, capture_output=True, timeout=60 * harness.SLOW, check=False).stdout.decode()


def environment(node, api, cid):
    path = f"/containers/{cid}/env"
    got = api.do("PUT", path, {"LINES_": LINES, "TAB": "a\tb"})
    tap.eq((got["environment_vars"]["LINES_"], got["synced"], got["env_sync"]["last_error"]),
           (LINES, False, "ENV_UNREPRESENTABLE"),
           "a value with line breaks is kept; that the file has not got it is said")
    tap.eq((in_session(node, cid, "LINES_"), in_session(node, cid, "TAB")), (LINES, "a\tb"), "sessions have it")
    text = (node.root(cid) / "etc/environment").read_text()
    tap.ok('TAB="a\tb"\n' in text and "BEGIN\n" not in text.replace("# BEGIN", ""),
           "the file has the tab and no line of a value", text)
    got = api.do("PUT", f"{path}/LINES_", {"value": "one\ttwo"})
    tap.eq((got["synced"], got["env_sync"]["last_error"]), (True, None), "without breaks all is in the file")
    for value, want in (("é" * 4096, 200), ("é" * 4097, 400), ("", 400), ("\x1b[1m", 400)):
        tap.eq(
            api.ask("PUT", f"{path}/LONG", {"value": value})[0], want,
            f"{len(value)} characters, {len(value.encode())} bytes: {want}")
    changed = api.do("PATCH", f"/containers/{cid}", {"environment_vars": {"ONLY": "this"}, "autostart": False})
    tap.eq((changed["environment_vars"], changed["env_sync"]["pending"], changed["autostart"]),
           ({"ONLY": "this"}, False, False), "a change of the container gives all its variables")
    tap.eq((in_session(node, cid, "ONLY"), in_session(node, cid, "TAB")), ("this", ""),
           "sessions have them and no other")
    tap.ok("ONLY=this\n" in (node.root(cid) / "etc/environment").read_text(), "and the file")
    api.do("PATCH", f"/containers/{cid}", {"autostart": True})
    tap.eq(api.do("GET", path)["environment_vars"], {"ONLY": "this"}, "a change that doesn't name them leaves them")
    refused(api, "PATCH", f"/containers/{cid}", {"environment_vars": {"HOODY_X": "1"}},
            (400, "RESERVED_ENV_PREFIX", "environment_vars.HOODY_X"), "HOODY_ is the platform's")


def limits(api, project, cid):
    for bytes_ in (1, 65536, (6 << 20) - 1):
        refused(api, "POST", f"/projects/{project}/containers",
                {"image": harness.IMAGE, "name": "small", "limits": {"memory_bytes": bytes_}},
                (400, "LIMIT_NOT_SUPPORTED", "limits.memory_bytes"),
                f"a container of {bytes_} bytes: the limit is named")
    refused(api, "PATCH", f"/containers/{cid}", {"limits": {"memory_bytes": 4096}},
            (400, "LIMIT_NOT_SUPPORTED", "limits.memory_bytes"), "by a change, too")
    tap.eq(api.do("GET", f"/containers/{cid}")["limits"], {}, "and nothing was changed")
    for name in ("net_bps", "pids"):
        c = make(api, project, f"least-{name}".replace("_", "-"), limits={name: 1})
        tap.eq(api.do("GET", f"/containers/{c}")["status"], "running", f"{name}: 1 is a limit like others")
        api.do("DELETE", f"/containers/{c}", {"force": True})
    wanted = {"memory_bytes": 64 << 20, "pids": 50, "cpu_cores": 0.5, "net_bps": 8_000_000}
    api.do("PATCH", f"/containers/{cid}", {"limits": wanted})
    tap.eq(api.do("GET", f"/containers/{cid}")["limits"], wanted, "limits are set")
    for name in wanted:
        api.do("PATCH", f"/containers/{cid}", {"limits": {name: None}})
    tap.eq(api.do("GET", f"/containers/{cid}")["limits"], {}, "and each is taken away by null")


def names_of_members(api, project, cid):
    rules, invalid = f"/containers/{cid}/firewall", (400, "VALIDATION_ERROR")
    rows = [
        ("DELETE", f"{rules}/ingress", {"filters": {"port": 99999}}, "filters.port"),
        ("DELETE", f"{rules}/ingress", {"filters": {"destination_port": "99999"}}, "filters.destination_port"),
        ("DELETE", f"{rules}/egress", {"port": "x"}, "port"),
        ("PATCH", f"{rules}/egress", {"filters": {"port": "x"}, "state": "enabled"}, "filters.port"),
        ("PUT", f"{rules}/rules", {"ingress": [{"action": "allow", "protocol": "tcp",
                                                "port": "0"}]}, "ingress[0].port"),
        ("PUT", f"{rules}/rules", {
            "egress": [{"action": "allow", "protocol": "tcp", "port": 1},
                       {"action": "allow", "protocol": "tcp", "port": 1, "destination": "x"}]
        }, "egress[1].destination"),
        ("POST", f"{rules}/ingress", {"action": "allow", "protocol": "icmp4", "port": 1}, "port"),
        ("POST", f"/projects/{project}/containers", {"container_image": "../x", "alias": "abc"}, "container_image"),
        ("POST", f"/projects/{project}/containers", {"image": "a", "alias": "a b c"}, "alias"),
        ("POST", "/proxy/aliases", {"container_id": cid, "alias": "x-y", "program": "1"}, "program"),
        ("PUT", f"/containers/{cid}/network", {"type": "block", "dns_servers": ["1.1.1.1", "x"]}, "dns_servers[1]"),
        ("POST", f"/containers/{cid}/snapshots", {"expiry": 0}, "expiry"),
        ("PUT", f"/containers/{cid}/env", {}, "body"),
    ]
    for method, path, body, field in rows:
        _, _, answer = api.ask(method, path, body)
        tap.ok((answer["statusCode"], answer["error"], answer["data"].get("field")) == (*invalid, field)
               and answer["message"].startswith(field), f"{method} {body}: {field} is wrong", answer)


def at_once(calls):
    """The answers' codes of calls that are made at the same time."""
    codes = []
    callers = [threading.Thread(target=lambda c=c: codes.append(c()[0])) for c in calls]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    return sorted(codes)


def apart(api, project, cid):
    """Names, keys and counts, which the control API keeps apart for its nodes."""
    path = f"/projects/{project}/containers"
    new = lambda **more: {"image": harness.IMAGE, "start": False, **more}
    in_use = (409, "SSH_PUBLIC_KEY_IN_USE", "ssh_public_key")
    one = make(api, project, "key-1", start=False, ssh_public_key=KEY)
    refused(api, "POST", path, new(ssh_public_key=KEY.replace(" a@b", " c@d")), in_use,
            "a key that another container has, whatever its comment")
    refused(api, "PATCH", f"/containers/{cid}", {"ssh_public_key": KEY}, in_use, "by a change")
    refused(api, "POST", f"/containers/{cid}/copy", {"ssh_public_key": KEY}, in_use, "by a copy")
    other = api.do("POST", "/projects", {"alias": "other"})["id"]
    refused(api, "POST", f"/projects/{other}/containers", new(ssh_public_key=KEY), in_use, "in another project, too")
    tap.eq(
        api.ask("PATCH", f"/containers/{one}", {"ssh_public_key": KEY})[0], 200, "one's own key again is no conflict")
    api.do("PATCH", f"/containers/{one}", {"ssh_public_key": None})
    tap.eq(at_once([lambda n=n: api.ask("POST", path, new(name=f"k-{n}", ssh_public_key=KEY)) for n in range(5)]),
           [201] + [409] * 4, "of five that come at once with one key one gets it")
    made = [c["id"] for c in api.do("GET", path)["containers"] if c["id"] != cid]
    made += [make(api, project, f"n-{n}", start=False) for n in range(4)]
    tap.eq(at_once([lambda c=c: api.ask("PATCH", f"/containers/{c}", {"name": "wanted"}) for c in made]),
           [200] + [409] * (len(made) - 1), "and one name")
    tap.eq(at_once([lambda: api.ask("POST", path, new(name="new")) for _ in range(5)]), [201] + [409] * 4,
           "a new one's, too")
    for c in api.do("GET", path)["containers"]:
        if c["id"] != cid:
            api.do("DELETE", f"/containers/{c['id']}", {"force": True})
    few = api.do("POST", "/projects", {"alias": "few", "max_containers": 2})
    tap.eq(at_once([lambda: api.ask("POST", f"/projects/{few['id']}/containers", new()) for _ in range(4)]),
           [201, 201, 400, 400], "max_containers counts, also for those that come at once")
    full = (400, "PROJECT_CONTAINER_LIMIT", None)
    refused(api, "POST", f"/projects/{few['id']}/containers", new(), full, "a full project takes no container")
    refused(api, "POST", f"/containers/{cid}/copy", {"target_project_id": few["id"]}, full, "and no copy")
    tap.eq(api.do("PATCH", f"/projects/{few['id']}", {"max_containers": None})["max_containers"], None, "null lifts it")
    tap.eq(api.ask("POST", f"/projects/{few['id']}/containers", new())[0], 201, "and it takes one")
    taken = (409, "ALIAS_IN_USE", "alias")
    refused(api, "POST", "/projects", {"alias": "few"}, taken, "a project's alias that another has")
    refused(api, "PATCH", f"/projects/{other}", {"alias": "few", "color": "#ff0000"}, taken, "by a change")
    tap.eq((api.do("GET", f"/projects/{other}")["alias"], api.do("GET", f"/projects/{other}")["color"]),
           ("other", None), "and nothing was changed")
    tap.eq(
        api.ask("PATCH", f"/projects/{other}", {"alias": "other", "max_containers": 9})[0], 200,
        "one's own alias again is no conflict")
    tap.eq(at_once([lambda: api.ask("POST", "/projects", {"alias": "one"}) for _ in range(5)]), [201] + [409] * 4,
           "of five that come at once with one alias one gets it")
    one = next(p["id"] for p in api.do("GET", "/projects")["projects"] if p["alias"] == "one")
    tap.eq(api.do("PATCH", f"/projects/{one}", {"alias": "two"})["alias"], "two", "one that is given up")
    api.do("DELETE", f"/projects/{one}")
    for alias in ("one", "two"):
        tap.eq(
            api.ask("PATCH", f"/projects/{other}", {"alias": alias})[0], 200,
            "can be taken, and one of a project that is gone")
    for p in (few["id"], other):
        api.do("DELETE", f"/projects/{p}")


def texts(node, api, project, cid):
    """What nobody but people read is kept."""
    shown = api.do("PATCH", f"/projects/{project}", {"color": "abc"})
    tap.eq((shown["color"], api.do("PATCH", f"/projects/{project}", {"color": None})["color"]), ("#ABC", None),
           "a project's color, and none")
    refused(api, "PATCH", f"/projects/{project}", {"color": "#abcd"}, (400, "VALIDATION_ERROR", "color"),
            "a color that is none")
    tap.eq([api.do("GET", f"/containers/{cid}")[k] for k in ("color", "comment", "ai", "dev_kit")],
           [None, None, True, True], "what was never said of a container")
    notes = {"color": "#12ab9F", "comment": "two\nlines", "ai": False}
    c = make(api, project, "noted", start=False, dev_kit=False, **notes)
    want = {**notes, "color": "#12AB9F", "dev_kit": False}
    look = lambda: {k: api.do("GET", f"/containers/{c}")[k] for k in want}
    tap.eq(look(), want, "what was")
    api.do("PATCH", f"/containers/{c}", {"comment": None})
    tap.eq(look(), {**want, "comment": None}, "one is taken away, the others stay")
    refused(api, "PATCH", f"/containers/{c}", {"color": "red"}, (400, "VALIDATION_ERROR", "color"),
            "a color that is none")
    share = api.do("POST", f"/containers/{c}/storage/shares",
                   {"path": "/etc", "target_container_id": cid, "label": "a-label", "description": "what\nit is"})
    at = f"/containers/{c}/storage/shares/{share['id']}"
    tap.eq((share["label"], share["description"]), ("a-label", "what\nit is"), "a share's label and description")
    api.do("PATCH", at, {"label": "another", "enabled": False})
    share = api.do("GET", at)
    tap.eq((share["label"], share["description"], share["enabled"]), ("another", "what\nit is", False),
           "changed, and kept")
    refused(api, "PATCH", at, {"label": "A Label"}, (400, "VALIDATION_ERROR", "label"), "a label that is none")
    tap.ok(
        not {"label", "description", "alias"} & set(api.do("GET", f"/containers/{cid}/storage/incoming")["shares"][0]),
        "who receives it does not see them")
    node.kill9("agent")
    node.start_agent()
    tap.eq((look(), api.do("GET", at)["label"]), ({**want, "comment": None}, "another"), "they outlive the agent")
    alias = {"container_id": cid, "alias": "shop", "program": "http"}
    refused(api, "POST", "/proxy/aliases", {**alias, "project_id": "f" * 24}, (404, "PROJECT_NOT_FOUND", "project_id"),
            "an alias in a project that isn't there")
    refused(api, "POST", "/proxy/aliases", {**alias, "container_id": "f" * 24},
            (404, "CONTAINER_NOT_FOUND", "container_id"), "for a container that isn't there")
    status, _, made = api.ask("POST", "/proxy/aliases", {**alias, "project_id": project})
    tap.eq((status, made["data"]["project_id"]), (201, project), "its own project's")
    refused(api, "PATCH", f"/proxy/aliases/{made['data']['id']}", {"project_id": "f" * 24},
            (404, "PROJECT_NOT_FOUND", "project_id"), "by a change")
    api.do("DELETE", f"/containers/{c}", {"force": True})


def runtime(api):
    used = {"used_bytes", "total_bytes"}
    want = {
        "scope": None, "ts": None, "cache_age_ms": None, "stale": None, "uptime_s": None, "cores": None,
        "load": {"1", "5", "15"}, "cpu": {"busy_pct"}, "mem": used | {"pct"}, "swap": used, "storage": used | {"pct"}
    }
    path = f"/servers/{harness.NODE_ID}/runtime"
    got = api.do("GET", path)
    tap.eq({k: set(v) if isinstance(v, dict) else None for k, v in got.items()}, want,
           "the host's runtime has what section 18.2 has, and no more")
    memory = {
        w[0]: int(w[1]) * 1024 for w in (line.replace(":", "").split() for line in open("/proc/meminfo")) if len(w) > 2
    }
    tap.eq((got["scope"], got["stale"], got["cores"], got["mem"]["total_bytes"], got["swap"]["total_bytes"]),
           ("server", False, os.sysconf("SC_NPROCESSORS_ONLN"), memory["MemTotal"], memory["SwapTotal"]),
           "and it is the host's")
    tap.ok(
        abs(got["uptime_s"] - float(open("/proc/uptime").read().split()[0])) < 60
        and abs(got["mem"]["used_bytes"] - memory["MemTotal"] + memory["MemAvailable"]) < memory["MemTotal"] / 4,
        "its uptime and what it uses", got)
    later = host.poll(lambda: (r := api.do("GET", path))["ts"] != got["ts"] and r, 10)
    tap.ok(later and later["cache_age_ms"] < 2000 and 0 <= later["cpu"]["busy_pct"] <= 100,
           "a look is two seconds old at most, and then there is a share of the processors", later)
    tap.eq(set(api.do("GET", f"/rentals/{harness.NODE_ID}/runtime")), set(got), "by its rental, too")


def commands(api):
    path, invalid = f"/servers/{harness.NODE_ID}/execute-command", (400, "VALIDATION_ERROR")
    listed = {c["slug"]: c for c in api.do("GET", f"/servers/{harness.NODE_ID}/available-commands")["commands"]}
    up = listed["check-uptime"]["id"]
    got = api.do("POST", path, {"command_slug": "check-uptime", "parameters": {}, "wait": True, "timeout": 600})
    tap.ok((got["command_id"], got["status"], got["exit_code"]) == (up, "completed", 0)
           and got["output"].startswith("up "), "a command by its slug, with all that the schema allows", got)
    status, _, answer = api.ask("POST", path, {"command_id": up, "wait": False})
    pending = answer["data"]
    tap.eq(
        (status, pending["command_id"], pending["status"], {"command_log_id", "estimated_completion"} <= set(pending)),
        (202, up, "pending", True), "without waiting: pending")
    done = host.poll(
        lambda: (o := api.do("GET", f"/operations/{pending['operation_id']}"))["status"] == "succeeded" and o, 10)
    tap.eq(done and done["result"]["command_log_id"], pending["command_log_id"], "and found by its operation")
    for name in ("timeout", "timeout_s"):
        refused(api, "POST", path, {"command_id": up, name: 601}, (*invalid, name),
                f"a {name} that is more than a command's longest is not cut")
    refused(api, "POST", path, {"command_id": "f" * 24}, (*invalid, "command_id"), "an id of no command")
    refused(api, "POST", path, {"command_id": up, "command_slug": "check-memory"}, (*invalid, "command_id"),
            "two that differ")
    refused(api, "POST", path, {"command_slug": "check-memory", "parameters": {"x": 1}}, (*invalid, "parameters.x"),
            "a parameter that there isn't")
    refused(api, "POST", path, {}, (*invalid, "command"), "none")


def control_plane(api):
    """PUT and PATCH are twins there, too."""
    paths = [
        "/pools/{}", "/pools/{}/members/{}", "/users/{}", "/notifications/read-all", "/notifications/{}/read",
        "/vault/keys/K", "/wallet/payment-methods/{}", "/wallet/payment-methods/{}/default",
        "/projects/{}/permissions/{}", "/auth/tokens/{}", "/auth/tokens/me/public-profile", "/users/auth/2fa/token-gate"
    ]
    codes = {(m, p): api.ask(m, p.replace("{}", "a" * 24), {})[0] for p in paths for m in ("PUT", "PATCH")}
    tap.eq({k: v for k, v in codes.items() if v != 501}, {}, f"{len(codes)} changes that are the control plane's: 501")


def groups(api, cid):
    path = f"/containers/{cid}/proxy"
    write = lambda at, body: api.ask("PUT", f"{path}/permissions/groups/{at}", body,
                                     {"If-Match": api.do("GET", f"{path}/settings")["etag"]})
    write("pw/password", {"username": "u", "password": "p"})
    write("net/ip", {"allowed_ips": ["10.0.0.0/8", "192.0.2.1"]})
    tap.eq(
        api.do("GET", f"{path}/groups")["groups"],
        [{"name": "pw", "auth_rule_count": 1}, {"name": "net", "auth_rule_count": 1}],
        "a group is one rule, however many members it is written with")


REALMS = ["a" * 24, "0123456789abcdef01234567"]


def realms(api, project, cid):
    """Of no use to the node, and so kept and shown like the texts."""
    for path in (f"/projects/{project}", f"/containers/{cid}"):
        look = lambda p=path: api.do("GET", p)["realm_ids"]
        tap.eq(look(), [], f"{path} is in no realm")
        tap.eq((api.do("PATCH", path, {"realm_ids": REALMS})["realm_ids"], look()), (REALMS, REALMS), "then in two")
        refused(api, "PATCH", path, {"realm_ids": [REALMS[0], "banana"]}, (400, "VALIDATION_ERROR", "realm_ids[1]"),
                "what is no id is named")
        api.do("PATCH", path, {"color": "abc"})
        tap.eq(look(), REALMS, "a change that doesn't name them leaves them")
    other = api.do("POST", "/projects", {"alias": "in-a-realm", "realm_ids": REALMS[:1]})
    c = make(api, project, "in-a-realm", start=False, realm_ids=REALMS[1:])
    copy = api.do("POST", f"/containers/{c}/copy", {"name": "in-it-too", "start": False})
    tap.eq((other["realm_ids"], [r["realm_ids"] for r in api.do("GET", "/projects")["projects"]],
            api.do("GET", f"/containers/{c}")["realm_ids"], copy["realm_ids"]),
           (REALMS[:1], [REALMS, REALMS[:1]], REALMS[1:], REALMS[1:]),
           "new ones, in a list, and of a copy its source's")
    for path in (f"/projects/{project}", f"/containers/{cid}"):
        tap.eq(api.do("PATCH", path, {"realm_ids": []})["realm_ids"], [], "and in none again")
    for i in (c, copy["id"]):
        api.do("DELETE", f"/containers/{i}", {"force": True})
    api.do("DELETE", f"/projects/{other['id']}")


def said_defaults():
    """form → member → value, of the rows that hoodyctl and the description show"""
    text = (pathlib.Path(__file__).resolve().parents[2] / "agent/common/api_bodies.def").read_text()
    found = {}
    for form, name, value in re.findall(r'^D\((\w+), "([^"]+)", "([^"]+)"\)$', text, re.M):
        found.setdefault(form, {})[name] = {"true": True, "false": False, "anybody": "0.0.0.0/0"}.get(value, value)
    return found


def defaults(api, project, cid):
    """What is left out is as if its default was given."""
    own = {"id", "name", "alias", "created_at", "updated_at", "operation_id", "pid", "env_sync", "order_id"}
    alike = lambda v: {k: x for k, x in v.items() if k not in own}
    both = lambda ask, all_of: [alike(ask(n, given)) for n, given in enumerate(({}, all_of))]
    rules = f"/containers/{cid}/firewall"

    def container(n, given):
        made = api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": f"left-{n}", **given})
        status = api.ask("DELETE", f"/containers/{made['id']}", said["CONTAINER_DELETE"] if n else {})[0]
        api.do("DELETE", f"/containers/{made['id']}", {"force": True})
        return {**made, "delete": status}

    def copy(n, given):
        made = api.do("POST", f"/containers/{cid}/copy", {"name": f"copy-{n}", **given})
        found = {
            **made, "rules": api.do("GET", f"/containers/{made['id']}/firewall/rules"),
            "network": api.do("GET", f"/containers/{made['id']}/network")["configured"]
        }
        api.do("DELETE", f"/containers/{made['id']}", {"force": True})
        return found

    def rule(direction):
        def add(n, given):
            wish = {"action": "allow", "protocol": "tcp", "port": 8080, **given}
            answer = api.do("POST", f"{rules}/{direction}", wish)
            api.do("DELETE", f"{rules}/{direction}", {"all": True})
            return {k: v for k, v in answer["rule"].items() if (k, v) not in (("source", "0.0.0.0/0"),
                                                                              ("destination", "0.0.0.0/0"))}
        return add

    def share(n, given):
        made = api.do("POST", f"/containers/{cid}/storage/shares",
                      {"path": "/etc", "target_container_id": other, "mount_path": "/mnt/default", **given})
        api.do("DELETE", f"/storage/shares/{made['id']}")
        return {k: v for k, v in made.items() if k != "share_id"}

    def alias(n, given):
        made = api.do("POST", "/proxy/aliases", {"container_id": cid, "alias": f"left-{n}", **given})
        api.do("DELETE", f"/proxy/aliases/{made['id']}")
        return made

    def document(n, given):
        path = f"/projects/{project}/proxy/permissions"
        api.do("PUT", path, given)
        got = api.do("GET", path)
        api.do("DELETE", path)
        return {k: v for k, v in got.items() if k not in ("file_version", "etag")}

    tried = {
        "CONTAINER_CREATE": container, "CONTAINER_COPY": copy, "INGRESS_RULE": rule("ingress"),
        "EGRESS_RULE": rule("egress"), "SHARE_CREATE": share, "ALIAS_CREATE": alias, "DOCUMENT": document
    }
    said, other = said_defaults(), make(api, project, "left-over")
    # A rule and a mode, so that a copy that took them would show it.
    api.do("POST", f"{rules}/ingress", {"action": "drop", "protocol": "udp"})
    api.do("PUT", f"/containers/{cid}/network", {"type": "block"})
    tap.eq(sorted(said), sorted([*tried, "CONTAINER_DELETE", "IMAGE_IMPORT"]), "each body with defaults is tried")
    for form, ask in tried.items():
        left_out, given = both(ask, said[form])
        tap.eq(left_out, given, f"{form}: {said[form]} left out and given")
    api.do("DELETE", f"/containers/{cid}/network")
    api.do("DELETE", f"/containers/{other}", {"force": True})


def fresh(api, project, tree, server):
    """An image's tree that was spoiled: who asks for a fresh one gets it, and mends it for all."""
    path, new = f"/projects/{project}/containers", {"image": "shop/1", "start": False}
    root = tree.parents[4] / "containers"
    for n, (asked, want, fetched) in enumerate(
        (({}, "ID=spoilt\n", 0), ({"cache": True, "cache_image": False}, "ID=spoilt\n", 0),
         ({"bypass_prespawn": True}, "ID=spoilt\n", 0), ({"cache": False}, "ID=test\n", 1),
         ({"cache_image": True}, "ID=test\n", 1))):
        tree.write_text("ID=spoilt\n")
        before = len(server.requests)
        c = api.do("POST", path, {**new, "name": f"fresh-{n}", **asked})["id"]
        tap.eq(((root / c / "rootfs/etc/os-release").read_text(), tree.read_text(), len(server.requests) - before),
               (want, want, fetched), f"of a spoilt image, {asked}")
        api.do("DELETE", f"/containers/{c}", {"force": True})
    status, _, answer = api.ask(
        "POST", path, {"image": harness.IMAGE, "name": "fresh", "start": False, "cache": False, "cache_image": True})
    tap.eq(status, 201, "of a built-in image nothing is cached")
    api.do("DELETE", f"/containers/{answer['data']['id']}")


def images(node, api, project):
    """They are pulled, used, and removed: by the API and by hoodyctl, by name and by id."""
    work = node.directory / "web"
    (work / "root/etc").mkdir(parents=True)
    (work / "root/etc/os-release").write_text("ID=test\n")
    subprocess.run(["tar", "-C", work / "root", "-cf", work / "image.tar", "."], check=True)
    body = {"sha256": hashlib.sha256((work / "image.tar").read_bytes()).hexdigest()}
    kept = lambda: {i["image_name"]: i["id"] for i in api.do("GET", "/images/user")["images"]}
    trees = lambda: [p for p in (node.directory / "pool/images").iterdir() if p.name.startswith(body["sha256"])]
    server = webserver.Server(work)
    body["url"] = server.url("image.tar")
    pull = lambda: api.do("POST", "/images/import/shop%2F1", body)
    pull()
    c = api.do("POST", f"/projects/{project}/containers", {"image": "shop/1", "name": "of-it", "start": False})["id"]
    tap.ok("shop/1" in kept() and trees(), "an image is pulled, and a container made of it", kept())
    refused(api, "POST", "/images/import/shop%2F1", {**body, "image": "shop/2"}, (400, "VALIDATION_ERROR", "image"),
            "the path's name and another one in the body")
    tap.eq((api.ask("POST", "/images/import/shop%2F1", {**body, "image": "shop-1"})[0], list(kept())),
           (200, ["shop/1"]), "the same in another spelling")
    refused(api, "POST", f"/images/import/{kept()['shop/1']}", {**body, "image": "shop/2"},
            (400, "VALIDATION_ERROR", "image"), "an id's name and another one")
    fresh(api, project, trees()[0] / "rootfs/etc/os-release", server)
    for name, value in (("size", 5), ("format", "tar")):
        for more in ({}, {"refresh": True}, {"url": "https://localhost/"}):
            refused(api, "POST", "/images/import/shop%2F1", {name: value, **more}, (400, "VALIDATION_ERROR", name),
                    f"{name} of an archive that the server chooses, {more}")
    api.do("DELETE", "/images/user/shop%2F1")
    tap.eq((kept(), trees(), (node.root(c) / "etc/os-release").read_text()), ({}, [], "ID=test\n"),
           "it is removed, from the disk as well; its container has its own root")
    refused(api, "POST", f"/projects/{project}/containers", {"image": "shop/1"}, (404, "IMAGE_NOT_FOUND", "image"),
            "no other is made of it")
    refused(api, "DELETE", "/images/user/shop%2F1", None, (404, "IMAGE_NOT_FOUND", None),
            "what is not there can't be removed")
    pull()
    api.do("DELETE", f"/images/public/{kept()['shop/1']}")
    tap.eq((kept(), trees()), ({}, []), "by its id, from the list of public ones")
    for word in (lambda: "shop/1", lambda: kept()["shop/1"]):
        pull()
        tap.eq((node.ctl("image", "remove", word())[0], kept(), trees()), (0, {}, []), "by hoodyctl")
    tap.eq(node.ctl("image", "remove", "shop/1")[0], 1, "which says so when there is none")
    server.close()
    api.do("DELETE", f"/containers/{c}", {"force": True})


def taken(root):
    """What its files take, each once."""
    total = 0
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            st = os.lstat(f"{folder}/{name}")
            total += st.st_blocks * 512 // (1 if name in folders else st.st_nlink)
    return total


def near(a, b):
    return isinstance(a, int) and abs(a - b) <= 512 << 10


def disk(kind, pool):
    """Where no file system counts, the node does."""
    with harness.Node(start=False, conf=dict(harness.STANDALONE, Storage={"CountIntervalSec": 1, **pool})) as node:
        node.start_agent()
        api = local.Local(node, 90)
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        cid, still = make(api, project, "one"), make(api, project, "still", start=False)
        root = lambda c: pathlib.Path(pool.get("Pool", node.directory / "pool")) / "containers" / c / "rootfs"
        usage = lambda c=cid: api.do("GET", f"/containers/{c}/stats")["disk"]["root"]
        tap.ok(
            near(usage()["usage"], taken(root(cid))) and usage()["total"] == 0,
            f"{kind}: a root without a quota takes what its files take, from the first look", usage(), taken(root(cid)))
        tap.ok(near(usage(still)["usage"], taken(root(still))), f"{kind}: one that is stopped, too")
        node.ctl("exec", "one", "sh", "-c",
                 "dd if=/dev/urandom of=/f bs=1M count=8; ln /f /g; ln /f /h; truncate -s 1G /sparse; sync")
        subprocess.run(["sync", "-f", root(cid)], check=True)
        want = taken(root(cid))
        tap.ok(want >= 8 << 20 and host.poll(lambda: near(usage()["usage"], want), 20),
               f"{kind}: and it is counted again, names of one file once and holes not at all", usage(), want)
        listed = {c["id"]: c["disk"]["root"]["usage"] for c in api.do("GET", f"/projects/{project}/stats")["stats"]}
        tap.ok(
            near(listed[cid], want) and near(listed[still], taken(root(still))),
            f"{kind}: a project's statistics have it", listed)
        for c in (cid, still):
            api.do("DELETE", f"/containers/{c}", {"force": True})
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), f"{kind}: nothing is left")


def disks():
    disk("a directory", {"Driver": "dir"})
    if not os.path.exists("/dev/loop-control"):
        tap.skip("a root on btrfs", "there are no loop devices here")
        return
    with loop.FileSystem("btrfs", 256) as fs:
        disk("btrfs", {"Pool": fs.pool, "Driver": "btrfs"})


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        api = local.Local(node, 90)
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        cid = make(api, project, "one")
        environment(node, api, cid)
        limits(api, project, cid)
        names_of_members(api, project, cid)
        apart(api, project, cid)
        texts(node, api, project, cid)
        realms(api, project, cid)
        defaults(api, project, cid)
        runtime(api)
        commands(api)
        control_plane(api)
        groups(api, cid)
        images(node, api, project)
        api.do("DELETE", f"/containers/{cid}", {"force": True})
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    disks()
    tap.done()


main()
