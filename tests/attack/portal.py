#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A portal that was taken over orders in the name of nobody who asked: it passes the listening socket, sockets of its
own, among them one with the local socket's name whose other end is a server of root's, and a kept duplicate of root's
connection after root has left. None of it is executed. A taken-over portal of the metrics, whose requests are numbered
like the local one's, ends nobody's event stream. And one that was not is kept from nobody by those who hold as many
connections as there can be. This file is also that portal, when the agent starts it as one."""
import array
import json
import os
import pathlib
import signal
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import frames

TRIES = 20
IDS = 200 # as many as are ever open
SETUP_FRAME_MAX = 64
CROWD = 450 # libmicrohttpd is given 200
LEAVERS = 60 # as many streams as there are, nearly
ROUNDS = 3
READY, ANSWER, REQUEST, GONE = 0x0481, 0x0402, 0x0482, 0x0483


def publish(place, what):
    (place / "said.new").write_text(json.dumps(what))
    (place / "said.new").rename(place / "said")


class TakenOver:
    def __init__(self, channel, listening, place):
        self.channel, self.listening, self.place, self.serial, self.kept = channel, listening, place, 0, []

    def order(self, fd, alias):
        """The HTTP status with which the agent answers a project's order on this connection."""
        return self.ask(fd, "POST", {}, {"alias": alias})

    def ask(self, fd, method, query, body=None):
        self.serial += 1
        body = json.dumps({
            "method": method, "path": ["api", "v1", "projects"], "query": query, "async": False, "stream": False,
            "body": body
        }).encode()
        memfd = frames.sealed(body)
        socket.send_fds(self.channel, [frames.pack(REQUEST, len(body), ident=self.serial)], [memfd, fd])
        os.close(memfd)
        while (frame := frames.recv(self.channel)) and frame[0] != ANSWER:
            pass
        return frame[1] if frame else 0

    def attack(self):
        client, _ = self.listening.accept()
        client.recv(65536)
        if (self.place / "said").exists():
            publish(self.place, {"odd": os.getpid()})
            self.ask(client.fileno(), "GET", {"page": 5})
            return
        honest = self.order(client.fileno(), "honest")
        client.send(b"seen")
        while client.recv(65536): # until root leaves
            pass
        pair, datagrams = socket.socketpair(), socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        named, unnamed = self.connected(), self.connected(False)
        kinds = {
            "listening": self.listening.fileno(), "left": client.fileno(), "pair": pair[0].fileno(),
            "datagram": datagrams[0].fileno(), "channel": self.channel.fileno(),
            "null": os.open("/dev/null", os.O_RDWR), "named": named.fileno(),
            "unnamed": unnamed.fileno()
        }
        publish(self.place, {
            "honest": honest,
            **{name: [self.order(fd, f"{name}{i}") for i in range(TRIES)] for name, fd in kinds.items()}
        })
        self.channel.recv(1)

    def connected(self, named=True):
        """To a server of root's, and bound to the listening socket's name, as others can in namespaces of their own."""
        server, s = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        server.bind(str(self.place / f"server{named}"))
        server.listen(1)
        if named:
            name = self.listening.getsockname()
            os.rename(name, name + ".aside")
            s.bind(name)
            os.rename(name + ".aside", name)
        s.connect(server.getsockname())
        self.kept.append(server.accept())
        return s

    def end_streams(self):
        for ident in range(1, IDS + 1):
            self.channel.send(frames.pack(GONE, ident=ident))
        publish(self.place, IDS)
        self.channel.recv(1)


