#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk limits: enforced by btrfs, and by xfs and ext4 with project quotas, also after restore, copy and sync; refused
where the file system can't; and the snapshots' expiry, limit and reaper."""
import os
import pathlib
import re
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import loop
import tap

LIMIT, FULL_MIB = 40 << 20, 30


def writes(node, name):
    """Megabytes that the container could write, and why no more."""
    code, _, err = node.ctl("exec", name, "sh", "-c",
                            "rm -f /f; sync; dd if=/dev/zero of=/f bs=1M count=100 conv=fsync")
    size = node.ctl("exec", name, "sh", "-c", "wc -c </f")[1].strip()
    node.ctl("exec", name, "rm", "-f", "/f")
    return code, int(size or 0) >> 20, err


def is_limited(node, name, what):
    code, size, err = writes(node, name)
    tap.ok(code != 0 and 20 <= size < 40 and ("quota" in err or "space" in err), f"{what}: no more than its limit",
           code, size, err)


def files(node, fs, name, other):
    """ext4 has so many and no more, however few bytes they have."""
    all_of_them = f"mkdir /m && cd /m && seq {os.statvfs(fs.path).f_files} | xargs touch"
    code, _, err = node.ctl("exec", name, "sh", "-c", all_of_them)
    tap.ok(code != 0 and "quota" in err, "ext4: no more files than its share", code, err[:200])
    tap.eq(node.ctl("exec", other, "touch", "/one-more")[0], 0, "and a neighbour has some left")
    node.ctl("exec", name, "rm", "-r", "/m")


def done(node, what, op, cid, **params):
    report = node.do(op, cid, **params)
    tap.ok(report["state"] == "succeeded", what, report.get("error"))


def walk(kind, options=""):
    with loop.FileSystem(kind, 512,
                         options) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid, copy, free = node.new_id(), node.new_id(), node.new_id()
        what = f"{kind}{' ' + options if options else ''}"
        done(node, f"{what}: a container with a disk limit", "container.create", cid, image=harness.IMAGE, name="web",
             limits={"disk_bytes": LIMIT})
        is_limited(node, "web", what)
        node.ctl("exec", "web", "sh", "-c", f"dd if=/dev/zero of=/full bs=1M count={FULL_MIB} conv=fsync")
        done(node, f"{what}: a snapshot of one that is more than half full", "snapshot.create", cid, alias="s")
        for n in range(3):
            done(node, f"{what}: restored, time {n + 1}", "snapshot.restore", cid, name="s")
        subprocess.run(["sync", "-f", fs.pool], check=True)
        used = local.Local(node).do("GET", f"/containers/{cid}/stats")["disk"]["root"]["usage"]
        tap.ok(FULL_MIB << 20 < used < LIMIT, f"{what}: and counted as full as it is", used)
        tap.eq(int(node.ctl("exec", "web", "stat", "-c", "%s", "/full")[1]), FULL_MIB << 20, f"{what}: all of it")
        node.ctl("exec", "web", "rm", "/full")
        is_limited(node, "web", f"{what}, restored")
        done(node, f"{what}: a copy", "container.copy", copy, source_container_id=cid, name="copy")
        is_limited(node, "copy", f"{what}, the copy")
        done(node, f"{what}: synced", "container.sync", copy)
        is_limited(node, "copy", f"{what}, synced")
        done(node, f"{what}: one without a limit", "container.create", free, image=harness.IMAGE, name="free")
        tap.eq(writes(node, "free")[:2], (0, 100), f"{what}: has none")
        if kind == "ext4":
            files(node, fs, "web", "free")
        for c in (free, copy, cid):
            done(node, f"{what}: deleted", "container.delete", c, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), f"{what}: nothing is left")


def recounted():
    """btrfs stops to count, and so to limit, when a large tree goes; here one of any size is large."""
    with loop.FileSystem("btrfs", 512) as fs, harness.Node(
            conf={"Storage": {"Pool": fs.pool, "Driver": "auto", "CountIntervalSec": 1}}) as node:
        cid, source, copy = node.new_id(), node.new_id(), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="web", ramdisk=False,
                limits={"disk_bytes": LIMIT})
        node.do("container.create", source, image=harness.IMAGE, start=False)
        for n in range(1000): # of more than one leaf
            (fs.pool / "containers" / source / "rootfs" / f"f{n}").write_text("x" * 1000)
        done(node, "btrfs: a copy that shares all", "container.copy", copy, source_container_id=source, start=False)
        uuid = subprocess.run(["findmnt", "-no", "UUID", fs.path], check=True, capture_output=True, text=True).stdout
        qgroups = pathlib.Path("/sys/fs/btrfs", uuid.strip(), "qgroups")
        threshold = qgroups / "drop_subtree_threshold"
        if not threshold.exists():
            tap.skip("what btrfs doesn't count is counted anew", "this kernel always counts")
            return
        threshold.write_text("0")
        inconsistent = lambda: (qgroups / "inconsistent").read_text().strip() == "1"
        node.do("container.delete", copy)
        tap.ok(host.poll(lambda: "disk limits did not hold" in node.log.read_text(), 60, 0.1),
               "btrfs, when it has stopped to count: it is told")
        tap.ok(host.poll(lambda: not inconsistent(), 30, 0.1), "and it counts again")
        is_limited(node, "web", "btrfs, counted anew")
        for c in (cid, source):
            done(node, "btrfs: deleted", "container.delete", c, force=True)


def swept():
    """A qgroup whose subvolume is gone, as a loss of power leaves one; older kernels leave all of them."""
    with loop.FileSystem("btrfs", 256) as fs:
        btrfs = lambda *words: subprocess.run(["btrfs", *words], check=True, capture_output=True, text=True).stdout
        mount = lambda *words: subprocess.run(["mount", *words, fs.path], check=True)
        qgroups = lambda: set(re.findall(r"^\d+/\d+", btrfs("qgroup", "show", fs.path), re.M))
        btrfs("quota", "enable", fs.path)
        btrfs("quota", "rescan", "-w", fs.path)
        btrfs("qgroup", "create", "1/7", fs.path)
        own = None
        for i in range(10): # who syncs all file systems meanwhile (sync(2)) commits this one
            if own in (before := qgroups()):
                break
            btrfs("subvolume", "create", fs.path / "gone")
            (own,) = qgroups() - before
            btrfs("subvolume", "create", fs.path / f"kept{i}") # has a higher number, which is not given again
            others = qgroups() - {own}
            mount("-o", "remount,commit=300")
            btrfs("subvolume", "delete", "-c", fs.path / "gone")
            btrfs("subvolume", "sync", fs.path)
            host.poll(lambda: own not in qgroups(), 5, 0.05)
            left = fs.directory / "left" # what the kernel has removed is in no commit yet
            subprocess.run(["cp", "--sparse=always", fs.image, left], check=True)
            subprocess.run(["umount", fs.path], check=True)
            btrfs("device", "scan", "--forget")
            left.rename(fs.image)
            mount("-o", "loop,commit=1", fs.image)
        tap.eq(qgroups(), {own, *others}, "btrfs after a loss of power: a qgroup of no subvolume")
        with harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto", "CountIntervalSec": 1}}) as node:
            cid = node.new_id()
            node.do("container.create", cid, image=harness.IMAGE, name="web", ramdisk=False,
                    limits={"disk_bytes": LIMIT})
            gone = host.poll(lambda: own not in qgroups(), 10, 0.1)
            tap.ok(gone and others < qgroups() and len(qgroups()) == len(others) + 1, "goes, and no other", qgroups())
            is_limited(node, "web", "btrfs, swept")
            done(node, "btrfs: deleted", "container.delete", cid, force=True)


def refused():
    with loop.FileSystem("ext4",
                         128) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        report = node.do("container.create", node.new_id(), image=harness.IMAGE, limits={"disk_bytes": LIMIT})
        tap.eq((report["state"], report["error"]["code"], report["error"]["data"]["field"]),
               ("failed", "LIMIT_NOT_SUPPORTED", "limits.disk_bytes"), "ext4 without quotas: refused, not ignored")
        tap.eq(os.listdir(fs.pool / "containers"), [], "and nothing is left")


def expiry():
    """Ends that have come, while the agent was away and while it is there."""
    # or the agent waits for its clock to hold
    with harness.Node(conf={"Control": {"ResponseSignature": "required"}}) as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        for n in range(5):
            tap.eq(
                node.do("snapshot.create", cid, alias=f"s{n}", expiry_days=n + 1, limit=5)["state"], "succeeded",
                f"snapshot {n + 1} of 5")
        full = node.do("snapshot.create", cid, alias="s5", limit=5)
        tap.eq((full["error"]["code"], full["error"]["data"]),
               ("CONTAINER_SNAPSHOT_LIMIT", {"field": "container_snapshot_limit", "current_count": 5, "limit": 5}),
               "and no sixth")
        node.stop_agent()
        snapshots = node.directory / "pool" / "containers" / cid / "snapshots"
        with sqlite3.connect(node.directory / "state" / "state.db") as db: # the days go by
            for days, name in ((1, "s0"), (3, "s2"), (4, "s3"), (5, "s4")):
                db.execute("UPDATE snapshots SET expires_ms = expires_ms - ? WHERE name = ?",
                           (days * 86400000 + 1000, name))
            db.execute("UPDATE snapshots SET expires_ms = expires_ms - 2 * 86400000 + 8000 WHERE name = 's1'")
        db.close()
        node.start_agent()
        tap.ok(host.poll(lambda: os.listdir(snapshots) == ["s1"], 5),
               "what ended while the agent was away goes at its start", os.listdir(snapshots))
        tap.ok(host.poll(lambda: os.listdir(snapshots) == [], 30, 0.1), "what ends now goes now",
               os.listdir(snapshots))
        seen = lambda: [(r["event"], r["data"]["name"]) for r in node.reports(kind="snapshot")]
        tap.ok(host.poll(lambda: {("expired", f"s{n}") for n in range(5)} <= set(seen()), 10, 0.1), "all are reported",
               seen())
        orders = [o for o in node.hoodyctl("orders")["orders"] if o["origin"] == "agent"]
        tap.eq({(o["op"], o["state"]) for o in orders}, {("snapshot.delete", "succeeded")},
               "by orders of the agent's own")
        node.do("container.delete", cid)


def in_vain():
    """What can't go is ordered again, but not at once; an environment without a root is not for ever."""
    with harness.Node(conf={"Control": {"ResponseSignature": "required"}}) as node:
        cid, bare = node.new_id(), node.new_id()
        for c in (cid, bare):
            node.do("container.create", c, image=harness.IMAGE, start=False)
        node.do("snapshot.create", cid, alias="s", expiry_days=1)
        node.do("env.set", bare, key="A", value="a#b")
        node.stop_agent()
        snapshots, state = node.root(cid).parent / "snapshots", node.directory / "state" / "state.db"
        snapshots.rename(snapshots.parent / "away")
        snapshots.write_text("")
        node.root(bare).rename(node.root(bare).parent / "away")
        with sqlite3.connect(state) as db:
            db.execute("UPDATE snapshots SET expires_ms = created_ms - 1000")
            for n in range(40):
                db.execute(
                    "INSERT INTO snapshots(container_id, name, created_ms, expires_ms, size) "
                    "SELECT container_id, name || ?, created_ms, expires_ms, 0 FROM snapshots WHERE name = 's'", (n, ))
            db.execute("UPDATE env SET retry_ms = attempted_ms + 1")
        db.close()
        node.start_agent()
        made = lambda op: [o["state"] for o in node.hoodyctl("orders")["orders"] if (o["origin"], o["op"]) ==
                           ("agent", op)]
        tap.ok(host.poll(lambda: made("snapshot.delete") == made("env.unset") == ["failed"], 10, 0.1),
               "what has ended, and what is to be tried again: in vain", made("snapshot.delete"), made("env.unset"))
        tap.ok(not host.poll(lambda: len(made("snapshot.delete")) > 1, 3, 0.2), "which is not made again at once",
               made("snapshot.delete"))
        node.stop_agent()
        with sqlite3.connect(state) as db:
            attempts, wait_ms = db.execute("SELECT attempts, retry_ms - attempted_ms FROM env").fetchone()
        db.close()
        tap.eq((attempts, wait_ms), (2, 300000), "and it counts as one of an environment's tries")


