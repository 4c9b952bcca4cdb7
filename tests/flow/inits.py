#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever an image's init is, it is asked to end by what it hears, ends within its grace, and starts again. The inits
are Debian's own, in small roots."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time


def download(directory, *packages):
    """Their files; None when there is no way to have them. Before the test leaves the host's network."""
    for package in packages:
        done = subprocess.run(["apt-get", "-qq", "download", package], cwd=directory, capture_output=True, text=True,
                              timeout=60)
        if done.returncode != 0:
            return None
    root = directory / "files"
    for deb in directory.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, root], check=True)
        deb.unlink()
    return root


if os.geteuid() == 0:
    _directory = tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-inits-")
    WORK = pathlib.Path(_directory.name)
    FILES = {}
    for name, packages in (("tini", ["tini"]), ("dumb-init", ["dumb-init"]),
                           ("s6-svscan", ["s6", "libs6-2.11", "libskarnet2.13",
                                          "libexecline2.9"]), ("sysvinit", ["sysvinit-core"]), ("runit", ["runit"])):
        (WORK / f"deb-{name}").mkdir()
        FILES[name] = download(WORK / f"deb-{name}", *packages)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap
import webserver

SH = "#!/bin/busybox sh\n"
WAIT = "echo ready >/ready; while :; do sleep 1000 & wait $!; done\n"
SERVICE = SH + "trap 'echo TERM >/stopped; exit 0' TERM\n" + WAIT
INITTAB = ("id:2:initdefault:\nl2:2:once:/bin/busybox sh -c 'echo ready >/ready'\n"
           "l0:0:wait:/bin/busybox sh -c 'echo PWR >/stopped; busybox poweroff -f'\npf::powerwait:/sbin/init 0\n")
SETTLED_S = 5.5 # by then one that hears nothing is taken for deaf
# name: what /sbin/init is, other files, what is said at its end
INITS = {
    "busybox-by-another-name": (None, {
        "etc/inittab": "::sysinit:/bin/busybox sh -c 'echo ready >/ready'\n::shutdown:/bin/busybox sh -c 'echo USR2 "
                       ">/stopped'\n"
    }, "USR2"),
    "no-handlers": (SH + "echo ready >/ready; exec sleep 100000\n", {}, None),
    "catches-TERM": (SERVICE, {}, "TERM"),
    "catches-INT-alone": (SH + "trap 'echo INT >/stopped; exit 0' INT\n" + WAIT, {}, "INT"),
    "as-systemd": (SH + "trap 'echo TERM >/stopped; exit 0' TERM\ntrap 'echo RTMIN+3 >/stopped; exit 0' 37\n" + WAIT,
                   {}, "RTMIN+3"),
    "deaf-while-it-ends": (SH + "trap 'trap \"\" TERM INT QUIT; sleep 2; echo TERM >/stopped; exit 0' TERM\n" + WAIT,
                           {}, "TERM"),
    "deaf-for-a-second": (SH + "sleep 1; trap 'echo TERM >/stopped; exit 0' TERM\n" + WAIT, {}, "TERM"),
    "tini": (SH + "exec /usr/bin/tini -- /service\n", {"service": SERVICE}, "TERM"),
    "dumb-init": (SH + "exec /usr/bin/dumb-init -- /service\n", {"service": SERVICE}, "TERM"),
    "s6-svscan": (SH + "exec /usr/bin/s6-svscan /services\n", {
        "services/.s6-svscan/finish": SH + "echo TERM >/stopped\n",
        "services/one/run": SH + "echo ready >/ready; exec sleep 1000\n"
    }, "TERM"),
    "runit": (SH + "exec /sbin/runit\n", {
        "etc/runit/1": SH +
        ">/run/runit.stopit; busybox chmod 0 /run/runit.stopit; >/run/runit.reboot; busybox chmod 0 "
        "/run/runit.reboot\n",
        "etc/runit/2": SH + "echo ready >/ready; exec sleep 1000\n", "etc/runit/3": SH + "echo PWR >/stopped\n"
    }, "PWR"),
    "sysvinit": (None, {"etc/inittab": INITTAB}, "PWR"),
}


