#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the local API shows is what is so, and what it takes is done: the next call of a script is never refused for the
agent's own follow-ups, nothing that was said is passed over, what is answered is in the kernel."""
import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

ROUNDS = 6


def refused(api, method, path, body, want, words, headers=()):
    status, _, answer = api.ask(method, path, body, headers)
    tap.eq((status, answer.get("error"), answer["data"].get("field")), want, words)


def in_sequence(api, project):
    """A script that waits for each answer never meets 409."""
    codes = []
    for n in range(ROUNDS):
        source, target = (api.do("POST", f"/projects/{project}/containers",
                                 {"image": harness.IMAGE, "name": f"s-{n}-{side}"})["id"] for side in "ab")
        api.do("POST", f"/containers/{source}/storage/shares", {"path": "/etc", "target_container_id": target})
        api.do("POST", f"/containers/{source}/snapshots", {"name": "one"})
        codes.append(api.ask("PUT", f"/containers/{source}/snapshots/one", {})[0])
        codes.append(api.ask("PUT", f"/containers/{source}/env", {"K": "v"})[0])
        codes.append(api.ask("POST", f"/containers/{source}/stop", {})[0])
        codes.append(api.ask("DELETE", f"/containers/{source}", {"force": True})[0])
        codes.append(api.ask("DELETE", f"/containers/{target}", {"force": True})[0])
    tap.eq(set(codes), {200}, f"{len(codes)} calls one after the other, none refused for the agent's own follow-ups")


def waits(node, api, cid):
    """What takes a millisecond waits for what doesn't; how long is the caller's to say."""
    policy = node.directory / "state" / "lxc" / cid / "seccomp"
    api.do("POST", f"/containers/{cid}/stop", {})
    policy.unlink()
    os.mkfifo(policy) # the start hangs where it wants to write
    api.ask("POST", f"/containers/{cid}/start", {"timeout": 8}, {"Prefer": "respond-async"})
    for prefer, words in (("wait=0", "at once"), ("wait=1", "after a second")):
        refused(api, "PUT", f"/containers/{cid}/env", {"W": "1"}, (409, "CONTAINER_OPERATION_IN_PROGRESS", None),
                f"Prefer: {prefer}: refused {words}", {"Prefer": prefer})
    refused(api, "POST", f"/containers/{cid}/stop", {}, (409, "CONTAINER_OPERATION_IN_PROGRESS", None),
            "an operation beside a user's is refused, as published")
    answers = []
    caller = threading.Thread(target=lambda: answers.append(api.ask("PUT", f"/containers/{cid}/env", {"W": "2"})[0]))
    caller.start()
    caller.join(0.5)
    tap.eq(answers, [], "without a preference it waits")
    caller.join(60) # the start's time is up
    policy.unlink()
    tap.eq((answers, api.do("GET", f"/containers/{cid}/env")["environment_vars"].get("W")), ([200], "2"),
           "and is done when its turn comes")


def network(node, api, cid):
    path = f"/containers/{cid}/network"
    refused(api, "DELETE", path, None, (404, "NETWORK_NOT_CONFIGURED", None), "what is not configured can't be removed")
    refused(api, "PUT", path, {"mode": "proxy", "type": "block"}, (400, "VALIDATION_ERROR", "mode"),
            "mode and type that differ")
    refused(api, "PUT", path, {"blocking": True, "type": "socks5", "proxy": "socks5://127.0.0.1:1"},
            (400, "VALIDATION_ERROR", "blocking"), "blocking and a proxy")
    refused(api, "PUT", path, {"blocking": "yes"}, (400, "VALIDATION_ERROR", "blocking"), "blocking that is no boolean")
    tap.eq(
        api.do("POST", f"{path}/start", {})["proxy"], "socks5://127.0.0.1:1080",
        "start without a configuration takes Network.DefaultProxy")
    tap.eq(
        api.do("PUT", path, {"mode": "proxy", "proxy": "http://127.0.0.1:1081"})["proxy"], "http://127.0.0.1:1081",
        "the proxy is the one that was named")
    shown = api.do("GET", path)
    tap.eq((shown["status"], shown["active"]["proxy"], shown["remote_status"]["is_running"]),
           ("configured", "socks5://127.0.0.1:1080", True), "until the next start, what is in force is shown as such")
    tap.ok(
        host.poll(lambda: api.do("GET", path)["remote_status"]["last_check"] > shown["remote_status"]["last_check"], 5),
        "last_check is the look that was taken")
    api.do("POST", f"{path}/start", {})
    shown = api.do("GET", path)
    tap.eq((shown["status"], "active" in shown), ("running", False), "then it is in force")
    api.do("POST", f"{path}/stop", {})
    tap.eq(
        api.do("PUT", path, {"blocking": True})["status"], "configured",
        "what is configured after a stop was never in force")
    kinds = [e["event_type"] for e in api.do("GET", "/events?limit=500")["events"]]
    tap.ok("container.network.updated" in kinds and kinds.count("container.network.created") <= 1,
           "a second configuration is an update", kinds)
    api.do("DELETE", path)


