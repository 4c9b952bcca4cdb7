#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What root in a container does to its node by packets: leaks from closed modes, all of the kernel's conntrack, flows
that outlive their rules or their container, the host's cloud metadata."""
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import netns
import tap
from boxes import OUTSIDE, Box, Outside

MARK = b"hoody-secret"
NET6, FAR6 = "2001:db8:88::/64", "2001:db8:2::2"
UNTRACKED = (130, 131, 132, 133, 134, 135, 136, 137, 143)
TRIES = 20
TCP_REPAIR = 19
BOUND = 200


def conntrack(*words):
    out = subprocess.run(["conntrack", "-L", *words], capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if "src=" in line]


def tracked(address):
    return [line for line in conntrack() if f"={address} " in line]


def arrived(wire, mark, to=b""):
    """How many frames with this have come out, to this IPv6 address."""
    n = 0
    while select.select([wire], [], [], 0.1)[0]:
        data = wire.recv(4096)
        n += mark in data and to in data[38:54]
    return n


def closed_by_name(outside):
    """ICMPv6 that conntrack doesn't follow, with data in it, from every mode."""
    here = netns.Namespace.current()
    here.ip("-6 addr add 2001:db8:2::1/64 dev up0 nodad")
    outside.ns.ip(f"-6 addr add {FAR6}/64 dev up1 nodad")
    outside.ns.ip(f"-6 route add {NET6} via 2001:db8:2::1")
    tap.ok(host.poll(lambda: not any(ns.ip("-6 addr show tentative").stdout for ns in (here, outside.ns)), 10),
           "(IPv6 is up)")
    wire = outside.ns.packet_socket("up1")
    with harness.Node(conf={"Network": {"Subnet6": NET6}}) as node:
        box = Box(node, "leaky")
        with box.ns():
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)

        def leaks(types):
            for kind in types:
                for n in range(TRIES):
                    raw.sendto(struct.pack("!BBHI", kind, 0, 0, n) + MARK, (FAR6, 0))
            return arrived(wire, MARK, socket.inet_pton(socket.AF_INET6, FAR6))

        tap.eq(leaks((128,)), TRIES, f"in direct mode {TRIES} echo requests go out")
        n = leaks(UNTRACKED)
        tap.eq(n, 0, f"of {TRIES * len(UNTRACKED)} messages of neighbour discovery and its like none does")
        tap.figure(f"untracked ICMPv6 forwarded in direct mode: {n} of {TRIES * len(UNTRACKED)}")
        for mode, more in (("block", {}), ("socks5", {"proxy": f"socks5://{OUTSIDE}:1080"})):
            box.do("network.configure", type=mode, **more)
            box.do("network.start")
            n = leaks(UNTRACKED + (128,))
            tap.eq(n, 0, f"in mode {mode} nothing of {TRIES * (len(UNTRACKED) + 1)} does")
            tap.figure(f"ICMPv6 leaked in mode {mode}: {n} of {TRIES * (len(UNTRACKED) + 1)}")
            box.do("network.stop")
        raw.close()
        box.do("container.delete", force=True)
    wire.close()


def half_open(box, port, n):
    """Connections whose client forgets them without a word: assured for five days. How many it got."""
    made = 0
    for _ in range(n):
        with box.ns():
            s = socket.socket()
        s.settimeout(0.02)
        try:
            s.connect((OUTSIDE, port))
            s.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
            made += 1
        except OSError:
            pass
        s.close()
    return made


