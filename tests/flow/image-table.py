#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images of the world, as Debian makes them and by hand: each imported, started, on the network with its address,
resolves a name by the resolver that it has, ends within its grace, and is the same after a restart. Prints the
table."""
import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

# As images for containers have it: sysvinit does nothing by SIGPWR of its own.
INITTAB = """sed -i '/^pf:/d; /^[1-6]:.*getty/d' "$1/etc/inittab"
echo 'pf::powerwait:/sbin/init 0' >> "$1/etc/inittab" """
UNITS = """systemctl --quiet --root="$1" enable systemd-networkd systemd-resolved
ln -sf ../run/systemd/resolve/stub-resolv.conf "$1/etc/resolv.conf" """
INTERFACES = """printf 'auto lo\\niface lo inet loopback\\nauto eth0\\niface eth0 inet manual\\n' \
    > "$1/etc/network/interfaces" """
# As on image servers, Debian's own.
DHCP = """systemctl --quiet --root="$1" enable systemd-networkd
printf '[Match]\\nName=eth0\\n[Network]\\nDHCP=true\\n' > "$1/etc/systemd/network/eth0.network" """
# name: packages, what is done to the tree, of which Debian
DEBIAN = {
    "systemd": (["systemd-sysv", "dbus"], None),
    "networkd-dhcp": (["systemd-sysv", "dbus"], DHCP, "trixie"),
    "udhcpc": (["systemd-sysv", "dbus", "ifupdown", "udhcpc"], INTERFACES.replace("manual", "dhcp")),
    "networkd-resolved": (["systemd-sysv", "dbus", "systemd-resolved", "libnss-resolve"], UNITS),
    "ifupdown": (["systemd-sysv", "dbus", "ifupdown"], INTERFACES),
    "sysvinit": (["sysvinit-core", "ifupdown"], INITTAB + "; " + INTERFACES),
    "runit": (["runit-init", "ifupdown"], INTERFACES),
    "openrc": (["openrc", "sysvinit-core", "ifupdown"], INITTAB + "; " + INTERFACES),
}
NAME = "db.internal.example"


def bootstrap(directory, name):
    """A tarball; None when there is no way to have it. Before the test leaves the host's network."""
    packages, hook, *suite = DEBIAN[name]
    tar = directory / f"{name}.tar"
    if not tar.exists():
        done = subprocess.run([
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}",
            f"--customize-hook={hook or 'true'}", *(suite or ["bookworm"]), f"{tar}.tmp.tar"
        ], capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            return None
        pathlib.Path(f"{tar}.tmp.tar").rename(tar)
    return tar


if os.geteuid() == 0:
    _directory = tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-image-table-")
    WORK = pathlib.Path(_directory.name)
    WEB = pathlib.Path(os.environ.get("HOODY_IMAGES") or WORK / "web") # kept, and not made again
    WEB.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        TARS = dict(zip(DEBIAN, pool.map(lambda name: bootstrap(WEB, name),
                                         DEBIAN))) if shutil.which("mmdebstrap") else dict.fromkeys(DEBIAN)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap
import webserver
from uplink import ANSWER, SERVER, dns_server

