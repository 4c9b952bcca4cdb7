#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""node.command's closed list, and project.delete: everything of the project and nothing else, again and again, whatever
dies."""
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

OTHER = "0123456789abcdef0123cccc"


def commands(node, api):
    report = node.do("node.command", None, command="check-uptime")
    up = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    tap.ok(
        report["state"] == "succeeded" and abs(float(report["result"]["output"].split()[1]) - up) < 30
        and report["result"]["exit_code"] == 0, "check-uptime", report)
    tap.ok("MemTotal:" in node.do("node.command", None, command="check-memory")["result"]["output"], "check-memory")
    data = api.do("POST", f"/servers/{harness.NODE_ID}/execute-command", {"command_slug": "check-memory"})
    tap.ok(data["status"] == "completed" and "MemFree" in data["output"] and data["command_log_id"], "by the local API",
           data)
    tap.eq(
        [api.ask(m, f"/servers/{'f' * 24}/{what}", body)[0] for m, what, body in (
            ("GET", "runtime", None), ("GET", "available-commands", None),
            ("POST", "execute-command", {"command_slug": "check-memory"}))], [404] * 3,
        "another server is not this one")
    tap.eq(
        api.ask("POST", f"/servers/{harness.NODE_ID}/execute-command", {"command": "rm -rf /"})[0], 400,
        "what is not on the list is refused")
    path, elsewhere = f"/projects/{OTHER}/containers", "f" * 24
    tap.eq([(s, a["data"]["field"])
            for s, _, a in [api.ask("POST", path, {"image": harness.IMAGE, "server_id": elsewhere})]],
           [(404, "server_id")], "a container of another server's is refused")
    made = api.do("POST", path,
                  {"image": harness.IMAGE, "server_id": harness.NODE_ID, "name": "here", "start": False})["id"]
    tap.eq([(s, a["data"]["field"])
            for s, _, a in [api.ask("POST", f"/containers/{made}/copy", {"target_server_id": elsewhere})]],
           [(404, "target_server_id")], "and a copy to one")
    api.do("DELETE", f"/containers/{made}", {"force": True})
    if pathlib.Path("/run/systemd/system").is_dir():
        tap.skip("restart is refused without systemd", "systemd runs here, and would reboot this machine")
        return
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="stays")
    for command in ("restart", "kexec-reboot"):
        report = node.do("node.command", None, command=command)
        tap.ok(report["state"] == "failed" and "systemd" in report["error"]["message"] and node.state(cid) == "running",
               f"{command} without systemd: refused before anything is stopped", report)
    node.do("container.delete", cid, force=True)


def project(node, api):
    mine, other = [node.new_id() for _ in range(4)], node.new_id()
    for i, cid in enumerate(mine):
        node.do("container.create", cid, image=harness.IMAGE, name=f"p{i}x", start=i != 1)
    node.do("container.pause", mine[2])
    node.do("container.create", other, image=harness.IMAGE, name="other", project_id=OTHER)
    node.do("proxy.document", None, scope="project", file_version=1, document={})
    node.do("proxy.alias", None, alias_id=node.new_id(), alias="of-project", enabled=True,
            target={"container_id": mine[0]})
    report = node.do("project.delete", None)
    tap.eq((report["state"], report.get("result")),
           ("succeeded", {"deleted": {"containers": 4, "permissions": 0, "aliases": 1}}),
           "a project with four containers, one paused, one stopped")
    tap.eq([node.state(c) for c in mine], ["absent"] * 4, "all are gone")
    tap.eq(node.state(other), "running", "another project's is not")
    proxy = node.directory / "state" / "proxy"
    tap.eq((list((proxy / "projects").iterdir()), list((proxy / "aliases").iterdir())), ([], []),
           "nor are its document and alias")
    tap.eq(node.do("project.delete", None)["state"], "succeeded", "again: success")
    statuses = [r["to_status"] for r in node.reports(kind="container.status") if r["container_id"] == mine[0]]
    tap.eq(statuses[-2:], ["deleting", "deleted"], "each was reported")
    node.do("container.delete", other, force=True)


def stuck(node):
    """Of a project whose deletion fails at its first container's root."""
    cids = sorted(node.new_id() for _ in range(3)) # as they are gone through
    for i, cid in enumerate(cids):
        node.do("container.create", cid, image=harness.IMAGE, name=f"s{i}x", ramdisk_scope="project")
    node.ctl("exec", "s1x", "sh", "-c", "echo kept >/ramdisk/project/file")
    node.do("container.pause", cids[2])
    file = node.root(cids[0]) / "stuck"
    file.write_text("")
    subprocess.run(["chattr", "+i", file], check=True)
    with host.take_turns(node.directory / "run", cids[:1]):
        order = node.order("project.delete")
        host.poll(lambda: "running" in [r["state"] for r in node.reports(kind="order") if r["order_id"] == order], 5)
        before = host.init_of(node.prefix, cids[1])
        subprocess.run([*f"nsenter -t {before} -U -m -p -S 0 -G 0 reboot -f".split()], timeout=60, check=False)
        tap.ok(host.poll(lambda: not host.pids_of(node.prefix, cids[1]), 10), "one asks for a restart meanwhile")
    state = node.wait(order)["state"]
    tap.ok(host.poll(lambda: host.init_of(node.prefix, cids[1]) not in (None, before), 3), "which it has in the end")
    status = lambda: {c["id"]: (c["status"], c["pid"] > 0) for c in node.hoodyctl("status")["containers"]}
    host.poll(lambda: status()[cids[1]] == ("running", True), 5)
    tap.eq((state, [status()[c] for c in cids]), ("failed", [("failed", False), ("running", True), ("paused", True)]),
           "what it could not remove has failed, and what it did not reach is as before")
    node.do("container.restart", cids[1])
    tap.eq(node.ctl("exec", "s1x", "cat", "/ramdisk/project/file")[1], "kept\n", "with the ramdisk of its project")
    for left in node.root(cids[0]).parents[1].glob("*/rootfs/stuck"):
        subprocess.run(["chattr", "-i", left], check=True)
    tap.eq((node.do("project.delete", None)["state"], [node.state(c) for c in cids]), ("succeeded", ["absent"] * 3),
           "and goes with the next order")


