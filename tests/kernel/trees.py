#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fidelity: everything that is hard to copy, through container → snapshot → restore → copy → sync, on btrfs, on xfs
with reflink and on ext4; compared by a tool that is not the code under test."""
import fcntl
import os
import pathlib
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import tap
import tree

OWN = (b"etc/machine-id", b"etc/hostname", b"etc/ssh", b"etc/environment") # what a copy has of its own
VOLATILE = ("dev", "proc", "sys", "run", "tmp", "root")


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "K" * 43

def root_of(fs, cid):
    return fs.pool / "containers" / cid / "rootfs"


def same(a, b, name, ignore=()):
    pictures = tree.picture(a, ignore), tree.picture(b, ignore)
    if ignore is OWN:
        for p in pictures:
            p[b"./etc"][4] = 0 # its time tells of them
    words = tree.differences(*pictures)
    tap.ok(not words, name, *words)


def change(root):
    """About every kind of change that a sync must carry over."""
    t = root / "srv"
    (t / "plain").unlink()
    (t / "plain").write_text("other, and a link less")
    os.link(t / "big", t / "big-again")
    (t / "hard1").unlink()
    (t / "fifo2").unlink()
    os.symlink("elsewhere", t / "fifo2")
    (t / "empty").unlink()
    (t / "empty").mkdir()
    os.setxattr(t / "attrs" / "f0", "user.text", b"new")
    os.removexattr(t / "attrs" / "f0", "user.empty")
    os.chmod(t / "modes" / "0o444", 0o4711)
    os.chown(t / "owned" / "0", 5, 6)
    os.utime(t / "many" / "7", ns=(5, 7))
    for n in range(100, 120):
        (t / "many" / str(n)).unlink()
    with open(t / "sparse", "r+b") as f:
        f.seek(20 << 20)
        f.write(b"middle")
    (t / "weird" / tree.LONG).unlink()


def walk(kind):
    with loop.FileSystem(kind, 1024) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid, copy, third = node.new_id(), node.new_id(), node.new_id()
        root, snapshot = root_of(fs, cid), lambda c, n: fs.pool / "containers" / c / "snapshots" / n
        before = fs.free()
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="tree", start=False, ramdisk=False)["state"],
            "succeeded", f"{kind}: a container")
        tree.build(root / "srv")
        was = tree.picture(root)
        tap.eq(node.do("snapshot.create", cid, alias="one")["state"], "succeeded", f"{kind}: snapshot")
        same(root, snapshot(cid, "one"), f"{kind}: the snapshot is the root, in every respect")
        change(root)
        same(snapshot(cid, "one"), snapshot(cid, "one"), f"{kind}: the picture is stable")
        tap.eq(tree.differences(was, tree.picture(snapshot(cid, "one"))), [],
               f"{kind}: changes of the root don't reach the snapshot")
        changed = tree.picture(root)
        tap.eq(
            node.do("container.copy", copy, source_container_id=cid, name="copy", start=False)["state"], "succeeded",
            f"{kind}: copy")
        same(root, root_of(fs, copy), f"{kind}: the copy is the root, but for what is its own", OWN)
        tap.eq((root_of(fs, copy) / "etc/hostname").read_text(), "copy\n", f"{kind}: it has a name of its own")
        same(snapshot(cid, "one"), snapshot(copy, "one"), f"{kind}: and all snapshots")
        tap.eq(
            node.do("container.copy", third, source_container_id=cid, source_snapshot="one", start=False)["state"],
            "succeeded", f"{kind}: copy of a snapshot")
        moves = [(r["from_status"], r["to_status"]) for r in node.reports(kind="container.status")
                 if r["container_id"] == copy]
        tap.eq(moves, [(None, "copying"), ("copying", "stopped")], f"{kind}: its log begins with the copy")
        same(snapshot(cid, "one"), root_of(fs, third), f"{kind}: it is the snapshot", OWN)
        tap.eq(node.do("snapshot.restore", cid, name="one")["state"], "succeeded", f"{kind}: restore")
        tap.eq(node.do("container.force-stop", cid)["state"], "succeeded", f"{kind}: stopped")
        running = tuple(os.fsencode(v) for v in VOLATILE)
        same(snapshot(cid, "one"), root, f"{kind}: the root is the snapshot again, apart from what its start wrote",
             running)
        for n in (1, 2):
            (root / "srv" / f"new{n}").write_text("n")
            if n == 2:
                change_again(root)
            tap.eq(node.do("container.sync", copy)["state"], "succeeded", f"{kind}: sync, time {n}")
            same(root, root_of(fs, copy), f"{kind}: the copy is the source's present root", OWN)
            tap.eq((root_of(fs, copy) / "etc/hostname").read_text(), "copy\n", f"{kind}: under its own name")
        node.do("container.update", copy, ssh_public_key=KEY)
        node.do("container.sync", copy)
        own = (root_of(fs, copy) / "root/.ssh/authorized_keys").read_text(), (root_of(fs, copy) /
                                                                              "etc/environment").read_text()
        tap.ok(KEY in own[0] and f"HOODY_CONTAINER_ID={copy}" in own[1],
               f"{kind}: with its own key and variables, though it does not run", own)
        tap.ok(tree.differences(changed, tree.picture(root)), f"{kind}: and not what it was")
        for c in (third, copy, cid):
            tap.eq(node.do("container.delete", c, force=True)["state"], "succeeded", f"{kind}: deleted")
        tap.eq((node.leaks(), os.listdir(fs.pool / "containers"), node.sanitizer_words()), ([], [], []),
               f"{kind}: nothing is left")
        tap.ok(before - fs.free() < 16 << 20, f"{kind}: and the space is back", before, fs.free())


def subvolumes():
    """A subvolume that a container made in its root would be missing in every snapshot: it can make none."""
    source = b"""#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <sys/ioctl.h>
