#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""OCI layouts as the world makes them, each held against what `umoci unpack` makes of it; and who owns what in an
image: ACLs by name, ids that no container has."""
import base64
import hashlib
import os
import pathlib
import stat
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap
import webserver
from ocilayout import layer, layout

SYM, HARD, FIFO = "SYMTYPE", "LNKTYPE", "FIFOTYPE"
BASE = [("etc/",), ("etc/os-release", b"ID=test\n")]


# name: layers above BASE
CASES = {
    "whiteout-of-lower": ([("a/", ), ("a/f", b"1"), ("a/g", b"1")], [("a/", ), ("a/.wh.f", b"")]),
    "whiteout-after-its-own": ([("a/", ), ("a/f", b"1")], [("a/", ), ("a/f", b"2"), ("a/.wh.f", b"")]),
    "whiteout-before-its-own": ([("a/", ), ("a/f", b"1")], [("a/", ), ("a/.wh.f", b""), ("a/f", b"2")]),
    "whiteout-of-a-tree-made-anew": ([("a/", ), ("a/b/", ), ("a/b/old", b"1")], [("a/", ), ("a/.wh.b", b""), ("a/b/", ),
                                                                                 ("a/b/new", b"2")]),
    "opaque-first": ([("a/", ), ("a/old", b"1"), ("a/d/", ), ("a/d/old", b"1")], [("a/", ), ("a/.wh..wh..opq", b""),
                                                                                  ("a/new", b"2")]),
    "opaque-last": ([("a/", ), ("a/old", b"1"), ("a/d/", ), ("a/d/old", b"1")], [("a/", ), ("a/new", b"2"), ("a/d/", ),
                                                                                 ("a/d/new", b"2"),
                                                                                 ("a/.wh..wh..opq", b"")]),
    "opaque-of-nothing": ([("a/", )], [("b/", ), ("b/new", b"2"), ("b/.wh..wh..opq", b"")]),
    "whiteout-in-the-first-layer": ([("a/", ), ("a/f", b"1"), ("a/.wh.f", b""), ("a/.wh.none", b"")], ),
    "whiteout-of-nothing-there": ([("a/", )], [("a/.wh.none", b""), ("none/.wh.none", b"")]),
    "whiteout-of-a-link": ([("usr/", ), ("usr/f", b"1"), ("l", SYM, "usr")], [(".wh.l", b"")]),
    "directory-becomes-link": ([("usr/", ), ("usr/lib/", ), ("lib/", ), ("lib/x", b"1")], [("lib", SYM, "usr/lib"),
                                                                                           ("usr/lib/x", b"2")]),
    "directory-becomes-file": ([("d/", ), ("d/x", b"1")], [("d", b"file")]),
    "file-becomes-directory": ([("f", b"1")], [("f/", ), ("f/x", b"2")]),
    "link-becomes-directory": ([("usr/", ), ("usr/x", b"1"), ("l", SYM, "usr")], [("l/", ), ("l/y", b"2")]),
    "link-becomes-directory-with-whiteout": ([("usr/", ), ("usr/x", b"1"), ("l", SYM, "usr")], [("l/", ),
                                                                                                ("l/.wh.x", b""),
                                                                                                ("l/y", b"2")]),
    "link-becomes-opaque-directory": ([("usr/", ), ("usr/x", b"1"), ("l", SYM, "usr")], [("l/", ),
                                                                                         ("l/.wh..wh..opq", b""),
                                                                                         ("l/y", b"2")]),
    "link-becomes-file": ([("usr/", ), ("usr/x", b"1"), ("l", SYM, "usr/x")], [("l", b"2")]),
    "dangling-link-becomes-directory": ([("l", SYM, "/none")], [("l/", ), ("l/y", b"2")]),
    "through-a-lower-link": ([("usr/", ), ("usr/lib/", ), ("lib", SYM, "usr/lib")], [("lib/y", b"2")]),
    "through-an-absolute-link": ([("usr/", ), ("usr/lib/", ), ("lib", SYM, "/usr/lib")], [("lib/y", b"2")]),
    "whiteout-through-a-lower-link": ([("usr/", ), ("usr/lib/", ), ("usr/lib/x", b"1"),
                                       ("lib", SYM, "usr/lib")], [("lib/.wh.x", b"")]),
    "hard-link-to-lower": ([("a", b"1")], [("b", HARD, "a")]),
    "hard-link-over-directory": ([("a", b"1"), ("b/", ), ("b/x", b"1")], [("b", HARD, "a")]),
    "file-replaces-one-of-two-hard-links": ([("a", b"1"), ("b", HARD, "a")], [("b", b"2")]),
    "directory-changes-mode": ([("a/", ), ("a/x", b"1")], [("a/", {"mode": 0o1777})]),
    "twice-in-one-layer": ([("a", b"1"), ("a/", ), ("a/x", b"2"), ("b/", ), ("b/x", b"1"), ("b", SYM, "a")], ),
    "fifo-becomes-directory": ([("p", FIFO)], [("p/", ), ("p/x", b"1")]),
    "no-entries-for-directories": ([("x/y/z", b"1")], [("x/y/.wh.z", b""), ("q/r/s", b"2")]),
}


def picture(root):
    found = {}
    for path in sorted(root.rglob("*")):
        st = os.lstat(path)
        kind = stat.S_IFMT(st.st_mode)
        what = os.readlink(path) if kind == stat.S_IFLNK else path.read_bytes() if kind == stat.S_IFREG else None
        mode = None if kind == stat.S_IFLNK else stat.S_IMODE(st.st_mode)
        found[str(path.relative_to(root))] = (kind, mode, st.st_uid, st.st_gid, what,
                                              st.st_nlink if kind == stat.S_IFREG else None)
    return found


class Images:
    def __init__(self, node, server, work):
        self.node, self.server, self.work, self.n = node, server, work, 0

    def pull(self, file):
        """The report, and where the root is."""
        self.n += 1
        digest = hashlib.sha256((self.server.directory / file).read_bytes()).hexdigest()
        report = self.node.do("image.pull", None, 60, image=f"i{self.n}", url=self.server.url(file), sha256=digest)
        return report, self.node.directory / "pool" / "images" / digest / "rootfs"

    def pull_tar(self, name, source, *options):
        subprocess.run(["tar", "-C", source, "--format=posix", *options, "-cf", self.server.directory / name, "."],
                       check=True)
        return self.pull(name)


def said(report):
    return report["state"], (report.get("error") or {}).get("code"), (report.get("error") or {}).get("message")


def against_umoci(images):
    for name, above in CASES.items():
        directory = images.work / name
        layout(directory, [layer(BASE), *map(layer, above)])
        done = subprocess.run(["umoci", "unpack", "--image", f"{directory}:t", f"{directory}-bundle"],
                              capture_output=True, text=True)
        if not tap.ok(done.returncode == 0, f"{name}: umoci unpacks it", done.stderr):
            continue
        report, root = images.pull_tar(f"{name}.tar", directory)
        want = picture(pathlib.Path(f"{directory}-bundle") / "rootfs")
        if tap.eq(report["state"], "succeeded", f"{name}: pulled"):
            got = picture(root)
            tap.ok(
                got == want, f"{name}: as umoci unpacks it",
                *(f"{p}: got {got.get(p)} want {want.get(p)}" for p in sorted({*got, *want})
                  if got.get(p) != want.get(p)))
        else:
            tap.note(said(report))


def acls(path, user, group):
    subprocess.run(["setfacl", "-m", f"u:{user}:rwx,g:{group}:r-x", path], check=True)
    if path.is_dir():
        subprocess.run(["setfacl", "-d", "-m", f"u:{user}:rwx,g:{group}:r-x", path], check=True)


def acls_of(path):
    return {name: os.getxattr(path, name) for name in sorted(os.listxattr(path)) if "posix_acl" in name}


def root_with_acls(directory, passwd="games:x:4242:4343::/:/bin/sh\n", group="games:x:4343:\n"):
    """Its ACLs are for games, who has another number on this host than in the image."""
    for folder in ("etc", "srv", "srv/d"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    (directory / "srv/f").write_text("x")
    for name, text in (("passwd", passwd), ("group", group)):
        (directory / "etc" / name).write_text("root:x:0:0::/root:/bin/sh\n" + text)
    for path in (directory / "srv/f", directory / "srv/d"):
        acls(path, "games", "games")
    return directory


def acls_by_name(images):
    work = images.work
    expected = work / "expected"
    root_with_acls(expected)
    for name in ("srv/f", "srv/d"):
        acls(expected / name, 4242, 4343)
        subprocess.run(["setfacl", "-x", "u:games,g:games", expected / name], check=True)
    subprocess.run(["setfacl", "-d", "-x", "u:games,g:games", expected / "srv/d"], check=True)
    want = [acls_of(expected / name) for name in ("srv/f", "srv/d")]
    source = root_with_acls(work / "named")
    unified = work / "unified"
    root_with_acls(unified / "rootfs")
    (unified / "metadata.yaml").write_text("architecture: x86_64\n")
    for what, directory, parts in (("passwd first", source, ["./etc",
                                                             "./srv"]), ("passwd last", source, ["./srv", "./etc"]),
                                   ("rootfs/etc/passwd last", unified, ["metadata.yaml", "rootfs/srv", "rootfs/etc"])):
        file = what.replace(" ", "-").replace("/", "-") + ".tar.gz"
        subprocess.run(
            ["tar", "-C", directory, "--acls", "--format=posix", "-czf", images.server.directory / file, *parts],
            check=True)
        report, root = images.pull(file)
        tap.ok(report["state"] == "succeeded" and [acls_of(root / n) for n in ("srv/f", "srv/d")] == want,
               f"ACLs by name, {what}: the image's own numbers", said(report))
    for what, more in (("user", {"passwd": ""}), ("group", {"group": "games:x:banana:\n"})):
        unknown = root_with_acls(work / f"unknown-{what}", **more)
        report, _ = images.pull_tar(f"unknown-{what}.tar", unknown, "--acls")
        tap.ok(
            said(report)[:2] == ("failed", "IMAGE_INVALID") and f'{what} "games"' in said(report)[2],
            f"an ACL for a {what} that the image doesn't know is an error that says so", said(report))
    layers = []
    for part in ("etc", "srv"):
        layers.append(
            subprocess.run(["tar", "-C", source, "--acls", "--format=posix", "-cf", "-", part], check=True,
                           capture_output=True).stdout)
    layout(work / "acl-layers", layers)
    report, root = images.pull_tar("acl-layers.tar", work / "acl-layers")
    tap.ok(report["state"] == "succeeded" and [acls_of(root / n) for n in ("srv/f", "srv/d")] == want,
           "ACLs by name of a layer: by the passwd of a lower one", said(report))


def binary(*rows, version=2):
    """An ACL as the kernel has it."""
    return struct.pack("<I", version) + b"".join(struct.pack("<HHI", *row) for row in rows)


NOBODY, USER, GROUP = 0xFFFFFFFF, 4242, 4343
KERNELS = binary((1, 7, NOBODY), (2, 5, USER), (4, 5, NOBODY), (8, 6, GROUP), (16, 7, NOBODY), (32, 0, NOBODY))


def header(*more, name="SCHILY.xattr.system.posix_acl_"):
    """Of an entry that has these attributes and no text."""
    return {
        "pax_headers": {
            name + kind: value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")
            for kind, value in more
        }
    }


def acls_as_attributes(images):
    """As mmdebstrap packs a Debian's /var/log/journal: restored, to the bit, or refused with a word."""
    web, both = images.server.directory, (("access", KERNELS), ("default", KERNELS))
    coded = [(kind, base64.b64encode(value).decode()) for kind, value in both]
    entries = [
        *BASE, ("d/", "DIRTYPE", None, header(*both)), ("f", b"1", None, header(both[0])),
        ("l/", "DIRTYPE", None, header(*coded, name="LIBARCHIVE.xattr.system.posix_acl_")),
        ("o/", "DIRTYPE", None, header(both[1]))
    ]
    want = {"d": dict(both), "f": dict(both[:1]), "l": dict(both), "o": dict(both[1:])}
    (web / "root").write_bytes(layer(entries))
    layout(images.work / "layers", [layer(BASE), layer(entries[2:])])
    for what, (report, root) in (("a root", images.pull("root")), ("a layer",
                                                                   images.pull_tar("layers.tar",
                                                                                   images.work / "layers"))):
        got = {name: {k.rpartition("_")[2]: v for k, v in acls_of(root / name).items()}
               for name in want} if report["state"] == "succeeded" else said(report)
        tap.eq(got, want, f"ACLs as attributes of {what}, as they were")
    long = binary((1, 7, NOBODY), *((2, 4, 1000 + n) for n in range(300)), (4, 4, NOBODY), (16, 7, NOBODY),
                  (32, 4, NOBODY))
    for what, value, word in (("300 of them", long, None), ("uid",
                                                            binary((1, 7, NOBODY), (2, 5, 70000), (4, 5, NOBODY),
                                                                   (16, 7, NOBODY), (32, 5, NOBODY)), "70000"),
                              ("gid",
                               binary((1, 7, NOBODY), (4, 5, NOBODY), (8, 5, 65536), (16, 7, NOBODY),
                                      (32, 5, NOBODY)), "65536"), ("nobody's uid", binary(
                                          (1, 7, NOBODY),
                                          (2, 5, NOBODY)), "0 to 65535"), ("nothing", binary()[:0], "no ACL"),
                              ("half", KERNELS[:-1], "no ACL"), ("no header", KERNELS[4:], "no ACL"),
                              ("version", binary(version=3), "no ACL"), ("tag", binary(
                                  (64, 7, NOBODY)), "no ACL"), ("permission", binary(
                                      (1, 8, NOBODY)), "no ACL"), ("no mask",
                                                                   binary((1, 7, NOBODY), (2, 5, USER), (4, 5, NOBODY),
                                                                          (32, 5, NOBODY)), "")):
        file = what.replace(" ", "-")
        (web / file).write_bytes(layer([*BASE, ("f", b"1", None, header(("access", value)))]))
        report, root = images.pull(file)
        ok = report["state"] == "succeeded" and acls_of(root / "f") == {
            "system.posix_acl_access": value
        } if word is None else said(report)[:2] == ("failed", "IMAGE_INVALID") and word in said(report)[2]
        tap.ok(ok, f"an ACL as an attribute, {what}: {'as it was' if word is None else 'refused with a word'}",
               said(report))
    others = {
        "system.nfs4_acl": "x", "system.richacl": "x", "com.apple.quarantine": "x", "trusted.overlay.opaque": "y",
        "user.kept": "z", "security.selinux": "x"
    }
    (web / "others").write_bytes(
        layer([
            *BASE,
            ("f", b"1", None,
             {"pax_headers": {**{f"SCHILY.xattr.{k}": v for k, v in others.items()}, "RHT.security.selinux": "x"}})
        ]))
    report, root = images.pull("others")
    tap.ok(report["state"] == "succeeded" and os.listxattr(root / "f") == ["user.kept"],
           "attributes that no container could set are left out", said(report))


