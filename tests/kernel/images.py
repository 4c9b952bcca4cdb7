#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images: pulled over HTTP with breaks, unpacked from every form, faithful to the last attribute; and hostile ones,
each a clear error with nothing written outside and nothing left."""
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import loop
import tap
import tree
import webserver

DIRTYPE, SYMTYPE, LNKTYPE, CHRTYPE, BLKTYPE = "DIRTYPE", "SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE"
MANY = 5000 # Storage.ImageMaxFiles here


def tar(source, target, *more, acls="--acls"):
    """GNU tar knows everything that it must, and is not the code under test."""
    subprocess.run([
        "tar", "-C", source, "--xattrs", "--xattrs-include=*", acls, "--sparse", "--numeric-owner", "--format=posix",
        *more, "-cf", target, "."
    ], check=True, capture_output=True)


def make(path, entries, mode="w"):
    """A tarball of (name, kind or bytes, link) by hand, for what tar would refuse to write."""
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as t:
        for name, what, *more in entries:
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = 0o755, 1_700_000_000
            if isinstance(what, bytes):
                info.size = len(what)
                t.addfile(info, io.BytesIO(what))
                continue
            info.type = getattr(tarfile, what)
            if what in (SYMTYPE, LNKTYPE):
                info.linkname = more[0]
            elif what in (CHRTYPE, BLKTYPE):
                info.devmajor, info.devminor = more
            t.addfile(info)


ROOT = [("etc", DIRTYPE), ("etc/os-release", b"ID=test\n")]


class Images:
    def __init__(self, node, server, pool):
        self.node, self.server, self.pool = node, server, pool

    def pull(self, name, file=None, **more):
        file = file or name
        digest = hashlib.sha256((self.server.directory / file).read_bytes()).hexdigest()
        return self.node.do("image.pull", None, 120,
                            **{"image": name, "url": self.server.url(file), "sha256": digest, **more})

    def created(self, name):
        """A container of it, and its root."""
        cid = self.node.new_id()
        report = self.node.do("container.create", cid, image=name, start=False, name="x" * 5, hoody_kit=False)
        return cid, self.pool / "containers" / cid / "rootfs", report

    def litter(self):
        return sorted(p.name for p in (self.pool / "images").iterdir() if p.name.startswith("."))


def forms(images, work, kind):
    """Every form and every packing gives the same root."""
    source = work / "source"
    source.mkdir()
    tree.build(source / "srv", deep_levels=15) # libarchive ends where paths do (PATH_MAX), with an error
    (source / "srv" / "socket").unlink() # tar has none,
    (source / "srv" / "fifo2").unlink() # nor links to fifos
    for d in ("etc", "dev", "root"):
        (source / d).mkdir()
    (source / "etc" / "machine-id").write_text("0" * 32 + "\n")
    (source / "etc" / "os-release").write_text("ID=tree\n")
    os.chmod(source, 0o755)
    plain = work / "web" / "plain.tar"
    tar(source, plain)
    want = tree.without_hostonly(tree.picture(source / "srv"))
    tar(source, work / "web" / "no-acls.tar", acls="--no-acls") # they come as attributes, as mmdebstrap packs them
    packings = {"gzip": ["gzip", "-1"], "xz": ["xz", "-0"], "zstd": ["zstd", "-q", "-1"], "bzip2": ["bzip2", "-1"]}
    for name, command in packings.items():
        with open(work / "web" / name, "wb") as f:
            subprocess.run([*command, "-c", plain], stdout=f, check=True)
    unified = work / "unified"
    (unified / "templates").mkdir(parents=True)
    (unified / "metadata.yaml").write_text("architecture: x86_64\ncreation_date: 1\n")
    (unified / "templates" / "hostname.tpl").write_text("{{ container.name }}\n")
    source.rename(unified / "rootfs") # cp -a can't take paths that long
    tar(unified, work / "web" / "unified.tar", "-z")
    squashes(images, unified / "rootfs", work, kind)
    for n, name in enumerate(("plain.tar", "unified.tar", "no-acls.tar", *packings)):
        report = images.pull(f"tree:{n + 1}", name)
        tap.eq(report["state"], "succeeded", f"{kind}: {name} is pulled")
        cid, root, report = images.created(f"tree-{n + 1}")
        tap.eq(report["state"], "succeeded", f"{kind}: a container of it, by another spelling of its name")
        words = tree.differences(want, tree.picture(root / "srv"))
        tap.ok(not words, f"{kind}: {name} is what was packed, in every respect", *words)
        tap.eq(((root / "etc/hostname").read_text(), (root / "etc/machine-id").read_text(), sorted(os.listdir(root))),
               ("xxxxx\n", "", sorted(["srv", "etc", "dev", "root"])), f"{kind}: under a name of its own")
        images.node.do("container.delete", cid)
    return plain


def squashes(images, source, work, kind):
    """As faithful as squashfs is: whole seconds, no ACLs."""
    subprocess.run(["mksquashfs", source, work / "web" / "squash", "-quiet", "-no-progress", "-comp", "zstd"],
                   check=True, capture_output=True)
    tap.eq(images.pull("squash:1", "squash")["state"], "succeeded", f"{kind}: a squashfs is pulled")
    cid, root, _ = images.created("squash-1")
    pictures = [tree.picture(p, ignore=(b"attrs",)) for p in (source / "srv", root / "srv")]
    pictures[0] = tree.without_hostonly(pictures[0])
    for p in pictures:
        for facts in p.values():
            facts[4] //= 1_000_000_000
            if len(facts) == 12:
                facts[11] = None # it decides by itself what is a hole
    words = tree.differences(*pictures)
    tap.ok(not words, f"{kind}: the root is what it held", *words)
    loops = subprocess.run(["losetup", "-nO", "BACK-FILE"], capture_output=True, text=True, check=True).stdout
    tap.ok(f"{images.pool}/" not in loops, f"{kind}: no loop device stays", loops) # others are other tests'
    images.node.do("container.delete", cid)
    whole = (work / "web" / "squash").read_bytes()
    (work / "web" / "squash-cut").write_bytes(whole[: len(whole) // 3])
    tap.eq(images.pull("squash:2", "squash-cut")["error"]["code"], "IMAGE_INVALID", f"{kind}: half a squashfs is none")


def blob(layout, data):
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs" / "sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def layers(work):
    """Three layers: files, replacements through a link of a lower layer, whiteouts."""
    lists = ([("etc", DIRTYPE), ("etc/a", b"a1"), ("etc/b", b"b1"), ("usr", DIRTYPE), ("usr/lib", DIRTYPE),
              ("lib", SYMTYPE, "usr/lib"), ("usr/lib/x", b"x1"), ("var", DIRTYPE), ("var/old", DIRTYPE),
              ("var/old/deep", DIRTYPE), ("var/old/deep/f", b"1"), ("opt", DIRTYPE),
              ("opt/one", b"1"), ("opt/two", b"2")], [("etc/a", b"a2"), ("lib/y", b"y2"), ("etc/.wh.b", b""),
                                                      ("var/.wh.old", b"")], [("opt/.wh..wh..opq", b""),
                                                                              ("opt/three", b"3"), ("etc/b", DIRTYPE)])
    found = []
    for n, entries in enumerate(lists):
        path = work / f"layer{n}.tar"
        make(path, entries, "w:gz" if n else "w")
        found.append(path.read_bytes())
    return found


def oci(images, work, kind):
    layout = work / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    data = layers(work)
    config = blob(layout, b'{"architecture":"amd64","os":"linux"}')
    manifest = blob(
        layout,
        json.dumps({"schemaVersion": 2, "config": config, "layers": [blob(layout, d) for d in data]}).encode())
    other = {"digest": "sha256:" + "0" * 64, "size": 1, "platform": {"os": "plan9", "architecture": "amd64"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [other, manifest]}))
    tar(layout, work / "web" / "oci.tar")
    docker = work / "docker"
    docker.mkdir()
    for n, d in enumerate(data):
        (docker / f"l{n}").mkdir()
        (docker / f"l{n}" / "layer.tar").write_bytes(d)
    (docker / "manifest.json").write_text(
        json.dumps([{"Config": "c.json", "Layers": [f"l{n}/layer.tar" for n in range(3)]}]))
    tar(docker, work / "web" / "docker.tar")
    for name in ("oci.tar", "docker.tar"):
        tap.eq(images.pull(name)["state"], "succeeded", f"{kind}: {name} is pulled")
        cid, root, _ = images.created(name)
        found = {str(p.relative_to(root)): p.read_text() for p in root.rglob("*") if p.is_file() and not p.is_symlink()}
        for own in ("etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/environment"):
            found.pop(own)
        tap.eq((found, (root / "etc/b").is_dir(), os.readlink(root / "lib"), (root / "var/old").exists()),
               ({"etc/a": "a2", "usr/lib/x": "x1", "usr/lib/y": "y2", "opt/three": "3"}, True, "usr/lib", False),
               f"{kind}: {name}: layers lie over each other, whiteouts take away")
        images.node.do("container.delete", cid)
    bad = json.loads((layout / "index.json").read_text())
    target = layout / "blobs" / "sha256" / manifest["digest"][7:]
    target.write_bytes(target.read_bytes().replace(b'"schemaVersion": 2', b'"schemaVersion": 3'))
    tar(layout, work / "web" / "oci-bad.tar")
    tap.eq(
        images.pull("oci-bad.tar")["error"]["code"], "IMAGE_INVALID",
        f"{kind}: a blob that is not what its digest says")
    (layout / "index.json").write_text(json.dumps({**bad, "manifests": [other]}))
    tar(layout, work / "web" / "oci-none.tar")
    tap.eq(images.pull("oci-none.tar")["error"]["code"], "IMAGE_INVALID", f"{kind}: no manifest for this machine")


def network(images, work):
    """Breaks, refusals, checksums, sizes."""
    server, web = images.server, work / "web"
    make(web / "large.tar", ROOT + [("blob", random.Random(1).randbytes(6_000_000))])
    size = (web / "large.tar").stat().st_size
    server.break_after, server.requests = 1_000_000, []
    report = images.pull("large", "large.tar", size=size)
    ranges = [r for _, r in server.requests]
    tap.ok(report["state"] == "succeeded" and ranges[0] is None and len(ranges) > 4 and all(ranges[1:]),
           "a download that breaks off time and again is resumed", report, ranges)
    progress = [
        r["progress"] for r in images.node.reports(kind="order")
        if r.get("progress") and r["order_id"] == report["order_id"]
    ]
    tap.ok(all(p.get("stage", "").startswith("image-") for p in progress), "its progress is reported", progress)
    tap.eq(images.node.do("image.remove", None, image="large")["state"], "succeeded", "removed")
    server.ranges, server.requests, server.break_after = False, [], None
    server.failures = 2
    tap.eq(images.pull("large", "large.tar")["state"], "succeeded", "two refusals for now (503) are tried again")
    requests = len(server.requests)
    again = images.pull("large", "large.tar")
    tap.eq((again["result"]["cached"], len(server.requests)), (True, requests), "what is there is not fetched again")
    tap.eq((images.pull("other", "large.tar")["state"], len(server.requests)), ("succeeded", requests),
           "nor under another name")
    tap.eq((images.node.do("image.remove", None, image="other")["state"], len(
        images.litter()), any(images.pool.joinpath("images").iterdir())), ("succeeded", 0, True),
           "one name less, and the image stays")
    make(web / "fresh.tar", ROOT + [("fresh", b"new")])
    orders = [
        images.node.issue({
            "op": "image.pull", "params": {
                "image": f"fresh{n}", "url": server.url("fresh.tar"), "sha256": hashlib.sha256(
                    (web / "fresh.tar").read_bytes()).hexdigest()
            }
        }) for n in range(5)
    ]
    server.requests = []
    tap.eq(([images.node.wait(o)["state"] for o in orders], len(server.requests) <= 1), (["succeeded"] * 5, True),
           "five pulls of one image at once are one download")
    wrong = images.pull("wrong", "large.tar", sha256="0" * 64)
    tap.eq(wrong["error"]["code"], "IMAGE_CHECKSUM_MISMATCH", "another checksum than ordered")
    tap.eq(
        images.pull("big", "large.tar", size=1000, sha256="1" * 64)["error"]["code"], "IMAGE_INVALID",
        "more bytes than ordered")
    tap.eq(
        images.pull("gone", "large.tar", url=server.url("nothing"), sha256="2" * 64)["error"]["code"],
        "IMAGE_NOT_FOUND", "404")
    tap.eq(
        images.node.do("container.create", images.node.new_id(), image="nowhere/1")["error"]["code"], "IMAGE_NOT_FOUND",
        "a container of an image that is not here")
    tap.eq(images.litter(), [], "nothing half-made is left")


def replaced(images, work, kind):
    """A name comes to mean another archive: the old one goes, and when it can't, that is no failure of the new one."""
    web, node = work / "web", images.node
    files = [web / f"moving{n}.tar" for n in range(3)]
    for file in files:
        make(file, ROOT + [(file.name, os.urandom(100_000))])
    first, second, _ = (images.pool / "images" / hashlib.sha256(f.read_bytes()).hexdigest() for f in files)
    before = images.pull("moving", files[0].name)["result"]["size"]
    report = images.pull("moving", files[1].name)
    tap.eq((report["state"], report["result"]["size"] >= before > 0, first.exists(), second.exists()),
           ("succeeded", True, False, True),
           f"{kind}: a name that means another archive: the old one is gone, and the size is told")
    subprocess.run(["chattr", "+i", second], check=True)
    try:
        report = images.pull("moving", files[2].name)
        tap.eq((report["state"], second.exists(), "something could not be cleared away" in node.log_tail()),
               ("succeeded", True, True), f"{kind}: one that can't be removed is said, and stays")
    finally:
        subprocess.run(["chattr", "-i", second], check=True)
    tap.eq(images.created("moving")[2]["state"], "succeeded", f"{kind}: and the new one is in its place")
    images.pull("moving", files[1].name)
    tap.eq((node.do("image.remove", None, image="moving")["state"], second.exists(), images.litter()),
           ("succeeded", False, []), f"{kind}: what stayed is found again when it is pulled, and goes")
    node.do("container.delete", sorted(os.listdir(images.pool / "containers"))[0], force=True)


