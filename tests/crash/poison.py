#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An order that the agent dies of, time and again, is quarantined: ended as failed, undone, and its lane goes on."""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

DEATHS = 3 # JOURNAL_ATTEMPTS_MAX


def attempts(node, order_id):
    return next(((o["state"], o["attempts"]) for o in node.hoodyctl("orders")["orders"] if o["order_id"] == order_id),
                None)


def hang(node, cid):
    """The next starts of this container hang where they want to write this file."""
    policy = node.directory / "state" / "lxc" / cid / "seccomp"
    policy.unlink()
    os.mkfifo(policy)
    return policy


def ends_that_were_asked_for(node, cid):
    """The same with SIGTERM: no death, however often."""
    policy = hang(node, cid)
    order = node.order("container.start", cid, timeout_s=60)
    for _ in range(2 * DEATHS):
        if not host.poll(lambda: attempts(node, order) in (("running", 1), ("running", 2)), 10, 0.02):
            break
        node.stop_agent(signal.SIGTERM)
        node.start_agent()
    policy.unlink()
    node.stop_agent(signal.SIGTERM)
    node.start_agent()
    return node.wait(order)["state"]


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        cid, other = node.new_id(), node.new_id()
        for c in (cid, other):
            tap.eq(
                node.do("container.create", c, image=harness.IMAGE, start=False)["state"], "succeeded",
                "a container is there")
        tap.eq((node.do("container.start", cid)["state"], node.do("container.stop", cid)["state"]),
               ("succeeded", "succeeded"), "it has run")
        tap.eq((node.do("container.start", other)["state"], node.do("container.stop", other)["state"]),
               ("succeeded", "succeeded"), "so has the other")
        policy, others_policy = hang(node, cid), hang(node, other)
        bad = node.order("container.start", cid, timeout_s=60)
        # One that merely runs beside it at every death but the last.
        beside = node.order("container.start", other, timeout_s=60)
        later = node.order("container.delete", cid)
        for n in range(DEATHS):
            want = [("running", n + 1), ("running", min(n + 1, DEATHS - 1))]
            running = lambda: [attempts(node, bad), attempts(node, beside)]
            tap.ok(host.poll(lambda: running() == want, 10, 0.02),
                   f"the order runs, attempt {n + 1}: {'with another' if n + 1 < DEATHS else 'alone'}", running())
            node.kill9("agent")
            if n + 2 == DEATHS:
                others_policy.unlink()
            node.start_agent()
        report = node.wait(bad)
        tap.eq((report["state"], report.get("error", {}).get("code")), ("failed", "poison"),
               "after three deaths it is quarantined")
        tap.eq(node.wait(beside)["state"], "succeeded", "what only ran beside it is not")
        tap.eq(node.wait(later)["state"], "succeeded", "the order behind it in its lane runs")
        tap.eq((node.state(cid), node.state(other)), ("absent", "running"), "the host is what they say")
        tap.ok("is quarantined" in node.log_tail(200), "the log says so")
        tap.eq(node.do("container.stop", other)["state"], "succeeded", "stopped")
        tap.eq(ends_that_were_asked_for(node, other), "succeeded",
               "an order that outlives any number of restarts is not")
        tap.eq(node.do("container.delete", other, force=True)["state"], "succeeded", "deleted")
        stats = node.api.ask("stats")
        tap.eq((node.leaks(), stats["violations"], stats["orders_ended_twice"]), ([], [], 0),
               "nothing is left, nothing ended twice")
        tap.eq(node.stop_agent(signal.SIGTERM), 0, "the agent ends when asked")
    tap.done()


main()
