#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""By which signal an init is asked to end: by the node's setting, else by what its OCI image says (StopSignal), where
the init hears that one; else by what it does hear. What the image says stays with its containers, their copies and what
is restored."""
import fcntl
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import ocilayout
import tap
import webserver

OTHER = "0123456789abcdef0123cccc" # a project
WAIT = "echo ready >/ready; while :; do sleep 1000 & wait $!; done\n"


def init(*signals):
    """Ends by each of them, and says which it was."""
    return "#!/bin/busybox sh\n" + "".join(f"trap 'echo {s} >/stopped; exit 0' {s}\n" for s in signals) + WAIT


DEAF = "#!/bin/busybox sh\necho ready >/ready; exec sleep 100000\n"
QUIT_AND_TERM = init("QUIT", "TERM", "USR1")
TERM = init("TERM")
# name: the image's StopSignal, its init, whether the pull warns, by what it ends
SAYS = {
    "name": ("SIGQUIT", QUIT_AND_TERM, False, "QUIT"),
    "short-name": ("QUIT", QUIT_AND_TERM, False, "QUIT"),
    "number": ("3", QUIT_AND_TERM, False, "QUIT"),
    "realtime": ("SIGRTMIN+4", init("38", "TERM"), False, "38"),
    "nothing": (None, QUIT_AND_TERM, False, "TERM"),
    "empty": ("", QUIT_AND_TERM, False, "TERM"),
    "null": (json, QUIT_AND_TERM, False, "TERM"),
    "not-heard": ("SIGWINCH", TERM, False, "TERM"),
    "not-heard-by-a-deaf-one": ("SIGQUIT", DEAF, False, None),
    "not-heard-at-first": ("SIGQUIT", "#!/bin/busybox sh\nsleep 0.3\n" + QUIT_AND_TERM.partition("\n")[2], False,
                           "QUIT"),
    "unknown": ("SIGFOO", TERM, True, "TERM"),
    "lower-case": ("sigquit", QUIT_AND_TERM, True, "TERM"),
    "with-control-bytes": ("SIGQUIT\n\x1b[2J", QUIT_AND_TERM, True, "TERM"),
    "nobody-hears-it": ("SIGKILL", TERM, True, "TERM"),
    "no-text": (3, QUIT_AND_TERM, True, "TERM"),
}


class World:
    def __init__(self, node, server, work):
        self.node, self.server, self.work = node, server, work

    def pack(self, name, word, script, make=ocilayout.layout):
        """An image at the server, as a pull names it."""
        said = {} if word is None else {"StopSignal": None if word is json else word}
        busybox = pathlib.Path("/bin/busybox").read_bytes()
        folders = [(f"{f}/",) for f in ("bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp")]
        make(self.work / name, [
            ocilayout.layer([
                *folders, ("bin/busybox", busybox), ("bin/sh", "SYMTYPE", "busybox"),
                ("bin/sleep", "SYMTYPE", "busybox")
            ]),
            ocilayout.layer([("sbin/init", script.encode())])
        ], said)
        tar = self.server.directory / f"{name}.tar"
        subprocess.run(["tar", "-C", self.work / name, "-cf", tar, "."], check=True)
        return {"url": self.server.url(tar.name), "sha256": hashlib.sha256(tar.read_bytes()).hexdigest()}

    def pull(self, name, *of):
        """The report of the pull, and of a second one under another name."""
        packed = self.pack(name, *of)
        return [self.node.do("image.pull", None, 60, image=image, **packed) for image in (name, f"{name}-again")]

    def create(self, image, **more):
        cid = self.node.new_id()
        report = self.node.do("container.create", cid, 60, image=image, **more)
        tap.ok(report["state"] == "succeeded", f"{image}: made and started", report.get("error"))
        return cid

    def ends_by(self, cid, want, what, op="container.stop", **more):
        """It is up, and says by what it has been ended."""
        stopped, ready = self.node.root(cid) / "stopped", self.node.root(cid) / "ready"
        if what != "not-heard-at-first":
            tap.ok(host.poll(ready.exists, 10), f"{what}: is up")
        stopped.unlink(missing_ok=True), ready.unlink(missing_ok=True)
        report = self.node.wait(self.node.order(op, cid, **more), 60)
        said = stopped.read_text().strip() if stopped.exists() else None
        tap.eq((report["state"], said), ("succeeded", want), f"{what}: {op} by {want}")


def words(world):
    for name, (word, script, warns, want) in SAYS.items():
        reports = world.pull(name, word, script)
        for report in reports:
            result = report.get("result") or {}
            tap.ok(report["state"] == "succeeded" and bool(result.get("warnings")) == warns,
                   f"{name}: pulled{' with a word' if warns else ''}", report)
            if not warns:
                tap.eq(result.get("stop_signal"), word if isinstance(word, str) and word else None,
                       f"{name}: the report says what the image does")
        cid = world.create(f"{name}-again" if name == "name" else name)
        world.ends_by(cid, want, name, timeout_s=600)
        world.node.do("container.delete", cid, force=True)
    log = world.node.log.read_text()
    tap.ok("SIGFOO" in log and "\x1b" not in log, "the log names what is ignored, and nothing of it but text")
    world.pull("saved", "SIGQUIT", QUIT_AND_TERM, ocilayout.saved)
    cid = world.create("saved")
    world.ends_by(cid, "QUIT", "saved")
    world.node.do("container.delete", cid, force=True)


def goes_with_it(world):
    """Over restarts of both, snapshots, restores, copies, syncs, and the image's own end."""
    node = world.node
    cid, copy = world.create("name"), node.new_id()
    for image in ("name", "name-again"):
        node.do("image.remove", None, image=image)
    world.ends_by(cid, "QUIT", "restarted", "container.restart")
    node.restart()
    world.ends_by(cid, "QUIT", "with another agent", "container.restart")
    tap.eq(node.do("snapshot.create", cid, alias="s")["state"], "succeeded", "a snapshot")
    world.ends_by(cid, "QUIT", "restored", "snapshot.restore", name="s")
    tap.eq(node.do("container.copy", copy, 60, source_container_id=cid)["state"], "succeeded", "a copy")
    world.ends_by(copy, "QUIT", "the copy", "container.restart")
    world.ends_by(copy, "QUIT", "the copy, brought up to date", "container.sync")
    world.ends_by(copy, "QUIT", "the copy, afterwards")
    node.do("container.delete", copy, force=True)
    return cid


