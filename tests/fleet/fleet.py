#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""15,000 nodes (HOODY_FLEET) that poll the reference control API through HAProxy, in one process, by the product's own
back-off and poll state machine (tests/fleet/fleet.c), and lose it: the load balancer restarts, the API is away, 503
with Retry-After. In no second ask more than half again of what the spread says, 99 % are back a quarter of the spread
after it, and five minutes later none marches in step (PROTOCOL.md 10.1). Plain HTTP over loopback: what is looked at is
when nodes ask, and by TLS it would be how fast this machine is. The same with 100,000 nodes in virtual time is
tests/fleet/herd."""
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

NODES = int(os.environ.get("HOODY_FLEET", "15000"))
SPREAD_S, WAIT_S = 60, 75 # the shortest wait is the spread: who has come back asks again after all others have
BACK_S = SPREAD_S * 5 // 4
SETTLED_S, LOOK_S = 300, 68 # as long as from one poll to the next
AWAY_S, STORM_S, RETRY_AFTER_S = 5, 60, 30
LATE_MS = 1500
TOKEN = "the-node-token"

CONF = """global
    maxconn {connections}
    nbthread 1
    stats socket {socket}
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 700s
    timeout server 700s
    timeout http-request 10s
frontend nodes
    bind 127.0.0.1:{port} backlog 4096
    maxconn {connections}
    {rule}
    default_backend api
backend api
    server api 127.0.0.1:{api}
"""
STORM = f"http-request return status 503 content-type text/plain string no hdr Retry-After {RETRY_AFTER_S}"


class Balancer:
    """HAProxy: a node costs it two descriptors, of which a process may have too few, so there are several on the one
    port (SO_REUSEPORT, which it sets)."""
    def __init__(self, directory, api_port):
        self.directory, self.api_port, self.port, self.processes = directory, api_port, 8080, []
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.count = 2 * NODES * 5 // 4 // most + 1
        self.connections = min(NODES + 100, most // 2 - 100)

    def start(self, rule=""):
        for i in range(self.count):
            conf, socket = self.directory / f"haproxy-{i}.cfg", self.directory / f"haproxy-{i}.sock"
            socket.unlink(missing_ok=True)
            conf.write_text(
                CONF.format(connections=self.connections, socket=socket, port=self.port, api=self.api_port, rule=rule))
            with open(self.directory / "haproxy.log", "ab") as log:
                self.processes.append(subprocess.Popen(["haproxy", "-db", "-f", conf], stdout=log, stderr=log))
            if not host.poll(socket.exists, 10, 0.01):
                raise harness.Failure("HAProxy did not start: " + (self.directory / "haproxy.log").read_text()[-2000:])

    def kill(self):
        for p in self.processes:
            p.kill()
        for p in self.processes:
            p.wait()
        self.processes.clear()

    def cpu_s(self):
        return sum(host.cpu_s(p.pid) for p in self.processes)

    def restart(self, rule=""):
        self.kill()
        self.start(rule)


class Fleet:
    """The API, HAProxy and the process of nodes, and what that says each second: asked, failed, held, late."""
    def __init__(self):
        pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("1024 65535") # of this namespace
        self.node = harness.Node(https=False, api_options=["--fleet"], start=False)
        self.api, self.process, self.reader, self.seconds = self.node.api, None, None, []
        self.balancer = None
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.node.start_api()
        self.say_pace()
        self.balancer = Balancer(self.node.directory, self.api.port)
        self.balancer.start()
        self.process = subprocess.Popen(
            [harness.BUILD / "tests/fleet/fleet", str(self.balancer.port), TOKEN, str(NODES),
             str(SPREAD_S)], stdout=subprocess.PIPE,
            text=True)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.seconds.append(tuple(map(int, line.split())))

    def say_pace(self):
        self.api.ask("pace", pace={"poll_wait_s": WAIT_S, "spread_s": SPREAD_S})

    def until(self, second):
        host.poll(lambda: len(self.seconds) >= second, second - len(self.seconds) + 30, 0.2)

    def back(self, since, within_s):
        """In which second, counted from then, 99 % were held."""
        share = 0.99 * NODES
        host.poll(lambda: any(s[2] >= share for s in self.seconds[since:]), within_s, 0.1)
        return next((i + 1 for i, s in enumerate(self.seconds[since:]) if s[2] >= share), None)

    def close(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        if self.reader:
            self.reader.join()
        if self.balancer:
            self.balancer.kill()
        self.node.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def away(fleet):
    fleet.api.stop(signal.SIGKILL)
    time.sleep(AWAY_S)
    fleet.api.start()
    fleet.say_pace()


def storm(fleet):
    fleet.balancer.restart(STORM)
    time.sleep(STORM_S)
    fleet.balancer.restart()


CASES = (
    ("a load balancer's restart", lambda fleet: fleet.balancer.restart(), True),
    (f"{AWAY_S} s of outage", away, False),
    (f"{STORM_S} s of 503 with Retry-After: {RETRY_AFTER_S}", storm, False),
)


def judge(good, late, name, *notes):
    """A machine that is too busy to play so many nodes makes a herd itself."""
    if late > LATE_MS and not good:
        tap.skip(name, f"this machine is too busy to play {NODES} nodes: they were late by {late} ms")
    else:
        tap.ok(good, name, *notes)


def lose(fleet, what, how, settles):
    begin = len(fleet.seconds)
    how(fleet)
    up = len(fleet.seconds)
    back = fleet.back(up, 2 * BACK_S)
    fleet.until(up + 2 * BACK_S)
    seen = fleet.seconds[begin:]
    peak, late = max(s[0] for s in seen), max(s[3] for s in seen)
    bound = NODES / SPREAD_S
    said = f"{NODES} nodes, {what}: at most {peak} a second ({peak / bound:.2f} x N/spread), 99 % back after {back} s"
    judge(peak <= 1.5 * bound, late, f"{what}: no second has more than half again of the spread's", seen)
    judge(back is not None and back <= BACK_S, late, f"{what}: 99 % are back in {BACK_S} s", seen)
    if settles:
        fleet.until(up + SETTLED_S + LOOK_S)
        asked = [s[0] for s in fleet.seconds[up + SETTLED_S:up + SETTLED_S + LOOK_S]]
        mean = sum(asked) / len(asked)
        said += f"; five minutes later at most {max(asked)} a second, mean {mean:.0f} ({max(asked) / mean:.2f} x)"
        judge(max(asked) <= 1.5 * mean, late, f"{what}: and five minutes later none marches in step", asked)
    tap.figure(said + f"; late by {late} ms at most")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with Fleet() as fleet:
        begun = time.monotonic()
        tap.ok(fleet.back(0, 4 * WAIT_S), f"{NODES} nodes poll", fleet.seconds[-3:])
        fleet.until(2 * WAIT_S) # until all have heard how fast they go
        for case in CASES:
            lose(fleet, *case)
        tap.eq(fleet.api.ask("stats")["violations"], [], "nobody breaks the protocol")
        cpu = {
            "nodes": host.cpu_s(fleet.process.pid), "HAProxy": fleet.balancer.cpu_s(),
            "API": host.cpu_s(fleet.api.process.pid)
        }
        tap.figure(f"in {time.monotonic() - begun:.0f} s the processors were busy for " +
                   ", ".join(f"{v:.1f} s with {k}" for k, v in cpu.items()) + " (those that run at the end)")
    tap.done()


if __name__ == "__main__":
    main()
