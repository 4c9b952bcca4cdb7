#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""One hostile container that does everything at once (arms.py), for HOODY_STORM_S seconds, while its operator starts,
stops, freezes, enters and copies it. Its processors, memory, tasks and disk are limited, as those of a container that
is sold are: one of the host's processors, and the node's bounds made small. Meanwhile a neighbour's orders keep their
latency within twice of what it is, in turn, while the hostile one is frozen and its operator does the same with a twin
that is deaf and uses the processor that it is sold, which is no attack; the agent keeps its memory, and afterwards the
host has its counts."""
import collections
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import arms
import harness
import host
import loop
import tap
from boxes import OTHER_PROJECT, OUTSIDE, Box, Outside

STORM_S = int(os.environ.get("HOODY_STORM_S", "600"))
WINDOW_S = max(5, STORM_S / 50) # with it and without it, in turn
DISK_MIB, FLOWS = 128, 1000
LIMITS = {"pids": 400, "memory_bytes": 512 << 20, "cpu_cores": 1, "disk_bytes": DISK_MIB << 20}
BOUNDS = {"NamespacesMax": 100, "NetNamespacesMax": 24, "InotifyMax": 50, "WatchesMax": 400, "CgroupsMax": 200}
FIRST = -20 # setpriority(2)
TIMES_MAX, MEMORY_MAX = 2, 1.25
MIB = 1 << 20
# What a neighbour's owner does, again and again.
CYCLE = (("container.pause", {}), ("container.resume", {}), ("env.set", {"key": "A", "value": "1"}),
         ("container.stop", {}), ("container.start", {}))


class KernelWords:
    """What the kernel says of btrfs from now on; its own memory is full of who was killed for want of it."""

    def __init__(self, path):
        self.path = path
        self.process = subprocess.Popen(["sh", "-c", f"dmesg --follow-new | grep -a --line-buffered BTRFS >{path}"],
                                        start_new_session=True, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()

    def all(self):
        return self.path.read_text(errors="replace").splitlines()[-20:]


class Repeated(threading.Thread):
    """A function again and again, until it is ended; whatever it raises is raised there."""

    def __init__(self, once):
        super().__init__(daemon=True)
        self.once, self.over, self.fault = once, threading.Event(), None
        self.start()

    def run(self):
        try:
            while not self.over.is_set():
                self.once()
        except Exception as fault: # pylint: disable=broad-except
            self.fault = fault

    def end(self):
        self.join()
        if self.fault:
            raise self.fault


class Neighbour:
    def __init__(self, node, name):
        self.box, self.took, self.failed = Box(node, name, project=OTHER_PROJECT), collections.defaultdict(list), []

    def cycle(self):
        for op, params in CYCLE:
            begun = time.monotonic()
            report = self.box.node.do(op, self.box.id, 120, project_id=OTHER_PROJECT, **params)
            self.took[op].append(time.monotonic() - begun)
            if report["state"] != "succeeded":
                self.failed.append((op, report["error"]))

    def take(self, to=None):
        """What each order took goes there, and the count begins anew."""
        took, self.took = self.took, collections.defaultdict(list)
        for op, times in took.items() if to is not None else ():
            to[op] += times


class Operator:
    """Of the hostile one. Its stops find a deaf init, its sessions and snapshots what the attacks have left of it."""

    def __init__(self, node, box, attacks):
        self.node, self.box, self.attacks = node, box, attacks
        self.ends, self.total, self.turn = collections.Counter(), {a.name: [0, 0, 0] for a in attacks}, 0

    def do(self, op, **params):
        report = self.node.wait(self.node.order(op, self.box.id, **params), 180)
        self.ends[op, report["state"] if report["state"] == "succeeded" else report["error"]["code"]] += 1

    def count(self):
        for name, row in (arms.tally(self.node, self.box.id, self.attacks) or {}).items():
            self.total[name] = [a + b for a, b in zip(self.total[name], row)]

    def cycle(self):
        self.turn += 1
        for _ in range(5):
            code, _, err = self.node.ctl("exec", "-T", self.box.name, "--", "true")
            self.ends["exec", "done" if code == 0 else err.rsplit("(", 1)[-1].strip(")\n")[:60]] += 1
            for op, params in CYCLE[:3]:
                self.do(op, **params)
        self.do("snapshot.create", alias="s")
        self.do("snapshot.delete", name="s")
        self.do("container.stop", timeout_s=2)
        if self.turn % 3 == 0:
            self.count()
            self.do("container.force-stop")
            self.do("container.start")


def slabs():
    """Objects of the kernel's, by the cache that they are in; a cache may be shared with others."""
    try:
        lines = pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:]
    except OSError:
        return {}
    return {w[0]: int(w[1]) for w in map(str.split, lines)}


