#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SIGKILL to agent, courier and workers at random instants of tours of several containers at once. The seed is printed;
HOODY_SEED repeats a run."""
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap
import tour

ROUNDS = int(os.environ.get("HOODY_ROUNDS", "25"))
CONTAINERS = 3


def strike(node, rng):
    """A few kills at random times; the agent is started again when it was its turn."""
    kills = []
    for _ in range(rng.randint(1, 3)):
        time.sleep(rng.uniform(0, 0.12))
        who = rng.choice(("agent", "agent", "courier", "worker"))
        kills.append(who)
        node.kill9(who)
        if who == "agent":
            node.start_agent()
    return kills


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    rng = random.Random(seed)
    tap.note(f"seed {seed}")
    with harness.Node() as node:
        for i in range(ROUNDS):
            tours = [(cid, tour.issue(node, cid)) for cid in (node.new_id() for _ in range(CONTAINERS))]
            kills = strike(node, rng)
            if not tour.settle(node, tours, f"seed {seed} round {i}: {'+'.join(kills)}"):
                break
    tap.done()


main()
