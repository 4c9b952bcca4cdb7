#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A leaf that was taken over turns on the others: tests/tools/evil-leaf, with the ids of one, no capability and the
filter of its role, tries each attack on each other leaf of a running agent (courier, both portals, a download, three
forwarders), and once more without the filter: what the ids alone are worth. Then it uses up what the kernel counts by
user, and the others go on."""
import hashlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

FORWARDERS = 3
FIRST = 0xfffa0000 # of the leaves; containers end below
TOOL = harness.BUILD / "tests/tools/evil-leaf"
FILTERS = {"courier": "client", "portal": "server", "netproxy": "proxy", "download": "client"}


class Slow:
    """A server that begins an answer and says no more: who asks is there as long as we want."""

    def __init__(self):
        self.listener, self.held = socket.create_server(("127.0.0.1", 0)), []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx")
            self.held.append(connection)

    def let_go(self):
        for connection in self.held:
            connection.close()


def ids(pid):
    st = host.status(pid)
    return int(st["Uid"].split()[0]), int(st["Gid"].split()[0])


class Leaf:
    def __init__(self, name, pid):
        self.name, self.pid, (self.uid, self.gid) = name, pid, ids(pid)

    def tool(self, *args, **more):
        kind = FILTERS[self.name.rstrip("0123456789")]
        return subprocess.Popen([str(a) for a in (TOOL, kind, self.uid, self.gid, *args)], stdout=subprocess.PIPE,
                                text=True, **more)


def leaves_of(node):
    agent, found = node.agent.pid, []
    for comm, name in (("hoody-courier", "courier"), ("hoody-portal", "portal"), ("hoody-netproxy", "netproxy")):
        found += [(name, pid) for pid in host.children(agent, comm)]
    found += [("download", pid) for worker in node.worker_pids() for pid in host.children(worker, "hoody-courier")]
    return [Leaf(f"{name}{n}", pid) for n, (name, pid) in enumerate(found)]


def confined(found):
    return all(
        host.status(pid).get("CapEff") == "0" *
        16 and host.status(pid).get("NoNewPrivs") == "1" and host.status(pid)["Uid"].split()[1] != "0" for pid in found)


def each_is_another(node, leaves):
    tap.eq(len({leaf.uid for leaf in leaves}), len(leaves),
           "each leaf has an id of its own: " + ", ".join(f"{leaf.name} {leaf.uid}" for leaf in leaves))
    status = [host.status(leaf.pid) for leaf in leaves]
    tap.ok(all(len(set(st["Uid"].split() + st["Gid"].split())) == 1 and not st["Groups"].split() for st in status),
           "as user and as group, and no other group", [(st["Uid"], st["Gid"], st["Groups"]) for st in status])
    tap.ok(min(leaf.uid for leaf in leaves) >= FIRST, "which no container can have")
    tap.ok(
        all(int(st[cap], 16) == 0 for st in status for cap in ("CapInh", "CapPrm", "CapEff", "CapAmb"))
        and all(st["Seccomp"] == "2" for st in status), "no capability, a filter")


def attack(leaves, is_filtered):
    """What came through, and how many tries there were."""
    came, n, what = [], 0, "with the filter" if is_filtered == "yes" else "by the ids alone"
    running = [(leaf, leaf.tool("tries", is_filtered, *(other.pid for other in leaves if other is not leaf)))
               for leaf in leaves]
    names = {leaf.pid: leaf.name for leaf in leaves}
    for leaf, process in running:
        for line in process.communicate(timeout=120)[0].splitlines():
            attack_by, pid, outcome = line.split()
            n += 1
            if outcome == "done":
                came.append(f"{leaf.name} {attack_by} {names[int(pid)]}")
        if process.returncode != 0:
            tap.ok(False, f"{leaf.name}: the tool ran", process.returncode)
    tap.ok(n >= 20 * len(leaves) * (len(leaves) - 1) and not came, f"{what}, no leaf reaches another",
           f"{len(came)} of {n}", sorted({c.split()[1] for c in came}))
    tap.figure(f"leaves, {what}: {len(came)} of {n} attacks came through")
    tap.ok(all(host.is_alive(leaf.pid) for leaf in leaves), f"{what}: all are alive")


def has(leaf):
    said = leaf.tool("has").communicate(timeout=60)[0]
    return {
        "pipe": int(re.search(r"pipe (-?\d+)", said)[1]), "threads": int(re.search(r"threads (\d+)", said)[1]),
        "passes": "passes yes" in said
    }


def used_up(node, leaves):
    """One forwarder takes what it can of all that is counted by user."""
    taker = next(leaf for leaf in leaves if leaf.name.startswith("netproxy"))
    others = [leaf for leaf in leaves if leaf is not taker]
    before = {leaf.name: has(leaf) for leaf in others}
    process = taker.tool("hold", stdin=subprocess.PIPE)
    tap.note("one forwarder holds " + process.stdout.readline().strip())
    after = {leaf.name: has(leaf) for leaf in others}
    try:
        status = local.Local(node, 5).ask("GET", "/projects/")[0]
    except OSError as e:
        status = str(e)
    process.communicate("")
    tap.eq([name for name in after if after[name]["pipe"] < before[name]["pipe"]], [],
           "the others' pipes are what they were")
    tap.eq([name for name in after if not after[name]["passes"]], [], "the others pass descriptors on")
    tap.eq([name for name in after if after[name]["threads"] < before[name]["threads"]], [],
           "the others have their threads")
    tap.eq(status, 200, "and the local API answers, which takes a descriptor that the portal passes on")
    tap.figure("one forwarder holds all it can: " + ", ".join(
        f"{what} of the others {sorted({b[what] for b in before.values()})} before, "
        f"{sorted({a[what] for a in after.values()})} then"
        for what in ("pipe", "threads", "passes")) + f"; local API {status}")


def metrics_address():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{s.getsockname()[1]}"


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    slow = Slow()
    with harness.Node(conf={"Metrics": {"Listen": metrics_address()}}) as node:
        containers = [node.new_id() for _ in range(FORWARDERS)]
        for n, cid in enumerate(containers):
            tap.eq(
                node.do("container.create", cid, image=harness.IMAGE, name=f"web{n}")["state"], "succeeded",
                "a container runs")
            tap.eq([
                node.do(op, cid, **params)["state"]
                for op, params in (("network.configure", {"type": "socks5", "proxy": "socks5://127.0.0.1:9"}),
                                   ("network.start", {}))
            ], ["succeeded"] * 2, "behind a proxy")
        node.issue({
            "op": "image.pull", "params": {
                "image": "slow", "url": f"http://127.0.0.1:{slow.listener.getsockname()[1]}/slow.tar",
                "sha256": hashlib.sha256(b"never seen").hexdigest()
            }
        })
        host.poll(
            lambda: slow.held and len(leaves_of(node)) == 4 + FORWARDERS and confined(leaf.pid
                                                                                      for leaf in leaves_of(node)),
            30 * harness.SLOW)
        leaves = leaves_of(node)
        tap.eq(sorted(leaf.name.rstrip("0123456789") for leaf in leaves),
               sorted(["courier", "portal", "portal", "download"] + ["netproxy"] * FORWARDERS),
               "all kinds of leaves run")
        each_is_another(node, leaves)
        for is_filtered in ("no", "yes"):
            attack(leaves, is_filtered)
        used_up(node, leaves)
        slow.let_go()
        for cid in containers:
            tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
    tap.done()


main()
