#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall beside nft -f and libnftables, in one run: 5,000 containers with 20 rules each loaded; one container's
20 rules changed with 100,000 loaded; packets forwarded with the rules of 1 to 5,000 containers."""
import ctypes
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import fwworld
import harness
import tap
from packets import UDP, address, frame, ipv4, transport

ALL, PER = 5000, 20
ROUNDS = int(os.environ.get("HOODY_ROUNDS", "5"))
CHANGES, FLOOD_MS = 40, 600


def rules(kind, seed=0):
    """20 rules for ingress, of which the last matches what is sent below (port 7777)."""
    if kind == "ports":
        made = [{
            "action": "allow", "protocol": "tcp", "destination_port": str(1000 + 10 * i + seed % 7),
            "source": f"203.0.{seed % 200}.{i + 1}"
        } for i in range(PER - 1)]
    else:
        made = [{
            "action": "allow", "protocol": "tcp", "destination_port": f"{1000 + 10 * i}-{1005 + 10 * i + seed % 4}",
            "source": f"203.{i}.{seed % 200}.0/24"
        } for i in range(PER - 1)]
    return made + [{"action": "allow", "protocol": "udp", "destination_port": "7777"}]


def as_nft(r):
    """One rule in nft's words, as a tool would that writes a line per rule."""
    source = f"ip saddr {r['source']} " if "source" in r else ""
    return f"{source}{r['protocol']} dport {r['destination_port']} accept"


def port(i, **more):
    return {
        "ifname": f"hd{i:04x}", "mac": f"02:00:00:00:{i >> 8:02x}:{i & 255:02x}", "address": address("10.88.0.0") + i,
        "project": i, "ingress": None, "egress": None, **more
    }


class Libnftables:
    def __init__(self, ns):
        self.ns, self.lib = ns, ctypes.CDLL("libnftables.so.1")
        self.lib.nft_ctx_new.restype = ctypes.c_void_p
        with ns:
            self.ctx = ctypes.c_void_p(self.lib.nft_ctx_new(0))

    def run(self, text):
        with self.ns:
            begin = time.monotonic()
            if self.lib.nft_run_cmd_from_buffer(self.ctx, text.encode()) != 0:
                raise RuntimeError("libnftables")
            return (time.monotonic() - begin) * 1000

    def close(self):
        self.lib.nft_ctx_free(self.ctx)


def peer_table(n, kind):
    """What a careful tool that drives nft makes: a verdict map by interface, a chain for each container."""
    lines = ["table inet peer {", " map dispatch { type ifname : verdict; elements = {"]
    lines += [f"  \"hd{i:04x}\" : jump c{i}," for i in range(1, n + 1)] + [" } }"]
    for i in range(1, n + 1):
        lines += [f" chain c{i} {{"] + [f"  {as_nft(r)}" for r in rules(kind, i)] + ["  reject", " }"]
    lines += [
        " chain forward { type filter hook forward priority -8; policy accept; ct state established,related accept; "
        "oifname vmap @dispatch; }",
        "}"
    ]
    return "\n".join(lines)


def by_nft(ns, text):
    begin = time.monotonic()
    ns.run("nft", "-f", "-", input=text)
    return (time.monotonic() - begin) * 1000


def change_text(i, kind, seed):
    return f"flush chain inet peer c{i}\n" + "\n".join(
        f"add rule inet peer c{i} {as_nft(r)}" for r in rules(kind, seed)) + f"\nadd rule inet peer c{i} reject\n"


def filled(world, n, kind="ports"):
    driver = fwworld.Driver(world)
    for i in range(1, n + 1):
        driver.do(expect=port(i, ingress=rules(kind, i)))
    return driver, driver.do(load=True)["us"] / 1000


def drop(world, table):
    world.router.run("nft", "delete", "table", "inet", table)


def loads(world):
    """The kernel finds a set by walking the list of all: what we gain in changes, a table of 5,000 containers pays for
    once, at the agent's start."""
    for n in (1000, ALL):
        driver, ours = filled(world, n)
        text = peer_table(n, "ports")
        theirs = by_nft(world.router, text)
        drop(world, "peer")
        library = Libnftables(world.router)
        lib = library.run(text)
        library.close()
        drop(world, "peer")
        tap.figure(
            f"{n} containers with {PER} rules loaded: {ours:.0f} ms; nft -f {theirs:.0f} ms, libnftables {lib:.0f} ms "
            f"({theirs / ours:.1f} and {lib / ours:.1f} times as long)"
        )
        tap.ok(ours < 10 * theirs, f"{n} containers are loaded")
        driver.close()
        drop(world, "hoody")


