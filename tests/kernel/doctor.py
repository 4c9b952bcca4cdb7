#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What hoodyctl doctor says of the tables of others, by packets in a copy of them: real shapes (firewalld's, Docker's,
iptables-legacy's, by the kernel's own interface), each hook, answers, and what reading alone would not find; and what
it leaves on the host: nothing, not for an instant, and nothing when it is killed. And what it says of a network of
others that has containers' addresses, or a route into theirs."""
import contextlib
import ctypes
import errno
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

NF_DROP, NF_ACCEPT = 0, 1
IPT_SO_SET_REPLACE = 64
# Each leads to the last line of its chains by jumps, as their makers write them.
FIREWALLD = """table inet firewalld {
	chain filter_FORWARD {
		type filter hook forward priority 10; policy accept;
		ct state established,related accept
		ct state invalid drop
		jump filter_FORWARD_ZONES
	}
	chain filter_FORWARD_ZONES { goto filter_FWD_public; }
	chain filter_FWD_public {
		jump filter_FWD_public_allow
		counter reject with icmpx admin-prohibited
	}
	chain filter_FWD_public_allow { %s; }
}"""
DOCKER = """table ip filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
		counter jump DOCKER-USER
		oifname "docker0" ct state established,related accept
		iif "docker9" oifname != "docker9" accept
	}
	chain DOCKER-USER { %s counter return; }
}"""


class Doctor:
    def __init__(self, node):
        self.node = node

    def command(self):
        return [
            str(c) for c in (harness.BUILD / "agent/hoodyctl", "--config", self.node.directory / "agent.conf", "doctor",
                             "--json")
        ]

    def all(self, **more):
        done = subprocess.run(self.command(), capture_output=True, text=True, timeout=120 * harness.SLOW, **more)
        return json.loads(done.stdout)

    def finds(self, check, **more):
        return next(f for f in self.all(**more) if f["check"] == check)

    def says(self, **more):
        f = self.finds("nftables", **more)
        return f["verdict"], f["found"], f["mend"]


def nft(script):
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)


@contextlib.contextmanager
def loaded(script):
    nft(script)
    try:
        yield
    finally:
        nft("flush ruleset")


