#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall's table, judged by packets: every cell of protocol × direction × action × state × kind of match, then random rule sets against a model that shares nothing with the encoder."""
import collections
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
from fwworld import Chance, Driver, Packet, World, expect
from packets import ICMP, TCP, UDP, address

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
        "tcp": ({}, {"destination_port": "80"}, {"destination_port": "80-90"}, {"destination_port": "22,80,443"}, {"source_port": "40000"}, {"PEER": "198.51.100.7"}, {"PEER": "198.51.100.0/25"}, {"PEER": "198.51.100.7,203.0.113.0/24", "destination_port": "80"}),
        "icmp4": ({}, {"icmp_type": "8"}, {"icmp_type": "8", "icmp_code": "0"}, {"icmp_type": "13"}, {"PEER": "198.51.100.7"}),
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
                                packets += [Packet(world, source, target, number[p], 40000 + n % 2, dport, (kind, 0), n & 0xffff, **ends) for p in ("tcp", "udp", "icmp4")]
                        got = try_all(world, packets)
                        tried += len(packets)
                        wrong += [(rule, p, p.outcome(got), expect(p, rules)) for p in packets if p.outcome(got) != expect(p, rules)]
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
        bad = [(p, "got " + p.outcome(got), "want " + expect(p, rules), rules[p.source] if p.source in rules else "", rules.get(p.target)) for p in packets if p.outcome(got) != expect(p, rules)]
        wrong += [(n, *b) for b in bad]
        world.router.run("conntrack", "-F")
    cost.sort()
    tap.ok(not wrong, f"{ROUNDS} random rule sets of three containers, {sum(fates.values())} packets (seed {SEED}; {dict(sorted(fates.items()))}): none disagrees with the model", len(wrong), *wrong[:3])
    tap.figure(f"a change of a container's rules: {cost[len(cost) // 2]} µs in the median, {cost[len(cost) * 99 // 100]} µs at the 99th percentile")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    world = World()
    driver = Driver(world)
    cells(world, driver)
    chance(world, driver)
    driver.close()
    world.close()
    tap.done()


main()
