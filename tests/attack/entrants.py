#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every process of ours that enters a namespace of a container's, held at that moment (setns(2), by
tests/tools/failnth) and looked at in /proc. Who is held there is in the host's pid namespace still: nobody inside has a
pid of it, and so can't trace it. What each is and has there, down to whether it can be traced and whose keyring it has
(ask.c), is printed and held against a table. What liblxc brings in after that is attack/exec's, and so are filters:
whoever runs under failnth has one, and liblxc loads no second."""
import ctypes
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import struck
import tap

SPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
NTH_MAX = 30 # entries of one op
# What descriptors lead to.
KINDS = ((r"/dev/null", "null"), (r"pipe:", "pipe"), (r"socket:", "socket"), (r"anon_inode:", "anonymous"),
         (r"/dev/(pts|ptmx)", "terminal"), (r"/sys/fs/cgroup", "cgroups"), (r"\w+:\[", "namespace"),
         (r"/proc/\d+$", "a process"), (r"/$", "/"), (r"/proc$", "/proc"), (r"/proc/\d+/status$", "a status"),
         (r"/proc/sys/net/", "a setting"), (r"/proc/\d+/task/\d+/net/nf_conntrack$", "flows"),
         (r".*/run/turns$|.*/lock$", "lock"), (r".*\.log$", "log"))
# What those that enter may be and have. Whoever is in the host's pid namespace has its rights, and no more open than
# its work needs: nobody inside can name it …
MAY = {
    # (of hoody-netup, one thread enters a network that nobody is in yet; the others set up the host's end, and cut
    # the flows of its address)
    "hoody-netup": {"uid": "0", "pids": 1, "open": "a-setting anonymous flows lock log namespace null pipe socket"},
    "hoody-mounts": {"uid": "0", "pids": 1, "open": "/ /proc namespace null pipe"},
    # (who names a container goes to its init's namespace of names by a pidfd)
    "hoody-worker": {"uid": "0", "pids": 1, "open": "/ /proc anonymous cgroups lock log namespace null pipe socket"},
    "lxc-monitor": {"uid": "0", "pids": 1,
                    "open": "a-status anonymous cgroups lock log namespace null socket terminal"},
    # … a session's worker is another before it comes near (first it goes to where monitors are, which is no
    # container's: lxc/ctmonitor.h; what it has of the host's for that is closed when it enters one), …
    "a session's": {"uid": "0", "pids": 1, "dumpable": 0, "keyring": "its own",
                    "open": "a-process anonymous cgroups namespace null pipe socket"},
    # … and its child has a pid inside, until it becomes the container's.
    "inside": {"pids": 2, "dumpable": 0, "keyring": "its own", "sealed": True, "open": "null pipe socket"},
}
KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{c * 42} of a test" for c in "AB"]


def spaces_of(pid):
    try:
        return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in SPACES}
    except OSError:
        return {}


def is_below(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(host.status(pid).get("PPid", "0"))
    return False


def held(node):
    """Ours that are stopped: below the agent, or in a container's groups."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        pid = int(entry)
        if host.status(pid).get("State", "?")[0] != "T":
            continue
        try:
            groups = pathlib.Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        if f"/{node.prefix}/" in groups or is_below(pid, node.agent.pid):
            found.append(pid)
    return found


def kind(path):
    return next((word.replace(" ", "-") for start, word in KINDS if re.match(start, path)), path)


def descriptors(pid):
    """The kinds of what it has open."""
    return {kind(os.readlink(f"/proc/{pid}/fd/{fd}")) for fd in os.listdir(f"/proc/{pid}/fd")}


def ask(agent, pid):
    """Its words; or where both wait in the kernel, when there are none."""
    with harness.running([agent.ask, str(pid)], stdout=subprocess.PIPE, text=True) as process:
        try:
            return process.communicate(timeout=60)[0].split()
        except subprocess.TimeoutExpired:
            where = {
                p: [pathlib.Path(f"/proc/{p}/{f}").read_text() for f in ("status", "syscall", "stack", "cgroup")]
                for p in (pid, process.pid)
            }
            process.kill()
            raise harness.Failure(f"who is held isn't asked in 60 s: {where}") from None


def look(pid, container, agent):
    """What it is, and which of the container's namespaces it is in; it goes on."""
    st, own, kinds = host.status(pid), spaces_of(pid), descriptors(pid)
    sealed = os.readlink(f"/proc/{pid}/exe").startswith("/memfd:")
    said = ask(agent, pid)
    dumpable, keyring = map(int, said) if len(said) == 2 else (None, None)
    return {
        "name": st["Name"], "uid": st["Uid"].split()[0], "pids": len(st["NSpid"].split()),
        "in": "+".join(n for n in SPACES if container and own.get(n) == container[n]) or "none yet",
        "capabilities": st["CapEff"], "dumpable": dumpable,
        "keyring": "the agent's" if keyring == agent.keyring else "its own", "sealed": sealed,
        "open": " ".join(sorted(kinds))
    }


