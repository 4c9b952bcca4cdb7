#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A full pool: every operation that needs space fails with DISK_FULL and leaves everything as it was, the agent goes
on, and the space comes back."""
import hashlib
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import loop
import tap
import tree
import webserver


def fill(path, leave):
    """Use up the file system but for so many bytes."""
    with open(path, "wb") as f:
        try:
            while True:
                st = os.statvfs(path)
                room = st.f_bfree * st.f_frsize - leave # root's reserve too
                if room <= 0:
                    break
                f.write(os.urandom(min(room, 1 << 20)))
                f.flush()
                os.fsync(f.fileno())
        except OSError:
            pass


def walk(kind, megabytes):
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-full-") as directory, loop.FileSystem(
            kind, megabytes) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "dir"}}) as node:
        web = pathlib.Path(directory)
        cid, copy = node.new_id(), node.new_id()
        root = lambda c: fs.pool / "containers" / c / "rootfs"
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        (root(cid) / "srv").mkdir()
        for n in range(60):
            (root(cid) / "srv" / str(n)).write_bytes(os.urandom(200_000))
        node.do("container.copy", copy, source_container_id=cid, start=False)
        node.do("snapshot.create", cid, alias="s")
        (root(cid) / "srv" / "0").write_bytes(os.urandom(200_000))
        was, was_copy, listed = tree.picture(root(cid)), tree.picture(root(copy)), sorted(
            os.listdir(fs.pool / "containers"))
        (web / "image.tar").write_bytes(b"")
        os.system(f"tar -C {root(cid)} -cf {web}/image.tar .")
        server = webserver.Server(web)
        digest = hashlib.sha256((web / "image.tar").read_bytes()).hexdigest()
        fill(fs.path / "ballast", 4 << 20)
        free = fs.free(reserve=True)
        new = node.new_id()
        tries = (("snapshot.create", cid, {"alias": "t"}), ("snapshot.restore", cid, {"name": "s"}),
                 ("container.sync", copy, {}), ("container.copy", new, {"source_container_id": cid}),
                 ("image.pull", None, {"image": "full/1", "url": server.url("image.tar"), "sha256": digest}))
        for op, c, params in tries:
            report = node.do(op, c, 60, **params)
            tap.ok((report["state"], (report.get("error") or {}).get("code")) == ("failed", "DISK_FULL"),
                   f"{kind}: {op} on a full pool", report)
            hidden = [
                str(p) for d in (fs.pool / "containers", fs.pool / "containers" / cid, fs.pool / "containers" / copy,
                                 fs.pool / "images", fs.pool / "containers" / cid / "snapshots") for p in d.iterdir()
                if p.name.startswith(".")
            ]
            tap.eq((hidden, abs(fs.free(reserve=True) - free) < 1 << 20), ([], True),
                   f"{kind}: {op}: nothing half-made is left, and the space is back")
        tap.eq((tree.differences(was, tree.picture(root(cid))), tree.differences(was_copy, tree.picture(
            root(copy))), sorted(os.listdir(fs.pool / "containers"))), ([], [], listed),
               f"{kind}: everything is as it was")
        tap.eq((node.do("container.start", cid)["state"], node.do("container.force-stop", cid)["state"]),
               ("succeeded", "succeeded"), f"{kind}: the agent goes on")
        (fs.path / "ballast").unlink()
        tap.eq([node.do(op, c, 60, **params)["state"] for op, c, params in tries], ["succeeded"] * len(tries),
               f"{kind}: with space again, all of them work")
        for c in (new, copy, cid):
            node.do("container.delete", c, force=True)
        node.do("image.remove", None, image="full/1")
        tap.eq((node.leaks(), os.listdir(fs.pool / "images"), node.sanitizer_words()), ([], [], []),
               f"{kind}: nothing is left")
        server.close()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    walk("ext4", 200) # without reflinks every tree takes its space
    tap.done()


main()
