#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports that nobody takes: when their room is used up no further order is taken in, and none is lost; when they are
taken again, all goes on."""
import json
import os
import pathlib
import signal
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

ROUNDS, AT_ONCE = 10, 400


def unsent(node):
    return node.hoodyctl("status")["outbox"]["bytes"]


def long_inventory():
    """Of more shares, with the longest paths, than one report can tell: what comes after it would never be sent."""
    n, path = 2600, "/" + "/".join(["d" * 200] * 20)
    with harness.Node(conf={"Control": {"PollWaitSec": 1}}) as node:
        source, target = node.new_id(), node.new_id()
        for cid in (source, target):
            node.do("container.create", cid, image=harness.IMAGE, start=False)
        node.stop_agent()
        seq, ids = node.last_seq(), [node.new_id() for _ in range(n)]
        with sqlite3.connect(node.directory / "state" / "state.db") as db:
            db.executemany(
                "INSERT INTO shares(id, source_id, path, target_id, mode, mount_path, enabled, status, created_ms, "
                "changed_ms, description) VALUES(?1, ?2, ?3, ?4, 'readonly', ?5, 0, 'active', 1, 1, ?6)",
                [(i, source, f"{path}/{k}", target, f"{path}/at{k}", os.urandom(500).hex()) for k, i in enumerate(ids)])
        db.close()
        node.start_agent()
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded", "an order's end is told behind it")
        parts = node.reports(after=seq, kind="node.inventory")
        tap.eq(sorted(row["id"] for p in parts for row in p["shares"]), sorted(ids), "whose parts have each share once")
        tap.eq([row["id"] for p in parts for row in p["containers"]], sorted((source, target)), "and each container")
        tap.eq(([p.get("more") for p in parts], max(len(json.dumps(p)) for p in parts) < 5 << 20),
               ([True] * (len(parts) - 1) + [None], True), "all but the last say that there is more, and none is long")
        tap.eq((unsent(node), node.violations(), node.sanitizer_words()), (0, [], []), "nothing is left to be told")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Control": {"OutboxMaxBytes": "1M", "PollWaitSec": 1}}) as node:
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded", "orders come through")
        node.api.ask("misbehave", what="5xx", on="reports", count=1_000_000)
        ids, began = [], len(node.log.read_text())
        for _ in range(ROUNDS):
            wishes = [{
                "op": "container.delete", "container_id": node.new_id(), "project_id": harness.PROJECT, "params": {}
            } for _ in range(AT_ONCE)]
            ids += node.api.ask("orders", orders=wishes)["ids"]
        tap.ok(host.poll(lambda: "no order is taken until some are" in node.log_tail(200), 60, 0.05),
               "the outbox fills, and the agent says so", node.log_tail())
        taken = []
        host.poll(
            lambda: taken.append(node.hoodyctl("status")["control"]["after"]) or len(taken) > 9 and len(set(taken[-9:]))
            == 1, 20, 0.1)
        before = node.hoodyctl("status")
        time.sleep(2)
        after = node.hoodyctl("status")
        tap.eq(after["control"]["after"], before["control"]["after"], "no order is taken any more")
        tap.ok(after["control"]["after"] < 1 + len(ids), "though there are more", after["control"])
        said = node.log.read_text()[began:]
        tap.eq((said.count("refused (status 503)"), said.count("answers"), after["control"].get("last_http_status")),
               (1, 0, 503), "that reports are refused is said once, whatever polls bring, and stays in the status")
        # The last batch taken may overshoot the mark: that is what the reserve is for.
        tap.ok(after["outbox"]["bytes"] <= 1 << 20, "and what is kept stays within its bound", after["outbox"])
        node.restart(signal.SIGKILL)
        tap.eq(node.hoodyctl("status")["outbox"]["bytes"] > 1 << 19, True, "a crash forgets none of it")

        node.api.ask("misbehave", what="none", on="reports", count=0)
        node.agent.send_signal(signal.SIGHUP)
        ends = {node.wait(i, 60)["state"] for i in ids}
        tap.eq(ends, {"succeeded"}, f"when reports are taken again all {len(ids)} orders end")
        stats = node.api.ask("stats")
        tap.eq((stats["orders_terminal"], stats["orders_ended_twice"], stats["violations"]),
               (stats["orders_issued"], 0, []), "each once, and the chain of batches holds")
        tap.ok(host.poll(lambda: unsent(node) == 0, 10), "nothing is left to send")

        # --- what has ended is kept, and not without end ---
        node.stop_agent()
        with sqlite3.connect(node.directory / "state/state.db") as db:
            db.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
                       "INSERT INTO orders(order_id, op, origin, digest, received_ms, state) "
                       "SELECT 'old' || i, 'node.resync', 'agent', x'00', 0, 'succeeded' FROM n")
        db.close()
        node.start_agent()
        total = node.hoodyctl("orders", "--lines", "1")["total"]
        tap.ok(total <= 100_000, "an agent that starts forgets what is too old", total)
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
    long_inventory()
    tap.done()


main()
