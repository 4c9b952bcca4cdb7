#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""As many deaf inits as the node has workers, and a stop with a long time-out for each: another tenant's start must not
wait for them."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

WORKERS, WAIT_S = 4, 20
DEAF = "#!/bin/sh\ntrap : USR1 USR2 TERM HUP INT PWR\nwhile :; do sleep 1000; done\n"
OTHERS = "0123456789abcdef0123bbbb"


def deaf_one(node):
    cid = node.new_id()
    tap.eq(node.do("container.create", cid, image=harness.IMAGE, start=False)["state"], "succeeded", "a container")
    init = node.root(cid) / "sbin/init"
    init.unlink()
    init.write_text(DEAF)
    init.chmod(0o755)
    tap.eq(node.do("container.start", cid)["state"], "succeeded", "its init hears and does nothing")
    return cid


def has_ended(node, order_id):
    return any(r.get("order_id") == order_id and r.get("state") in harness.TERMINAL for r in node.reports())


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        deaf = [deaf_one(node) for _ in range(WORKERS)]
        other = node.new_id()
        create = {
            "op": "container.create", "container_id": other, "project_id": OTHERS,
            "params": {"image": harness.IMAGE, "start": False}
        }
        tap.eq(node.wait(node.issue(create))["state"], "succeeded", "another tenant's container")
        stops = [node.order("container.stop", cid, timeout_s=WAIT_S) for cid in deaf]
        begun = time.monotonic()
        restarts = 0
        for op in ("start", "stop", "start"):
            report = node.wait(
                node.issue({"op": f"container.{op}", "container_id": other, "project_id": OTHERS, "params": {}}),
                timeout_s=60)
            restarts += report["state"] == "succeeded"
        took = time.monotonic() - begun
        print(
            f"# figure: start, stop and start of another's took {took:.2f} s beside {len(stops)} stops that wait "
            f"{WAIT_S} s each for a deaf init"
        )
        tap.eq(restarts, 3, "it starts, stops and starts")
        tap.eq([s for s in stops if has_ended(node, s)], [], "before any of the stops has given up")
        tap.eq(node.worker_pids() and len(host.children(node.agent_pid(), "hoody-worker")) <= 1, True,
               "which hold no worker")
        reports = [node.wait(s, timeout_s=WAIT_S + 30) for s in stops]
        tap.eq([r["error"]["code"] for r in reports], ["TIMEOUT"] * WORKERS, "each ends by its time-out")
        tap.eq([node.state(cid) for cid in deaf], ["running"] * WORKERS, "and its container goes on")
        waiting = node.order("container.stop", deaf[0], timeout_s=600)
        state = lambda: next((o["state"] for o in node.hoodyctl("orders")["orders"] if o["order_id"] == waiting), None)
        tap.ok(host.poll(lambda: state() == "running", 10, 0.05), "a stop has begun", state())
        node.restart()
        tap.ok(not has_ended(node, waiting), "a stop waits on in a new agent")
        os.kill(host.init_of(node.prefix, deaf[0]), 9)
        tap.eq((node.wait(waiting)["state"], node.state(deaf[0])), ("succeeded", "stopped"), "and ends with the init")
        for cid in deaf:
            tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq(
            node.wait(
                node.issue(
                    {"op": "container.delete", "container_id": other, "project_id": OTHERS,
                     "params": {"force": True}}))["state"], "succeeded", "and the other's")
        tap.eq((node.leaks(), node.violations(), node.sanitizer_words()), ([], [], []),
               "nothing is left, nothing is broken")
    tap.done()


main()
