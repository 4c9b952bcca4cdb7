#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hoody-worker alone: each job done twice and undone twice, half-done ones cleared away, a stopped monitor, jobs that
wait for each other, and what a container's processes inherit, held against those of a bare lxc-start."""
import contextlib
import ctypes
import errno
import fcntl
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import frames
import harness
import host
import tap


class Worker:
    """One process, as the agent starts it; it may be killed at any time."""

    def __init__(self, before=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def as_three():
            if before:
                before()
            os.dup2(theirs.fileno(), 3)
            os.set_inheritable(3, True)

        self.process = subprocess.Popen([str(harness.BUILD / "agent/hoody-worker")], preexec_fn=as_three,
                                        close_fds=False, env=os.environ if before else {}, stdin=subprocess.DEVNULL)
        theirs.close()
        self.sock = ours

    def send(self, job):
        frames.send(self.sock, frames.WORKER_JOB, job)

    def result(self):
        """(errno, data, pidfd or None), or None when it died."""
        while (got := frames.recv(self.sock)) and got[0] != frames.WORKER_RESULT:
            pass
        return got and (got[1], got[4], got[5][0] if got[5] else None)

    def kill(self):
        self.process.kill()
        self.close()

    def close(self):
        self.sock.close()
        return self.process.wait(10 * harness.SLOW)


class Place:
    """What one agent would hold: pool, directories, cgroup prefix."""

    def __init__(self):
        self.prefix = f"hoody-t{os.getpid()}-k"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir="/tmp"))
        for name in ("", "lxc", "run", "pool", "pool/containers"):
            (self.directory / name).mkdir(exist_ok=True)
            (self.directory / name).chmod(0o711)
        self.cid = os.urandom(12).hex()
        self.base = 100_000_000 + harness.SLOT * 20 * 6_553_600
        self.limits = {"memory_bytes": 64 << 20, "pids": 64, "cpu_cores": 0.5}

    def job(self, name, verb="act", **params):
        return {
            "job": name, "verb": verb, "paths": {n: str(self.directory / n) for n in ("lxc", "pool", "run")},
            "driver": "dir", "cgroup_prefix": self.prefix, "container": {
                "id": self.cid, "project_id": harness.PROJECT, "name": "k", "image": harness.IMAGE,
                "id_base": self.base, "autostart": False, "limits": self.limits
            }, "params": params
        }

    def root(self):
        return self.directory / "pool" / "containers" / self.cid / "rootfs"

    def do(self, name, verb="act", **params):
        """A job by a worker of its own: its errno (None: it died)."""
        worker = Worker()
        worker.send(self.job(name, verb, **params))
        result = worker.result()
        worker.close()
        if result and result[2] is not None:
            os.close(result[2])
        return result and result[0]

    def twice(self, name, verb, holds, what, **params):
        tap.eq([self.do(name, verb, **params) for _ in range(2)], [0, 0], f"{name} {verb}, twice")
        tap.ok(holds(), what)

    def running(self):
        return host.init_of(self.prefix, self.cid) is not None

    def nothing_runs(self):
        return not host.pids_of(self.prefix) and not [d for d in host.cgroup_dirs(self.prefix) if d.name != self.prefix]

    def remove(self):
        host.clear(self.prefix)
        shutil.rmtree(self.directory, ignore_errors=True)


def each_job(p):
    p.twice("rootfs", "act", lambda: (p.root() / "bin/busybox").exists(), "the root is there")
    p.twice("launch", "act", p.running, "init runs")
    p.twice("freeze", "act", lambda: host.is_frozen(p.prefix, p.cid), "frozen")
    p.twice("freeze", "undo", lambda: not host.is_frozen(p.prefix, p.cid), "thawed")
    p.twice("thaw", "undo", lambda: host.is_frozen(p.prefix, p.cid), "frozen once more")
    p.twice("kill", "act", p.nothing_runs, "nothing runs, though it was frozen")
    p.twice("launch", "act", p.running, "init runs")
    p.twice("launch", "undo", p.nothing_runs, "the start is undone")
    p.twice("rootfs", "undo", lambda: not p.root().parent.exists(), "the root is gone")
    p.twice("rootfs", "act", lambda: (p.root() / "bin/busybox").exists(), "the root is there")
    p.twice("rootfs-remove", "act", lambda: not p.root().parent.exists() and not (p.directory / "lxc" / p.cid).exists(),
            "everything is gone")
    tap.ok(p.do("launch") > 0, "nothing can be launched without a root")
    tap.eq([p.do("launch", "undo") for _ in range(2)], [0, 0], "that is undone too")
    tap.ok(p.nothing_runs(), "and nothing runs")
    tap.ok(p.do("no-such-job") > 0 and p.do("groups", "undo") > 0, "what there is no job for is refused")


