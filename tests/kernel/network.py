#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers on the network: addresses, routes, names, isolation, masquerading, the firewall by orders, live flows,
healing, restarts, what root inside can try, and that nothing is left."""
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import netns
import tap
from boxes import OTHER_PROJECT, OUTSIDE, Box, Outside


def nft(*words, check=True):
    return subprocess.run(["nft", *words], check=check, capture_output=True, text=True)


def pings(box, address):
    return box.sh(f"ping -c1 -W1 {address} >/dev/null")[0] == 0


def addresses(node, a, b, c, outside):
    tap.eq(a.says("ip -4 -o addr show eth0 | wc -l"), "1", "one address")
    tap.ok("/32" in a.says("ip -4 -o addr show eth0"), "a /32")
    tap.ok("default via 169.254.1.1 dev eth0" in a.says("ip route"), "a default route to a link-local gateway",
           a.says("ip route"))
    tap.ok(len({a.ip, b.ip, c.ip}) == 3, "each its own", a.ip, b.ip, c.ip)
    text = a.says("cat /etc/resolv.conf")
    tap.ok("nameserver 192.0.2.53" in text and "hoody" in text.splitlines()[0], "resolv.conf names Network.Dns", text)
    tap.ok(f"{a.ip} alpha" in a.says("cat /etc/hosts"), "hosts knows it by name")
    tap.ok(pings(a, "169.254.1.1"), "the gateway answers")
    tap.ok(pings(a, b.ip), "containers of one project reach each other")
    tap.ok(not pings(a, c.ip) and not pings(c, a.ip), "those of another don't")
    with outside.listen(8000) as s:
        tap.eq(a.connects(OUTSIDE, 8000), "open", "the world outside is reached")
        peer = s.accept()[1]
        tap.eq(peer[0], "198.51.100.1", "with the host's address (masquerade)")
    with socket.socket() as s: # on the host itself
        s.bind(("198.51.100.1", 7000))
        s.listen(1)
        tap.eq(a.connects("198.51.100.1", 7000), "silence", "no port of the host is reached")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("198.51.100.1", 53))
        s.settimeout(2 * harness.SLOW)
        with a.ns():
            client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.sendto(b"?", ("198.51.100.1", 53))
        tap.eq(s.recv(10), b"?", "but DNS")
        client.close()
    with b.serves(9000), socket.socket() as s:
        s.settimeout(1 * harness.SLOW)
        tap.eq(s.connect_ex((b.ip, 9000)), 0, "the host reaches them")


def orders(node, a, b, c, outside):
    api = local.Local(node)
    rules = f"/containers/{b.id}/firewall"
    with b.serves(80), b.serves(81):
        tap.eq((a.connects(b.ip, 80), a.connects(b.ip, 81)), ("open", "open"), "detached: both ports are open")
        b.do("firewall.add", direction="ingress", rule={"action": "allow", "protocol": "tcp", "destination_port": "80"})
        tap.eq((a.connects(b.ip, 80), a.connects(b.ip, 81)), ("open", "refused"),
               "one rule: the other port is closed, and says so")
        again = b.do("firewall.add", direction="ingress",
                     rule={"action": "allow", "protocol": "tcp", "destination_port": "80"})
        tap.eq((again["result"]["duplicate"], again["result"]["duplicate_of"]),
               (True, {"direction": "ingress", "index": 0}), "the same again is a duplicate")
        b.do("firewall.add", direction="ingress", rule={"action": "drop", "protocol": "tcp", "destination_port": "81"})
        tap.eq(a.connects(b.ip, 81), "silence", "drop is silent")
        tap.eq(c.connects(b.ip, 80), "open", "a rule lets another project in")
        got = api.do("GET", rules + "/rules")
        tap.eq((got["rule_count"], [(r["action"], r["packets"] > 0, r["state"])
                                    for r in got["ingress"]], got["egress"]), (2, [("allow", True, "enabled"),
                                                                                   ("drop", True, "enabled")], []),
               "the rules are shown with what they have decided")
        b.do("firewall.toggle", direction="ingress", filters={"destination_port": "80"}, state="disabled")
        tap.eq(a.connects(b.ip, 80), "refused", "a disabled rule decides nothing")
        report = node.do("firewall.toggle", b.id, direction="ingress", filters={"destination_port": "82"},
                         state="disabled")
        tap.eq(report["error"]["code"], "FIREWALL_RULE_NOT_FOUND", "a toggle that matches none")
        b.do("firewall.toggle", direction="ingress", filters={"destination_port": "80"}, state="enabled")
        api.do("PATCH", rules + "/ingress", {"filters": {"port": 81}, "state": "disabled"})
        tap.eq(a.connects(b.ip, 81), "refused", "by the local API too")
        b.do("container.restart", timeout_s=60)
        with b.serves(80), b.serves(81):
            tap.eq((a.connects(b.ip, 80), a.connects(b.ip, 81)), ("open", "refused"),
                   "rules outlive a restart of the container")
            node.stop_agent()
            tap.eq((a.connects(b.ip, 80), a.connects(b.ip, 81)), ("open", "refused"), "they hold without the agent")
            node.start_agent()
            tap.eq((a.connects(b.ip, 80), a.connects(b.ip, 81)), ("open", "refused"), "and with another one")
            removed = b.do("firewall.remove", direction="ingress", all=True)["result"]
            tap.eq((removed["removed_count"], a.connects(b.ip, 80)), (2, "refused"), "without any rule it is closed")
            b.do("firewall.replace",
                 ingress=[{"action": "allow", "protocol": "tcp", "destination_port": "81", "source": a.ip}])
            tap.eq((a.connects(b.ip, 81), c.connects(b.ip, 81)), ("open", "refused"),
                   "the whole list at once; by source address")
            told = node.reports(kind="firewall")[-1]["data"]
            tap.eq(([(r["source"], r["state"]) for r in told["ingress"]], told["egress"]), ([(a.ip, "enabled")], []),
                   "which the report has whole")
            b.do("firewall.reset")
            tap.eq((a.connects(b.ip, 80), c.connects(b.ip, 80)), ("open", "silence"),
                   "reset opens it, to its own project")
    b.do("firewall.add", direction="egress",
         rule={"action": "allow", "protocol": "tcp", "destination_port": "8000", "destination": OUTSIDE})
    with outside.listen(8000), outside.listen(8001):
        tap.eq((b.connects(OUTSIDE, 8000), b.connects(OUTSIDE, 8001)), ("open", "refused"), "egress rules")
    many = [{"action": "allow", "protocol": "tcp", "destination_port": str(1000 + n)} for n in range(501)]
    report = node.do("firewall.replace", b.id, ingress=many)
    tap.eq((report["error"]["code"], report["error"]["data"]),
           ("CONTAINER_FIREWALL_RULE_LIMIT", {"field": "rule", "current_count": 1, "limit": 500}),
           "more rules than a container may have")
    copy = node.new_id()
    tap.eq(
        node.do("container.copy", copy, source_container_id=b.id, name="copy", copy_firewall_rules=True)["state"],
        "succeeded", "a copy with the rules")
    got = api.do("GET", f"/containers/{copy}/firewall/rules")
    tap.eq([r["destination_port"] for r in got["egress"]], ["8000"], "has them")
    node.do("container.delete", copy, force=True)
    long = {"description": "d" * 255, "source": ",".join(["10.0.0.1"] * 50)}
    b.do("firewall.replace", ingress=many[:499])
    report = node.do("firewall.replace", b.id, ingress=[{**rule, **long} for rule in many[:499]])
    status, _, answer = api.ask("PUT", f"/containers/{b.id}/firewall/rules",
                                {"ingress": [{**rule, **long} for rule in many[:499]]})
    shown = api.do("GET", f"/containers/{b.id}/firewall/rules")
    tap.eq((report.get("error", {}).get("code"), report["error"]["data"]),
           ("CONTAINER_FIREWALL_BYTES_LIMIT",
            {"field": "rule", "current_bytes": shown["byte_count"], "limit": shown["max_bytes"]}),
           "as many, of more bytes than may be")
    tap.eq((status, {k: answer["data"].get(k) for k in ("current_bytes", "limit")}),
           (400, {"current_bytes": shown["byte_count"], "limit": shown["max_bytes"]}), "and so by the local API")
    b.do("firewall.reset")


def flows(node, a, b, outside):
    """A live stream is cut when a rule forbids it; the one beside it goes on."""
    with outside.listen(8000) as s, outside.listen(8001) as t:
        with a.ns():
            one, two = socket.create_connection((OUTSIDE, 8000)), socket.create_connection((OUTSIDE, 8001))
        far, far2 = s.accept()[0], t.accept()[0]
        stop, counts = threading.Event(), {"one": 0, "two": 0}

        def pump(sock, name):
            try:
                while not stop.is_set():
                    sock.send(b"x")
                    counts[name] += 1
                    time.sleep(0.002)
            except OSError:
                counts[name + " ended"] = time.monotonic()

        threads = [threading.Thread(target=pump, args=x) for x in ((one, "one"), (two, "two"))]
        for x in threads:
            x.start()
        host.poll(lambda: min(counts["one"], counts["two"]) > 50, 5)
        began = time.monotonic()
        a.do(
            "firewall.replace", egress=[{"action": "reject", "protocol": "tcp", "destination_port": "8000"},
                                        {"action": "allow", "protocol": "tcp"}])
        ordered = time.monotonic()
        far.settimeout(2 * harness.SLOW)
        last = ordered
        try:
            while far.recv(1 << 16):
                last = time.monotonic()
        except OSError:
            pass
        cut_ms = (last - ordered) * 1000
        tap.ok(
            cut_ms < 1000 * harness.SLOW,
            f"of a live stream nothing arrives {max(cut_ms, 0):.0f} ms after the order is done "
            f"({(ordered - began) * 1000:.0f} ms)",
            counts)
        tap.ok(host.poll(lambda: "one ended" in counts, 2), "and its sender hears of it")
        before = counts["two"]
        tap.ok(
            host.poll(lambda: counts["two"] > before + 50, 5) and "two ended" not in counts,
            "the allowed one beside it goes on", counts)
        tap.figure(f"a live stream was cut within {max(cut_ms, 0):.1f} ms of the order's end")
        stop.set()
        for x in threads:
            x.join()
        for x in (one, two, far, far2):
            x.close()
    a.do("firewall.reset")


def passes(one, peer):
    """A byte from one end of a flow to the other."""
    try:
        one.sendall(b"x")
        return peer.recv(1) == b"x"
    except OSError:
        return False


def led_on(a, outside):
    """A flow that somebody else's table leads to a container is judged as the rules see it."""
    nft("add", "table", "ip", "foreign")
    nft("add", "chain", "ip", "foreign", "led", "{ type nat hook prerouting priority dstnat; }")
    nft("add", "rule", "ip", "foreign", "led", "ip", "daddr", "198.51.100.1", "tcp", "dport", "{ 2200, 2201 }", "dnat",
        "to", f"{a.ip}:9000")
    with a.serves(9000) as server:
        server.settimeout(5 * harness.SLOW)
        with outside.ns:
            one = socket.create_connection(("198.51.100.1", 2200), 5)
        peer = server.accept()[0]
        peer.settimeout(0.5 * harness.SLOW)

        a.do("firewall.replace", ingress=[{"action": "allow", "protocol": "tcp", "destination_port": "9000"}])
        time.sleep(0.2)
        tap.ok(passes(one, peer), "a flow that is led to a container goes on when its rules allow it")
        a.do("firewall.replace", ingress=[{"action": "allow", "protocol": "tcp", "destination_port": "2200"}])
        tap.ok(host.poll(lambda: not passes(one, peer), 3), "and is cut when they don't")
        for x in (one, peer):
            x.close()
    nft("delete", "table", "ip", "foreign")
    a.do("firewall.reset")