def in_turn(images, work, kind):
    """Orders of one answer: each container is made of what its image is by the orders before it."""
    web, node = work / "web", images.node
    files = [web / f"turn{n}.tar" for n in range(2)]
    for n, file in enumerate(files):
        make(file, ROOT + [("which", str(n).encode())] + [(f"f{m}", b"x" * 20_000) for m in range(500)])
    pulls = [{"op": "image.pull", "params": {
        "image": "turn", "url": images.server.url(f.name),
        "sha256": hashlib.sha256(f.read_bytes()).hexdigest()}} for f in files]
    made = [{"op": "container.create", "container_id": node.new_id(), "project_id": harness.PROJECT,
             "params": {"image": "turn", "start": False, "name": f"turn{n}", "hoody_kit": False}} for n in range(7)]
    ids = node.api.ask("orders", orders=[pulls[0], *made[:2], pulls[1], *made[2:6],
                                         {"op": "image.remove", "params": {"image": "turn"}}, made[6]])["ids"]
    ends = [node.wait(i, 120) for i in ids]
    tap.eq([(e.get("error") or {}).get("code") for e in ends], [None] * 9 + ["IMAGE_NOT_FOUND"],
           f"{kind}: those behind a pull wait for it, and a removal for those before it")
    which = [images.pool / "containers" / m["container_id"] / "rootfs/which" for m in made[:6]]
    tap.eq([w.read_text() if w.exists() else None for w in which], ["0"] * 2 + ["1"] * 4,
           f"{kind}: each is made of what the image was by its order")
    for m in made[:6]:
        node.do("container.delete", m["container_id"], force=True)
    tap.eq(images.litter(), [], f"{kind}: and nothing is left of it")


