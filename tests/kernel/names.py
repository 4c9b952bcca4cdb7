#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""On the network whatever the image is: an init that configures nothing, a resolv.conf that leads to a resolver which isn't there, and a host whose own resolver is systemd-resolved's stub."""
import ctypes
import hashlib
import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import netns
import tap
import webserver

NEWNS = 0x00020000
SERVER, ANSWER = "198.51.100.2", "192.0.2.7"


def dns_server():
    """Beyond an uplink: every name has one address."""
    here, beyond = netns.Namespace.current(), netns.Namespace()
    here.ip("link add up0 type veth peer name up1")
    here.ip(f"link set up1 netns {beyond.path()}")
    for ns, text in ((here, "addr add 198.51.100.1/24 dev up0"), (here, "link set up0 up"), (beyond, f"addr add {SERVER}/24 dev up1"), (beyond, "link set up1 up"), (here, f"route add default via {SERVER}")):
        ns.ip(text)
    with beyond:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((SERVER, 53))

    def serve():
        while True:
            query, peer = s.recvfrom(512)
            is_a = query.rstrip(b"\0")[-4:] != b"" and struct.unpack(">H", query[-4:-2])[0] == 1
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ANSWER)
            s.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, is_a, 0, 0) + query[12:] + record * is_a, peer)

    threading.Thread(target=serve, daemon=True).start()


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
        report = node.do("image.pull", None, 120, image="quiet/1", url=server.url("image.tar"), sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
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
