#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root makes its tree one that can't be copied: write leases on its files (fcntl(2)), given up when asked or
never, and directories in one another, more than there are descriptors."""
import os
import pathlib
import resource
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap
from boxes import Box

FILES = 5
DESCRIPTORS, DEPTH = 512, 700


def install(node, box):
    inside = node.root(box.id) / "bin" / "leases"
    done = subprocess.run(
        ["gcc", "-static", "-O1", "-o",
         str(inside), str(pathlib.Path(__file__).with_name("leases.c"))], capture_output=True, text=True)
    if done.returncode:
        raise harness.Failure(done.stderr)


def saved(node, box, alias):
    """The root as a snapshot has it, or why there is none."""
    begun = time.monotonic()
    report = node.do("snapshot.create", box.id, timeout_s=120, alias=alias)
    took_s = time.monotonic() - begun
    if report["state"] != "succeeded":
        return None, report["error"]["message"], took_s
    made = max((node.directory / "pool").glob(f"containers/{box.id}/snapshots/*"), key=lambda p: p.stat().st_ctime_ns)
    return next(p for p in (made / "rootfs", made) if p.is_dir()), None, took_s


def leases(node, box):
    for mode in ("polite", "deaf"):
        names = [f"/leased/{mode}{i}" for i in range(FILES)]
        box.sh("mkdir -p /leased; " + "; ".join(f"echo {mode} >{n}" for n in names))
        command = [
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", box.name, "--",
            "/bin/leases", mode, *names
        ]
        with harness.running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              text=True) as holder:
            tap.eq(holder.stdout.readline(), f"held {FILES}\n", f"{FILES} leases are held, {mode}")
            root, why, took_s = saved(node, box, mode)
            got = [(root / n[1:]).read_text() if root and (root / n[1:]).exists() else None for n in names]
            tap.eq((why, got), (None, [f"{mode}\n"] * FILES), "a snapshot has every file")
            tap.figure(
                f"{mode}: {sum(g is not None for g in got)} of {FILES} leased files in a snapshot, in {took_s:.1f} s; "
                f"the kernel gives a holder {pathlib.Path('/proc/sys/fs/lease-break-time').read_text().strip()} s"
            )
            box.sh("killall -9 leases")


def depth_of(top):
    n, fd = 0, os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    while True:
        try:
            below = os.open("d", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        except FileNotFoundError:
            os.close(fd)
            return n
        os.close(fd)
        fd, n = below, n + 1


def deep(node, box):
    box.sh(
        f"mkdir /deep; cd /deep; n=0; while [ $n -lt {DEPTH} ]; do mkdir d && cd d || exit 1; n=$((n+1)); done; echo "
        "bottom >f"
    )
    root, why, took_s = saved(node, box, "deep")
    tap.eq((why, depth_of(root / "deep") if root else 0), (None, DEPTH),
           f"{DEPTH} directories in one another are in a snapshot, with {DESCRIPTORS} descriptors")
    tap.figure(f"{DEPTH} levels with {DESCRIPTORS} descriptors: {took_s:.2f} s")
    copy = node.new_id()
    report = node.do("container.copy", copy, timeout_s=120, source_container_id=box.id, name="copy", start=False)
    tap.eq((report["state"], depth_of(node.root(copy) / "deep") if report["state"] == "succeeded" else 0),
           ("succeeded", DEPTH), "and in a copy")
    node.do("container.delete", copy, force=True)
    tap.eq(node.do("container.delete", box.id, force=True)["state"], "succeeded", "and deleted")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)) # what the agent and its workers have
    with harness.Node() as node:
        box = Box(node, "hostile")
        install(node, box)
        leases(node, box)
        deep(node, box)
        tap.eq((node.leaks(), node.violations(), node.sanitizer_words()), ([], [], []),
               "nothing is left, nothing is broken")
    tap.done()


main()