def shares(api, project, cid):
    source = api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": "source"})["id"]
    first = api.do("POST", f"/containers/{source}/storage/shares",
                   {"path": "/etc", "target_container_id": cid, "mount_path": "/mnt/here"})
    refused(api, "POST", f"/containers/{source}/storage/shares",
            {"path": "/bin", "target_container_id": cid, "mount_path": "/mnt/here"},
            (409, "SHARE_MOUNT_PATH_IN_USE", "mount_path"), "two shares can't be in one place")
    refused(api, "POST", f"/containers/{source}/storage/shares",
            {"path": "/bin", "target_container_id": cid, "mount_path": "/mnt//./here/"},
            (409, "SHARE_MOUNT_PATH_IN_USE", "mount_path"), "however it is written")
    refused(api, "POST", f"/containers/{source}/storage/shares", {"path": "//etc/.", "target_container_id": cid},
            (409, "SHARE_ALREADY_EXISTS", None), "nor is one directory shared twice with one target")
    odd = api.do("POST", f"/containers/{source}/storage/shares",
                 {"path": "/./", "target_container_id": cid, "mount_path": "//mnt/./root//"})
    tap.eq((odd["source_path"], odd["mount_path"]), ("/", "/mnt/root"), "a path is shown as it is called")
    second = api.do("POST", f"/containers/{source}/storage/shares", {"path": "/bin", "target_container_id": cid})
    pid = api.do("GET", f"/containers/{cid}")["pid"]
    mounts = {line.split()[4] for line in open(f"/proc/{pid}/mountinfo")}
    tap.ok({s["mount_path"] for s in (first, second, odd)} <= mounts, "mount_path is where it is, said or not", first,
           second, odd, mounts)
    refused(api, "POST", f"/containers/{source}/storage/shares", {"path": "/usr", "target_project_id": "f" * 24},
            (404, "PROJECT_NOT_FOUND", "target_project_id"), "a project that isn't there")
    refused(api, "POST", f"/containers/{source}/storage/shares", {"path": "/a b", "target_container_id": cid},
            (400, "INVALID_PATH", "path"), "the caller's word for the source")
    api.do("DELETE", f"/containers/{source}", {"force": True})


def places(api):
    """What comes later takes a share's place, or finds it taken: then the share has failed, and says so."""
    give, take = (api.do("POST", "/projects", {"alias": alias})["id"] for alias in ("give", "take"))
    source = api.do("POST", f"/projects/{give}/containers", {"image": harness.IMAGE, "name": "source"})["id"]
    shares = {
        path: api.do("POST", f"/containers/{source}/storage/shares",
                     {"path": path, "target_project_id": take, "mount_path": at})["id"]
        for path, at in (("/etc", "/mnt/p"), ("/bin", "/mnt/p"), ("/root", "/ramdisk"))
    }
    target = api.do("POST", f"/projects/{take}/containers", {"image": harness.IMAGE, "name": "target"})["id"]

    def states():
        found = {s["id"]: s["status"] for s in api.do("GET", f"/containers/{target}/storage/incoming")["shares"]}
        return [found[shares[path]] for path in ("/etc", "/bin", "/root")]

    def come_to(*want):
        return host.poll(lambda: states() == list(want), 5)

    tap.ok(come_to("active", "failed", "failed"),
           "of two in one place the second has failed, as has one where the ramdisk is", states())
    api.do("PATCH", f"/containers/{target}", {"ramdisk": False})
    tap.ok(come_to("active", "failed", "active"), "which is there when the ramdisk goes", states())
    api.do("PATCH", f"/containers/{target}", {"ramdisk": True})
    tap.ok(come_to("active", "failed", "failed"), "and not when it comes back", states())
    for project in (take, give):
        api.do("DELETE", f"/projects/{project}")