def libraries(root):
    """What its programs need of this host's."""
    for program in [
            p for p in root.rglob("*") if p.is_file() and not p.is_symlink() and p.read_bytes()[:4] == b"\x7fELF"
    ]:
        out = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        for path in [w for w in out.split() if w.startswith("/")]:
            target = root / path.lstrip("/")
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)


def make(name, init, files):
    root = WORK / f"root-{name}"
    if FILES.get(name):
        shutil.copytree(FILES[name], root, symlinks=True)
        for link in ("sbin", "bin", "lib"):
            (root / link).mkdir(exist_ok=True)
        libraries(root)
    for folder in ("etc", "bin", "sbin", "dev", "proc", "sys", "run", "tmp", "usr/bin"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in ("sh", "sleep"):
        (root / "bin" / applet).symlink_to("busybox")
    if init:
        files = {**files, "sbin/init": init}
    elif name not in FILES:
        shutil.copy("/bin/busybox", root / "sbin/init")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    return root


def one(node, server, name, init, files, says):
    root = make(name, init, files)
    tar = server.directory / f"{name}.tar"
    subprocess.run(["tar", "-C", root, "-cf", tar, "."], check=True)
    node.do("image.pull", None, 60, image=name, url=server.url(tar.name),
            sha256=hashlib.sha256(tar.read_bytes()).hexdigest())
    cid = node.new_id()
    report = node.do("container.create", cid, image=name, name=name)
    tap.ok(report["state"] == "succeeded" and node.state(cid) == "running", f"{name}: made and started",
           report.get("error"))
    stopped, ready = node.root(cid) / "stopped", node.root(cid) / "ready"
    for op, want in (("container.stop", "stopped"), ("container.restart", "running"), ("container.restart", "running"),
                     ("container.stop", "stopped")):
        was = node.state(cid)
        if was == "running" and name != "deaf-for-a-second":
            tap.ok(host.poll(ready.exists, 10), f"{name}: is up")
        for mark in (stopped, ready):
            mark.unlink(missing_ok=True)
        if was == "running" and name == "deaf-while-it-ends":
            host.poll(lambda: host.age_s(host.init_of(node.prefix, cid)) > SETTLED_S, 10)
        begin = time.monotonic()
        report = node.do(op, cid, 60)
        said = stopped.read_text().strip() if stopped.exists() else None
        tap.ok(report["state"] == "succeeded" and node.state(cid) == want and (said == says or was == "stopped"),
               f"{name}: {op}", report.get("error"), said)
        tap.note(f"{name}: {op} of a {was} one took {time.monotonic() - begin:.1f} s, its init heard {said}")
    if name == "deaf-while-it-ends":
        outlives(node, cid, stopped, ready)
    node.do("container.delete", cid, force=True)


def outlives(node, cid, stopped, ready):
    """The agent dies while an init ends its services: the next one knows no better than that it was asked."""
    node.do("container.start", cid)
    init = host.init_of(node.prefix, cid)
    host.poll(lambda: ready.exists() and host.age_s(init) > SETTLED_S, 10)
    stopped.unlink(missing_ok=True)
    order = node.order("container.stop", cid)
    tap.ok(host.poll(lambda: int(host.status(init)["SigIgn"], 16) >> 14 & 1, 10), "it ends, and hears nothing more")
    node.kill9("agent")
    node.start_agent()
    tap.eq((node.wait(order)["state"], stopped.exists() and stopped.read_text()), ("succeeded", "TERM\n"),
           "nor is it killed by an agent that begins meanwhile")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    (WORK / "web").mkdir()
    server = webserver.Server(WORK / "web")
    with harness.Node() as node:
        for name, (init, files, says) in INITS.items():
            if name in FILES and not FILES[name]:
                tap.skip(name, "its package can't be downloaded here")
                continue
            one(node, server, name, init, files, says)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, and sanitizers are silent")
    server.close()
    tap.done()


main()