def hears(pid, number):
    """Does it catch the signal, or wait for signals? (Those that it waits for stand in no mask.)"""
    return int(host.status(pid)["SigCgt"], 16) >> number - 1 & 1 or "sigtimedwait" in pathlib.Path(
        f"/proc/{pid}/wchan").read_text()


def host_goes_down(p):
    """An init that has run for long, and is deaf while it ends its services."""
    told, table = p.root() / "told", p.root() / "etc/inittab"
    before = table.read_text() if table.exists() else ""
    table.write_text("::shutdown:/bin/busybox sh -c 'sleep 1; echo ended >/told'\n" + before)
    tap.eq(p.do("launch"), 0, "launched")
    host.poll(lambda: host.age_s(host.init_of(p.prefix, p.cid)) > 5.5, 10)
    tap.eq(
        (p.do("shutdown-all", containers=[{"id": p.cid, "id_base": p.base, "image": harness.IMAGE}]), p.nothing_runs()),
        (0, True), "the host goes down: nothing runs")
    tap.eq(told.exists() and told.read_text(), "ended\n", "and its services had their time")
    tap.eq(p.do("shutdown-all", containers=[{"id": p.cid, "id_base": p.base, "image": harness.IMAGE}]), 0,
           "once more: nothing to do")
    told.unlink(missing_ok=True)
    beside_a_stuck_one(p)
    table.write_text("::ctrlaltdel:/bin/busybox sh -c 'echo named >/told; exec /bin/busybox poweroff -f'\n" + before)
    for name, number, want in (("its image's", signal.SIGINT, "named\n"), ("one that it doesn't hear", signal.SIGWINCH,
                                                                           None)):
        tap.eq(p.do("launch"), 0, "launched")
        host.poll(lambda: hears(host.init_of(p.prefix, p.cid), signal.SIGINT), 10)
        tap.eq((p.do("shutdown-all", containers=[{
            "id": p.cid, "id_base": p.base, "image": harness.IMAGE, "stop_signal": int(number)
        }]), p.nothing_runs()), (0, True), f"asked by {name}: nothing runs")
        tap.eq(told.read_text() if told.exists() else None, want,
               f"asked by {name}: by that where it is heard, else by what is")
        told.unlink(missing_ok=True)
    table.write_text(before)


def without_controllers():
    """For this process: the one tree of cgroup2, and in it whatever controllers no hierarchy of v1 has."""
    libc, top = ctypes.CDLL(None, use_errno=True), next(m for m, unified in host.cgroup_mounts() if unified)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise OSError(ctypes.get_errno(), "no mount namespace")
    for path, unified in host.cgroup_mounts():
        if not unified and libc.umount2(bytes(path), MNT_DETACH) != 0:
            raise OSError(ctypes.get_errno(), str(path))
    if libc.mount(bytes(top), b"/sys/fs/cgroup", None, MS_BIND, None) != 0:
        raise OSError(ctypes.get_errno(), str(top))


BOUNDS = ("cgroups", "cgroup_depth", "namespaces", "net_namespaces", "inotify", "watches", "tasks", "memory")


