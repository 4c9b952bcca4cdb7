#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shares, environment, documents, aliases and ramdisks with the agent or its workers killed at random: every order ends
once, and what the kernel and the disk have is what the ends say."""
import fcntl
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

ROUNDS = int(os.environ.get("HOODY_ROUNDS", 25))
SEED = 20261124


def mounts(node, cid):
    pid = host.init_of(node.prefix, cid)
    return {
        line.split()[4]: "ro" in line.split()[5].split(",")
        for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    }


def read(path):
    try:
        return path.read_text()
    except OSError:
        return None


def given_up(node, op, share, **more):
    """Workers that die whenever there is one: the order fails in the end, and leaves what was wished before. None comes
    through, however busy the machine: whoever wants to change a container waits for its turn."""
    api = local.Local(node)
    recorded = lambda: {s["id"]: s for s in api.do("GET", "/storage/shares")["shares"]}.get(share, {})
    before, stop = recorded(), threading.Event()

    def kill():
        agent = node.agent_pid()
        while not stop.is_set():
            for pid in pathlib.Path(f"/proc/{agent}/task/{agent}/children").read_text().split():
                try:
                    if pathlib.Path(f"/proc/{pid}/comm").read_text() == "hoody-worker\n":
                        os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass

    thread = threading.Thread(target=kill)
    with open(node.directory / "run/turns", "r+b") as turns:
        fcntl.lockf(turns, fcntl.LOCK_EX)
        thread.start()
        try:
            report = node.do(op, share_id=share, mode="readonly", enabled=True, alias="other", **more)
        finally:
            stop.set()
            thread.join()
    now = recorded()
    tap.ok(report["state"] == "failed" and all(now.get(k, "gone") == before[k] for k in ("mode", "enabled", "alias")),
           f"{op}: an order that is given up leaves what was wished before", report, now)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    chance = random.Random(SEED)
    with harness.Node() as node:
        a, b = node.new_id(), node.new_id()
        for cid, name in ((a, "source"), (b, "target")):
            node.do("container.create", cid, image=harness.IMAGE, name=name)
        (node.root(a) / "data").mkdir()
        (node.root(a) / "data/f").write_text("x")
        document = node.directory / "state/proxy/containers" / f"{b}.json"
        there = {"source_container_id": a, "source_path": "/data", "target_container_id": b, "mount_path": "/mnt/s"}
        bad, share, alias, version, ramdisk, kills = [], None, node.new_id(), 0, True, {"agent": 0, "worker": 0}
        for n in range(ROUNDS):
            wishes = []

            def wish(op, cid=None, **params):
                wishes.append((op, params, node.order(op, cid, **params)))

            share, old = node.new_id(), share
            if old:
                wish("share.delete", share_id=old)
            wish("share.create", share_id=share, mode="readonly", **there)
            wish("env.set", b, key="N", value=str(n))
            wish("share.update", share_id=share, mode="readwrite")
            version += 1
            wish("proxy.document", b, scope="container", file_version=version, document={"n": n})
            wish("proxy.alias", alias_id=alias, alias=f"alias-{n}", enabled=True, target={"container_id": b})
            wish("container.update", b, ramdisk=n % 2 == 1)
            wish("share.update", share_id=share, enabled=n % 3 != 0)
            if n % 5 == 4:
                wish("container.restart", b)
            # Workers once at most: a busy one and the warm one that follows it die together, and a step has four lives.
            for who in chance.choice((("agent", "worker"), ("worker", "agent"), ("agent", "agent"), ("worker",))):
                time.sleep(chance.random() * 0.05)
                kills[who] += 1
                node.kill9(who)
                if who == "agent":
                    node.start_agent()
            ends = [(op, node.wait(order, 60)) for op, _, order in wishes]
            # A step that can be undone is, when its worker dies; then all is as before.
            undone = {
                op for op, r in ends
                if r["state"] == "failed" and op in ("container.restart",
                                                     "container.update") and "worker" in r["error"]["message"]
            }
            failed = [(op, r["error"]) for op, r in ends if r["state"] != "succeeded" and op not in undone]
            if "container.update" not in undone:
                ramdisk = n % 2 == 1
            if not host.init_of(node.prefix, b):
                node.do("container.start", b)
            seen = mounts(node, b)
            want = {"/mnt/s": n % 3 != 0, "/ramdisk": ramdisk}
            env = read(node.root(b) / "etc/environment") or ""
            names = sorted(p.name for p in (node.directory / "state/proxy/aliases").iterdir())
            good = not failed and {at: at in seen for at in want
                                   } == want and not seen.get("/mnt/s", False) and f"N={n}\n" in env and json.loads(
                                       read(document)) == {"n": n} and names == [f"alias-{n}.json"]
            if not good:
                bad.append(
                    (n, failed, {at: at in seen for at in want}, want, seen.get("/mnt/s"), env, read(document), names))
        tap.ok(not bad, f"{ROUNDS} rounds: all of it is as the orders say", *bad[:3])
        given_up(node, "share.update", share)
        given_up(node, "share.create", share, **there)
        stats = node.api.ask("stats")
        tap.eq((stats["orders_terminal"], stats["orders_ended_twice"], stats["violations"]),
               (stats["orders_issued"], 0, []), "every order ended once")
        tap.figure(f"the agent killed {kills['agent']} times, its workers {kills['worker']} times")
        for cid in (a, b):
            node.do("container.delete", cid, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
