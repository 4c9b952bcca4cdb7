#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall's table, judged by packets: every cell of protocol × direction × action × state × kind of match, then
random rule sets against a model that shares nothing with the encoder."""
import collections
import ipaddress
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import host
import tap
from fwworld import BUILD, GATEWAY_MAC, Chance, Driver, Packet, World, expect
from packets import ICMP, TCP, UDP, address, arp, checksum, frame, ipv4, mac, transport

ROUNDS = int(os.environ.get("HOODY_ROUNDS", "2000"))
SEED = int(os.environ.get("HOODY_SEED", "20261123"))


def try_all(world, packets):
    for p in packets:
        p.source.send(p.data())
    return world.settle({p.source for p in packets})


def cells(world, driver):
    """One rule at a time, and packets that match it or just not."""
    wrong, tried = [], 0
    kinds = {
        "tcp": ({}, {"destination_port": "80"}, {"destination_port": "80-90"}, {"destination_port": "22,80,443"},
                {"source_port": "40000"}, {"PEER": "198.51.100.7"}, {"PEER": "198.51.100.0/25"},
                {"PEER": "198.51.100.7,203.0.113.0/24", "destination_port": "80"}),
        "icmp4": ({}, {"icmp_type": "8"}, {"icmp_type": "8",
                                           "icmp_code": "0"}, {"icmp_type": "13"}, {"PEER": "198.51.100.7"}),
    }
    kinds["udp"] = kinds["tcp"]
    driver.do(load=True)
    for direction in ("ingress", "egress"):
        for protocol, matches in kinds.items():
            for match in matches:
                for action in ("allow", "reject", "drop"):
                    for state in ("enabled", "disabled"):
                        rule = {"action": action, "protocol": protocol, "state": state, **match}
                        if "PEER" in rule:
                            rule["source" if direction == "ingress" else "destination"] = rule.pop("PEER")
                        rules = {world.a: {direction: [rule]}}
                        driver.do(put=world.a.port(**rules[world.a]))
                        packets, n = [], tried
                        for peer in ("198.51.100.7", "198.51.100.130"):
                            for dport, kind in ((80, 8), (85, 13), (443, 8), (9, 8)):
                                n += 1
                                ends = {"src": address(peer)} if direction == "ingress" else {"dst": address(peer)}
                                source, target = (world.o, world.a) if direction == "ingress" else (world.a, world.o)
                                number = {"tcp": TCP, "udp": UDP, "icmp4": ICMP}
                                packets += [
                                    Packet(world, source, target, number[p], 40000 + n % 2, dport, (kind, 0),
                                           n & 0xffff, **ends) for p in ("tcp", "udp", "icmp4")
                                ]
                        got = try_all(world, packets)
                        tried += len(packets)
                        wrong += [(rule, p, p.outcome(got), expect(p, rules)) for p in packets
                                  if p.outcome(got) != expect(p, rules)]
                        driver.do(remove=world.a.ifname)
                        world.router.run("conntrack", "-F")
    tap.ok(not wrong, f"every cell: {tried} packets do what their rule says", len(wrong), *wrong[:5])


def chance(world, driver):
    c, wrong, cost, fates = Chance(SEED), [], [], collections.Counter()
    for n in range(ROUNDS):
        rules = {e: {d: c.rules(d) for d in ("ingress", "egress")} for e in (world.a, world.b, world.c)}
        for e, r in rules.items():
            cost.append(driver.do(put=e.port(**r))["us"])
        packets = {}
        for k in range(24):
            p = c.packet(world, n * 24 + k)
            packets.setdefault(p.key()[:5], p)
            packets.setdefault((p.protocol, p.dst, p.src, p.dport, p.sport), None) # its answer would pass
        packets = [p for p in packets.values() if p]
        got = try_all(world, packets)
        fates.update(expect(p, rules) for p in packets)
        bad = [(p, "got " + p.outcome(got), "want " + expect(p, rules), rules[p.source] if p.source in rules else "",
                rules.get(p.target)) for p in packets if p.outcome(got) != expect(p, rules)]
        wrong += [(n, *b) for b in bad]
        world.router.run("conntrack", "-F")
    cost.sort()
    tap.ok(
        not wrong,
        f"{ROUNDS} random rule sets of three containers, {sum(fates.values())} packets (seed {SEED}; "
        f"{dict(sorted(fates.items()))}): none disagrees with the model",
        len(wrong), *wrong[:3])
    tap.figure(
        f"a change of a container's rules: {cost[len(cost) // 2]} µs in the median, {cost[len(cost) * 99 // 100]} µs "
        "at the 99th percentile"
    )


def nothing(world, source, frames, what):
    """These frames of a container come out nowhere, and nobody answers but by ARP."""
    for f in frames:
        source.socket.send(f)
    got = world.settle({source})
    came = [s.data.hex() for e, seen in got.items() for s in seen if s.kind != 0x0806]
    tap.ok(not came, what, *came[:3])


def lands(world, source, target, what, **more):
    """A packet from one end comes out at the other, and nowhere else."""
    p = Packet(world, source, target, UDP, 41000, 4000, **more)
    source.send(p.data())
    got = world.settle({source})
    tap.eq([e.name for e, seen in got.items() if any(s.protocol == UDP and s.key() == p.key() for s in seen)],
           [target.name], what)


def fragments(protocol, src, dst, dport, cut, ident):
    """A packet in two."""
    body = transport(protocol, src, dst, 42000, dport, payload=b"x" * 64)
    return [ipv4(protocol, src, dst, body[:cut], ident, 0x2000), ipv4(protocol, src, dst, body[cut:], ident, cut // 8)]


def checksum6(src, dst, number, body):
    return checksum(src + dst + struct.pack("!II", len(body), number) + body)


def six(from_mac, to_mac, src, dst, number, body, at):
    src, dst = socket.inet_pton(socket.AF_INET6, src), socket.inet_pton(socket.AF_INET6, dst)
    body = body[:at] + struct.pack("!H", checksum6(src, dst, number, body)) + body[at + 2:]
    return frame(from_mac, to_mac, struct.pack("!IHBB", 6 << 28, len(body), number, 255) + src + dst + body, 0x86dd)


def tricks(world, driver):
    """What root in a container can put on its wire."""
    a, b, c, o = world.all
    gateway, router = address("169.254.1.1"), address("198.51.100.1")
    with world.router:
        servers = [socket.create_server(("0.0.0.0", port)) for port in (22, 8443)]
    for e in (a, b, c):
        driver.do(put=e.port())
    udp = lambda src, dst, sport=5000, dport=6000, mac_=None: frame(
        mac_ or a.mac, GATEWAY_MAC, ipv4(UDP, src, dst, transport(UDP, src, dst, sport, dport)))
    lands(world, a, o, "an honest packet goes out")
    nothing(world, a, [
        udp(address(s), t.ip)
        for s in ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.1.1", "198.51.100.1", "198.51.100.2",
                  "10.88.0.2", "10.88.0.3", "10.88.0.4", "192.0.2.1") for t in (b, c, o)
    ], "with any address but its own: nothing")
    nothing(world, a, [
        udp(a.ip, t.ip, mac_=m) for t in (b, c, o)
        for m in (b.mac, c.mac, GATEWAY_MAC, mac("02:00:00:00:00:ff"), b"\xff" * 6)
    ], "with any MAC but its own: nothing")
    nothing(world, a, [
        frame(a.mac, b"\xff" * 6, ipv4(UDP, s, d, transport(UDP, s, d, sp, dp, payload=b"\1\1\6\0" + b"\0" * 296)))
        for s in (0, a.ip) for d in (0xffffffff, address("224.0.0.251"), o.ip)
        for sp, dp in ((68, 67), (67, 68), (5353, 5353))
    ], "DHCP, either side of it, and multicast: nothing")
    nothing(world, a,
            [udp(a.ip, address(d)) for d in ("127.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.1.1", "198.51.100.1")],
            "to addresses that are nobody's or the host's: nothing")
    nothing(world, a, [
        frame(a.mac, GATEWAY_MAC, ipv4(TCP, a.ip, d, transport(TCP, a.ip, d, 43000 + p, p))) for d in (gateway, router)
        for p in (22, 8443, 9)
    ], "the host's ports: silence")
    nothing(world, a, [
        udp(a.ip, c.ip),
        frame(a.mac, GATEWAY_MAC, ipv4(TCP, a.ip, c.ip, transport(TCP, a.ip, c.ip, 5000, 80))),
        frame(a.mac, GATEWAY_MAC, ipv4(ICMP, a.ip, c.ip, transport(ICMP, a.ip, c.ip, 0, 0)))
    ], "another project's container: silence")
    nothing(world, a, [frame(a.mac, e.mac, udp(a.ip, e.ip)[14:]) for e in (b, c, o)], "frames for other MACs: nothing")
    for what, option in (("loose", 0x83), ("strict", 0x89)):
        head = struct.pack("!BBHHHBBHII", 0x47, 0, 28 + 13, 1, 0, 64, UDP, 0, a.ip, gateway) + struct.pack(
            "!BBBI", option, 7, 4, c.ip) + b"\0"
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        nothing(world, a, [frame(a.mac, GATEWAY_MAC, head + transport(UDP, a.ip, c.ip, 5000, 6000))],
                f"{what} source routing to another project: nothing")
    tagged = udp(a.ip, o.ip)
    nothing(
        world, a,
        [tagged[:12] + struct.pack("!HH", kind, vlan) + tagged[12:] for kind in (0x8100, 0x88a8)
         for vlan in (1, 100)], "VLAN tags: nothing")
    lying = [arp(a.mac, ip, ip, op) for ip in (b.ip, c.ip, gateway, router, o.ip)
             for op in (1, 2)] + [arp(a.mac, ip, t, 2, GATEWAY_MAC) for ip in (b.ip, c.ip) for t in (gateway, router)]
    for f in lying:
        a.socket.send(f)
    world.settle({a})
    lands(world, o, b, "lies by ARP change nothing: another's packets are its own")
    lands(world, a, o, "and its own go where they went")
    redirect = struct.pack("!BBHI", 5, 1, 0, a.ip) + ipv4(UDP, o.ip, b.ip, transport(UDP, o.ip, b.ip, 41000, 4000))[:28]
    redirect = redirect[:2] + struct.pack("!H", checksum(redirect)) + redirect[4:]
    for src in (a.ip, gateway, o.ip):
        a.socket.send(frame(a.mac, GATEWAY_MAC, ipv4(ICMP, src, gateway, redirect)))
    world.settle({a})
    lands(world, o, b, "nor do redirects", ident=1)
    for s in servers:
        s.close()
    cut_up(world, driver)
    version_six(world, driver)
    for e in (a, b, c):
        driver.do(remove=e.ifname)


def refused(world, driver):
    """What the kernel refuses is told with the rules that asked for it, and changes nothing."""
    rules = [{"action": "allow", "protocol": "tcp",
              "destination_port": "80"}, {"action": "drop", "protocol": "udp", "destination_port": "53"},
             {"action": "drop", "protocol": "udp", "destination_port": "54"}]
    driver.do(put=world.b.port())
    for n, words in ((0, "ingress rule 0 of interface"), (1, "ingress rules 1 to 2 of interface")):
        name = f"{world.b.ifname}-i{n}"
        # somebody else's, of another form
        world.router.run("nft", "add", "set", "inet", "hoody", name, "{ type ifname . ifname . ifname; }")
        try:
            said = driver.do(put=world.b.port(ingress=rules))["ok"]
        except RuntimeError as e:
            said = str(e)
        tap.ok(words in str(said), f"a refusal names {words[:-13]}", said)
        world.router.run("nft", "delete", "set", "inet", "hoody", name)
    driver.do(put=world.b.port(ingress=rules))
    driver.do(remove=world.b.ifname)
    tap.ok(True, "and can be tried again")
    ranges = {"destination_port": ",".join(f"{n}-{n + 1}" for n in range(1, 90, 3)), "source": ",".join(
        f"10.0.{n}.0/31" for n in range(30))}
    covered = [{"action": "allow", "protocol": "tcp", **ranges}] * 5
    try:
        said = driver.do(put=world.b.port(ingress=covered))["ok"]
    except RuntimeError as e:
        said = str(e)
    tap.ok("combinations" in str(said), "what other rules cover is counted, too: each is held against all", said)
    driver.do(remove=world.b.ifname)


def received(world):
    return int(world.ends.run("cat", "/proc/net/dev").stdout.split("e1:")[1].split()[1])


def undisturbed(world, driver):
    """A stream of 1 Gbit/s while other containers' rules change, and its own too, which allow it all the time."""
    a, b, o = world.a, world.b, world.o
    mine = [{"action": "allow", "protocol": "udp", "destination_port": "7777"}]
    driver.do(put=a.port(ingress=mine))
    data = frame(o.mac, GATEWAY_MAC, ipv4(UDP, o.ip, a.ip, transport(UDP, o.ip, a.ip, 5000, 7777, payload=b"x" * 1458)))
    before, changes = received(world), 0
    flood = world.ends.popen(BUILD / "tests/tools/flood", "e4", data.hex(), 4000, 84000, stdout=subprocess.PIPE,
                             text=True)
    while flood.poll() is None:
        if changes < 1000:
            e = a if changes % 4 == 0 else b
            driver.do(put=e.port(ingress=mine + [{
                "action": "allow", "protocol": "tcp", "source": f"203.0.{changes % 200}.0/{24 + changes % 9}",
                "destination_port": str(1 + changes)
            }]))
            changes += 1
        else:
            time.sleep(0.01)
    sent = int(flood.stdout.read())
    flood.stdout.close()
    tap.ok(changes == 1000 and sent > 100000,
           f"{sent} frames sent ({sent * len(data) * 8 / 4e9:.2f} Gbit/s) while rules changed {changes} times", sent,
           changes)
    tap.eq(received(world) - before, sent, "not one is lost")
    world.drain()
    for e in (a, b):
        driver.do(remove=e.ifname)


