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
    return next(((o["state"], o["attempts"]) for o in node.hoodyctl("orders")["orders"] if o["order_id"] == order_id), None)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        cid, other = node.new_id(), node.new_id()
        for c in (cid, other):
            tap.eq(node.do("container.create", c, image=harness.IMAGE, start=False)["state"], "succeeded", "a container is there")
        tap.eq((node.do("container.start", cid)["state"], node.do("container.stop", cid)["state"]), ("succeeded", "succeeded"), "it has run")
        # The start hangs where it wants to write this file, so the agent surely dies during it.
        policy = node.directory / "state" / "lxc" / cid / "seccomp"
        policy.unlink()
        os.mkfifo(policy)
        bad = node.order("container.start", cid, timeout_s=60)
        later = [node.order("container.delete", cid), node.order("container.start", other)]
        for n in range(DEATHS):
            tap.ok(host.poll(lambda: attempts(node, bad) == ("running", n + 1), 10 * harness.SLOW, 0.02), f"the order runs, attempt {n + 1}", attempts(node, bad))
            node.kill9("agent")
            node.start_agent()
        report = node.wait(bad)
        tap.eq((report["state"], report.get("error", {}).get("code")), ("failed", "poison"), "after three deaths it is quarantined")
        tap.eq([node.wait(i)["state"] for i in later], ["succeeded", "succeeded"], "the orders behind it run, in its lane and in others")
        tap.eq((node.state(cid), node.state(other)), ("absent", "running"), "the host is what they say")
        tap.ok("is quarantined" in node.log_tail(200), "the log says so")
        tap.eq(node.do("container.delete", other, force=True)["state"], "succeeded", "deleted")
        host.poll(lambda: not node.leaks(), 3)
        stats = node.api.ask("stats")
        tap.eq((node.leaks(), stats["violations"], stats["orders_ended_twice"]), ([], [], 0), "nothing is left, nothing ended twice")
        tap.eq(node.stop_agent(signal.SIGTERM), 0, "the agent ends when asked")
    tap.done()


main()