def in_doubt(node):
    """One that a deletion has left without its root has failed, whatever else fails on it."""
    source, cid = node.new_id(), node.new_id()
    status = lambda: next(c["status"] for c in node.hoodyctl("status")["containers"] if c["id"] == cid)
    node.do("container.create", source, image=harness.IMAGE, name="source")
    node.do("container.copy", cid, source_container_id=source, name="in-doubt")
    file = node.root(cid) / "stuck"
    file.write_text("")
    subprocess.run(["chattr", "+i", file], check=True)
    tap.eq((node.do("container.delete", cid, force=True)["state"], status()), ("failed", "failed"),
           "a deletion that fails")
    tap.eq((node.do("container.start", cid)["state"], status()), ("failed", "failed"),
           "a start that fails then makes nothing whole of it")
    tap.eq(
        node.do("snapshot.create", cid)["error"]["data"]["status"], "failed", "so that it can't be kept in a snapshot")
    tap.eq((node.do("container.sync", cid)["state"], status()), ("failed", "failed"), "nor does a sync that fails")
    for left in node.root(cid).parents[1].glob("**/stuck"):
        subprocess.run(["chattr", "-i", left], check=True)
    for c in (cid, source):
        node.do("container.delete", c, force=True)


def anew(node):
    """A container that is deleted and made anew in another project, before that is deleted, goes with that."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, start=False)
    with host.take_turns(node.directory / "run", [cid]):
        orders = [
            node.order("container.delete", cid),
            node.order("container.create", cid, project_id=OTHER, image=harness.IMAGE, start=False),
            node.order("project.delete", project_id=OTHER)
        ]
        host.poll(lambda: any(o["order_id"] == orders[-1] for o in node.hoodyctl("orders")["orders"]), 10, 0.1)
    ends = [node.wait(o) for o in orders]
    tap.eq(([e["state"] for e in ends], ends[-1].get("result", {}).get("deleted", {}).get("containers"),
            node.state(cid)), (["succeeded"] * 3, 1, "absent"),
           "a container that is made anew in another project goes with that one")


def crashes(node):
    for delay in (0.005, 0.02, 0.04, 0.08):
        cids = [node.new_id() for _ in range(3)]
        for i, cid in enumerate(cids):
            node.do("container.create", cid, image=harness.IMAGE, name=f"c{i}x")
        order = node.order("project.delete")
        late = node.order("container.start", cids[0])
        time.sleep(delay)
        node.kill9("agent")
        node.start_agent()
        tap.eq((node.wait(order)["state"], [node.state(c) for c in cids]), ("succeeded", ["absent"] * 3),
               f"the agent killed after {delay * 1000:.0f} ms")
        tap.eq(node.wait(late)["error"]["code"], "CONTAINER_NOT_FOUND", "an order that waited behind it finds nothing")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        api = local.Local(node)
        commands(node, api)
        project(node, api)
        stuck(node)
        in_doubt(node)
        anew(node)
        crashes(node)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