def documents(api, project, cid):
    path = f"/containers/{cid}/proxy"
    tap.eq(api.do("GET", f"{path}/settings")["default"], "allow", "without a document everything is open")
    api.ask("POST", f"{path}/hooks/http", {"match": {"path": "/a"}, "script": "1"}, {"If-Match": "file:v0"})
    tap.eq(api.do("GET", f"{path}/settings")["default"], "allow", "and the first hook closes nothing")
    codes = []
    version = api.do("GET", f"{path}/settings")["etag"]
    callers = [
        threading.Thread(target=lambda: codes.append(
            api.ask("PATCH", f"{path}/settings", {"enable_proxy": True}, {"If-Match": version})[0])) for _ in range(6)
    ]
    for t in callers:
        t.start()
    for t in callers:
        t.join()
    tap.eq(sorted(codes), [200] + [412] * 5, "of those who have read one version one writes, and the others hear 412")
    group = f"/projects/{project}/proxy/permissions/groups/ops"
    refused(api, "PUT", f"{group}/password", {"username": "a"}, (400, "VALIDATION_ERROR", "password"),
            "a password group without a password")
    refused(api, "PUT", f"{group}/password", {"username": "a", "password": 5}, (400, "VALIDATION_ERROR", "password"),
            "with a number")
    refused(api, "PUT", f"{group}/ip", {"allowed_ips": ["banana"]}, (400, "VALIDATION_ERROR", "allowed_ips[0]"),
            "an address that is none")
    refused(api, "POST", f"{path}/hooks/http", {"match": {"path": "/a"}, "script": "1", "timeout": 30001},
            (400, "VALIDATION_ERROR", "timeout"), "a hook's timeout")


def history(api, cid):
    api.do("POST", f"/containers/{cid}/snapshots", {"alias": "lived"})
    for command, method, path in (("restart", "POST", "restart"), ("restore", "PUT", "snapshots/lived")):
        before = len(api.do("GET", f"/containers/{cid}/status-logs?limit=100")["logs"])
        api.do(method, f"/containers/{cid}/{path}", {})
        logs = api.do("GET", f"/containers/{cid}/status-logs?limit=100")["logs"]
        tap.eq((len(logs), logs[0]["from_status"], logs[0]["to_status"], logs[0]["metadata"]["command"]),
               (before + 1, "running", "running", command), f"a {command} is in the status log")
        events = api.do("GET", "/events?limit=500")["events"]
        tap.ok(
            any(e["event_type"] == "container.running" and e["payload"]["metadata"].get("command") == command
                for e in events), "and among the events")
    tap.ok({"container", "container_network", "storage_share", "proxy_permissions", "snapshot", "container_env"} <=
           {e["resource_type"] for e in events}, "what an event is about is said", {e["resource_type"] for e in events})
    kept = [e for e in events if e["event_type"] != "container.env.updated"]
    api.do("DELETE", "/events", {"event_type": "container.env.updated"})
    left = api.do("GET", "/events?limit=500")["events"]
    tap.ok(kept and all(e in left for e in kept), "events of one type are deleted, and no other")
    for when in ("1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z"):
        tap.eq(api.do("DELETE", "/events", {"before": when})["deleted_count"], 0, f"none is of before {when}")


def firewall(api, cid):
    path = f"/containers/{cid}/firewall"
    api.do("PUT", f"{path}/rules", {"ingress": [{"action": "allow", "protocol": "tcp", "port": p} for p in (80, 443)]})
    refused(api, "DELETE", f"{path}/ingress", {"filters": [{"port": 443}], "all": True},
            (400, "VALIDATION_ERROR", "filters"), "filters that are a list remove nothing")
    refused(api, "POST", f"{path}/ingress", {"action": "allow", "protocol": "tcp", "port": 70000},
            (400, "VALIDATION_ERROR", "port"), "the caller's word for a port")
    tap.eq([r["destination_port"] for r in api.do("GET", f"{path}/rules")["ingress"]], ["80", "443"],
           "rules are replaced as a whole, and kept by what is refused")
    api.do("POST", f"{path}/reset", {})


def second_time(api, project, cid):
    """Events tell of what has changed: who does a thing again that is so hears nothing that isn't."""
    source = api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": "again"})["id"]
    share = api.do("POST", f"/containers/{source}/storage/shares", {"path": "/etc", "target_container_id": cid})["id"]
    name = api.do("POST", f"/containers/{source}/snapshots", {"name": "kept"})["snapshot"]["name"]
    ingress = f"/containers/{source}/firewall/ingress"
    api.do("POST", ingress, {"protocol": "tcp", "port": 443, "action": "allow"})
    api.do("POST", ingress, {"protocol": "tcp", "port": 80, "action": "allow"})
    https, rules = {"protocol": "tcp", "port": 443}, [{"protocol": "tcp", "port": 53, "action": "allow"}]

    def told(*call):
        before = {e["id"] for e in api.do("GET", "/events?limit=500")["events"]}
        api.do(*call)
        return [
            e["event_type"] for e in api.do("GET", "/events?limit=500")["events"]
            if e["id"] not in before and not e["event_type"].startswith("container.operation.")
        ]

    at = f"/containers/{source}/storage/shares/{share}"
    for call, first, again in (
        (("PATCH", ingress, {"filters": https, "state": "disabled"}), ["firewall.rule.disabled"], []),
        (("DELETE", ingress, {"filters": https}), ["firewall.rule.removed"], []),
        (("DELETE", ingress, {"all": True}), ["firewall.rule.removed"], []),
        (("PUT", f"/containers/{source}/firewall/rules", {"egress": rules}), ["firewall.rule.updated"], []),
        (("POST", f"/containers/{source}/firewall/reset", {}), ["firewall.rule.removed"], []),
        (("PATCH", f"/containers/{source}/snapshots/{name}/alias", {"alias": "b"}), ["container.snapshot.renamed"], []),
        (("PATCH", at, {"enabled": True, "label": "etc"}), ["storage.share.updated"], ["storage.share.updated"]),
        (("PATCH", at, {"enabled": False}), ["storage.share.disabled", "storage.share.unmounted"],
         ["storage.share.updated"]),
        (("PATCH", at, {"enabled": True}), ["storage.share.enabled", "storage.share.mounted"],
         ["storage.share.updated"]),
    ):
        tap.eq((sorted(told(*call)), told(*call)), (first, again),
               f"{call[0]} {call[1].replace(source, 'ID')} {call[2]} is told for what it is, and again")
    api.do("DELETE", f"/containers/{source}", {"force": True})


