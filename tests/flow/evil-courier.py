#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A courier that was taken over (tests/tools/evil-courier) sends the agent whatever it likes, as fast as it likes, in
one way after the other. Meanwhile containers run, the firewall heals, local orders are executed and the agent neither
grows nor spins; no order without a trusted signature is ever accepted; and when the honest courier is back, orders
flow."""
import contextlib
import copy
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import beside
import harness
import host
import local
import tap

# How long each is watched, and how much of a CPU the agent may take for it meanwhile.
MODES = {
    "die": 1.5, "die-ready": 2, "garbage": 1, "headers": 1, "out-of-turn": 1.5, "lies": 2, "payloads": 2.5, "holes": 1,
    "descriptors": 1.5, "flood": 2, "heavy": 1.5, "deep": 1, "hurry": 1.5, "withheld": 1, "acknowledge": 1.5,
    "failing": 1.5, "deaf": 1, "never-ready": 1, "mute": 1, "half-open": 1, "heir": 1.5, "linger": 1.5
}
CPU_SHARE = 0.35
GROWTH = (400 if harness.SANITIZED else 32) << 20 # a frame of 24 MiB while it is judged; ASan keeps what was freed
BOUND_MS = 100 * harness.SLOW


def heirs(place):
    return [
        int(p) for p in os.listdir("/proc")
        if p.isdigit() and (host.exe(p) or "").startswith(str(place / "hoody-courier"))
    ]


def steal(node, place, cid):
    """Envelopes of every kind that must not be believed, and one that was executed long ago."""
    def build(order, **how):
        order = {
            "op": "container.delete", "container_id": cid, "project_id": harness.PROJECT, "params": {"force": True},
            **order
        }
        return node.api.ask("envelope", order=order, **how)

    good = build({})["envelope"]
    old = node.issue({"op": "node.resync", "params": {}})
    node.wait(old)
    replay = build({"op": "container.delete", "id": old, "seq": 1})
    rewrapped = copy.deepcopy(good)
    rewrapped["payloadType"] = "application/vnd.hoody.keyset+json"
    unsigned = dict(good, signatures=[])
    forged = {
        "stranger": build({}, sign_with="stranger")["envelope"],
        "forged": build({}, sign_with="stranger", keyid="v1")["envelope"],
        "payload": build({}, tamper="payload")["envelope"],
        "signature": build({}, tamper="sig")["envelope"],
        "other-node": build({"node_id": "f" * 24})["envelope"],
        "rewrapped": rewrapped,
        "unsigned": unsigned,
        "keyset": build({"op": "node.keyset", "params": {"keyset": good}}, sign_with="stranger")["envelope"],
        "nine": dict(good, signatures=good["signatures"] * 9),
    }
    for name, envelope in forged.items():
        (place / "material" / name).write_text(json.dumps(envelope))
    (place / "material" / "text").write_text("no JSON")
    (place / "material" / "empty").write_text("")
    return replay


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def listing(node):
    return subprocess.run(["nft", "list", "chain", "inet", node.table, "forward"], capture_output=True,
                          text=True).stdout


def heal(node, wanted):
    """How long until a foreign change is undone, in ms (nft's own listing included), and for how long of it the agent
    computed: the rest is the machine's."""
    subprocess.run(["nft", "flush", "chain", "inet", node.table, "forward"], check=True)
    began, cpu = time.monotonic(), cpu_s(node.agent_pid())
    healed = host.poll(lambda: listing(node) == wanted, 5, 0.002)
    return (time.monotonic() - began) * 1000 if healed else 5000, (cpu_s(node.agent_pid()) - cpu) * 1000


def journal(node):
    """{order id: (op, state)} of what the agent has accepted or rejected, when it is stopped."""
    with contextlib.closing(sqlite3.connect(node.directory / "state/state.db")) as db:
        return {i: (op, state) for i, op, state in db.execute("SELECT order_id, op, state FROM orders")}


class Watch:
    def __init__(self, node, place, cid):
        self.node, self.place, self.cid, self.worst = node, place, cid, {"heal": 0, "answer": 0, "cpu": 0, "memory": 0}

    def mode(self, name, seconds):
        """One way to be evil; what of the rest suffered."""
        node, said = self.node, self.place / "said"
        said.write_text("")
        (self.place / "evil").write_text(name)
        init = host.init_of(node.prefix, self.cid)
        node.start_agent()
        pid = node.agent_pid()
        api, wanted, before = local.Local(node), listing(node), host.memory(pid)["anonymous"]
        fds, began, cpu = len(os.listdir(f"/proc/{pid}/fd")), time.monotonic(), cpu_s(pid)
        heals, busy, answers, n, faults = [], [], [], 0, []
        host.poll(lambda: "began" in said.read_text(), 10)
        while time.monotonic() < began + seconds or not n:
            took_ms, busy_ms = heal(node, wanted)
            heals.append(took_ms)
            busy.append(busy_ms)
            at = time.monotonic()
            api.do("PATCH", f"/containers/{self.cid}/env/N", {"value": f"{name}-{n}"})
            answers.append((time.monotonic() - at) * 1000)
            n += 1
            if f"N={name}-{n - 1}\n" not in (node.root(self.cid) / "etc/environment").read_text():
                faults.append("a local order without effect")
            if node.agent.poll() is not None:
                faults.append("the agent has ended")
                break
            time.sleep(0.1)
        took = time.monotonic() - began
        share = (cpu_s(pid) - cpu) / took if node.agent.poll() is None else 1
        grown, more = host.memory(pid)["anonymous"] - before, len(os.listdir(f"/proc/{pid}/fd")) - fds
        self.worst = {
            "heal": max(self.worst["heal"], *heals), "answer": max(self.worst["answer"], *answers),
            "cpu": max(self.worst["cpu"], share), "memory": max(self.worst["memory"], grown)
        }
        words = said.read_text()
        median = sorted(heals)[len(heals) // 2]
        facts = (f"healed in {median:.0f} ms, {max(heals):.0f} at most ({max(busy):.0f} of the agent's), answered in "
                 f"{max(answers):.0f} ms, {share * 100:.0f} % of a CPU, {grown >> 10} KiB and {more} descriptors more, "
                 f"courier: {words.count('began')} lives, {sorted(set(words.split()))}")
        in_time = max(heals) < 10 * BOUND_MS and max(busy) < BOUND_MS and max(answers) < 50 * BOUND_MS
        cheap = share < (0.8 if name == "heavy" else CPU_SHARE) and grown < GROWTH and more < 12
        good = not faults and in_time and cheap and host.init_of(node.prefix, self.cid) == init
        tap.ok(good and words.count("began") < 20, f"{name}: {facts}", *faults, node.log_tail(12))
        if name == "holes":
            tap.ok("open" not in words, "holes: what is sealed can't be changed later")
        if name == "linger":
            tap.ok("refused" in words and "lingers" not in words,
                   "linger: nothing that can be confined can make a close wait")
        if name in ("hurry", "heavy"):
            tap.ok(
                words.count("poll") + words.count("answered") < 12 * harness.SLOW,
                f"{name}: the agent asks again in its own time: {words.count('poll') + words.count('answered')} times",
                words.count("deliver"))
        status = node.stop_agent()
        tap.ok(status == 0, f"{name}: the agent ends when it is told to", status)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node, socket.socket() as server:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        node.do("firewall.replace", cid, ingress=[{"action": "allow", "protocol": "tcp", "destination_port": "80"}])
        place = beside.evil_courier(node)
        steal(node, place, cid)
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        (place / "port").write_text(str(server.getsockname()[1]))
        node.stop_agent()
        known = journal(node)
        node.program = place / "hoody-agent"
        watch, wanted = Watch(node, place, cid), [m for m in MODES if m in os.environ.get("HOODY_MODES", m).split()]
        for name in wanted:
            if name == "linger" and harness.SANITIZED:
                tap.skip("linger: nothing that can be confined can make a close wait",
                         "the system call filter is off under the sanitizers; tests/crash/lingering.py has it")
            else:
                watch.mode(name, MODES[name])
        new = {i: v for i, v in journal(node).items() if i not in known}
        tap.eq({v for v in new.values() if v != ("env.set", "succeeded")}, set(),
               "nothing but the local orders is in the journal")
        tap.figure(
            "with a compromised courier, at worst: healed in {heal:.0f} ms, a local order in {answer:.0f} ms, "
            "{cpu:.2f} of a CPU"
            .format(**watch.worst) + f", {watch.worst['memory'] >> 10} KiB more")

        # --- the honest one is back, while the agent runs ---
        (place / "evil").write_text("garbage")
        node.start_agent()
        (place / "hoody-courier").unlink()
        (place / "hoody-courier").symlink_to(harness.BUILD / "agent/hoody-courier")
        report = node.wait(node.order("container.pause", cid), 60)
        tap.eq((report["state"], node.state(cid)), ("succeeded", "paused"), "with the honest courier orders flow again")
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        for pid in heirs(place): # of the mode of that name: they would live on for a while
            os.kill(pid, signal.SIGKILL)
        tap.eq((node.leaks(), node.violations(), node.sanitizer_words()), ([], [], []),
               "nothing is left, no breach, sanitizers are silent")
    tap.done()


main()
