# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs one test, and is the parent of whatever it leaves: python3 supervise.py SECONDS LOG COMMAND…

When its time is up, or this process is told to end, or who started it dies, the test is asked to end (SIGTERM), has 30
s for it, and is then killed with everything that it has started, whatever session, group or namespace that is in.
Prints one line of JSON: status (as a shell has it), why (null, "time" or "interrupted"), seconds, cpu_s of all its
processes, left (what was still there when it had ended by itself, and was taken off)."""
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SLOW = float(os.environ.get("HOODY_TEST_SLOW", "1"))
GRACE_S = 30 * SLOW # for its own cleaning up
LATE_S = 10 * SLOW  # for what it has told to end and not waited for
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def parents():
    """{pid: parent's pid} of all that live; what nobody has waited for yet does not."""
    found = {}
    for entry in os.listdir("/proc"):
        try:
            state, parent = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(
                ")", 1)[1].split()[:2] if entry.isdigit() else ("Z", 0)
        except OSError:
            continue
        if state not in "ZX":
            found[int(entry)] = int(parent)
    return found


def descendants():
    """Of this process: orphans are handed to it."""
    of, found, fresh = parents(), set(), {os.getpid()}
    while fresh:
        fresh = {pid for pid, parent in of.items() if parent in fresh} - found
        found |= fresh
    return found


def word(pid):
    try:
        return f"process {pid}: " + pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(
            b"\0", b" ").decode(errors="replace").strip()[:120]
    except OSError:
        return f"process {pid}"


def slot():
    """A number of 30 that no other test of this machine has as long as we hold the socket."""
    s = socket.socket(socket.AF_UNIX)
    for n in range(30):
        try:
            s.bind(f"\0hoody-test-slot-{n}")
            return s, n
        except OSError:
            pass
    return s, os.getpid() % 30


class Places:
    """What is named after a test's process: cgroups, mounts and directories of hoody-tPID. Numbers come again: what
    stood there before the test is another's."""

    def __init__(self, pids=(), before=frozenset()):
        self.names, self.before = tuple(f"hoody-t{pid}-" for pid in pids) or ("hoody-t",), before

    def is_ours(self, name):
        return name.startswith(self.names) and name not in self.before

    def mounts(self):
        lines = pathlib.Path("/proc/self/mounts").read_text().splitlines()
        return [
            place for place in (line.split()[1].encode().decode("unicode_escape") for line in lines) if any(
                self.is_ours(part) for part in place.split("/"))
        ]

    def cgroups(self):
        found = []
        for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
            _, where, kind = line.split()[:3]
            if kind in ("cgroup", "cgroup2"):
                found += [pathlib.Path(where) / name for name in os.listdir(where) if self.is_ours(name)]
        return found

    def directories(self):
        return [
            place / name
            for place in {pathlib.Path(p) for p in ("/tmp", tempfile.gettempdir(), "/dev/shm", "build-vm")}
            if place.is_dir() for name in os.listdir(place) if self.is_ours(name)
        ]

    def found(self):
        kept = [] if os.environ.get("HOODY_TEST_KEEP") else self.directories()
        return [f"mount {m}" for m in self.mounts()] + [f"cgroup {c}"
                                                        for c in self.cgroups()] + [f"directory {d}" for d in kept]

    def names_there(self):
        return {part for m in self.mounts() for part in m.split("/") if self.is_ours(part)
                } | {place.name for place in self.cgroups() + self.directories()}

    def thaw(self):
        """What is frozen by cgroup v1 can't die."""
        for top in self.cgroups():
            for path in top.rglob("freezer.state"):
                try:
                    path.write_text("THAWED")
                except OSError:
                    pass

    def remove(self):
        for place in reversed(self.mounts()):
            subprocess.run(["umount", "-l", place], capture_output=True, check=False)
        for top in self.cgroups():
            for d, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(d)
                except OSError:
                    pass
        for d in [] if os.environ.get("HOODY_TEST_KEEP") else self.directories():
            shutil.rmtree(d, ignore_errors=True)


class Test:
    def __init__(self, command, log):
        self.held, number = slot()
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=dict(os.environ, HOODY_TEST_REAPER=str(os.getpid()), HOODY_TEST_SLOT=str(number)),
                preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, []))
        self.pid, self.status, self.pids = self.process.pid, None, {self.process.pid}

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.process.returncode = self.status

    def until(self, condition, seconds):
        """Wait, reaping, until the condition holds or the time is up or a signal asks us to end: "done", "time" or
        "interrupted"."""
        end = time.monotonic() + seconds
        while True:
            self.reap()
            if condition():
                return "done"
            left = end - time.monotonic()
            if left <= 0:
                return "time"
            got = signal.sigtimedwait({signal.SIGCHLD, *ENDS}, min(left, 1))
            if got and got.si_signo in ENDS:
                return "interrupted"

    def has_ended(self):
        return self.status is not None

    def ask_to_end(self):
        try:
            os.killpg(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        return self.until(self.has_ended, GRACE_S)

    def kill(self, places):
        """All of them, and what they start meanwhile."""
        def rest():
            places.thaw()
            living = descendants()
            self.pids |= living
            for pid in living:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not living
        self.until(rest, GRACE_S)


def main():
    seconds, log, *command = sys.argv[1:]
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *ENDS})
    before = frozenset(Places().names_there())
    begin, test = time.monotonic(), Test(command, log)
    why = test.until(test.has_ended, float(seconds))
    took, left = time.monotonic() - begin, []
    if why == "done":
        places = Places(test.pids, before)
        test.until(lambda: not descendants() and not places.found(), LATE_S)
        left = [word(pid) for pid in descendants()] + places.found()
    else:
        test.pids |= descendants()
        places = Places(test.pids, before)
        if why == "time":
            with open(log, "ab") as out:
                out.write(f"\n# its {seconds} s are up; what runs:\n".encode() +
                          "".join(f"#   {word(pid)}\n" for pid in sorted(test.pids)).encode())
        test.ask_to_end()
    test.kill(places)
    places.remove()
    used = os.times()
    print(
        json.dumps({
            "status": test.status if test.status is not None else -signal.SIGKILL,
            "why": None if why == "done" else why, "seconds": took, "cpu_s": used.children_user + used.children_system,
            "left": left
        }))


main()
