#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A container floods its console, which its monitor copies to a log: outside of the container's limits, on the host's
processors and disk. The kernel bounds the monitor, what is kept stays small, and the node goes on."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

KEPT_MAX = 4 << 16 # two files of 64 KiB, and what one call wrote beyond
QUOTA = 0.25       # of a processor, for the monitor
FLOOD_BYTES = 32 << 20
SHARE_MAX = 0.4    # of a processor, over the whole of it
FLOOD = "for i in 1 2; do (while :; do cat /bin/busybox >/dev/console; done) & done; wait"


def monitor_file(node, cid, name):
    for mount, _ in host.cgroup_mounts():
        path = mount / node.prefix / cid / "monitor" / name
        if path.exists():
            return path.read_text().split()
    return None


def quota(node, cid):
    """What the kernel lets the monitor have of a processor; None: it can't."""
    if new := monitor_file(node, cid, "cpu.max"):
        return None if new[0] == "max" else int(new[0]) / int(new[1])
    old = monitor_file(node, cid, "cpu.cfs_quota_us")
    return int(old[0]) / int(monitor_file(node, cid, "cpu.cfs_period_us")[0]) if old and old != ["-1"] else None


def throttled(node, cid):
    """How often the kernel has held it back."""
    words = monitor_file(node, cid, "cpu.stat") or []
    return int(words[words.index("nr_throttled") + 1]) if "nr_throttled" in words else 0


def written(pid):
    return int(
        next(line.split()[1] for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
             if line.startswith("wchar")))


def size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError: # it was renamed meanwhile
        return 0


def kept(node, cid):
    return sum(size(p) for p in (node.directory / "state/lxc" / cid).glob("console.log*"))


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        cid, other = node.new_id(), node.new_id()
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="loud")["state"], "succeeded",
            "a container runs")
        if monitor_file(node, cid, "cpu.max") is None and monitor_file(node, cid, "cpu.cfs_quota_us") is None:
            tap.skip_all("no cpu controller")
        tap.eq(quota(node, cid), QUOTA, "its monitor has a quarter of a processor")
        monitor = host.monitor_of(node.prefix, cid)
        command = [
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T", "loud", "--",
            "sh", "-c", FLOOD
        ]
        with harness.running(command, stdin=subprocess.DEVNULL) as flood:
            begun, cpu, bytes_ = time.monotonic(), host.cpu_s(monitor), written(monitor)
            tap.ok(host.poll(lambda: written(monitor) > bytes_ + FLOOD_BYTES, 30), "it floods its console",
                   written(monitor))
            took = time.monotonic() - begun
            share, rate = (host.cpu_s(monitor) - cpu) / took, (written(monitor) - bytes_) / took
            tap.ok(share < SHARE_MAX, f"which takes less than {SHARE_MAX} of a processor", share)
            tap.ok(kept(node, cid) <= KEPT_MAX, "what is kept of it stays small", kept(node, cid))
            tap.figure(
                f"the monitor of a flooded console takes {share:.2f} of a processor, copies {rate / 1e6:.1f} MB/s, and "
                f"keeps {kept(node, cid) >> 10} KiB; held back {throttled(node, cid)} times"
            )
            tap.eq(
                node.do("container.create", other, image=harness.IMAGE, name="other")["state"], "succeeded",
                "meanwhile another is made")
            tap.eq(node.do("container.restart", cid)["state"], "succeeded", "and the loud one restarts")
            flood.wait(30)
        for container in (cid, other):
            tap.eq(node.do("container.delete", container, force=True)["state"], "succeeded", "deleted")
        tap.eq(node.leaks(), [], "nothing is left")
    tap.done()


if __name__ == "__main__":
    main()
