#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGKILL to agent, courier and workers at every step boundary of create, start, stop and delete: for N = 1, 2, … until
a tour ends without a hit.

The agent at its N-th fdatasync (a commit of the journal, which is what a step begins and ends with) and N-th sendmsg
(it tells a worker or the courier); a worker at the N-th call by which it changes the disk, a cgroup or a process, or
reports, and what liblxc forks from it likewise; the courier at each of its sends and receives. What was killed has not
done that call."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap
import tour

LIMIT = int(os.environ.get("HOODY_ROUNDS", "400"))
FAILNTH = harness.BUILD / "tests/tools/failnth"
# (program, its calls, at least so many are hit, every so many-th only: a worker makes hundreds of links)
KILLS = (("hoody-agent", "fdatasync", 8, 1), ("hoody-agent", "sendmsg", 8, 1),
         ("hoody-worker", "mkdirat,renameat,fchown,fsync,syncfs,clone,sendmsg", 20,
          1), ("hoody-worker", "symlinkat,unlinkat,write,rt_sigaction", 5,
               41), ("lxc-monitor", "mkdirat,clone,mount,write", 20, 3), ("hoody-courier", "sendmsg,recvmsg", 8, 1))


def round_at(node, program, calls, n):
    """One tour with a kill at the n-th call. False when nothing was hit."""
    hit = node.directory / "hit"
    hit.write_text("")
    node.start_agent(wrap=[FAILNTH, "--program", program, "--log", hit, calls, str(n), "KILL", "--"])
    cid = node.new_id()
    issued = tour.issue(node, cid)
    host.poll(
        lambda: hit.read_text() or node.api.ask("stats")["orders_terminal"] == node.api.ask("stats")["orders_issued"],
        60, 0.02)
    was_hit = bool(hit.read_text())
    if was_hit and program == "hoody-agent":
        node.agent.wait(20 * harness.SLOW)
        node.agent = None
        node.start_agent()
    elif not was_hit:
        node.restart() # without the tool: what judges the tour must not be hit
    good = tour.settle(
        node, [(cid, issued)],
        f"{program} killed at {calls} number {n}" if was_hit else f"{program}: nothing was hit at {calls} number {n}")
    node.stop_agent()
    return was_hit and good


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False) as node:
        node.start_api()
        for program, calls, least, step in KILLS:
            n = hits = 1
            while n < LIMIT and round_at(node, program, calls, n):
                n, hits = n + step, hits + 1
            tap.figure(
                f"{program} killed {hits - 1} times, at every "
                f"{step if step > 1 else ''}{'th ' if step > 1 else ''}{calls}"
            )
            tap.ok(hits > least, f"{program}: the tour has boundaries", f"only {hits - 1} were hit")
    tap.done()


main()
