#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a container can make the agent's loop work: each attack in turn, beside what an operator does with a container
then, and the most processor time that one turn of the loop took meanwhile (hoody_loop_work_max_seconds). And what each
can use up that the kernel counts for all, with the setting that bounds it."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import arms
import harness
import host
import local
import tap
from boxes import OUTSIDE, Box, Outside

LIMITS = {"pids": 400, "memory_bytes": 512 << 20, "cpu_cores": 1}
BOUNDS = {"NamespacesMax": 100, "NetNamespacesMax": 24, "InotifyMax": 50, "WatchesMax": 400, "CgroupsMax": 200}
BOUNDED = {"user": 100, "pid": 100, "uts": 100, "ipc": 100, "net": 24, "mnt": 100, "cgroup": 100, "task": 400,
           "inotify": 50, "inotify-below": 50, "fanotify": 50, "watch": 400, "cgroups": 200, "memory": 0, "copies": 0}
LONG_S = 0.005
OPERATOR = (("container.pause", {}), ("container.resume", {}), ("env.set", {"key": "A", "value": "1"}),
            ("snapshot.create", {"alias": "s"}), ("container.update", {"autostart": False}))


def beside(node, box, attack):
    """An attack, and the operator's orders for as long as it goes on; what it printed."""
    command = [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T", box.name,
               "--", "sh", "-c", "echo begun; " + (attack.command if attack else "sleep 1")]
    api, orders = local.Local(node), 0
    with harness.running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True) as session:
        tap.eq(session.stdout.readline(), "begun\n", f"{attack.name if attack else 'nothing'} begins")
        while session.poll() is None or not orders:
            for op, params in OPERATOR:
                orders += node.do(op, box.id, **params)["state"] == "succeeded"
            node.do("snapshot.delete", box.id, name="s")
            for path in ("", "/stats"):
                api.ask("GET", f"/containers/{box.id}{path}")
        said = (session.stdout.read().splitlines() or ["?"])[0].split()
    return int(said[-1]) if said and said[-1].isdigit() else None, orders


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    outside = Outside()
    with outside.listen(arms.PORT) as server, harness.Node(
            conf={"Containers": BOUNDS, "Network": {"MaxFlows": 500}}) as node:
        server.listen(4096)
        box = Box(node, "hostile", limits=LIMITS)
        arms.install(node.root(box.id))
        gateway = box.says("ip route").split("via ")[1].split()[0]
        idle, worst = None, []
        for attack in (None, *arms.table(gateway, OUTSIDE, 100)):
            node.restart() # whose longest turns are counted from its start
            host.poll(lambda: node.ctl("exec", "-T", box.name, "--", "true")[0] == 0, 30)
            made, orders = beside(node, box, attack)
            seen = arms.metrics(node)
            work, took = seen["hoody_loop_work_max_seconds"], seen["hoody_loop_turn_max_seconds"]
            name = attack.name if attack else "nothing"
            tap.figure(f"{name}: {made} of {attack.tries if attack else 0} tries came through, bound by "
                       f"{attack.bound if attack else '-'}; longest turn of the loop {1000 * work:.1f} ms of the "
                       f"processor, {1000 * took:.1f} ms in all, {seen['hoody_loop_long_turns_total']:.0f} of "
                       f"{seen['hoody_loop_turns_total']:.0f} beyond 5 ms, beside {orders} orders")
            if attack is None:
                idle = work
                continue
            if name in BOUNDED:
                tap.ok(made is not None and made <= BOUNDED[name],
                       f"{name}: of {attack.tries} tries at most {BOUNDED[name]} come through", made)
            worst.append((work, name))
        tap.ok(max(worst)[0] <= max(LONG_S, 10 * idle) * harness.SLOW,
               "no attack makes one turn of the agent's loop long", sorted(worst)[-5:], idle)
        box.do("container.delete", force=True)
        tap.eq(node.leaks(), [], "nothing is left")
    tap.done()


main()
