#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What no longer answers and is not dead, and what the kernel withholds for good. A worker, liblxc's monitor and the
hooks stopped (SIGSTOP) in the middle of a start: TIMEOUT at the order's deadline, neighbours go on, all is undone, and
nothing is left to be continued. The courier stopped, ready or not yet: missed, killed, started again, and all that was
held up arrives. The portal stopped: orders of the control API go on. A worker that runs out of memory (a memory
cgroup), an agent that can make no process, or runs out of descriptors (prlimit(2)): orders fail in words or wait, the
agent doesn't spin, and everything works when there is room again."""
import contextlib
import os
import pathlib
import resource
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import netns
import struck
import tap

CALLS = "mkdirat,clone,mount,sendmsg,sendto,setns,accept4,epoll_wait,epoll_ctl"
# Of the struck orders: the next one if a busy machine has not come to the call at half of it.
DEADLINES_S, MARGIN_S = (2, 8, 32), 2 # and what a worker has to say so itself
# (program, call, which of them): in liblxc's hands, on both sides of its forks, in a hook, at a worker's last words,
# and what goes on beside it
STOPS = (("hoody-worker", "mkdirat", 2), ("hoody-worker", "sendmsg", 1), ("hoody-netup", "sendto", 1),
         ("lxc-monitor", "clone", 1), ("lxc-monitor", "mount", 3), ("hoody-netup", "sendmsg", 2),
         ("hoody-mounts", "setns", 1))
COURIER_DUE_S = 1 + 20 + 10 # PollWaitSec, the courier's own time-out, and then it is late (agent/uplink/uplink.c)


def must(node, op, cid, **params):
    report = node.do(op, cid, **params)
    if report["state"] != "succeeded":
        raise harness.Failure(f"{op}: {report.get('error')}")


def works(node, cid, what):
    tap.eq([node.do(op, cid, timeout_s=10)["state"] for op in ("container.start", "container.stop")], ["succeeded"] * 2,
           what)


def stop_at(node, cid, program, call, n):
    """(order, when it was issued, its seconds) of a start in which it is stopped: none of its neighbour's is."""
    for deadline in DEADLINES_S:
        node.plan(program, call, str(n), "STOP")
        began = time.monotonic()
        order = node.order("container.start", cid, timeout_s=deadline)
        end = began + deadline / 2
        while not stopped() and time.monotonic() < end:
            time.sleep(0.002)
        if stopped():
            return order, began, deadline
        node.plan()
        node.wait(order, deadline + MARGIN_S + 10)
        node.do("container.force-stop", cid)
    raise harness.Failure(f"{program} has not come to its {call} number {n}")


def in_the_middle(node, cid, neighbour):
    for program, call, n in STOPS:
        what = f"{program} stopped at its {call} number {n}"
        order, began, deadline = stop_at(node, cid, program, call, n)
        ends = []
        while time.monotonic() < began + deadline:
            for op in ("container.pause", "container.resume"):
                must(node, op, neighbour)
                ends.append(time.monotonic() - began)
        report, took = node.wait(order, deadline + MARGIN_S + 10), time.monotonic() - began
        hits = node.plan()[0]
        tap.eq((hits, report["state"], (report.get("error") or {}).get("code")), (1, "failed", "TIMEOUT"),
               f"{what}: TIMEOUT")
        tap.ok(took >= deadline, f"{what}: not before its time", took)
        tap.ok(sum(end < deadline for end in ends) >= 2, f"{what}: no neighbour waits for it", ends)
        host.poll(lambda: not host.pids_of(node.prefix, cid), 3)
        tap.eq((node.state(cid), host.pids_of(node.prefix, cid), stopped()), ("stopped", [], []),
               f"{what}: all is undone, and nobody is left to be continued")
        works(node, cid, f"{what}: the next orders work")


