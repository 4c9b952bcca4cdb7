#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The agent killed as soon as a container's init is there, while liblxc still starts it: its monitor ends such a
container when it finds its starter dead. The order that is taken up again must not have succeeded by a container that
then ends. And what goes on beside a launch (the walk of conntrack for flows of its address) stopped, failed and killed:
nothing of the container runs before it has ended well. What a start has to tell is told though the agent dies then.
Sessions beside a launch and an end; and what comes too late for a container that is deleted."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import struck
import tap

ROUNDS = int(os.environ.get("HOODY_ROUNDS", "12"))


def networked(node, cid):
    """Does the firewall know the interface of the container that runs?"""
    route = [
        line.split()
        for line in subprocess.run(["ip", "-4", "route"], capture_output=True, text=True).stdout.splitlines()
        if node.interfaces in line
    ]
    table = subprocess.run(["nft", "list", "map", "inet", node.table, "addresses"], capture_output=True,
                           text=True).stdout
    return node.state(cid) == "running" and len(route) == 1 and f'"{route[0][2]}"' in table


def halves(node, cid):
    """A restore that fails when the container is down for it, with the agent killed at its every commit: what is undone
    is also that it has no network."""
    node.do("snapshot.create", cid, alias="one")
    shutil.rmtree(node.directory / "pool/containers" / cid / "snapshots/one")
    bad, n, hit = [], 0, node.directory / "hit"
    while n < 20:
        n += 1
        hit.write_text("")
        node.stop_agent()
        node.start_agent(wrap=[
            harness.BUILD / "tests/tools/failnth", "--program", "hoody-agent", "--log", hit, "fdatasync",
            str(n), "KILL", "--"
        ])
        order = node.order("snapshot.restore", cid, name="one")
        host.poll(
            lambda: hit.read_text() or node.api.ask("stats")["orders_terminal"] == node.api.ask("stats")["orders_issued"
                                                                                                         ], 60, 0.02)
        was_hit = bool(hit.read_text())
        if was_hit:
            node.agent.wait(20 * harness.SLOW)
            node.agent = None
            node.start_agent()
        report = node.wait(order)
        if report["state"] != "failed" or not host.poll(lambda: networked(node, cid), 2):
            bad.append((n, report["state"], node.state(cid)))
        if not was_hit:
            break
    tap.ok(not bad and n > 4,
           f"a restore that fails, with the agent killed at {n - 1} commits: it runs again, with its network", *bad)


def is_stopped(pid):
    return host.status(pid).get("State", "").startswith("T")


def cutters(node, state=""):
    """Who walks conntrack for a launch, before it makes the link; the agent's own walks have another name."""
    return [
        pid for parent in node.worker_pids() for pid in host.children(parent, "hoody-netup")
        if host.status(pid).get("State", "").startswith(state)
    ]


def flows():
    with struck.Struck("sendto,socket") as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        node.plan()
        for operation in ("container.start", "container.force-stop"):
            # the node's own connections must not gather to more than can be read at once
            subprocess.run(["conntrack", "-F"], check=True, capture_output=True)
            node.do(operation, cid)
        calls = node.plan()[2]
        walks = {key: n for key, n in calls.items() if key in (("hoody-netup", "sendto"), ("hoody-ctflows", "sendto"))}
        tap.eq(walks, {}, "on a quiet host nobody walks conntrack for a launch, nor for its end")
        tap.eq((("hoody-netup", "socket") in calls, calls.get(("hoody-ctflows", "socket"), 0)), (True, 0),
               "who walks for an end has the agent's socket, whose closing would hold up every change of rules")
        struck.more_flows()
        node.plan("hoody-netup", "sendto", "1", "STOP")
        order = node.order("container.start", cid)
        walk = host.poll(lambda: cutters(node, "T"), 10)
        begun = host.poll(lambda: host.pids_of(node.prefix, cid, "payload"), 0.5)
        tap.eq((len(walk), begun), (1, []), "while flows of its address are looked for nothing of a container runs")
        os.kill(walk[0], signal.SIGCONT)
        tap.eq(node.wait(order)["state"], "succeeded", "and then it does")
        for fault, code, what in (("EIO", "FIREWALL_HOST_UNAVAILABLE", "can't be had"),
                                  ("KILL", "INTERNAL_SERVER_ERROR", "dies")):
            node.do("container.force-stop", cid)
            node.plan("hoody-netup", "sendto", "1", fault)
            report = node.do("container.start", cid)
            tap.eq((report["state"], (report.get("error") or {}).get("code"), node.state(cid)),
                   ("failed", code, "stopped"), f"none is started when the walk {what}")
            node.plan()
            tap.eq(node.do("container.start", cid)["state"], "succeeded", "the next start is whole")
        node.do("container.delete", cid, force=True)
        tap.eq(node.leaks(), [], "nothing is left of it")