def unbounded(p):
    """A host whose kernel has a controller disabled (cgroup_disable=memory) starts who has no limit of that kind."""
    top = next(m for m, unified in host.cgroup_mounts() if unified)
    if {"memory", "pids"} & set((top / "cgroup.controllers").read_text().split()):
        print("# this host has its controllers in the one tree: none is missing")
        return
    limits = p.limits
    for p.limits, want in (({}, None), ({"memory_bytes": 64 << 20}, "LIMIT_NOT_SUPPORTED"),
                           ({"pids": 64}, "LIMIT_NOT_SUPPORTED")):
        worker = Worker(before=without_controllers)
        worker.send(dict(p.job("launch"), bounds=dict.fromkeys(BOUNDS, 1 << 10) | {"memory": 64 << 20}))
        result = worker.result()
        worker.close()
        tap.eq((result[0] == 0 and p.running(), (result[1] or {}).get("code")), (not want, want),
               "no controllers: " + ("what is asked for is refused" if want else "who asks for no limit starts"))
        tap.eq((p.do("launch", "undo"), p.nothing_runs()), (0, True), "and is undone")
    p.limits = limits


def file(text, mode=0o755):
    def make(path):
        path.write_bytes(text)
        path.chmod(mode)
    return make


def no_init(p):
    """A root that can't be started is its container's fault, and said to be: images are made without an init, and who
    is root may remove his."""
    init, kept = p.root() / "sbin/init", p.root() / "sbin/kept"
    said = {}
    init.rename(kept)
    for name, make in {
        "none": lambda path: None,
        "a directory": os.mkdir,
        "not executable": file(b"#!/bin/sh\n", 0o644),
        "a script without its interpreter": file(b"#!/bin/none\n"),
        "a link to nothing": lambda path: path.symlink_to("none"),
        "a link to itself": lambda path: path.symlink_to("init"),
    }.items():
        make(init)
        worker = Worker()
        worker.send(p.job("launch"))
        got = worker.result()[1] or {}
        worker.close()
        said[name] = (got.get("code"), (got.get("data") or {}).get("field"), p.do("launch", "undo"), p.nothing_runs())
        if init.is_dir() and not init.is_symlink():
            init.rmdir()
        else:
            init.unlink(missing_ok=True)
    kept.rename(init)
    tap.eq({name: got for name, got in said.items() if got != ("CONTAINER_INIT_FAILED", "/sbin/init", 0, True)}, {},
           f"no init, in {len(said)} ways: CONTAINER_INIT_FAILED, and nothing is left")
    tap.eq((p.do("launch"), p.do("launch", "undo")), (0, 0), "with one it starts")


def beside_a_stuck_one(p):
    """Who can't be cleared away is the first of the list: all others have their time, and end."""
    other, told = "0" * 24, p.root() / "told"
    group = next(m for m, unified in host.cgroup_mounts() if unified) / p.prefix / other
    tap.eq(p.do("launch"), 0, "launched")
    host.poll(lambda: hears(host.init_of(p.prefix, p.cid), signal.SIGUSR2), 10)
    (group / "payload").mkdir(parents=True)
    subprocess.run(["mount", "--bind", group, group], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", group], check=True)
    result = p.do("shutdown-all", containers=[{"id": cid, "id_base": p.base, "image": harness.IMAGE}
                                              for cid in (other, p.cid)])
    subprocess.run(["umount", group], check=True)
    (group / "payload").rmdir()
    group.rmdir()
    tap.eq((result, told.exists() and told.read_text(), p.nothing_runs()), (errno.EROFS, "ended\n", True),
           "one can't be cleared away: that is said, and the others end in order")
    told.unlink(missing_ok=True)


def limited(p):
    """What a killed predecessor has made has its limit all the same; and no tree is kept beside a root with one."""
    source, limits, containers = p.cid, p.limits, p.directory / "pool/containers"
    p.cid = os.urandom(12).hex()
    p.limits = dict(limits, disk_bytes=1 << 30) # which this pool can't have
    said = []
    for killed in (False, True):
        if killed:
            (containers / f".new-{p.cid}" / "rootfs").mkdir(parents=True, exist_ok=True)
        worker = Worker()
        worker.send(p.job("copy", source=source))
        said.append((worker.result()[1] or {}).get("code"))
        worker.close()
    tap.eq(said, ["LIMIT_NOT_SUPPORTED"] * 2, "a copy without its limit is refused, whoever has begun it")
    p.do("copy", "undo", source=source)
    p.limits = limits
    p.do("copy", source=source)
    for bytes_, kept in ((0, True), (1 << 30, False)):
        p.limits = limits
        tap.eq([p.do(job, source=source) for job in ("sync-build", "sync")], [0, 0], "a sync")
        p.limits = dict(limits, disk_bytes=bytes_) if bytes_ else limits
        tap.eq((p.do("settle", keep_base=True), (containers / p.cid / ".base").exists()), (0, kept),
               f"the old tree is {'kept' if kept else 'not kept where it would count against a limit'}")
    tap.eq(p.do("rootfs-remove"), 0, "removed")
    p.cid, p.limits = source, limits


SECCOMP, PRCTL, SYNC = 317, 157, 162 # system calls of x86-64
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
PR_SET_SECCOMP, MODE_FILTER, CLONE_NEWPID = 22, 2, 0x20000000
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x1000, 0x4000, 0x40000, 2


def confine(call=-1, action=ALLOW, first=None):
    """A filter for this process (seccomp(2)): that action at this call, where its first argument is as given."""
    known = first is not None
    steps = [(0x20, 0, 0, 0), (0x15, 0, 1 + 2 * known, call & 0xFFFFFFFF)]
    steps += [(0x20, 0, 0, 16), (0x15, 0, 1, first)] if known else []
    steps += [(0x06, 0, 0, action), (0x06, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *s) for s in steps))
    head = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(steps), ctypes.addressof(code)))
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_SECCOMP, MODE_FILTER, head, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no filter")


