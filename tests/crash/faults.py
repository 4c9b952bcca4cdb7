#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every system call that may fail fails once: the N-th one of a kind, in the agent, a worker, what liblxc forks from
it, the hooks and the leaves, during each of the ops.

A call fails by tests/tools/failnth, from outside of unmodified programs. First an op is made as it is and its calls are
counted; then for each (program, kind of call, error, N) it is made again with that one failing. It must end once, with
success or with a code and a sentence; after a failure the host, its firewall and what the node knows are what they were
before; after a success they are what the op says; the agent may have ended itself (what it can't commit, memory that it
doesn't get), then its successor answers for all that; and what takes the op back, without a fault, must work. No
descriptor, process or file is left.

An allocation fails where malloc(3) asks the kernel. In a second round it asks for each (glibc.malloc.mmap_threshold),
so that every allocation of the agent is reached.

Calls into liblxc and SQLite fail by tests/tools/failcall.so, in a third round: they are refused, or done and said to
have failed, or never return, or are half done. There an agent that starts is struck too, and a session.

A sample by default, a seed for it is printed (HOODY_SEED repeats it; HOODY_FAULTS says how many for each op, "all"
makes all); HOODY_PARTS, HOODY_OPS, HOODY_PROGRAMS and HOODY_KINDS name fewer."""
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import struck
import tap
import webserver

FAULTS = os.environ.get("HOODY_FAULTS", "4")
FEW = 6 # ops whose allocations are sampled
# kind: (calls, errors, how many in a row)
KINDS = {
    "memory": ("mmap,brk,mremap", ("ENOMEM", ), 3), # malloc(3) tries brk, then mmap, then brk
    "open": ("openat,openat2,open_tree", ("EMFILE", "EIO"), 1),
    "descriptor": (
        "socket,socketpair,accept4,pipe2,dup,dup2,dup3,epoll_create1,timerfd_create,memfd_create,pidfd_open,"
        "inotify_init1,inotify_add_watch",
        ("EMFILE", ), 1),
    "watch": ("epoll_ctl", ("ENOSPC", "ENOMEM"), 1),
    "write": ("write,writev,pwrite64,ftruncate,fallocate,copy_file_range,sendfile", ("ENOSPC", "EIO"), 1),
    "read": (
        "read,pread64,getdents64,readlink,readlinkat,newfstatat,fstat,statx,fstatfs,statfs,lseek,access,faccessat,"
        "faccessat2",
        ("EIO", ), 1),
    "lock": ("fcntl,flock", ("EIO", ), 1),
    "sync": ("fsync,fdatasync,syncfs", ("EIO", "ENOSPC"), 1),
    "tree": (
        "mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,linkat,mknodat,chmod,fchmod,"
        "fchmodat,chown,fchown,fchownat,lchown,utimensat,ioctl,fsetxattr",
        ("EIO", "ENOSPC"), 1),
    "send": ("sendmsg,sendto", ("ENOBUFS", ), 1),
    "receive": ("recvmsg,recvfrom", ("ENOMEM", ), 1),
    "process": ("clone,clone3,fork,vfork,execve,execveat,setpgid,setsid", ("EAGAIN", "ENOMEM"), 1),
    "mount": ("mount,umount2,move_mount,mount_setattr,fsopen,fsconfig,fsmount,pivot_root,chroot,setns,unshare",
              ("ENOMEM", "EPERM"), 1),
    "identity": (
        "setresuid,setresgid,setgroups,setuid,setgid,prctl,capset,sethostname,seccomp,chdir,fchdir,prlimit64,setrlimit",
        ("EPERM", ), 1),
    "attribute": ("llistxattr,lgetxattr,lsetxattr,lremovexattr,fgetxattr", ("EIO", "ENOSPC"), 1),
    "handle": (
        "name_to_handle_at,open_by_handle_at,pidfd_getfd,fspick,bpf,keyctl,mlock,signalfd4,accept,close_range",
        ("ENOMEM", ), 1),
    "signal": ("kill,pidfd_send_signal", ("EPERM", ), 1),
    "connection": ("connect,bind,listen,setsockopt,getsockname,getsockopt,shutdown", ("ENOBUFS", ), 1),
}
# The same of calls into liblxc and SQLite (tests/tools/failcall.c), which are the worker's and the agent's alone.
LIBRARIES = {
    "liblxc": ("lxc_new,lxc_load,lxc_set", ("REFUSED", "LATE"), 1),
    "liblxc-start": ("lxc_daemonize,lxc_close_fds,lxc_start,lxc_state", ("REFUSED", "LATE"), 1),
    "liblxc-lie": ("lxc_start", ("LIE",), 1),
    "liblxc-hang": ("lxc_new,lxc_load,lxc_daemonize,lxc_start,lxc_state", ("HANG", "HANG-LATE"), 1),
    "sql-call": ("sql_step,sql_exec", ("IOERR", "FULL", "BUSY", "CORRUPT", "LATE"), 1),
    "sql-write": ("sql_write", ("IOERR", "FULL", "HALF", "LATE"), 1),
    "sql-read": ("sql_read", ("IOERR", "CORRUPT", "HALF"), 1),
    "sql-file": ("sql_sync,sql_truncate,sql_size,sql_delete,sql_access,sql_lock", ("IOERR", "LATE"), 1),
    "sql-lock": ("sql_lock", ("BUSY",), 1),
    "sql-open": ("sql_open", ("CANTOPEN",), 1),
}
SESSION = ("lxc_new", "lxc_set", "lxc_attach")
PARTS = ("calls", "allocations", "libraries")
# Faults that once were met badly, and are made each time: the first so many.
ALWAYS = {
    "create": (("lxc-monitor", "connection", "ENOBUFS", 8),), # it succeeded, and was stopped
    "network.start": (("hoody-agent", "receive", "ENOMEM", 8),), # failed, though it was in force
    "image.pull": (("hoody-agent", "read", "EIO", 8),       # failed, and the image stayed, known to nobody
                   ("hoody-unpack", "process", "EAGAIN", 1), # the image was said to be invalid
                   ("hoody-unpack", "signal", "EPERM", 1)),  # waited for a child that it had not ended
    "restart": (("hoody-netup", "mount", "ENOMEM", 1),      # it ended stopped
                ("lxc-monitor", "watch", "ENOSPC", 3)),     # it succeeded, and was stopped
    "start-soon": (("hoody-worker", "liblxc-start", "REFUSED", 2),), # started whatever liblxc refused
    "resume": (("hoody-worker", "open", "EMFILE", 20),),    # "succeeded", still paused
}
PROGRAMS = ("hoody-agent", "hoody-ctflows", "hoody-drift", "hoody-worker", "hoody-unpack", "lxc-monitor",
            "hoody-netup", "hoody-groups", "hoody-mounts", "hoody-netproxy", "hoody-courier", "hoody-portal")
CALLS = ",".join(c for calls, _, _ in KINDS.values() for c in calls.split(","))
# What these have ended stays ended when they fail, and the next order finishes it.
ENDS = ("container.delete", "container.stop", "container.force-stop")


def wanted(variable, names):
    return [n for n in names if n in os.environ.get(variable, n).split(",")]


def choose(points, rng):
    """As many of the points as are asked for: a program and a kind first, so that the few mounts are not lost among the
    many reads."""
    every = [(*key, n) for key, came in points.items() for n in range(1, came + 1)]
    if FAULTS == "all" or len(every) <= int(FAULTS):
        return every
    found = set()
    while len(found) < int(FAULTS):
        key = rng.choice(list(points))
        found.add((*key, rng.randint(1, points[key])))
    return sorted(found)


class Op:
    """One that is struck: what is done before, the order itself, and what takes it back."""

    def __init__(self, name, op, subject=None, params=None, before=(), after=(), state=None):
        self.name, self.op, self.subject, self.params = name, op, subject, params or {}
        self.before, self.after, self.state = before, after, state


def must(node, op, cid, **params):
    """An order that succeeds, or finds the state that it would make."""
    report = node.do(op, cid, **params)
    if report["state"] != "succeeded" and report["error"]["code"] != "OPERATION_STATE_CONFLICT":
        raise harness.Failure(f"{op} {params}: {report.get('error')}")
    return report


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl test"
ALLOW = {"action": "allow", "protocol": "tcp", "destination_port": "80"}
BLOCK = {"type": "block"}
PROXIED = {"type": "socks5", "proxy": "socks5://127.0.0.1:9"} # where nobody answers


def ops_of(node, image):
    """All ops, and the containers that they need: {name: id}"""
    box, other, mirror, new, share = (node.new_id() for _ in range(5))
    for cid, name in ((box, "box"), (other, "other")):
        must(node, "container.create", cid, image=harness.IMAGE, name=name)
    (node.root(other) / "data").mkdir()
    (node.root(other) / "data/f").write_text("x")
    must(node, "container.copy", mirror, source_container_id=other, start=False)
    must(node, "snapshot.create", box, alias="base")
    start, stop, off = ("container.start", box, {}), ("container.force-stop", box, {}), ("container.delete", new,
                                                                                         {"force": True})
    of_other = {
        "share_id": share, "source_container_id": other, "source_path": "/data", "target_container_id": box,
        "mode": "readonly", "mount_path": "/mnt/s"
    }
    ops = (
        Op(
            "create", "container.create", new, {
                "image": harness.IMAGE, "name": "new", "environment_vars": {"A": "b"}, "ssh_public_key": KEY,
                "ramdisk": True, "limits": {"pids": 200, "memory_bytes": 1 << 28}
            }, after=(off, ), state="running"),
        Op("delete", "container.delete", new,
           before=(("container.create", new, {"image": harness.IMAGE,
                                              "start": False}), ), after=(off, ), state="absent"),
        Op("delete-running", "container.delete", new, {"force": True},
           before=(("container.create", new, {"image": harness.IMAGE}), ), after=(off, ), state="absent"),
        Op("start", "container.start", box, before=(stop, ), after=(stop, ), state="running"),
        Op("start-soon", "container.start", box, {"timeout_s": 2}, before=(stop, ), after=(stop, ), state="running"),
        Op("stop", "container.stop", box, {"timeout_s": 5}, before=(start, ), state="stopped"),
        Op("force-stop", "container.force-stop", box, before=(start, ), state="stopped"),
        Op("restart", "container.restart", box, before=(start, ), state="running"),
        Op("pause", "container.pause", box, before=(start, ), after=(("container.resume", box, {}), ), state="paused"),
        Op("resume", "container.resume", box, before=(
            start,
            ("container.pause", box, {}),
        ), state="running"),
        Op(
            "update", "container.update", box,
            {"name": "pox", "ramdisk": True, "ssh_public_key": KEY, "limits": {"pids": 100}}, before=(start, ),
            after=(("container.update", box,
                    {"name": "box", "ramdisk": False, "ssh_public_key": None, "limits": {"pids": 300}}), )),
        Op("env", "env.set", box, {"key": "K", "value": "v"}, after=(("env.unset", box, {"key": "K"}), )),
        Op("firewall.add", "firewall.add", box, {"direction": "ingress", "rule": ALLOW}, before=(start, ),
           after=(("firewall.reset", box, {}), )),
        Op("firewall.replace", "firewall.replace", box, {"ingress": [], "egress": [ALLOW]},
           before=(("firewall.add", box, {"direction": "ingress",
                                          "rule": ALLOW}), ), after=(("firewall.reset", box, {}), )),
        Op("network.configure", "network.configure", box, BLOCK, after=(("network.remove", box, {}), )),
        Op("network.start", "network.start", box, before=(("network.configure", box, BLOCK), ),
           after=(("network.stop", box, {}), ("network.remove", box, {}))),
        Op("network.proxy", "network.start", box, before=(start, ("network.configure", box, PROXIED)),
           after=(("network.stop", box, {}), ("network.remove", box, {}))),
        Op("snapshot.create", "snapshot.create", box, {"alias": "s"}, before=(start, ),
           after=(("snapshot.delete", box, {"name": "s"}), )),
        Op("snapshot.delete", "snapshot.delete", box, {"name": "s"},
           before=(("snapshot.create", box, {"alias": "s"}), ), after=(("snapshot.delete", box, {"name": "s"}), )),
        Op("snapshot.restore", "snapshot.restore", box, {"name": "base"}, before=(start, ), state="running"),
        Op("copy", "container.copy", new, {"source_container_id": other, "start": False}, after=(off, ),
           state="stopped"),
        Op("sync", "container.sync", mirror, state="stopped"),
        Op("share.create", "share.create", None, of_other, before=(start, ),
           after=(("share.delete", None, {"share_id": share}), )),
        Op("share.delete", "share.delete", None, {"share_id": share}, before=(start, ("share.create", None, of_other)),
           after=(("share.delete", None, {"share_id": share}), )),
        Op("image.pull", "image.pull", None, image, after=(("image.remove", None, {"image": image["image"]}), )),
        Op("resync", "node.resync"),
    )
    return ops, (box, other, mirror)


# --- what there is ---

def known(node, path):
    """What the node says of itself. The portal may have been struck, and comes back."""
    def ask():
        try:
            return (local.Local(node).do("GET", path),)
        except (OSError, AssertionError):
            return None
    answer = host.poll(ask, 10)
    return answer[0] if answer else {"no answer": path}


def without(value, names):
    if isinstance(value, dict):
        return {k: without(v, names) for k, v in value.items() if k not in names}
    return [without(v, names) for v in value] if isinstance(value, list) else value


def table(node):
    """The firewall without what the kernel numbers and counts."""
    text = subprocess.run(["nft", "list", "table", "inet", node.table], capture_output=True, text=True).stdout
    return "\n".join(
        sorted(re.sub(r"counter packets \d+ bytes \d+|# handle \d+", "", line).strip() for line in text.splitlines()))


def picture(node, cids):
    """What a failed op must leave as it was: the host by the kernel, and what the node knows."""
    p = node.picture()
    del p["pids"]
    p["pool"] = [path for path in p["pool"] if not path.endswith("/.base")] # a sync's, and no loss
    p["lxc"] = [path for path in p["lxc"] if len(pathlib.Path(path).parts) == 3] # not the logs in them
    p["firewall"], p["states"] = table(node), {cid: node.state(cid) for cid in cids}
    for path in ("/containers", "/storage/shares", "/images/user",
                 *(f"/containers/{cid}/{what}" for cid in cids[:1]
                   for what in ("firewall/rules", "network", "env", "snapshots"))):
        p[path] = without(
            known(node, path),
            ("updated_at", "status_changed_at", "uptime", "uptime_s", "pid", "stats", "started_at", "env_sync",
             "last_status_check", "last_check"))
    return p


def differences(was, now):
    """Line by line, which are gone and which are new."""
    lines = lambda v: v.splitlines() if isinstance(v, str) else json.dumps(v, indent=0, sort_keys=True).splitlines()
    return [
        f"{k}: gone {[x for x in lines(was[k]) if x not in lines(now[k])]}, new "
        f"{[x for x in lines(now[k]) if x not in lines(was[k])]}"
        for k in was if was[k] != now[k]
    ]


def descriptors(node):
    return len(os.listdir(f"/proc/{node.agent_pid()}/fd"))


# --- one fault ---

class Sweep:
    def __init__(self, node, cids):
        self.node, self.cids = node, cids
        self.figures = collections.defaultdict(collections.Counter)
        self.kinds = KINDS
        self.idle = None # descriptors of this agent when it has nothing to do

    def quiet(self):
        """Its descriptors after an op of its own, and no more workers than the warm one."""
        node = self.node
        return host.poll(lambda: len(node.worker_pids()) <= 1 and (self.idle is None or descriptors(node) <= self.idle),
                         5, 0.02)

    def do(self, orders):
        for op, cid, params in orders:
            must(self.node, op, cid, **params)

    def settle(self, op=None):
        """The link of one that ended is there until the kernel has cleared it away: it is in nobody's picture."""
        cids = {*self.cids, *((op.subject,) if op and op.subject else ())}
        alive = lambda: sum(self.node.state(cid) in ("running", "paused") for cid in cids)
        host.poll(lambda: sum(n.startswith(self.node.interfaces) for n in host.links()) <= alive(), 5, 0.02)

    def says(self, cid):
        return known(self.node, f"/containers/{cid}").get("status")

    def census(self, op):
        """The op without a fault: its calls."""
        self.do(op.before)
        self.node.plan()
        must(self.node, op.op, op.subject, **op.params)
        host.poll(lambda: len(self.node.worker_pids()) <= 1, 5)
        counts = self.node.plan()[2]
        self.do(op.after)
        return counts

    def points(self, op):
        """{(program, kind, error): how many calls}"""
        return self.points_of(self.census(op), "timeout_s" in op.params)

    def points_of(self, counts, soon):
        found = {}
        for program in ("hoody-agent",) if self.node.each else wanted("HOODY_PROGRAMS", PROGRAMS):
            for kind in ("memory",) if self.node.each else wanted("HOODY_KINDS", self.kinds):
                if kind in ("memory", "identity") and harness.SANITIZED:
                    continue # it would be the sanitizer's own: its memory, its limits
                if kind == "liblxc-hang" and not soon:
                    continue # its end is a minute away
                calls, errors, _ = self.kinds[kind]
                came = sum(counts.get((program, c), 0) for c in calls.split(","))
                found.update({(program, kind, error): came for error in errors if came})
        return found

    def strike(self, op, program, kind, error, n):
        """One fault; what is wrong after it."""
        node, (calls, _, times) = self.node, self.kinds[kind]
        self.do(op.before)
        self.settle(op)
        was, log_at, agent = picture(node, self.cids), node.log.stat().st_size, node.agent
        node.plan(program, calls, f"{n}*{times}", error)
        report, death = node.end_of(
            node.issue({"op": op.op, "container_id": op.subject, "project_id": harness.PROJECT, "params": op.params}))
        hits, call, late = node.calm() if node.agent is agent else (1, "?", None)
        death = late or death
        with open(node.log, errors="replace") as f:
            f.seek(log_at)
            words = f.read()
        wrong = []
        if death is not None:
            self.idle = None
            # What it chooses: memory that it doesn't get, a state that it can't write, a kernel that it can't ask, a
            # start that fails.
            said = any(w in words for w in ("store: ", "the state can't be", "the kernel can't be asked"))
            chosen = death == 128 + signal.SIGABRT and (kind in ("memory", "watch")
                                                        or said) or death == 1 and "can't go on" in words
            wrong += [] if chosen else [f"the agent ended by itself ({death})"]
        if any(w in words for w in ("Assertion ", "runtime error:", "ERROR: AddressSanitizer", "ERROR: LeakSanitizer")):
            wrong.append("an assertion or a sanitizer spoke")
        done = report and report["state"] == "succeeded"
        ended = "succeeded" if done else "failed"
        outcome = "not hit" if not hits else "agent restarted" if death is not None else ended
        self.figures[(program, kind)][outcome] += 1
        self.figures["all"][outcome] += 1
        if report is None:
            wrong.append(f"no end within {struck.END_S} s")
        elif report["state"] == "succeeded":
            if op.state and not host.poll(lambda: node.state(op.subject) == op.state, 2):
                wrong.append(f"it succeeded, and the container is {node.state(op.subject)}")
            if kind in LIBRARIES and error == "REFUSED" and hits and call != "lxc_state": # asked to wait, not to know
                wrong.append("it succeeded without what was refused")
        else:
            error_ = report.get("error") or {}
            if not error_.get("code") or not error_.get("message"):
                wrong.append("an error without a code or a sentence")
            if kind in LIBRARIES and kind != "liblxc-hang" and error_.get("code") == "TIMEOUT":
                wrong.append("it waited for the end of its time")
            if program == "hoody-unpack" and kind == "process" and error_.get("code") == "IMAGE_INVALID":
                wrong.append("an image is blamed for what the host lacks")
            if op.op not in ENDS and not host.poll(lambda: picture(node, self.cids) == was, 3, 0.05):
                wrong += differences(was, picture(node, self.cids))
        if not host.poll(lambda: all(self.says(cid) == node.state(cid) for cid in self.cids), 3, 0.05):
            wrong.append(
                f"the node says {[self.says(c) for c in self.cids]}, the host {[node.state(c) for c in self.cids]}")
        try:
            self.do(op.after)
        except harness.Failure as e:
            wrong.append(f"what takes it back fails: {e}")
        if not self.quiet():
            fds = f"/proc/{node.agent_pid()}/fd"
            wrong.append(f"{descriptors(node)} descriptors instead of {self.idle}, workers {node.worker_pids()}: "
                         f"{[os.readlink(f'{fds}/{f}') for f in os.listdir(fds)]}")
        if node.each and death is None: # what malloc(3) has got instead would serve many more
            node.stop_agent()
            node.begin()
            self.idle = None
        if wrong:
            wrong += [f"call {call}, {outcome}, report {report}", *words.splitlines()[-12:]]
        return wrong


    def rest(self):
        """The descriptors of an agent that has nothing to do."""
        host.poll(lambda: len(self.node.worker_pids()) <= 1, 5)
        self.idle = descriptors(self.node) + 3 # a poll, a delivery, a local caller

    def round(self, op, rng):
        points, wrongs, began = self.points(op), [], time.monotonic()
        chosen = choose(points, rng)
        if not self.node.each:
            chosen = sorted({
                *chosen, *((*key, n) for *key, most in ALWAYS.get(op.name, ())
                           for n in range(1,
                                          min(most, points.get(tuple(key), 0)) + 1))
            })
        for point in chosen:
            if self.idle is None:
                self.rest()
            try:
                wrong = self.strike(op, *point)
            except (harness.Failure, OSError) as e:
                wrong = [f"can't go on: {e}"]
                self.node.kill9("agent")
                self.node.begin()
                self.idle = None
            if wrong:
                wrongs.append(f"{' '.join(map(str, point))}: {wrong[0]}")
                for line in (f"WRONG {op.name}: {point}", *wrong):
                    tap.note(line)
        tap.ok(
            not wrongs,
            f"{op.name}: {len(chosen)} of {sum(points.values())} "
            f"faults{' of an allocation' if self.node.each else ''}, in {time.monotonic() - began:.0f} s",
            *wrongs[:20])

    # --- who enters a container ---

    def strike_session(self, cid, error, n):
        """hoodyctl with one call of liblxc's failing ends with a sentence, and leaves nobody inside."""
        node, wrong = self.node, []
        node.preloaded.plan(SESSION, str(n), error)
        code, _, err = node.ctl("exec", cid, "true")
        hits, call, _ = node.preloaded.plan()
        outcome = "not hit" if not hits else "succeeded" if code == 0 else "failed"
        self.figures[("session", call)][outcome] += 1
        self.figures["all"][outcome] += 1
        if code and not err.strip():
            wrong.append(f"it ended with {code} and no word")
        if not host.poll(lambda: host.pids_of(node.prefix, cid) == self.inside, 5, 0.05):
            wrong.append(f"processes {self.inside} became {host.pids_of(node.prefix, cid)}")
        if node.ctl("exec", cid, "true")[0] != 0:
            wrong.append("the next one fails")
        return wrong

    def sessions(self, cid, rng):
        self.do((("container.start", cid, {}),))
        self.node.preloaded.plan()
        self.node.ctl("exec", cid, "true")
        came = sum(n for (_, call), n in self.node.preloaded.plan()[2].items() if call in SESSION)
        host.poll(lambda: len(self.node.worker_pids()) <= 1, 5)
        self.inside, wrongs, began = host.pids_of(self.node.prefix, cid), [], time.monotonic()
        faults = [(error, n) for error in ("REFUSED", "LATE") for n in range(1, came + 1)]
        if FAULTS.isdigit(): # a child of liblxc's that failed once passed for the command
            faults = [*rng.sample(faults, min(int(FAULTS), len(faults))), ("LATE", 5)]
        else: # the worker ends itself, in half a minute
            faults += [(error, n) for error in ("HANG", "HANG-LATE") for n in range(1, came + 1)]
        for fault in faults:
            wrongs += [f"{fault}: {w}" for w in self.strike_session(cid, *fault)]
        self.do((("container.force-stop", cid, {}),))
        tap.ok(not wrongs, f"a session: {len(faults)} faults, in {time.monotonic() - began:.0f} s", *wrongs[:20])

    # --- an agent that starts ---

    def begins(self, kind="", error="REFUSED", n=0):
        """Start it with one fault: does it become ready?"""
        node = self.node
        node.stop_agent()
        node.preloaded.plan(self.kinds[kind][0].split(",") if kind else (), str(n), error)
        return node.try_to_begin() and not host.poll(lambda: not node.is_up(), 0.1, 0.02)

    def strike_start(self, kind, error, n):
        """It starts, or says why not and starts the next time; what is wrong then."""
        self.settle()
        node, was, log_at, wrong = self.node, picture(self.node, self.cids), self.node.log.stat().st_size, []
        ready = self.begins(kind, error, n)
        hits = node.preloaded.plan()[0]
        with open(node.log, errors="replace") as f:
            f.seek(log_at)
            words = f.read()
        status = None if ready else node.agent.wait(struck.END_S)
        outcome = "not hit" if not hits else "started" if ready else "refused to start"
        self.figures[("start", kind)][outcome] += 1
        self.figures["all"][outcome] += 1
        if not ready and (status not in (1, 128 + signal.SIGABRT) or not words.strip()):
            wrong.append(f"the agent ended by itself ({status})")
        for aside in (node.directory / "state").glob("state.db.corrupt-*"): # as who runs the node does
            if not error in ("CORRUPT", "HALF"):
                wrong.append(f"{aside.name}, though it is whole")
            aside.rename(aside.with_name(re.sub(r"\.corrupt-[^-]*", "", aside.name)))
        if not ready:
            self.begins()
        if not node.is_up():
            wrong.append("it does not start without a fault")
        elif not host.poll(lambda: picture(node, self.cids) == was, 5, 0.05):
            wrong += differences(was, picture(node, self.cids))
        return [*wrong, outcome, *words.splitlines()[-12:]] if wrong else []

    def starts(self, rng):
        self.begins()
        points = {k: n for k, n in self.points_of(self.node.plan()[2], False).items() if k[0] == "hoody-agent"}
        wrongs, began = [], time.monotonic()
        # One page that couldn't be read was once taken for damage.
        chosen = {*choose(points, rng), *((*k, n // 2) for k, n in points.items() if k[1:] == ("sql-read", "IOERR"))}
        for _, kind, error, n in sorted(chosen):
            try:
                wrong = self.strike_start(kind, error, n)
            except (harness.Failure, OSError, subprocess.TimeoutExpired) as e:
                wrong = [f"can't go on: {e}"]
                self.begins()
            if wrong:
                wrongs.append(f"{kind} {error} {n}: {wrong[0]}")
                for line in (f"WRONG start of the agent: {kind} {error} {n}", *wrong):
                    tap.note(line)
        tap.ok(
            not wrongs, f"an agent that starts: {len(chosen)} of {sum(points.values())} faults, "
            f"in {time.monotonic() - began:.0f} s", *wrongs[:20])
        self.idle = None


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    tap.note(f"seed {seed}")
    parts = wanted("HOODY_PARTS", ("calls",) if harness.SANITIZED else PARTS)
    preloaded = struck.Preloaded() if "libraries" in parts else None
    with struck.Struck(CALLS, preloaded) as node:
        struck.more_flows()
        server = webserver.Server(node.directory)
        archive = node.directory / "image.tar"
        image = {"image": "a/1", "url": server.url("image.tar"), "sha256": ""}
        ops, cids = ops_of(node, image)
        subprocess.run(["tar", "-C", node.root(cids[2]), "-cf", archive, "."], check=True)
        image["sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
        sweep = Sweep(node, cids)
        for part in parts:
            node.each = part == "allocations"
            sweep.kinds = LIBRARIES if part == "libraries" else KINDS
            node.calls = "acct" if part == "libraries" else CALLS # nobody's: no other call has to wait
            node.stop_agent()
            node.begin()
            sweep.idle = None
            names = wanted("HOODY_OPS", [op.name for op in ops])
            if node.each and len(names) == len(ops) and FAULTS.isdigit():
                names = rng.sample(names, FEW) # each has some thousand allocations, most of them the same
            for op in ops:
                if op.name in names:
                    sweep.round(op, rng)
            if part == "libraries" and "session" in wanted("HOODY_OPS", ("session",)):
                sweep.sessions(cids[0], rng)
            if part == "libraries" and "agent" in wanted("HOODY_OPS", ("agent",)):
                sweep.starts(rng)
        node.restart()
        for cid in reversed(cids):
            must(node, "container.delete", cid, force=True)
        stats = node.api.ask("stats")
        node.stop_agent()
        tap.eq((node.leaks(), stats["violations"], stats["orders_ended_twice"],
                stats["orders_issued"] - stats["orders_terminal"], node.sanitizer_words()), ([], [], 0, 0, []),
               "nothing is left, every order ended once, sanitizers are silent")
        for key in sorted(k for k in sweep.figures if k != "all"):
            tap.note(f"{' '.join(key)}: {dict(sweep.figures[key])}")
        tap.figure("faults: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(sweep.figures["all"].items())))
        server.close()
    if preloaded:
        preloaded.close()
    tap.done()


main()