def told():
    """The agent dies when all of a start is done but to say what came of its mounts."""
    with struck.Struck("openat2") as node:
        api, cid, share, source = local.Local(node), node.new_id(), node.new_id(), node.new_id()
        for c in (source, cid):
            node.do("container.create", c, image=harness.IMAGE, start=False)
        node.do("share.create", share_id=share, source_container_id=source, source_path="/gone", mode="readonly",
                target_container_id=cid, mount_path="/mnt/s")
        said = lambda: next(s for s in api.do("GET", "/storage/shares")["shares"] if s["id"] == share)["status_message"]
        node.plan()
        node.do("container.start", cid)
        calls, why = node.plan()[2][("hoody-worker", "openat2")], said()
        node.do("container.force-stop", cid)
        node.do("share.update", share_id=share)
        before = said()
        node.plan("hoody-worker", "openat2", str(calls), "STOP")
        order = node.order("container.start", cid)
        workers = host.poll(lambda: [p for p in node.worker_pids() if is_stopped(p)], 10)
        started = (node.directory / "state/lxc" / cid / "started").exists()
        node.kill9("agent")
        node.begin()
        tap.eq((len(workers), started, node.wait(order)["state"]), (1, True, "succeeded"),
               "a start that was whole is taken up again")
        tap.ok(why and (before, said()) == (None, why), "and what came of its mounts is told", before, why, said())
        for c in (source, cid):
            node.do("container.delete", c, force=True)
        tap.eq(node.leaks(), [], "nothing is left of it")


def renames():
    """The kernel gives up a path that leads upward while anybody on the host renames (openat2(2)), which a container
    can do all the time."""
    with struck.Struck("openat2") as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, start=False)
        node.plan("hoody-worker", "openat2", "1*500", "EAGAIN")
        report = node.do("container.start", cid)
        tap.eq((report["state"], report.get("error"), node.plan()[0]), ("succeeded", None, 500),
               "a path that can't be followed for now is followed then, 500 times in a row")
        node.do("container.delete", cid, force=True)
        tap.eq(node.leaks(), [], "nothing is left of it")


def of_containers():
    """Terminals of the host's that belong to a container's users."""
    with os.scandir("/dev/pts") as all_of_them:
        return [e.name for e in all_of_them if e.stat().st_uid >= 65536]