def bounded(outside):
    tries = 3 * BOUND
    with harness.Node(conf={"Network": {"MaxFlows": BOUND}}) as node, outside.listen(8000) as server:
        server.listen(4096)
        a, b = Box(node, "greedy"), Box(node, "neighbour")
        with outside.ns:
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sink.bind((OUTSIDE, 9))
        sink.setblocking(False)
        with b.ns():
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for _ in range(5 * BOUND):
            one.sendto(MARK, (OUTSIDE, 9))
        tap.ok(
            host.poll(lambda: arrived(sink, MARK) == 0, 5) is not None and len(tracked(b.ip)) == 1,
            "a flow of many unanswered datagrams is one flow", len(tracked(b.ip)))
        one.sendto(MARK, (OUTSIDE, 9))
        tap.eq(arrived(sink, MARK), 1, "and goes on")
        made = half_open(a, 8000, tries)
        held = len(tracked(a.ip))
        tap.ok(held <= BOUND,
               f"of {tries} connections that a container forgets the kernel tracks {held}, its bound is {BOUND}", made)
        tap.figure(f"flows of a container that the kernel tracked: {held} of {tries} tried, bound {BOUND}")
        tap.eq(b.connects(OUTSIDE, 8000), "open", "its neighbour's go on")
        outside.ns.ip(f"route add {b.ip}/32 via 198.51.100.1")
        with outside.ns:
            callers = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(tries)]
        for s in callers:
            s.sendto(MARK, (b.ip, 9))
            s.close()
        held = len(tracked(b.ip))
        tap.ok(BOUND // 2 <= held <= BOUND,
               f"of {tries} flows that come to one the kernel tracks {held}, with those that it began", held)
        text = subprocess.run(["nft", "list", "set", "inet", node.table, "refused"], capture_output=True,
                              text=True).stdout
        tap.ok(
            "packets" in text and any(not line.split("packets")[1].lstrip().startswith("0 ")
                                      for line in text.split(",") if "packets" in line),
            "an nft counter tells what was refused", text)
        page = subprocess.run(["curl", "-s", "--unix-socket", node.directory / "run/debug.sock", "http://node/metrics"],
                              capture_output=True, text=True).stdout
        line = [x for x in page.splitlines() if x.startswith("hoody_container_flows_refused_total") and a.id in x]
        tap.ok(line and float(line[0].split()[-1]) > 0, "so does a metric", line)
        a.do("container.force-stop")
        tap.ok(host.poll(lambda: not tracked(a.ip), 10), "stopped, it has none", tracked(a.ip)[:3])
        a.do("container.start")
        tap.ok(host.poll(lambda: a.connects(OUTSIDE, 8000) == "open", 10), "started again, it has all of its bound")
        half_open(a, 8000, BOUND // 2)
        address = a.ip
        a.do("container.delete", force=True)
        tap.ok(host.poll(lambda: not tracked(address), 10), "deleted, it has none", tracked(address)[:3])
        b.do("container.delete", force=True)
        for s in (one, sink):
            s.close()


def outlived(outside):
    """A flow from outside that was allowed once."""
    with harness.Node(conf={"Network": {"Subnet4": "10.99.0.0/30"}}) as node:
        outside.ns.ip("route add 10.99.0.0/30 via 198.51.100.1")
        box = Box(node, "first")
        with outside.ns:
            peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind((OUTSIDE, 5353))

        def serve(of):
            with of.ns():
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((of.ip, 4000))
            s.settimeout(0.5)
            return s

        def hears(s):
            peer.sendto(MARK, (box.ip, 4000))
            try:
                return s.recvfrom(100)[1]
            except (TimeoutError, OSError):
                return None

        s = serve(box)
        for _ in range(3):
            who = hears(s)
            s.sendto(b"answer", who)
        tap.ok(who, "a flow from outside is allowed, and answered")
        s.close()
        box.do("container.stop")
        box.do("firewall.replace", ingress=[{"action": "allow", "protocol": "tcp", "destination_port": "80"}])
        box.do("container.start")
        s = serve(box)
        n = sum(1 for _ in range(TRIES // 4) if hears(s))
        tap.eq(n, 0, "rules that came while it was stopped hold for it")
        tap.figure(f"datagrams of a flow that rules of a stopped container forbid: {n} of {TRIES // 4} arrived")
        s.close()
        box.do("firewall.reset")
        s = serve(box)
        for _ in range(3):
            s.sendto(b"answer", hears(s))
        s.close()
        first = box.ip
        box.do("container.delete", force=True)
        node.restart()
        other = Box(node, "other")
        tap.ok(other.ip != first, "its address isn't the next one's, also over a restart", first, other.ip)
        other.do("container.delete", force=True)
        node.restart()
        box = Box(node, "second")
        tap.ok(box.ip == first, "but the one's after that, also over a restart, when there are but two", first, box.ip)
        left = tracked(box.ip)
        tap.ok(not left, "the next who has the address doesn't inherit its flows", *left)
        tap.figure(f"flows of an earlier container that were left: {len(left)}")
        peer.close()
        box.do("container.delete", force=True)


def metadata(outside):
    services = {"169.254.169.254": socket.AF_INET, "fd00:ec2::254": socket.AF_INET6}
    outside.ns.ip("addr add 169.254.169.254/32 dev up1")
    outside.ns.ip("-6 addr add fd00:ec2::254/128 dev up1 nodad")
    netns.Namespace.current().ip(f"-6 route add fd00:ec2::254/128 via {FAR6}")
    with outside.ns:
        servers = [socket.create_server((a, port), family=f) for a, f in services.items() for port in (80, 53)]

    def reaches(box, address, port):
        with box.ns():
            s = socket.socket(services[address])
        s.settimeout(0.5)
        try:
            s.connect((address, port))
            return "open"
        except OSError as e:
            return type(e).__name__
        finally:
            s.close()

    for setting, want in (("no", "ConnectionRefusedError"), ("yes", "open")):
        with harness.Node(conf={"Network": {"Subnet6": NET6, "CloudMetadata": setting}}) as node:
            box = Box(node, "curious")
            for address in services:
                tap.eq([reaches(box, address, 80) for _ in range(5)], [want] * 5,
                       f"CloudMetadata={setting}: {address}, 5 tries: {want}")
                tap.eq(reaches(box, address, 53), "open", "names can be asked there")
            box.do("container.delete", force=True)
    for s in servers:
        s.close()


def flushed(outside):
    """nft flush ruleset, as nftables.service makes it, with the agent there and without."""
    with harness.Node() as node, outside.listen(8000):
        box, open_ = Box(node, "blocked"), Box(node, "direct")
        with outside.ns:
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind((OUTSIDE, 9))
        socks = []
        for x in (box, open_):
            with x.ns():
                socks.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        socks[1].sendto(MARK, (OUTSIDE, 9))
        tap.eq(arrived(sink, MARK), 1, "(a datagram goes out)")
        box.do("network.configure", type="block")
        box.do("network.start")
        with box.serves(80):
            outside.ns.ip(f"route replace {box.ip}/32 via 198.51.100.1")
            with outside.ns:
                peer = socket.create_connection((box.ip, 80), 5)
            tap.ok(peer, "blocked, it still answers")
            peer.close()

        def floods(rounds, n, flush):
            for _ in range(rounds):
                flush()
                for _ in range(n):
                    for s in socks:
                        s.sendto(MARK + (b"blocked" if s is socks[0] else b"direct"), (OUTSIDE, 9))
            got = {"blocked": 0, "direct": 0}
            while select.select([sink], [], [], 0.1)[0]:
                got[sink.recv(100)[len(MARK):].decode()] += 1
            return got

        flush = lambda: subprocess.run(["nft", "flush", "ruleset"], check=True)
        got = floods(20, 100, flush)
        tap.eq(got["blocked"], 0,
               "20 flushes under the agent's eyes, 2000 datagrams: none gets out of a blocked container")
        tap.figure(
            f"datagrams out of a blocked container during 20 flushes: {got['blocked']} of 2000 (of an open one "
            f"{got['direct']})"
        )
        tap.ok(host.poll(lambda: open_.connects(OUTSIDE, 8000) == "open", 5), "and the open one's go on")
        node.stop_agent()
        got = floods(3, 300, flush)
        tap.eq(got, {"blocked": 0, "direct": 0},
               "3 flushes without an agent, 900 datagrams of each: none gets out of any container")
        tap.figure(
            f"datagrams out of containers after flushes without an agent: {got['blocked']} and {got['direct']} of 900")
        node.start_agent()
        tap.ok(host.poll(lambda: open_.connects(OUTSIDE, 8000) == "open", 5), "an agent opens again what is open")
        tap.eq(box.connects(OUTSIDE, 8000), "silence", "and nothing else")
        for x in (*socks, sink):
            x.close()
        for x in (box, open_):
            x.do("container.delete", force=True)


REACH = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static long i386(long n, long a, long b)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b) : "r8", "r9", "r10", "r11", "memory");
	return r;
}
static void say(const char *what, long r) { printf("%s %ld\n", what, r < 0 && r == -1 ? -(long)errno : r); }
int main(void)
{
	static unsigned arguments[3] __attribute__((aligned(16))) = { 40, 1, 0 };
	char ring[120] = { 0 };
	say("inet", syscall(SYS_socket, 2, 1, 0) >= 0);
	say("vsock", syscall(SYS_socket, 40, 1, 0));
	say("vsock-datagram", syscall(SYS_socket, 40, 2, 0));
	say("vsock-high-bits", syscall(SYS_socket, 40L | 1L << 32, 1, 0));
	say("vsock-pair", syscall(SYS_socketpair, 40, 1, 0, ring));
	say("qipcrtr", syscall(SYS_socket, 42, 2, 0));
	say("vsock-x32", syscall(0x40000000 | SYS_socket, 40, 1, 0));
	say("io_uring_setup", syscall(425, 4, ring));
	say("io_uring_enter", syscall(426, -1, 0, 0, 0, 0, 0));
	say("io_uring_register", syscall(427, -1, 0, 0, 0));
	fflush(stdout); /* a kernel without IA32 ends it here */
	say("vsock-i386", i386(359, 40, 1));
	say("vsock-socketcall", i386(102, 1, (long)arguments));
	return 0;
}
"""


def no_way_around(_):
    """What no network namespace, and no filter of system calls, holds."""
    with harness.Node() as node:
        box = Box(node, "caller")
        program = node.directory / "reach"
        built = subprocess.run(["gcc", "-x", "c", "-O1", "-static", "-no-pie", "-fno-pie", "-o", program, "-"],
                               input=REACH, text=True, capture_output=True)
        if built.returncode:
            tap.skip("AF_VSOCK and io_uring", "no static compiler: " + built.stderr.splitlines()[0])
            return
        (node.root(box.id) / "reach").write_bytes(program.read_bytes())
        (node.root(box.id) / "reach").chmod(0o755)
        box.do("network.configure", type="block")
        box.do("network.start")
        got = dict(line.split() for line in box.says("/reach").splitlines())
        tap.eq(got.pop("inet", None), "1", "(sockets of the Internet are)")
        for what in ("vsock-i386", "vsock-socketcall"):
            tap.skip(f"{what}: {got.pop(what, 'dead')}",
                     "liblxc can't filter i386's sockets: packaging/SECURITY.md, Known limits")
        for what, r in got.items():
            tap.ok(r in ("-97", "-38"), f"{what} is refused before the kernel looks at it", r)
        tap.figure(
            f"ways to AF_VSOCK and io_uring: {sum(int(r) >= 0 or r not in ('-97', '-38') for r in got.values())} of "
            f"{len(got)} tried are open"
        )
        box.do("container.delete", force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    outside = Outside()
    closed_by_name(outside)
    bounded(outside)
    outlived(outside)
    flushed(outside)
    metadata(outside)
    no_way_around(outside)
    tap.done()


main()
