#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian root (mmdebstrap) through the agent beside the raw tools on the same trees in the same run: create,
snapshot, restore, copy; and a sync after 1 % of the files has changed, beside rsync -aHAX --delete and btrfs send -p |
receive. Times are the orders' own, all of them durable (syncfs); the tools' include a sync too."""
import hashlib
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import loop
import netns
import tap
import tree
import webserver

ROUNDS = int(os.environ.get("HOODY_ROUNDS", "5"))
OWN = (b"etc/machine-id", b"etc/hostname", b"etc/environment", b"etc/ssh", b"var/lib/dbus")


def debian(directory):
    """A tarball, or None where there is no mirror."""
    path = directory / "debian.tar"
    with netns.Namespace(os.dup(harness.OUTSIDE)):
        made = subprocess.run([
            "mmdebstrap", "--quiet", "--variant=apt",
            "--include=perl,python3-minimal,vim-tiny,iproute2,openssh-client,systemd-sysv,git,python3,locales,gpg",
            "bookworm", path
        ], capture_output=True, text=True)
    if made.returncode != 0:
        tap.note(made.stderr[-400:])
    return path if made.returncode == 0 else None


def ms(began):
    return (time.monotonic() - began) * 1000


def timed(*command, sync=None):
    began = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    if sync:
        fd = os.open(sync, os.O_RDONLY)
        subprocess.run(["sync", "-f", sync], check=True)
        os.close(fd)
    return ms(began)


def change(root, rng, share=100):
    """Other bytes in every hundredth file of some size; as many bytes as before, and how many."""
    files = [p for p in (root / "usr").rglob("*") if p.is_file() and not p.is_symlink() and p.stat().st_size > 0]
    moved = 0
    for path in rng.sample(files, len(files) // share):
        data = path.read_bytes()
        path.write_bytes(bytes(b ^ 0x55 for b in data[:4096]) + data[4096:])
        moved += len(data)
    return moved


def show(kind, rows):
    for name, values, beside in rows:
        tap.figure(f"{kind}: {name:<28} {statistics.median(values):7.1f} ms ({min(values):.1f} to {max(values):.1f})" +
                   (f"   {beside}" if beside else ""))


class Bench:
    def __init__(self, fs, node, rng):
        self.fs, self.node, self.rng = fs, node, rng

    def root(self, cid):
        return self.fs.pool / "containers" / cid / "rootfs"

    def do(self, op, cid, **params):
        report = self.node.do(op, cid, 300, **params)
        if report["state"] != "succeeded":
            raise harness.Failure(report)
        return report["duration_ms"]


def lifecycle(b):
    """Whatever the size."""
    times = {k: [] for k in ("create", "snapshot", "restore", "copy", "raw", "kill and start")}
    for n in range(ROUNDS):
        cid, other = b.node.new_id(), b.node.new_id()
        times["create"].append(b.do("container.create", cid, image="debian/12", start=False))
        times["snapshot"].append(b.do("snapshot.create", cid, alias="s"))
        times["copy"].append(b.do("container.copy", other, source_container_id=cid, start=False))
        if b.fs.kind == "btrfs":
            times["raw"].append(
                timed("btrfs", "subvolume", "snapshot", b.root(cid), b.fs.path / f"raw{n}", sync=b.fs.path))
            subprocess.run(["btrfs", "subvolume", "delete", b.fs.path / f"raw{n}"], check=True, capture_output=True)
        else:
            times["raw"].append(timed("cp", "-a", b.root(cid), b.fs.path / f"raw{n}", sync=b.fs.path))
            subprocess.run(["rm", "-rf", b.fs.path / f"raw{n}"], check=True)
        b.node.do("container.delete", other)
        b.do("snapshot.restore", cid, name="s")
        times["restore"].append(b.do("snapshot.restore", cid, name="s"))
        # what liblxc, the kernel and systemd take of it
        times["kill and start"].append(b.do("container.force-stop", cid) + b.do("container.start", cid))
        b.node.do("container.delete", cid, force=True)
    raw = "btrfs subvolume snapshot" if b.fs.kind == "btrfs" else "cp -a"
    show(b.fs.kind, [
        ("container.create", times["create"], f"of an image; {raw}: {statistics.median(times['raw']):.1f} ms"),
        ("snapshot.create", times["snapshot"], ""), ("container.copy", times["copy"], "with a snapshot"),
        ("snapshot.restore", times["restore"],
         "of a running container: killed, replaced, started; the first and the last alone, as orders: "
         f"{statistics.median(times['kill and start']):.1f} ms"
         )
    ])
    if b.fs.kind == "btrfs":
        bound = 40 * statistics.median(times["raw"]) + statistics.median(times["kill and start"])
        tap.ok(all(statistics.median(times[k]) < bound for k in ("create", "snapshot", "copy", "restore")),
               "on btrfs the size of the root does not matter", times)


def receive(fs, parent, now):
    return f"btrfs send -q -p {parent} {now} | btrfs receive -q {fs.path}/received"


def syncs(b):
    """The same changes by each of them, in turn."""
    source, copy = b.node.new_id(), b.node.new_id()
    b.do("container.create", source, image="debian/12", start=False)
    b.do("container.copy", copy, source_container_id=source, start=False)
    first = b.do("container.sync", copy)
    b.do("container.sync", copy) # from here on there is a base
    fs, ours, rsync, send = b.fs, [], [], []
    subprocess.run(["cp", "-a", f"{b.root(source)}/.", fs.path / "mirror"], check=True)
    if fs.kind == "btrfs":
        (fs.path / "received").mkdir()
        subprocess.run(["btrfs", "subvolume", "snapshot", "-r",
                        b.root(source), fs.path / "send0"], check=True, capture_output=True)
        subprocess.run(f"btrfs send -q {fs.path}/send0 | btrfs receive -q {fs.path}/received", shell=True, check=True)
    for n in range(ROUNDS):
        moved = change(b.root(source), b.rng)
        os.sync()
        turns = [
            lambda: ours.append(b.do("container.sync", copy)), lambda: rsync.append(
                timed("rsync", "-aHAX", "--delete", f"{b.root(source)}/", f"{fs.path}/mirror/", sync=fs.path))
        ]
        if fs.kind == "btrfs":
            turns.append(lambda: send.append(
                timed(
                    "sh", "-c", f"btrfs subvolume snapshot -r {b.root(source)} {fs.path}/send{n + 1} && " + receive(
                        fs, f"{fs.path}/send{n}", f"{fs.path}/send{n + 1}"), sync=fs.path)))
        for turn in turns[n % len(turns):] + turns[:n % len(turns)]:
            turn()
    words = tree.differences(tree.picture(b.root(source), OWN), tree.picture(b.root(copy), OWN))
    tap.ok(len([w for w in words if "'./etc'" not in w]) == 0, f"{fs.kind}: the copy is the source", *words)
    best = min(statistics.median(t) for t in (rsync, send) if t)
    show(fs.kind,
         [("container.sync", ours, f"of 1 % of the files, {moved / 1e6:.1f} MB of them; the first one took {first} ms"),
          ("rsync -aHAX --delete", rsync, "")] + ([("btrfs send -p | receive", send, "")] if send else []))
    # the goal is 1
    tap.ok(
        statistics.median(ours) < 3 * best, f"{fs.kind}: sync is not slower than the better of them",
        statistics.median(ours), best)
    for c in (copy, source):
        b.do("container.delete", c, force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-bench-") as directory:
        work = pathlib.Path(directory)
        path = debian(work)
        if not path:
            tap.skip_all("mmdebstrap can't make a Debian root here: no mirror")
        server = webserver.Server(work)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("btrfs", "ext4"):
            with loop.FileSystem(
                    kind, 6000) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
                b = Bench(fs, node, random.Random(4))
                pulled = node.do("image.pull", None, 300, image="debian-12", url=server.url("debian.tar"),
                                 sha256=digest)
                tap.eq(pulled["state"], "succeeded", f"{kind}: a Debian root is an image")
                tap.figure(f"{kind}: image.pull of {path.stat().st_size / 1e6:.0f} MB: {pulled['duration_ms']} ms")
                lifecycle(b)
                syncs(b)
                tap.eq(node.do("image.remove", None, image="debian/12")["state"], "succeeded", f"{kind}: removed")
                tap.eq(node.leaks(), [], f"{kind}: nothing is left")
        server.close()
    tap.done()


if __name__ == "__main__":
    main()