def legacy_policy(verdict):
    """iptables-legacy -P FORWARD, which need not be installed: the table's three policies and its end
    (linux/netfilter_ipv4/ip_tables.h)."""
    entry = lambda target: bytes(84) + struct.pack("<IHHI", 0, 112, 112 + len(target), 0) + bytes(16) + target
    standard = lambda v: struct.pack("<H29sBi4x", 40, b"", 0, -v - 1)
    entries = entry(standard(NF_ACCEPT)) + entry(standard(verdict)) + entry(standard(NF_ACCEPT)) + entry(
        struct.pack("<H29sB30s2x", 64, b"ERROR", 0, b"ERROR"))
    counters = ctypes.create_string_buffer(16 * 64)
    at = (0, 0, 152, 304, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as s:
        head = struct.pack("<32sIII5I5IIQ", b"filter", 14, 4, len(entries), *at, *at, 4, ctypes.addressof(counters))
        s.setsockopt(socket.IPPROTO_IP, IPT_SO_SET_REPLACE, head + entries)


def shapes(doctor):
    mine = doctor.node.interfaces
    tap.eq(doctor.says(), ("ok", "nobody else has a table", None), "no table of others")
    with loaded(FIREWALLD % "return"):
        verdict, found, mend = doctor.says()
        tap.ok(
            verdict == "fault" and "inet firewalld drops what containers send in forward" in found
            and f"--add-interface={mine}+" in mend, "firewalld's reject behind jumps is found", found, mend)
    with loaded(FIREWALLD % f'iifname "{mine}*" accept; oifname "{mine}*" accept'):
        tap.eq(doctor.says()[0], "ok", "not when it knows containers' links")
    with loaded(FIREWALLD % f'iifname "{mine}*" accept'):
        verdict, found, _ = doctor.says()
        tap.ok(verdict == "warning" and "drops what others send to containers in forward" in found,
               "one that lets out alone is a warning", found)
    subprocess.run(["ip", "link", "add", "docker9", "type", "veth", "peer", "name", "docker8"], check=True)
    with loaded(DOCKER % ""):
        verdict, found, _ = doctor.says()
        tap.ok(verdict == "fault" and "table ip filter drops what containers send in forward" in found,
               "Docker's policy is found; a link that is named by its index is there, too", found)
    with loaded(DOCKER % f'iifname "{mine}*" accept; oifname "{mine}*" accept;'):
        tap.eq(doctor.says()[0], "ok", "not with what doctor says of DOCKER-USER")
    for hook in ("prerouting", "forward", "postrouting"):
        with loaded(
                f"table inet other {{ chain c {{ type filter hook {hook} priority 5; ip saddr 10.0.0.0/8 counter drop; "
                f"}}; }}"
        ):
            verdict, found, _ = doctor.says()
            tap.ok(verdict == "fault" and f"table inet other drops what containers send in {hook}" in found,
                   f"a drop by address in {hook}, which reading doesn't tell", found)
    with loaded("table inet other { chain c { type filter hook forward priority 5; tcp sport 443 drop; }; }"):
        verdict, found, _ = doctor.says()
        tap.ok(verdict == "fault" and "drops what containers send when it is answered" in found,
               "answers that are dropped", found)
    with loaded(
            "table inet other { chain c { type filter hook input priority 5; policy drop; }; chain o { type filter "
            "hook output priority 5; policy drop; }; }"
    ):
        tap.eq(doctor.says()[0], "ok", "what filters the host's own is none")
    with loaded(
            f"table inet {doctor.node.table} {{ chain c {{ type filter hook forward priority 5; policy drop; }}; }}"):
        tap.eq(doctor.says()[0], "ok", "nor is the agent's own table")
    with loaded("table inet other { flags dormant; chain c { type filter hook forward priority 5; policy drop; }; }"):
        tap.eq(doctor.says()[0], "ok", "nor one that is dormant")


def legacy(doctor):
    if not pathlib.Path("/proc/net/ip_tables_names").exists():
        tap.skip("iptables-legacy", "this kernel has none")
        return
    try:
        legacy_policy(NF_DROP)
    except OSError as e:
        if e.errno not in (errno.ENOPROTOOPT, errno.ENOENT):
            raise
        tap.skip("iptables-legacy", f"this kernel has no such table: {e}")
        return
    verdict, found, mend = doctor.says()
    tap.ok(
        verdict == "fault" and "table of iptables-legacy filter drops what containers send in forward" in found
        and "iptables-legacy -I" in mend, "iptables-legacy's policy is found, without iptables", found)
    verdict, found, mend = doctor.says(env=without_ip(doctor))
    tap.ok(verdict == "warning" and "can't be tried by packets, nor read" in found and "iptables-legacy -S" in mend,
           "what nobody can tell is said to be so", found)
    legacy_policy(NF_ACCEPT)
    tap.eq(doctor.says(), ("ok", "packets pass 1 table of others, in a copy", None),
           "one that accepts is tried, too")


def without_ip(doctor):
    """An environment in which nothing can be tried."""
    tools = doctor.node.directory / "tools"
    tools.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (tools / "nft").symlink_to(shutil.which("nft", path="/usr/sbin:/sbin:/usr/bin"))
    return dict(os.environ, PATH=str(tools))


def reading(doctor):
    """What can be read is said, and that it was read."""
    env = without_ip(doctor)
    for what, script in (("firewalld's", FIREWALLD % "return"), ("Docker's", DOCKER % "")):
        with loaded(script):
            verdict, found, _ = doctor.says(env=env)
            tap.ok(verdict == "fault" and "as it reads" in found, f"{what} is read", found)
    with loaded(
            "table inet other { chain c { type filter hook forward priority 5; jump d; }; chain d { jump e; }; chain e "
            "{ return; }; }"
    ):
        verdict, found, _ = doctor.says(env=env)
        tap.ok(verdict == "ok" and "1 can't be tried by packets; they read" in found,
               "what reads well is said to be only read", found)
    with loaded(
            "table inet other { chain c { type filter hook forward priority 5; jump d; drop; }; chain d { return; }; }"
    ):
        tap.eq(doctor.says(env=env)[0], "fault", "a drop behind a jump that comes back")


def space_of(pid):
    """The network namespace that a process is in; None when it has ended."""
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")


def namespaces():
    return {space_of(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()}


def nothing_left(doctor):
    with loaded("table inet other { chain c { type filter hook forward priority 5; policy drop; }; }"):
        watch = [
            subprocess.Popen(c, stdout=subprocess.PIPE, text=True)
            for c in (["nft", "monitor"], ["ip", "monitor", "link", "address", "route"])
        ]
        before = (subprocess.check_output(["ip", "addr"]), subprocess.check_output(["nft", "list", "ruleset"]))
        # Both watch when they have told of something.
        subprocess.run(["ip", "link", "add", "seen0", "type", "veth", "peer", "name", "seen0-peer"], check=True)
        nft("add table ip seen")
        heard = [w.stdout.readline() for w in watch]
        subprocess.run(["ip", "link", "del", "seen0"], check=True)
        nft("delete table ip seen")
        verdict = doctor.says()[0]
        subprocess.run(["ip", "link", "add", "seen1", "type", "veth", "peer", "name", "seen1-peer"], check=True)
        nft("add table ip last")
        rest = []
        for w, last in zip(watch, ("last", "seen1")):
            for line in w.stdout:
                rest.append(line)
                if last in line:
                    break
            w.kill()
            w.wait()
        nft("delete table ip last")
        subprocess.run(["ip", "link", "del", "seen1"], check=True)
        told = [
            line for line in rest
            if "seen" not in line and "last" not in line and not line.startswith("#") and line[:1] not in (" ", "\t",
                                                                                                           "\n")
        ]
        tap.eq((verdict, told), ("fault", []),
               "meanwhile not one change was made to the host's links, addresses, routes or tables")
        tap.eq((subprocess.check_output(["ip", "addr"]), subprocess.check_output(["nft", "list", "ruleset"])), before,
               "and they are as they were")
        for _ in range(10):
            p = subprocess.Popen(doctor.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            spaces = lambda: {space_of(c) for c in host.children(p.pid)} - {None, space_of("self")}
            found = host.poll(spaces, 10)
            os.kill(p.pid, signal.SIGKILL)
            p.wait()
            if not tap.ok(found and host.poll(lambda: not found & namespaces(), 10),
                          "killed while it tries: its namespace and what is in it go with it"):
                break


def addresses(doctor):
    """A bridge of somebody else's has the containers' network, as podman's is by default."""
    node = doctor.node
    network = f"10.{100 + node.number % 100}.0"
    says = lambda: doctor.finds("addresses")
    tap.eq(says()["verdict"], "ok", "nobody else has the containers' network")
    subprocess.run(["ip", "link", "add", "podman0", "type", "bridge"], check=True)
    subprocess.run(["ip", "addr", "add", f"{network}.1/16", "dev", "podman0"], check=True)
    found = says()
    tap.ok(found["verdict"] == "warning" and f"podman0 has {network}.1," in found["found"], "a bridge has it", found)
    node.start_agent()
    project = node.hoodyctl("project", "create", "p")["id"]
    node.ctl("container", "create", harness.IMAGE, "one", "--project", project)
    shown = node.ctl("exec", "one", "ip", "-4", "addr", "show", "eth0")
    tap.ok(f" {network}.2/32 " in shown[1], "no container has the host's own address", shown)
    routed_away(node, says, network)
    node.ctl("container", "delete", "one", "--force")
    subprocess.run(["ip", "link", "del", "podman0"], check=True)


def routed_away(node, says, network):
    """A site behind a VPN has the containers' network, or a wider one; what isn't one is passed over."""
    ip = lambda words: subprocess.run(["ip", *words.split()], check=True)
    ip("addr flush dev podman0")
    ip("link set podman0 up")
    tap.eq(says()["verdict"], "ok", "containers' own routes lead into their network")
    for to in (f"{network}.0/16", f"{network.rsplit('.', 1)[0]}.64.0/20", "10.0.0.0/8"):
        ip(f"route add {to} dev podman0")
        found = says()
        tap.ok(found["verdict"] == "warning" and f"a route leads to {to} by podman0" in found["found"],
               f"a route to {to}", found)
        ip(f"route del {to}")
    for route in ("0.0.0.0/1 dev podman0", "blackhole 10.0.0.0/8", "192.168.0.0/16 dev podman0"):
        ip(f"route add {route}")
        tap.eq(says()["verdict"], "ok", f"not {route}")
        ip(f"route del {route}")


def ways_out(doctor):
    """Default routes that are none, another table's, in halves, and one for when the best has gone."""
    ip = lambda words: subprocess.run(["ip", *words.split()], check=True)
    for i, name in enumerate(("way0", "way1")):
        ip(f"link add {name} type veth peer name {name}-far")
        ip(f"addr add 192.0.{2 + i}.2/24 dev {name}")
        ip(f"link set {name} up")
        ip(f"link set {name}-far up")
    on = "what comes in by way0 is forwarded"
    ways = (("one that leads nowhere beside", ("default via 192.0.2.1", "unreachable default metric 9999")),
            ("one of another table", ("default via 192.0.2.1 table 100", )),
            ("one in halves", ("0.0.0.0/1 via 192.0.2.1", "128.0.0.0/1 via 192.0.2.1")))
    for what, routes in ways:
        ip("rule add pref 500 lookup 100")
        for route in routes:
            ip(f"route add {route}")
        host.poll(lambda: pathlib.Path("/proc/sys/net/ipv4/conf/way0/forwarding").read_text() == "1\n", 5)
        found = [f["found"] for f in doctor.all() if f["check"] == "forwarding"]
        tap.eq(found, [on], f"a default route, {what}")
        for route in routes:
            ip(f"route del {route}")
        ip("rule del pref 500")
    ip("route add unreachable default")
    tap.eq(doctor.finds("forwarding")["verdict"], "warning", "a default route that leads nowhere alone is none")
    ip("route del unreachable default")
    ip("route add default via 192.0.2.1 metric 10")
    ip("route add default via 192.0.3.1 metric 500")
    with loaded("table inet other { chain c { type filter hook forward priority 5; oifname way1 drop; }; }"):
        tap.eq(doctor.says()[0], "ok", "others' tables are tried by the best way out, not the last")
    ip("link del way0")
    ip("link del way1")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    node = harness.Node(start=False, conf=harness.STANDALONE)
    try:
        node.write_conf()
        doctor = Doctor(node)
        for part in (shapes, reading, nothing_left, legacy, addresses, ways_out):
            tap.note(part.__name__)
            part(doctor)
    finally:
        node.close()
    tap.done()


main()
