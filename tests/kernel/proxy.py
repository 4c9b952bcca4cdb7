#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Network modes of real containers: block, and proxy through microsocks, dante, tinyproxy and a TLS proxy, alive, dead,
hung, slow and senseless. Every frame on the uplink is looked at: none may be the container's own."""
import hashlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import names
import netns
import proxies
import tap

UPLINK, PROXY, FAR, DNS = "198.51.100.1", "198.51.100.2", "203.0.113.50", "203.0.113.53"
DIRECT_PORT = 8000 # of the container beside it, which no proxy serves
SLOW = harness.SLOW
SYSTEM_CA = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
CONNECTIONS, AUTHORITIES, QUERIES = 20, 150, 12
TICKS = 70 # 35 s, which is more than the patience with a half-closed TLS connection …
CLOSED_S = 20 # … and this less, but more than that with one that is likely to be closed


class World:
    """The uplink's other side: where proxies run, and behind them the servers of the world."""

    def __init__(self):
        self.ns, here = netns.Namespace(), netns.Namespace.current()
        here.ip("link add up0 type veth peer name up1")
        here.ip(f"link set up1 netns {self.ns.path()}")
        here.ip(f"addr add {UPLINK}/24 dev up0")
        here.sysctl(ipv6__conf__up0__disable_ipv6=1) # what the host says of itself would be taken for a leak
        here.ip("link set up0 up")
        for address in (f"{PROXY}/24", f"{FAR}/32", f"{DNS}/32"):
            self.ns.ip(f"addr add {address} dev up1")
        self.ns.ip("link set up1 up")
        here.ip(f"route add default via {PROXY}")
        self.seen, self.asked = [], []
        with self.ns:
            self.far = socket.create_server((FAR, 80), backlog=64)
            self.bulk = socket.create_server((FAR, 81), backlog=64)
            ticks = socket.create_server((FAR, 84), backlog=64)
            direct = socket.create_server((FAR, DIRECT_PORT), backlog=64)
            dns_tcp = socket.create_server((DNS, 53), backlog=64)
        for target in (lambda: self.accept(self.far, self.echo), lambda: self.accept(self.bulk, self.digest),
                       lambda: self.accept(ticks, self.tick), lambda: self.accept(direct, self.echo),
                       lambda: self.accept(dns_tcp, self.dns_tcp)):
            threading.Thread(target=target, daemon=True).start()
        self.capture = here.packet_socket("up0")

    def accept(self, listener, handler):
        while True:
            connection, peer = listener.accept()
            self.seen.append(peer[0])
            threading.Thread(target=self.serve, args=(handler, connection), daemon=True).start()

    @staticmethod
    def serve(handler, connection):
        try:
            handler(connection)
        except OSError:
            pass
        finally:
            connection.close()

    @staticmethod
    def echo(connection):
        while data := connection.recv(65536):
            connection.sendall(data)

    @staticmethod
    def tick(connection):
        """So many bytes as it is told, two in a second; or neither a byte nor an end."""
        n = int(connection.recv(10))
        for _ in range(n):
            connection.sendall(b".")
            time.sleep(0.5)
        if n == 0:
            connection.recv(1)

    @staticmethod
    def digest(connection):
        """So many bytes as the first eight say, or until the client's end; then their digest and as many back."""
        h, n, wanted = hashlib.sha256(), 0, struct.unpack(">Q", connection.recv(8, socket.MSG_WAITALL))[0]
        while (not wanted or n < wanted) and (data := connection.recv(1 << 20)):
            h.update(data)
            n += len(data)
        connection.sendall(h.digest())
        block = bytes(range(256)) * 4096
        while n > 0:
            connection.sendall(block[:n])
            n -= len(block)

    def dns_tcp(self, connection):
        f = connection.makefile("rb")
        while head := f.read(2):
            query = f.read(struct.unpack(">H", head)[0])
            self.asked.append(query)
            answer = dns_answer(query, 200 if b"\3big" in query else 1)
            connection.sendall(struct.pack(">H", len(answer)) + answer)
            if b"\4once" in query:
                return

    def leaks(self):
        """Frames that went out since the last look, and were not for the proxy."""
        found = []
        while True:
            try:
                frame, (_, _, kind, *_rest) = self.capture.recvfrom(65536)
            except BlockingIOError:
                return found
            if kind != socket.PACKET_OUTGOING or frame[12:14] == b"\x08\x06":
                continue
            if frame[12:14] != b"\x08\x00":
                found.append(frame[:60].hex())
                continue
            destination, port = socket.inet_ntoa(frame[30:34]), struct.unpack(">H", frame[36:38])[0]
            if frame[22] == 64 and frame[23] == 6 and frame[47] & 4:
                continue # not forwarded: the host's own reset, to a server that goes on with a connection that was cut
            if (destination, frame[23], port) == (FAR, 6, DIRECT_PORT):
                continue # the neighbour's, whose last acknowledgement may come at any time
            if destination != PROXY or frame[23] != 6 or not 1080 <= port < 1100:
                found.append((destination, frame[23], port, frame[14:40].hex()))