def healing(node, a, b, table):
    b.do(
        "firewall.replace", ingress=[{"action": "drop", "protocol": "tcp", "destination_port": "81"},
                                     {"action": "allow", "protocol": "tcp"}])
    interface = [
        n for n in host.links()
        if n.startswith(node.interfaces) and nft("list", "chain", "inet", table, f"{n}-i", check=False).returncode == 0
    ][0]
    attacks = {
        "nft flush ruleset": ("flush", "ruleset"),
        "a chain is emptied": ("flush", "chain", "inet", table, f"{interface}-i"),
        "an accept rule by hand": ("insert", "rule", "inet", table, "forward", "accept"),
        "an element is deleted": ("delete", "element", "inet", table, "ingress", f"{{ ipv4 . {interface} }}"),
        "the table is deleted": ("delete", "table", "inet", table),
    }
    with b.serves(81):
        wanted = nft("list", "table", "inet", table).stdout
        import re
        # chains are listed as they were made
        plain = lambda text: sorted(
            re.sub(r"packets \d+ bytes \d+", "", text).removesuffix("}\n").strip().split("\n\n"))
        for what, command in attacks.items():
            time.sleep(0.1)
            nft(*command)
            began = time.monotonic()
            healed = host.poll(lambda: plain(nft("list", "table", "inet", table, check=False).stdout) == plain(wanted),
                               5, 0.005)
            tap.ok(healed,
                   f"{what}: healed after {(time.monotonic() - began) * 1000:.0f} ms (nft's own listing included)",
                   nft("list", "table", "inet", table, check=False).stdout[-500:])
            tap.eq(a.connects(b.ip, 81), "silence", f"{what}: what was forbidden is")
    events = [r["event"] for r in node.reports(kind="firewall") if r["event"] == "healed"]
    tap.ok(len(events) >= len(attacks) - 1, "and reported", events)
    nft("add", "table", "ip", "foreign")
    time.sleep(0.2)
    tap.ok("foreign" in nft("list", "tables").stdout, "other tables are never touched")
    nft("delete", "table", "ip", "foreign")
    after = node.last_seq()
    nft("add", "table", "ip", table)
    tap.ok(not host.poll(lambda: node.reports(after=after, kind="firewall"), 0.5),
           "one of another family is another, whatever its name", node.reports(after=after, kind="firewall"))
    nft("delete", "table", "ip", table)
    b.do("firewall.reset")