def with_owners(images):
    """A container has the ids 0 to 65535."""
    work, web = images.work, images.server.directory
    for name, more, want in (("last-id", {"uid": 65535, "gid": 65535}, None), ("uid", {
            "uid": 65536
    }, "65536"), ("gid", {"gid": 70000}, "70000"), ("acl", {
            "pax_headers": {"SCHILY.acl.access": "user::rw-,user:x:rw-:70000,group::r--,mask::rw-,other::r--"}
    }, "70000"), ("nobody",
                  {"pax_headers": {"SCHILY.acl.access": "user::rw-,user:x:rw-:65534,group::r--,mask::rw-,other::r--"}
                   }, None)):
        (web / name).write_bytes(layer([*BASE, ("f", b"1", None, more)]))
        report, root = images.pull(name)
        tap.ok(
            said(report)[0] == "succeeded" if want is None else said(report)[:2] == ("failed", "IMAGE_INVALID")
            and want in said(report)[2], f"{name}: {'taken' if want is None else 'refused with a word'}", said(report))
        if name == "nobody" and want is None:
            tap.ok("system.posix_acl_access" in os.listxattr(root / "f"), "with its ACL")
    layout(work / "far", [layer(BASE), layer([("f", b"1", None, {"uid": 1_000_000})])])
    tap.ok("1000000" in str(said(images.pull_tar("far.tar", work / "far")[0])[2]), "in a layer likewise")
    source = work / "squash"
    (source / "etc").mkdir(parents=True)
    (source / "etc/f").write_text("x")
    os.chown(source / "etc/f", 70000, 0)
    subprocess.run(["mksquashfs", source, web / "far.squashfs", "-quiet", "-no-progress"], check=True,
                   capture_output=True)
    report, _ = images.pull("far.squashfs")
    tap.ok(
        said(report)[:2] == ("failed", "IMAGE_INVALID") and "70000" in said(report)[2], "in a squashfs likewise",
        said(report))


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-oci-") as directory:
        work = pathlib.Path(directory)
        (work / "web").mkdir()
        server = webserver.Server(work / "web")
        with harness.Node() as node:
            images = Images(node, server, work)
            against_umoci(images)
            acls_by_name(images)
            acls_as_attributes(images)
            with_owners(images)
            left = [p.name for p in (node.directory / "pool" / "images").iterdir() if p.name.startswith(".")]
            tap.eq((left, node.sanitizer_words()), ([], []), "nothing half-made is left")
        server.close()
    tap.done()


main()
