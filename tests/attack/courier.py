#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a courier, or somebody on the way, can't hide or invent: an order that is left out, one that is sent again and
again, reports that are said to have arrived; and a node whose keys have all expired still gets new ones."""
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import beside
import harness
import host
import tap

REPLAYS = 200


def left_out(node, cid):
    """Two orders are issued, and the first answer has the second alone."""
    node.stop_agent()
    pair = [node.order("container.pause", cid), node.order("container.resume", cid)]
    node.api.ask("misbehave", what="omit", on="orders", count=1)
    node.start_agent()
    tap.eq([node.wait(i)["state"] for i in pair], ["succeeded", "succeeded"],
           "an order that was left out once is executed, before the one that follows it")
    tap.ok("orders_withheld" in node.log.read_text(), "and that it was left out is said", node.log_tail())


def left_out_before_refused(node, cid):
    """The second has expired: who held both back for so long would have the first passed over."""
    node.stop_agent()
    first = node.order("container.pause", cid)
    second = node.issue({
        "op": "container.resume", "container_id": cid, "project_id": harness.PROJECT, "params": {},
        "issued_at": "2026-01-01T00:00:00.000Z", "expires_at": "2026-01-01T00:10:00.000Z"
    })
    node.api.ask("misbehave", what="omit", on="orders", count=1)
    node.start_agent()
    tap.eq([node.wait(i)["state"] for i in (first, second)], ["succeeded", "rejected"],
           "nor is one passed over that was left out before an order that is refused")
    tap.eq(node.do("container.resume", cid)["state"], "succeeded", "which had no effect")


def replayed(node, cid):
    """One old order, as often as there is room for."""
    old = node.api.ask("envelope", order={"op": "node.resync", "params": {}})
    node.api.ask("raw", envelope=old["envelope"])
    node.agent.send_signal(signal.SIGHUP)
    seq = old["order"]["seq"]
    node.wait_report("order", order_id=old["order"]["id"], state="succeeded")
    before = node.last_seq()
    for _ in range(REPLAYS):
        node.api.ask("raw", envelope=old["envelope"])
    polls = node.api.ask("stats")["polls"]
    node.agent.send_signal(signal.SIGHUP)
    host.poll(lambda: node.api.ask("stats")["polls"] > polls, 10 * harness.SLOW)
    new = node.issue(
        {"op": "container.pause", "container_id": cid, "project_id": harness.PROJECT, "params": {}, "seq": seq + 1})
    tap.eq(node.wait(new)["state"], "succeeded", "among its replays an order is executed")
    told = [r for r in node.reports(before, "order") if r["order_id"] == old["order"]["id"]]
    polls = node.api.ask("stats")["polls"] - polls
    tap.ok(0 < len(told) <= polls, "the state of a replayed order is told again at most once a poll",
           f"{len(told)} reports, {polls} polls")
    tap.figure(f"{REPLAYS} replays of one order: {len(told)} reports in {polls} polls")
    node.do("container.resume", cid)


def swallowed(node, cid):
    """A courier that was taken over says that it has delivered what it threw away."""
    place = beside.evil_courier(node)
    said = place / "said"
    (place / "evil").write_text("swallow")
    node.stop_agent()
    node.program = place / "hoody-agent"
    before = node.last_seq()
    os.kill(host.init_of(node.prefix, cid), signal.SIGKILL)
    node.start_agent()
    tap.ok(host.poll(lambda: said.read_text().count("swallowed"), 20 * harness.SLOW),
           "a courier that was taken over is given a report that must not be lost")
    node.stop_agent()
    node.program = harness.BUILD / "agent/hoody-agent"
    node.start_agent()
    tap.ok(node.wait_report("container.status", 20, before, container_id=cid, to_status="stopped"),
           "the honest one delivers it all the same")
    tap.eq(node.do("container.start", cid)["state"], "succeeded", "and orders flow")
    tap.figure(f"a courier swallowed {said.read_text().count('swallowed')} batches, none is lost")


def expired(node, cid):
    """All keys that the node trusts have expired: no order is taken, but a keyset beside them is."""
    node.stop_agent()
    path = node.directory / "trusted-keys.json"
    keys = json.loads(path.read_text())
    for key in keys["keys"]:
        key["not_after"] = "2020-01-01T00:00:00.000Z"
    path.write_text(json.dumps(keys))
    node.start_agent()
    last = node.reports(0, "order")[-1]["order_seq"]
    stuck = node.order("container.pause", cid)
    tap.ok(
        host.poll(lambda: "code=unknown_key" in node.log_tail(5), 10 * harness.SLOW) and node.state(cid) == "running",
        "an order by an expired key is not believed")
    node.api.ask("rotate", kid="v2", beside=True)
    node.agent.send_signal(signal.SIGHUP)
    tap.ok(host.poll(lambda: "keyset version 2 is in force" in node.log.read_text(), 20 * harness.SLOW),
           "a keyset beside the orders is", node.log_tail())
    node.agent.send_signal(signal.SIGHUP)
    # What was signed by the expired key is never journaled: the API takes it back.
    new = node.issue(
        {"op": "container.restart", "container_id": cid, "project_id": harness.PROJECT, "params": {}, "prev_seq": last})
    tap.eq(node.wait(new)["state"], "succeeded", "and orders by its key are obeyed again")
    tap.ok(not [r for r in node.reports(0, "order") if r["order_id"] == stuck and r["state"] == "succeeded"],
           "the one by the expired key never was")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Control": {"PollWaitSec": 2, "ResponseSignature": "required"}}) as node:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        left_out(node, cid)
        left_out_before_refused(node, cid)
        replayed(node, cid)
        swallowed(node, cid)
        expired(node, cid)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
