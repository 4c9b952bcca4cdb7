#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong without a crash of ours: an init that dies unasked, a monitor that is stopped, a worker that hangs.
Found in time, no other container delayed, repaired by the next order. And what can't be had: a courier, workers, a free
one when the host goes down."""
import json
import os
import pathlib
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import bus
import harness
import host
import local
import tap


def neighbours(node, cid, stop, worst):
    """A neighbour that is paused and resumed all the time: how long does its slowest order take?"""
    while not stop.is_set():
        for op in ("container.pause", "container.resume"):
            report = node.do(op, cid)
            worst.append(report["duration_ms"] if report["state"] == "succeeded" else 10_000)


def no_courier(node):
    """The token can't be read any more, and then the courier ends."""
    token, control = node.directory / "token", lambda: node.hoodyctl("status")["control"]
    host.poll(lambda: control()["state"] == "connected", 10)
    token.chmod(0o644)
    node.kill9("courier")
    is_told = lambda: control()["state"] == "backing-off" and "mode 0644" in control().get("last_error", "")
    tap.ok(host.poll(is_told, 10), "who can't have a courier isn't connected, and says why", control())
    up = next(line for line in local.Local(node).page("/metrics").splitlines()
              if line.startswith("hoody_control_up "))
    tap.eq(up.split()[1], "0", "and the alarm for that has its metric")
    found = next(f for f in json.loads(node.ctl("doctor", "--json")[1]) if f["check"] == "control API")
    tap.ok("mode 0644" in found["found"] and "what it names" in found["mend"], "so does doctor", found)
    token.chmod(0o600)
    tap.ok(host.poll(lambda: control()["state"] == "connected", 60), "until it can have one", control())


def not_yet():
    """An agent that has just begun, and waits for its first answer."""
    with harness.Node(start=False) as node:
        node.start_api()
        node.api.process.send_signal(signal.SIGSTOP)
        node.start_agent()
        found = next(f for f in json.loads(node.ctl("doctor", "--json")[1]) if f["check"] == "control API")
        node.api.process.send_signal(signal.SIGCONT)
        tap.ok(found["verdict"] == "warning" and "has not answered yet" in found["found"],
               "before the first answer doctor says just that", found)


def hang(node, cid, timeout_s):
    """The worker of its start hangs at a FIFO."""
    policy = node.directory / "state" / "lxc" / cid / "seccomp"
    policy.unlink()
    os.mkfifo(policy)
    order = node.order("container.start", cid, timeout_s=timeout_s)
    host.poll(lambda: any(r.get("order_id") == order and r["state"] == "running" for r in node.reports(kind="order")),
              5, 0.05)
    return order, policy


def no_workers():
    """Where none can be made it is tried less and less often."""
    with harness.Node(start=False) as node:
        place = node.directory / "programs"
        place.mkdir()
        shutil.copy(harness.BUILD / "agent/hoody-agent", place)
        for name in ("hoody-courier", "hoody-portal", "hoody-worker"):
            (place / name).symlink_to(harness.BUILD / "agent" / name)
        node.program = place / "hoody-agent"
        node.start()
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE)
        node.do("container.force-stop", cid)
        tap.ok(host.poll(lambda: len(node.worker_pids()) == 1, 10), "one is warm")
        (place / "hoody-worker").rename(place / "away")
        order, policy = hang(node, cid, 8)
        turns = lambda: int(host.status(node.agent_pid())["voluntary_ctxt_switches"])
        before, begin = turns(), time.monotonic()
        host.poll(lambda: time.monotonic() > begin + 3, 4)
        n = turns() - before
        tap.ok(n < 50, f"workers can't be made: the agent woke {n} times in 3 s")
        (place / "away").rename(place / "hoody-worker")
        tap.eq(node.wait(order)["error"]["code"], "TIMEOUT", "and when they can again")
        policy.unlink()
        tap.eq(node.do("container.start", cid)["state"], "succeeded", "orders are obeyed")
        node.do("container.delete", cid, force=True)
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")


def host_goes_down(workers):
    """While one of so many workers is at work."""
    with harness.Node(start=False, conf={"Node": {"MaxWorkers": workers}}) as node, bus.SystemBus(
            node.directory / "bus", "stopping") as system:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = system.address
        node.start()
        cid, other = node.new_id(), node.new_id()
        for c in (cid, other):
            node.do("container.create", c, image=harness.IMAGE)
        node.do("container.force-stop", other)
        _, policy = hang(node, other, 60)
        tap.eq((node.stop_agent(timeout_s=60), node.state(cid)), (0, "stopped"),
               f"the host goes down while one of {workers} workers is at work: containers are asked to end")
        tap.ok("every container is asked to end" in node.log.read_text(), "and it is logged", node.log_tail())
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        policy.unlink()
        node.start_agent()
        for c in (cid, other):
            node.do("container.delete", c, force=True)
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")


