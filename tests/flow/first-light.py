#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A container's whole life by signed orders, and the kernel asked after each: state, namespaces, owners, limits, what
it inherited, what it leaves."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

LIMITS = {"memory_bytes": 64 << 20, "pids": 40, "cpu_cores": 0.5}


def limit(node, cid, controller, v1, v2):
    for mount, unified in host.cgroup_mounts():
        path = mount / node.prefix / cid / "payload" / (v2 if unified else v1)
        if (unified or mount.name == controller) and path.exists():
            return path.read_text().split()[0]
    return None


def look_inside(node, cid):
    pid = host.init_of(node.prefix, cid)
    st = host.status(pid)
    base = int(pathlib.Path(f"/proc/{pid}/uid_map").read_text().split()[1])
    tap.ok(base >= 100_000_000 and int(st["Uid"].split()[0]) == base, "root in it is an unprivileged user outside",
           st["Uid"])
    tap.eq(pathlib.Path(f"/proc/{pid}/uid_map").read_text().split()[2], "65536", "its range has 65,536 ids")
    tap.eq(st["Seccomp"], "2", "its system calls are filtered")
    tap.eq(pathlib.Path(f"/proc/{pid}/root/etc/hostname").read_text(), "web\n", "its hostname")
    tap.eq(
        os.stat(f"/proc/{pid}/root/etc/passwd").st_uid, base,
        "an idmapped root: its files are its root's, as seen in it")
    tap.eq(os.stat(node.root(cid) / "etc/passwd").st_uid, 0, "and unshifted on the disk")
    tap.eq(limit(node, cid, "memory", "memory.limit_in_bytes", "memory.max"), str(LIMITS["memory_bytes"]),
           "its memory limit is the kernel's")
    tap.eq(limit(node, cid, "pids", "pids.max", "pids.max"), "40", "its pids limit")
    tap.eq(limit(node, cid, "cpu", "cpu.cfs_quota_us", "cpu.max"), "50000", "its cpu limit")
    links = {line.split(":")[0].strip() for line in pathlib.Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]}
    tap.eq(links, {"lo", "eth0"}, "it has loopback and a link of its own, and none of the host")
    names = sorted(v.split("=")[0] for v in open(f"/proc/{pid}/environ").read().split("\0") if v)
    tap.eq([n for n in names if n.startswith("HOODY_")], ["HOODY_CONTAINER_ID", "HOODY_NODE", "HOODY_PROJECT_ID"],
           "it inherits no environment of ours but what is for it")
    monitor = host.monitor_of(node.prefix, cid)
    mst = host.status(monitor)
    tap.eq(mst["PPid"], host.REAPER, "its monitor is a child of pid 1, not of the agent")
    tap.eq((mst["Seccomp"], mst["NoNewPrivs"]), ("0", "0"), "the monitor is under no sandbox of ours")
    tap.eq(mst["SigIgn"], "0000000000000000", "nor ignores it a signal that the agent ignores")
    ours = [os.readlink(f"/proc/{monitor}/fd/{fd}") for fd in os.listdir(f"/proc/{monitor}/fd")]
    tap.ok(not any("state.db" in f or "node.key" in f or "hoody-frame" in f for f in ours),
           "and holds no descriptor of ours", ours)
    tap.eq(pathlib.Path(f"/proc/{monitor}/oom_score_adj").read_text().strip(), "0", "nor our oom score")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        cid, other = node.new_id(), node.new_id()
        create = {"image": harness.IMAGE, "name": "web", "start": False, "limits": LIMITS}

        def does(op, want, state="succeeded", **params):
            report = node.do(op, cid, **params)
            tap.eq((report["state"], node.state(cid)), (state, want), f"{op}: {state}, and the kernel says {want}")
            return report

        hello = node.wait_report("node.hello")
        tap.ok(hello and hello["agent_version"] and hello["public_key_hex"], "hello came first")
        does("container.create", "stopped", **create)
        does("container.create", "stopped", **create)
        again = does("container.create", "stopped", state="failed", **dict(create, name="other"))
        tap.eq(again["error"]["code"], "CONTAINER_EXISTS", "the same id with other parameters is refused")
        again = does("container.create", "stopped", state="failed", project_id="f" * 24, **create)
        tap.eq(again["error"]["code"], "CONTAINER_EXISTS", "and in another project")
        does("container.start", "running")
        look_inside(node, cid)
        conflict = does("container.start", "running", state="failed")
        tap.eq((conflict["error"]["code"], conflict["error"]["data"]["status"]),
               ("OPERATION_STATE_CONFLICT", "running"), "a second start is a conflict that names the status")
        does("container.pause", "paused")
        tap.eq(
            node.do("container.stop", cid)["error"]["code"], "OPERATION_STATE_CONFLICT",
            "a paused one can't be stopped")
        does("container.resume", "running")
        before = host.init_of(node.prefix, cid)
        does("container.restart", "running")
        tap.ok(host.init_of(node.prefix, cid) != before, "restart: another init")
        does("container.delete", "running", state="failed")
        does("container.stop", "stopped")
        does("container.restart", "running")
        does("container.pause", "paused")
        does("container.force-stop", "stopped")
        does("container.start", "running")
        does("container.delete", "absent", force=True)
        does("container.delete", "absent")
        tap.eq(node.do("container.start", cid)["error"]["code"], "CONTAINER_NOT_FOUND", "what is gone can't be started")
        tap.eq(
            node.do("container.create", other, image="no/such")["error"]["code"], "IMAGE_NOT_FOUND",
            "an image that isn't here")
        log = [r for r in node.reports(kind="container.status") if r["container_id"] == cid]
        moves = [(r["from_status"], r["to_status"]) for r in log]
        tap.eq(moves[:4], [(None, "creating"), ("creating", "stopped"), ("stopped", "running"), ("running", "paused")],
               "every change of status was reported")
        tap.eq(moves[-2:], [("running", "deleting"), ("deleting", "deleted")], "to the end")
        orders = {r["order_id"]: r["op"] for r in node.reports(kind="order")}
        tap.eq([r["metadata"].get("command") for r in log],
               [orders.get(r["metadata"].get("order_id"), "none").rpartition(".")[2] for r in log],
               "each with the order that it is of")
        tap.eq(node.leaks(), [], "nothing is left of it")
        tap.eq(node.violations(), [], "the control API saw no breach of the protocol")
        node.stop_agent()
        tap.eq(node.leaks(), [], "nor of the agent")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
    tap.done()


main()
