#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshot, restore, copy, sync and delete, killed: the agent or the worker, at every N-th call by which the disk
changes, and at random instants. Afterwards the root is the old one or the new one, as the order's report says, nothing
half-made lies in the pool, and the same order again succeeds. On btrfs and on ext4. The seed is printed; HOODY_SEED
repeats a run, HOODY_ROUNDS has more."""
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import tap

ROUNDS = int(os.environ.get("HOODY_ROUNDS", "20")) # random instants for each op and file system
FAILNTH = harness.BUILD / "tests/tools/failnth"
CALLS = "mkdirat,renameat,renameat2,fsync,syncfs,ioctl,sendmsg,fchownat,utimensat"
STEP = int(os.environ.get("HOODY_STEP", "7"))
FILES = 40


class Pool:
    """A source with a snapshot, and a copy of it; files whose text says which state they are of."""

    def __init__(self, fs, node):
        self.fs, self.node, self.source, self.copy = fs, node, node.new_id(), node.new_id()
        self.generation = 0
        self.must("container.create", self.source, image=harness.IMAGE, start=False)
        self.write(self.source)
        self.must("container.copy", self.copy, source_container_id=self.source, start=False)
        self.must("snapshot.create", self.source, alias="base")

    def must(self, op, cid, **params):
        report = self.node.do(op, cid, **params)
        if report["state"] != "succeeded":
            raise harness.Failure(report)

    def directory(self, cid):
        return self.fs.pool / "containers" / cid

    def write(self, cid):
        """Another state of all files."""
        self.generation += 1
        (self.directory(cid) / "rootfs/srv").mkdir(exist_ok=True)
        for n in range(FILES):
            (self.directory(cid) / "rootfs/srv" / str(n)).write_text(f"{self.generation} {n}")
        return self.generation

    def state(self, cid, below="rootfs"):
        """The one generation that all files are of; a set when they are of several."""
        found = {(self.directory(cid) / below / "srv" / str(n)).read_text() for n in range(FILES)}
        generations = {int(t.split()[0]) for t in found}
        return generations.pop() if len(generations) == 1 and len(found) == FILES else found

    def litter(self):
        """Half-made things: everything hidden but a sync's base."""
        return [
            str(p.relative_to(self.fs.pool))
            for d in (self.fs.pool / "containers", self.directory(self.source), self.directory(self.copy),
                      self.directory(self.source) / "snapshots") if d.is_dir() for p in d.iterdir()
            if p.name.startswith(".") and p.name != ".base"
        ]


def snapshot(pool):
    now = pool.write(pool.source)
    return ("snapshot.create", pool.source, {"alias": f"s{now}"}, lambda done:
            (pool.directory(pool.source) / "snapshots" / f"s{now}").exists() == done and
            (not done or pool.state(pool.source, f"snapshots/s{now}") == now))


def restore(pool):
    old, base = pool.write(pool.source), pool.state(pool.source, "snapshots/base")
    return "snapshot.restore", pool.source, {"name": "base"}, lambda done: pool.state(pool.source) == (base
                                                                                                       if done else old)


def sync(pool):
    old, new = pool.state(pool.copy), pool.write(pool.source)
    return "container.sync", pool.copy, {}, lambda done: pool.state(pool.copy) == (new if done else old)


def copy(pool):
    cid, now = pool.node.new_id(), pool.state(pool.source)
    return (
        "container.copy", cid, {"source_container_id": pool.source,
                                "start": False}, lambda done: pool.directory(cid).exists() == done and
        (not done or
         (pool.state(cid) == now and pool.state(cid, "snapshots/base") == pool.state(pool.source, "snapshots/base"))))


def remove(pool):
    cid = pool.node.new_id()
    pool.must("container.copy", cid, source_container_id=pool.source, start=False)
    return "container.delete", cid, {}, lambda done: pool.directory(cid).exists() != done


OPS = (snapshot, restore, sync, copy, remove)


def judge(pool, make, what, kill, calm=lambda: None):
    """One order, struck; True when all is as its report says, and the order again succeeds."""
    op, cid, params, holds = make(pool)
    order = pool.node.order(op, cid, **params)
    kill()
    report = pool.node.wait(order, 60)
    done = report["state"] == "succeeded"
    good = holds(done) and host.poll(lambda: not pool.litter(), 2)
    calm()
    again = pool.node.do(op, cid, **params)
    fine = again["state"] == "succeeded" or (again.get("error") or {}).get("code") == "SNAPSHOT_EXISTS"
    ok = good and fine and holds(True) and not pool.litter()
    if not ok:
        tap.ok(False, what, report, again, pool.litter(), [(c, pool.state(c)) for c in (pool.source, pool.copy)])
    # What a round made goes, and what it started is stopped.
    if op == "container.copy":
        pool.node.do("container.delete", cid, force=True)
    if op == "snapshot.create":
        pool.node.do("snapshot.delete", cid, name=params["alias"])
    if op == "snapshot.restore":
        pool.node.do("container.force-stop", cid)
    return ok