def struck(images, work, kind):
    """The worker is killed while it unpacks: nothing half-made is left, by the first pull or by a refresh."""
    node, name = images.node, "struck.tar"
    make(work / "web" / name, ROOT + [(f"f{n}", os.urandom(20_000)) for n in range(4000)])
    digest = hashlib.sha256((work / "web" / name).read_bytes()).hexdigest()
    staging, root = images.pool / "images" / f".new-{digest}", images.pool / "images" / digest / "rootfs"
    for what in ("a pull", "a refresh"):
        oid = node.order("image.pull", None, image="struck", url=images.server.url(name), sha256=digest,
                         refresh=what == "a refresh")
        begun = host.poll(staging.exists, 20, 0.002)
        node.kill9("worker")
        tap.eq((bool(begun), node.wait(oid, 60)["state"], images.litter()), (True, "failed", []),
               f"{kind}: {what} whose worker is killed")
        images.pull("struck", name)
        if kind == "btrfs":
            subprocess.run(["btrfs", "property", "set", "-f", root, "ro", "false"], check=True)
        (root / "f1").write_bytes(b"spoiled") # so that a refresh has work
    tap.eq((node.do("image.remove", None, image="struck")["state"], images.litter()), ("succeeded", []),
           f"{kind}: and it goes")


