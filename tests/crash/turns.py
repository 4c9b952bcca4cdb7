#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A worker that was killed while the kernel held it in rename(2), on a pool that stands still (fsfreeze): it lives on,
and its call still has its effect. The next agent's worker waits until it is gone, an agent that is asked to end
doesn't, and what comes of the order is whole. On a host without a cgroup v1 freezer the pool stands still for as long
as the worker, so the next agent's stands too."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import tap

FAILNTH = harness.BUILD / "tests/tools/failnth"
FREEZER = pathlib.Path("/sys/fs/cgroup/freezer")


@contextlib.contextmanager
def still(path):
    """Nobody can change the file system."""
    subprocess.run(["fsfreeze", "-f", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "-u", path], check=True)


@contextlib.contextmanager
def held(pid, prefix):
    """Not even SIGKILL ends it, on hosts with cgroup v1; whatever it waits for in the kernel it goes on waiting for."""
    group = FREEZER / f"{prefix}-held"
    if not (FREEZER / "tasks").exists():
        yield False
        return
    group.mkdir()
    try:
        (group / "tasks").write_text(str(pid))
        (group / "freezer.state").write_text("FROZEN")
        host.poll(lambda: (group / "freezer.state").read_text() == "FROZEN\n", 5)
        yield True
    finally:
        (group / "freezer.state").write_text("THAWED")
        host.poll(lambda: not (group / "tasks").read_text(), 10) # who is dead is in none
        group.rmdir()


def waits(node):
    """Does somebody wait for a lock on the file of turns?"""
    inode = (node.directory / "run/turns").stat().st_ino if (node.directory / "run/turns").exists() else None
    return any("->" in line and line.split()[-3].endswith(f":{inode}")
               for line in pathlib.Path("/proc/locks").read_text().splitlines())


def is_stuck(pid):
    return host.status(pid).get("State", "").startswith("D")


def catch(node, call, op, cid, **params):
    """An order whose worker is stopped at its first such call."""
    hit = node.directory / "hit"
    hit.write_text("")
    node.stop_agent()
    node.start_agent(wrap=[FAILNTH, "--program", "hoody-worker", "--log", hit, call, "1", "STOP", "--"])
    order = node.order(op, cid, **params)
    if not host.poll(lambda: hit.read_text().endswith("\n"), 20):
        raise harness.Failure(f"{op} makes no call {call}")
    return order, int(hit.read_text().split()[2])


def round_of(node, fs, call, sig, op, cid, **params):
    """One order, whose worker is caught in its rename. Its report."""
    order, worker = catch(node, call, op, cid, **params)
    what = f"{fs.kind}: {op}, the agent ended by {sig.name}"
    with contextlib.ExitStack() as worker_held:
        with still(fs.path):
            os.kill(worker, signal.SIGCONT)
            stuck = host.poll(lambda: is_stuck(worker), 10)
            is_held = worker_held.enter_context(held(worker, node.prefix))
            node.stop_agent(sig)
            tap.ok(stuck and host.is_alive(worker), f"{what}: it ends, and its worker can't",
                   host.status(worker).get("State"))
            if not is_held:
                node.start_agent()
        if is_held:
            node.start_agent()
            host.poll(
                lambda: waits(node) or host.status(worker) == {} or node.api.ask("stats")["orders_terminal"] == node.api
                .ask("stats")["orders_issued"], 20)
            tap.ok(waits(node), f"{what}: the next agent's worker waits while the last one is there", node.log_tail(10))
    report = node.wait(order)
    tap.ok(report["state"] == "succeeded" and not host.is_alive(worker), f"{what}: then it succeeds", report)
    return report


def litter(fs):
    return [str(p) for p in (fs.pool / "containers").rglob(".new-*")]


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    for kind in ("btrfs", "ext4"):
        with loop.FileSystem(kind,
                             512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
            for sig in (signal.SIGKILL, signal.SIGTERM):
                cid = node.new_id()
                round_of(node, fs, "renameat", sig, "container.create", cid, image=harness.IMAGE, start=False)
                tap.eq((node.do("container.start", cid)["state"], node.state(cid)), ("succeeded", "running"),
                       f"{kind}: what was created is whole")
                round_of(node, fs, "renameat", sig, "snapshot.create", cid, alias="one")
                node.do("container.force-stop", cid)
                round_of(node, fs, "renameat2", sig, "snapshot.restore", cid, name="one")
                tap.eq((node.state(cid), litter(fs)), ("running", []),
                       f"{kind}: what was restored is whole, and nothing half-made is left")
                node.restart()
                node.do("container.delete", cid, force=True)
            tap.eq((node.leaks(), os.listdir(fs.pool / "containers"), node.violations()), ([], [], []),
                   f"{kind}: nothing is left, no breach")
    tap.done()


main()
