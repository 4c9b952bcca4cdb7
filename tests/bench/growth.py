#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What things cost beside 1, 10, 100 and 1,000 containers that run (HOODY_GROWTH): one container's start and stop, a
rule of it, a scrape, the list, the agent's memory, and its own start. Flat is as good as can be, linear is what a
scrape and a list have to be; by how much each grew is told, and judged by nobody. And the same start by liblxc alone,
which shows what of it the kernel takes.

  tests/bench/growth.py             prints the table
  tests/bench/growth.py --readme    and puts it into tests/bench/README.md, and the plot into tests/bench/growth.svg"""
import os
import pathlib
import signal
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE)]
import bench_growth
import harness
import host
import local
import loop
import start
import tap
from bench_table import clock

SIZES = [int(n) for n in os.environ.get("HOODY_GROWTH", "1 10 100 1000").split()]
ROUNDS = int(os.environ.get("HOODY_ROUNDS", "11"))
FEW_ROUNDS = 3
MIB = 1 << 20


class Growing:
    def __init__(self, node, growth):
        self.node, self.growth, self.local, self.ids = node, growth, local.Local(node, 300), []

    def orders(self, wishes):
        """All at once; the seconds until the last has ended."""
        ended, begin = self.node.api.ask("stats")["orders_terminal"], time.monotonic()
        for i in range(0, len(wishes), 500):
            self.node.api.ask("orders", orders=wishes[i:i + 500])
        wanted = ended + len(wishes)
        if not host.poll(lambda: self.node.api.ask("stats")["orders_terminal"] >= wanted, 30 + len(wishes), 0.05):
            raise harness.Failure("orders have no end")
        return time.monotonic() - begin

    def grow(self, n):
        new = [self.node.new_id() for _ in range(n - len(self.ids))]
        took = self.orders([{
            "op": "container.create", "container_id": cid, "project_id": harness.PROJECT,
            "params": {"image": harness.IMAGE}
        } for cid in new])
        self.ids += new
        self.growth.add("create and start, of many at once", n, took * 1000 / len(new))

    def shrink(self):
        self.orders([{
            "op": "container.delete", "container_id": cid, "project_id": harness.PROJECT, "params": {"force": True}
        } for cid in self.ids])

    def act(self, what, body=None):
        self.local.do("POST", f"/containers/{self.ids[0]}/{what}", body)

    def boot(self, n):
        self.node.shut_down()
        began = time.monotonic()
        self.node.start_agent()
        left = list(self.ids)
        while left and time.monotonic() < began + 30 + n:
            left = [c for c in left if not host.init_of(self.node.prefix, c)]
            time.sleep(0.02)
        if left:
            raise harness.Failure(f"{len(left)} of {n} were not started with the host")
        self.growth.add("started with the host, of many at once", n, (time.monotonic() - began) * 1000 / n)

    def measure(self, n):
        add = lambda operation, timed: self.growth.add(operation, n, timed[0])
        first = self.ids[0]
        base = pathlib.Path(f"/proc/{host.init_of(self.node.prefix, first)}/uid_map").read_text().split()[1]
        self.act("force-stop")
        for i in range(ROUNDS):
            add("start", clock(self.act, "start"))
            add("a rule added by the API", clock(self.act, "firewall/ingress", {
                "action": "allow", "source": f"203.0.113.{i}", "protocol": "tcp", "destination_port": "80"
            }))
            add("list, its first page", clock(self.local.do, "GET", "/containers"))
            add("stop by force", clock(self.act, "force-stop"))
            add("scrape", clock(self.local.page, "/metrics"))
            add("a start by liblxc alone", (start.bare_start(self.node, first, base, "veth"), ))
        self.act("firewall/reset")
        self.act("start")
        for _ in range(FEW_ROUNDS):
            self.node.stop_agent(signal.SIGKILL)
            add("start of the agent after SIGKILL, until ready", clock(self.node.start_agent))
        self.boot(n)
        self.growth.add("the agent's memory", n, host.memory(self.node.agent_pid())["rss"] / MIB, "MiB")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    growth = bench_growth.Growth()
    with loop.FileSystem("btrfs", 8000) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool,
                                                                              "Driver": "btrfs"}}) as node:
        node.root = lambda cid: fs.pool / "containers" / cid / "rootfs"
        g = Growing(node, growth)
        for n in SIZES:
            g.grow(n)
            g.measure(n)
            tap.eq(sum(node.state(c) == "running" for c in g.ids), n, f"{n:,} run")
        g.shrink()
        tap.eq(node.leaks(within_s=60)[:5], [], "nothing is left of them")
    for line in growth.text():
        tap.figure(line)
    if "--readme" in sys.argv[1:]:
        growth.into(HERE / "README.md")
        growth.plot(HERE / "growth.svg")
    tap.done()


if __name__ == "__main__":
    main()
