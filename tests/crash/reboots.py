#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A container's init ends, or asks for a restart by reboot(2), while the agent is there, is away, or is busy with it:
the container is launched again with all that holds now, or said to have ended, and never forgotten."""
import copy
import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import boxes
import harness
import host
import tap

LIMITS = {"memory_bytes": 64 << 20, "pids": 77, "cpu_cores": 1.5, "net_bps": 8000000}
LOOP_S = 6


def listed(node, box):
    """How the agent has it: its status, and its init."""
    return next((c["status"], c["pid"]) for c in node.hoodyctl("status")["containers"] if c["id"] == box.id)


def reboots(box):
    """As its root does; there need be no agent."""
    before = box.pid()
    subprocess.run(["nsenter", "-t", str(before), "-U", "-m", "-p", "-S", "0", "-G", "0", "reboot", "-f"], timeout=60,
                   check=False)
    return before


def is_back(node, box, before, timeout_s=10):
    """Launched again, and the agent knows it."""
    return host.poll(lambda: box.pid() not in (None, before) and listed(node, box) == ("running", box.pid()), timeout_s)


def number(node, box, *names, leaf="payload"):
    return host.group_file(node.prefix, box.id, *names, leaf=leaf).split()[0]


def shaper(node):
    links = [line for line in subprocess.run(["tc", "qdisc", "show"], capture_output=True, text=True,
                                             check=True).stdout.splitlines() if f" dev {node.interfaces}" in line]
    return next((line.split()[line.split().index("rate") + 1] for line in links if "tbf" in line), None)


def state(node, box):
    """What was changed since its launch, and whose its root is."""
    return {
        "memory": number(node, box, "memory.max", "memory.limit_in_bytes"),
        "pids": number(node, box, "pids.max"),
        "cpu": number(node, box, "cpu.max", "cpu.cfs_quota_us"),
        "link": shaper(node),
        "monitor": number(node, box, "cpu.max", "cpu.cfs_quota_us", leaf="monitor"),
        "variable": [
            v for v in pathlib.Path(f"/proc/{box.pid()}/environ").read_text().split("\0") if v.startswith("SINCE=")
        ],
        "owners": box.says("touch /root/mine && stat -c %u:%g / /root /root/mine /home/other"),
        "mounted": box.says("cat /shared/file")
    }


WANT = {
    "memory": str(64 << 20), "pids": "77", "cpu": "150000", "link": "8Mbit", "monitor": "25000",
    "variable": ["SINCE=then"], "owners": "0:0\n0:0\n0:0\n1000:1000", "mounted": "shared"
}


def kept(node, box, source):
    """liblxc would start it as it was launched, and without its root's ids."""
    box.sh("mkdir -p /home/other; chown 1000:1000 /home/other")
    source.sh("mkdir -p /of; echo shared >/of/file")
    node.do("container.update", box.id, limits=LIMITS)
    node.do("env.set", box.id, key="SINCE", value="then")
    node.do("share.create", None, share_id=node.new_id(), source_container_id=source.id, source_path="/of",
            target_container_id=box.id, mode="readonly", mount_path="/shared")
    tap.ok(is_back(node, box, reboots(box)), "it restarts itself")
    tap.eq(state(node, box), WANT, "what was changed since its launch holds, and its root is its own")
    node.kill9("agent")
    before = reboots(box)
    tap.ok(host.poll(lambda: not host.pids_of(node.prefix, box.id), 10), "without an agent it ends")
    node.start_agent()
    tap.ok(is_back(node, box, before), "the next one launches it")
    tap.eq(state(node, box), WANT, "as before")
    rows = [o for o in node.hoodyctl("orders")["orders"] if o["origin"] == "agent"]
    tap.eq([(o["op"], o["state"]) for o in rows[:2]], [("container.restart", "succeeded")] * 2, "by orders of its own")
    tap.eq([r for r in node.reports() if r.get("triggered_by") == "crash"], [], "and nobody says that it crashed")
    tap.eq({r["triggered_by"] for r in node.reports(kind="container.status")
            if (r["metadata"] or {}).get("command") == "restart"}, {"system"}, "nor that the host was booted")


def restarts(node, box):
    return node.log.read_text().count(f"container {box.id} restarts itself")


def init_is(node, box, script):
    """Its first program, from its next launch on."""
    path = node.root(box.id) / "sbin/init"
    path.unlink()
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def inits(node):
    """Of inits that end in this way or that by themselves."""
    box = boxes.Box(node, "again")
    init_is(node, box, "trap '' TERM; sleep 0.5; exec poweroff -f")
    node.do("container.restart", box.id)
    tap.ok(host.poll(lambda: listed(node, box) == ("stopped", 0), 10), "one that powers off has ended",
           listed(node, box))
    init_is(node, box, "sleep 0.5; exec reboot -f")
    node.do("container.start", box.id)
    host.poll(lambda: restarts(node, box) >= 2, 20)
    first, begin = restarts(node, box), time.monotonic()
    host.poll(lambda: time.monotonic() > begin + LOOP_S, LOOP_S + 1)
    n = restarts(node, box) - first
    tap.ok(first >= 2, "one that calls reboot(2) itself, and nothing else, is launched again", first)
    tap.ok(n <= 2, f"less often from time to time: {n} times in the next {LOOP_S} s")
    init_is(node, box, "exec reboot -f")
    node.do("container.restart", box.id)
    first, begin = restarts(node, box), time.monotonic()
    host.poll(lambda: time.monotonic() > begin + LOOP_S, LOOP_S + 1)
    n, (status, pid) = restarts(node, box) - first, listed(node, box)
    tap.ok(n <= 2 and pid == 0, f"one that does it as soon as it is there: {n} times, it is {status}", pid)
    tap.eq(node.do("container.delete", box.id, force=True)["state"], "succeeded", "and is deleted")