def lost(world):
    """The agent ends when the new image is there, and the old one of its name is not gone yet."""
    node = world.node
    old, new = world.pack("old", None, TERM), world.pack("new", "SIGQUIT", QUIT_AND_TERM)
    node.do("image.pull", None, 60, image="renewed", **old)
    images = node.directory / "pool" / "images"
    root = os.open(images / old["sha256"] / "rootfs", os.O_RDONLY)
    fcntl.flock(root, fcntl.LOCK_SH) # as a container that is made of it: its removal waits
    order = node.order("image.pull", image="renewed", **new)
    tap.ok(host.poll(lambda: (images / new["sha256"]).exists() and not list(images.glob(".fetch-*")), 30), "unpacked")
    host.poll(lambda: "image-remove" in node.ctl("orders")[1], 1)
    node.kill9("agent")
    os.close(root)
    node.start_agent()
    result = node.wait(order, 60).get("result") or {}
    tap.ok(result.get("stop_signal") == "SIGQUIT" and result.get("size", 0) > 0,
           "what it holds is known all the same", result)
    cid = world.create("renewed")
    world.ends_by(cid, "QUIT", "renewed")
    node.do("container.delete", cid, force=True)


def renewed(world):
    """A name is to be another image's while a create of it waits for a worker: its project has its share of them."""
    node = world.node
    old, new = world.pack("before", None, QUIT_AND_TERM), world.pack("after", "SIGQUIT", QUIT_AND_TERM)
    node.do("image.pull", None, 60, image="moved", **old)
    others, cid = [node.new_id() for _ in range(3)], node.new_id()
    for other in others:
        node.do("container.create", other, image=harness.IMAGE, start=False)
    with host.take_turns(node.directory / "run", others):
        busy = [node.order("env.set", other, key="A", value="b") for other in others]
        begun = lambda: {r["order_id"] for r in node.reports(kind="order") if r["state"] == "running"}
        tap.ok(host.poll(lambda: set(busy) <= begun(), 5), "all that it may have are busy")
        order = node.order("container.create", cid, image="moved")
        tap.ok(node.wait_report("container.status", container_id=cid, to_status="creating"), "a create has begun")
        pull = node.order("image.pull", image="moved", project_id=OTHER, **new)
        pulled = node.directory / "pool/images" / new["sha256"]
        tap.ok(host.poll(pulled.exists, 10), "its image is to be another")
        tap.ok(not node.api.ask("wait", order_id=pull, timeout_ms=500).get("report") and not node.root(cid).exists(),
               "not before it was made of it")
    tap.eq([node.wait(o, 60)["state"] for o in (*busy, order, pull)], ["succeeded"] * 5, "it goes on")
    world.ends_by(cid, "TERM", "what its root is of, it is ended by")
    for c in (*others, cid):
        node.do("container.delete", c, force=True)


def setting(world, cid):
    def change(value):
        node.conf.setdefault("Containers", {})["StopSignal"] = value
        node.write_conf()
        loaded = node.log.read_text().count("the configuration was loaded again")
        node.agent.send_signal(signal.SIGHUP)
        tap.ok(host.poll(lambda: node.log.read_text().count("the configuration was loaded again") > loaded, 10),
               f"StopSignal={value}: read")

    node = world.node
    change("USR1")
    world.ends_by(cid, "USR1", "by the setting", "container.restart")
    change("SIGRTMIN+5")
    world.ends_by(cid, "TERM", "a setting that it doesn't hear", "container.restart")
    change(None)
    world.ends_by(cid, "QUIT", "and without it", "container.restart")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-stop-signal-") as directory:
        work = pathlib.Path(directory)
        (work / "web").mkdir()
        server = webserver.Server(work / "web")
        with harness.Node() as node:
            world = World(node, server, work)
            words(world)
            cid = goes_with_it(world)
            setting(world, cid)
            lost(world)
            renewed(world)
            node.do("container.delete", cid, force=True)
            tap.eq((node.violations(), node.sanitizer_words()), ([], []),
                   "no breach of the protocol, and sanitizers are silent")
        server.close()
    tap.done()


main()