def dns_query(name, number=0x1234):
    labels = b"".join(bytes([len(p)]) + p.encode() for p in name.split("."))
    return struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def dns_answer(query, n):
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([192, 0, 2, 7])
    return query[:2] + struct.pack(">HHHHH", 0x8180, 1, n, 0, 0) + query[12:] + record * n


class Box:
    def __init__(self, node, name, project=harness.PROJECT):
        self.node, self.name, self.id = node, name, node.new_id()
        self.do("container.create", image=harness.IMAGE, name=name, project_id=project)

    def do(self, op, **params):
        report = self.node.do(op, self.id, **params)
        if report["state"] != "succeeded":
            raise harness.Failure(report)
        return report

    def ns(self):
        return netns.Namespace(os.open(f"/proc/{self.pid()}/ns/net", os.O_RDONLY))

    def pid(self):
        return host.init_of(self.node.prefix, self.id)

    def socket(self, kind=socket.SOCK_STREAM, timeout_s=3):
        with self.ns():
            s = socket.socket(socket.AF_INET, kind)
        s.settimeout(timeout_s * SLOW)
        return s

    def says(self, data=b"hello", address=FAR, port=80, timeout_s=3):
        """What comes back of it, or how that failed."""
        s = self.socket(timeout_s=timeout_s)
        try:
            s.connect((address, port))
            s.sendall(data)
            return s.recv(1000)
        except OSError as e:
            return type(e).__name__
        finally:
            s.close()

    def asks(self, name, server="8.8.8.8", tcp=False, timeout_s=3):
        query = dns_query(name)
        s = self.socket(socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM, timeout_s)
        try:
            s.connect((server, 53)) # an answer from elsewhere is not taken
            s.send(struct.pack(">H", len(query)) + query if tcp else query)
            return s.recv(4096)[2 if tcp else 0:]
        except OSError as e:
            return type(e).__name__
        finally:
            s.close()

    def network(self):
        return local.Local(self.node).do("GET", f"/containers/{self.id}/network")

    def problem(self):
        n = self.network()
        return n["last_error"] if n["status"] == "error" else None


def tries(box):
    """All ways out that a container might try, none of which is TCP or DNS."""
    box.says(b"x", address=PROXY, port=9, timeout_s=0.2)
    with box.ns():
        for make in (lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                     lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
                     lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)):
            s = make()
            for port in (53 if s.type != socket.SOCK_RAW else 0, 123, 443, 853, 5353):
                for address in ((FAR, DNS, PROXY, "10.88.0.1", "169.254.169.254", "224.0.0.251",
                                 "255.255.255.255") if s.family == socket.AF_INET else
                                ("2001:db8::1", "ff02::fb%eth0")):
                    try:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                        if s.type == socket.SOCK_RAW or port != 53:
                            s.sendto(b"\x08\0\xf7\xff\0\0\0\0", (address, port))
                    except OSError:
                        pass
            s.close()


def configured(box, url, kind=None, **more):
    return box.do("network.configure", type=kind or url.split(":")[0], proxy=url, dns_servers=[DNS], **more)["result"]


def bulk(box, half_closed, n=48 << 20):
    """Bytes both ways, with a half-closed connection between, maybe: a rate, or what went wrong."""
    s = box.socket(timeout_s=20)
    data, begin = os.urandom(1 << 20), time.monotonic()
    s.connect((FAR, 81))
    s.sendall(struct.pack(">Q", 0 if half_closed else n))
    h = hashlib.sha256()
    for _ in range(n >> 20):
        s.sendall(data)
        h.update(data)
    if half_closed:
        s.shutdown(socket.SHUT_WR)
    got = bytearray()
    while chunk := s.recv(1 << 20):
        got += chunk
    s.close()
    if len(got) != n + 32 or bytes(got[:32]) != h.digest():
        return f"{len(got)} of {n + 32} bytes came back"
    return 2 * n / (time.monotonic() - begin)