def be_portal(place, honest):
    """As the local socket's or the metrics' portal; where @honest is a program, it is the local one."""
    channel = socket.socket(fileno=3)
    channel.setblocking(True)
    _, [(_, _, fd)], _, _ = channel.recvmsg(SETUP_FRAME_MAX, socket.CMSG_SPACE(4), socket.MSG_PEEK)
    listening = socket.socket(fileno=array.array("i", fd)[0])
    listening.setblocking(True)
    is_local = listening.family == socket.AF_UNIX
    if is_local and honest:
        channel.setblocking(False)
        listening.setblocking(False)
        os.set_inheritable(3, True)
        os.execv(honest, [honest, *sys.argv[1:]])
    frames.recv(channel)
    frames.send(channel, READY)
    portal = TakenOver(channel, listening, place)
    if is_local:
        portal.attack()
    else:
        while True:
            listening.accept()[0].close() # one knock, when the stream is there
            if (place / "go").exists():
                break
        portal.end_streams()


def with_portal(node, honest):
    """The agent's programs, with ours as the portal."""
    place = beside.make(node, "hoody-portal")
    (place / "hoody-portal").write_text("#!/usr/bin/python3\nimport pathlib, sys\nsys.dont_write_bytecode = True\n"
                                        f"sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\nimport portal\n"
                                        f"portal.be_portal(pathlib.Path({str(place)!r}), {honest!r})\n")
    (place / "hoody-portal").chmod(0o755)
    node.program = place / "hoody-agent"
    return place


def nobody_asked():
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        place = with_portal(node, None)
        node.start_agent()
        with socket.socket(socket.AF_UNIX) as root:
            root.connect(str(node.directory / "run" / "debug.sock"))
            root.send(b"hello")
            root.recv(4)
        host.poll((place / "said").exists, 30 * harness.SLOW)
        said = json.loads((place / "said").read_text())
        tap.ok(200 <= said.pop("honest") < 300, "while root is there, its connection orders")
        for name, answers in said.items():
            done = sum(200 <= a < 300 for a in answers)
            tap.eq((done, len(answers)), (0, TRIES), f"a portal that passes \"{name}\" orders nothing")
            tap.figure(f"portal, {name}: {done} of {len(answers)} orders were executed")
        says_what_no_portal_says(node, place)


def says_what_no_portal_says(node, place):
    """A query whose values are no texts ended the agent once."""
    for pid in host.children(node.agent_pid(), "hoody-portal"):
        os.kill(pid, signal.SIGKILL)
    with socket.socket(socket.AF_UNIX) as root:
        root.connect(str(node.directory / "run" / "debug.sock"))
        root.send(b"hello")
        asks = host.poll(lambda: json.loads((place / "said").read_text()).get("odd"), 30 * harness.SLOW)
        gone = host.poll(lambda: node.agent.poll() is not None or not host.is_alive(asks), 5 * harness.SLOW)
    tap.eq((bool(gone), node.agent.poll()), (True, None),
           "a portal that asks what no portal does is ended, and the agent goes on")


def with_metrics():
    """A free port, and the configuration of a node that serves its metrics there."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return port, {**harness.STANDALONE, "Metrics": {"Listen": f"127.0.0.1:{port}"}}


def anothers_stream():
    port, conf = with_metrics()
    with harness.Node(start=False, conf=conf) as node:
        place = with_portal(node, str(harness.BUILD / "agent/hoody-portal"))
        node.start_agent()
        api = local.Local(node, 5 * harness.SLOW)
        stream = api.stream("/events")
        (place / "go").touch()
        with socket.create_connection(("127.0.0.1", port)) as knock:
            knock.recv(1)
        host.poll((place / "said").exists, 30 * harness.SLOW)
        project = api.do("POST", "/projects/", {"alias": "seen"})["id"]
        api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": "seen"})
        try:
            got = next(iter(stream), None)
        except TimeoutError:
            got = None
        stream.close()
        tap.ok(got, f"a portal of the metrics that ends {IDS} numbers ends no stream of the local API", node.log_tail())
        tap.figure(f"portal, numbers of another's: {0 if got else 1} of 1 streams ended in {IDS} tries")


class Crowd:
    """As many connections as it takes, and more, that each have said the same and don't read."""

    def __init__(self, connect, says, n=CROWD):
        self.connect, self.says, self.held = connect, says, []
        for _ in range(n):
            self.one_more()

    def one_more(self):
        s = self.connect()
        s.settimeout(5 * harness.SLOW)
        try:
            s.sendall(self.says)
        except OSError:
            pass # sent away already
        self.held.append(s)

    def close(self):
        for s in self.held:
            s.close()


