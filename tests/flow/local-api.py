#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The local API of a standalone node: every answer is as its own description says, changes are orders (journaled, one
at a time per container, told live), and a crash in the middle of a call loses nothing."""
import os
import pathlib
import select
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

VALUES = {
    "key": "A_KEY", "name": "a-name", "group": "g", "program": "http", "service": "terminal", "hook": "0" * 26,
    "alias": "a" * 24, "share": "b" * 24, "event": "0" * 23 + "1"
}


def described(api, node, ids):
    """Every path and method of the description is answered, and as it says."""
    api_json = api.ask("GET", "/openapi.json")[2]
    bad, calls, later = [], 0, 0
    for path, methods in api_json["paths"].items():
        for method, operation in methods.items():
            if path == "/openapi.json" or "text/event-stream" in str(operation["responses"].get("200", "")):
                continue
            url = path.replace("{id}", ids["project" if path.startswith("/projects") else "container"]).replace(
                "{operation}", ids["operation"])
            for name, value in VALUES.items():
                url = url.replace("{%s}" % name, value)
            if method == "delete" and path in ("/projects/{id}", "/containers/{id}", "/events", "/events/{event}"):
                continue # done by other tests, and there would be nothing left to look at
            status, _, answer = api.ask(method.upper(), url, {} if method in ("post", "put", "patch") else None)
            calls, later = calls + 1, later + (status == 501)
            responses = operation["responses"]
            schema = responses.get(str(status), responses["default"])["content"]["application/json"]["schema"]
            wrong = local.faults(schema, answer, api_json)
            if wrong or status in (404, 405) and answer["error"] in (
                    "METHOD_NOT_ALLOWED", ) or status == 404 and answer["message"] == "the API has no such path":
                bad.append((method, url, status, wrong, answer))
    tap.ok(not bad, f"{calls} calls of the description are answered as it says ({later} of them: to come)", *bad)


def is_refused(api, want, method, path, body=None):
    status, headers, answer = api.ask(method, path, body)
    tap.ok((status, (answer or {}).get("error")) == want and answer["message"], f"{method} {path}: {want[0]} {want[1]}",
           status, answer)
    return headers


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        api = local.Local(node)
        project = api.do("POST", "/projects/", {"alias": "shop"})["id"]
        made = api.do(
            "POST", f"/projects/{project}/containers", {
                "image": harness.IMAGE, "alias": "web-server", "comment": "the control plane's",
                "limits": {"memory_bytes": 64 << 20}
            })
        cid = made["id"]
        tap.eq((made["status"], node.state(cid), made["pid"]), ("running", "running", host.init_of(node.prefix, cid)),
               "a container is made, and runs")
        stats = api.do("GET", f"/projects/{project}/stats")
        tap.eq(
            (stats["summary"]["project_name"], stats["stats"][0]["project_name"], stats["summary"]["container_count"]),
            ("shop", "shop", 1), "a project's statistics have its name")
        described(api, node, {"project": project, "container": cid, "operation": made["operation_id"]})
        if node.state(cid) == "paused": # where the walk has left it
            api.do("POST", f"/containers/{cid}/resume", {})
        if node.state(cid) != "running":
            api.do("POST", f"/containers/{cid}/start", {})

        for c in api.do("GET", "/containers?limit=100")["containers"]:
            if c["id"] != cid: # a copy
                api.do("DELETE", f"/containers/{c['id']}", {"force": True})

        # --- refusals, before anything is journaled ---
        before = len(api.do("GET", "/operations?limit=500")["operations"])
        is_refused(api, (404, "CONTAINER_NOT_FOUND"), "POST", "/containers/" + "f" * 24 + "/start", {})
        is_refused(api, (400, "INVALID_ID_FORMAT"), "GET", "/containers/nobody")
        is_refused(api, (404, "PROJECT_NOT_FOUND"), "POST", "/projects/" + "f" * 24 + "/containers",
                   {"image": harness.IMAGE})
        is_refused(api, (400, "VALIDATION_ERROR"), "POST", f"/projects/{project}/containers",
                   {"image": harness.IMAGE, "colour": "red"})
        is_refused(api, (400, "VALIDATION_ERROR"), "POST", f"/containers/{cid}/stop", {"timeout": 0})
        is_refused(api, (400, "VALIDATION_ERROR"), "POST", f"/containers/{cid}/stop", ["timeout"])
        is_refused(api, (400, "RESERVED_ENV_PREFIX"), "PUT", f"/containers/{cid}/env/HOODY_X", {"value": "1"})
        is_refused(api, (404, "RESOURCE_NOT_FOUND"), "GET", "/container")
        is_refused(api, (501, "CONTROL_PLANE_ONLY"), "GET", "/wallet/balances")
        tap.eq(
            is_refused(api, (405, "METHOD_NOT_ALLOWED"), "PATCH", f"/containers/{cid}/start", {})["Allow"], "POST",
            "the methods that there are stand in Allow")
        is_refused(api, (400, "VALIDATION_ERROR"), "GET", "/containers?limit=101")
        is_refused(api, (400, "VALIDATION_ERROR"), "GET", "/containers?sort_by=color")
        tap.eq(len(api.do("GET", "/operations?limit=500")["operations"]), before, "none of them is an order")

        # --- both spellings, lists ---
        tap.eq(
            api.do("PATCH", f"/containers/{cid}", {"alias": "renamed"})["name"], "renamed",
            "a new name, by the document's word")
        tap.eq(
            api.do("PUT", f"/containers/{cid}", {"name": "again", "autostart": False})["autostart"], False,
            "and by the SDK's")
        others = [
            api.do("POST", f"/projects/{project}/containers",
                   {"image": harness.IMAGE, "name": f"n-{n}", "start": False})["id"] for n in range(3)
        ]
        listed = api.do("GET", "/containers?sort_by=name&sort_order=desc&limit=2")
        tap.eq(([c["name"]
                 for c in listed["containers"]], listed["pagination"]["total"], listed["pagination"]["totalPages"]),
               (["n-2", "n-1"], 4, 2), "lists are sorted and cut into pages")
        tap.eq(len(api.do("GET", f"/projects/{project}/containers")["containers"]), 4, "a project's own are listed")

        # --- live ---
        events, seen = api.stream("/events"), []
        reader = threading.Thread(target=lambda: seen.extend(e for _, e in zip(range(2), events)))
        reader.start()
        status, headers, answer = api.ask("POST", f"/containers/{cid}/restart", {}, {"Prefer": "respond-async"})
        tap.eq((status, headers["Location"]), (202, "/api/v1/operations/" + answer["data"]["operation_id"]),
               "asked to, a call answers at once")
        steps = [data["status"] for _, data in api.stream(headers["Location"].removeprefix("/api/v1") + "/events")]
        tap.ok(steps[-1] == "succeeded" and set(steps[:-1]) <= {"accepted", "running"}, "and is followed to its end",
               steps)
        reader.join(10 * harness.SLOW)
        events.close()
        tap.ok(
            any(e["event_type"] == "container.operation.completed"
                and e["payload"]["operation_id"] == answer["data"]["operation_id"]
                for _, e in seen), "events are told live", seen)
        history = api.do("GET", "/events?limit=500&sort_order=asc")["events"]
        tap.ok(all(e in history for _, e in seen), "and are those of the history")
        missed = api.stream(f"/events?after={history[0]['id']}")
        tap.eq(next(iter(missed))[1], history[1], "who comes back gets what he has missed")
        missed.close()
        logs = api.do("GET", f"/containers/{cid}/status-logs?limit=100&sort_order=asc")["logs"]
        tap.ok([row["from_status"] for row in logs][1:] == [row["to_status"] for row in logs][:-1]
               and logs[0]["from_status"] is None, "the status log is a chain", logs)

        # --- one operation at a time ---
        policy = node.directory / "state" / "lxc" / cid / "seccomp"
        api.do("POST", f"/containers/{cid}/stop", {})
        policy.unlink()
        os.mkfifo(policy) # the start hangs where it wants to write
        begun = api.ask("POST", f"/containers/{cid}/start", {"timeout": 60}, {"Prefer": "respond-async"})[2]["data"]
        headers = is_refused(api, (409, "CONTAINER_OPERATION_IN_PROGRESS"), "POST", f"/containers/{cid}/stop", {})
        tap.ok(headers["Retry-After"], "with a time to come back")
        tap.eq(
            api.do("POST", f"/containers/{others[0]}/start", {})["status"], "running",
            "another container is not held up")

        # --- a crash in the middle ---
        node.kill9("agent")
        policy.unlink()
        node.start_agent()
        ended = host.poll(
            lambda: (o := api.do("GET", f"/operations/{begun['operation_id']}"))["status"] in
            ("succeeded", "failed") and o, 10, 0.05)
        tap.ok(ended and ended["status"] == "succeeded" and node.state(cid) == "running",
               "an operation that the agent died in is finished by the next one", ended)
        portal = next(iter(host.children(node.agent_pid(), "hoody-portal")))
        os.kill(portal, signal.SIGKILL)
        tap.ok(host.poll(lambda: serves(api), 10, 0.1), "a portal that is killed is started again")
        tap.eq(
            next(o for o in api.do("GET", "/operations")["operations"])["origin"], "local:0",
            "the journal names who asked")

        # --- a socket that systemd holds: who asks while there is no agent waits ---
        node.stop_agent()
        with socket.socket(socket.AF_UNIX) as held:
            api.path.unlink(missing_ok=True)
            held.bind(str(api.path))
            held.listen(8)
            early = []
            waiter = threading.Thread(target=lambda: early.append(api.ask("GET", "/ip")[0]))
            waiter.start()
            select.select([held], [], [], 10 * harness.SLOW) # it has knocked
            node.start_agent(listen=held)
            waiter.join(10 * harness.SLOW)
            tap.eq(early, [200], "a call that came while there was no agent is answered by the next one")
            node.stop_agent()
        tap.ok(api.path.exists(), "a socket that is not the agent's own is left alone")
        node.start_agent()

        # --- the end ---
        for c in (cid, *others):
            api.do("DELETE", f"/containers/{c}", {"force": True})
        is_refused(api, (404, "CONTAINER_NOT_FOUND"), "GET", f"/containers/{cid}")
        tap.eq((node.leaks(), node.sanitizer_words(), node.stop_agent()), ([], [], 0),
               "nothing is left, sanitizers are silent, the agent ends when asked")
    tap.done()


def serves(api):
    try:
        return api.ask("GET", "/ip")[0] == 200
    except OSError:
        return False


main()