def half_closed(box, n):
    """How many of n bytes come to a client that has ended its own side, how that ends, and after how long."""
    s, got, begin = box.socket(timeout_s=60), b"", time.monotonic()
    s.connect((FAR, 84))
    s.sendall(b"%d" % n)
    s.shutdown(socket.SHUT_WR)
    try:
        while data := s.recv(100):
            got += data
        end = "end"
    except OSError as e:
        end = type(e).__name__
    s.close()
    return len(got), end, time.monotonic() - begin


def through_tls(node, box, world, proxy):
    """An https proxy hears nothing of a client's end: it is given up when it has been silent for a while."""
    (pid,) = node.forwarders()
    held = lambda: len(os.listdir(f"/proc/{pid}/fd"))
    tap.eq(box.says(), b"hello", "it connects")
    before = held()
    tap.eq({box.says() for _ in range(CONNECTIONS)}, {b"hello"}, f"{CONNECTIONS} connections that their client closes")
    begin = time.monotonic()
    tap.ok(host.poll(lambda: held() <= before, 60), "are closed at the proxy, too", (before, held()))
    tap.ok(time.monotonic() - begin < CLOSED_S, "and soon", f"{time.monotonic() - begin:.0f} s")
    ended = {}
    threads = [threading.Thread(target=lambda n=n: ended.update({n: half_closed(box, n)})) for n in (0, TICKS)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    through(node, box, world, proxy)
    for t in threads:
        t.join()
    tap.eq(ended[TICKS][:2], (TICKS, "end"), f"half-closed: all comes, for {ended[TICKS][2]:.0f} s")
    tap.eq(ended[0][:2], (0, "ConnectionResetError"),
           f"and of who is silent for {ended[0][2]:.0f} s a reset: it may not have been all")


def direct(box, world):
    tap.eq(box.says(), b"hello", "direct networking")
    tap.ok(world.leaks(), "of which the capture sees the packets")
    tap.eq(box.network()["configured"], False, "nothing is configured")


def on(node, box, world, proxy, log):
    """Switched on under a live stream."""
    live, pid = box.socket(), box.pid()
    live.connect((FAR, 80))
    live.sendall(b"a")
    live.recv(1)
    shown = configured(box, proxy.url(), country="NL")
    tap.eq((shown["type"], shown["proxy"], shown["credentials_configured"], shown["status"], shown["country"]),
           ("socks5", f"socks5://{PROXY}:{proxy.port}", True, "configured", "NL"),
           "configured, without the credentials")
    live.sendall(b"b")
    tap.eq(live.recv(1), b"b", "that alone changes nothing")
    started = box.do("network.start")["result"]
    tap.eq((started["status"], started["is_running"]), ("running", True), "started")
    time.sleep(0.1)
    world.leaks()
    try:
        live.sendall(b"c")
        cut = live.recv(1) != b"c"
    except OSError:
        cut = True
    tap.ok(cut, "a connection from before is cut")
    tap.eq(world.leaks(), [], "and no packet of it goes out")
    tap.eq(box.pid(), pid, "the container runs on")
    tap.ok(proxies.PASSWORD not in log() and "pa55" not in log(), "the log knows no password")


def through(node, box, world, proxy):
    """What works, through any kind."""
    kind = type(proxy).__name__
    world.seen.clear()
    world.asked.clear()
    tap.eq(box.says(b"through"), b"through", f"{kind}: TCP")
    tap.eq(set(world.seen), {FAR} if world.seen and world.seen[0] == FAR else {PROXY}, f"{kind}: as the proxy's own")
    answer = box.asks("some.example")
    tap.ok(answer[-4:] == bytes([192, 0, 2, 7]) and answer[:2] == b"\x12\x34",
           f"{kind}: DNS over UDP, from the address that was asked", answer)
    tap.eq(
        box.asks("tcp.example", "9.9.9.9", tcp=True)[-4:], bytes([192, 0, 2, 7]),
        f"{kind}: DNS over TCP, whomever it asks")
    tap.eq(len(world.asked), 2, f"{kind}: both were asked of the configured server")
    truncated = box.asks("big.example")
    tap.ok(len(truncated) == 29 and truncated[2] & 2, f"{kind}: too long for UDP: truncated", truncated)
    half = kind == "Dante" # microsocks and tinyproxy end a connection when one side does; TLS can't
    rate = bulk(box, half)
    tap.ok(isinstance(rate, float),
           f"{kind}: 48 MB each way, whole" + (", the first half closed before the second" if half else ""), rate)
    if isinstance(rate, float):
        tap.figure(f"{kind}: {rate / 1e6:.0f} MB/s")
    many = [box.socket() for _ in range(60)]
    for i, s in enumerate(many):
        s.connect((FAR, 80))
        s.sendall(b"%d" % i)
    tap.eq([s.recv(10) for s in many], [b"%d" % i for i in range(60)], f"{kind}: 60 connections at once")
    for s in many:
        s.close()
    tries(box)
    tap.eq(world.leaks(), [], f"{kind}: nothing else went out")
    tap.eq((box.network()["status"], box.network()["last_error"]), ("running", None), f"{kind}: its status")


def answers_once(box):
    """A name server that closes each connection after one answer, and many who ask at once."""
    asking = [box.socket(socket.SOCK_DGRAM) for _ in range(QUERIES)]
    for i, s in enumerate(asking):
        s.connect(("8.8.8.8", 53))
        s.send(dns_query(f"once.{i}.example"))
    tap.eq([s.recv(4096)[-4:] for s in asking], [bytes([192, 0, 2, 7])] * QUERIES,
           "a name server that answers one query per connection: all are answered")
    for s in asking:
        s.close()


def confined(node):
    (pid,) = node.forwarders()
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    tap.ok("Uid:\t0" not in status and "CapEff:\t0000000000000000" in status and "NoNewPrivs:\t1" in status,
           "the forwarder is nobody", status)
    tap.ok(harness.SANITIZED or "Seccomp:\t2" in status, "behind a filter")
    tap.eq(
        pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text().strip(), "0",
        "and no more protected from the OOM killer than others")
    tap.ok(
        "pa55"
        not in pathlib.Path(f"/proc/{pid}/cmdline").read_text() + pathlib.Path(f"/proc/{pid}/environ").read_text(),
        "its command line knows no password")
    port = json.loads(next((node.directory / "run/netproxy").glob("*.json")).read_text())["port"]
    with socket.create_connection(("127.0.0.1", port), 2) as s:
        s.settimeout(2 * SLOW)
        try:
            said = s.recv(1)
        except ConnectionResetError:
            said = b""
        tap.eq(said, b"", "it serves its container, and no process of the host")
    tap.figure(
        "a forwarder has "
        f"{[int(line.split()[1]) for line in status.splitlines() if line.startswith('VmRSS')][0] / 1024:.1f} MiB "
        "resident"
    )


def odd_host(box, other):
    """What others set for the whole host: wg-quick(8) the first, when all goes through its tunnel."""
    here = netns.Namespace.current()
    for key, value in (("conf__all__arp_ignore", 2), ("conf__all__src_valid_mark", 1), ("tcp_fwmark_accept", 1)):
        here.sysctl(**{f"ipv4__{key}": value})
        for b in (box, other):
            b.ns().ip("neigh flush dev eth0" + " nud all" * (value == 1)) # then it has to ask for the gateway
        tap.eq((box.says(), box.asks("odd.example")[-4:], other.says(port=DIRECT_PORT)),
               (b"hello", bytes([192, 0, 2, 7]), b"hello"),
               f"{key}={value}: both go on, the proxied and the direct one")
        here.sysctl(**{f"ipv4__{key}": 0})


def address_of(box):
    return box.ns().ip("-4 -o addr show eth0").stdout.split()[3].split("/")[0]


def comes_in(box, other, world, mode):
    """Who comes from elsewhere is answered, and not by the forwarder."""
    address = address_of(box)
    with box.ns():
        server = socket.create_server(("0.0.0.0", 8080))
    server.settimeout(2 * SLOW)
    world.ns.ip(f"route add {address}/32 via {UPLINK}")
    with world.ns:
        beyond = socket.socket()
    for who, s in (("another container", other.socket()), ("the world", beyond), ("the host", socket.socket())):
        s.settimeout(2 * SLOW)
        try:
            s.connect((address, 8080))
            with server.accept()[0] as peer:
                peer.sendall(b"in")
                said = s.recv(2)
        except OSError as e:
            said = type(e).__name__
        tap.eq(said, b"in", f"{mode}: {who} comes in and is answered")
        s.close()
    server.close()
    world.ns.ip(f"route del {address}/32")


def forbidden(box, world):
    """Egress rules cut what the forwarder has as well, though it is the forwarder that goes on."""
    with world.ns:
        server = socket.create_server((FAR, 82))
    with server, box.socket(timeout_s=0.5) as s:
        s.connect((FAR, 82))
        with server.accept()[0] as far:
            far.sendall(b"1")
            tap.eq(s.recv(1), b"1", "a proxied connection whose server speaks")
            box.do("firewall.replace", egress=[{"action": "drop", "protocol": "tcp", "destination_port": "82"},
                                               {"action": "allow", "protocol": "tcp"}])

            def is_cut():
                try:
                    far.sendall(b"2")
                    return s.recv(1) != b"2"
                except OSError:
                    return True

            tap.ok(host.poll(is_cut, 3), "is cut when a rule forbids it")
    box.do("firewall.reset")


def dead(node, box, world, proxy):
    """The upstream ends, and comes back."""
    live = box.socket()
    live.connect((FAR, 80))
    live.sendall(b"a")
    live.recv(1)
    world.leaks()
    proxy.stop()
    try:
        tap.eq(live.recv(1), b"", "the upstream is killed: its connections end")
    except OSError as e:
        tap.ok(isinstance(e, ConnectionResetError), "the upstream is killed: its connections end", e)
    tap.eq(box.says(timeout_s=2), "ConnectionResetError", "new ones are reset")
    tap.ok(box.asks("dead.example", timeout_s=5)[3] & 15 == 2, "names are not resolved: server failure")
    tries(box)
    tap.eq(world.leaks(), [], "nothing goes around it")
    tap.ok(host.poll(lambda: box.problem(), 5), "its status is error, and says what", box.network())
    tap.ok("Couldn't connect" in (box.problem() or "") or "connect to" in (box.problem() or ""), "in words",
           box.problem())
    tap.eq(box.network()["remote_status"]["is_running"], False, "it does not run")
    proxy.start()
    tap.ok(host.poll(lambda: box.says() == b"hello", 10), "it is back")
    tap.ok(host.poll(lambda: box.network()["status"] == "running", 5), "and so is its status", box.network())
    events = [r["event"] for r in node.reports(kind="network") if r["container_id"] == box.id]
    tap.ok("failed" in events and "running" in events, "both were reported", events)


def stopped_upstream(box, world, proxy):
    proxy.signal(signal.SIGSTOP)
    tap.eq(box.says(timeout_s=1), "TimeoutError", "the upstream is frozen: silence")
    tap.eq(world.leaks(), [], "nothing goes around it")
    proxy.signal(signal.SIGCONT)
    tap.ok(host.poll(lambda: box.says() == b"hello", 10), "it goes on")


def named(node, box, world, proxy, dns):
    """The upstream's name is looked up by the forwarder, who finds out without any traffic what is wrong with it."""
    url = lambda name: f"socks5://{proxies.ENCODED}@{name}:{proxy.port}"
    state = lambda: tuple(box.network()[k] for k in ("status", "last_error_code", "last_error"))
    names.write_hosts({"of-hosts.hoody.test": PROXY})
    leaves = node.directory / "run/names/hosts" # a copy that follows, in its time
    tap.ok(host.poll(lambda: "of-hosts" in leaves.read_text(), 10), "leaves have hosts as it is now")
    dns.records.update({"of-dns.hoody.test": PROXY, "mute.hoody.test": None})
    for name in ("of-hosts", "of-dns"):
        configured(box, url(f"{name}.hoody.test"))
        box.do("network.stop")
        box.do("network.start")
        tap.eq(box.says(), b"hello", f"a proxy's name, {name}: it works")
        tap.ok(host.poll(lambda: state() == ("running", None, None), 5), f"{name}: its status", state())
    tap.ok("of-dns.hoody.test" in dns.asked and "of-hosts.hoody.test" not in dns.asked,
           "the configured name server was asked for what hosts doesn't have", dns.asked)
    for name, why in (("later.hoody.test", "isn't known"), ("mute.hoody.test", "is answered by nobody")):
        configured(box, url(name))
        box.do("network.start")
        wanted = ("error", "PROXY_NAME_NOT_RESOLVED", f"the proxy's name {name} can't be resolved")
        tap.ok(host.poll(lambda: state() == wanted, 20 * SLOW),
               f"a name that {why}: its status says so, without traffic", state())
        reported = lambda: [
            r["data"]["last_error"] for r in node.reports(kind="network")
            if (r["event"], r["container_id"], r["data"].get("last_error_code")) == ("failed", box.id, wanted[1])
        ]
        tap.ok(host.poll(lambda: wanted[2] in reported(), 5 * SLOW), "and is reported", reported())
        world.leaks()
        tap.ok(box.says(timeout_s=5) in ("ConnectionResetError", "TimeoutError"), "no connection")
        tap.eq(world.leaks(), [], "and nothing goes around")
        tap.eq(state(), wanted, "the status stays")
        dns.records[name] = PROXY
        tap.ok(host.poll(lambda: state() == ("running", None, None), 40 * SLOW),
               "when it is known, the status is right again, without traffic", state())
        tap.eq(box.says(), b"hello", "and it works")
    renamed(node, box, world, dns, url, state)


def renamed(node, box, world, dns, url, state):
    """The host's files change under a forwarder that runs: it is the same one, and its connections stay."""
    name = "moves.hoody.test"
    configured(box, url(name))
    names.write("resolv.conf", "")
    box.do("network.start")
    tap.ok(host.poll(lambda: state()[1] == "PROXY_NAME_NOT_RESOLVED", 20 * SLOW),
           "without a name server the proxy is not found", state())
    forwarder = node.forwarders()
    dns.records[name] = PROXY
    names.write("resolv.conf", dns.conf)
    tap.ok(host.poll(lambda: state() == ("running", None, None), 10 * SLOW), "resolv.conf is written: it is", state())
    with box.socket() as kept:
        kept.connect((FAR, 80))
        names.write_hosts({name: FAR})
        tap.ok(host.poll(lambda: box.says(timeout_s=2) != b"hello", 20 * SLOW),
               "hosts says otherwise: the next connections go there")
        names.write_hosts({name: PROXY})
        tap.ok(host.poll(lambda: box.says(timeout_s=2) == b"hello", 20 * SLOW), "and back again")
        kept.sendall(b"still")
        tap.eq(kept.recv(16), b"still", "a connection that was there stays")
    world.leaks() # what went where hosts said
    tap.eq(node.forwarders(), forwarder, "it was the same forwarder all the time")


def senseless(box, world):
    for i, kind in enumerate(("hang", "garbage", "slow", "close")):
        for scheme in ("socks5", "http", "https"):
            p = proxies.Pretender(world.ns, PROXY, 1090 + i, kind)
            configured(box, p.url(scheme))
            box.do("network.start")
            world.leaks()
            said = box.says(timeout_s=0.7)
            box.asks("senseless.example", timeout_s=0.2)
            tries(box)
            tap.ok(said in ("TimeoutError", "ConnectionResetError") or said == b"", f"{scheme}, {kind}: no connection",
                   said)
            tap.eq(world.leaks(), [], f"{scheme}, {kind}: nothing goes around it")
            p.stop()


def survives(node, box, world):
    """The agent is restarted; the forwarder is killed."""
    (before,) = node.forwarders()
    live = box.socket()
    live.connect((FAR, 80))
    world.leaks()
    for how in ("stop", "kill"):
        node.stop_agent(signal.SIGKILL if how == "kill" else signal.SIGTERM)
        live.sendall(b"x")
        tap.eq(live.recv(1), b"x", f"agent gone ({how}): a connection goes on")
        tap.eq(box.says(), b"hello", "and new ones are made")
        node.start_agent()
        tap.eq(node.forwarders(), [before], "the next agent finds the forwarder")
        live.sendall(b"y")
        tap.eq(live.recv(1), b"y", "undisturbed")
        tap.ok(host.poll(lambda: box.network()["status"] == "running", 5), "and its status", box.network())
    os.kill(before, signal.SIGKILL)
    tries(box)
    said = box.says(timeout_s=0.3)
    tap.ok(said in (b"hello", "ConnectionRefusedError", "ConnectionResetError", "TimeoutError"),
           "the forwarder is killed", said)
    tap.ok(host.poll(lambda: node.forwarders() and before not in node.forwarders(), 10), "it is started again")
    tap.ok(host.poll(lambda: box.says() == b"hello", 10), "and works")
    tap.eq(world.leaks(), [], "nothing went around it meanwhile")
    os.kill(node.forwarders()[0], signal.SIGSTOP)
    tap.eq(box.says(timeout_s=0.5), "TimeoutError", "frozen, it lets nothing through")
    node.stop_agent()
    node.start_agent()
    tap.eq(world.leaks(), [], "nor around")
    os.kill(node.forwarders()[0], signal.SIGCONT)
    tap.ok(host.poll(lambda: box.says() == b"hello", 10), "it goes on")


def without_certificates(node, box, world, ca):
    """The agent starts while ProxyCaFile is away: the container is closed, until a SIGHUP finds it again."""
    text = ca.read_text()
    node.stop_agent()
    ca.unlink()
    node.start_agent()
    tap.ok(box.says(timeout_s=0.3) != b"hello" and world.leaks() == [], "ProxyCaFile is away: nothing goes out")
    ca.write_text(text)
    node.agent.send_signal(signal.SIGHUP)
    tap.ok(host.poll(lambda: box.says(timeout_s=1) == b"hello", 10), "it is back, and said so: proxied again",
           node.log_tail())
    tap.eq(world.leaks(), [], "and nothing went around")


def many_authorities(node, box, ca, tls):
    """A proxy that none of them vouches for gets nothing; and a connection costs the same whether ProxyCaFile names one
    authority or as many as a system has."""
    def cost():
        box.do("network.start")
        tap.ok(host.poll(lambda: box.says(timeout_s=2) == b"hello", 10 * SLOW), "it connects")
        (pid,) = node.forwarders()
        ran = lambda: int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0])
        before = ran()
        said = [box.says(timeout_s=5 * SLOW) for _ in range(CONNECTIONS)]
        tap.eq(set(said), {b"hello"}, f"{CONNECTIONS} connections")
        return (ran() - before) / CONNECTIONS / 1e6

    configured(box, tls.url())
    one, text, others = cost(), ca.read_text(), proxies.authorities(node.directory, AUTHORITIES)
    ca.write_text(others)
    box.do("network.start")
    tap.ok(host.poll(lambda: box.says(timeout_s=2) != b"hello" and "certificate" in str(box.problem()), 10 * SLOW),
           "none of them vouches for it: no connection, and a fault that says so", box.network())
    ca.write_text(text + others)
    many = cost()
    tap.ok(many < 3 * one, "each costs the forwarder as much with many authorities as with one",
           f"{one:.2f} ms of the processor, {many:.2f} with {AUTHORITIES} more")
    ca.write_text(text)