def restart(node, a, b):
    """A stream of datagrams across ends and new beginnings of the agent: each deletes the table and loads it, and
    conntrack must outlast them all."""
    with b.ns():
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        sink.bind(("0.0.0.0", 5000))
    b.do(
        "firewall.replace", ingress=[{"action": "allow", "protocol": "udp", "destination_port": "5000"},
                                     {"action": "drop", "protocol": "udp"}])
    address, stop, sent = b.ip, threading.Event(), [0]
    ends = (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGTERM)
    with b.ns():
        closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        closed.bind(("0.0.0.0", 5001))
        closed.setblocking(False)

    def send():
        with a.ns(): # of this thread alone
            while not stop.is_set():
                # a new flow each: judged by the rules, not by conntrack
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.sendto(b"x", (address, 5000))
                s.sendto(b"x", (address, 5001))
                s.close()
                sent[0] += 1
                time.sleep(0.001)

    t = threading.Thread(target=send)
    t.start()
    for sig in ends:
        time.sleep(0.2)
        node.stop_agent(sig)
        time.sleep(0.1)
        node.start_agent()
    time.sleep(0.2)
    stop.set()
    t.join()
    got = 0
    sink.setblocking(False)
    while select.select([sink], [], [], 0.1)[0]:
        sink.recv(10)
        got += 1
    # a packet that is inside the old table while the kernel turns to the new one may find its sets empty: one in a
    # hundred loads loses one
    tap.ok(
        0 <= sent[0] - got <= len(ends),
        f"{len(ends)} restarts of the agent under {sent[0]} new flows: not more than the one on its way is lost at "
        "each",
        sent[0] - got)
    tap.ok(not select.select([closed], [], [], 0)[0], "and none passes that may not")
    tap.figure(f"new flows lost in {len(ends)} restarts: {sent[0] - got} of {sent[0]}")
    sink.close()
    closed.close()
    b.do("firewall.reset")


