#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""At rest: no wake-ups but the long poll's, and little memory. Measured on the build that is shipped, with one
container running; and what an hour costs with ten, by an API that takes statistics beside the reports and batches
compressed (PROTOCOL.md 10.2), and by one that knows neither, which is how it was before."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import struck
import tap

SECONDS, WAIT_S = 60, 5
MIB = 1 << 20
CONTAINERS, STATS_S, IDLE_STATS_S, REPORTS_FOR_S = 10, 10, 300, 120


def processor_s(pid):
    """By its own clock, since /proc counts in ticks (clock_getcpuclockid(3))."""
    return time.clock_gettime(~pid << 3 | 2)


class Meter:
    """What a node has cost: bytes on the wire with all headers (all that goes over this namespace's loopback is the
    node's and its API's), requests, commits (an fdatasync each) and processor time."""
    def __init__(self, node):
        self.node = node
        node.plan() # counts anew
        self.begun, self.before = time.monotonic(), self.look()

    def look(self):
        stats = self.node.api.ask("stats")
        return {
            "bytes": int(pathlib.Path("/proc/net/dev").read_text().split("lo:")[1].split()[8]), "polls": stats["polls"],
            "posts": stats["batches"] + self.node.api.ask("newest_stats")["count"],
            "cpu_s": processor_s(self.node.agent_pid()) + processor_s(self.node.courier_pid())
        }

    def hour(self):
        now, took = self.look(), time.monotonic() - self.begun
        found = {k: (now[k] - self.before[k]) * 3600 / took for k in now}
        counts = self.node.plan()[2]
        found["commits"] = sum(n for (program, _), n in counts.items() if program == "hoody-agent") * 3600 / took
        return found


def an_hour(options, wait):
    """By an API with these options; wait(node) lets some of it go by, of which it returns the meter."""
    conf = {"Control": {"PollWaitSec": 30, "StatsIntervalSec": STATS_S, "StatsIdleIntervalSec": IDLE_STATS_S}}
    with struck.Struck("fdatasync,fsync", conf=conf, api_options=options) as node:
        ids = [node.new_id() for _ in range(CONTAINERS)]
        ends = {node.do("container.create", cid, image=harness.IMAGE)["state"] for cid in ids}
        tap.eq(ends, {"succeeded"}, f"{CONTAINERS} containers run")
        node.stop_agent()
        node.begin()
        found = wait(node).hour()
        for cid in ids:
            node.do("container.delete", cid, force=True)
        tap.eq(node.violations(), [], "no breach of the protocol")
    return found


def beside(node):
    """From one set of statistics to the next."""
    follower, is_stats = node.api.follow(), lambda e: e["event"] == "stats"
    if not follower.until(is_stats, 2 * STATS_S):
        raise harness.Failure("no statistics came")
    meter = Meter(node)
    if not follower.until(is_stats, IDLE_STATS_S + 30):
        raise harness.Failure("the statistics of an idle node did not come")
    follower.close()
    return meter


def reported(node):
    """A time of many reports, once the API has refused the first statistics."""
    before = node.api.ask("stats")["batches"]
    if not host.poll(lambda: node.api.ask("stats")["batches"] > before + 1, 6 * STATS_S, 0.5):
        raise harness.Failure("no reports of statistics came")
    meter = Meter(node)
    time.sleep(REPORTS_FOR_S)
    return meter


def words(v):
    return (f"{v['bytes'] / 1000:.0f} kB in {v['polls'] + v['posts']:.0f} requests ({v['polls']:.0f} polls), "
            f"{v['commits']:.0f} commits, {v['cpu_s']:.2f} s of the processors")


def hours():
    was = an_hour(["--without-stats", "--without-packed"], reported)
    tap.figure(f"an hour of an idle node with {CONTAINERS} containers, statistics in reports: {words(was)}")
    found = an_hour([], beside)
    tap.figure(f"beside them: {words(found)}; {found['bytes'] / was['bytes']:.2f} x the bytes")
    tap.ok(3 * found["bytes"] <= was["bytes"], "a third of the bytes at most", found, was)
    tap.eq(found["commits"], 0, "and no commit")


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
    hours()
    tap.done()


if __name__ == "__main__":
    main()
