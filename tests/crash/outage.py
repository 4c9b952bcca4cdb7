#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The control API is gone for as many events as a day has, and the agent is killed at random meanwhile: every durable
report arrives once, in order, and what the node kept for them stayed within bounds."""
import os
import pathlib
import random
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

# A busy node's day: a change of a container every three minutes.
CHANGES = int(os.environ.get("HOODY_CHANGES", 480))
KILLS = 12
SEED = 20261124


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    chance = random.Random(SEED)
    with harness.Node(conf={"Control": {"StatsIntervalSec": 1}}, api_options=["--without-stats"]) as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="busy")
        host.poll(lambda: node.hoodyctl("status")["outbox"]["reports"] == 0, 10)
        node.api.stop()
        write_conf, node.write_conf = node.write_conf, lambda: None # the node goes on believing in it
        api, kills, lost, rss = local.Local(node), sorted(chance.sample(range(CHANGES), KILLS)), 0, []
        for i in range(CHANGES):
            verb = "pause" if api_status(api, cid) == "running" else "resume"
            try:
                if i in kills: # while the order is under way
                    api.ask("POST", f"/containers/{cid}/{verb}", {}, {"Prefer": "respond-async"})
                    time.sleep(chance.random() * 0.01)
                    node.kill9("agent")
                    node.start_agent()
                    host.poll(
                        lambda: all(o["status"] in ("succeeded", "failed")
                                    for o in api.do("GET", "/operations?limit=3")["operations"]), 10)
                else:
                    api.do("POST", f"/containers/{cid}/{verb}", {})
            except OSError:
                lost += 1
            if i % 100 == 50:
                rss.append(host.memory(node.agent_pid())["rss"])
        kept = node.hoodyctl("status")["outbox"]
        tap.ok(kept["reports"] > 2 * CHANGES, "all of it is kept", kept)
        if not harness.SANITIZED:
            tap.ok(rss[-1] < rss[0] + (4 << 20), "on the disk, not in memory", rss)
        node.api.start()
        node.write_conf = write_conf
        tap.ok(host.poll(lambda: node.hoodyctl("status")["outbox"]["reports"] == 0, 90, 0.2),
               "the API is back, and gets all of it",
               node.hoodyctl("status")["outbox"])
        tap.ok(node.wait_report("node.stats", 90), "an API that knows no statistics gets them by reports")
        reports = node.reports()
        durable = [r for r in reports if r["type"] not in ("container.stats", "node.stats")]
        seqs = [r["seq"] for r in reports]
        tap.ok(seqs == sorted(set(seqs)), "each once, by its seq, in order")
        told = [(r["from_status"], r["to_status"], r["transition_time"]) for r in durable
                if r["type"] == "container.status"]
        first = api.do("GET", f"/containers/{cid}/status-logs?sort_order=asc&limit=1")
        pages = (first["pagination"]["total"] + 99) // 100
        known = [
            x for p in range(1, pages + 1)
            for x in api.do("GET", f"/containers/{cid}/status-logs?sort_order=asc&limit=100&page={p}")["logs"]
        ]
        tap.ok([t[:2] for t in told] == [(x["from_status"], x["to_status"]) for x in known],
               f"the {len(known)} changes that the node knows of are those that were told")
        ends = [r["order_id"] for r in durable if r["type"] == "order" and r["state"] in ("succeeded", "failed")]
        tap.ok(len(ends) == len(set(ends)) >= CHANGES - KILLS, "every order has one end", len(ends))
        stats = [r for r in reports if r["type"] == "node.stats"]
        tap.ok(stats and all("dropped" in r for r in stats), "which say how many are missing")
        tap.eq(node.api.ask("stats")["violations"], [], "and the chain of batches holds")
        tap.figure(
            f"{len(durable)} durable reports of {CHANGES} changes, {KILLS} kills of the agent, {lost} calls cut off")
        node.do("container.delete", cid, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


def api_status(api, cid):
    return api.do("GET", f"/containers/{cid}")["status"]


main()