def stopped():
    """Our programs that are stopped."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and (host.exe(entry.name) or "").startswith(str(harness.BUILD)) and host.status(
                entry.name).get("State", "")[:1] == "T":
            found.append(entry.name)
    return found


def courier(node, cid):
    """Stopped with a poll out: orders issued meanwhile are not lost, and neither is what is reported."""
    pid = node.courier_pid()
    os.kill(pid, signal.SIGSTOP)
    began, order = time.monotonic(), node.order("container.start", cid)
    local.Local(node).do("PATCH", f"/containers/{cid}/env/K", {"value": "v"})
    tap.ok(time.monotonic() - began < 5 * harness.SLOW, "a stopped courier holds up no local call")
    report = node.wait(order, COURIER_DUE_S + 15)
    took = time.monotonic() - began
    tap.eq((report["state"], host.is_alive(pid)), ("succeeded", False), "and is missed: another one fetches the order")
    tap.figure(f"a stopped courier is missed after {took:.0f} s")
    tap.ok(any("does not answer" in line for line in node.log_tail(200).splitlines()), "which is said")
    tap.ok(node.wait_report("env", 10, container_id=cid, event="applied"), "what was reported meanwhile arrives")
    must(node, "container.stop", cid, timeout_s=5)
    # For a moment only: nothing has to be done, nothing may break.
    pid = node.courier_pid()
    os.kill(pid, signal.SIGSTOP)
    order = node.order("container.start", cid)
    time.sleep(3)
    os.kill(pid, signal.SIGCONT)
    tap.eq((node.wait(order)["state"], node.courier_pid()), ("succeeded", pid),
           "one that is continued in time goes on as if nothing were")
    must(node, "container.stop", cid, timeout_s=5)
    # For want of the kernel's memory the end of the next one can't be watched. Others may call first.
    said = lambda: "the courier can't be started" in node.log_tail(50)
    for _ in range(10):
        pid = node.courier_pid()
        node.plan("hoody-agent", "epoll_ctl", "1", "ENOSPC")
        os.kill(pid, signal.SIGKILL)
        found = host.poll(lambda: node.courier_pid() not in (None, pid), 10, 0.05)
        if not found or said():
            break
    tap.ok(found and said(), "one that can't be watched is given up, and another one started", node.log_tail())


def portal(node, cid):
    pid = next(iter(host.children(node.agent_pid(), "hoody-portal")))
    api = local.Local(node, 20)
    stream, rss = api.stream("/events"), host.memory(node.agent_pid())["rss"]
    os.kill(pid, signal.SIGSTOP)
    answers = []
    asker = threading.Thread(target=lambda: answers.append(api.ask("GET", "/containers")[0]))
    asker.start()
    ends = [node.do(op, cid, timeout_s=5)["state"] for _ in range(20) for op in ("container.start", "container.stop")]
    tap.eq(set(ends), {"succeeded"}, "a stopped portal holds up no order")
    grown = host.memory(node.agent_pid())["rss"] - rss
    tap.ok(grown < 4 << 20, "nor does what it is told pile up", grown)
    tap.eq(answers, [], "who asks it waits")
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass
    asker.join(25)
    stream.close()
    tap.ok(host.poll(lambda: answered(node), 20), "continued, or another one, it answers again", answers)


def answered(node):
    try:
        return local.Local(node, 5).ask("GET", "/containers")[0] == 200
    except OSError:
        return False


def memory_groups():
    """Where a group with a memory limit can be made: (directory, its limit's file)."""
    for mount, unified in host.cgroup_mounts():
        if not unified and (mount / "memory.limit_in_bytes").exists():
            return mount, "memory.limit_in_bytes"
        if unified and "memory" in (mount / "cgroup.subtree_control").read_text().split():
            return mount, "memory.max"
    return None, None


def out_of_memory(node, cid):
    """The worker that will be given the order is put where there is no more memory than it has."""
    mount, limit = memory_groups()
    if not mount:
        tap.skip("a worker without memory", "no memory cgroups here")
        return
    place = mount / f"{node.prefix}-oom"
    place.mkdir()
    try:
        (place / limit).write_text("200000")
        killed = 0
        for new in (node.new_id() for _ in range(4)):
            host.poll(node.worker_pids, 5)
            worker = node.worker_pids()[0]
            (place / "cgroup.procs").write_text(str(worker))
            report = node.do("container.create", new, image=harness.IMAGE, start=False, timeout_s=10)
            tap.ok(report["state"] == "succeeded" or report["error"]["message"],
                   "a worker that the kernel kills for want of memory: the order ends in words", report)
            tap.eq(node.state(new), "stopped" if report["state"] == "succeeded" else "absent",
                   "and the host is what it says")
            killed += not host.is_alive(worker)
            must(node, "container.delete", new, force=True)
        tap.ok(killed > 0, "some were killed", killed)
        works(node, cid, "with memory again all works")
    finally:
        host.poll(lambda: not (place / "cgroup.procs").read_text(), 5)
        place.rmdir()


def first_free(agent):
    used = {int(fd) for fd in os.listdir(f"/proc/{agent}/fd")}
    return next(n for n in range(len(used) + 1) if n not in used)


def crowd(node, cid):
    """Clients of an agent that has no descriptor left."""
    agent = node.agent_pid()
    was = resource.prlimit(agent, resource.RLIMIT_NOFILE)
    host.poll(lambda: len(node.worker_pids()) == 1, 5)
    resource.prlimit(agent, resource.RLIMIT_NOFILE, (first_free(agent), was[1]))
    node.plan()
    with contextlib.ExitStack() as clients:
        for _ in range(5):
            client = clients.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            client.connect(str(node.directory / "run/agent.sock"))
        time.sleep(1)
        calls = node.plan()[2]
        tap.ok(calls[("hoody-agent", "epoll_wait")] < 100,
               "clients that the agent has no descriptor for don't keep it awake", calls)
        tap.eq(client.recv(1), b"", "but are turned away")
    resource.prlimit(agent, resource.RLIMIT_NOFILE, was)


def out_of_descriptors(node, cid):
    """None that is free, and a few: what is missing first differs. An agent that can't ask the kernel about its
    containers ends, and is started again."""
    for more in (0, 1, 2, 3, 5):
        agent = node.agent_pid()
        was = resource.prlimit(agent, resource.RLIMIT_NOFILE)
        host.poll(lambda: len(node.worker_pids()) == 1, 5)
        resource.prlimit(agent, resource.RLIMIT_NOFILE, (first_free(agent) + more, was[1]))
        orders = [node.order(op, cid, timeout_s=5) for op in ("container.start", "container.stop")]
        host.poll(lambda: not node.is_up(), 2)
        if node.is_up():
            resource.prlimit(agent, resource.RLIMIT_NOFILE, was)
        death = node.again()
        tap.ok(death is None or death == 128 + signal.SIGABRT and "can't be asked about" in node.log_tail(60),
               f"with {more} descriptors left the agent goes on, or ends because it can't ask the kernel", death,
               node.log_tail(60))
        ends = [node.wait(o) for o in orders]
        tap.ok(all(e["state"] == "succeeded" or e["error"]["code"] and e["error"]["message"] for e in ends),
               f"with {more} descriptors left orders end in words", ends)
        node.do("container.force-stop", cid)
    works(node, cid, "with descriptors again all works")
    tap.eq(node.hoodyctl("status")["control"]["state"], "connected", "and it is connected")


def out_of_processes(node, cid):
    """A live flow that new rules forbid is cut by a child: when none can be made, later."""
    ns = netns.Namespace(os.open(f"/proc/{host.init_of(node.prefix, cid)}/ns/net", os.O_RDONLY))
    address = ns.ip("-4 -o addr show eth0").stdout.split()[3].split("/")[0]
    with ns:
        server = socket.create_server(("0.0.0.0", 0))
    with server, socket.create_connection((address, server.getsockname()[1]), 10) as live:
        peer = server.accept()[0]
        node.plan("hoody-agent", "clone", "1*1000000", "EAGAIN")
        must(node, "firewall.replace", cid, ingress=[])
        tap.ok(host.poll(lambda: "could not be cut" in node.log_tail(200), 5), "no process can be made: which is said")
        node.plan()
        live.settimeout(0.1)
        peer.settimeout(0.1)
        tap.ok(host.poll(lambda: not passes(live, peer), 5), "a flow that is forbidden is cut when one can be")
        peer.close()
    must(node, "firewall.reset", cid)


def passes(one, other):
    try:
        one.sendall(b"x")
        return other.recv(10) != b""
    except OSError:
        return False


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with struck.Struck(CALLS, conf={"Control": {"PollWaitSec": 1}}) as node:
        struck.more_flows()
        cid, neighbour, source = (node.new_id() for _ in range(3))
        must(node, "container.create", cid, image=harness.IMAGE, start=False)
        for other in (neighbour, source):
            must(node, "container.create", other, image=harness.IMAGE)
        (node.root(source) / "data").mkdir()
        must(node, "share.create", None, share_id=node.new_id(), source_container_id=source, source_path="/data",
             target_container_id=cid, mode="readonly", mount_path="/mnt/s")
        agent = node.agent_pid()
        in_the_middle(node, cid, neighbour)
        for test in (courier, portal, out_of_memory, crowd):
            tap.note(test.__name__)
            test(node, cid)
        out_of_processes(node, neighbour)
        tap.eq(node.agent_pid(), agent, "the agent has lived through all of it")
        out_of_descriptors(node, cid)
        for c in (cid, neighbour, source):
            must(node, "container.delete", c, force=True)
        stats = node.api.ask("stats")
        tap.eq((node.leaks(), stats["violations"], stats["orders_ended_twice"], node.sanitizer_words()),
               ([], [], 0, []), "nothing is left, no breach, every order ended once, sanitizers are silent")
    tap.done()


main()
