# SPDX-License-Identifier: GPL-2.0-or-later
"""A router with the firewall on it, and ends around it that are nothing but wires: frames go in and come out by hand.

The model of what has to happen to a packet is written here from the protocol's words, and shares nothing with the
encoder."""
import json
import os
import pathlib
import random
import select
import subprocess
import time

import netns
from slow import BUILD, SLOW
from packets import ACK, ICMP, RST, SYN, TCP, UDP, Seen, address, arp, frame, ipv4, mac, text, transport

GATEWAY_MAC = mac("ee:ee:ee:ee:ee:ee")
NUMBERS = {"tcp": TCP, "udp": UDP, "icmp4": ICMP}


class Driver:
    """tests/tools/fwdrive, in the router's namespace."""
    def __init__(self, world, **conf):
        self.process = world.router.popen(BUILD / "tests" / "tools" / "fwdrive", stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, text=True)
        self.do(
            open={
                "table": "hoody", "prefix": "hd", "subnet": [address(
                    "10.88.0.0"), address("10.88.255.255")], "masquerade": False, "proxies": [], **conf
            })

    def do(self, **wish):
        self.process.stdin.write(json.dumps(wish) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if not answer["ok"]:
            raise RuntimeError(answer["message"])
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(10 * SLOW)


class End:
    def __init__(self, world, n, name, ip, project=None):
        self.name, self.ip, self.project = name, address(ip), project
        self.mac = mac(f"02:00:00:00:00:{n:02x}")
        self.ifname = f"hd{n:04x}" if project is not None else f"up{n}"
        world.router.ip(
            f"link add {self.ifname} address ee:ee:ee:ee:ee:ee type veth peer name e{n} address {self.mac.hex(':')}")
        world.router.ip(f"link set e{n} netns {world.ends.path()}")
        world.ends.ip(f"link set e{n} arp off up")
        world.router.ip(f"addr add {'169.254.1.1/32' if project is not None else '198.51.100.1/32'} dev {self.ifname}")
        world.router.ip(f"link set {self.ifname} up")
        where = f"{ip}/32" if project is not None else "default"
        if project is None:
            world.router.ip(f"route add {ip}/32 dev {self.ifname}")
        world.router.ip(f"route add {where} dev {self.ifname}" + ("" if project is not None else f" via {ip} onlink"))
        world.router.ip(f"neigh replace {ip} lladdr {self.mac.hex(':')} dev {self.ifname} nud permanent")
        self.socket = world.ends.packet_socket(f"e{n}")

    def port(self, **rules):
        return {
            "ifname": self.ifname, "mac": self.mac.hex(":"), "address": self.ip, "project": self.project,
            "ingress": None, "egress": None, **rules
        }

    def send(self, data, to=GATEWAY_MAC, source=None):
        self.socket.send(frame(source or self.mac, to, data))


class World:
    """a and b of one project, c of another, and the world outside behind o."""
    def __init__(self):
        self.router, self.ends = netns.Namespace(), netns.Namespace()
        self.router.sysctl(ipv4__conf__all__forwarding=1, ipv4__icmp_ratelimit=0, ipv4__icmp_ratemask=0,
                           ipv6__conf__all__disable_ipv6=1, ipv4__conf__all__rp_filter=0,
                           ipv4__conf__default__rp_filter=0)
        try:
            self.router.sysctl(ipv4__icmp_msgs_per_sec=10_000_000, ipv4__icmp_msgs_burst=1_000_000)
        except OSError:
            pass # of the whole host on older kernels
        self.a, self.b, self.c = End(self, 1, "a", "10.88.0.1", 1), End(self, 2, "b", "10.88.0.2",
                                                                        1), End(self, 3, "c", "10.88.0.3", 2)
        self.o = End(self, 4, "o", "198.51.100.2")
        self.all = (self.a, self.b, self.c, self.o)

    def close(self):
        for e in self.all:
            e.socket.close()
        self.router.close()
        self.ends.close()

    def end_of(self, ip):
        return next((e for e in self.all if e.ip == ip), self.o)

    def drain(self):
        """{end: [Seen]} of what has arrived."""
        got = {e: [] for e in self.all}
        for e in self.all:
            while True:
                try:
                    data = e.socket.recv(4096)
                except BlockingIOError:
                    break
                if data[6:12] != e.mac: # not what we sent
                    got[e].append(Seen(data))
        return got

    def settle(self, sources):
        """When each of these has an answer to an ARP request that it sends now, all that it sent before is through."""
        got, waiting = {e: [] for e in self.all}, set(sources)
        for e in sources:
            e.socket.send(arp(e.mac, e.ip, address("169.254.1.1" if e.project is not None else "198.51.100.1")))
        end = time.monotonic() + 2 * SLOW
        while waiting and time.monotonic() < end:
            select.select([e.socket for e in self.all], [], [], 0.05)
            for e, seen in self.drain().items():
                got[e] += seen
                waiting -= {e} if any(s.kind == 0x0806 for s in seen) else set()
        time.sleep(0.0005)
        for e, seen in self.drain().items():
            got[e] += seen
        return got


class Packet:
    def __init__(self, world, source, target, protocol, sport=40000, dport=80, icmp=(8, 0), ident=0, src=None,
                 dst=None):
        self.source, self.target, self.protocol = source, target, protocol
        self.src, self.dst = src if src is not None else source.ip, dst if dst is not None else target.ip
        self.sport, self.dport, self.icmp, self.ident = sport, dport, icmp, ident

    def data(self, flags=SYN):
        return ipv4(
            self.protocol, self.src, self.dst,
            transport(self.protocol, self.src, self.dst, self.sport, self.dport, flags, icmp=self.icmp,
                      ident=self.ident), ident=self.ident)

    def key(self):
        return (self.protocol, self.src, self.dst, self.sport,
                self.dport) if self.protocol != ICMP else (ICMP, self.src, self.dst, self.ident, self.icmp)

    def outcome(self, got):
        """What happened: "allow" (it came out), "reject" (its sender was told), "drop" (silence)."""
        if any(s.protocol == self.protocol and s.key() == self.key() for s in got[self.target]):
            return "allow"
        for s in got[self.source]:
            if s.protocol == TCP == self.protocol and s.flags & RST and (s.src, s.dst, s.sport,
                                                                         s.dport) == (self.dst, self.src, self.dport,
                                                                                      self.sport):
                return "reject"
            if s.quoted and s.icmp == (3, 3) and s.quoted.protocol == self.protocol and s.quoted.key() == self.key():
                return "reject"
        return "drop"

    def __repr__(self):
        name = {TCP: "tcp", UDP: "udp", ICMP: "icmp"}[self.protocol]
        return f"{name} {text(self.src)}:{self.sport} > {text(self.dst)}:{self.dport} icmp {self.icmp}"


# --- the model ---

def ports_match(wanted, port):
    for part in wanted.split(","):
        low, _, high = part.partition("-")
        if int(low) <= port <= int(high or low):
            return True
    return False


def addresses_match(wanted, ip):
    for part in wanted.split(","):
        base, _, bits = part.partition("/")
        shift = 32 - int(bits or 32)
        if address(base) >> shift == ip >> shift:
            return True
    return False


def matches(rule, packet, peer):
    if NUMBERS[rule["protocol"]] != packet.protocol:
        return False
    other = rule.get("source", rule.get("destination"))
    if other and not addresses_match(other, peer):
        return False
    if packet.protocol == ICMP:
        return ("icmp_type" not in rule or int(rule["icmp_type"])
                == packet.icmp[0]) and ("icmp_code" not in rule or int(rule["icmp_code"]) == packet.icmp[1])
    return ("destination_port" not in rule or ports_match(rule["destination_port"], packet.dport)) and (
        "source_port" not in rule or ports_match(rule["source_port"], packet.sport))


def decide(rules, packet, peer):
    """First match wins; what none matches is rejected."""
    for rule in rules:
        if rule.get("state", "enabled") == "enabled" and matches(rule, packet, peer):
            return rule["action"]
    return "reject"


def expect(packet, rules, proxies=()):
    """@rules: {end: {"ingress": list or None, "egress": …}}"""
    mine, theirs = rules.get(packet.source, {}), rules.get(packet.target, {})
    if packet.source.project is not None and mine.get("egress") is not None:
        verdict = decide(mine["egress"], packet, packet.dst)
        if verdict != "allow":
            return verdict
    if packet.target.project is None:
        return "allow"
    if packet.src in proxies and not (packet.protocol == TCP and packet.dport == 22):
        return "allow"
    if theirs.get("ingress") is not None:
        return decide(theirs["ingress"], packet, packet.src)
    return "allow" if packet.source.project in (None, packet.target.project) else "drop"


# --- chance ---

class Chance:
    PORTS = ("1", "22", "53", "80", "443", "8080", "65535", "80-90", "1-1023", "1000-2000", "80,443", "22,80-90,8080",
             "5000-5000", "1-65535", "440-450,443", "2000-3000")
    ADDRESSES = ("198.51.100.7", "198.51.100.0/24", "203.0.113.0/25,203.0.113.128/26", "10.88.0.2", "10.88.0.0/16",
                 "0.0.0.0/0", "198.51.100.7,198.51.100.8/31", "203.0.113.77/24", "10.88.0.3")
    PEERS = ("198.51.100.7", "198.51.100.9", "198.51.100.200", "203.0.113.5", "203.0.113.190", "203.0.113.250",
             "192.0.2.1")

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def rule(self, direction):
        rng = self.rng
        rule = {
            "action": rng.choice(("allow", "allow", "reject", "drop")), "protocol": rng.choice(
                ("tcp", "tcp", "udp", "icmp4"))
        }
        if rule["protocol"] == "icmp4":
            if rng.random() < 0.6:
                rule["icmp_type"] = str(rng.choice((0, 8, 13)))
            if rng.random() < 0.3:
                rule["icmp_code"] = str(rng.choice((0, 1)))
        else:
            if rng.random() < 0.8:
                rule["destination_port"] = rng.choice(self.PORTS)
            if rng.random() < 0.2:
                rule["source_port"] = rng.choice(self.PORTS)
        if rng.random() < 0.5:
            rule["source" if direction == "ingress" else "destination"] = rng.choice(self.ADDRESSES)
        if rng.random() < 0.15:
            rule["state"] = "disabled"
        return rule

    def rules(self, direction):
        return None if self.rng.random() < 0.25 else [self.rule(direction) for _ in range(self.rng.randrange(0, 9))]

    def port(self):
        return self.rng.choice((1, 21, 22, 23, 53, 79, 80, 81, 85, 90, 91, 442, 443, 444, 450, 999, 1000, 1500, 2000,
                                2001, 3000, 5000, 8080, 65535))

    def packet(self, world, n):
        rng = self.rng
        source, target = rng.sample(world.all, 2)
        protocol = rng.choice((TCP, TCP, UDP, ICMP))
        return Packet(world, source, target, protocol, self.port(), self.port(), (rng.choice((8, 13)), 0), n & 0xffff,
                      address(rng.choice(self.PEERS)) if source is world.o else None,
                      address(rng.choice(self.PEERS)) if target is world.o else None)