def verified(images, work, kind):
    """What a disk, or somebody, did to an image since it was unpacked is found when asked for, and mended."""
    web, server = work / "web", images.server
    make(web / "kept.tar", ROOT + [("usr", DIRTYPE), ("usr/file", b"x" * 100_000), ("usr/link", SYMTYPE, "file")])
    images.pull("kept", "kept.tar")
    root = images.pool / "images" / hashlib.sha256((web / "kept.tar").read_bytes()).hexdigest() / "rootfs"
    before = tree.picture(root / "usr")

    def spoil(what):
        if kind == "btrfs":
            subprocess.run(["btrfs", "property", "set", "-f", root, "ro", "false"], check=True)
        what()

    def flip():
        st = os.stat(root / "usr/file")
        with open(root / "usr/file", "r+b") as f:
            f.seek(50_000)
            f.write(b"y")
        os.utime(root / "usr/file", ns=(st.st_atime_ns, st.st_mtime_ns))

    server.requests = []
    report = images.pull("kept", "kept.tar", refresh=True)
    tap.eq((report["state"], report["result"]["cached"], report["result"]["verified"], server.requests),
           ("succeeded", True, True, []), f"{kind}: an image that is whole is looked through, and not fetched")
    for what, how in (
        ("one byte, with the old times",
         flip), ("a mode", lambda: os.chmod(root / "usr/file", 0o4755)), ("a name more", lambda:
                                                                          (root / "usr/more").touch()),
        ("an attribute", lambda: os.setxattr(root / "usr/file", "user.a", b"1")), ("a link elsewhere", lambda: (
            (root / "usr/link").unlink(), (root / "usr/link").symlink_to("elif"))),
        ("all of it gone",
         lambda: subprocess.run(["btrfs", "subvolume", "delete", root]
                                if kind == "btrfs" else ["rm", "-rf", root], check=True, capture_output=True))):
        spoil(how)
        server.requests = []
        # no URL: the one that it came from
        answer = local.Local(images.node).do("POST", "/images/import/kept", {"refresh": True})
        tap.eq((answer["cached"], len(server.requests), tree.picture(root / "usr") == before), (False, 1, True),
               f"{kind}: {what}: seen, fetched and mended")
    tap.eq((images.litter(), images.created("kept")[2]["state"]), ([], "succeeded"),
           f"{kind}: nothing is left, and a container can be made of it")
    images.node.do("container.delete", sorted(os.listdir(images.pool / "containers"))[0], force=True)


