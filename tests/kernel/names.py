#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""On the network whatever the image is: an init that configures nothing, a resolv.conf that leads to a resolver which
isn't there, and a host whose own resolver is systemd-resolved's stub."""
import ctypes
import hashlib
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap
import webserver
from uplink import ANSWER, SERVER, dns_server

NEWNS = 0x00020000


def host_with_stub(directory):
    """In a mount namespace of the test's own."""
    if ctypes.CDLL(None).unshare(NEWNS) != 0:
        tap.skip_all("no mount namespace")
    mount = lambda *words: subprocess.run(["mount", *words], check=True)
    mount("--make-rprivate", "/")
    (directory / "stub").write_text("nameserver 127.0.0.53\noptions edns0\n")
    mount("--bind", str(directory / "stub"), os.path.realpath("/etc/resolv.conf"))
    os.makedirs("/run/systemd/resolve", exist_ok=True)
    mount("-t", "tmpfs", "tmpfs", "/run/systemd/resolve")
    pathlib.Path("/run/systemd/resolve/resolv.conf").write_text(f"nameserver {SERVER}\nsearch corp.example\n")


def create(node, name, **more):
    cid = node.new_id()
    report = node.do("container.create", cid, name=name, project_id=harness.PROJECT, **more)
    if report["state"] != "succeeded":
        raise harness.Failure(report)
    return cid


def resolves(node, name):
    code, out, err = node.ctl("exec", name, "nslookup", "db.internal.example")
    tap.ok(ANSWER in out, f"{name}: a name that the host's own server alone knows is resolved", out, err)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    dns_server()
    with harness.Node() as node:
        node.stop_agent()
        host_with_stub(node.directory)
        node.start_agent()
        plain = create(node, "plain", image=harness.IMAGE)
        resolves(node, "plain")
        # The same root, with an init that does nothing and a link where resolved's images have one.
        source = node.root(plain)
        (source / "etc/resolv.conf").unlink()
        (source / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
        (source / "sbin/init").unlink()
        (source / "sbin/init").write_text("#!/bin/sh\ntrap 'exit 0' TERM PWR HUP INT\nwhile :; do sleep 1; done\n")
        (source / "sbin/init").chmod(0o755)
        server = webserver.Server(node.directory)
        archive = node.directory / "image.tar"
        subprocess.run(["tar", "-C", source, "-cf", archive, "."], check=True)
        report = node.do("image.pull", None, 120, image="quiet/1", url=server.url("image.tar"),
                         sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
        tap.eq(report["state"], "succeeded", "an image of its own is pulled")
        quiet = create(node, "quiet", image="quiet/1")
        for when in ("created", "restarted"):
            tap.ok(not (node.root(quiet) / "etc/resolv.conf").is_symlink(), f"{when}: its resolv.conf is a file")
            resolves(node, "quiet")
            code, out, _ = node.ctl("exec", "quiet", "ping", "-c1", "-W2", "127.0.0.1")
            tap.eq(code, 0, f"{when}: an init that configures nothing has its loopback")
            if when == "created":
                node.do("container.restart", quiet, timeout_s=60)
        for cid in (plain, quiet):
            node.do("container.delete", cid, force=True)
        host.poll(lambda: not node.leaks(), 3)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
    tap.done()


main()