def elsewhere(api, cid):
    tap.eq({api.ask(m, "/pools/" + "a" * 24, {})[0] for m in ("PUT", "PATCH")}, {501},
           "the control plane's, by both verbs")
    refused(api, "POST", f"/containers/{cid}/copy", {"target_project_id": "f" * 24},
            (404, "PROJECT_NOT_FOUND", "target_project_id"), "a copy into a project that isn't there")


def commands(api):
    listed = api.do("GET", f"/servers/{harness.NODE_ID}/available-commands")["commands"]
    want = {
        "id", "name", "slug", "description", "category", "risk_level", "requires_confirmation", "parameter_schema",
        "example_parameters", "default_timeout", "cooldown_seconds", "rate_limit_per_hour", "rate_limit_per_day"
    }
    tap.ok(
        all(set(c) == want for c in listed)
        and api.ask("POST", f"/servers/{harness.NODE_ID}/execute-command", {"command_id": listed[0]["id"]})[0] == 200,
        "commands are listed as published, and go by id", listed)


def names(api, project, cid):
    made = api.do("POST", f"/projects/{project}/containers",
                  {"image": harness.IMAGE, "alias": "two", "start": False})["id"]
    refused(api, "POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "alias": "two"},
            (409, "CONTAINER_NAME_IN_USE", "alias"), "a name that is taken")
    refused(api, "PATCH", f"/containers/{cid}", {"name": "two"}, (409, "CONTAINER_NAME_IN_USE", "name"), "by a change")
    refused(api, "POST", f"/containers/{made}/copy", {"name": "two"}, (409, "CONTAINER_NAME_IN_USE", "name"),
            "by a copy")
    nameless = api.do("POST", f"/projects/{project}/containers",
                      {"image": harness.IMAGE, "name": "rand", "start": False})
    tap.ok(nameless["name"] and nameless["name"] != "rand", "who has none is given one", nameless["name"])
    for c in (made, nameless["id"]):
        api.do("DELETE", f"/containers/{c}", {"force": True})


def limits(api, cid):
    api.do("PATCH", f"/containers/{cid}", {"limits": {"pids": 100}})
    tap.eq(api.do("GET", f"/containers/{cid}")["limits"].get("pids"), 100, "a limit is set")
    api.do("PATCH", f"/containers/{cid}", {"limits": {"pids": None}})
    tap.eq(api.do("GET", f"/containers/{cid}")["limits"].get("pids"), None, "and taken away by null")


def spelled():
    """Directories may be called what they like."""
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.directory = node.directory.rename(f"{node.directory} of, 100%")
        node.log = node.directory / "agent.log"
        node.start_agent()
        api = local.Local(node, 90)
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        cid = api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": "one"})["id"]
        code = node.ctl("exec", cid, "grep", "-q", " /ramdisk ", "/proc/mounts")[0]
        tap.eq(code, 0, "under a path with blanks a container runs, and has its ramdisk")
        api.do("DELETE", f"/containers/{cid}", {"force": True})


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=dict(harness.STANDALONE,
                                             Network={"DefaultProxy": "socks5://127.0.0.1:1080"})) as node:
        node.start_agent()
        api = local.Local(node, 90)
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        cid = api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": "one"})["id"]
        in_sequence(api, project)
        network(node, api, cid)
        shares(api, project, cid)
        places(api)
        documents(api, project, cid)
        firewall(api, cid)
        second_time(api, project, cid)
        history(api, cid)
        elsewhere(api, cid)
        limits(api, cid)
        names(api, project, cid)
        commands(api)
        waits(node, api, cid)
        api.do("DELETE", f"/containers/{cid}", {"force": True})
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    spelled()
    tap.done()


main()