def streams(images, work):
    """A name that an image server knows, by the local API."""
    web, api = work / "web", local.Local(images.node)
    make(web / "root.tar.xz", ROOT + [("streamed", b"yes")], "w:xz")
    sha256 = webserver.streams(web, "debian:trixie", "debian/13,debian/trixie")
    got = api.do("POST", "/images/import/debian-13", {"url": images.server.url("").rstrip("/")})
    tap.eq((got["image"], got["sha256"]), ("debian/13", sha256), "debian-13 resolves on an image server")
    tap.eq([i["image_name"] for i in api.do("GET", "/images/public")["images"] if i["os"] == "debian"], ["debian/13"],
           "and is listed")
    for body, status, code in (({"url": images.server.url("").rstrip("/")}, 404, "IMAGE_NOT_FOUND"),
                               ({}, 404, "IMAGE_NOT_FOUND"), ({"url": images.server.url("nothing")}, 404,
                                                              "IMAGE_NOT_FOUND"),
                               ({"url": "http://192.0.2.1"}, 400, "VALIDATION_ERROR"), ({"url": "ftp://127.0.0.1"}, 400,
                                                                                        "VALIDATION_ERROR")):
        answer = api.ask("POST", "/images/import/plan9-4", body)
        tap.eq((answer[0], answer[2]["error"]), (status, code),
               f"what is not there, or not to be asked: {status}, {answer[2]['message']}")
    images.node.do("image.remove", None, image="debian:13")


