#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A container can't be frozen, since one of its processes waits in the kernel for a disk: the pause ends at its time,
and nobody in the container stays frozen when the disk answers again."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import tap


class Below(loop.FileSystem):
    """Whose disk is a file on another file system, which can be frozen (fsfreeze(8)): then writes wait."""

    def __init__(self, lower, kind):
        super().__init__(kind, 300)
        self.lower = lower

    def __enter__(self):
        super().__enter__()
        subprocess.run(["umount", self.path], check=True)
        moved = self.lower.path / "image"
        subprocess.run(["cp", "--sparse=always", self.image, moved], check=True)
        subprocess.run(["mount", "-o", "loop", moved, self.path], check=True)
        return self

    def hold(self, how):
        subprocess.run(["fsfreeze", how, self.lower.path], check=True)


def waits_for_disk(node, cid):
    return any(host.status(p).get("State", "?")[0] == "D" for p in host.pids_of(node.prefix, cid, "payload"))


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with loop.FileSystem("ext4", 512) as lower, Below(lower, "ext4") as fs, harness.Node(
            conf={"Storage": {"Pool": fs.pool}}) as node:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE, name="web")["state"], "succeeded", "one runs")
        os.sync()
        command = [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T", "web",
                   "--", "dd", "if=/dev/zero", "of=/f", "bs=1M", "count=8", "conv=fsync"]
        fs.hold("--freeze")
        try:
            with harness.running(command, stdin=subprocess.DEVNULL) as session:
                tap.ok(host.poll(lambda: waits_for_disk(node, cid), 20), "one of its processes waits for the disk")
                report = node.do("container.pause", cid, 60)
                tap.eq((report["state"], report.get("error", {}).get("code")), ("failed", "TIMEOUT"),
                       "it can't be paused")
                fs.hold("--unfreeze")
                goes_on = tap.ok(host.poll(lambda: session.poll() is not None, 20), "with the disk the process goes on")
                if not goes_on:
                    session.kill()
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", lower.path], capture_output=True)
        tap.eq(node.state(cid), "running", "it runs")
        tap.eq(node.do("container.stop", cid)["state"], "succeeded", "and its init ends when it is asked to")
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
    tap.done()


main()