def half():
    """A session that is asked for while liblxc is still at a restart: the new init's root is the host's."""
    with struck.Struck("mount") as node:
        cid, before = node.new_id(), of_containers()
        node.do("container.create", cid, image=harness.IMAGE, name="web")
        node.plan("lxc-monitor", "mount", "3", "STOP")
        order = node.order("container.restart", cid)
        begun = host.poll(lambda: [p for p in host.pids_of(node.prefix, cid) if is_stopped(p)], 10)
        command = f"{harness.BUILD / 'agent/hoodyctl'} --config {node.directory / 'agent.conf'} exec web id"
        session = subprocess.Popen(["script", "-qec", command, "/dev/null"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True)
        host.poll(lambda: session.poll() is not None or of_containers() != before, 10)
        tap.eq((len(begun), of_containers()), (1, before), "a session beside a launch gets no terminal of the host's")
        tap.eq(session.poll(), 1, "it is refused at once")
        os.kill(begun[0], signal.SIGCONT)
        said = session.communicate()[0]
        tap.ok("does not run" in said, "in words", said)
        tap.eq(node.wait(order)["state"], "succeeded", "the restart goes on")
        tap.ok("uid=0" in node.ctl("exec", "web", "id")[1], "and then there is one")
        node.do("container.delete", cid, force=True)
        tap.eq(node.leaks(), [], "nothing is left of it")


def late(node, begin, what):
    """What is nobody's order comes too late: the container is deleted meanwhile, and nothing of it stays."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="late")
    node.plan("hoody-worker", "fcntl", "1", "STOP") # when it has read its job
    session = begin(node, cid)
    workers = host.poll(lambda: [p for p in node.worker_pids() if is_stopped(p)], 10)
    state = node.do("container.delete", cid, force=True)["state"]
    os.kill(workers[0], signal.SIGCONT)
    host.poll(lambda: not host.is_alive(workers[0]), 10)
    if session:
        session.wait()
    tap.eq((len(workers), state, node.leaks()), (1, "succeeded", []), f"{what} for a container that is deleted: "
           "nothing of it is left")
    node.plan()


def end_init(node, cid):
    os.kill(host.init_of(node.prefix, cid), signal.SIGKILL)


def begin_session(node, cid):
    return subprocess.Popen([harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec",
                             "late", "id"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def between(node):
    """A session that comes into a container's group when all that was in it has been killed."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE)
    node.plan("hoody-worker", "unlinkat", "1", "STOP") # the first of its groups goes
    order = node.order("container.force-stop", cid)
    workers = host.poll(lambda: [p for p in node.worker_pids() if is_stopped(p)], 10)
    group = next(mount for mount, unified in host.cgroup_mounts() if unified) / node.prefix / cid / "worker"
    with harness.running(["sleep", "1000"]) as session:
        (group / "cgroup.procs").write_text(str(session.pid))
        os.kill(workers[0], signal.SIGCONT)
        state = node.wait(order)["state"]
        if state != "succeeded":
            session.kill()
    tap.eq((state, session.returncode, node.state(cid)), ("succeeded", -signal.SIGKILL, "stopped"),
           "who comes in between is killed as all others are, and the container has ended")
    node.plan()
    node.do("container.delete", cid, force=True)
    tap.eq(node.leaks(), [], "nothing is left of it")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        cid, cut, bad = node.new_id(), 0, []
        node.do("container.create", cid, image=harness.IMAGE)
        for i in range(ROUNDS):
            before, old = host.pids_of(node.prefix, cid), host.init_of(node.prefix, cid)
            order = node.order("container.restart", cid)
            host.poll(lambda: host.init_of(node.prefix, cid) not in (old, None), 10, 0)
            monitors = [pid for pid in host.pids_of(node.prefix, cid, "monitor") if pid not in before]
            for pid in monitors: # they are to notice when the next agent has looked; a hook among them may have ended
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            node.stop_agent(signal.SIGKILL)
            cut += not (node.directory / "state/lxc" / cid / "started").exists()
            node.start_agent()
            report = node.wait(order)
            for pid in monitors:
                if host.is_alive(pid):
                    os.kill(pid, signal.SIGCONT)
            ended = host.poll(lambda: node.state(cid) != "running", 0.5)
            if ended or report["state"] != "succeeded":
                bad.append((i, report["state"], report.get("error"), node.state(cid)))
                node.do("container.restart", cid)
        tap.ok(not bad, f"{ROUNDS} restarts whose agent died: each succeeded, and its container goes on", *bad[:5])
        tap.ok(cut > ROUNDS // 3, f"in {cut} of them the start was not whole")
        ids = node.api.ask(
            "orders", orders=[{
                "op": "container.restart", "container_id": cid, "project_id": harness.PROJECT,
                "params": {"timeout_s": 10}
            }] * 30)["ids"]
        ends = [node.wait(i, 60) for i in ids]
        tap.eq(
            [r.get("error") for r in ends if r["state"] != "succeeded"], [],
            "30 restarts one after the other: an init that has just begun is asked to end, too, and a new one finds no "
            "trace of it"
        )
        halves(node, cid)
        node.restart()
        node.do("container.delete", cid, force=True)
        tap.eq((node.leaks(), node.violations(), node.sanitizer_words()), ([], [], []),
               "nothing is left, no breach, sanitizers are silent")
    flows()
    told()
    renames()
    half()
    with struck.Struck("fcntl") as node:
        late(node, begin_session, "a session")
        late(node, end_init, "a look after what an end has left")
    with struck.Struck("unlinkat") as node:
        between(node)
    tap.done()


main()