def cut_up(world, driver):
    a, o = world.a, world.o
    driver.do(put=a.port(egress=[{"action": "allow", "protocol": "udp", "destination_port": "80"},
                                 {"action": "drop", "protocol": "udp"}, {"action": "drop", "protocol": "tcp"}]))

    def out(packets):
        for data in packets:
            a.send(data)
        return sum(s.protocol in (UDP, TCP) for s in world.settle({a})[o])

    tap.ok(out(fragments(UDP, a.ip, o.ip, 80, 16, 100)) > 0, "a fragmented packet that a rule allows goes out")
    for n, (protocol, cut) in enumerate(((UDP, 8), (UDP, 16), (TCP, 8), (TCP, 16), (TCP, 24))):
        tap.eq(out(fragments(protocol, a.ip, o.ip, 81, cut, 200 + n)), 0,
               f"one that no rule allows doesn't, cut at byte {cut} of {protocol}")
        tap.eq(out(fragments(protocol, a.ip, o.ip, 81, cut, 300 + n)[::-1]), 0, "nor the wrong way round")
        tap.eq(out(fragments(protocol, a.ip, o.ip, 80, cut, 400 + n)[1:]), 0, "nor an end without a beginning")
    allowed, denied = fragments(UDP, a.ip, o.ip, 80, 16, 500), fragments(UDP, a.ip, o.ip, 81, 16, 500)
    for order in ((allowed[0], denied[0], allowed[1]), (denied[0], allowed[0], allowed[1])):
        for data in order:
            a.send(data)
        tap.ok(not any(s.protocol == UDP and s.dport == 81 for s in world.settle({a})[o]),
               "nor one whose beginning comes twice, allowed and not")
        world.router.run("conntrack", "-F")
    for number in (2, 4, 41, 47, 50, 132):
        tap.eq(
            out([ipv4(number, a.ip, o.ip, b"\0" * 40)]) + sum(s.protocol == number for s in world.drain()[o]), 0,
            f"protocol {number}, of which no rule speaks: nothing")