def of_the_system(node, box, ca, tls):
    """Without ProxyCaFile the system's authorities are asked, as they are when a proxy is configured."""
    text, others = ca.read_text(), proxies.authorities(node.directory, 1)
    names.own_file(SYSTEM_CA, others)
    box.do("network.stop")
    node.stop_agent()
    del node.conf["Network"]["ProxyCaFile"]
    node.start_agent()
    configured(box, tls.url())
    box.do("network.start")
    tap.ok(host.poll(lambda: box.says(timeout_s=2) != b"hello" and "certificate" in str(box.problem()), 10 * SLOW),
           "the system vouches for somebody else: no connection", box.network())
    (pid,) = node.forwarders()
    SYSTEM_CA.write_text(text + others)
    box.do("network.configure", type="https", proxy=tls.url(), dns_servers=[DNS, FAR])
    box.do("network.start")
    tap.ok(host.poll(lambda: box.says(timeout_s=2) == b"hello", 10 * SLOW), "then for this one: it connects")
    tap.eq(node.forwarders(), [pid], "by the same forwarder")


def block(node, box, other, world):
    box.do("network.configure", type="block")
    box.do("network.start")
    world.leaks()
    tap.eq(box.says(timeout_s=0.5), "TimeoutError", "block: no TCP")
    tap.eq(box.asks("blocked.example", timeout_s=0.5), "TimeoutError", "no DNS")
    gateway = box.asks("blocked.example", "169.254.1.1", timeout_s=0.5)
    tap.eq(gateway, "TimeoutError", "not the host's either")
    tries(box)
    tap.eq(world.leaks(), [], "nothing goes out")
    tap.eq(node.forwarders(), [], "no forwarder is needed")
    comes_in(box, other, world, "block")