def without_filter():
    """Whatever asks for a filter is told that it has one."""
    confine(SECCOMP, ERRNO, first=1)
    confine(PRCTL, ERRNO, first=PR_SET_SECCOMP)


def session(p, before, *words):
    """A command in the container: what the worker says of it, what it says itself, and why it isn't run."""
    worker, (ours, theirs), (out, given) = Worker(before=before), socket.socketpair(
        socket.AF_UNIX, socket.SOCK_SEQPACKET), os.pipe()
    frames.send(worker.sock, frames.WORKER_JOB, p.job("session"), fd=theirs.fileno())
    theirs.close()
    for i in range(3):
        frames.send(ours, frames.SESSION_STDIO, fd=given if i else out, a=i)
    frames.send(ours, frames.SESSION_RUN, b"dumb\0" + b"".join(w.encode() + b"\0" for w in words))
    os.close(given)
    got = frames.recv(ours)
    with os.fdopen(out) as f:
        said = f.read()
    ours.close()
    worker.close()
    return got[0], said, got[4]


def is_filtered(p):
    """A starter with a filter of its own starts no container without one."""
    worker = Worker(before=confine)
    worker.send(p.job("launch"))
    result = worker.result()
    filters = [int(host.status(pid)["Seccomp_filters"]) for pid in (worker.process.pid, host.init_of(p.prefix, p.cid))]
    worker.close()
    tap.eq((result[0], filters), (0, [1, 2]), "started by who has a filter: its init has that, and the container's own")
    begun, said, _ = session(p, confine, "grep", "Seccomp_filters", "/proc/self/status")
    tap.eq((begun, said.split()[-1:]), (frames.SESSION_BEGUN, ["2"]), "so has a command that such a worker runs in it")
    begun, said, why = session(p, without_filter, "sh", "-c", "echo it runs; touch /runs")
    tap.eq((begun, said, (p.root() / "runs").exists()), (frames.SESSION_FAILED, "", False),
           "a command that has got none is not run")
    tap.ok("has no seccomp filter" in (why or {}).get("message", ""), "which is said", why)
    p.do("kill")
    worker = Worker(before=without_filter)
    worker.send(p.job("launch"))
    result = worker.result()
    worker.close()
    tap.ok(result[0] == errno.EPERM and "has no seccomp filter" in result[1].get("message", ""),
           "an init that has got none: the start fails, and says why", result)
    tap.ok(not (p.directory / "lxc" / p.cid / "started").exists(), "nobody takes it for started")
    tap.eq((p.do("launch", "undo"), p.nothing_runs()), (0, True), "and nothing is left")


