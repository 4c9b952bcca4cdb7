#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""On the network whatever the image is: an init that configures nothing, or by DHCP, a resolv.conf that leads to a
resolver which isn't there, and a host whose own resolver is systemd-resolved's stub."""
import ctypes
import hashlib
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap
import webserver
from uplink import ANSWER, SERVER, dns_server

NEWNS = 0x00020000
INTERFACES = "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet {}\n\thostname dhcp\niface eth1 inet dhcp\n"
# What Alpine's and Debian's do first (udhcpc's default.script); images have ifup ask while their services begin.
INIT = """#!/bin/sh
trap 'exit 0' TERM PWR HUP INT
ifup -a >/ifup.log 2>&1
while :; do sleep 1; done
"""
DECONFIG = "#!/bin/sh\n[ $1 != deconfig ] || ip addr flush dev $interface\n"


def asks_for_dhcp(root):
    for folder in ("etc/network", "etc/systemd/network", "usr/share/udhcpc", "etc/udhcpc", "var/run"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "etc/network/interfaces").write_text(INTERFACES.format("dhcp"))
    for script, text in (("sbin/init", INIT), ("usr/share/udhcpc/default.script", DECONFIG),
                         ("etc/udhcpc/default.script", DECONFIG)):
        (root / script).unlink(missing_ok=True)
        (root / script).write_text(text)
        (root / script).chmod(0o755)


def is_told(root):
    """Once: a container's owner may have it otherwise."""
    network = root / "etc/systemd/network/00-hoody.network"
    tap.eq((root / "etc/network/interfaces").read_text(), INTERFACES.format("manual"), "no DHCP for eth0, and no more")
    text = network.read_text() if network.exists() else ""
    tap.ok("Name=eth0" in text and "KeepConfiguration=yes" in text, "nor by networkd")
    network.unlink(missing_ok=True)
    return network


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
        asks_for_dhcp(source)
        server = webserver.Server(node.directory)
        archive = node.directory / "image.tar"
        subprocess.run(["tar", "-C", source, "-cf", archive, "."], check=True)
        report = node.do("image.pull", None, 120, image="quiet/1", url=server.url("image.tar"),
                         sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
        tap.eq(report["state"], "succeeded", "an image of its own is pulled")
        quiet = create(node, "quiet", image="quiet/1")
        network = is_told(node.root(quiet))
        for when in ("created", "restarted"):
            tap.ok(not (node.root(quiet) / "etc/resolv.conf").is_symlink(), f"{when}: its resolv.conf is a file")
            resolves(node, "quiet")
            code, out, _ = node.ctl("exec", "quiet", "ping", "-c1", "-W2", "127.0.0.1")
            tap.eq(code, 0, f"{when}: an init that configures nothing has its loopback")
            if when == "created":
                node.do("container.restart", quiet, timeout_s=60)
        code, out, err = node.ctl("exec", "quiet", "cat", "/proc/sys/net/ipv4/ping_group_range")
        tap.eq(out.split(), ["0", "65535"], "all users may ping, as far as there are ids: icmp(7)")
        tap.ok(not network.exists(), "what its owner has removed stays removed")
        for cid in (plain, quiet):
            node.do("container.delete", cid, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
    tap.done()


main()