def crowded():
    port, conf = with_metrics()
    with harness.Node(start=False, conf=conf) as node:
        node.start_agent()
        path = str(node.directory / "run" / "debug.sock")

        def by_path():
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            return s

        doors = {"Local.Socket": by_path, "Metrics.Listen": lambda: socket.create_connection(("127.0.0.1", port))}
        scrape, asked = b"GET /metrics HTTP/1.1\r\nHost: node\r\n", 0
        habits = {
            "say nothing": b"", "begin a request": scrape,
            "don't end its body": scrape + b"Content-Length: 10\r\n\r\n12345",
            "don't read what they asked for": (scrape + b"\r\n") * 50
        }
        for door, connect in doors.items():
            served = []
            for habit, says in habits.items():
                crowd = Crowd(connect, says)
                served.append((habit, answered(connect, scrape)))
                crowd.close()
            served.append(("come while it can't look", comes_with_others(node, connect, scrape)))
            asked += sum(good for _, good in served)
            tap.eq([habit for habit, good in served if not good], [],
                   f"{door}: whoever asks is answered, though {CROWD} others hold connections")
        after_leavers(by_path, scrape)
        followed(node, by_path)
        of = len(doors) * (len(habits) + 1)
        tap.figure(f"{asked} of {of} were answered beside {CROWD} connections that are held")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")


def comes_with_others(node, connect, request):
    """As it is where the processors have much else to do: the portal finds all of them at once."""
    portals = host.children(node.agent_pid(), "hoody-portal")
    for pid in portals:
        os.kill(pid, signal.SIGSTOP)
    try:
        crowd, last = Crowd(connect, b""), connect()
        asks(last, request)
    finally:
        for pid in portals:
            os.kill(pid, signal.SIGCONT)
    is_answered = gets_answer(last)
    crowd.close()
    last.close()
    return is_answered


def followed(node, connect):
    """Who follows events is not sent away for others."""
    api = local.Local(node)
    stream, crowd = api.stream("/events"), Crowd(connect, b"")
    project = api.do("POST", "/projects/", {"alias": "followed"})["id"]
    api.do("POST", f"/projects/{project}/containers", {"image": harness.IMAGE, "name": "followed"})
    tap.ok(next(iter(stream), None), "an event stream goes on meanwhile")
    crowd.close()
    stream.close()


def after_leavers(connect, request):
    """None of what somebody has asked for and left keeps a place of the portal's until a keep-alive, each 15 s."""
    good, begin = 0, time.monotonic()
    for _ in range(ROUNDS):
        for _ in range(LEAVERS):
            with connect() as s:
                s.settimeout(15 * harness.SLOW)
                s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: node\r\n"
                          b"Accept: text/event-stream\r\n\r\n")
                s.recv(1)
        crowd = Crowd(connect, b"")
        good += answered(connect, request)
        crowd.close()
    took = time.monotonic() - begin
    tap.ok(good == ROUNDS and took < 8 * harness.SLOW,
           f"whoever asks is answered at once after {LEAVERS} who left what they had asked for", good, took)
    tap.figure(f"{ROUNDS} rounds of {LEAVERS} who ask and leave took {took:.1f} s")


def answered(connect, request):
    with connect() as s:
        asks(s, request)
        return gets_answer(s)


def asks(s, request):
    s.sendall(request + b"Connection: close\r\n\r\n")


def gets_answer(s):
    """Within much less than the minute after which the portal lets idle ones go."""
    s.settimeout(15 * harness.SLOW)
    try:
        return s.recv(65536).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


if __name__ == "__main__":
    import beside
    import harness
    import host
    import local
    import tap

    nobody_asked()
    anothers_stream()
    crowded()
    tap.done()