def ends_by_itself(p):
    """What a stop asks for is the end, not a new beginning; and it waits for nobody else's disks."""
    table = p.root() / "etc/inittab"
    before = table.read_text()
    table.write_text("::shutdown:/bin/true\n")
    p.do("launch")
    host.poll(lambda: hears(host.init_of(p.prefix, p.cid), signal.SIGINT), 10)
    p.do("shutdown-all", containers=[{"id": p.cid, "id_base": p.base, "image": harness.IMAGE}])
    console = p.directory / "lxc" / p.cid / "console.log"
    tap.ok(host.poll(lambda: "system poweroff" in console.read_text(), 5), "busybox is asked to power off",
           console.read_text())
    table.write_text(before)
    libc, reader, writer = ctypes.CDLL(None), *os.pipe()
    parent = os.fork()
    if parent == 0: # its child is a first process, of this root, in which sync(2) is death
        libc.unshare(CLONE_NEWPID)
        init = os.fork()
        if init == 0:
            confine(SYNC, KILL)
            os.chroot(p.root())
            os.execv("/sbin/init", ["init"])
        os.write(writer, struct.pack("i", init))
        _, status = os.waitpid(init, 0)
        os.write(writer, struct.pack("i", status))
        os._exit(0)
    init = struct.unpack("i", os.read(reader, 4))[0]
    host.poll(lambda: hears(init, signal.SIGUSR2), 10)
    os.kill(init, signal.SIGUSR2)
    status = struct.unpack("i", os.read(reader, 4))[0]
    os.waitpid(parent, 0)
    for fd in (reader, writer):
        os.close(fd)
    tap.eq(os.waitstatus_to_exitcode(status), -signal.SIGINT, "the image's init powers off, and syncs nothing")


def killed_launches(p, rounds=24):
    """SIGKILL at some instant of a launch: after undo there is nothing, and the next one works."""
    bad, cut = [], 0
    for n in range(rounds):
        worker = Worker()
        worker.send(p.job("launch"))
        time.sleep(n * 0.0008)
        worker.kill()
        cut += not p.running()
        if p.do("launch", "undo") != 0 or not p.nothing_runs():
            bad.append((n, host.pids_of(p.prefix), host.cgroup_dirs(p.prefix)))
    tap.eq(bad, [], f"{rounds} launches whose worker was killed leave nothing after their undo")
    tap.ok(cut > 0, "and some of them were cut short", cut)
    tap.eq((p.do("launch"), p.running()), (0, True), "the next one works")
    # A half-done one that nobody has undone does not hinder the next either.
    worker = Worker()
    p.do("kill")
    worker.send(p.job("launch"))
    time.sleep(0.004)
    worker.kill()
    tap.eq((p.do("launch"), p.running()), (0, True), "a launch takes over from one that was cut short")


def ended_children(pid):
    """How many have ended that it has not waited for?"""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(host.status(child).get("State", "").startswith("Z") for child in children)


def networks_of(pid):
    """Network namespaces of its children that live, but for the host's."""
    found = set()
    for c in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with contextlib.suppress(OSError): # it ends
            found.add(os.readlink(f"/proc/{c}/ns/net"))
    return found - {os.readlink("/proc/self/ns/net")}


def told_ahead(p):
    """What is said before the order is journaled changes nothing, and the job goes as any other."""
    p.do("kill")
    worker = Worker()
    groups = pathlib.Path(f"/proc/{worker.process.pid}/cgroup")
    before = groups.read_text()
    favors = host.favors_moves()
    frames.send(worker.sock, frames.WORKER_AHEAD, p.job("launch"))
    tap.ok(host.poll(lambda: networks_of(worker.process.pid), 10),
           "told ahead, a child of it has the container's network namespace")
    # who made the namespaces has ended
    waits = lambda: ended_children(worker.process.pid) > 1
    tap.ok(host.poll(lambda: waits() or host.favors_moves(), 10) and not (favors and waits()),
           "and another waits for the kernel, where moves between groups do")
    made = networks_of(worker.process.pid)
    tap.eq((p.nothing_runs(), groups.read_text()), (True, before), "nobody has gone anywhere, and no group is made")
    worker.send(p.job("launch"))
    got = worker.result()
    tap.eq((got and got[0], p.running()), (0, True), "then it launches as another")
    tap.eq({os.readlink(f"/proc/{host.init_of(p.prefix, p.cid)}/ns/net")}, made, "in that")
    worker.close()
    p.do("kill")
    other = p.job("launch")
    other["container"]["id_base"] += 65536
    for what, said in (("of nobody", None), ("of another", other)):
        worker = Worker()
        frames.send(worker.sock, frames.WORKER_AHEAD, said)
        worker.send(p.job("launch"))
        got = worker.result()
        tap.eq((got and got[0], p.running()), (0, True), f"told {what} ahead, it launches all the same")
        tap.ok(host.poll(lambda: not networks_of(worker.process.pid), 10), "and has nothing of that")
        worker.close()
        p.do("kill")
    worker = Worker()
    frames.send(worker.sock, frames.WORKER_AHEAD, p.job("launch"))
    worker.kill()
    tap.ok(p.nothing_runs(), "told ahead and killed: there is nothing")
    tap.eq((p.do("launch"), p.running()), (0, True), "and the next one works")