def below_use():
    """What a container has can't be taken from it by a limit: that is refused, and nobody is killed."""
    with harness.Node() as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="web", limits={"memory_bytes": 256 << 20})
        code, _, err = node.ctl("exec", "web", "sh", "-c",
                                "mkdir -p /m && mount -t tmpfs m /m && dd if=/dev/zero of=/m/f bs=1M count=80 && sync")
        tap.ok(code == 0, "a container has 80 MiB of memory that it can't give back", err)
        report = node.do("container.update", cid, limits={"memory_bytes": 32 << 20})
        tap.ok(report["state"] == "failed" and "uses now" in report["error"]["message"],
               "32 MiB are less than it uses, which is said", report)
        code, size, _ = node.ctl("exec", "web", "sh", "-c", "wc -c </m/f")
        tap.eq((code, size.strip()), (0, str(80 << 20)), "and it has what it had")
        tap.eq(host.group_file(node.prefix, cid, "memory.max", "memory.limit_in_bytes").split(), [str(256 << 20)],
               "and may have as much as before")
        node.ctl("exec", "web", "sh", "-c", "dd if=/dev/zero of=/f bs=1M count=60; sync")
        done(node, "what it has in caches it gives back", "container.update", cid, limits={"memory_bytes": 128 << 20})
        node.do("container.delete", cid, force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    walk("btrfs")
    recounted()
    swept()
    for kind in ("xfs", "ext4"):
        if loop.can_mount(kind, "prjquota"):
            walk(kind, "prjquota")
        else:
            tap.skip(f"{kind} with project quotas", "this kernel is built without them")
    refused()
    expiry()
    in_vain()
    below_use()
    tap.done()


main()
