#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""At rest: no wake-ups but the long poll's, and little memory. Measured on the build that is shipped, with one
container running."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

SECONDS, WAIT_S = 60, 5
MIB = 1 << 20


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Control": {"PollWaitSec": WAIT_S}}) as node:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        host.poll(lambda: len(node.worker_pids()) <= 1 and not node.hoodyctl("status")["outbox"]["bytes"], 10, 0.1)
        pids = {"agent": node.agent_pid(), "courier": node.courier_pid()}
        before = {name: host.switches(pid) for name, pid in pids.items()}
        polls = node.api.ask("stats")["polls"]
        time.sleep(SECONDS)
        woken = {name: host.switches(pid) - before[name] for name, pid in pids.items()}
        polls = node.api.ask("stats")["polls"] - polls
        memory = {
            name: host.memory(pid)
            for name, pid in {**pids, "a container's monitor": host.monitor_of(node.prefix, cid)}.items()
        }
        tap.figure(
            f"idle for {SECONDS} s with {polls} polls: agent woke {woken['agent']} times, courier {woken['courier']}")
        tap.figure("resident: " + ", ".join(f"{n} {m['rss'] / MIB:.1f} MiB (anonymous {m['anonymous'] / MIB:.1f})"
                                            for n, m in memory.items()))
        tap.ok(SECONDS // WAIT_S - 1 <= polls <= SECONDS / (0.8 * WAIT_S) + 1,
               "it polls, and is answered when its time is over", polls)
        # A poll wakes the agent for the answer and the courier some times for its sockets and timers.
        tap.ok(woken["agent"] <= 3 * (polls + 1), "the agent wakes for polls alone", woken, polls)
        tap.ok(woken["courier"] <= 12 * (polls + 1), "so does the courier", woken, polls)
        if harness.SANITIZED:
            tap.skip("memory", "the sanitizers' own is many times ours")
        else:
            tap.ok(memory["agent"]["rss"] < 6 * MIB, "the agent is below 6 MiB", memory)
            tap.ok(memory["courier"]["rss"] < 12 * MIB, "the courier is below 12 MiB", memory)
            tap.ok(memory["a container's monitor"]["anonymous"] < 0.9 * MIB,
                   "a monitor has less than 0.9 MiB of its own", memory)
        node.do("container.delete", cid, force=True)
    tap.done()


if __name__ == "__main__":
    main()
