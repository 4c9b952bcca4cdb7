#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A hundred clients at once on the local API, 100,000 requests in all: how many a second, what it costs in memory, and
how long an order of somebody else waits meanwhile."""
import os
import pathlib
import selectors
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

CLIENTS, REQUESTS = 100, int(os.environ.get("HOODY_REQUESTS", "100000"))
STORMS, RESIDENT_MAX = 5, 24 * 1024 # KiB
GET = b"GET /api/v1/containers/ HTTP/1.1\r\nHost: node\r\n\r\n"


def storm(path, requests):
    """Seconds that so many requests took, each client one at a time on a connection that it keeps."""
    selector, sent, done = selectors.DefaultSelector(), 0, 0
    for _ in range(CLIENTS):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        selector.register(sock, selectors.EVENT_READ)
        sock.sendall(GET)
        sent += 1
    began = time.monotonic()
    while done < requests:
        for key, _ in selector.select(10):
            data = key.fileobj.recv(65536)
            assert data.startswith(b"HTTP/1.1 200"), data[:200] # small enough to come in one piece
            done += 1
            if sent < requests:
                key.fileobj.sendall(GET)
                sent += 1
    took = time.monotonic() - began
    for key in list(selector.get_map().values()):
        key.fileobj.close()
    return took


def slowest(node, cid, rounds, stop=None):
    """The order path of the control API's own making: pause and resume, by signed orders."""
    times = []
    while len(times) < rounds and not (stop and stop.is_set()):
        report = node.do("container." + ("pause", "resume")[len(times) % 2], cid)
        times.append(report["duration_ms"])
    if len(times) % 2:
        node.do("container.resume", cid)
    return max(times)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        path, cid = node.directory / "run" / "debug.sock", node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        local.Local(node).do("GET", "/containers")
        portal = host.children(node.agent_pid(), "hoody-portal")[0]
        alone = slowest(node, cid, 200)
        stop, seen = threading.Event(), []
        other = threading.Thread(target=lambda: seen.append(slowest(node, cid, 100_000, stop)))
        other.start()
        took, resident = 0, []
        for _ in range(STORMS):
            took += storm(path, REQUESTS // STORMS)
            resident.append([host.memory(pid)["rss"] / 1024 for pid in (portal, node.agent_pid())])
        stop.set()
        other.join()
        tap.figure(
            f"{REQUESTS} requests of {CLIENTS} clients: {REQUESTS / took:.0f} a second; meanwhile the slowest signed "
            f"order took {seen[0]} ms, alone {alone} ms"
        )
        for who, kib in zip(("portal", "agent"), zip(*resident)):
            tap.figure(f"resident after each {REQUESTS // STORMS}, {who}: {' '.join(f'{k:.0f}' for k in kib)} KiB")
            # The heap may take a step at any time; what leaks even 16 bytes a request grows in every storm.
            tap.ok(min(b - a for a, b in zip(kib, kib[1:])) < 16 * REQUESTS / STORMS / 1024, f"no leak: {who}", kib)
            tap.ok(kib[-1] < RESIDENT_MAX, f"bounded: {who}", kib)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
    tap.done()


if __name__ == "__main__":
    main()
