#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""10,000 orders with nothing to do, through the whole path: none lost, none twice, in order for each container. The
rate stands beside the disk's own fsync rate."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap

N, CONTAINERS, CHUNK = 10_000, 100, 1000


def fsync_rate(directory, n=200):
    data, path = b"x" * 4096, directory / "fsync"
    with open(path, "wb") as f:
        begin = time.monotonic()
        for _ in range(n):
            f.write(data)
            f.flush()
            os.fdatasync(f.fileno())
        rate = n / (time.monotonic() - begin)
    path.unlink()
    return rate


def all_through(node):
    """The API's statistics after the last report, and seconds between the first and the last."""
    cids, ids = [f"{i:024x}" for i in range(CONTAINERS)], []
    for i in range(0, N, CHUNK):
        ids += node.api.ask(
            "orders", orders=[{"op": "container.delete", "container_id": cids[k % CONTAINERS]}
                              for k in range(i, i + CHUNK)])["ids"]
    node.wait(ids[-1], 120)
    harness.host.poll(lambda: node.api.ask("stats")["orders_terminal"] >= N, 60, 0.1)
    stats = node.api.ask("stats")
    return stats, max(stats["last_terminal_ms"] - stats["first_terminal_ms"], 1) / 1000


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        disk = fsync_rate(node.directory)
        stats, seconds = all_through(node)
        tap.figure(
            f"{N} orders: {N / seconds:.0f} orders/s journaled, executed and reported; the disk alone does {disk:.0f} "
            f"fdatasync/s; {stats['batches']} batches"
        )
        tap.eq((stats["orders_terminal"], stats["orders_ended_twice"]), (N, 0), "none lost, none twice")
        ends = [r for r in node.reports(kind="order") if r["state"] == "succeeded"]
        tap.eq(len({r["order_id"] for r in ends}), N, "every one succeeded")
        last, ordered = {}, True
        for r in ends:
            ordered = ordered and last.get(r["container_id"], 0) < r["order_seq"]
            last[r["container_id"]] = r["order_seq"]
        tap.ok(ordered, "in order for each container")
        tap.eq(stats["violations"], [], "no breach of the protocol")
    tap.done()


if __name__ == "__main__":
    main()
