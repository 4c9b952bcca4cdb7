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
# Faults that once were met badly, and are made each time: the first so many.
ALWAYS = {
    "network.start": (("hoody-agent", "receive", "ENOMEM", 8),), # failed, though it was in force
    "image.pull": (("hoody-agent", "read", "EIO", 8),       # failed, and the image stayed, known to nobody
                   ("hoody-unpack", "process", "EAGAIN", 1), # the image was said to be invalid
                   ("hoody-unpack", "signal", "EPERM", 1)),  # waited for a child that it had not ended
    "restart": (("hoody-netup", "mount", "ENOMEM", 1),      # it ended stopped
                ("lxc-monitor", "watch", "ENOSPC", 3)),     # it succeeded, and was stopped
    "resume": (("hoody-worker", "open", "EMFILE", 20),),    # "succeeded", still paused
}
PROGRAMS = ("hoody-agent", "hoody-ctcut", "hoody-worker", "hoody-unpack", "lxc-monitor", "hoody-netup", "hoody-groups",
            "hoody-mounts", "hoody-netproxy", "hoody-courier", "hoody-portal")
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
        self.idle = None # descriptors of this agent when it has nothing to do

    def quiet(self):
        """Its descriptors after an op of its own, and no more workers than the warm one."""
        node = self.node
        return host.poll(lambda: len(node.worker_pids()) <= 1 and (self.idle is None or descriptors(node) <= self.idle),
                         5, 0.02)

    def do(self, orders):
        for op, cid, params in orders:
            must(self.node, op, cid, **params)

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
        counts, found = self.census(op), {}
        for program in ("hoody-agent",) if self.node.each else wanted("HOODY_PROGRAMS", PROGRAMS):
            for kind in ("memory",) if self.node.each else wanted("HOODY_KINDS", KINDS):
                if kind in ("memory", "identity") and harness.SANITIZED:
                    continue # it would be the sanitizer's own: its memory, its limits
                calls, errors, _ = KINDS[kind]
                came = sum(counts.get((program, c), 0) for c in calls.split(","))
                found.update({(program, kind, error): came for error in errors if came})
        return found

    def strike(self, op, program, kind, error, n):
        """One fault; what is wrong after it."""
        node, (calls, _, times) = self.node, KINDS[kind]
        self.do(op.before)
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
            chosen = death == 128 + signal.SIGABRT and (kind in ("memory", "watch") or "the state can't be" in words
                                                        or "the kernel can't be asked"
                                                        in words) or death == 1 and "can't go on" in words
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
        else:
            error_ = report.get("error") or {}
            if not error_.get("code") or not error_.get("message"):
                wrong.append("an error without a code or a sentence")
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


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    tap.note(f"seed {seed}")
    with struck.Struck(CALLS) as node:
        server = webserver.Server(node.directory)
        archive = node.directory / "image.tar"
        image = {"image": "a/1", "url": server.url("image.tar"), "sha256": ""}
        ops, cids = ops_of(node, image)
        subprocess.run(["tar", "-C", node.root(cids[2]), "-cf", archive, "."], check=True)
        image["sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
        sweep = Sweep(node, cids)
        for part in wanted("HOODY_PARTS", ("calls",) if harness.SANITIZED else ("calls", "allocations")):
            node.each = part == "allocations"
            node.stop_agent()
            node.begin()
            sweep.idle = None
            names = wanted("HOODY_OPS", [op.name for op in ops])
            if node.each and len(names) == len(ops) and FAULTS.isdigit():
                names = rng.sample(names, FEW) # each has some thousand allocations, most of them the same
            for op in ops:
                if op.name in names:
                    sweep.round(op, rng)
        node.restart()
        for cid in reversed(cids):
            must(node, "container.delete", cid, force=True)
        host.poll(lambda: not node.leaks(), 5)
        stats = node.api.ask("stats")
        node.stop_agent()
        tap.eq((node.leaks(), stats["violations"], stats["orders_ended_twice"],
                stats["orders_issued"] - stats["orders_terminal"], node.sanitizer_words()), ([], [], 0, 0, []),
               "nothing is left, every order ended once, sanitizers are silent")
        for key in sorted(k for k in sweep.figures if k != "all"):
            tap.note(f"{' '.join(key)}: {dict(sweep.figures[key])}")
        tap.figure("faults: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(sweep.figures["all"].items())))
        server.close()
    tap.done()


main()