def instances():
    """Of inotify and fanotify, by who has them open."""
    n = 0
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            n += sum("inotify" in os.readlink(f"/proc/{entry}/fd/{fd}") or "fanotify" in os.readlink(
                f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd"))
        except OSError:
            pass
    return n


def spaces(kind):
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.add(os.readlink(f"/proc/{entry}/ns/{kind}"))
        except OSError:
            pass
    return len(found)


def neighbour_entries():
    """Of ARP, in all namespaces: the first column, in hex."""
    try:
        return int(pathlib.Path("/proc/net/stat/arp_cache").read_text().splitlines()[1].split()[0], 16)
    except (OSError, IndexError):
        return 0


def number(path, word=0):
    try:
        return int(pathlib.Path(path).read_text().split()[word])
    except OSError:
        return 0


def counts(node):
    """What a container could leave, by the kernel: name to (how many, how many more others' tests may account for)."""
    agent, slab = node.agent_pid(), slabs()
    arms.metrics(node) # which lets go of the files of who is gone
    groups = [line.split() for line in pathlib.Path("/proc/cgroups").read_text().splitlines()]
    flows = subprocess.run(["conntrack", "-C"], capture_output=True, text=True).stdout.strip()
    return {
        "memory cgroups": (next((int(w[2]) for w in groups if w[0] == "memory"), 0), 40),
        "user namespaces": (spaces("user"), 0), "network namespaces": (spaces("net"), 0),
        "mount namespaces": (spaces("mnt"), 0), "pid namespaces": (spaces("pid"), 0),
        "network namespaces (slab)": (slab.get("net_namespace", 0), 40),
        "user namespaces (slab)": (slab.get("user_namespace", 0), 60),
        "inotify and fanotify": (instances(), 0), "conntrack entries": (int(flows or 0), 20),
        "processes": (sum(map(str.isdigit, os.listdir("/proc"))), 10),
        "mounts": (len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()), 0),
        "links": (len(host.links()), 0), "ARP entries": (neighbour_entries(), 20),
        "open files": (number("/proc/sys/fs/file-nr"), 500), "terminals": (number("/proc/sys/kernel/pty/nr"), 0),
        "aio": (number("/proc/sys/fs/aio-nr"), 0), "users with keys": (len(
            pathlib.Path("/proc/key-users").read_text().splitlines()), 2),
        "files of the agent": (len(os.listdir(f"/proc/{agent}/fd")), 4),
        "children of the agent": (len(host.children(agent)), 3),
    }


def back(node, before):
    """What is more than it was."""
    return {
        name: (before[name][0], now) for name, (now, slack) in counts(node).items() if now > before[name][0] + slack
    }


class Peak:
    """The most memory that the agent has, and the most of the kernel's flows."""

    def __init__(self, node):
        self.node, self.rss, self.flows = node, 0, 0

    def look(self):
        self.rss = max(self.rss, host.memory(self.node.agent_pid())["rss"])
        said = subprocess.run(["conntrack", "-C"], capture_output=True, text=True).stdout.strip()
        self.flows = max(self.flows, int(said or 0))
        time.sleep(0.5)


def run_for(seconds, *repeated):
    end = time.monotonic() + seconds
    while time.monotonic() < end and all(r.fault is None for r in repeated):
        time.sleep(0.2)
    for r in repeated:
        r.over.set()
    for r in repeated:
        r.end()


def spread(took):
    """{op: (median, mean, mean of the worst decile, how many)}"""
    return {
        op: (statistics.median(t), statistics.mean(t), statistics.mean(sorted(t)[-max(1, len(t) // 10):]), len(t))
        for op, t in took.items()
    }


def compare(calm, storm):
    measures = ("median", "mean", "worst decile")
    for op, row in storm.items():
        said = (f"{what} {1000 * was:.1f} ms without it, {1000 * now:.1f} ms meanwhile ({now / was:.2f} times)"
                for what, was, now in zip(measures, calm[op], row))
        tap.figure(f"{op} of a neighbour's: {'; '.join(said)}; {calm[op][-1]} and {row[-1]} orders")
    for i, what in enumerate(measures):
        tap.eq({op: storm[op][i] / calm[op][i] for op in storm if storm[op][i] > TIMES_MAX * calm[op][i]}, {},
               f"no {what} of the neighbours' orders is more than {TIMES_MAX} times what it was")


def tell(operator):
    for a in operator.attacks:
        rounds, tries, made = operator.total[a.name]
        tap.figure(f"{a.name}: {made} of {tries} tries came through in {rounds} rounds; bound by {a.bound}")
    tap.figure("the operator's: " + ", ".join(f"{op} {how} {n}" for (op, how), n in sorted(operator.ends.items())))
    tap.eq([n for n, row in operator.total.items() if not row[0]], [], "each attack was begun")
    tap.eq(operator.total.get("copies", [0, 0, 0])[2], 0, "what is refused is")


def storm(node, pool, words):
    hostile, twin = (Box(node, name, limits=LIMITS) for name in ("hostile", "twin"))
    neighbour = Neighbour(node, "neighbour")
    wanted = os.environ.get("HOODY_STORM_ATTACKS", "").split()
    attacks = arms.table(hostile.says("ip route").split("via ")[1].split()[0], OUTSIDE, DISK_MIB)
    root = pool / "containers" / hostile.id / "rootfs"
    arms.install(root)
    arms.install(pool / "containers" / twin.id / "rootfs")
    arms.arm(pool / "containers" / twin.id / "rootfs", [a for a in attacks if a.name == "spin"])
    attacks = [a for a in attacks if not wanted or a.name in wanted]
    twin.do("container.restart")
    operator, twins, peak = Operator(node, hostile, attacks), Operator(node, twin, []), Peak(node)
    run_for(5, *[Repeated(f) for f in (neighbour.cycle, twins.cycle)]) # the agent has all its memory
    neighbour.take()
    hostile.do("container.force-stop")
    before, rss = counts(node), host.memory(node.agent_pid())["rss"]
    arms.arm(root, attacks)
    hostile.do("container.start")
    twin.do("container.pause")
    calm, during = collections.defaultdict(list), collections.defaultdict(list)
    end = time.monotonic() + STORM_S
    while time.monotonic() < end:
        hostile.do("container.pause")
        twin.do("container.resume")
        run_for(WINDOW_S, *[Repeated(f) for f in (neighbour.cycle, twins.cycle, peak.look)])
        neighbour.take(calm)
        twin.do("container.pause")
        hostile.do("container.resume")
        run_for(WINDOW_S, *[Repeated(f) for f in (neighbour.cycle, operator.cycle, peak.look)])
        neighbour.take(during)
    operator.count()
    tap.ok(os.access(pool, os.W_OK), "the pool's file system has kept its head", *words.all())
    tell(operator)
    compare(spread(calm), spread(during))
    tap.eq(neighbour.failed, [], "and none has failed")
    seen = arms.metrics(node)
    tap.figure(f"the agent's loop: longest turn {1000 * seen['hoody_loop_work_max_seconds']:.1f} ms of the processor, "
               f"{1000 * seen['hoody_loop_turn_max_seconds']:.0f} ms in all; "
               f"{seen['hoody_loop_long_turns_total']:.0f} of {seen['hoody_loop_turns_total']:.0f} beyond 5 ms")
    tap.eq(node.do("container.delete", hostile.id, 120, force=True)["state"], "succeeded", "it is deleted")
    left = host.poll(lambda: not back(node, before), 60, 0.5)
    after = counts(node)
    for name, (n, _) in before.items():
        tap.figure(f"{name}: {n} before, {after[name][0]} after")
    tap.ok(left, "the host has its counts again", back(node, before))
    memory = host.memory(node.agent_pid())["rss"]
    tap.figure(f"the agent's memory: {rss / MIB:.1f} MiB before, at most {peak.rss / MIB:.1f} meanwhile, "
               f"{memory / MIB:.1f} after")
    tap.ok(max(memory, peak.rss) < MEMORY_MAX * rss + MIB, "the agent has its memory", rss, peak.rss, memory)
    tap.ok(peak.flows <= 3 * FLOWS, f"never more flows than the bound, {FLOWS} for each container", peak.flows)
    twin.do("container.delete", force=True)
    node.do("container.delete", neighbour.box.id, project_id=OTHER_PROJECT, force=True)


def start(node):
    """The control API and who orders stand for other machines: no container of this one keeps them from running."""
    os.setpriority(os.PRIO_PROCESS, 0, FIRST)
    node.start_api()
    os.setpriority(os.PRIO_PROCESS, 0, 0)
    node.start_agent()
    os.setpriority(os.PRIO_PROCESS, 0, FIRST)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    outside = Outside()
    conf = {"Containers": BOUNDS, "Network": {"MaxFlows": FLOWS}}
    with outside.listen(arms.PORT) as server, loop.FileSystem("btrfs", 1024) as fs, harness.Node(
            conf={**conf, "Storage": {"Pool": fs.pool, "Driver": "btrfs"}}, start=False) as node:
        node.runtime_in_memory()
        start(node)
        server.listen(4096)
        with KernelWords(node.directory / "kernel.log") as words:
            storm(node, fs.pool, words)
        tap.eq(node.leaks(), [], "nothing is left")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "nothing is broken")
    tap.done()


main()