def host_goes_down_amid_launches():
    """While containers are being launched, at two moments of that: none runs on behind the agent's back."""
    with harness.Node(start=False) as node, bus.SystemBus(node.directory / "bus", "stopping") as system:
        os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = system.address
        node.start()
        ids = [node.new_id() for _ in range(4)]
        for order in [node.order("container.create", c, image=harness.IMAGE, start=False) for c in ids]:
            node.wait(order)
        for groups in (1, 2):
            orders = [node.order("container.start", c) for c in ids]
            launching = lambda: sum(d.name in ids for d in host.cgroup_dirs(node.prefix))
            host.poll(lambda: launching() >= groups, 10, 0.001)
            node.stop_agent(timeout_s=60)
            ran = host.poll(lambda: [c for c in ids if node.state(c) != "stopped"], 0.5)
            tap.eq(ran or [], [], f"the host goes down when {groups} containers have groups: in the end none runs")
            node.start_agent()
            tap.eq([node.wait(o, 60)["state"] for o in orders], ["succeeded"] * len(ids),
                   "and the next boot launches them")
            for c in ids:
                node.do("container.force-stop", c)
        del os.environ["DBUS_SYSTEM_BUS_ADDRESS"]
        for c in ids:
            node.do("container.delete", c, force=True)
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    not_yet()
    no_workers()
    host_goes_down(2)
    host_goes_down(1)
    host_goes_down_amid_launches()
    with harness.Node() as node:
        no_courier(node)
        cid, other = node.new_id(), node.new_id()
        for c in (cid, other):
            tap.eq(node.do("container.create", c, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        stop, worst = threading.Event(), []
        thread = threading.Thread(target=neighbours, args=(node, other, stop, worst))
        thread.start()

        # --- init dies ---
        seen, began = node.last_seq(), time.monotonic()
        os.kill(host.init_of(node.prefix, cid), signal.SIGKILL)
        report = node.wait_report("container.status", after=seen, container_id=cid, to_status="stopped")
        took = time.monotonic() - began
        tap.ok(report, "an init that dies unasked is noticed", took)
        tap.eq((report or {}).get("triggered_by"), "crash", "and reported as a crash")
        tap.figure(f"an unordered end was reported after {took * 1000:.0f} ms")
        tap.eq((node.do("container.start", cid)["state"], node.state(cid)), ("succeeded", "running"),
               "the next start repairs it")

        # --- the monitor is stopped: liblxc's own calls would wait for ever ---
        monitor = host.monitor_of(node.prefix, cid)
        os.kill(monitor, signal.SIGSTOP)
        tap.eq((node.do("container.pause", cid)["state"], node.do("container.resume", cid)["state"]),
               ("succeeded", "succeeded"), "a stopped monitor hinders no pause")
        report = node.do("container.stop", cid, timeout_s=5)
        tap.eq((report["state"], node.state(cid)), ("succeeded", "stopped"), "nor a stop")
        tap.ok(not host.is_alive(monitor), "and is cleared away")
        tap.eq((node.do("container.start", cid)["state"], node.state(cid)), ("succeeded", "running"),
               "the next start finds the place clean")
        os.kill(host.monitor_of(node.prefix, cid), signal.SIGSTOP)
        report = node.do("container.force-stop", cid)
        tap.eq((report["state"], node.state(cid)), ("succeeded", "stopped"), "force-stop needs no monitor either")

        # --- a worker hangs: at a FIFO where it wants to write a file ---
        policy = node.directory / "state" / "lxc" / cid / "seccomp"
        policy.unlink()
        os.mkfifo(policy)
        began, order, before = time.monotonic(), node.order("container.start", cid, timeout_s=2), len(worst)
        host.poll(
            lambda: any(r.get("order_id") == order and r["state"] == "running" for r in node.reports(kind="order")), 5,
            0.05)
        workers = node.worker_pids()
        report = node.wait(order)
        tap.ok(report["state"] == "failed" and report["error"]["code"] == "TIMEOUT",
               "it is killed at its deadline: TIMEOUT", report)
        tap.ok(time.monotonic() - began >= 2, "and not before", time.monotonic() - began)
        tap.ok(len(worst) >= before + 3, "meanwhile no neighbour was held up", worst[before:])
        tap.ok(set(workers) - set(node.worker_pids()), "and is gone", workers)
        tap.eq(node.state(cid), "stopped", "what it did is undone")
        policy.unlink()
        tap.eq((node.do("container.start", cid)["state"], node.state(cid)), ("succeeded", "running"),
               "the next order repairs it")

        # --- asked from inside ---
        seen, before = node.last_seq(), host.init_of(node.prefix, cid)
        os.kill(before, signal.SIGUSR2) # busybox: power off
        report = node.wait_report("container.status", after=seen, container_id=cid, to_status="stopped")
        tap.ok(report, "a container that powers itself off is noticed")

        stop.set()
        thread.join()
        tap.figure(
            f"meanwhile a neighbour's {len(worst)} orders took {sorted(worst)[len(worst) // 2]} ms in the median, "
            f"{max(worst)} ms at most"
        )
        tap.ok(max(worst) < 10_000, "and each succeeded", sorted(worst)[-5:])

        # --- the warm worker dies ---
        said = lambda pid: [
            line.split(f"worker {pid}: ")[1].split(" [")[0] for line in node.log.read_text().splitlines()
            if f"worker {pid}: " in line
        ]
        for _ in range(5): # until it is none that had its last job, and ended by itself
            host.poll(lambda: len(node.worker_pids()) == 1, 5)
            warm = node.worker_pids()[0]
            os.kill(warm, signal.SIGKILL)
            if host.poll(lambda: said(warm), 5):
                break
        tap.eq(said(warm), ["it died while it had no job"], "a worker that dies while it waits has failed no job")
        for c in (cid, other):
            tap.eq(node.do("container.delete", c, force=True)["state"], "succeeded", "deleted")
        tap.eq((node.leaks(), node.violations(), node.sanitizer_words()), ([], [], []),
               "nothing is left, no breach, sanitizers are silent")
    tap.done()


main()