def lifecycle(node, box, world, proxy):
    configured(box, proxy.url())
    box.do("network.start")
    for op in ("container.restart", "container.stop", "container.start"):
        box.do(op)
        if op == "container.stop":
            tap.eq((node.forwarders(), box.network()["remote_status"]["is_running"]), ([], False),
                   "a stopped container has no forwarder")
            continue
        world.leaks()
        tap.ok(host.poll(lambda: box.says() == b"hello", 5), f"{op}: it is proxied again")
        tap.eq(world.leaks(), [], "from its first packet on")
    pid = box.pid()
    tap.eq(box.do("network.stop")["result"]["status"], "stopped", "network.stop")
    tap.eq((box.says(), box.pid()), (b"hello", pid), "direct networking, and the container runs on")
    tap.ok(world.leaks(), "as the capture sees")
    tap.eq(node.forwarders(), [], "the forwarder is gone")
    configured(box, f"socks5://{PROXY}:{proxy.port}")
    box.do("network.start")
    tap.eq(box.says(), b"hello", "the same endpoint without credentials keeps them")
    tap.eq(box.do("network.remove")["result"]["configured"], False, "network.remove")
    tap.eq(node.do("network.start", box.id)["error"]["code"], "NETWORK_NOT_CONFIGURED", "nothing is configured then")
    tap.eq(box.says(), b"hello", "direct networking")


