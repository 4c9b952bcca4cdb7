#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hoody-unpack, taken over in the middle of an image: what it is at that moment, seen in /proc, and what it can bring
about, by system calls that are made in its name (ptrace(2)). Then an image that brings along what the host's root alone
could make: taken without it, and stored with the ids that it names."""
import ctypes
import functools
import hashlib
import io
import os
import pathlib
import re
import stat
import struct
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap
import webserver

FILES = 20_000 # it takes long enough to be met
FDS_MAX = 48   # that are climbed by
UP = "../" * 12
CONT, GETREGS, SETREGS, DETACH, SYSCALL, SEIZE, INTERRUPT = 7, 12, 13, 17, 24, 0x4206, 0x4207 # ptrace(2)
WALL = 0x40000000
FIELDS = ("r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
          "fs_base gs_base ds es fs gs").split()
NR = {
    "write": 1, "open": 2, "socket": 41, "kill": 62, "fchdir": 81, "fchmod": 91, "ptrace": 101, "setresuid": 117,
    "mknod": 133, "pivot_root": 155, "chroot": 161, "mount": 165, "setxattr": 188, "keyctl": 250, "openat": 257,
    "unshare": 272, "prlimit64": 302, "setns": 308, "process_vm_readv": 310, "bpf": 321
}
S_IFBLK, S_IFCHR = 0o60600, 0o20600
KILLED = "killed"
CAPABILITIES = sum(1 << c for c in (0, 1, 3, 4, 31)) # CHOWN DAC_OVERRIDE FOWNER FSETID SETFCAP
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def ptrace(request, pid, address=None, data=None):
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


class Taken:
    """A process that does what we say; x86-64."""

    def __init__(self, pid):
        self.pid, self.is_there = pid, True
        ptrace(SEIZE, pid)
        ptrace(INTERRUPT, pid)
        os.waitpid(pid, WALL)
        self.regs = self.get()
        self.instruction = self.find()

    def get(self):
        buffer = ctypes.create_string_buffer(8 * len(FIELDS))
        ptrace(GETREGS, self.pid, None, ctypes.cast(buffer, ctypes.c_void_p))
        return dict(zip(FIELDS, struct.unpack(f"{len(FIELDS)}Q", buffer.raw)))

    def set(self, regs):
        ptrace(
            SETREGS, self.pid, None,
            ctypes.cast(ctypes.create_string_buffer(struct.pack(f"{len(FIELDS)}Q", *(regs[f] for f in FIELDS))),
                        ctypes.c_void_p))

    def find(self):
        """A system call instruction in its C library."""
        with open(f"/proc/{self.pid}/mem", "rb") as memory:
            for line in pathlib.Path(f"/proc/{self.pid}/maps").read_text().splitlines():
                if "r-xp" in line and "libc" in line:
                    begin, end = (int(x, 16) for x in line.split()[0].split("-"))
                    memory.seek(begin)
                    if (at := memory.read(end - begin).find(b"\x0f\x05")) >= 0:
                        return begin + at
        raise harness.Failure("no system call instruction")

    def text(self, *texts):
        """Texts on its stack, below what it uses: their addresses."""
        at, found = self.regs["rsp"] - 16384, []
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            for t in texts:
                memory.seek(at)
                memory.write(t.encode() + b"\0")
                found.append(at)
                at += len(t) + 1
        return found

    def call(self, name, *args):
        """What it returned; KILLED."""
        words = self.text(*(a for a in args if isinstance(a, str)))
        values = [words.pop(0) if isinstance(a, str) else a & (1 << 64) - 1 for a in args] + [0] * 6
        self.set({
            **self.regs, "rip": self.instruction, "rax": NR[name], "orig_rax": (1 << 64) - 1,
            **dict(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), values))
        })
        for _ in range(2): # into it, and out of it
            self.go(SYSCALL)
        got = self.get()["rax"] if self.is_there else 0
        if got == NR[name]: # not done: the filter's end comes when it goes on (seccomp(2))
            self.go(CONT)
        return ctypes.c_long(got).value if self.is_there else KILLED

    def go(self, how):
        if self.is_there:
            ptrace(how, self.pid)
            self.is_there = os.WIFSTOPPED(os.waitpid(self.pid, WALL)[1])

    def let_go(self):
        if self.is_there:
            self.set(self.regs)
            ptrace(DETACH, self.pid)


class Images:
    def __init__(self, node, work):
        self.node, self.work, self.n = node, work, 0
        self.server = webserver.Server(work)

    def order(self, data):
        self.n += 1
        name, digest = f"i{self.n}", hashlib.sha256(data).hexdigest()
        (self.work / name).write_bytes(data)
        return self.node.order("image.pull", None, image=name, url=self.server.url(name),
                               sha256=digest), self.node.directory / "pool/images" / digest / "rootfs"


def entry(archive, name, kind=tarfile.DIRTYPE, data=b"", **more):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, 0o755, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def image(fill):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry(archive, "etc")
        fill(archive)
    return out.getvalue()


@functools.cache
def files():
    return image(lambda archive: [entry(archive, f"f{n}", tarfile.REGTYPE, b"x") for n in range(FILES)])


def many(seed):
    """No two are the same image: what comes after an archive's end is nobody's."""
    return files() + b"%d" % seed


def unpacker(node):
    """One that has begun to make files."""
    trees = list((node.directory / "pool/images").glob(".new-*/content/f10"))
    return next(
        (p for p in below(node.agent.pid) if host.status(p).get("Name") == "hoody-unpack"), None) if trees else None


def below(pid):
    return [p for c in host.children(pid) for p in (c, *below(c))]


def meet(node, images, seed):
    order, _ = images.order(many(seed))
    pid = host.poll(lambda: unpacker(node), 60 * harness.SLOW, 0.001)
    if not pid:
        raise harness.Failure("no unpacker was met")
    return order, Taken(pid)


def look(pid):
    st, own = host.status(pid), pathlib.Path("/proc/self")
    fds = {}
    for fd in sorted(map(int, os.listdir(f"/proc/{pid}/fd"))):
        flags = int(re.search(r"flags:\s+(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{fd}").read_text())[1], 8)
        fds[fd] = (os.readlink(f"/proc/{pid}/fd/{fd}"), flags & os.O_ACCMODE)
    spaces = [
        n for n in ("user", "mnt", "net", "ipc", "uts")
        if os.readlink(f"/proc/{pid}/ns/{n}") != os.readlink(own / "ns" / n)
    ]
    mounts = [line.split()[5] for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
    return {
        "ids": set(st["Uid"].split() + st["Gid"].split()), "groups": st.get("Groups", "").split(),
        "capabilities": {int(st[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} - {0},
        "no_new_privs": st["NoNewPrivs"], "seccomp": st["Seccomp"], "namespaces": spaces, "mounts": mounts, "fds": fds,
        "owner": os.stat(f"/proc/{pid}/mem").st_uid
    }


def seen(pid):
    s = look(pid)
    tap.note(f"a process that unpacks: {s}")
    tap.ok(
        len(s["ids"]) == 1 and int(next(iter(s["ids"]))) >= 0xfffe0000 and not s["groups"],
        "it is nobody's user on the host, with no groups", s["ids"], s["groups"])
    tap.eq(s["namespaces"], ["user", "mnt", "net", "ipc", "uts"], "in namespaces of its own")
    tap.eq(s["capabilities"], {CAPABILITIES},
           "with five capabilities of its own user namespace, neither SYS_ADMIN nor MKNOD")
    tap.eq((s["no_new_privs"], s["seccomp"], s["owner"]), ("1", "2", 0),
           "no new privileges, a system call filter, not dumpable")
    tap.ok(
        len(s["mounts"]) == 1 and all(word in s["mounts"][0] for word in ("nodev", "nosuid", "noexec")),
        "it sees one mount, nodev, nosuid and noexec", s["mounts"])
    held = {
        fd: what for fd, what in s["fds"].items() if not (fd < 3 and what[0] == "/dev/null")
        and not (fd == 3 and what[0].startswith("pipe:")) and not re.fullmatch(r"/f\d+", what[0])
    }
    tap.ok(
        list(held) == [4] and pathlib.Path(held[4][0]).name.startswith(".fetch-") and held[4][1] == os.O_RDONLY,
        "it holds the pipe, the archive for reading, and the file that it makes", held)


def gentle(t, node, secret, disk):
    """Tries that leave it alive, each with whether it was successful."""
    agent = node.agent.pid
    got = {
        "climbs by a descriptor or from its root": [
            fd for fd in (-100, *range(FDS_MAX)) if t.call("openat", fd, UP + str(secret).lstrip("/"), os.O_RDONLY) >= 0
        ], "climbs after fchdir": [
            fd for fd in range(FDS_MAX)
            if t.call("fchdir", fd) == 0 and t.call("open", UP + str(secret).lstrip("/"), os.O_RDONLY) >= 0
        ]
    }
    for kind, mode, device in (("the host's disk", S_IFBLK, disk), ("the host's memory", S_IFCHR, os.makedev(1, 1))):
        made = t.call("mknod", f"/{device}", mode, device)
        got[f"makes a node of {kind}"] = made == 0
        got[f"opens {kind}"] = made == 0 and t.call("open", f"/{device}", os.O_RDONLY) >= 0
    got["sets trusted.*"] = t.call("setxattr", "/etc", "trusted.a", "b", 1, 0) == 0
    got["sets security.*"] = t.call("setxattr", "/etc", "security.a", "b", 1, 0) == 0
    got["writes to the archive"] = t.call("write", 4, "x", 1) == 1
    got["changes the archive's mode"] = t.call("fchmod", 4, 0o777) == 0
    got["signals the agent"] = t.call("kill", agent, 0) == 0
    got["limits the agent"] = t.call("prlimit64", agent, 7, 0, t.regs["rsp"] - 8192) == 0
    got["becomes root"] = t.call("setresuid", 0, 0, 0) == 0
    got["makes a socket"] = t.call("socket", 2, 1, 0) >= 0
    got["reads keys"] = t.call("keyctl", 0, -3, 0) >= 0
    got["changes its root"] = t.call("chroot", ".") == 0
    return got


FATAL = {
    "unshare": (0x10000000, ), "mount": ("a", "/etc", "tmpfs", 0, 0), "pivot_root": (".", "."), "setns": (3, 0),
    "ptrace": (16, 1, 0, 0), "process_vm_readv": (1, 0, 0, 0, 0, 0), "bpf": (0, 0, 0)
}


def taken_over(node, images, secret):
    disk = next(os.stat(p).st_rdev for p in sorted(pathlib.Path("/dev").iterdir()) if p.is_block_device())
    order, t = meet(node, images, 0)
    seen(t.pid)
    tap.eq(t.call("mknod", "/whiteout", S_IFCHR, 0), 0, "taken over, it does what we say: it makes a whiteout")
    got = gentle(t, node, secret, disk)
    for what, is_done in got.items():
        tap.ok(not is_done, f"taken over, it never {what}", is_done)
    t.let_go()
    tap.ok(node.wait(order, 120)["state"] in harness.TERMINAL, "let go, it comes to an end")
    killed = 0
    for n, (call, args) in enumerate(FATAL.items()):
        order, t = meet(node, images, n + 1)
        end = t.call(call, *args)
        killed += end == KILLED
        t.let_go()
        report = node.wait(order, 120)
        tap.ok(end == KILLED and (report.get("error") or {}).get("code") == "IMAGE_INVALID",
               f"{call}(2) ends it, and the image is called hostile", end, report)
    wrong = [what for what, is_done in got.items() if is_done]
    tap.figure(
        f"unpacker taken over: {len(wrong)} of {len(got)} kinds of tries brought about, {killed} of {len(FATAL)} fatal "
        "calls ended it"
    )
    left = [p.name for p in (node.directory / "pool/images").iterdir() if p.name.startswith(".")]
    tap.eq(left, [], "nothing half-made is left")


def brought_along(node, images):
    # CAP_NET_RAW, capability.h: VFS_CAP_REVISION_2
    capability = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0).decode("latin-1")

    def fill(archive):
        for name, kind, major, minor in (("null", tarfile.CHRTYPE, 1, 3), ("disk", tarfile.BLKTYPE, 8, 0),
                                         ("whiteout", tarfile.CHRTYPE, 0, 0)):
            entry(archive, name, kind, devmajor=major, devminor=minor)
        more = {
            "SCHILY.xattr.trusted.a": "1", "SCHILY.xattr.security.b": "2", "SCHILY.xattr.user.c": "3",
            "SCHILY.xattr.security.capability": capability
        }
        entry(archive, "file", tarfile.REGTYPE, b"x", uid=1234, gid=65535, mode=0o6755, pax_headers=more)

    order, root = images.order(image(fill))
    tap.eq(node.wait(order, 60)["state"], "succeeded", "an image with devices and attributes of the host's is taken")
    st = os.stat(root / "file")
    tap.eq(sorted(os.listdir(root)), ["etc", "file", "whiteout"], "without the device nodes")
    tap.eq((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), os.stat(root / "etc").st_uid), (1234, 65535, 0o6755, 0),
           "owners and modes are what they were")
    tap.eq((sorted(os.listxattr(root / "file")), os.getxattr(root / "file", "security.capability").decode("latin-1")),
           (["security.capability", "user.c"], capability),
           "so are file capabilities and attributes of users, and nothing more")
    for name, target in (("dotdot", "../../x"), ("absolute", "/etc/../../x")):
        order, _ = images.order(image(lambda archive, t=target: entry(archive, t, tarfile.REGTYPE, b"x")))
        tap.eq(node.wait(order, 60)["error"]["code"], "IMAGE_INVALID", f"{name}: refused")
    for name, kind, link in (("symbolic", tarfile.SYMTYPE, str(node.directory)), ("hard", tarfile.LNKTYPE,
                                                                                  str(node.directory / "secret"))):
        order, _ = images.order(
            image(lambda archive, k=kind, to=link:
                  (entry(archive, "way", k, linkname=to), entry(archive, "way/x", tarfile.REGTYPE, b"x"))))
        tap.eq(node.wait(order, 60)["error"]["code"], "IMAGE_INVALID", f"a {name} link out: refused")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    if os.uname().machine != "x86_64":
        tap.skip_all("the attack is written for x86-64")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-unpack-") as directory, harness.Node() as node:
        secret = node.directory / "secret"
        secret.write_text("of the host's\n")
        images = Images(node, pathlib.Path(directory))
        taken_over(node, images, secret)
        brought_along(node, images)
        images.server.close()
    tap.done()


main()
