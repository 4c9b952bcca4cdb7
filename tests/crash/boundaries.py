#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGKILL to the agent at every step boundary of create, start, stop and delete. A commit of the journal is a boundary, and it is an fdatasync: the agent is killed at its N-th, for N = 1, 2, …
until a tour ends without a hit; then again right after it acted, at the N-th sendmsg."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap
import tour

LIMIT = 200
FAILNTH = harness.BUILD / "tests/tools/failnth"


def round_at(node, calls, n):
    """One tour with a kill at the n-th call. False when nothing was hit."""
    hit = node.directory / "hit"
    hit.write_text("")
    node.start_agent(wrap=[FAILNTH, "--program", "hoody-agent", "--log", hit, calls, str(n), "KILL", "--"])
    cid = node.new_id()
    issued = tour.issue(node, cid)
    host.poll(lambda: hit.read_text() or node.api.ask("stats")["orders_terminal"] == node.api.ask("stats")["orders_issued"], 60, 0.02)
    was_hit = bool(hit.read_text())
    if was_hit:
        node.agent.wait(20)
        node.agent = None
    else:
        node.stop_agent()
    node.start_agent()
    good = tour.settle(node, [(cid, issued)], f"killed at {calls} number {n}" if was_hit else f"{calls}: nothing was hit at number {n}")
    node.stop_agent()
    return was_hit and good


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False) as node:
        node.start_api()
        for calls in ("fdatasync", "sendmsg"):
            n = 1
            while n < LIMIT and round_at(node, calls, n):
                n += 1
            tap.figure(f"killed at each of {n - 1} {calls} calls of a tour")
            tap.ok(n > 8, f"{calls}: the tour has boundaries", f"only {n - 1} were hit")
    tap.done()


main()