class Agent:
    """What those that come in are held against: the session keyring that it was started in."""

    def __init__(self, node, keyring):
        self.keyring, self.ask = keyring, node.directory / "ask"
        subprocess.run(["gcc", "-O1", "-o", self.ask, pathlib.Path(__file__).with_name("ask.c")], check=True)


def join_session_keyring():
    """Its serial number: keyctl(2), KEYCTL_JOIN_SESSION_KEYRING."""
    serial = ctypes.CDLL(None, use_errno=True).syscall(250, 1, None)
    if serial < 0:
        raise OSError(ctypes.get_errno(), "no session keyring")
    return serial


def faults(s):
    """What it is or has that it may not."""
    may = MAY.get("inside" if is_inside(s) else "a session's" if s["sealed"] else s["name"])
    if may is None:
        return ["nobody of that name may enter"]
    more = set(s["open"].split()) - set(may["open"].split())
    return [f"{what} {s[what]}" for what, value in may.items() if what != "open" and s[what] != value] + sorted(more)


def is_inside(seen):
    return "user" in seen["in"].split("+")


def entries(node, agent, cid, begin, call="setns"):
    """Do `begin` again and again, each time with the next entry of anybody held, before the call."""
    seen = []
    for nth in range(1, NTH_MAX):
        node.plan("*", call, str(nth), "STOP")
        is_done = begin(nth)
        host.poll(lambda: held(node) or is_done(), 30 * harness.SLOW)
        for pid in held(node):
            init = host.init_of(node.prefix, cid)
            seen.append(look(pid, spaces_of(init) if init else {}, agent))
            os.kill(pid, signal.SIGCONT)
        host.poll(is_done, 60 * harness.SLOW)
        if not node.plan()[0]:
            break
    return seen


def ordered(node, op, cid, make):
    """An order, with parameters for its n-th time."""
    def begin(nth):
        order = node.order(op, cid, **make(nth))
        return lambda: [
            r for r in node.reports(0, "order") if r["order_id"] == order and r["state"] in harness.TERMINAL
        ]
    return begin


def session(node):
    def begin(_):
        command = [
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T", "web", "true"
        ]
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        return lambda: process.poll() is not None
    return begin


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    if os.uname().machine != "x86_64":
        tap.skip_all("who is held is asked on x86-64")
    keyring = join_session_keyring()
    with struck.Struck("setns,execve") as node:
        agent = Agent(node, keyring)
        cid, source = node.new_id(), node.new_id()
        for container, name in ((cid, "web"), (source, "source")):
            tap.eq(
                node.do("container.create", container, image=harness.IMAGE, name=name)["state"], "succeeded",
                f"container {name} runs")
        share = {
            "share_id": node.new_id(), "source_container_id": source, "source_path": "/home",
            "target_container_id": cid, "mode": "readonly", "mount_path": "/shared"
        }
        tap.eq(node.do("share.create", cid, **share)["state"], "succeeded", "with a share")
        ops = {
            "restart": ordered(node, "container.restart", cid, lambda n: {}),
            "share": ordered(node, "share.mount", cid,
                             lambda n: {"share_id": share["share_id"], "container_id": cid, "mount": n % 2 == 0}),
            "environment": ordered(node, "env.set", cid, lambda n: {"key": "N", "value": str(n)}),
            "name": ordered(node, "container.update", cid, lambda n: {"name": f"web{n}"}),
            "key": ordered(node, "container.update", cid, lambda n: {"ssh_public_key": KEYS[n % 2]}),
            "snapshot": ordered(node, "snapshot.create", cid, lambda n: {"alias": f"s{n}"}),
            "session": None,
        }
        seen = {}
        for op, begin in ops.items():
            if op == "session": # it is called by its name
                node.do("container.update", cid, name="web")
                begin = session(node)
            seen[op] = entries(node, agent, cid, begin)
            if op == "session": # one call enters all; what is executed next is the container's own
                seen[op] += [s for s in entries(node, agent, cid, begin, "execve") if is_inside(s)]
            for s in seen[op]:
                tap.note(f"{op}: " + ", ".join(f"{k} {v}" for k, v in s.items()))
        all_seen = [s for list_of in seen.values() for s in list_of]
        tap.ok(seen["restart"] and seen["session"] and seen["share"], "starts, sessions and shares enter namespaces",
               {k: len(v) for k, v in seen.items()})
        inside = [s for s in all_seen if is_inside(s)]
        tap.eq([s for s in all_seen if s["pids"] != 1 and s not in inside], [],
               "none of them has a pid inside while it does")
        tap.ok(inside, "one enters the user namespace, too")
        tap.eq([(s["name"], s["in"], wrong) for s in all_seen if (wrong := faults(s))], [],
               "each of them is and has what its row of the table allows, and nothing else")
        for row in sorted({tuple(f"{k} {v}" for k, v in s.items()) for s in all_seen}):
            tap.figure(", ".join(row))
        tap.figure(f"{len(all_seen)} entries held and looked at: " + ", ".join(f"{k} {len(v)}"
                                                                               for k, v in seen.items()))
        for container in (cid, source):
            tap.eq(node.do("container.delete", container, force=True)["state"], "succeeded", "deleted")
        tap.eq(node.leaks(), [], "nothing is left")
    tap.done()


main()