def hostile(images, work):
    web, outside = work / "web", work / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    out = str(outside)
    cases = {
        "dotdot": ROOT + [("../" * 12 + out.lstrip("/") + "/file", b"bad")],
        "inner-dotdot": ROOT + [("etc/../../x", b"bad")],
        "absolute": ROOT + [(f"{out}/file", b"bad")],
        "link-then-through": ROOT + [("way", SYMTYPE, out), ("way/file", b"bad")],
        "relative-link-then-through": ROOT + [("way", SYMTYPE, "../" * 12 + out.lstrip("/")), ("way/file", b"bad")],
        "hard-link-out": ROOT + [("hard", LNKTYPE, f"{out}/file")],
        "hard-link-dotdot": ROOT + [("hard", LNKTYPE, "../" * 12 + out.lstrip("/") + "/file"), ("hard", b"bad")],
        "not-a-root": [("readme", b"x")],
        "metadata-without-root": [("metadata.yaml", b"x: y")] + ROOT,
        "root-is-a-link": [("metadata.yaml", b"x: y"), ("rootfs", SYMTYPE, "/"), ("rootfs/etc/passwd", b"bad")],
        "root-is-a-link-alone": [("metadata.yaml", b"x: y"), ("rootfs", SYMTYPE, out)],
        "many-files": ROOT + [(f"f{n}", b"") for n in range(MANY)],
        "empty": [],
    }
    for name, entries in cases.items():
        make(web / name, entries)
    make(web / "whole.tar", ROOT + [("data", os.urandom(300_000))])
    whole = (web / "whole.tar").read_bytes()
    (web / "truncated").write_bytes(whole[:150_000])
    # 3 GB of zeros in a hundred kilobytes.
    info = tarfile.TarInfo("zeros")
    info.size = 3 << 30
    header = tarfile.TarInfo("etc")
    header.type = tarfile.DIRTYPE
    raw = header.tobuf() + info.tobuf()
    with open(web / "bomb", "wb") as f:
        p = subprocess.Popen(["zstd", "-q", "-3", "-c"], stdin=subprocess.PIPE, stdout=f)
        p.stdin.write(raw)
        for _ in range(3 << 6):
            p.stdin.write(bytes(16 << 20))
        p.stdin.write(bytes(1024))
        p.stdin.close()
        p.wait()
    (web / "noise").write_bytes(os.urandom(200_000))
    (web / "gzip-of-noise").write_bytes(
        subprocess.run(["gzip", "-c"], input=os.urandom(100_000), capture_output=True).stdout)
    flipped = random.Random(7)
    for n in range(12):
        data = bytearray(subprocess.run(["xz", "-0", "-c"], input=whole, capture_output=True).stdout)
        for _ in range(3):
            data[flipped.randrange(len(data))] ^= 1 << flipped.randrange(8)
        (web / f"flipped{n}").write_bytes(data)
    for name in [*cases, "truncated", "bomb", "noise", "gzip-of-noise", *(f"flipped{n}" for n in range(12))]:
        report = images.pull("bad", name)
        code = (report.get("error") or {}).get("code")
        tap.ok(
            report["state"] == "failed" and code == "IMAGE_INVALID" and report["error"]["message"]
            and not images.litter(), f"{name}: a clear error, and nothing is left", report, images.litter())
    tap.eq(((outside / "file").read_text(), sorted(os.listdir(outside)), os.stat(outside / "file").st_nlink),
           ("untouched", ["file"], 1), "nothing was written outside")
    make(web / "devices", ROOT + [("disk", BLKTYPE, 8, 0), ("mem", CHRTYPE, 1, 1), ("whiteout", CHRTYPE, 0, 0),
                                  ("bin", DIRTYPE)])
    tap.eq(images.pull("devices")["state"], "succeeded", "an image with device nodes is taken")
    cid, root, _ = images.created("devices")
    tap.eq(sorted(p.name for p in root.iterdir() if p.name in ("disk", "mem", "whiteout")), ["whiteout"],
           "without them, but for a whiteout")
    images.node.do("container.delete", cid)


