#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A stock Debian 12 that knows nothing of us: the package by apt with what it depends on, enrolled at a control API,
its first order; leaves as contained units; an upgrade and a kill under 50 containers with streams through them
(HOODY_CONTAINERS); a state file of a newer agent; a reboot; a power cut in a storm of orders. Then Debian 13, shorter.
Its arguments name fewer: debian12, debian13."""
import json
import os
import pathlib
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
import vm

if not shutil.which("qemu-system-x86_64"):
    tap.skip_all("needs qemu-system-x86")
import harness  # it leaves the host's network
import host
import node_in_vm

CONTAINERS = int(os.environ.get("HOODY_CONTAINERS", "50"))
DYNAMIC = range(61184, 65520) # systemd's, below all containers'
FAR = "198.51.100.1" # where only the upstream proxy can get to
LAUNCH_S = min(600, int(120 * harness.SLOW)) # in software emulation, the agent's own bound of a minute is short


class Stream:
    """A server that takes one connection and expects every number once, in order."""

    def __init__(self, address, port):
        self.listener = socket.create_server((address, port))
        self.last, self.fault, self.from_ = 0, None, None
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        connection, self.from_ = self.listener.accept()
        with connection.makefile() as lines:
            for line in lines:
                if int(line) != self.last + 1:
                    self.fault = f"{line.strip()} after {self.last}"
                    return
                self.last += 1
        self.fault = f"it ended after {self.last}"

    def goes_on(self):
        """None, or what is wrong."""
        before = self.last
        host.poll(lambda: self.fault or self.last > before + 3, 60)
        return self.fault or (None if self.last > before + 3 else f"nothing more comes after {self.last}")


def stream_of(n, cid, address, port):
    """Numbers from within a container, by a process that outlives who started it."""
    n.m.must(
        f"hoodyctl exec {cid} sh -c 'i=1; (while :; do echo $i; i=$((i + 1)); sleep 0.3; done | nc {address} {port}) "
        ">/dev/null 2>&1 </dev/null &'"
    )


def stage(n, what):
    tap.note(
        f"{what}; the machine has taken {host.cpu_s(n.m.process.pid):.0f} s of the processors since it was started")


def quiet(n, what):
    """Nothing has failed, and no line of the journal about us is a warning or worse."""
    failed = n.m.must("systemctl list-units --failed --no-legend --plain")
    # An emulated machine beside another may be too slow for its network for once; that it is connected is waited for.
    warnings = n.m.must(
        "journalctl -b -p warning --no-pager -o short-monotonic | grep -i hoody | grep -v ': no answer in time' || true"
    )
    tap.eq((failed, warnings), ("", ""), f"{what}: no unit has failed, no warning in the journal")


def hierarchy(n):
    """The options of the host's cgroup2."""
    return set(n.m.must("findmnt -no OPTIONS /sys/fs/cgroup").strip().split(","))


def first_order(n, kind):
    begin = time.monotonic()
    n.m.must("true", 300)
    stage(n, "booted")
    before = hierarchy(n)
    n.install()
    stage(n, "installed")
    installed = time.monotonic()
    quiet(n, "installed")
    n.enrol()
    cid = n.node.new_id()
    report = n.node.do("container.create", cid, image=harness.IMAGE, name="first", timeout_s=LAUNCH_S)
    tap.eq((report["state"], report.get("error")), ("succeeded", None),
           f"{kind}: installed by apt, enrolled, and the first order is done")
    tap.figure(
        f"{kind}: installed in {installed - begin:.1f} s, and {time.monotonic() - installed:.1f} s later it was "
        "enrolled and its first order done (in software emulation)"
    )
    tap.eq(n.m.must("systemctl is-active hoody-agent").strip(), "active", "the service is active")
    tap.ok("nsdelegate" in before and hierarchy(n) - before == {"favordynmods"} and before < hierarchy(n),
           "the host's cgroup2 favours moves, and has the options that it had", before, hierarchy(n))
    return cid