def reboot(node, a, b, c):
    """What a reboot leaves of it all is the state file: rules, modes and addresses are in it."""
    b.do("firewall.replace", ingress=[{"action": "allow", "protocol": "tcp", "destination_port": "90"}])
    b.do("network.configure", type="block")
    b.do("network.start")
    before = b.ip
    c.do("container.update", autostart=False)
    node.shut_down()
    node.start_agent()
    is_up = lambda box: box.sh("true")[0] == 0 # an init alone may have no network yet
    tap.ok(host.poll(lambda: is_up(a) and is_up(b), 10), "after a reboot containers are started again")
    tap.eq(node.state(c.id), "stopped", "but for one that is not to start with the host")
    c.do("container.start")
    tap.ok(before in b.says("ip addr show eth0"), "after a reboot a container has its address")
    with b.serves(90), b.serves(91), a.serves(92):
        tap.eq((a.connects(before, 90), a.connects(before, 91)), ("open", "refused"), "its rules")
        tap.eq(b.connects(a.ip, 92), "silence", "and its network mode")
    b.do("network.remove")
    b.do("firewall.reset")


def tricks(node, a, b, c):
    """What root inside can try."""
    mine, theirs = a.ip, b.ip
    with b.serves(82):
        tap.eq(a.connects(b.ip, 82), "open", "as itself it may")
        a.sh(
            f"ip addr add {c.ip}/32 dev eth0; ip addr del {mine}/32 dev eth0; ip route replace default via 169.254.1.1 "
            f"dev eth0 onlink src {c.ip}"
        )
        tap.eq(a.connects(b.ip, 82), "silence", "with another container's address it is not heard")
        a.sh(
            f"ip addr add {mine}/32 dev eth0; ip addr del {c.ip}/32 dev eth0; ip route replace default via 169.254.1.1 "
            f"dev eth0 onlink src {mine}"
        )
        tap.eq(a.connects(b.ip, 82), "open", "(back)")
        mac = a.says("cat /sys/class/net/eth0/address")
        a.sh(
            "ip link set eth0 down; ip link set eth0 address 02:aa:aa:aa:aa:aa; ip link set eth0 up; ip route replace "
            "169.254.1.1 dev eth0; ip route replace default via 169.254.1.1 dev eth0"
        )
        tap.eq(a.connects(b.ip, 82), "silence", "nor with another MAC")
        a.sh(
            f"ip link set eth0 down; ip link set eth0 address {mac}; ip link set eth0 up; ip route replace 169.254.1.1 "
            "dev eth0; ip route replace default via 169.254.1.1 dev eth0"
        )
        tap.eq(a.connects(b.ip, 82), "open", "(back)")
        arp = subprocess.run(["ip", "-4", "neigh"], capture_output=True, text=True).stdout
        tap.ok(
            sum("PERMANENT" in line for line in arp.splitlines()) >= 3,
            "the host's neighbours are fixed: ARP tells it nothing", arp)
        a.sh("arping -c1 -w1 -I eth0 198.51.100.1 || true")
        tap.ok("198.51.100.1" not in a.says("ip neigh"), "nor does the host answer ARP for its other addresses")
    with a.ns():
        six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        six.sendto(b"x", ("fe80::ecee:eeff:feee:eeee", 5353, 0, socket.if_nametoindex("lo") + 1))
    except OSError:
        pass
    six.close()


