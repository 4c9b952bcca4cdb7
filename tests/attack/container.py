#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root makes subvolumes, which would be in no snapshot and under no limit: the command of ioctl(2) in 32
bits, and with each bit set above those, at which the kernel doesn't look but a filter may; on btrfs itself, under a
disk limit, also by the calls of other ABIs. And it puts a pipe where the platform reads a file or opens a terminal,
with somebody who waits for it to be opened: as the device node of an image would be, it is looked at and not opened;
and whatever a worker holds open of its root is nodev. What else it puts in the way keeps no container from
starting."""
import os
import pathlib
import signal
import stat
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import struck
import tap

COMMANDS = (0x50009401, 0x5000940e, 0x50009417, 0x50009418)
# Its status: how many of the tries the filter let by (its refusal is EPERM; a file system without subvolumes says
# ENOTTY).
PROGRAM = """
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	static const unsigned long commands[] = { %s };
	int fd = open("/", O_RDONLY | O_DIRECTORY), tries = 0, passed = 0;

	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		for (int bit = 31; bit < 64; bit++, tries++) {
			unsigned long high = bit == 31 ? 0 : 1UL << bit;

			passed += !(syscall(SYS_ioctl, fd, commands[i] | high, 0) < 0 && errno == EPERM);
		}
	printf("%%d %%d\\n", passed, tries);
	return fd < 0;
}
""" % ", ".join(hex(c) for c in COMMANDS)


# Makes a subvolume /WAY by each way into the kernel that a process of x86-64 has, and says what came of it: 0, or an
# errno.
WAYS = ("x86-64", "x32", "i386")
MAKER = """
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct btrfs_ioctl_vol_args *args = mmap(NULL, sizeof(*args), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = open("/", O_RDONLY | O_DIRECTORY), said;

	strcpy(args->name, "x86-64");
	printf("%d\\n", syscall(SYS_ioctl, fd, BTRFS_IOC_SUBVOL_CREATE, args) < 0 ? errno : 0);
	strcpy(args->name, "x32");
	printf("%d\\n", syscall(0x40000000 | 514, fd, BTRFS_IOC_SUBVOL_CREATE, args) < 0 ? errno : 0);
	fflush(stdout);
	strcpy(args->name, "i386");
	__asm__ volatile("int $0x80" : "=a"(said) : "a"(54), "b"(fd), "c"(BTRFS_IOC_SUBVOL_CREATE),
			 "d"(args) : "memory", "r8", "r9", "r10", "r11");
	printf("%d\\n", -said);
	return fd < 0;
}
"""
LIMIT, MORE = 40 << 20, 60 # bytes, and what is tried to be written, in MiB

FIFOS = 5
STOPS = 12 # of one operation
OPENAT = 257 # on x86-64, as the program above


def put(node, root, text, name):
    """A program of ours into a container's root."""
    program = node.directory / name
    done = subprocess.run(
        ["gcc", "-static", "-O1", "-x", "c", "-", "-o", str(program)], input=text, text=True, capture_output=True)
    if done.returncode:
        raise harness.Failure(done.stderr)
    inside = root / "bin" / name
    inside.write_bytes(program.read_bytes())
    inside.chmod(0o755)


def subvolumes(node, cid):
    put(node, node.root(cid), PROGRAM, "subvolumes")
    code, out, err = node.ctl("exec", cid, "/bin/subvolumes")
    passed, tries = (int(w) for w in out.split()) if code == 0 else (-1, 0)
    tap.eq((passed, tries), (0, len(COMMANDS) * 33),
           "no ioctl that makes a subvolume passes the filter, whatever is above its 32 bits")
    tap.figure(f"subvolumes: {passed} of {tries} commands passed the filter {err}".rstrip())


def stopped(node):
    """Workers of the node's that are held at a call."""
    return [p for p in node.worker_pids() if host.status(p).get("State", "?")[0] == "T"]


def directories(pid, top):
    """The directories that it holds below a container's, and whether a device could be opened by them."""
    inside, found = {os.stat(d).st_ino for d, _, _ in os.walk(top)}, []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        st = os.stat(f"/proc/{pid}/fd/{fd}")
        if stat.S_ISDIR(st.st_mode) and st.st_dev == top.stat().st_dev and st.st_ino in inside:
            found.append((fd, bool(os.statvfs(f"/proc/{pid}/fd/{fd}").f_flag & os.ST_NODEV)))
    return found