def unfavored(n):
    """The host's cgroup2 is as it was where that is asked for."""
    n.m.must(
        "mount -t cgroup2 -o remount,rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot none "
        "/sys/fs/cgroup; mkdir -p /etc/hoody-agent/agent.conf.d; "
        "printf '[Containers]\\nFavorDynmods=no\\n' >/etc/hoody-agent/agent.conf.d/favor.conf; "
        "systemctl restart hoody-agent"
    )
    n.connected()
    tap.ok("favordynmods" not in hierarchy(n), "FavorDynmods=no leaves the host's cgroup2 as it is", hierarchy(n))
    n.m.must("rm /etc/hoody-agent/agent.conf.d/favor.conf; systemctl restart hoody-agent")
    n.connected()


def leaves(n, forwarders=0):
    """That they are units of their own, and what holds them."""
    users = []
    for leaf, profile in (("courier", "hoody-courier"), ("portal", "hoody-portal"), ("netproxy", "hoody-netproxy")):
        pids = n.pids(leaf)
        tap.eq(len(pids), forwarders if leaf == "netproxy" else 1, f"the {leaf} is a unit")
        users += [n.m.must(f"stat -c %u /proc/{pid}").strip() for pid in pids]
        if not pids:
            continue
        status = dict(
            line.split(":\t") for line in n.m.must(f"cat /proc/{pids[0]}/status").splitlines() if ":\t" in line)
        own = set(map(int, status["Uid"].split() + status["Gid"].split()))
        tap.ok(
            len(own) == 1 and own <= set(DYNAMIC) and set(map(int, status["Groups"].split())) <= own,
            f"{leaf}: an id of its own, as user and group", own)
        tap.eq([status[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")],
               ["0" * 16] * 5 + ["1", "2"], f"{leaf}: no capability, nor a way to one, a system call filter")
        tap.eq(
            n.m.must(f"cat /proc/{pids[0]}/attr/current").strip(), f"{profile} (enforce)",
            f"{leaf}: confined by AppArmor")
        files = n.m.must(
            f"cd /proc/{pids[0]}/root; ls -d bin sbin root/.profile home var/lib etc/passwd etc/machine-id "
            "etc/hoody-agent usr/bin run/hoody-agent 2>/dev/null || true"
        )
        tap.eq(files, "", f"{leaf}: no file of the host's but libraries and what names and certificates need")
    tap.eq(len(set(users)), len(users), "each leaf is another user: " + " ".join(users))
    same = n.m.must("readlink /proc/1/ns/mnt; readlink /proc/$(systemctl show -P MainPID hoody-agent)/ns/mnt").split()
    tap.eq(same[0], same[1], "the agent is in the host's mount namespace, which containers' mounts are made in")
    words = n.m.must("journalctl -k -b --no-pager -o cat | grep 'apparmor=\"DENIED\"' | grep hoody || true")
    tap.eq(words, "", "AppArmor has refused nothing")


def inits(n):
    return {c["id"]: c["pid"] for c in json.loads(n.m.must("hoodyctl status --json"))["containers"]}


def upgraded(n, near, far):
    """By apt, under all of them."""
    before, forwarders, agent = inits(n), n.pids("netproxy"), n.main_pid()
    tap.eq((len(before), len([p for p in before.values() if p])), (CONTAINERS, CONTAINERS),
           f"{CONTAINERS} containers run")
    n.publish(n.package_as("0.1.1"))
    n.m.must("apt-get -q update && apt-get -qy install --only-upgrade hoody-agent", 300)
    tap.ok("0.1.1" in n.m.must("dpkg-query -W hoody-agent") and n.main_pid() != agent,
           "upgraded, and the agent is another")
    n.connected()
    tap.eq(inits(n), before, "no container was restarted")
    tap.eq((n.pids("netproxy"), len(forwarders)), (forwarders, 2), "nor the forwarders")
    agent = n.main_pid()
    n.m.must(f"kill -9 {agent}")
    host.poll(lambda: n.main_pid() not in (0, agent), 60, 0.5)
    n.connected()
    tap.eq((inits(n), n.pids("netproxy")), (before, forwarders), "nor after the agent was killed")
    tap.eq([s.goes_on() for s in (near, far)], [None, None],
           "streams through the host's network and through the forwarder are unbroken")
    quiet_words = n.m.must(
        "journalctl -b -p warning --no-pager -o cat -u hoody-agent | grep -v 'hoody-agent.service: ' || true")
    tap.eq(quiet_words, "", "the agent has nothing to warn of")


def newer_state(n):
    """A state file of a newer agent is refused, and nothing is changed."""
    n.m.must(
        "systemctl stop hoody-agent; rm -rf /job/state; mkdir /job/state; cp /var/lib/hoody-agent/state.db* /job/state/"
    )
    path = n.m.job / "state/state.db"
    db = sqlite3.connect(path)
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.execute(f"PRAGMA user_version={version + 1}")
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    n.m.must(
        "mkdir /root/kept; cp -a /var/lib/hoody-agent/state.db* /root/kept/; rm -f /var/lib/hoody-agent/state.db-*; "
        "cat /job/state/state.db >/var/lib/hoody-agent/state.db; systemctl start --no-block hoody-agent"
    )
    host.poll(
        lambda: n.m.sh("journalctl -b --no-pager -o cat -u hoody-agent | tail -20 | grep -q 'has schema'")[0] == 0, 60,
        0.5)
    words = n.m.must("systemctl stop hoody-agent; journalctl -b --no-pager -o cat -u hoody-agent | tail -20")
    tap.ok(f"has schema {version + 1}, this agent knows {version}" in words,
           "an older agent refuses a newer one's state, and says so", words)
    n.m.must(
        "rm -f /var/lib/hoody-agent/state.db*; cp -a /root/kept/* /var/lib/hoody-agent/; systemctl reset-failed "
        "hoody-agent; systemctl start hoody-agent"
    )
    n.connected()


def rebooted(n, how_many):
    n.m.reboot()
    n.connected()
    up = lambda: [i for i, pid in inits(n).items() if pid]
    host.poll(lambda: len(up()) == how_many, 120)
    tap.eq(len(up()), how_many, "after a reboot all containers run again")
    quiet(n, "after the reboot")


def hardened(n, cid):
    """By a setting of Debian's kernels, nobody makes a user namespace without a capability of the host's."""
    n.m.must("sysctl -qw kernel.unprivileged_userns_clone=0")
    report = n.node.wait(n.node.order("container.restart", cid, timeout_s=int(4 * harness.SLOW)), 120)
    tap.eq((report["state"], report.get("error")), ("succeeded", None), "unprivileged_userns_clone=0: one is restarted")
    tap.eq(n.m.must(f"hoodyctl exec {cid} echo inside").strip(), "inside", "and has a session")
    said = json.loads(n.m.must("hoodyctl doctor --json 2>/dev/null || true"))
    tap.eq([f["verdict"] for f in said if f["check"] == "user namespaces"], ["warning"], "which doctor warns of")
    n.m.must("sysctl -qw kernel.unprivileged_userns_clone=1")


def networkd(n):
    """It has a file for them, too, and would ask containers for the host's address, routes and name servers."""
    n.m.must("printf '[Match]\\nName=hd*\\n[Network]\\nDHCP=yes\\n' >/etc/systemd/network/50-wired.network; "
             "systemctl start systemd-networkd")
    states = lambda: n.m.must("networkctl --no-legend list 'hd*' | awk '{ print $NF }'").split()
    host.poll(lambda: set(states()) == {"unmanaged"}, 20, 0.5)
    tap.eq(states(), ["unmanaged"] * CONTAINERS, "systemd-networkd leaves containers' links alone")
    n.m.must("systemctl stop systemd-networkd.socket systemd-networkd; rm /etc/systemd/network/50-wired.network")


ASKS = """printf '%s\\n' '#!/bin/sh' 'echo "$@" >>/run/asked' 'exec /sbin/modprobe "$@"' >/run/asks
chmod 755 /run/asks
mount -o remount,exec /run
sysctl -qw kernel.modprobe=/run/asks
perl -e 'socket(S, 2, 2, 0); $q = pack("a16x24", "nobody"); ioctl(S, 0x8933, $q)'""" # SIOCGIFINDEX


def hear_of_modules(n):
    """Who asks for a link by the name of one that has gone (if_nametoindex(3)) has the kernel run modprobe(8) for a
    module of such a name, and waits for it."""
    n.m.must(ASKS)
    tap.ok("netdev-nobody" in n.m.must("cat /run/asked"), "the kernel can be heard asking for modules")


def debian12(package):
    with node_in_vm.NodeInVm("debian12", package) as n:
        first = first_order(n, "Debian 12")
        unfavored(n)
        leaves(n)
        begin = time.monotonic()
        ids = [n.node.new_id() for _ in range(CONTAINERS - 1)]
        orders = [
            n.node.order("container.create", cid, image=harness.IMAGE, name=f"web-{i}", timeout_s=LAUNCH_S)
            for i, cid in enumerate(ids)
        ]
        ends = [n.node.wait(o, 300) for o in orders]
        tap.eq([e.get("error") for e in ends if e["state"] != "succeeded"][:3], [], f"{CONTAINERS - 1} more containers")
        tap.figure(f"{CONTAINERS - 1} containers created and started in {time.monotonic() - begin:.1f} s")
        subprocess.run(["ip", "addr", "add", f"{FAR}/32", "dev", "lo"], check=True)
        proxy = subprocess.Popen(["microsocks", "-i", "127.0.0.1", "-p", "1080"], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            for cid in ids[:2]:
                for op, params in (("network.configure", {"type": "socks5", "proxy": "socks5://10.0.2.2:1080"}),
                                   ("network.start", {}), ("container.restart", {"timeout_s": int(4 * harness.SLOW)})):
                    report = n.node.wait(n.node.order(op, cid, **params), 120)
                    tap.eq(report["state"], "succeeded", f"{op} of a container behind a proxy")
            near, far = Stream("127.0.0.1", 9001), Stream(FAR, 9002)
            stream_of(n, first, "10.0.2.2", 9001)
            stream_of(n, ids[0], FAR, 9002)
            tap.eq([s.goes_on() for s in (near, far)], [None, None],
                   "streams from two of them, one through its forwarder")
            tap.eq(
                n.m.must(f"cat /proc/{n.pids('netproxy')[0]}/attr/current").strip(), "hoody-netproxy (enforce)",
                "the forwarder is confined by AppArmor")
            stage(n, "containers run")
            upgraded(n, near, far)
            stage(n, "upgraded")
            newer_state(n)
            stage(n, "refused a newer state")
            tap.eq([s.goes_on() for s in (near, far)], [None, None], "and all that while they went on")
            rebooted(n, CONTAINERS)
            tap.eq(len(n.pids("netproxy")), 2, "and the forwarders")
            leaves(n, 2)
            stage(n, "rebooted")
            hardened(n, first)
            networkd(n)
            hear_of_modules(n)
            gone = [
                n.node.wait(n.node.order("container.delete", cid, force=True), 300)["state"] for cid in (first, *ids)
            ]
            tap.eq(gone, ["succeeded"] * CONTAINERS, "all are deleted")
            asked = n.m.must("grep -o 'netdev-.*' /run/asked").split()
            tap.eq(asked, ["netdev-nobody"], "and for none by the name of a container's link")
            n.cut_in_storm(random.Random(1), "a power cut")
            stage(n, "cut")
            tap.eq(n.node.violations(), [], "the control API has seen no breach of the protocol")
        finally:
            proxy.kill()
            proxy.wait()


def debian13(package):
    with node_in_vm.NodeInVm("debian13", package) as n:
        cid = first_order(n, "Debian 13")
        tap.note(n.m.must("uname -r; dpkg-query -W liblxc1t64 liblxc1 systemd 2>/dev/null || true"))
        leaves(n)
        tap.eq(n.m.must(f"hoodyctl exec {cid} sh -c 'echo inside'").strip(), "inside", "Debian 13: a process in it")
        for op, params in (("snapshot.create", {"alias": "one"}), ("container.stop", {"timeout_s": 4}),
                           ("container.start", {})):
            report = n.node.wait(n.node.order(op, cid, **params), 120)
            tap.eq((report["state"], report.get("error")), ("succeeded", None), f"Debian 13: {op}")
        rebooted(n, 1)
        leaves(n)
        tap.eq(
            n.node.do("container.delete", cid, timeout_s=120, force=True)["state"], "succeeded", "Debian 13: deleted")
        tap.eq(n.leaks(), [], "Debian 13: nothing is left of it")


def main():
    package = node_in_vm.build()
    for test in (debian12, debian13):
        if len(sys.argv) == 1 or test.__name__ in sys.argv[1:]:
            test(package)
    tap.done()


main()
