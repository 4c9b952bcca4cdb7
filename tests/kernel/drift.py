#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The network converges as the firewall does: an uplink that comes late or moves, what others take away of links,
routes and forwarding, what restarts find, and that the agent waits for nobody meanwhile. What the kernel refuses to
have put back is tried until it is taken."""
import contextlib
import os
import pathlib
import select
import signal
import socket
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import netns
import tap

ALLOWED_S = 0.5 * harness.SLOW # it takes 0.05 when somebody makes a habit of it


def ip(text, check=True):
    return subprocess.run(["ip", *text.split()], check=check, capture_output=True, text=True)


def sysctl(key, value=None):
    path = pathlib.Path("/proc/sys/net") / key
    if value is not None:
        path.write_text(value)
    return path.read_text().strip()


class Beyond:
    """A network beyond an uplink, with a server in it."""
    def __init__(self, number):
        self.name, self.ns = f"up{number}", netns.Namespace()
        self.gateway, self.server_address = f"198.51.{number}.2", f"203.0.{number}.1"
        ip(f"link add {self.name} type veth peer name far")
        ip(f"link set far netns {self.ns.path()}")
        ip(f"addr add 198.51.{number}.1/24 dev {self.name}")
        ip(f"link set {self.name} up")
        for text in (f"addr add {self.gateway}/24 dev far", "link set far up",
                     f"addr add {self.server_address}/32 dev lo", "link set lo up"):
            self.ns.ip(text)
        with self.ns:
            self.server = socket.create_server(("0.0.0.0", 8000))


class Box:
    def __init__(self, node, name):
        self.node, self.id = node, node.new_id()
        report = node.do("container.create", self.id, image=harness.IMAGE, name=name, project_id=harness.PROJECT)
        if report["state"] != "succeeded":
            raise harness.Failure(report)
        fd = os.open(f"/proc/{host.init_of(node.prefix, self.id)}/ns/net", os.O_RDONLY)
        self.ns = netns.Namespace(fd)
        self.address = self.ns.ip("-4 -o addr show eth0").stdout.split()[3].split("/")[0]
        self.address6 = self.ns.ip("-6 -o addr show eth0 scope global").stdout.split()[3].split("/")[0]
        self.link = [w for w in ip(f"route get {self.address}").stdout.split() if w.startswith(node.interfaces)][0]

    def reaches(self, address):
        with self.ns:
            s = socket.socket()
        s.settimeout(0.3)
        with s:
            return s.connect_ex((address, 8000)) == 0

    def is_reached(self):
        """From the host: its address and route, and the way back."""
        with self.ns:
            server = socket.create_server(("0.0.0.0", 0))
        with server, socket.socket() as s:
            s.settimeout(0.3)
            return s.connect_ex((self.address, server.getsockname()[1])) == 0


def heals(node, what, attack, is_right, of=None, kind=None):
    """@attack takes away what @is_right sees; it comes back in time, and is reported by name."""
    after = node.last_seq()
    tap.ok(is_right(), f"{what}: it is there at first")
    attack()
    began = time.monotonic()
    healed = host.poll(is_right, 3, 0.002)
    took = time.monotonic() - began
    tap.ok(healed and took < ALLOWED_S, f"{what}: put back in {took * 1000:.0f} ms")
    if kind:
        found = lambda: [
            r for r in node.reports(after=after, kind="network")
            if r["event"] == "healed" and r.get("container_id") == of and kind in r["data"]["what"]
        ]
        tap.ok(host.poll(found, 5), f"{what}: reported", node.reports(after=after, kind="network"))


def uplinks(node, a, one, two):
    tap.ok(not a.reaches(one.server_address), "without a default route nothing is reached")
    ip(f"route add default via {one.gateway}")
    tap.ok(host.poll(lambda: a.reaches(one.server_address), 3),
           "an uplink that comes after the agent's start serves at once")
    ip(f"route replace default via {two.gateway}")
    tap.ok(host.poll(lambda: a.reaches(two.server_address), 3), "and one that the default route moves to")
    ip(f"route add {one.server_address}/32 via {one.gateway}")
    tap.ok(host.poll(lambda: a.reaches(one.server_address), 3),
           "what comes in by another way than the default one's is forwarded, too")
    ip("link add late type veth peer name far2")
    ip("link set late up")
    ip("route add 192.0.2.0/24 dev late")
    tap.ok(host.poll(lambda: sysctl("ipv4/conf/late/forwarding") == "1", 3),
           "an interface that is made later, with a route")
    ip("link del late")


def taken_away(node, a, two):
    route = lambda: f"dev {a.link}" in ip(f"route get {a.address}").stdout
    gateway = lambda: "169.254.1.1" in ip(f"-4 addr show dev {a.link}").stdout
    for what, command, is_right, kind in (("ip route del", f"route del {a.address}", route, "route"),
                                          ("ip route replace", f"route replace {a.address}/32 dev up1 scope link",
                                           route, "route"), ("ip addr flush", f"addr flush dev {a.link}",
                                                             lambda: gateway() and route(), "address"),
                                          ("ip link set down", f"link set {a.link} down",
                                           lambda: gateway() and route() and ",UP" in ip(f"link show {a.link}").stdout,
                                           "link")):
        heals(node, what, lambda c=command: ip(c), is_right, a.id, kind)
        tap.ok(host.poll(lambda: a.is_reached() and a.reaches(two.server_address), 3),
               f"{what}: packets pass both ways")
    ip(f"link set {a.link} down")
    ip(f"link set {a.link} up")
    tap.ok(host.poll(lambda: route() and a.reaches(two.server_address), 3),
           "a link that went down and up has its route again")


def version_six(node, a):
    six = a.ns.ip("-6 -o addr show dev eth0 scope global").stdout.split()[3].split("/")[0]
    route = lambda: f"dev {a.link}" in ip(f"-6 route get {six}", check=False).stdout
    for what, command in (("ip -6 route del", f"del {six}"), ("ip -6 route replace", f"replace {six}/128 dev up1"),
                          ("ip -6 route replace by an unreachable one", f"replace unreachable {six}/128 metric 1024")):
        heals(node, what, lambda c=command: ip(f"-6 route {c}"), route, a.id, "route")
    ip(f"-6 route add unreachable {six}/128 metric 1")
    failed = lambda: "can't be put back: File exists" in node.log.read_text()
    tap.ok(host.poll(failed, 5), "one of a better metric is left, which is said")
    after = node.last_seq()
    tap.ok(not host.poll(lambda: node.last_seq() > after, 1), "once")
    ip(f"-6 route del unreachable {six}/128 metric 1")
    tap.ok(host.poll(route, 3), "and its end is the end of it")


def guard(node, a):
    tc = lambda text: subprocess.run(["tc", *text.split()], check=True, capture_output=True, text=True).stdout
    there = lambda: tc(f"filter show dev {a.link} ingress").count("direct-action") == 1
    for command in ("qdisc del dev {} clsact", "filter del dev {} ingress", "filter del dev {} ingress pref 1"):
        heals(node, f"tc {command}", lambda c=command: tc(c.format(a.link)), there, a.id, "guard")
    ip(f"addr flush dev {a.link}")
    tap.ok(host.poll(a.is_reached, 3) and there(), "and one is enough")


def forwarding(node, a, two):
    on = lambda name: lambda: sysctl(f"ipv4/conf/{name}/forwarding") == "1"
    sysctl("ipv4/ip_forward", "1")
    heals(node, "ip_forward 1 and 0", lambda: sysctl("ipv4/ip_forward", "0"), lambda: on(a.link)() and on(two.name)(),
          a.id, "forwarding")
    heals(node, "a link's forwarding", lambda: sysctl(f"ipv4/conf/{a.link}/forwarding", "0"), on(a.link), a.id,
          "forwarding")
    heals(node, "the uplink's forwarding", lambda: sysctl(f"ipv4/conf/{two.name}/forwarding", "0"), on(two.name), None,
          "forwarding")
    tap.ok(a.reaches(two.server_address), "packets pass")


class Lock:
    """The kernel's lock of all links, by tests/tools/rtnl-hold: who changes one waits meanwhile."""
    def __init__(self):
        self.process = subprocess.Popen([harness.BUILD / "tests/tools/rtnl-hold"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.says("ready")

    def says(self, word):
        said = self.process.stdout.readline().strip()
        if said != word:
            raise harness.Failure(f"rtnl-hold says {said!r}, not {word!r}")

    def asks(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def is_held(self):
        return not select.select([self.process.stdout], [], [], 0)[0]

    def frees(self):
        self.asks()
        self.says("free") # and ends, for which it needs the lock once more


def makers_sleep():
    """Who makes a link and has the pair, when somebody takes the kernel's lock for long."""
    own, space = netns.Namespace(), netns.Namespace()
    holder, tools = space.popen("sleep", "infinity"), harness.BUILD / "tests/tools"
    maker = own.popen(tools / "failnth", "clone,clone3", "1", "STOP", "--", tools / "linkdrive", "slow0", "10.9.8.7",
                      "-", holder.pid)
    try:
        stopped = lambda: [p for p in host.children(maker.pid, "linkdrive") if host.status(p)["State"][0] == "T"]
        pid = host.poll(stopped, 10)[0]
        lock = Lock()
        lock.asks()
        lock.says("held")
        os.kill(pid, signal.SIGCONT)
        begin = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            maker.wait(1)
        used, waited = host.cpu_s(pid), time.monotonic() - begin
        tap.ok(maker.poll() is None and lock.is_held(), "who makes a link waits for who has the lock of all")
        tap.ok(used < waited / 5, "and sleeps meanwhile", f"{used:.2f} s of the processors in {waited:.2f} s")
        lock.frees()
        tap.eq(maker.wait(), 0, "then it is made")
    finally:
        holder.kill()
        holder.wait()
        own.close()
        space.close()


def waits(pid):
    """Does one of its threads wait in the kernel for what nobody can interrupt?"""
    return any(" D " in (t / "stat").read_text() for t in pathlib.Path(f"/proc/{pid}/task").iterdir())


def steal(address, lock):
    """Take a route away, and have @lock right afterwards: each is in the queue for it when another lets go."""
    first = Lock()
    first.asks()
    first.says("held")
    thief = subprocess.Popen(["ip", "route", "del", address])
    host.poll(lambda: waits(thief.pid), 1, 0.002)
    lock.asks()
    host.poll(lambda: waits(lock.process.pid), 1, 0.002)
    first.frees()
    lock.says("held")
    return thief


def waiting(node, a):
    """Who puts a route back waits for the lock that is returned. Whoever is quick is not asked to queue (mutex_lock
    steals), so it may have been put back before, or not be gone yet: then once more."""
    mender = lambda: host.children(node.agent_pid(), "hoody-drift")
    for _ in range(30):
        lock = Lock()
        thief = steal(a.address, lock)
        if host.poll(lambda: thief.poll() is not None and mender(), 0.3):
            return lock, mender()
        lock.frees()
        thief.wait()
        host.poll(a.is_reached, 3)
    raise harness.Failure("nobody waits to put a route back")


def loop_waits_for_nobody(node, a, two):
    lock, _ = waiting(node, a)
    for op, params in (("env.set", {"key": "A", "value": "1"}), ("container.pause", {}), ("container.resume", {})):
        tap.eq(node.do(op, a.id, **params)["state"], "succeeded", f"{op} while a route can't be put back")
    page = subprocess.run(["curl", "-s", "--unix-socket", node.directory / "run/debug.sock", "http://node/metrics"],
                          capture_output=True, text=True, check=True).stdout
    tap.ok("hoody_container_network_receive_bytes_total" in page, "and a scrape with the links' counters", page[-500:])
    tap.ok(lock.is_held(), "wait for nobody who has the kernel's lock of all links")
    lock.frees()
    tap.ok(host.poll(lambda: a.is_reached() and a.reaches(two.server_address), 3), "then packets pass again")
    lock, menders = waiting(node, a)
    for pid in menders:
        os.kill(pid, signal.SIGKILL)
    lock.frees()
    tap.ok(host.poll(lambda: a.is_reached() and a.reaches(two.server_address), 5),
           "and when who waits is killed, another does it")
    tap.ok(host.poll(lambda: "who puts back what others take away" in node.log.read_text(), 5), "which is said")


def policy(node):
    rule = lambda: "0x686f6f64 lookup 26735" in ip("rule show").stdout
    source = lambda: ip("rule show").stdout.count("iif lo lookup main") == 2
    table = lambda: "local default dev lo" in ip("route show table 26735", check=False).stdout
    heals(node, "the forwarders' rule", lambda: ip("rule del priority 100"), rule, None, "policy")
    heals(node, "a rule for where marked packets may come from", lambda: ip("rule del priority 99"), source, None,
          "policy")
    subnet = lambda: f"to 10.{100 + node.number % 100}.0.0/16 lookup main suppress_prefixlength 0" in ip(
        "rule show").stdout and "to 2001:db8:88::/64 lookup main" in ip("-6 rule show").stdout
    heals(node, "the rules for containers' networks", lambda: (ip("rule del priority 101"),
                                                               ip("-6 rule del priority 101")), subnet, None, "policy")
    heals(node, "the forwarders' table", lambda: ip("route flush table 26735"), table, None, "policy")


def ruled(a, one, two):
    """As a VPN's client, or who has a second uplink, writes it: a rule before the main table's for all there is, with
    a default route."""
    ip("rule add pref 5270 lookup 52")
    ip(f"route add default via {two.gateway} table 52")
    ip("-6 rule add pref 5270 lookup 52")
    ip("-6 route add unreachable default table 52")
    tap.ok(host.poll(a.is_reached, 3), "a rule of others' before the main table's: its host reaches a container")
    tap.ok(a.reaches(two.server_address) and not a.reaches(one.server_address),
           "and it gets out, by the way of that rule")
    tap.ok(f"dev {a.link}" in ip(f"-6 route get {a.address6}").stdout, "and so does what is for its IPv6 address")
    stranger = a.address.rsplit(".", 1)[0] + ".77"
    tap.ok(f"dev {two.name}" in ip(f"route get {stranger}").stdout, "what nobody has goes by that rule as before")
    ip("-6 rule del pref 5270")
    ip("rule del pref 5270")
    ip("route flush table 52")
    ip("-6 route flush table 52")


def restarts(node, a, two):
    before = node.last_seq()
    node.stop_agent()
    with contextlib.closing(sqlite3.connect(node.directory / "state/state.db")) as db, db: # by a clock a day ahead
        db.execute("UPDATE containers SET changed_ms = changed_ms + 86400000")
    ip(f"link set {a.link} down")
    ip("rule del priority 100")
    sysctl(f"ipv4/conf/{two.name}/forwarding", "0")
    node.start_agent()
    tap.ok(host.poll(lambda: a.is_reached() and a.reaches(two.server_address), 3),
           "what was taken away while no agent ran is put back by the next")
    tap.ok("0x686f6f64 lookup 26735" in ip("rule show").stdout, "the rule, too")
    found = lambda kind: [
        r for r in node.reports(after=before, kind="network") if r["event"] == "healed" and kind in r["data"]["what"]
    ]
    tap.ok(host.poll(lambda: found("link") and found("policy"), 5), "and reported")
    after = node.last_seq()
    report = node.do("container.restart", a.id, timeout_s=60)
    tap.eq(report["state"], "succeeded", "a container is restarted")
    tap.eq([r for r in node.reports(after=after, kind="network") if r["event"] == "healed"], [],
           "which is nobody's fault")


def doctor(node, two):
    said = lambda: [f for f in node.hoodyctl("doctor") if f["check"] == "forwarding"]
    found = said()
    tap.ok([f["verdict"] for f in found] == ["ok"] and two.name in found[0]["found"],
           "doctor sees that the uplink forwards", found)
    ip("route del default")
    found = said()
    tap.ok([f["verdict"] for f in found] == ["warning"], "and that there is none", found)


class Owner:
    """A program that has made the agent's table its own (nft(8), `flags owner`): nobody else may replace it."""
    def __init__(self, table):
        self.nft = subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, text=True)
        self.nft.stdin.write(f"add table inet {table}; delete table inet {table}; "
                             f"add table inet {table} {{ flags owner; }}\n")
        self.nft.stdin.flush()
        host.poll(lambda: "flags owner" in shown(table), 5)

    def end(self):
        self.nft.stdin.close()
        self.nft.wait()


def shown(table):
    return subprocess.run(["nft", "list", "table", "inet", table], capture_output=True, text=True).stdout


def times(node, what):
    """How often the table was changed so."""
    page = subprocess.run(["curl", "-s", "--unix-socket", node.directory / "run/debug.sock", "http://node/metrics"],
                          capture_output=True, text=True).stdout
    return int(next(line.split()[-1] for line in page.splitlines()
                    if line.startswith("hoody_firewall_transactions_total") and what in line))


def table_refused(node, a):
    other = Box(node, "omega")
    told = lambda event, after: [r for r in node.reports(after=after, kind="firewall") if r["event"] == event]
    before = node.last_seq()
    owner = Owner(node.table)
    tap.ok(host.poll(lambda: times(node, "refused") >= 5, 10), "a table that another owns is tried again")
    tap.eq(len(told("failed", before)), 1, "which is told once, not each time")
    tap.eq(node.do("container.force-stop", other.id)["state"], "succeeded", "meanwhile a container ends")
    report = node.do("container.start", other.id)
    tap.eq((report["state"], report.get("error", {}).get("code")), ("failed", "FIREWALL_HOST_UNAVAILABLE"),
           "and none is started")
    owner.end()
    tap.ok(host.poll(lambda: told("healed", before), 10), "when it is nobody's any more it is put back")
    tap.eq((a.link in shown(node.table), other.link in shown(node.table)), (True, False),
           "with who runs, and without who has ended")
    node.stop_agent()
    owner = Owner(node.table)
    before = node.last_seq()
    node.start_agent()
    tap.ok(host.poll(lambda: told("failed", before), 10), "an agent that finds it so tells it")
    owner.end()
    tap.ok(host.poll(lambda: told("healed", before) and a.link in shown(node.table), 10), "and puts it back then")
    tap.ok(host.poll(a.is_reached, 3), "who runs is reached again")
    tap.eq(node.do("container.start", other.id)["state"], "succeeded", "and containers start")
    node.do("container.delete", other.id, force=True)
    before, healed = node.last_seq(), times(node, "healed")
    fight = lambda: subprocess.run(["nft", "add", "chain", "inet", node.table, "foreign"]) and times(node, "healed"
                                                                                                   ) - healed >= 40
    tap.ok(host.poll(fight, 10), "who fights for the table is healed each time")
    reports = len(told("healed", before))
    tap.ok(20 <= reports <= 32, "and told a while", reports)


def inside(a):
    flags = a.ns.ip("link show lo").stdout
    tap.ok(",UP" in flags, "the loopback inside is up, whatever init does", flags)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    sysctl("ipv4/ip_forward", "0")
    makers_sleep()
    one, two = Beyond(1), Beyond(2)
    sysctl("ipv4/conf/all/rp_filter", "0")
    with harness.Node(conf={"Network": {"Subnet6": "2001:db8:88::/64"}}) as node:
        a = Box(node, "alpha")
        inside(a)
        uplinks(node, a, one, two)
        taken_away(node, a, two)
        version_six(node, a)
        guard(node, a)
        forwarding(node, a, two)
        policy(node)
        ruled(a, one, two)
        loop_waits_for_nobody(node, a, two)
        doctor(node, two)
        ip(f"route add default via {two.gateway}")
        table_refused(node, a)
        restarts(node, a, two)
        node.do("container.delete", a.id, force=True)
        tap.eq((node.leaks(), node.sanitizer_words(), node.violations()), ([], [], []), "nothing is left")
    tap.done()


main()
