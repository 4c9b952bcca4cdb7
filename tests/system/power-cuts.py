#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The power is cut at random instants (kill -9 of QEMU, the guest's page cache is lost) during a storm of orders: each ends once, the host is what they say, nothing is left. HOODY_CUTS says how many
cuts, HOODY_SEED repeats a run's instants; the log of a run of 50 is power-cuts.log."""
import os
import pathlib
import random
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
import vm

if not shutil.which("qemu-system-x86_64"):
    tap.skip_all("needs qemu-system-x86")
import harness  # it leaves the host's network
import host
import node_in_vm
import tour

CUTS = int(os.environ.get("HOODY_CUTS", "3"))
CONTAINERS = 4 # tours of a round
STORM_S = 8    # a round's orders last about that long


def settle(n, tours):
    """Every end of a round: [what is wrong]."""
    wrong = []
    for cid, issued in tours:
        reports = [(op, n.node.wait(i, 300)) for op, i in issued]
        want, seen = tour.expected(reports), n.state(cid)
        if want != seen and not (reports[-1][0] == "container.delete" and reports[-1][1]["state"] != "succeeded"):
            wrong.append(f"{cid}: " + ", ".join(f"{op} {r['state']} {r.get('error', '')}" for op, r in reports) + f"; the host: {seen}, the orders: {want}")
        again = n.node.wait(n.node.order("container.delete", cid, force=True), 300)
        if again["state"] != "succeeded":
            wrong.append(f"{cid}: deleting: {again.get('error')}")
    return wrong


def main():
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    tap.note(f"seed {seed}, {CUTS} cuts")
    with node_in_vm.NodeInVm("debian12", node_in_vm.build()) as n:
        n.install()
        n.enrol()
        rounds = []
        for i in range(CUTS):
            rounds.append([(cid, tour.issue(n.node, cid)) for cid in (n.node.new_id() for _ in range(CONTAINERS))])
            after = rng.uniform(0, STORM_S)
            time.sleep(after)
            n.m.cut()
            stats = n.node.api.ask("stats")
            tap.note(f"cut {i + 1} after {after:.2f} s: {stats['orders_terminal']} of {stats['orders_issued']} orders had ended")
            n.m.start()
            n.connected(300)
            wrong = settle(n, rounds[-1])
            host.poll(lambda: not n.leaks(), 10)
            stats, leaks, breaches = n.node.api.ask("stats"), n.leaks(), n.node.violations()
            words = n.m.must("journalctl -b -p err --no-pager -o cat -u hoody-agent || true")
            tap.ok(not wrong and not leaks and not breaches and not words and stats["orders_terminal"] == stats["orders_issued"] and stats["orders_ended_twice"] == 0,
                   f"cut {i + 1}: {stats['orders_issued']} orders in all, each ended once, nothing is left", *wrong, f"leaks {leaks}", f"breaches {breaches}", f"terminal {stats['orders_terminal']}, twice {stats['orders_ended_twice']}", words)
        tap.eq(n.m.must("systemctl list-units --failed --no-legend --plain"), "", "no unit has failed")
    tap.done()


main()