def attributes(images, work, fs):
    """Hundreds of megabytes of them in a few hundred kilobytes, and no data. Other file systems don't hold so many of
    one file."""
    with tarfile.open(work / "attributes.tar", "w", format=tarfile.PAX_FORMAT) as t:
        for n in range(450):
            info = tarfile.TarInfo(f"f{n}")
            info.pax_headers = {f"SCHILY.xattr.user.a{m}": "x" * 15000 for m in range(60)}
            t.addfile(info)
    subprocess.run(["zstd", "-q", "--rm", work / "attributes.tar", "-o", work / "web/attributes"], check=True)
    for directory in ("etc", "many"):
        (fs.path / "source" / directory).mkdir(parents=True)
    for n in range(350):
        (fs.path / f"source/many/{n}").touch()
        for m in range(60):
            os.setxattr(fs.path / f"source/many/{n}", f"user.a{m}", b"x" * 15000)
    subprocess.run(["mksquashfs", fs.path / "source", work / "web/attributes-squash", "-quiet", "-no-progress"],
                   check=True, capture_output=True)
    shutil.rmtree(fs.path / "source")
    for name in ("attributes", "attributes-squash"):
        report = images.pull("bad", name)
        error = report.get("error") or {}
        tap.ok(error.get("code") == "IMAGE_INVALID" and "ImageMaxBytes" in error["message"] and not images.litter(),
               f"{name} count to an image's bytes", report, images.litter())


def devices(images):
    """A container can make no use of nodes that got into its root in whatever way."""
    cid = images.node.new_id()
    images.node.do("container.create", cid, image=harness.IMAGE, name="dev")
    root = images.pool / "containers" / cid / "rootfs"
    st = next(os.stat(p) for p in pathlib.Path("/dev").iterdir() if p.is_block_device() and not p.is_symlink())
    os.mknod(root / "disk", 0o60666, st.st_rdev)
    os.mknod(root / "mem", 0o20666, os.makedev(1, 1))
    os.chmod(root / "disk", 0o666)
    os.chmod(root / "mem", 0o666)
    code, out, err = images.node.ctl("exec", "dev", "sh", "-c",
                                     "head -c 1 /disk >/dev/null; echo $?; head -c 1 /mem >/dev/null; echo $?")
    tap.ok(out.split() == ["1", "1"] and "not permitted" in err,
           "the host's disk and memory can't be opened by nodes in its root", code, out, err)
    images.node.do("container.delete", cid, force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-images-") as directory:
        for kind in ("btrfs", "ext4"):
            work = pathlib.Path(directory) / kind
            (work / "web").mkdir(parents=True)
            server = webserver.Server(work / "web")
            with loop.FileSystem(kind, 2048) as fs, harness.Node(conf={
                    "Storage": {"Pool": fs.pool, "Driver": "auto", "ImageMaxFiles": MANY, "ImageMaxBytes": "256M"}
            }) as node:
                images = Images(node, server, fs.pool)
                forms(images, work, kind)
                oci(images, work, kind)
                replaced(images, work, kind)
                in_turn(images, work, kind)
                struck(images, work, kind)
                verified(images, work, kind)
                if kind == "btrfs":
                    attributes(images, work, fs)
                if kind == "ext4":
                    network(images, work)
                    streams(images, work)
                    hostile(images, work)
                    devices(images)
                names = ["squash/1"] + [f"tree/{n + 1}"
                                        for n in range(7)] + ["oci.tar", "docker.tar", "kept", "large", "devices"
                                                              ] + [f"fresh{n}" for n in range(5)]
                tap.eq([node.do("image.remove", None, image=n)["state"] for n in names], ["succeeded"] * len(names),
                       f"{kind}: images are removed")
                tap.eq((node.leaks(), os.listdir(fs.pool / "images"), os.listdir(
                    fs.pool / "containers"), node.sanitizer_words()), ([], [], [], []), f"{kind}: nothing is left")
            server.close()
    tap.done()


main()