int main(void)
{
	struct btrfs_ioctl_vol_args a = { .name = "sub" };

	if (ioctl(open("/srv", O_RDONLY), BTRFS_IOC_SUBVOL_CREATE, &a) < 0)
		perror("no");
	else
		puts("made");
	return 0;
}
"""
    with loop.FileSystem("btrfs", 256) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool}}) as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="web")
        (root_of(fs, cid) / "srv").mkdir()
        os.chown(root_of(fs, cid) / "srv", 0, 0)
        subprocess.run(["gcc", "-static", "-x", "c", "-", "-o", root_of(fs, cid) / "bin/try"], input=source, check=True)
        tap.eq(node.ctl("exec", "web", "try"), (0, "", "no: Operation not permitted\n"),
               "btrfs: a container makes no subvolumes")
        node.do("container.delete", cid, force=True)


def removal():
    """A subvolume that is there nevertheless (the host's root made it) goes too."""
    with loop.FileSystem("btrfs", 256) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool}}) as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        subprocess.run(["btrfs", "subvolume", "create", root_of(fs, cid) / "sub"], check=True, capture_output=True)
        node.do("snapshot.create", cid, alias="sealed")
        tap.eq(
            node.do("container.delete", cid)["state"], "succeeded",
            "btrfs: a root with a subvolume in it, and a sealed snapshot of it, are deleted")
        tap.eq(os.listdir(fs.pool / "containers"), [], "btrfs: nothing is left")


COUNTER = ("i=0; while :; do i=$((i+1)); printf %09d $i | dd of=/srv/a conv=notrunc; "
           "printf %09d $i | dd of=/srv/b conv=notrunc; done 2>/dev/null")