def roots():
    """Whatever a worker opens of a container's files it opens by a mount that has no devices."""
    with struck.Struck("openat2,fsync,syncfs") as node:
        cid, copy, held = node.new_id(), node.new_id(), []
        tap.eq(
            node.do("container.create", cid, name="source", image=harness.IMAGE)["state"], "succeeded",
            "a container runs")
        top = node.directory / "pool/containers" / cid
        for op, target, params in (("env.set", cid, {"key": "A", "value": "1"}),
                                   ("snapshot.create", cid, {"alias": "s"}), ("snapshot.restore", cid, {"name": "s"}),
                                   ("container.copy", copy, {"source_container_id": cid}), ("container.restart", cid,
                                                                                            {})):
            node.plan("hoody-worker", "*", "1", "STOP")
            order, stops = node.order(op, target, **params), 0
            is_done = lambda o=order: [
                r for r in node.reports(0, "order") if r["order_id"] == o and r["state"] in harness.TERMINAL
            ]
            while not is_done():
                host.poll(lambda: stopped(node) or is_done(), 20)
                stops += 1
                node.plan("hoody-worker", "*", "1" if stops < STOPS else "0", "STOP")
                for pid in stopped(node):
                    held += [(op, *d) for d in directories(pid, top)]
                    os.kill(pid, signal.SIGCONT)
            tap.eq(node.wait(order, 120)["state"], "succeeded", f"{op} is done")
        tap.ok(
            len({op for op, *_ in held}) >= 4, "workers are looked at while they hold a container's directories", held)
        tap.eq([h for h in held if not h[2]], [], "none of which a device could be opened by")
        tap.figure(
            f"roots: {len([h for h in held if not h[2]])} of {len(held)} directories that workers held were not nodev")
        for c in (copy, cid):
            node.do("container.delete", c, force=True)


def free_place(fs, node):
    """Beside the pool, anybody's."""
    place = fs.path / "free"
    place.mkdir()
    place.chmod(0o777)
    (place / "maker").write_bytes((node.directory / "maker").read_bytes())
    (place / "maker").chmod(0o755)
    return place


def limited():
    """On btrfs itself, in a container with a limit that a subvolume would not be under."""
    with loop.FileSystem("btrfs",
                         512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "btrfs"}}) as node:
        cid = node.new_id()
        tap.eq(
            node.do("container.create", cid, name="limited", image=harness.IMAGE,
                    limits={"disk_bytes": LIMIT})["state"], "succeeded", "a container with a disk limit runs on btrfs")
        root = fs.pool / "containers" / cid / "rootfs"
        put(node, root, MAKER, "maker")
        bare = subprocess.run(
            ["chroot", "--userspec=65534:65534", free_place(fs, node), "/maker"], capture_output=True, text=True,
            check=True)
        tap.eq(bare.stdout.split()[::2], ["0", "0"],
               "who is no container's makes them there, unprivileged, also by i386's calls")
        _, out, err = node.ctl("exec", cid, "/bin/maker")
        said = dict(zip(WAYS, map(int, out.split())))
        made = [way for way in WAYS if (root / way).exists()]
        beyond = [
            way for way in made
            if node.ctl("exec", cid, "sh", "-c", f"dd if=/dev/zero of=/{way}/f bs=1M count={MORE} conv=fsync")[0] == 0
        ]
        tap.eq((made, beyond), ([], []),
               "it makes none by whatever way into the kernel, and writes no more than its limit")
        tap.ok(
            node.ctl("exec", cid, "sh", "-c", f"dd if=/dev/zero of=/f bs=1M count={MORE} conv=fsync")[0] != 0,
            "which holds in its root")
        tap.figure(
            f"subvolumes on btrfs: {len(made)} of {len(WAYS)} ways made one, {len(beyond)} of them beyond the limit; "
            f"errno {said} {err}"
            .rstrip())
        node.do("container.delete", cid, force=True)


def pipes(node, cid):
    """Its writer goes on only when somebody opens it to read."""
    fooled, fifo = 0, node.root(cid) / "etc" / "environment"
    for i in range(FIFOS):
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        with harness.running(["sh", "-c", ': >"$1"', "sh", str(fifo)]) as writer:
            host.poll(lambda: system_call(writer.pid).startswith(f"{OPENAT} "), 10)
            node.do("env.set", cid, key="LINES", value=str(i))
            try:
                writer.wait(0.5 * harness.SLOW)
                fooled += 1
            except subprocess.TimeoutExpired:
                writer.kill()
    tap.eq(fooled, 0, "a pipe where the environment is read is not opened")
    tap.figure(f"pipes: {fooled} of {FIFOS} were opened by the worker")