def paused(node, box):
    """A pause that comes while nobody has looked at init's end."""
    monitor = host.monitor_of(node.prefix, box.id)
    os.kill(monitor, signal.SIGSTOP)
    before = reboots(box)
    host.poll(lambda: host.status(before).get("State", "Z")[0] in "ZX", 10)
    report = node.do("container.pause", box.id)
    os.kill(monitor, signal.SIGCONT)
    tap.eq(report["state"], "failed", "a pause between its end and its launch fails")
    tap.ok(is_back(node, box, before), "and then it is launched", listed(node, box), node.log_tail(12))


class Held:
    """An order in the middle of its work: its workers are stopped."""
    def __init__(self, node, op, cid, **params):
        self.node, self.order = node, node.order(op, cid, **params)
        self.is_running = lambda: any(o["order_id"] == self.order and o["state"] == "running"
                                      for o in node.hoodyctl("orders")["orders"])
        self.held = []
        host.poll(self.is_running, 5, 0.001)
        for pid in node.worker_pids():
            try:
                os.kill(pid, signal.SIGSTOP)
                self.held.append(pid)
            except ProcessLookupError:
                pass
        tap.ok(self.is_running(), f"{op} is under way")

    def goes_on(self, sig=signal.SIGCONT):
        for pid in self.held:
            try:
                os.kill(pid, sig)
            except ProcessLookupError:
                pass


def ends(node, box):
    os.kill(box.pid(), signal.SIGKILL)
    host.poll(lambda: not host.pids_of(node.prefix, box.id), 10)


def is_told(node, box, what):
    tap.ok(host.poll(lambda: listed(node, box) == ("stopped", 0), 10), what, listed(node, box))
    tap.eq(node.do("container.start", box.id)["state"], "succeeded", "and it can be started")


def busy(node, box):
    """It ends while an order has it that doesn't move its status."""
    box.sh("dd if=/dev/zero of=/big bs=1M count=150 2>/dev/null")
    held = Held(node, "container.copy", node.new_id(), source_container_id=box.id, name="copy", start=False)
    ends(node, box)
    held.goes_on()
    tap.eq(node.wait(held.order)["state"], "succeeded", "which succeeds")
    is_told(node, box, "the source of a copy that ends meanwhile is said to have ended")
    held = Held(node, "snapshot.create", box.id, alias="one")
    node.kill9("agent")
    ends(node, box)
    held.goes_on() # one that had not been told to end with the agent yet
    node.start_agent()
    node.wait(held.order)
    is_told(node, box, "so is one that ends while its snapshot is without an agent")
    held = Held(node, "snapshot.create", box.id, alias="two")
    held.goes_on(signal.SIGKILL)
    node.shut_down()
    node.start_agent()
    node.wait(held.order)
    tap.ok(host.poll(lambda: listed(node, box)[0] == "running" and box.pid(), 20),
           "and one whose host goes down in the middle of a snapshot is started with the host", listed(node, box))


def synced(node, box):
    """It ends, restarts itself or loses its host while it is brought up to date, which fails."""
    twin = copy.copy(box)
    twin.id, twin.name = node.new_id(), "twin"
    node.do("container.copy", twin.id, source_container_id=box.id, name=twin.name)
    held = Held(node, "container.sync", twin.id)
    before = reboots(twin)
    held.goes_on(signal.SIGKILL)
    tap.eq(node.wait(held.order)["state"], "failed", "which fails")
    tap.ok(is_back(node, twin, before), "one that restarts itself meanwhile is launched", listed(node, twin))
    held = Held(node, "container.sync", twin.id)
    ends(node, twin)
    held.goes_on(signal.SIGKILL)
    tap.eq(node.wait(held.order)["state"], "failed", "which fails")
    is_told(node, twin, "one that ends meanwhile is said to have ended")
    held = Held(node, "container.sync", twin.id)
    held.goes_on(signal.SIGKILL)
    node.shut_down()
    root = node.root(box.id)
    root.rename(root.parent / "away")
    node.start_agent()
    tap.eq(node.wait(held.order)["state"], "failed", "which fails")
    (root.parent / "away").rename(root)
    tap.ok(host.poll(lambda: listed(node, twin)[0] == "running" and twin.pid(), 20),
           "one whose host goes down meanwhile is started with the host", listed(node, twin))


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        box, source = boxes.Box(node, "web"), boxes.Box(node, "source")
        kept(node, box, source)
        paused(node, box)
        inits(node)
        busy(node, box)
        synced(node, box)
        for b in (box, source):
            b.do("container.delete", force=True)
        for c in node.hoodyctl("status")["containers"]:
            node.do("container.delete", c["id"], force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