def ends(node, a, b, c):
    interface = {n for n in host.links() if n.startswith(node.interfaces)}
    tap.eq(len(interface), 3, "a link each")
    os.kill(a.pid(), signal.SIGKILL)
    tap.ok(host.poll(lambda: len([n for n in host.links() if n.startswith(node.interfaces)]) == 2, 5),
           "the link of one that was killed goes", host.links())
    tap.ok(host.poll(lambda: nft("list", "map", "inet", node.table, "addresses").stdout.count(node.interfaces) == 2, 5),
           "and its place in the firewall")
    before, two = c.ip, set(host.links())
    c.do("container.force-stop")
    tap.ok(host.poll(lambda: len([n for n in host.links() if n.startswith(node.interfaces)]) == 1, 5),
           "so does that of one that is stopped", host.links())
    name = (two - set(host.links())).pop()
    for words in (f"add {name} type veth peer name held", f"set {name} up", "set held up"):
        subprocess.run(["ip", "link", *words.split()], check=True)
    c.do("container.start")
    tap.ok(before in c.says("ip addr show eth0"), "started again it has its old address", c.says("ip addr"))
    tap.ok(pings(c, "169.254.1.1"), "and its network, though a predecessor's link was still there")
    for box in (a, b, c):
        box.do("container.delete", force=True)
    tap.ok(host.poll(lambda: not [n for n in host.links() if n.startswith(node.interfaces)], 5),
           "deleted: no link is left", host.links())
    left = nft("list", "table", "inet", node.table).stdout
    tap.ok(node.interfaces + "0" not in left and left.count("elements") == left.count("elements = { ipv4 . 203"),
           "and nothing in the table", left)
    fresh = Box(node, "fresh")
    tap.ok(fresh.ip not in (before,), "an address is not given again at once", fresh.ip)
    fresh.do("container.delete", force=True)