def stopped_monitor(p):
    os.kill(host.monitor_of(p.prefix, p.cid), signal.SIGSTOP)
    tap.eq((p.do("launch"), p.running()), (0, True), "a stopped monitor: what runs is still found running")
    tap.eq((p.do("kill"), p.nothing_runs()), (0, True), "and can be ended")


INHERITED = ("SigBlk", "SigIgn", "SigCgt", "CapBnd", "NoNewPrivs", "Seccomp", "Umask", "Cpus_allowed")


def limits_of(pid):
    """{name: (soft, hard)}, as /proc has them: who is in a namespace of another's can't be asked by prlimit(2)."""
    rows = [re.split(r"\s{2,}", line) for line in pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]]
    return {
        row[0]: tuple(resource.RLIM_INFINITY if n == "unlimited" else int(n) for n in row[1:3]) for row in rows
    }


def portrait(monitor, init):
    """What the two processes carry that came from whoever started them."""
    found = {}
    for name, pid in (("monitor", monitor), ("init", init)):
        status = host.status(pid)
        found[name] = {k: status.get(k) for k in INHERITED}
        found[name]["limits"] = limits_of(pid)
        found[name]["oom"] = pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text()
        found[name]["nice"] = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[16]
        found[name]["cwd"] = os.readlink(f"/proc/{pid}/cwd")
    return found


