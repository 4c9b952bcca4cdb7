# SPDX-License-Identifier: GPL-2.0-or-later
"""A tree of everything that is hard to copy, and a picture of a tree that leaves nothing out: by Python's own calls,
and by none of the product's."""
import hashlib
import os
import pathlib
import socket
import stat
import subprocess

LONG = "n" * 255
WEIRD = [
    b"new\nline", b"\xff\xfe not utf-8", b"tab\t", b" ", b"-rf", b"$(x)", "ü".encode(), "u\u0308".encode(), b"CASE",
    b"case",
    LONG.encode()
]


def build(root, deep_levels=60):
    """Fill the directory."""
    root = pathlib.Path(root)
    root.mkdir(exist_ok=True)
    (root / "plain").write_text("text")
    (root / "empty").write_bytes(b"")
    with open(root / "sparse", "wb") as f:
        f.truncate(64 * 1024 * 1024)
        f.seek(8 * 1024 * 1024)
        f.write(b"x" * 8192)
        f.seek(48 * 1024 * 1024 + 3)
        f.write(b"end")
    with open(root / "hole-only", "wb") as f:
        f.truncate(1 << 20)
    (root / "big").write_bytes(os.urandom(3 << 20))
    for a, b in (("plain", "hard1"), ("plain", "hard2"), ("big", "big-link")):
        os.link(root / a, root / b)
    (root / "sub").mkdir()
    os.link(root / "plain", root / "sub" / "hard3")
    os.mkfifo(root / "fifo", 0o620)
    os.link(root / "fifo", root / "fifo2")
    os.mknod(root / "chr", stat.S_IFCHR | 0o640, os.makedev(1, 3))
    os.mknod(root / "blk", stat.S_IFBLK | 0o600, os.makedev(7, 200))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(root / "socket"))
    for name, target in (("link", "plain"), ("dangling", "/no/such"), ("absolute", "/etc/passwd"),
                         ("up", "../../../.."), ("long-link", "x" * 1000)):
        os.symlink(target, root / name)
    (root / "weird").mkdir()
    for name in WEIRD:
        with open(os.fsencode(root / "weird") + b"/" + name, "wb") as f:
            f.write(name)
    (root / "modes").mkdir()
    for mode in (0o4755, 0o2755, 0o6711, 0o1777, 0o000, 0o444):
        (root / "modes" / oct(mode)).write_text("x")
        os.chmod(root / "modes" / oct(mode), mode)
    os.mkdir(root / "modes" / "sticky", 0o700)
    os.chmod(root / "modes" / "sticky", 0o3777)
    (root / "owned").mkdir()
    for n, (uid, gid) in enumerate(((1000, 1000), (65533, 3), (0, 65535), (12345, 0))):
        (root / "owned" / str(n)).write_text("x")
        os.chown(root / "owned" / str(n), uid, gid)
    os.chown(root / "owned", 33, 33)
    os.chown(root / "link", 77, 78, follow_symlinks=False)
    (root / "attrs").mkdir()
    for n in range(3):
        (root / "attrs" / f"f{n}").write_text("x")
    os.setxattr(root / "attrs" / "f0", "user.text", b"value\0with\xffbytes")
    os.setxattr(root / "attrs" / "f0", "user.empty", b"")
    os.setxattr(root / "attrs" / "f1", "user.large", b"v" * 2000)
    os.setxattr(root / "attrs", "user.dir", b"d")
    os.setxattr(root / "attrs" / "f1", "trusted.own", b"t")
    os.setxattr(root / "attrs" / "f1", "security.hoody", b"s")
    subprocess.run(["setfacl", "-m", "u:4711:rwx,g:4712:r-x,m::rwx", root / "attrs" / "f2"], check=True)
    subprocess.run(["setfacl", "-d", "-m", "u:4711:rwx,g:4712:r-x", root / "attrs"], check=True)
    (root / "capable").write_text("x")
    os.chmod(root / "capable", 0o755)
    subprocess.run(["setcap", "cap_net_raw,cap_sys_chroot=ep", root / "capable"], check=True)
    deep = root / "deep"
    deep.mkdir()
    fd = os.open(deep, os.O_RDONLY)
    for n in range(deep_levels): # 60: longer than any path can be
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=fd))
    os.close(fd)
    (root / "many").mkdir()
    for n in range(500):
        (root / "many" / str(n)).write_text(str(n))
    for n, name in enumerate(("plain", "sparse", "sub", "many", "fifo", "chr")):
        os.utime(root / name, ns=(1_000_000_000_123_456_789 + n, 1_600_000_000_987_654_321 + n))
    os.utime(root / "link", ns=(1, 1_234_567_890_000_000_001), follow_symlinks=False)
    os.utime(root / "empty", ns=(0, 0))


def _holes(fd, size):
    """Whether the file has any, to the granularity that all of our file systems share."""
    try:
        return size > 0 and os.lseek(fd, 0, os.SEEK_HOLE) < size
    except OSError:
        return False


def picture(root, ignore=()):
    """{path: all that can be said of it}; hard links by the first of their names."""
    found, links = {}, {}

    def one(dir_fd, name, path):
        st = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        full = os.fsencode(f"/proc/self/fd/{dir_fd}/") + name
        facts = [stat.S_IFMT(st.st_mode), stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid, st.st_mtime_ns, st.st_rdev]
        facts.append(
            sorted((k, os.getxattr(full, k, follow_symlinks=False)) for k in os.listxattr(full, follow_symlinks=False)))
        if not stat.S_ISDIR(st.st_mode):
            facts += [st.st_nlink, links.setdefault((st.st_dev, st.st_ino), path)]
        if stat.S_ISREG(st.st_mode):
            fd = os.open(name, os.O_RDONLY, dir_fd=dir_fd)
            digest = hashlib.sha256()
            while part := os.read(fd, 1 << 20):
                digest.update(part)
            facts += [st.st_size, digest.hexdigest(), _holes(fd, st.st_size)]
            os.close(fd)
        elif stat.S_ISLNK(st.st_mode):
            facts.append(os.readlink(name, dir_fd=dir_fd))
        found[path] = facts
        if stat.S_ISDIR(st.st_mode):
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=dir_fd)
            try:
                for child in sorted(os.listdir(f"/proc/self/fd/{fd}".encode())):
                    below = path + b"/" + child
                    if below.lstrip(b"./") not in ignore:
                        one(fd, child, below)
            finally:
                os.close(fd)

    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        one(top, b".", b".")
    finally:
        os.close(top)
    return found


def without_hostonly(found):
    """A picture without what an image loses: device nodes, and attributes that root of the host alone can set."""
    kept = {
        path: facts for path, facts in found.items()
        if not (stat.S_ISBLK(facts[0]) or (stat.S_ISCHR(facts[0]) and facts[5]))
    }
    for facts in kept.values():
        facts[6] = [(k, v) for k, v in facts[6]
                    if k.startswith(("user.", "system.posix_acl_")) or k == "security.capability"]
    return kept


def differences(a, b, limit=8):
    """What two pictures differ in, in words; empty: nothing."""
    words = [f"only in the first: {p!r}"
             for p in a.keys() - b.keys()] + [f"only in the second: {p!r}" for p in b.keys() - a.keys()]
    words += [f"{p!r}: {a[p]} / {b[p]}" for p in a.keys() & b.keys() if a[p] != b[p]]
    return words[:limit]
