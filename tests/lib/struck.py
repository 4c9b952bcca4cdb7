# SPDX-License-Identifier: GPL-2.0-or-later
"""A node whose agent and all that it starts run under tests/tools/failnth, which is told of one fault after the other
while they run."""
import socket
import time

import harness
import host

FAILNTH = harness.BUILD / "tests/tools/failnth"
# Every allocation a call of its own (mallopt(3), GLIBC_TUNABLES), in the agent: what it starts has no environment.
EACH_ALLOCATION = (
    "env", "GLIBC_TUNABLES=glibc.malloc.mmap_threshold=1:glibc.malloc.mmap_max=60000:glibc.malloc.tcache_count=0")
END_S = 120 # an order that has no end after that will have none, however busy the machine


class Struck(harness.Node):
    def __init__(self, calls, **kwargs):
        super().__init__(start=False, **kwargs)
        self.calls, self.control, self.each = calls, self.directory / "failnth.sock", False
        self.start_api()
        self.begin()

    def begin(self):
        """Start the agent; no fault is planned."""
        if not self.start_agent(
                wrap=[
                    *(EACH_ALLOCATION if self.each else
                      ()), FAILNTH, "--control", self.control, self.calls, "0", "EIO", "--"
                ], timeout_s=END_S):
            raise harness.Failure("hoody-agent did not become ready:\n" + self.log_tail())

    def plan(self, program="*", calls="*", when="0", error="EIO"):
        """The next plan; of the last one: how many calls were hit, which was first, and {(program, call): count}."""
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
        if hits:
            host.poll(lambda: not self.is_up(), 0.05)
        return hits, call, self.again()
