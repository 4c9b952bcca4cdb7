# SPDX-License-Identifier: GPL-2.0-or-later
"""A node whose agent and all that it starts run under tests/tools/failnth, which is told of one fault after the other
while they run. Of faults in calls into liblxc and SQLite as well, where all is preloaded (Preloaded)."""
import mmap
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile
import time

import harness
import host
import names

FAILNTH = harness.BUILD / "tests/tools/failnth"
# Every allocation a call of its own (mallopt(3), GLIBC_TUNABLES), in the agent: what it starts has no environment.
EACH_ALLOCATION = (
    "env", "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1:glibc.malloc.mmap_max=60000:glibc.malloc.tcache_count=0")
FAILCALL = harness.BUILD / "tests/tools/failcall.so"
CALLS = ("lxc_new", "lxc_load", "lxc_set", "lxc_daemonize", "lxc_close_fds", "lxc_start", "lxc_state", "lxc_attach",
         "lxc_console", "sql_step", "sql_exec", "sql_open", "sql_delete", "sql_access", "sql_read", "sql_write",
         "sql_truncate", "sql_sync", "sql_size", "sql_lock")
# How tests/tools/failcall.so does it: number, and what SQLite calls it (sqlite.org/rescode.html).
HOW = {
    "REFUSED": (1, 0), "LATE": (2, 10), "LIE": (3, 0), "HANG": (4, 0), "HANG-LATE": (5, 0), "HALF": (6, 10),
    "IOERR": (1, 10), "FULL": (1, 13), "BUSY": (1, 5), "CORRUPT": (1, 11), "CANTOPEN": (1, 14)
}
END_S = 120 # an order that has no end after that will have none, however busy the machine


def more_flows(n=60):
    """Too many entries of conntrack to be read at once: who looks for an address's has to walk the table."""
    lines = (f"-I -p udp -s 203.0.113.9 -d 198.51.100.9 --sport {1000 + i} --dport 9 -t 100000\n" for i in range(n))
    subprocess.run(["conntrack", "-R", "/dev/stdin"], input="".join(lines), text=True, check=True, capture_output=True)


class Preloaded:
    """A mount namespace for this process, which has no threads yet, and all that it starts: tests/tools/failcall.so is
    in each of them, and has its plan from here."""
    FORMAT, CALL = "=IiIIIII", "=24sII"

    def __init__(self):
        names.own()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"hoody-t{os.getpid()}-failcall-", dir="/tmp"))
        shutil.copy(FAILCALL, self.directory)
        self.size = struct.calcsize(self.FORMAT) + 32 * struct.calcsize(self.CALL)
        with open(self.directory / "failcall.plan", "wb+") as f:
            f.truncate(self.size)
            self.map = mmap.mmap(f.fileno(), self.size)
        self.plan()
        (self.directory / "etc").mkdir()
        names.own_etc(self.directory / "etc")
        (self.directory / "etc/ld.so.preload").write_text(f"{self.directory / FAILCALL.name}\n")

    def plan(self, calls=(), when="0", how="REFUSED"):
        """As Struck.plan()."""
        nth, _, times = when.partition("*")
        hits, first = struct.unpack_from(self.FORMAT, self.map)[5:]
        came = [struct.unpack_from(self.CALL, self.map, self.at(i))[2] for i in range(len(CALLS))]
        struct.pack_into(self.FORMAT, self.map, 0, *HOW[how], 0, int(times or 1), 0, 0, 0)
        for i, name in enumerate(CALLS):
            struct.pack_into(self.CALL, self.map, self.at(i), name.encode(), name in calls, 0)
        struct.pack_into("=I", self.map, 8, int(nth)) # last: it counts from here on
        return hits, CALLS[first] if hits else "-", {(program_of(c), c): n for c, n in zip(CALLS, came) if n}

    def at(self, i):
        return struct.calcsize(self.FORMAT) + i * struct.calcsize(self.CALL)

    def close(self):
        names.give_back_etc()
        self.map.close()
        shutil.rmtree(self.directory)


def program_of(call):
    """The only one that has the library."""
    return "hoody-worker" if call.startswith("lxc_") else "hoody-agent"


class Struck(harness.Node):
    def __init__(self, calls, preloaded=None, **kwargs):
        super().__init__(start=False, **kwargs)
        self.calls, self.control, self.each = calls, self.directory / "failnth.sock", False
        self.preloaded = preloaded
        self.start_api()
        self.begin()

    def try_to_begin(self):
        """Start the agent; no fault of a system call is planned. Does it become ready?"""
        return self.start_agent(
            wrap=[
                *(EACH_ALLOCATION if self.each else ()), FAILNTH, "--control", self.control, self.calls, "0", "EIO",
                "--"
            ], timeout_s=END_S)

    def begin(self):
        if not self.try_to_begin():
            raise harness.Failure("hoody-agent did not become ready:\n" + self.log_tail())

    def plan(self, program="*", calls="*", when="0", error="EIO"):
        """The next plan, of system calls or, as the error says, of the libraries'; of the last one: how many calls
        were hit, which was first, and {(program, call): count}."""
        of_library = error in HOW
        hits, first, counts = self.plan_calls(*(() if of_library else (program, calls, when, error)))
        if self.preloaded:
            found = self.preloaded.plan(*((calls.split(","), when, error) if of_library else ()))
            hits, first, counts = hits + found[0], found[1] if found[0] else first, {**counts, **found[2]}
        return hits, first, counts

    def plan_calls(self, program="*", calls="*", when="0", error="EIO"):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(20 * harness.SLOW)
            s.connect(str(self.control))
            s.sendall(f"{program} {calls} {when} {error}\n".encode())
            lines = s.makefile().read().splitlines()
        if not lines or lines[0].startswith("failnth:"):
            raise harness.Failure(f"failnth: {lines}")
        hits, first = lines[0].split()
        return int(hits), first, {tuple(w[:2]): int(w[2]) for w in (line.rsplit(" ", 2) for line in lines[1:])}

    def is_up(self):
        return self.agent.poll() is None

    def again(self):
        """If the agent has died, start it as systemd would; how did it end?"""
        if self.is_up():
            return None
        status = self.agent.wait()
        self.begin()
        return status

    def end_of(self, order):
        """Its terminal report, or None, and how the agent ended meanwhile, if it did."""
        death, deadline = None, time.monotonic() + END_S * harness.SLOW
        while time.monotonic() < deadline:
            answer = self.api.ask("wait", 10, order_id=order, timeout_ms=300)
            death = self.again() or death
            if answer.get("ok"):
                return answer["report"], death
        return None, death

    def calm(self):
        """No more faults: how many calls were hit, which was first, and how the agent ended in the last moment, if it
        did."""
        try:
            hits, call, _ = self.plan()
        except OSError:
            hits, call = 1, "?"
        if hits: # SQLite's are seldom survived, and the last commit may come late
            host.poll(lambda: not self.is_up(), 1 if call.startswith("sql_") else 0.05, 0.02)
        return hits, call, self.again()
