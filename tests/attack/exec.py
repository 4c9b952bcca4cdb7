#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root against the process that hoodyctl exec brings into its container: it seizes it by ptrace(2) and climbs
out by its descriptors; and what that process is at that moment, seen in /proc."""
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
import tap

TRIES = 20
HELD = 3 # sessions that are looked at
KEY = "hoody-attack"
ATTACKER = pathlib.Path(__file__).with_name("inside.c")


def exec_command(node, *words):
    return [
        str(w) for w in (harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T",
                         "web", *words)
    ]


class Attacker:
    """The attack, running in the container as its root."""

    def __init__(self, node, secret, mode):
        self.process = subprocess.Popen(exec_command(node, "/attack", secret, 60, mode), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.until("ready")

    def until(self, word):
        for line in self.process.stdout:
            if line.startswith(word):
                return line.split()
        return []

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        rest = self.process.communicate()[0]
        return rest.splitlines()


def attack(node, secret):
    attacker = Attacker(node, secret, "climb")
    done = [
        subprocess.run(exec_command(node, "true"), stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                       check=False).returncode for _ in range(TRIES)
    ]
    lines = attacker.end()
    seized, climbed = (len([x for x in lines if x.startswith(word)]) for word in ("seized", "climbed"))
    tap.eq(climbed, 0, f"no file of the host's is opened by the descriptors of {TRIES} sessions")
    tap.eq(seized, 0, "and none of their processes is seized before it is the container's own")
    tap.eq(done, [0] * TRIES, "all sessions did what was asked")
    tap.figure(f"{TRIES} sessions attacked: {seized} seized, {climbed} climbed out")


def is_held(pid):
    return host.status(pid).get("State", "?")[0] in "Tt"


def stopped(node, cid):
    """The session's process that the attacker holds, by its pid outside."""
    init = host.init_of(node.prefix, cid)
    space = os.readlink(f"/proc/{init}/ns/pid")
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if is_held(int(entry)) and os.readlink(f"/proc/{entry}/ns/pid") == space:
                found.append(int(entry))
        except OSError:
            pass
    return found


def look(pid):
    """What it is: from outside, at that moment."""
    fds = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{fd}"
        flags = int(re.search(r"flags:\s+(\d+)", pathlib.Path(f"/proc/{pid}/fdinfo/{fd}").read_text())[1], 8)
        fds[int(fd)] = (os.readlink(path), os.path.isdir(path), flags)
    st = host.status(pid)
    return {
        "uid": st["Uid"].split()[0], "inside": st["NSpid"].split()[-1], "owner": os.stat(f"/proc/{pid}/mem").st_uid,
        "exe": os.readlink(f"/proc/{pid}/exe"), "fds": fds, "CapEff": st["CapEff"], "Seccomp": st["Seccomp"]
    }


def moment(node, cid, secret):
    attacker, seen, sessions = Attacker(node, secret, "hold"), [], 0
    while len(seen) < HELD and sessions < 10 * TRIES:
        sessions += 1
        session = subprocess.Popen(exec_command(node, "true"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        host.poll(lambda: stopped(node, cid) or session.poll() is not None, 10 * harness.SLOW)
        held = stopped(node, cid)
        seen += [look(p) for p in held]
        if held: # else it was too quick for the attacker
            attacker.process.stdin.write("x")
            attacker.process.stdin.flush()
        session.wait(60)
    attacker.end()
    tap.figure(f"{len(seen)} of {sessions} sessions' processes held at their entry")
    for s in seen[:1]:
        tap.figure("one of them: " + ", ".join(f"{k} {v}" for k, v in s.items() if k != "fds") +
                   f", {len(s['fds'])} descriptors")
    tap.ok(seen, "a session's process is held at its entry")
    tap.eq([s["exe"] for s in seen if not s["exe"].startswith("/memfd:hoody-worker")], [],
           "its program is no file of the host's")
    # It is held at whatever it does first: when it reads of itself, that is in the container's own /proc.
    own = r"(pipe|socket):\[\d+\]|/dev/null|anon_inode:.*|/proc/{}/status"
    tap.eq([f for s in seen for f in s["fds"].values() if not re.fullmatch(own.format(s["inside"]), f[0])], [],
           "no directory, no cgroup, no log and no other file is among its descriptors")


def keys(node):
    """What the agent's session keyring has is not the container's."""
    out = subprocess.run(exec_command(node, "/attack", KEY, 0, "keys"), capture_output=True, text=True, timeout=60,
                         check=True).stdout
    tap.ok(KEY in pathlib.Path("/proc/keys").read_text(),
           "a key is in the session keyring that the agent was started in")
    tap.eq(out, "no key\n", "and no session possesses it")


def join_session_keyring():
    libc = ctypes.CDLL(None, use_errno=True)
    # keyctl(2) KEYCTL_JOIN_SESSION_KEYRING, add_key(2) KEY_SPEC_SESSION_KEYRING; x86-64
    if libc.syscall(250, 1, None) < 0 or libc.syscall(248, b"user", KEY.encode(), b"secret", 6, -3) < 0:
        raise OSError(ctypes.get_errno(), "no session keyring")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    if os.uname().machine != "x86_64":
        tap.skip_all("the attack is written for x86-64")
    join_session_keyring()
    with harness.Node() as node:
        secret = node.directory / "secret"
        secret.write_text("of the host's\n")
        secret.chmod(0o600)
        cid = node.new_id()
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="web")["state"], "succeeded", "a container runs")
        subprocess.run(
            ["gcc", "-static", "-O1", "-o", node.directory / "pool/containers" / cid / "rootfs/attack", ATTACKER],
            check=True)
        keys(node)
        attack(node, secret)
        moment(node, cid, secret)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq(node.leaks(), [], "nothing is left")
    tap.done()


main()