def version_six(world, driver):
    """IPv6 comes from no container, and to none that has rules."""
    a, o = world.a, world.o
    world.router.sysctl(ipv6__conf__all__disable_ipv6=0, ipv6__conf__all__forwarding=1)
    for e, ip in ((a, "2001:db8:1::a"), (o, "2001:db8:2::a")):
        world.router.sysctl(**{f"ipv6__conf__{e.ifname}__disable_ipv6": 0, f"ipv6__conf__{e.ifname}__forwarding": 1})
        world.router.ip(f"-6 route add {ip}/128 dev {e.ifname}")
        world.router.ip(f"-6 neigh replace {ip} lladdr {e.mac.hex(':')} dev {e.ifname} nud permanent")
    host.poll(lambda: "tentative" not in world.router.ip("-6 addr show").stdout, 5)
    body = struct.pack("!HHHH", 5000, 6000, 13, 0) + b"hoody"

    def arrives(e, target, src, dst):
        e.socket.send(six(e.mac, GATEWAY_MAC, src, dst, 17, body, 6))
        return any(s.kind == 0x86dd and body[8:] in s.data for s in world.settle({e})[target])

    driver.do(put=a.port())
    tap.ok(arrives(o, a, "2001:db8:2::a", "2001:db8:1::a"), "without rules IPv6 comes in")
    tap.ok(not arrives(a, o, "2001:db8:1::a", "2001:db8:2::a"), "but none goes out")
    driver.do(put=a.port(ingress=[{"action": "allow", "protocol": "udp"}]))
    tap.ok(not arrives(o, a, "2001:db8:2::a", "2001:db8:1::a"), "with rules none comes in, whatever they allow")
    advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    solicit = struct.pack("!BBHI", 135, 0, 0, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:2::a")
    for e in (world.b, world.c, o):
        e.socket.send(arp(e.mac, e.ip, 0)) # wakes nothing up
    world.drain()
    a.socket.send(six(a.mac, mac("33:33:00:00:00:01"), "fe80::1", "ff02::1", 58, advert, 2))
    a.socket.send(six(a.mac, GATEWAY_MAC, "fe80::1", "2001:db8:2::a", 58, solicit, 2))
    got = world.settle({a})
    routes = world.router.run("ip", "-6", "route", "show", "default").stdout
    tap.ok(
        not routes and not any(s.kind == 0x86dd and s.data[20] == 58 and s.data[54] in (134, 136)
                               for e, seen in got.items() for s in seen),
        "router advertisements and neighbour discovery of a container are not heard", routes)
    world.router.sysctl(ipv6__conf__all__disable_ipv6=1)


def cut(world, driver):
    """All flows of an address go, at whatever end it stands, and no other's: among so few entries that they are read
    at once, among few, and among so many that each end is a walk of its own. Of IPv6 as well."""
    def begin(n, source, target, answers, to):
        return (f"-I -p udp -s {source} -d {target} -r {answers} -q {to} --sport {n} --dport 9 --reply-port-src 9 "
                f"--reply-port-dst {n} -t 300\n")

    for four, mine, near, other, third, family in ((True, "10.88.0.2", "10.88.0.20", "203.0.113.9", "198.51.100.9", ()),
                                                   (False, "fd00:88::2", "fd00:88::20", "2001:db8::9", "2001:db8:1::9",
                                                    ("-f", "ipv6"))):
        ends = [(mine, other, other, mine), (other, mine, mine, other), (other, third, mine, other),
                (mine, other, other, third)]
        foreign = [(other, third, third, other), (near, other, other, near)]
        for many in (0, 60, 12000) if four else (0, 60):
            others = [begin(n + 1, *e) for n, e in enumerate(foreign)]
            others += [begin(1000 + n, other, third, third, other) for n in range(many)]
            for lines in (others + [begin(500 + n, *e) for n, e in enumerate(ends)], others):
                world.router.run("conntrack", "-F")
                world.router.run("conntrack", "-R", "/dev/stdin", input="".join(lines))
                answer = driver.do(cut_all=mine)
                left = world.router.run("conntrack", "-L", *family, "-p", "udp").stdout.splitlines()
                tap.eq((answer["cut"], len(left)), (len(lines) - len(others), len(others)),
                       f"of {len(lines)} flows those of {mine} are cut, {len(lines) - len(others)}")
                tap.eq([x for x in left if f"={mine} " in x], [], "and none of them is left")
                tap.figure(f"flows of an address cut among {len(lines)}: {answer['us']} µs")
    world.router.run("conntrack", "-F")


def judged(world, driver):
    """Of a container's own flows those go that its rules don't allow, whichever end it is, and nobody else's: by each
    of the three ways that they are found."""
    a = world.a
    driver.do(put=a.port(ingress=[{"action": "allow", "protocol": "udp", "destination_port": "9"}],
                         egress=[{"action": "allow", "protocol": "udp", "destination_port": "9"}]))

    def flow(source, target, sport, dport):
        return (f"-I -p udp -s {source} -d {target} -r {target} -q {source} --sport {sport} --dport {dport} "
                f"--reply-port-src {dport} --reply-port-dst {sport} -t 300\n")

    other, third = "203.0.113.9", "198.51.100.9"
    allowed = [flow(a.ip, other, 7000, 9), flow(other, a.ip, 7001, 9)]
    forbidden = [flow(a.ip, other, 7002, 10), flow(other, a.ip, 7003, 10)]
    for many in (0, 60, 12000):
        rest = allowed + [flow(other, third, 1000 + n, 10) for n in range(1 + many)]
        for lines in (rest + forbidden, rest, rest[len(allowed):]):
            world.router.run("conntrack", "-F")
            world.router.run("conntrack", "-R", "/dev/stdin", input="".join(lines))
            answer = driver.do(cut=int(ipaddress.ip_address(a.ip)))
            left = world.router.run("conntrack", "-L", "-p", "udp").stdout.splitlines()
            kept = min(len(lines), len(rest))
            tap.eq((answer["cut"], len(left)), (len(lines) - kept, kept),
                   f"of {len(lines)} flows the container's {len(lines) - kept} that are not allowed are cut")
    world.router.run("conntrack", "-F")
    driver.do(remove=a.ifname)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    world = World()
    driver = Driver(world)
    cells(world, driver)
    tricks(world, driver)
    refused(world, driver)
    undisturbed(world, driver)
    chance(world, driver)
    cut(world, driver)
    judged(world, driver)
    driver.close()
    world.close()
    tap.done()


main()
