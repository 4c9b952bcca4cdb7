#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many nodes' long polls (the real courier and the real back-off of each, 500 in a process) against the reference
control API: what an idle node costs an hour, in bytes on the wire and in CPU on both sides; and that an API which comes
back from an outage is not run down: its nodes come back as a model of the rule has them do, where a herd would come
back in one second. HOODY_FLEET is the number of nodes."""
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

NODES = int(os.environ.get("HOODY_FLEET", "1000"))
WAIT_S, OUTAGE_S = (30, 30) if NODES >= 10_000 else (8, 5)
POLLS_PER_HOUR = 3600 / 30 # with the default PollWaitSec
LATE_MS = 1500
SAMPLE_S = 0.1
# sd-event looks at all that is ready before each event: a burst costs the square of its size, which no single node has
PER_PROCESS = 500


def wire_bytes():
    """All that has gone over this namespace's loopback, headers and acknowledgements included: both ways, counted
    once."""
    return int(pathlib.Path("/proc/net/dev").read_text().split("lo:")[1].split()[8])


class Fleet:
    """The API and the processes of nodes, in a directory of their own."""
    def __init__(self, nodes, https=False):
        self.node, self.nodes = harness.Node(https=https, api_options=["--fleet"], start=False), nodes
        self.api = self.node.api
        self.node.start_api()
        url = self.api.ready["url"].replace(harness.API_NAME, "127.0.0.1")
        ca = [self.node.directory / "ca.pem"] if https else []
        self.processes = [
            subprocess.Popen([
                harness.BUILD / "tests/bench/fleet", url, "the-node-token",
                self.api.ready["trusted_keys"],
                str(first),
                str(min(PER_PROCESS, nodes - first)),
                str(WAIT_S), *ca
            ], stdout=subprocess.PIPE, text=True) for first in range(0, nodes, PER_PROCESS)
        ]

    def stats(self):
        return self.api.ask("stats")

    def all_poll(self, timeout_s, share=1.0):
        return host.poll(lambda: self.stats()["waiting"] >= share * self.nodes, timeout_s, SAMPLE_S)

    def count_anew(self):
        for p in self.processes:
            p.send_signal(signal.SIGUSR1)

    def end(self):
        """By how many milliseconds a timer of theirs was late since count_anew(): a machine that is too busy to play so
        many nodes makes a herd itself."""
        for p in self.processes:
            p.terminate()
        return max(int(p.communicate()[0]) for p in self.processes)

    def close(self):
        for p in self.processes:
            if p.returncode is None:
                p.kill()
                p.communicate()
        self.node.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def idle(fleet):
    """What polls cost while nothing happens, per node and hour: each node polls once in the time that is measured."""
    cpu = lambda: {"node": sum(host.cpu_s(p.pid) for p in fleet.processes), "API": host.cpu_s(fleet.api.process.pid)}
    before, polls, wire = cpu(), fleet.stats()["polls"], wire_bytes()
    time.sleep(WAIT_S)
    after, polls, wire = cpu(), fleet.stats()["polls"] - polls, wire_bytes() - wire
    return {"polls": polls, "bytes": wire / polls, "cpu_us": {k: (after[k] - before[k]) / polls * 1e6 for k in after}}


def model(nodes, rng):
    """The busiest second after the outage, by the protocol's words alone, with a spread of 1 s: waits drawn between
    that (nothing at first) and 1 s doubled with each failure, 60 s at most."""
    seconds = {}
    for _ in range(nodes):
        at, floor, ceiling = 0, 0, 1
        while at < OUTAGE_S:
            at += rng.uniform(floor, ceiling)
            floor, ceiling = 1, min(2 * ceiling, 60)
        seconds[int(at - OUTAGE_S)] = seconds.get(int(at - OUTAGE_S), 0) + 1
    return max(seconds.values())


def come_back(fleet):
    """Requests in each second after the API is back, until 99 % of the nodes are; and the time until all are."""
    fleet.api.stop(9)
    time.sleep(OUTAGE_S)
    fleet.count_anew()
    fleet.api.start()
    began, samples = time.monotonic(), [(0, 0)]
    t99 = last = None
    while not last and samples[-1][0] < 150:
        stats = fleet.stats()
        now = time.monotonic() - began
        samples.append((now, stats["asked"]))
        t99 = t99 or (now if stats["waiting"] >= 0.99 * fleet.nodes else None)
        last = now if stats["waiting"] >= fleet.nodes else None
        if t99 and NODES < 10_000:
            break # the last one may wait a minute
        time.sleep(SAMPLE_S)
    if not t99:
        raise harness.Failure(f"{fleet.stats()['waiting']} of {fleet.nodes} came back in {samples[-1][0]:.0f} s")
    seconds = [0] * (int(t99) + 1)
    for (_, a), (t, b) in zip(samples, samples[1:]):
        if t <= t99:
            seconds[int(t)] += b - a
    return {"seconds": seconds, "t99": t99, "last": last, "peak": max(seconds), "mean": sum(seconds) / max(t99, 1)}


def row(kind, v):
    return (
        f"{kind}: a poll costs {v['bytes']:.0f} bytes on the wire with all headers, {v['cpu_us']['node']:.0f} µs of "
        f"the node and {v['cpu_us']['API']:.0f} µs of the API: {v['bytes'] * POLLS_PER_HOUR / 1000:.0f} kB, "
        f"{v['cpu_us']['node'] * POLLS_PER_HOUR / 1000:.1f} ms and {v['cpu_us']['API'] * POLLS_PER_HOUR / 1000:.1f} ms "
        "per idle node and hour"
    )


def measure():
    """Everything, as data for the table of all benchmarks."""
    found = {}
    with Fleet(NODES) as fleet:
        tap.ok(fleet.all_poll(4 * WAIT_S), f"{NODES} nodes poll", fleet.stats()["waiting"])
        found["plain"] = idle(fleet)
        tap.figure(row(f"{NODES} nodes", found["plain"]))
        found["back"] = back = come_back(fleet)
        tap.figure(f"after {OUTAGE_S} s of outage requests a second: {' '.join(str(n) for n in back['seconds'])}")
        back["model"] = model(NODES, random.Random(7))
        tap.figure(
            f"peak {back['peak']} in a second (a model of the rule: {back['model']}), mean {back['mean']:.0f}, "
            f"ratio {back['peak'] / back['mean']:.1f}; 99 % are back after {back['t99']:.1f} s"
            + (f", all after {back['last']:.1f} s" if back["last"] else ""))
        tap.eq(fleet.stats()["violations"], [], "nobody breaks the protocol")
        back["late_ms"] = late = fleet.end()
        if late > LATE_MS:
            tap.skip("no herd", f"this machine is too busy to play {NODES} nodes: they were late by up to {late} ms")
        else:
            tap.ok(back["peak"] <= 2 * back["model"], "no herd", back)
    with Fleet(NODES // 10, https=True) as fleet:
        tap.ok(fleet.all_poll(4 * WAIT_S), f"{NODES // 10} nodes poll by TLS", fleet.stats()["waiting"])
        found["tls"] = idle(fleet)
        tap.figure(row(f"{NODES // 10} nodes by TLS", found["tls"]))
        tap.ok(found["tls"]["bytes"] < 4096, "a poll is small", found["tls"])
    return found


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    measure()
    tap.done()


if __name__ == "__main__":
    main()