def direct_again(box, world, proxy):
    """Of a flow that its forwarder had, conntrack knows that it is not masqueraded."""
    with world.ns:
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((DNS, 53))
    server.settimeout(1 * SLOW)
    for op in ("network.stop", "network.remove"):
        configured(box, proxy.url())
        box.do("network.start")
        with box.socket(socket.SOCK_DGRAM) as s:
            s.connect((DNS, 53))
            s.send(dns_query("before.example"))
            tap.ok(s.recv(4096), "a query by the forwarder")
            box.do(op)

            def goes_out_as():
                s.send(dns_query("after.example"))
                return server.recvfrom(4096)[1][0]

            tap.ok(host.poll(lambda: goes_out_as() == UPLINK, 3), f"{op}: its next one has the host's address")
    server.close()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    if proxies.missing():
        tap.skip_all("not installed: " + ", ".join(proxies.missing()))
    names.own()
    dns = names.Dns()
    world = World()
    ca = pathlib.Path("/tmp") / f"hoody-t{os.getpid()}-ca.pem"
    ca.write_text("")
    try:
        with harness.Node(conf={"Network": {"ProxyCaFile": str(ca)}}) as node:
            play(node, world, ca, dns)
            tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
    finally:
        ca.unlink()
    tap.done()


def play(node, world, ca, dns):
    box, other = Box(node, "alpha"), Box(node, "beta")
    upstream = []
    try:
        upstream.append(socks := proxies.Microsocks(world.ns, node.directory, PROXY, 1080))
        upstream.append(tls := proxies.Stunnel(world.ns, node.directory, PROXY, 1083))
        ca.write_text((tls.directory / "server.pem").read_text())
        direct(box, world)
        on(node, box, world, socks, lambda: node.log.read_text())
        through(node, box, world, socks)
        answers_once(box)
        confined(node)
        world.seen.clear()
        tap.eq((other.says(port=DIRECT_PORT), world.seen), (b"hello", [UPLINK]), "another container is direct")
        odd_host(box, other)
        comes_in(box, other, world, "proxied")
        forbidden(box, world)
        dead(node, box, world, socks)
        stopped_upstream(box, world, socks)
        named(node, box, world, socks, dns)
        configured(box, socks.url())
        box.do("network.start")
        survives(node, box, world)
        without_certificates(node, box, world, ca)
        senseless(box, world)
        for kind, port in ((proxies.Dante, 1081), (proxies.Tinyproxy, 1082)):
            upstream.append(kind(world.ns, node.directory, PROXY, port))
        upstream.append(tls)
        for proxy in upstream[2:]:
            configured(box, proxy.url())
            box.do("network.start")
            world.leaks()
            (through_tls if proxy is tls else through)(node, box, world, proxy)
        many_authorities(node, box, ca, tls)
        of_the_system(node, box, ca, tls)
        configured(box, f"socks5://{proxies.USER}:wrong@{PROXY}:1080")
        box.do("network.start")
        tap.eq(box.says(), "ConnectionResetError", "wrong credentials: reset")
        tap.ok(host.poll(lambda: box.problem(), 5), "and a fault that says so", box.network())
        tap.ok("pa55" not in str(box.network()) and "wrong" not in str(box.network()), "without them")
        block(node, box, other, world)
        lifecycle(node, box, world, socks)
        direct_again(box, world, socks)
        for b in (box, other):
            b.do("container.delete", force=True)
    finally:
        for p in upstream:
            p.stop()


main()
