#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The power is cut at random instants (kill -9 of QEMU, the guest's page cache is lost) during a storm of orders: each
ends once, the host is what they say, nothing is left. HOODY_CUTS says how many cuts, HOODY_SEED repeats a run's
instants; the log of a run of 50 is power-cuts.log."""
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
import node_in_vm

CUTS = int(os.environ.get("HOODY_CUTS", "3"))


def main():
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    tap.note(f"seed {seed}, {CUTS} cuts")
    with node_in_vm.NodeInVm("debian12", node_in_vm.build()) as n:
        n.install()
        n.enrol()
        for i in range(CUTS):
            n.cut_in_storm(rng, f"cut {i + 1}")
        tap.eq(n.m.must("systemctl list-units --failed --no-legend --plain"), "", "no unit has failed")
    tap.done()


main()
