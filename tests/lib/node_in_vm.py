# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed package on a stock Debian in a machine of its own, enrolled at a reference control API that runs
here."""
import fcntl
import hashlib
import json
import pathlib
import shutil
import subprocess
import time

import harness
import host
import netns
import tap
import tour
import vm

TOKEN = "enroll-me"
CONTAINERS = 4 # tours of a storm
STORM_S = 8    # which lasts about that long


def _sources():
    """What the package is made of, in a word that changes when any of it does."""
    names = ("configure.ac", "Makefile.am", "proto", "netfilter", "netns", "storage", "lxc", "agent", "packaging")
    paths = sorted(p for name in names for p in (harness.TOP / name, *(harness.TOP / name).rglob("*")) if p.is_file())
    return hashlib.sha256(repr([(str(p), p.stat().st_mtime_ns) for p in paths]).encode()).hexdigest()


def build():
    """The package, made once for all tests of the same sources, which may run side by side."""
    with open(harness.BUILD / "packages.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        where = harness.BUILD / f"packages-{_sources()[:12]}"
        if not where.exists():
            for old in harness.BUILD.glob("packages-*"):
                shutil.rmtree(old)
            part = harness.BUILD / "packages.part"
            shutil.rmtree(part, ignore_errors=True)
            subprocess.run([harness.TOP / "packaging/build-deb", part], check=True, stdout=subprocess.DEVNULL)
            part.rename(where)
        return next(p for p in where.glob("hoody-agent_*.deb"))


class NodeInVm:
    def __init__(self, kind, package):
        with netns.Namespace(harness.OUTSIDE): # the disk may have to be made
            self.m = vm.Machine(kind)
        self.package = package
        self.node = harness.Node(https=True, start=False) # its agent is never started: orders and reports only
        self.repository = self.m.job / "repository"
        shutil.copytree(self.m.repository, self.repository)

    def __enter__(self):
        self.node.api.start()
        shutil.copy(self.node.directory / "ca.pem", self.m.job)
        self.m.start()
        return self

    def __exit__(self, *_):
        self.m.__exit__()
        self.node.close()

    # --- packages ---

    def publish(self, package):
        """Into the repository that the machine knows."""
        shutil.copy(package, self.repository)
        index = subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=self.repository, check=True,
                               capture_output=True, text=True).stdout
        (self.repository / "Packages").write_text(index)

    def package_as(self, version):
        """The same package with another version."""
        d = self.m.directory / "repack"
        subprocess.run(["dpkg-deb", "-R", self.package, d], check=True)
        control = d / "DEBIAN/control"
        control.write_text("".join(f"Version: {version}\n" if line.startswith("Version:") else line
                                   for line in control.read_text().splitlines(True)))
        out = self.m.directory / f"hoody-agent_{version}_amd64.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", d, out], check=True, capture_output=True)
        shutil.rmtree(d)
        return out

    def install(self):
        self.publish(self.package)
        self.m.must("echo 'deb [trusted=yes] file:/job/repository ./' >/etc/apt/sources.list; apt-get -q update", 300)
        self.m.must(f"apt-get -qy install /job/repository/{self.package.name} jq busybox-static", 300)

    # --- the node ---

    def enrol(self):
        url = self.node.api.ready["url"]
        self.m.must(
            f"echo '10.0.2.2 {harness.API_NAME}' >>/etc/hosts; install -m 0644 /job/ca.pem /etc/hoody-agent/ca.pem; "
            f"hoodyctl enroll --url {url} --token {TOKEN} --ca /etc/hoody-agent/ca.pem && systemctl restart hoody-agent"
        )
        self.connected()

    def connected(self, seconds=120):
        end = time.monotonic() + seconds * vm.PATIENCE
        while time.monotonic() < end:
            status, out = self.m.sh("hoodyctl status --json", seconds)
            if status == 0 and json.loads(out)["control"]["state"] == "connected":
                return
            time.sleep(0.5)
        raise vm.Failure(f"the agent is not connected: {out}\n" +
                         self.m.must("systemctl status --no-pager -l hoody-agent; journalctl -b --no-pager | tail -50"))

    def main_pid(self):
        return int(self.m.must("systemctl show -P MainPID hoody-agent"))

    def pids(self, leaf):
        """Of the leaf's running instances."""
        return [
            int(p) for p in self.m.must(
                f"systemctl list-units --plain --no-legend --state=running 'hoody-{leaf}@*' | while read -r unit rest; "
                "do systemctl show -P MainPID $unit; done"
            ).split()
        ]

    def leaks(self):
        """What is still there in 10 s after every container is gone."""
        host.poll(lambda: not self.left(), 10)
        return self.left()

    def left(self):
        """What is there this moment."""
        out = self.m.must(
            """ls /var/lib/hoody-agent/pool/containers /var/lib/hoody-agent/lxc 2>/dev/null | grep -vE ':$|^$'
            find /sys/fs/cgroup -type d -path '*hoody*' -name '[0-9a-f]*' | grep -E '/[0-9a-f]{24}$'
            ip -o link | grep -vE ': (lo|eth0)[:@]'
            grep -E '/(containers|ramdisk|shares)/' /proc/mounts
            systemctl list-units --plain --no-legend 'hoody-netproxy@*'
            pgrep -af 'lxc monitor|hoody-mounts'; true""")
        return out.splitlines()

    def state(self, cid):
        """As harness.Node.state: by the kernel and the files alone."""
        running = self.m.sh(
            f"find /sys/fs/cgroup -type d -path '*{cid}*' -name payload -exec cat {{}}/cgroup.events \\; | grep -q "
            "'populated 1'"
        )[0] == 0
        if running:
            return "running"
        return "stopped" if self.m.sh(
            f"test -d /var/lib/hoody-agent/pool/containers/{cid}/rootfs")[0] == 0 else "absent"

    # --- the power is cut ---

    def cut_in_storm(self, rng, what):
        """At some instant of many orders; then each has ended once, the host is what the ends say, and nothing is left
        when all containers are deleted."""
        tours = [(cid, tour.issue(self.node, cid)) for cid in (self.node.new_id() for _ in range(CONTAINERS))]
        after = rng.uniform(0, STORM_S)
        time.sleep(after)
        self.m.cut()
        stats = self.node.api.ask("stats")
        tap.note(
            f"{what}, after {after:.2f} s: {stats['orders_terminal']} of {stats['orders_issued']} orders had ended")
        self.m.start()
        self.connected(300)
        wrong = self.settle(tours)
        leaks, stats, breaches = self.leaks(), self.node.api.ask("stats"), self.node.violations()
        words = self.m.must("journalctl -b -p err --no-pager -o cat -u hoody-agent || true")
        tap.ok(
            not wrong and not leaks and not breaches and not words
            and stats["orders_terminal"] == stats["orders_issued"] and stats["orders_ended_twice"] == 0,
            f"{what}: {stats['orders_issued']} orders in all, each ended once, nothing is left", *wrong,
            f"leaks {leaks}", f"breaches {breaches}",
            f"terminal {stats['orders_terminal']}, twice {stats['orders_ended_twice']}", words)

    def settle(self, tours):
        """Every end of a storm: [what is wrong]."""
        wrong = []
        for cid, issued in tours:
            reports = [(op, self.node.wait(i, 300)) for op, i in issued]
            want, seen = tour.expected(reports), self.state(cid)
            if want != seen and not (reports[-1][0] == "container.delete" and reports[-1][1]["state"] != "succeeded"):
                wrong.append(f"{cid}: " + ", ".join(f"{op} {r['state']} {r.get('error', '')}"
                                                    for op, r in reports) + f"; the host: {seen}, the orders: {want}")
            again = self.node.wait(self.node.order("container.delete", cid, force=True), 300)
            if again["state"] != "succeeded":
                wrong.append(f"{cid}: deleting: {again.get('error')}")
        return wrong
