#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets to addresses of the containers' networks that no container has: none goes round between the host and the
router that routes those networks to it, and who sent it hears so at once. What lies on a link of the host is let be."""
import errno
import fcntl
import os
import pathlib
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

NET6, ROUTER6, HOST6 = "2001:db8:88::", "2001:db8:2::2", "2001:db8:2::1"
SHORT_S = 0.5 * harness.SLOW


def ip(text):
    subprocess.run(["ip", *text.split()], check=True, capture_output=True)


class Wire:
    """The uplink, and what of the containers' networks goes over it."""
    def __init__(self, interface="up0"):
        self.socket = netns.Namespace.current().packet_socket(interface)

    def to(self, address):
        """How many IP packets to this address since the last look."""
        six, n = ":" in address, 0
        wanted = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address)
        while True:
            try:
                frame = self.socket.recv(2048)
            except BlockingIOError:
                return n
            at = 14 if frame[12:14] in (b"\x08\x00", b"\x86\xdd") else 0 if frame[0] >> 4 in (4, 6) else None
            if at is not None:
                n += frame[at + (24 if six else 16):at + (40 if six else 20)] == wanted


def datagrams(ns, family=socket.AF_INET):
    """A socket that is told of every ICMP error."""
    with ns:
        s = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, 25, 1) # IPV6_RECVERR
    else:
        s.setsockopt(socket.IPPROTO_IP, 11, 1) # IP_RECVERR
    return s


def send(ns, address, port=9):
    """One datagram: what its sender hears, as an errno."""
    with datagrams(ns, socket.AF_INET6 if ":" in address else socket.AF_INET) as s:
        s.settimeout(SHORT_S)
        s.connect((address, port))
        s.send(b"anybody?")
        try:
            s.recv(16)
        except TimeoutError:
            return "silence"
        except OSError as e:
            return errno.errorcode[e.errno]
        return "answered"


def upstream(outside, subnet):
    """The router beyond the uplink, which has been told that the containers' networks are here."""
    outside.ns.sysctl(ipv4__ip_forward=1, ipv4__conf__up1__send_redirects=0, ipv4__conf__all__send_redirects=0,
                      ipv6__conf__all__forwarding=1, ipv4__icmp_ratelimit=0)
    outside.ns.ip(f"route add {subnet} via 198.51.100.1")
    for ns, interface, address in ((netns.Namespace.current(), "up0", HOST6), (outside.ns, "up1", ROUTER6)):
        ns.ip(f"-6 addr add {address}/64 dev {interface} nodad")
    outside.ns.ip(f"-6 route add {NET6}/64 via {HOST6}")
    ip(f"-6 route add default via {ROUTER6}")


def nobody(wire, what, ns, address, passes=0):
    wire.to(address)
    tap.eq(send(ns, address), "EHOSTUNREACH", f"{what}: its sender hears at once that nobody is there")
    tap.eq(wire.to(address), passes, f"{what}: and the uplink has {'none of it' if passes == 0 else 'it once'}")


def live_flow(wire, a, b):
    """A flow of a neighbour that stops: conntrack knows it still when the route is gone."""
    with b.ns():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 700))
    server.settimeout(SHORT_S)
    client = datagrams(a.ns())
    client.connect((b.ip, 700))
    client.send(b"?")
    server.sendto(b"!", server.recvfrom(10)[1])
    tap.eq(client.recv(10), b"!", "two containers talk")
    link = [w for w in subprocess.check_output(["ip", "route", "get", b.ip], text=True).split()
            if w.startswith(b.node.interfaces)][0]
    wire.to(b.ip)
    os.kill(b.pid(), 9)
    host.poll(lambda: link not in host.links(), 10, 0)
    heard = set()
    for _ in range(200):
        try:
            client.send(b"?")
        except OSError as e:
            heard.add(errno.errorcode[e.errno])
    tap.eq(wire.to(b.ip), 0, "one is killed: what the other still sends doesn't go out by the uplink")
    tap.ok("EHOSTUNREACH" in heard, "and it hears", heard)
    server.close()
    client.close()


def ways_out(a, address):
    """A way out that is no Ethernet, and has no gateway; the way back is the same."""
    ip("tuntap add dev tun9 mode tun")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"tun9", 1 | 0x1000))
    ip("link set tun9 up")
    for prefix in ("default", "10.0.0.0/8"):
        ip(f"route replace {prefix} dev tun9")
        wire = Wire("tun9")
        nobody(wire, f"{prefix} by a tunnel", a.ns(), address)
        wire.socket.close()
        ip(f"route del {prefix} dev tun9")
    ip(f"route replace default via {OUTSIDE}")
    ip("route add 10.0.0.0/8 via " + OUTSIDE)
    nobody(Wire(), "10.0.0.0/8 by a gateway", a.ns(), address)
    ip("route del 10.0.0.0/8")
    os.close(tun)
    ip("link del tun9")


def on_link(a, address):
    """Another network of the host's that has those addresses: Ethernet, and no gateway between."""
    there = netns.Namespace()
    ip("link add lan0 type veth peer name lan1")
    ip(f"link set lan1 netns {there.path()}")
    there.ip(f"addr add {address}/8 dev lan1")
    there.ip("link set lan1 up")
    ip("link set lan0 up")
    with there:
        server = socket.create_server(("0.0.0.0", 7070))
    for length in (16, 8):
        here = address.rsplit(".", 1)[0] + ".201"
        ip(f"addr add {here}/{length} dev lan0")
        tap.eq(a.connects(address, 7070), "open", f"a host in a connected network (/{length}) of these addresses")
        ip(f"addr del {here}/{length} dev lan0")
    server.close()
    ip("link del lan0")
    there.close()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    outside = Outside()
    with harness.Node(conf={"Network": {"Subnet6": f"{NET6}/64"}}) as node:
        a, b, c = Box(node, "alpha"), Box(node, "beta"), Box(node, "gamma")
        base = a.ip.rsplit(".", 2)[0]
        upstream(outside, f"{base}.0.0/16")
        wire = Wire()
        never, never6 = f"{base}.200.200", f"{NET6}c8c8"
        b_six = b.says("ip -6 -o addr show dev eth0 scope global").split()[3].split("/")[0]
        for what, address in (("an address that nobody ever had", never), ("one of IPv6", never6)):
            nobody(wire, what, a.ns(), address)
            nobody(wire, f"{what}, from outside", outside.ns, address, passes=1)
        tap.eq(a.connects(never, 80), "No route to host", "a connection ends at once, too")
        b_ip = b.ip
        b.do("container.force-stop")
        nobody(wire, "a container that is stopped", a.ns(), b_ip)
        nobody(wire, "its IPv6 address", a.ns(), b_six)
        b.do("container.delete", force=True)
        nobody(wire, "one that is deleted", a.ns(), b_ip)
        live_flow(wire, a, c)
        ways_out(a, never)
        on_link(a, never)
        node.restart()
        nobody(wire, "after a restart of the agent", a.ns(), never)
        subprocess.run(["nft", "flush", "table", "inet", node.table], check=True)
        host.poll(lambda: send(a.ns(), never) == "EHOSTUNREACH", 5)
        nobody(wire, "after a flush", a.ns(), never)
        with outside.listen(8000) as s:
            tap.eq(a.connects(OUTSIDE, 8000), "open", "the world outside is reached")
        for x in (a, c):
            x.do("container.delete", force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
    tap.done()


main()