def limit(node, outside):
    box = Box(node, "slow", limits={"net_bps": 8_000_000})
    with box.serves(9000) as s:
        client = socket.create_connection((box.ip, 9000))
        far = s.accept()[0]
        client.settimeout(20 * harness.SLOW)

        def receive():
            while far.recv(1 << 16):
                pass

        t = threading.Thread(target=receive)
        t.start()
        client.sendall(b"x" * 300_000) # what the bucket holds at first
        began = time.monotonic()
        client.sendall(b"x" * 2_000_000)
        client.close()
        t.join()
        rate = 2_000_000 * 8 / (time.monotonic() - began)
    tap.ok(1e6 < rate < 12e6, f"limits.net_bps of 8 Mbit/s: {rate / 1e6:.1f} Mbit/s")
    box.do("container.delete", force=True)


def version_six(outside):
    """Subnet6: an address of its own, as far as no rules are attached."""
    here, far = netns.Namespace.current(), "2001:db8:2::2"
    for ns, interface, address in ((here, "up0", "2001:db8:2::1/64"), (outside.ns, "up1", f"{far}/64")):
        ns.ip(f"-6 addr add {address} dev {interface} nodad")
    outside.ns.ip("-6 route add 2001:db8:88::/64 via 2001:db8:2::1")
    with outside.ns:
        server = socket.create_server((far, 86), family=socket.AF_INET6)
    server.settimeout(5 * harness.SLOW)

    def connects(box, address, port, source=None):
        with box.ns():
            s = socket.socket(socket.AF_INET6)
        s.settimeout(0.5 * harness.SLOW)
        try:
            if source:
                s.setsockopt(socket.IPPROTO_IPV6, 78, 1) # IPV6_FREEBIND
                s.bind((source, 0))
            s.connect((address, port))
            return s
        except OSError as e:
            return type(e).__name__

    with harness.Node(conf={"Network": {"Subnet6": "2001:db8:88::/64"}}) as node:
        a, b, c = Box(node, "six-a"), Box(node, "six-b"), Box(node, "six-c", OTHER_PROJECT)
        six = {x: x.says("ip -6 -o addr show dev eth0 scope global").split()[3].split("/")[0] for x in (a, b, c)}
        tap.ok(all(six[x] == f"2001:db8:88::{int(x.ip.split('.')[2]) * 256 + int(x.ip.split('.')[3]):x}" for x in six),
               "each has the address at the same place of Subnet6", six)
        live = connects(a, far, 86)
        tap.ok(not isinstance(live, str), "it reaches the world by IPv6", live)
        peer, who = server.accept()
        tap.eq(who[0], six[a], "as itself")
        with b.ns():
            inside = socket.create_server(("::", 87), family=socket.AF_INET6)
        tap.ok(not isinstance(connects(a, six[b], 87), str), "its project's others, too")
        tap.eq(connects(c, six[b], 87), "TimeoutError", "but not another project's")
        with outside.ns:
            s = socket.create_connection((six[b], 87), 2)
        tap.ok(s, "and is reached")
        s.close()
        a.sh(f"ip -6 addr add {six[c]}/128 dev eth0")
        tap.eq(connects(a, six[b], 87, six[c]), "TimeoutError", "with another's address it is not heard")
        a.sh(f"ip -6 addr del {six[c]}/128 dev eth0")
        tap.ok(not isinstance(connects(a, six[b], 87), str), "(back)")
        with netns.Namespace.current():
            host_server = socket.create_server(("2001:db8:2::1", 88), family=socket.AF_INET6)
        tap.eq(connects(a, "2001:db8:2::1", 88), "TimeoutError", "the host's ports are closed")
        a.do("firewall.add", direction="egress",
             rule={"action": "allow", "protocol": "tcp", "destination_port": "1-65535", "description": "all"})
        live.sendall(b"x")
        peer.settimeout(0.5 * harness.SLOW)
        try:
            said = peer.recv(1)
        except TimeoutError:
            said = None
        tap.eq(said, None, "with rules for egress no IPv6 goes out, not of a flow under way either")
        tap.eq(connects(a, far, 86), "TimeoutError", "nor of a new one")
        a.do("firewall.reset")
        tap.ok(not isinstance(connects(a, far, 86), str), "without rules it goes out again")
        a.do("network.configure", type="block")
        a.do("network.start")
        tap.eq(connects(a, far, 86), "TimeoutError", "blocked, it doesn't")
        a.do("network.stop")
        tap.ok(not isinstance(connects(a, far, 86), str), "(back)")
        a.do("network.start")
        node.restart()
        tap.eq(connects(a, far, 86), "TimeoutError", "nor after a restart of the agent")
        tap.ok(not isinstance(connects(b, far, 86), str), "and another's does")
        for x in (live, peer, inside, host_server):
            x.close()
        for x in (a, b, c):
            x.do("container.delete", force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left of it")


def another_subnet(outside):
    """Containers from before Subnet4 was another keep their addresses, and the network."""
    with harness.Node(conf={"Network": {"Subnet6": "2001:db8:88::/64"}}) as node, outside.listen(8000) as server:
        old = Box(node, "before")
        address = old.ip
        node.conf["Network"]["Subnet4"] = "10.250.0.0/16"
        node.write_conf()
        node.restart()
        for when in ("while it runs", "after a restart"):
            tap.eq(old.connects(OUTSIDE, 8000), "open", f"another Subnet4: one from before reaches the world {when}")
            tap.eq(server.accept()[1][0], "198.51.100.1", "with the host's address")
            old.do("container.restart", timeout_s=60)
        new = Box(node, "after")
        of = lambda box, how: box.says(f"ip {how} -o addr show dev eth0 scope global")
        tap.ok(address in of(old, "-4") and "10.250." in of(new, "-4"), "its own, as before; a new one's is of the new")
        tap.eq((of(old, "-6"), "2001:db8:88::1/" in of(new, "-6")), ("", True),
               "an address of IPv6 has who has a place in Subnet4")
        with old.ns():
            live = socket.create_connection((OUTSIDE, 8000), 5)
        far = server.accept()[0]
        far.settimeout(0.5 * harness.SLOW)
        old.do("firewall.replace", egress=[{"action": "allow", "protocol": "udp"}])

        tap.ok(host.poll(lambda: not passes(live, far), 3), "its flows are cut when its rules forbid them")
        for x in (live, far):
            x.close()
        for box in (old, new):
            box.do("container.delete", force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left of them")


def other_names(outside):
    """Names of the kernel's that are others in the configuration: a container that runs is seen and filtered as before,
    and where none runs they are the new ones, and nothing of the old is in the way."""
    with harness.Node(conf={"Containers": {}, "Network": {}}) as node, outside.listen(8000):
        old, prefix, table = Box(node, "named"), node.prefix, node.table
        init, said = host.init_of(prefix, old.id), "take effect at the first start at which no container runs: "
        old.do("firewall.replace", egress=[{"action": "allow", "protocol": "udp"}])
        node.conf["Containers"]["CgroupPrefix"] = f"{prefix}x"
        node.conf["Network"].update(InterfacePrefix="zz9", Table=f"{table}x")
        node.restart()
        tap.ok(f"{said}Containers.CgroupPrefix, Network.InterfacePrefix, Network.Table" in node.log.read_text(),
               "other names wait for a start without a container that runs, and that is said")
        tap.eq((node.do("container.start", old.id).get("error", {}).get("code"), host.init_of(prefix, old.id)),
               ("OPERATION_STATE_CONFLICT", init), "one that runs is not launched beside itself")
        tap.ok(old.connects(OUTSIDE, 8000) != "open", "its rules are in force")
        node.do("container.force-stop", old.id)
        node.prefix, node.table, node.interfaces = f"{prefix}x", f"{table}x", "zz9"
        node.restart()
        old.do("container.start")
        tap.ok(host.init_of(node.prefix, old.id) and not host.init_of(prefix, old.id), "then it is launched under them")
        tap.ok(old.connects(OUTSIDE, 8000) != "open", "with its rules")
        old.do("firewall.reset")
        tables = nft("list", "tables").stdout.split()
        tap.eq((old.connects(OUTSIDE, 8000), table in tables, node.table in tables), ("open", False, True),
               "and what was the table before is in nobody's way")
        old.do("container.delete", force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left of it")


def full():
    """A Subnet4 without an address that nobody has: said so, and the next one has what is given back."""
    with harness.Node(conf={"Network": {"Subnet4": "10.99.0.0/30"}}) as node:
        cids = [node.new_id() for _ in range(3)]
        made = [node.do("container.create", cid, image=harness.IMAGE, start=False) for cid in cids]
        copied = node.do("container.copy", cids[2], source_container_id=cids[0], start=False)
        tap.eq([r["state"] for r in (*made, copied)], ["succeeded"] * 2 + ["failed"] * 2, "a subnet of two addresses")
        tap.eq([(r["error"]["code"], "Network.Subnet4" in r["error"]["message"]) for r in (made[2], copied)],
               [("NO_SPACE", True)] * 2, "what is missing is said")
        for cid in cids[:2]:
            node.do("container.delete", cid)


def to_all_nodes(inside):
    """A few datagrams; False while there is no address to send them from."""
    with inside, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        try:
            return all(s.sendto(b"all", ("ff02::1", 9, 0, socket.if_nametoindex("eth0"))) for _ in range(5))
        except OSError:
            return False


def without_six(make, own, inside, pid):
    """A link without IPv6, by its guard, and where the kernel lets nobody have one by a sysctl: what is sent to all
    nodes gets nowhere. With it, the host takes it."""
    guardless = harness.BUILD / "tests/tools/failnth", "bpf", "1", "EPERM", "--"
    inside.sysctl(ipv6__conf__all__accept_dad=0, ipv6__conf__default__accept_dad=0)
    for wrap, six, taken in (((), "fd00::7", True), ((), "-", False), (guardless, "-", False)):
        make(*wrap, pid=pid, six=six)
        tap.ok(host.poll(lambda: to_all_nodes(inside), 10), "IPv6 is sent from inside")
        count = int(re.search(r"Ip6InDelivers\s+(\d+)", own.run("cat", "/proc/net/dev_snmp6/half0").stdout)[1])
        off = own.run("cat", "/proc/sys/net/ipv6/conf/half0/disable_ipv6").stdout.strip()
        tap.eq((count > 0, off), (taken, "1" if wrap else "0"),
               "IPv6 to all nodes is " + ("taken by a host that has it" if taken else "dropped by " +
                                          ("the kernel, without a guard" if wrap else "the link's guard")))


def half_made():
    """A link whose inner end can't be set up: said in a sentence, and no outer end stays. One whose predecessor is
    still there."""
    failnth, make_one = harness.BUILD / "tests/tools/failnth", harness.BUILD / "tests/tools/linkdrive"
    own, space, other, name = netns.Namespace(), netns.Namespace(), netns.Namespace(), "half0"
    holder, successor = space.popen("sleep", "infinity"), other.popen("sleep", "infinity")
    links = lambda: [line.split()[1].split("@")[0] for line in own.ip("-o link show").stdout.splitlines()]

    def make(*wrap, pid=holder.pid, six="fd00::7"):
        r = own.run(*wrap, make_one, name, "10.9.8.7", six, pid, check=False)
        said = r.stderr.splitlines()
        return r.returncode != 0, len(said) == 1 and len(said[0]) > 10, name in links()

    try:
        tap.eq(make(failnth, "setns", "1", "EPERM", "--"), (True, True, False),
               "a link into a namespace that can't be entered")
        space.sysctl(ipv6__conf__default__disable_ipv6=1)
        tap.eq(make(), (True, True, False), "one whose inner end refuses its address")
        space.sysctl(ipv6__conf__default__disable_ipv6=0)
        tap.eq(make(), (False, False, True), "and one that is made")
        number = lambda: own.ip(f"-o link show dev {name}").stdout.split(":")[0]
        was = number()
        tap.eq((make(pid=successor.pid), number() != was), ((False, False, True), True), "and its successor")
        without_six(make, own, other, successor.pid)
    finally:
        for process in (holder, successor):
            process.kill()
            process.wait()
        for space_ in (own, space, other):
            space_.close()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    half_made()
    full()
    outside = Outside()
    with harness.Node(conf={"Network": {"Dns": "192.0.2.53", "ProxyAddresses": "203.0.113.9"}}) as node:
        a, b, c = Box(node, "alpha"), Box(node, "beta"), Box(node, "gamma", OTHER_PROJECT)
        addresses(node, a, b, c, outside)
        orders(node, a, b, c, outside)
        flows(node, a, b, outside)
        led_on(a, outside)
        healing(node, a, b, node.table)
        restart(node, a, b)
        reboot(node, a, b, c)
        tricks(node, a, b, c)
        ends(node, a, b, c)
        limit(node, outside)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
    version_six(outside)
    another_subnet(outside)
    other_names(outside)
    tap.done()


main()