def row(times):
    return f"{statistics.median(times):.2f} ms (to {max(times):.2f})"


def our_changes(world, kind, n, times):
    """All rules but one differ: the dearest case, as the kernel's interval sets let go of an element in 50 µs."""
    driver, _ = filled(world, n, kind)
    took = [driver.do(put=port(50, ingress=rules(kind, 1000 + k)))["us"] / 1000 for k in range(times)]
    driver.close()
    drop(world, "hoody")
    return took


def their_changes(world, kind, n, times):
    """By the nft command, and by libnftables, in turn."""
    by_nft(world.router, peer_table(n, kind))
    library = Libnftables(world.router)
    theirs, lib = [], []
    for k in range(times):
        theirs.append(by_nft(world.router, change_text(50, kind, 2000 + k)))
        lib.append(library.run(change_text(50, kind, 3000 + k)))
    library.close()
    drop(world, "peer")
    return theirs, lib


def changes(world):
    medians = {}
    for kind in ("ports", "CIDRs"):
        for n in (100, ALL):
            ours = our_changes(world, kind, n, CHANGES)
            medians[kind, n] = statistics.median(ours)
            tap.figure(f"{kind}: one container's {PER} rules changed, {n * PER} loaded: {row(ours)}")
        theirs, lib = their_changes(world, kind, ALL, 4)
        ratio = statistics.median(theirs) / medians[kind, ALL]
        tap.figure(
            f"{kind}: beside it, {ALL * PER} loaded: nft {row(theirs)}, {ratio:.0f} times; libnftables {row(lib)}, "
            f"{statistics.median(lib) / medians[kind, ALL]:.0f} times"
        )
        tap.ok(ratio >= 10, f"{kind}: a multiple of the nft command's speed", ratio)
        tap.ok(medians[kind, ALL] < 10 * medians[kind, 100], f"{kind}: flat in the number of containers", medians)


def received(world):
    return int(world.ends.run("cat", "/proc/net/dev").stdout.split("e1:")[1].split()[1])


def flood(world):
    """Packets a second that come out at the container."""
    data = frame(world.o.mac, fwworld.GATEWAY_MAC,
                 ipv4(UDP, world.o.ip, world.a.ip, transport(UDP, world.o.ip, world.a.ip, 5000, 7777)))
    before, begin = received(world), time.monotonic()
    world.ends.run(harness.BUILD / "tests/tools/flood", "e4", data.hex(), FLOOD_MS)
    return (received(world) - before) / (time.monotonic() - begin)


CONNTRACK = ("table inet peer { chain f { type filter hook forward priority 0; policy accept\n"
             " ct state invalid drop\n}\n}\n")


def rates(world, numbers, rounds):
    """Packets a second with the rules of so many containers, in rounds. A flow without an answer is new with each
    packet, so that each goes all the way through the rules. Beside: connection tracking without rules, which
    masquerading needs in any case; and a kernel that does nothing but forward."""
    found = {n: [] for n in ("bare", "conntrack", *numbers)}
    flood(world)
    for _ in range(rounds):
        for n in found:
            driver = None
            if n == "conntrack":
                by_nft(world.router, CONNTRACK)
            elif n != "bare":
                driver, _ = filled(world, n)
            found[n].append(flood(world))
            if driver:
                driver.close()
            if n != "bare":
                drop(world, "hoody" if driver else "peer")
    return found


def forwarding(world):
    found = rates(world, (1, 100, 1000, ALL), ROUNDS)
    for n, rate in found.items():
        share = {other: statistics.median(r / b for r, b in zip(rate, found[other])) for other in ("bare", "conntrack")}
        tap.figure(
            f"forwarded, {n if isinstance(n, str) else f'rules of {n} containers'}: "
            f"{statistics.median(rate) / 1000:.0f} kpps, {100 * share['conntrack']:.0f} % of the rate without rules, "
            f"{100 * share['bare']:.0f} % of the bare one"
        )
    tap.ok(statistics.median(found[ALL]) > statistics.median(found[1]) / 2, "flat in the number of containers", found)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    world = fwworld.World()
    try:
        loads(world)
        changes(world)
        forwarding(world)
    finally:
        world.close()
    tap.done()


if __name__ == "__main__":
    main()
