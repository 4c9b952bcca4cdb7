#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A container whose init hides (hides.c): it is seen by the next agent all the same, and does what it is ordered.
Unseen it would run on as "stopped", and no stop would be possible."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

PROGRAM = pathlib.Path(__file__).with_name("hides.c")
WAYS = {
    "groups": lambda s: len(s.get("Groups", "")) > 1 << 16,
    "thread": lambda s: s.get("State", "")[:1] == "Z",
}


def hidden(node, cid, how):
    """The pid of the running container's init, which has hidden."""
    root = node.root(cid)
    subprocess.run(["gcc", "-static", "-O1", "-pthread", "-o", root / "hides", PROGRAM], check=True)
    (root / "sbin/init").unlink()
    (root / "sbin/init").write_text(f"#!/bin/busybox sh\nexec /hides {how}\n")
    (root / "sbin/init").chmod(0o755)
    node.do("container.start", cid)
    pid = host.init_of(node.prefix, cid)
    (root / "go").touch()
    tap.ok(host.poll(lambda: WAYS[how](host.status(pid)), 10), f"{how}: it hides", host.status(pid))
    return pid


def try_it(node, how):
    cid, said = node.new_id(), lambda: [(c["status"], c["pid"]) for c in node.hoodyctl("status")["containers"]]
    node.do("container.create", cid, image=harness.IMAGE, start=False)
    pid = hidden(node, cid, how)
    node.restart()
    tap.eq(said(), [("running", pid)], f"{how}: the next agent sees that it runs")
    tap.eq([node.do(op, cid)["state"] for op in ("container.pause", "container.resume")], ["succeeded"] * 2,
           f"{how}: it is paused and resumed")
    tap.eq((said(), node.do("container.stop", cid)["state"], host.pids_of(node.prefix, cid)),
           ([("running", pid)], "succeeded", []), f"{how}: and stopped")
    node.do("container.delete", cid, force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        for how in WAYS:
            try_it(node, how)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")
    tap.done()


main()