def in_terminal(node, cid):
    """A session in a terminal: its status."""
    master, slave = os.openpty()
    command = [
        str(w)
        for w in (harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", cid, "true")
    ]
    code = subprocess.run(command, stdin=slave, stdout=slave, stderr=slave, timeout=60 * harness.SLOW).returncode
    os.close(master)
    os.close(slave)
    return code


def system_call(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/syscall").read_text()
    except OSError:
        return "" # it has ended


def waits(node, cid):
    return any(system_call(p).startswith(f"{OPENAT} ") for p in host.pids_of(node.prefix, cid, "payload"))


def terminals(node, cid):
    """A pipe in the place of what terminals are made of, and in the container somebody who waits for it to be
    opened."""
    tap.eq(in_terminal(node, cid), 0, "a session has a terminal")
    node.ctl("exec", cid, "sh", "-c", "mount -t tmpfs none /dev/pts && mkfifo /dev/pts/ptmx")
    fooled = 0
    for _ in range(FIFOS):
        command = [
            str(w) for w in (harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T",
                             cid, "sh", "-c", ": </dev/pts/ptmx")
        ]
        with harness.running(command, stdin=subprocess.DEVNULL) as reader:
            host.poll(lambda: waits(node, cid), 10)
            tap.ok(in_terminal(node, cid) != 0, "a session that gets no terminal ends")
            try:
                reader.wait(0.5 * harness.SLOW)
                fooled += 1
            except subprocess.TimeoutExpired:
                node.ctl("exec", cid, "sh", "-c", ": >/dev/pts/ptmx") # the way out
                reader.wait(20 * harness.SLOW)
    tap.eq(fooled, 0, "a pipe in the place of /dev/pts/ptmx is not opened")
    tap.figure(f"terminals: {fooled} of {FIFOS} pipes were opened by a session")


def kernel_log(node, cid):
    """The kernel's log where the host lets everybody read it, as some distributions' do."""
    restricted = pathlib.Path("/proc/sys/kernel/dmesg_restrict")
    before = restricted.read_text()
    try:
        restricted.write_text("0")
        here = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "dmesg"], capture_output=True)
        _, out, err = node.ctl("exec", cid, "sh", "-c", "dmesg >/dev/null; echo $?")
    finally:
        restricted.write_text(before)
    tap.eq((here.returncode, out.strip()), (0, "1"),
           f"anybody on the host reads the kernel's log, a container not {err}")


# What container root does to its own root, and what its container is made with.
UNFIT = (
    ("no directory /etc", {}, "rm -rf /etc; touch /etc"),
    ("an /etc that leads to itself", {}, "rm -rf /etc; ln -s /etc /etc"),
    ("nothing to be written in /etc", {}, "rm /etc/hosts; mkdir -p /etc/.hoody-new/x"),
    ("a link for the project's ramdisk", {"ramdisk": True, "ramdisk_scope": "project"},
     "umount /ramdisk/project; rmdir /ramdisk/project; ln -s /tmp /ramdisk/project"),
    ("a file for the project's ramdisk", {"ramdisk": True, "ramdisk_scope": "project"},
     "umount /ramdisk/project; rmdir /ramdisk/project; touch /ramdisk/project"),
)


def unfit(node):
    """What is in the platform's way in a root is to be mended in there alone: it starts."""
    for what, more, script in UNFIT:
        cid = node.new_id()
        node.do("container.create", cid, name="unfit", image=harness.IMAGE, **more)
        done = node.ctl("exec", "-T", cid, "sh", "-c", script)[0]
        states = [node.do(f"container.{op}", cid)["state"] for op in ("restart", "stop", "start")]
        tap.eq((done, states), (0, ["succeeded"] * 3), f"{what}: its container starts all the same")
        if "/etc" in what:
            tap.ok(f"container {cid} has not all of the platform's files" in node.log.read_text(),
                   "and the log says why")
        node.do("container.delete", cid, force=True)


def main():
    with harness.Node() as node:
        cid = node.new_id()
        tap.eq(
            node.do("container.create", cid, name="attacker", image=harness.IMAGE)["state"], "succeeded",
            "a container runs")
        subvolumes(node, cid)
        pipes(node, cid)
        terminals(node, cid)
        kernel_log(node, cid)
        unfit(node)
    roots()
    limited()


main()
tap.done()