def spoil():
    """A starter in as bad a state as an agent could be."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1})
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o077)
    os.chdir("/tmp")
    os.nice(5)
    pathlib.Path("/proc/self/oom_score_adj").write_text("500")
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 4096))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ["HOODY_SECRET"] = "unspoken"


@contextlib.contextmanager
def all_turns(p):
    """Everybody's turn is taken: whether it could be, at once."""
    with open(p.directory / "run/turns", "w") as f:
        try:
            fcntl.fcntl(f, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except BlockingIOError:
            yield False
        else:
            yield True


def is_free(p):
    with all_turns(p) as taken:
        return taken


def takes_turns(p):
    """What is somebody else's is waited for, for a while; what goes on after a job keeps no turn."""
    with all_turns(p) as taken:
        tap.ok(taken, "nobody has a turn")
        worker = Worker()
        worker.send(p.job("launch", timeout_ms=200))
        result = worker.result()
        tap.eq((result[0], result[1].get("code"), p.running()), (errno.ETIMEDOUT, "TIMEOUT", False),
               "a job whose container is somebody else's is not done")
        tap.ok("still works on " + p.cid in result[1].get("message", ""), "and says why", result)
        worker.close()
        tap.eq(p.do("root-measure"), 0, "what only looks waits for nobody")
        worker = Worker()
        worker.send(p.job("launch"))
        host.poll(lambda: "->" in pathlib.Path("/proc/locks").read_text(), 5)
        tap.ok(not p.running(), "another waits")
    result = worker.result()
    tap.eq((result[0], p.running()), (0, True), "until it is its turn")
    # What liblxc forks on the way has it until it executes the init, or ends.
    tap.ok(host.poll(lambda: is_free(p), 5), "its monitor has none, nor has the worker that waits for more")
    worker.close()
    p.do("kill")


def inherits_nothing(p):
    reader, writer = os.pipe()
    os.set_inheritable(reader, True) # a descriptor that leaks into the worker must not get further
    worker = Worker(before=spoil)
    os.environ.pop("HOODY_SECRET", None)
    worker.send(p.job("launch"))
    result = worker.result()
    tap.eq(result and result[0], 0, "a container starts from a worker in a bad state")
    worker.close()
    monitor, init = host.monitor_of(p.prefix, p.cid), host.init_of(p.prefix, p.cid)
    host.poll(lambda: not int(host.status(init).get("SigBlk", "0"), 16), 10) # busybox's init blocks some for a moment
    ours = portrait(monitor, init)
    pipe = f"pipe:[{os.stat(reader).st_ino}]"
    held = [
        pid for pid in host.pids_of(p.prefix) for fd in os.listdir(f"/proc/{pid}/fd")
        if os.readlink(f"/proc/{pid}/fd/{fd}") == pipe
    ]
    tap.eq(held, [], "no descriptor of the starter is left in the container's tree")
    for fd in (reader, writer):
        os.close(fd)
    environment = pathlib.Path(f"/proc/{monitor}/environ").read_bytes() + pathlib.Path(
        f"/proc/{init}/environ").read_bytes()
    tap.ok(b"unspoken" not in environment, "no variable of its environment")
    tap.eq((host.status(monitor).get("PPid"), host.status(monitor).get("Name")), (host.REAPER, "lxc-monitor"),
           "the monitor belongs to nobody of ours, and has a name of its own")
    for name in ("monitor", "init"):
        tap.eq((ours[name]["oom"].strip(), ours[name]["nice"], ours[name]["Umask"]), ("0", "0", "0022"),
               f"{name}: oom score, priority and umask are a fresh process's")
        soft, hard = ours[name]["limits"]["Max open files"]
        may_raise = int(host.status("self")["CapEff"], 16) >> 24 & 1 # CAP_SYS_RESOURCE
        tap.eq((soft, hard), (1024, 524288 if may_raise else 4096), f"{name}: so are its limits")
    p.do("kill")

    # The same root, by lxc-start from a clean state with the same generated configuration.
    conf = p.directory / "bare.conf"
    conf.write_text(
        f"lxc.rootfs.path = dir:{p.root()}\nlxc.rootfs.options = idmap=container\nlxc.idmap = u 0 {p.base} "
        f"65536\nlxc.idmap = g 0 {p.base} 65536\nlxc.net.0.type = empty\n"
        f"lxc.uts.name = k\nlxc.cgroup.dir.monitor = {p.prefix}/{p.cid}/monitor\nlxc.cgroup.dir.container = "
        f"{p.prefix}/{p.cid}/payload\nlxc.cgroup.dir.monitor.pivot = {p.prefix}/{p.cid}/worker\nlxc.mount.auto = "
        "proc:mixed sys:ro\n"
    )
    subprocess.run([
        "env", "-i", "PATH=/nonexistent",
        shutil.which("lxc-start"), "-n", p.cid, "-P",
        str(p.directory / "lxc"), "-f",
        str(conf), "-d"
    ], check=True, cwd="/", close_fds=True, umask=0o022)
    pids = host.monitor_of(p.prefix, p.cid), host.init_of(p.prefix, p.cid)
    for key in ("SigBlk", "SigIgn", "SigCgt"):
        # busybox's init blocks some for a moment
        seen = host.poll(
            lambda: ours
            if all(host.status(pid).get(key) == ours[name][key]
                   for pid, name in zip(pids, ("monitor", "init"))) else None, 2)
        tap.ok(seen, f"{key} is as lxc-start leaves it", ours, portrait(*pids))
    p.do("kill")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    p = Place()
    try:
        each_job(p)
        tap.eq(p.do("rootfs"), 0, "a root for the rest")
        limited(p)
        unbounded(p)
        no_init(p)
        host_goes_down(p)
        ends_by_itself(p)
        is_filtered(p)
        killed_launches(p)
        told_ahead(p)
        stopped_monitor(p)
        takes_turns(p)
        inherits_nothing(p)
        tap.eq(p.do("rootfs-remove"), 0, "removed")
        tap.eq((host.pids_of(p.prefix), host.mounts_below(p.directory), list(
            (p.directory / "pool/containers").iterdir()), list((p.directory / "lxc").iterdir())), ([], [], [], []),
               "nothing is left")
    finally:
        p.remove()
    tap.done()


main()