def instant(kind):
    """A container counts in two files, one after the other: whoever sees them at one instant sees the same number, or
    one more in the first."""
    with loop.FileSystem(kind, 2048) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="web")
        (root_of(fs, cid) / "srv" / "many").mkdir(parents=True)
        for n in range(3000):
            (root_of(fs, cid) / "srv" / "many" / str(n)).write_text(str(n))
        counter = subprocess.Popen([
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "web", "sh", "-c",
            COUNTER
        ], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        host.poll(lambda: (root_of(fs, cid) / "srv/b").exists(), 5)
        seen = []
        for n in range(12):
            node.do("snapshot.create", cid, alias=f"s{n}")
            a, b = ((fs.pool / "containers" / cid / "snapshots" / f"s{n}" / "srv" / f).read_text() for f in "ab")
            seen.append((int(a or 0), int(b or 0)))
        tap.ok(
            all(a in (b, b + 1) for a, b in seen) and seen[-1][0] > seen[0][0],
            f"{kind}: each snapshot of a running container is of one instant", seen)
        if kind != "btrfs":
            held_and_killed(fs, node, cid, kind)
        counter.kill()
        counter.wait()
        in_vain(fs, node, cid, kind)
        node.do("container.delete", cid, force=True)


def in_vain(fs, node, cid, kind):
    """One that was paused, and is halted for a restore and a sync that fail."""
    copy = node.new_id()
    node.do("container.copy", copy, source_container_id=cid, name="copy")
    snapshot, name = fs.pool / "containers" / cid / "snapshots/s0", root_of(fs, cid) / "etc/hostname"
    snapshot.rename(snapshot.parent / "away")
    name.unlink()
    name.mkdir() # where the copy's own is to be
    for op, of, params in (("snapshot.restore", cid, {"name": "s0"}), ("container.sync", copy, {})):
        node.do("container.pause", of)
        report = node.do(op, of, **params)
        status = next(c["status"] for c in node.hoodyctl("status")["containers"] if c["id"] == of)
        tap.eq((report["state"], status, host.is_frozen(node.prefix, of)), ("failed", "paused", True),
               f"{kind}: {op} of a paused one fails, and it is paused")
    node.do("container.delete", copy, force=True)


def copied_anew(kind):
    """A copy that is made again of another source: its sync has the lane of that one."""
    with loop.FileSystem(kind, 512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        first, second, copy = (node.new_id() for _ in range(3))
        for cid in (first, second):
            node.do("container.create", cid, image=harness.IMAGE, start=False)
        node.do("container.copy", copy, source_container_id=first, start=False)
        before = sorted(os.listdir(root_of(fs, second)))
        with open(node.directory / "run/turns", "r+b") as turns: # the first of them waits until all are there
            fcntl.lockf(turns, fcntl.LOCK_EX)
            orders = [
                node.order("container.delete", copy, force=True),
                node.order("container.copy", copy, source_container_id=second, start=False),
                node.order("container.sync", copy),
                node.order("container.delete", second, force=True)
            ]
            host.poll(lambda: any(o["order_id"] == orders[-1] for o in node.hoodyctl("orders")["orders"]), 10, 0.1)
        tap.eq([node.wait(o)["state"] for o in orders], ["succeeded"] * 4,
               f"{kind}: a copy that is made anew, and synced")
        tap.eq(sorted(os.listdir(root_of(fs, copy))), before, f"{kind}: is whole, though its source is deleted then")
        for cid in (copy, first):
            node.do("container.delete", cid, force=True)


def unmounted(kind):
    """A pool whose file system is missing for a while is no empty one: nothing is made or given up meanwhile."""
    with loop.FileSystem(kind, 512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid, other = node.new_id(), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        node.do("snapshot.create", cid, alias="one")
        node.stop_agent()
        tap.ok(host.poll(fs.umount, 10, 0.1), f"{kind}: a pool's file system is not mounted")
        node.start_agent()
        for op, of, params in (("container.create", other, {"image": harness.IMAGE, "start": False}),
                               ("snapshot.delete", cid, {"name": "one"}), ("container.delete", cid, {"force": True})):
            report = node.do(op, of, **params)
            tap.ok(report["state"] == "failed" and "not mounted" in report["error"]["message"],
                   f"{kind}: {op} says so", report)
        node.stop_agent()
        fs.pool.rmdir() # what the agent has made in its place: nothing is in it
        subprocess.run(["mount", "-o", "loop", fs.image, fs.path], check=True)
        node.start_agent()
        tap.eq([node.do(op, cid, **params)["state"] for op, params in (
            ("snapshot.restore", {"name": "one"}), ("container.restart", {}))], ["succeeded"] * 2,
               f"{kind}: when it is, all is there")
        node.do("container.delete", cid, force=True)
        tap.ok(host.poll(lambda: os.listdir(fs.pool / "containers") == [], 10), f"{kind}: and nothing is left")
        (fs.pool / "containers").rmdir()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded",
               f"{kind}: a disk that is new to a node without containers")
        node.shut_down()
        tap.ok(host.poll(fs.umount, 10, 0.1), f"{kind}: the host boots, and the disk is late")
        node.start_agent()
        own = ("agent", "container.start")
        starts = lambda: [o["state"] for o in node.hoodyctl("orders")["orders"] if (o["origin"], o["op"]) == own]
        tap.ok(host.poll(lambda: starts() == ["failed"], 10, 0.1), f"{kind}: what is to start with it can't",
               starts())
        node.restart() # which is no other boot
        fs.pool.rmdir()
        subprocess.run(["mount", "-o", "loop", fs.image, fs.path], check=True)
        tap.ok(host.poll(lambda: host.init_of(node.prefix, cid), 60, 0.1), f"{kind}: then it starts by itself",
               starts())
        node.do("container.delete", cid, force=True)


def lost(kind):
    """Who has lost its root, or half of it, has it again by a restore, and a copy by a sync."""
    with loop.FileSystem(kind, 512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid, copy = node.new_id(), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        node.do("snapshot.create", cid, alias="one")
        node.do("container.copy", copy, source_container_id=cid, start=False)
        for of, op, params in ((cid, "snapshot.restore", {"name": "one"}), (copy, "snapshot.restore", {"name": "one"}),
                               (copy, "container.sync", {})):
            node.do("container.force-stop", of)
            root_of(fs, of).rename(fs.path / f"lost-{op}-{of}")
            tap.eq(node.do("container.start", of)["state"], "failed", f"{kind}: one without a root doesn't start")
            report = node.do(op, of, **params)
            tap.eq((report["state"], report.get("error")), ("succeeded", None), f"{kind}: {op} of who has lost it")
            tap.ok((root_of(fs, of) / "etc").is_dir(), f"{kind}: it is there again")
            tap.eq(node.do("container.restart", of)["state"], "succeeded", f"{kind}: and runs")
        for of in (copy, cid):
            node.do("container.delete", of, force=True)
        tap.eq(node.sanitizer_words(), [], f"{kind}: no word of the sanitizers")


GOINGDOWN = 0x8004587d # XFS_IOC_GOINGDOWN, and ext4's of the same number: with the log as it would be after a commit
LOG, NO_LOG = 1, 2     # beside it, and without


def power_cut(fs, log):
    """What is in memory alone is gone. It goes on with a copy of the disk: others' namespaces may have the mount, and
    keep the file system that is down."""
    top, disk = os.open(fs.path, os.O_RDONLY), fs.directory / "disk"
    fcntl.ioctl(top, GOINGDOWN, struct.pack("I", log))
    os.close(top)
    subprocess.run(["cp", "--sparse=always", fs.image, disk], check=True)
    tap.ok(host.poll(fs.umount, 10, 0.1), f"{fs.kind}: a power cut")
    disk.replace(fs.image)
    subprocess.run(["mount", "-o", "loop,nouuid" if fs.kind == "xfs" else "loop", fs.image, fs.path], check=True)


def own_files(kind):
    """Files of ours in a root, which no later start would mend where they are empty."""
    with loop.FileSystem(kind, 512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid, vars = node.new_id(), {"A": "b"}
        root = root_of(fs, cid)
        ours = ["etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/environment", "root/.ssh/authorized_keys"]
        texts = lambda: {name: (root / name).read_text() for name in ours}
        node.do("container.create", cid, image=harness.IMAGE, start=False, ssh_public_key=KEY, environment_vars=vars)
        was = texts()
        node.stop_agent()
        power_cut(fs, LOG)
        tap.eq(texts(), was, f"{kind}: after it a new container has its files whole")
        tap.ok(all(was.values()), f"{kind}: and none is empty", was)
        node.start_agent()
        tap.eq(node.do("container.update", cid, name="renamed")["state"], "succeeded", f"{kind}: one is renamed")
        node.stop_agent()
        power_cut(fs, NO_LOG)
        tap.eq((root / "etc/hostname").read_text(), "renamed\n", f"{kind}: and has that name after it")
        node.start_agent()
        node.do("container.delete", cid, force=True)


def gone_meanwhile(kind):
    """Directories that go while they are copied are left out, also of a container that rests: somebody that it shares
    with may change them."""
    with loop.FileSystem(kind, 512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        work = root_of(fs, cid) / "work"
        work.mkdir()
        busy = subprocess.Popen([
            "sh", "-c", "while :; do for i in 1 2 3 4 5 6 7 8 9; do mkdir -p $i/a/b; echo x >$i/a/b/f; done; "
            "rm -rf ./*; done"
        ], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            ends = [node.do("snapshot.create", cid, alias=f"s{i}") for i in range(24)]
        finally:
            busy.kill()
            busy.wait()
        wrong = [e["error"]["message"] for e in ends if e["state"] != "succeeded"]
        tap.ok(not wrong, f"{kind}: snapshots while directories come and go", *wrong[:3])
        node.do("container.delete", cid, force=True)


def held_and_killed(fs, node, cid, kind):
    """Whoever dies while a container is held: it goes on."""
    for who in ("worker", "agent"):
        order = node.order("snapshot.create", cid, alias=f"killed-{who}")
        caught = host.poll(lambda: host.is_frozen(node.prefix, cid), 10, 0.0005)
        node.kill9(who)
        thawed = host.poll(lambda: not host.is_frozen(node.prefix, cid), 3)
        before = (root_of(fs, cid) / "srv/a").read_text()
        going = host.poll(lambda: (root_of(fs, cid) / "srv/a").read_text() != before, 3)
        tap.ok(caught and thawed and going, f"{kind}: the {who} dies while the container is held, and it goes on",
               caught, thawed, going)
        if who == "agent":
            node.start_agent()
        node.wait(order)
        tap.ok(not host.is_frozen(node.prefix, cid), f"{kind}: also after that")


def change_again(root):
    (root / "srv" / "sub" / "hard3").unlink()
    os.link(root / "srv" / "hard2", root / "srv" / "sub" / "hard3b")
    (root / "srv" / "modes" / "0o0").write_text("longer than before")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    for kind in ("btrfs", "xfs", "ext4"):
        walk(kind)
    subvolumes()
    removal()
    for kind in ("btrfs", "ext4"):
        instant(kind)
        lost(kind)
    for kind in ("xfs", "ext4"):
        own_files(kind)
    copied_anew("ext4")
    gone_meanwhile("ext4")
    unmounted("ext4")
    tap.done()


main()