def at_random(pool, make, rng, kind):
    """Kills at instants spread over twice the time that the order takes."""
    began = time.monotonic()
    op, cid, params, _ = make(pool)
    pool.node.do(op, cid, **params)
    took = time.monotonic() - began
    if op == "container.copy":
        pool.node.do("container.delete", cid, force=True)
    if op == "snapshot.create":
        pool.node.do("snapshot.delete", cid, name=params["alias"])
    if op == "snapshot.restore":
        pool.node.do("container.force-stop", cid)

    def kill():
        who = rng.choice(("agent", "worker", "worker"))
        time.sleep(rng.uniform(0, took * 1.5))
        pool.node.kill9(who)
        if who == "agent":
            pool.node.start_agent()

    good = sum(
        judge(pool, make, f"{kind}: {make.__name__} killed at a random instant, round {n}", kill)
        for n in range(ROUNDS))
    tap.ok(good == ROUNDS, f"{kind}: {make.__name__}: old or new after {ROUNDS} kills at random instants", good)


def at_boundaries(pool, make, kind):
    """The worker at its N-th call, for N = 1, 1 + STEP, … until none is hit."""
    node, hit, n, hits = pool.node, pool.node.directory / "hit", 1, 0
    while True:
        node.stop_agent()
        hit.write_text("")
        node.start_agent(wrap=[FAILNTH, "--program", "hoody-worker", "--log", hit, CALLS, str(n), "KILL", "--"])
        op, cid, params, _ = made = make(pool)
        # what judges is not struck
        good = judge(pool, lambda pool: made, f"{kind}: {make.__name__}: worker killed at call {n}", lambda: None,
                     node.restart)
        if not hit.read_text() or not good or hits > 60:
            break
        n, hits = n + STEP, hits + 1
    tap.ok(hits > 0 and good,
           f"{kind}: {make.__name__}: old or new after a kill at every {STEP}th of its {n} calls that change the disk",
           hits)


def is_measured(pool, kind):
    """The agent at its N-th write to the journal, until none is hit: how large a snapshot is is known also when it has
    been made for an agent that has died since."""
    node, hit, n, sizes = pool.node, pool.node.directory / "hit", 1, []
    while True:
        node.stop_agent()
        hit.write_text("")
        node.start_agent(wrap=[FAILNTH, "--program", "hoody-agent", "--log", hit, "pwrite64", str(n), "KILL", "--"])
        op, cid, params, _ = snapshot(pool)
        order = node.order(op, cid, **params)
        host.poll(lambda: hit.read_text() or node.api.ask("stats")["orders_terminal"] == node.api.ask("stats")[
            "orders_issued"], 60, 0.02)
        if not hit.read_text():
            break
        node.agent.wait(20 * harness.SLOW)
        node.agent = None
        node.start_agent()
        sizes.append(node.wait(order)["result"]["snapshot"]["size"])
        node.do("snapshot.delete", cid, name=params["alias"])
        n += 3
    node.restart()
    node.wait(order)
    tap.ok(len(sizes) > 2 and min(sizes) > 0.9 * max(sizes),
           f"{kind}: its size is known, however the agent dies meanwhile", sizes)
    node.do("snapshot.delete", cid, name=params["alias"])


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    tap.note(f"seed {seed}")
    for kind in ("btrfs", "ext4"):
        with loop.FileSystem(kind,
                             512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
            pool = Pool(fs, node)
            for make in OPS:
                at_random(pool, make, rng, kind)
            for make in OPS[:4]:
                at_boundaries(pool, make, kind)
            if kind == "ext4": # a snapshot of btrfs takes nothing
                is_measured(pool, kind)
            node.restart()
            for c in (pool.copy, pool.source):
                tap.eq(node.do("container.delete", c, force=True)["state"], "succeeded", f"{kind}: deleted")
            tap.eq((node.leaks(), os.listdir(fs.pool / "containers")), ([], []), f"{kind}: nothing is left")
            stats = node.api.ask("stats")
            tap.eq((stats["violations"], stats["orders_ended_twice"]), ([], 0), f"{kind}: every order ended once")
    tap.done()


main()