FOLDERS = ("bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "usr/bin")
PLAIN = "#!/bin/sh\ntrap 'exit 0' TERM\nwhile :; do sleep 1000 & wait $!; done\n"
PROGRAM = """#include <signal.h>
int main(void) { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, SIGTERM); sigprocmask(SIG_BLOCK, &s, 0); return sigwait(&s, &n); }
"""


def by_hand(name, applets, init):
    """Of the host's static busybox; without a shell when it has no applet of that name."""
    root = WORK / name
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    (root / "etc/resolv.conf").write_text("")
    for applet in applets:
        shutil.copy("/bin/busybox", root / "bin" / applet)
    init(root / "sbin/init")
    tar = WEB / f"{name}.tar"
    subprocess.run(["tar", "-C", root, "-cf", tar, "."], check=True)
    return tar


def acls_of(tar):
    """What mmdebstrap has packed as attributes, of a Debian with systemd those of /var/log/journal."""
    with tarfile.open(tar) as t:
        return [(m.name, key.partition("xattr.")[2], value.encode("utf-8", "surrogateescape")) for m in t
                for key, value in m.pax_headers.items() if "posix_acl" in key]


def script(path):
    path.write_text(PLAIN)
    path.chmod(0o755)


def compiled(path):
    subprocess.run(["cc", "-static", "-O1", "-x", "c", "-o", path, "-"], input=PROGRAM, text=True, check=True)


def busybox(path):
    path.symlink_to("../bin/busybox")


HAND = {
    "busybox": (("busybox", "sh", "nslookup"), busybox), "plain-program": (("sh", "sleep", "nslookup"), script),
    "no-shell": (("nslookup", ), compiled)
}


class Row:
    def __init__(self, node, server, name, tar):
        self.node, self.server, self.name, self.tar = node, server, name, tar
        self.cells, self.cid = {}, node.new_id()

    def does(self, what, ok, *why):
        """What took how long is for the reader."""
        self.cells[what] = bool(ok) and self.cells.get(what, True)
        tap.ok(ok, f"{self.name}: {what}", *why)
        return ok

    def is_on_the_network(self, when):
        pid = host.init_of(self.node.prefix, self.cid)
        has = lambda: re.findall(
            r"inet (\S+)/",
            subprocess.run(["nsenter", "-t",
                            str(pid), "-n", "ip", "-4", "addr", "show", "scope", "global"], capture_output=True, text=
                           True).stdout)
        host.poll(has, 20, 0.1)
        found = has()
        routed = subprocess.run([
            "ip", "-4", "route", "show", "dev",
            self.node.interfaces + hashlib.sha256(self.cid.encode()).hexdigest()[:12]
        ], capture_output=True, text=True).stdout.split()
        self.does("address", len(found) == 1 and found[0] in routed, when, found, routed)
        return found

    def resolves(self, when):
        ask = ("nslookup", NAME) if self.name in HAND else ("getent", "hosts", NAME)
        answer = lambda: self.node.ctl("exec", self.name, *ask)
        ok = host.poll(lambda: ANSWER in answer()[1], 30, 0.5)
        self.does("resolves", ok, when, answer() if not ok else "")

    def orders(self, what, op, want):
        begin = time.monotonic()
        report = self.node.wait(self.node.order(op, self.cid, timeout_s=60), 90)
        self.does(what, report["state"] == "succeeded" and self.node.state(self.cid) == want, report.get("error"))
        return time.monotonic() - begin

    def run(self):
        digest = hashlib.sha256(self.tar.read_bytes()).hexdigest()
        report = self.node.do("image.pull", None, 180, image=self.name, url=self.server.url(self.tar.name),
                              sha256=digest)
        self.does("imported", report["state"] == "succeeded", report.get("error"))
        root = self.node.directory / "pool/images" / digest / "rootfs"
        self.does("imported", all(os.getxattr(root / path, name) == value for path, name, value in acls_of(self.tar)),
                  "its ACLs are as they were packed")
        report = self.node.do("container.create", self.cid, 90, image=self.name, name=self.name)
        if not self.does("started", report["state"] == "succeeded", report.get("error")):
            return
        addresses = self.is_on_the_network("at first")
        self.resolves("at first")
        took = [self.orders("restarted", "container.restart", "running")]
        tap.eq(self.is_on_the_network("restarted"), addresses, f"{self.name}: the same address")
        self.resolves("restarted")
        host.poll(lambda: host.age_s(host.init_of(self.node.prefix, self.cid)) > 6, 20, 0.1)
        took.append(self.orders("stopped", "container.stop", "stopped"))
        self.cells["seconds"] = " ".join(f"{t:.1f}" for t in took)
        self.node.do("container.delete", self.cid, 60, force=True)
        self.node.do("image.remove", None, 60, image=self.name)


COLUMNS = ("imported", "started", "address", "resolves", "restarted", "stopped", "seconds")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    tars = {**TARS, **{name: by_hand(name, *how) for name, how in HAND.items()}}
    dns_server()
    server, rows = webserver.Server(WEB), []
    with harness.Node(conf={"Network": {"Dns": SERVER}}) as node:
        for name, tar in tars.items():
            if not tar:
                tap.skip(name, "mmdebstrap can't make it here")
                continue
            rows.append(Row(node, server, name, tar))
            rows[-1].run()
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, and sanitizers are silent")
    server.close()
    tap.note("| image | " + " | ".join(COLUMNS) + " (restart, stop) |")
    tap.note("|---|" + "---|" * len(COLUMNS))
    for row in rows:
        tap.note(f"| {row.name} | " +
                 " | ".join({True: "yes", False: "NO", None: "-"}.get(v, v) if not isinstance(v, str) else v
                            for v in (row.cells.get(c) for c in COLUMNS)) + " |")
    tap.done()


main()
