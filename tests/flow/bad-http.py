#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP's worst habits on the local socket: pipelining, one-byte writes, half-closed sockets, oversized and malformed
everything, slow and lost clients. Nothing malformed is done, nobody else is held up, and who may not ask is not
answered."""
import itertools
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

GET = b"GET /api/v1/ip HTTP/1.1\r\nHost: node\r\n\r\n"
PROJECT = b'{"alias":"smuggled"}'
NUMBERS = itertools.count()
SEED = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
NOISE = random.Random(SEED)


def post(headers, body=PROJECT, path=b"/api/v1/projects", version=b"HTTP/1.1"):
    """Each would make a project of its own."""
    return b"POST " + path + b" " + version + b"\r\nHost: node\r\n" + headers + b"\r\n" + body.replace(
        b"smuggled", b"smug%04d" % next(NUMBERS))


LENGTH = b"Content-Length: %d\r\n" % len(PROJECT)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"5\r\n" + PROJECT[:5] + b"\r\n%x\r\n" % (len(PROJECT) - 5) + PROJECT[5:] + b"\r\n0\r\n\r\n"

# Well-formed, if unusual: (name, bytes, status of the first answer).
GOOD = (
    ("a simple request", GET, 200),
    ("HTTP/1.0", b"GET /api/v1/ip HTTP/1.0\r\n\r\n", 200),
    ("a chunked body", post(CHUNKED, CHUNKS), 201),
    ("a chunked body with extensions", post(CHUNKED, CHUNKS.replace(b"5\r\n", b"5;x=y\r\n", 1)), 201),
    ("Expect: 100-continue", post(LENGTH + b"Expect: 100-continue\r\n"), 201),
    ("a body on GET", b"GET /api/v1/ip HTTP/1.1\r\nHost: node\r\nContent-Length: 2\r\n\r\n{}", 200),
    ("OPTIONS", b"OPTIONS /api/v1/ip HTTP/1.1\r\nHost: node\r\n\r\n", 405),
    ("a method nobody knows", b"BREW /api/v1/ip HTTP/1.1\r\nHost: node\r\n\r\n", 405),
    ("an escape", b"GET /api/v1/%69p HTTP/1.1\r\nHost: node\r\n\r\n", 200),
    ("an escaped stroke is no separator", b"GET /api%2fv1/ip HTTP/1.1\r\nHost: node\r\n\r\n", 404),
    ("dots are no way up", b"GET /api/v1/containers/../ip HTTP/1.1\r\nHost: node\r\n\r\n", 404),
    ("a path of nothing but strokes", b"GET " + b"/" * 500 + b" HTTP/1.1\r\nHost: node\r\n\r\n", 404),
    ("another base", b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", 404),
)
# Malformed: refused, or hung up on; never done.
BAD = (
    ("two Content-Lengths", post(b"Content-Length: 3\r\n" + LENGTH)),
    ("a negative Content-Length", post(b"Content-Length: -1\r\n")),
    ("a Content-Length that is none", post(b"Content-Length: 0x14\r\n")),
    ("an enormous Content-Length", post(b"Content-Length: 99999999999999999999\r\n")),
    ("a chunk size that is none", post(CHUNKED, b"zz\r\n" + PROJECT + b"\r\n0\r\n\r\n")),
    ("a chunk size without end", post(CHUNKED, b"ffffffffffffffffff\r\n")),
    ("no Host", b"POST /api/v1/projects HTTP/1.1\r\n" + LENGTH + b"\r\n" + PROJECT),
    ("no version", b"POST /api/v1/projects\r\n\r\n"),
    ("a version of the future", post(LENGTH, version=b"HTTP/9.9")),
    ("noise", NOISE.randbytes(400).replace(b"\n", b" ") + b"\r\n\r\n"),
    ("a word", b"word\r\n\r\n"),
    ("a line that begins with a NUL", b"\0 /api/v1/ip HTTP/1.1\r\n\r\n"),
    ("empty lines", b"\r\n\r\n"),
    ("half a line", b"GET /api"),
    ("half a header", GET[:-2]),
    ("an escape that is none", post(LENGTH, path=b"/api/v1/projects%zz")),
    ("an escaped NUL", post(LENGTH, path=b"/api/v1/projects%00")),
    ("an escape cut off", post(LENGTH, path=b"/api/v1/projects%2")),
    ("a path that is no UTF-8", post(LENGTH, path=b"/api/v1/%ff%fe/projects")),
    ("no JSON", post(b"Content-Length: 4\r\n", b"{no}")),
    ("two values", post(b"Content-Length: %d\r\n" % (len(PROJECT) * 2), PROJECT * 2)),
    ("a key twice", post(b"Content-Length: 27\r\n", b'{"alias":"a", "alias": "b"}')),
    ("deep nesting", post(b"Content-Length: 40000\r\n", b"[" * 20000 + b"]" * 20000)),
    ("a body that is too large", post(b"Content-Length: 2000000\r\n", b" " * 2000000)),
    ("a header that is too large", post(LENGTH + b"X: " + b"x" * 100_000 + b"\r\n")),
    ("too many headers", post(LENGTH + b"X-Y: z\r\n" * 20_000)),
    ("a URL that is too long", post(LENGTH, path=b"/api/v1/projects?" + b"x" * 100_000)),
)


class Client:
    def __init__(self, path, timeout_s=10):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout_s * harness.SLOW)
        self.sock.connect(str(path))

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass # refused before all was read

    def answers(self, most=1, timeout_s=10):
        """Statuses of the answers that come (100 Continue aside), until there are so many or it hangs up."""
        data, found = b"", []
        self.sock.settimeout(timeout_s * harness.SLOW)
        while len(found) < most:
            head, cut, rest = data.partition(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
            if cut and len(rest) >= length:
                status = int(head.split()[1])
                data = rest[length:]
                if status != 100:
                    found.append(status)
                continue
            try:
                part = self.sock.recv(65536)
            except OSError:
                part = b""
            if not part:
                break
            data += part
        return found

    def close(self):
        self.sock.close()


def once(path, data, then_close=False, **options):
    client = Client(path)
    client.send(data)
    if then_close: # no more will come: what is incomplete need not be waited for
        client.sock.shutdown(socket.SHUT_WR)
    got = client.answers(**options)
    client.close()
    return got


def rest_of(got):
    """What is behind the first whole answer in it; None: there is none yet, or it is the connection's last."""
    head, cut, rest = got.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = sum(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
    return rest[length:] if cut and len(rest) >= length and b"connection: close" not in lines else None


def everything(connect, data, answers=1):
    """What comes until there are so many answers; behind one that says that it is the last, until it hangs up."""
    with connect() as s:
        s.settimeout(10 * harness.SLOW)
        got = rest = b""
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass # refused before all was read
        try:
            while answers > 0 and (part := s.recv(65536)):
                got, rest = got + part, rest + part
                while (behind := rest_of(rest)) is not None:
                    answers -= not rest.startswith(b"HTTP/1.1 100 ")
                    rest = behind
        except ConnectionResetError:
            pass # it has more to say than anybody reads
        return got


def is_one_refusal(got):
    """One header, and the body that it says, which is the envelope."""
    head, _, body = got.partition(b"\r\n\r\n")
    try:
        said = json.loads(body)
    except ValueError:
        return False
    lines = head.lower().split(b"\r\n")
    return (lines.count(b"content-length: %d" % len(body)), lines.count(b"content-type: application/json")) == (
        1, 1) and (said["success"], str(said["statusCode"]).encode()) == (False, lines[0].split()[1]) and {
            "error", "message"
        } <= said.keys()


def refusals(path, port):
    """Each is said once and in one form, by whomever: libmicrohttpd's are not seen."""

    def by_path():
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(path))
        return s

    tap.figure(f"HOODY_SEED={SEED} for the noise")
    doors = {"Local.Socket": by_path, "Metrics.Listen": lambda: socket.create_connection(("127.0.0.1", port))}
    for door, connect in doors.items():
        wrong = [(name, got) for name, data in BAD if not is_one_refusal(got := everything(connect, data))]
        tap.ok(not wrong, f"{door}: {len(BAD)} refusals are one header and one envelope each", *wrong)
        tap.figure(f"{door}: {len(wrong)} of {len(BAD)} refusals are malformed, or not in the envelope")
    late = everything(by_path, GET + BAD[2][1] + GET, answers=3)
    first, cut, second = late.partition(b"HTTP/1.1 400 Bad Request")
    tap.ok(first.count(b"HTTP/1.1 ") == 1 and first.startswith(b"HTTP/1.1 200") and is_one_refusal(cut + second),
           "behind an answer on the same connection too, and nothing after it", late)
    early = everything(by_path, post(CHUNKED + b"Expect: 100-continue\r\n", b"zz\r\n"))
    first, cut, second = early.partition(b"HTTP/1.1 400 Bad Request")
    tap.ok(first in (b"", b"HTTP/1.1 100 Continue\r\n\r\n") and is_one_refusal(cut + second),
           "and behind a \"go on\"", early)


def as_user(uid, gids, path, kind=socket.SOCK_STREAM):
    """What another user of this host gets: the status, or the error's number."""
    code = (
        "import os,socket,sys\nos.setgroups([%s]); os.setgid(65534); os.setuid(%d)\n"
        "s=socket.socket(socket.AF_UNIX, %d)\n"
        "try:\n s.connect(%r); s.sendall(%r); print(s.recv(4096).split()[1].decode())\n"
        "except OSError as e: print(-e.errno)"
    ) % (",".join(map(str, gids)), uid, kind, str(path), GET)
    return int(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20 * harness.SLOW).stdout
        or 0)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    conf = dict(harness.STANDALONE, Local={"Group": "daemon"}, Metrics={"Listen": f"127.0.0.1:{port}"})
    with harness.Node(start=False, conf=conf) as node:
        node.start_agent()
        api, path = local.Local(node), node.directory / "run" / "debug.sock"
        api.do("GET", "/ip")
        portal = host.children(node.agent_pid(), "hoody-portal")
        refusals(path, port)

        # --- forms ---
        wrong = [(name, got, want) for name, data, want in GOOD if (got := once(path, data)) != [want]]
        tap.ok(not wrong, f"{len(GOOD)} unusual requests are answered as they should", *wrong)
        projects = len(api.do("GET", "/projects")["projects"])
        wrong = [(name, got) for name, got in ((name, once(path, data, then_close=True, timeout_s=5))
                                               for name, data in BAD) if any(s < 400 for s in got)]
        tap.ok(not wrong, f"{len(BAD)} malformed ones are refused", *wrong)
        tap.eq(len(api.do("GET", "/projects")["projects"]), projects, "and none of them was done")
        # What one reader takes for a body another takes for the next request: one answer at most may be a success.
        both = post(CHUNKED + LENGTH, b"0\r\n\r\n" + GET)
        tap.ok(
            sum(s < 300 for s in once(path, both, then_close=True, most=3, timeout_s=5)) <= 1,
            "length and chunks together smuggle nothing")

        # --- the ways bytes come ---
        began = time.monotonic()
        tap.eq(once(path, GET * 50, most=50), [200] * 50, "fifty at once are answered, each")
        tap.ok(time.monotonic() - began < 5 * harness.SLOW, "without a pause between them", time.monotonic() - began)
        client = Client(path)
        for i in range(len(GET)):
            client.send(GET[i:i + 1])
        tap.eq(client.answers(), [200], "a request byte by byte")
        client.send(post(LENGTH))
        client.sock.shutdown(socket.SHUT_WR)
        tap.eq(client.answers(), [201], "a client that has closed its half still gets its answer")
        client.close()
        curl = [
            "/usr/bin/curl", "-s", "--max-time", "20", "--unix-socket",
            str(path), "-o", "/dev/null", "-w", "%{http_code} "
        ]
        big = node.directory / "big"
        big.write_text('{"alias":"' + "x" * 900_000 + '"}')
        out = subprocess.run([
            *curl, "--data-binary", f"@{big}", "http://node/api/v1/projects", "-:", *curl[1:], "-H",
            "Transfer-Encoding: chunked", "-d", '{"alias":"y"}', "http://node/api/v1/projects"
        ], capture_output=True, text=True).stdout
        head = subprocess.run([*curl[:-4], "-I", "http://node/api/v1/ip"], capture_output=True, text=True).stdout
        tap.ok(head.startswith("HTTP/1.1 200") and "Content-Length" in head, "HEAD is GET without the body", head)
        tap.eq(out.split(), ["400", "201"], "curl sends a large body (with Expect), and chunks")

        # --- slow and lost clients ---
        slow = [Client(path) for _ in range(150)]
        for client in slow:
            client.send(GET[:20])
        tap.eq(once(path, GET, timeout_s=5), [200], "a hundred and fifty half requests keep nobody out")
        for client in slow:
            client.close()
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        body = json.dumps({"image": harness.IMAGE, "name": "lost"}).encode()
        client = Client(path)
        client.send(
            post(b"Content-Length: %d\r\n" % len(body), body, path=f"/api/v1/projects/{project}/containers".encode()))
        time.sleep(0.01)
        client.close()
        lost = host.poll(
            lambda: next((c for c in api.do("GET", "/containers")["containers"]
                          if c["name"] == "lost" and c["status"] == "running"), None), 10, 0.05)
        tap.ok(lost, "a client is lost: its operation goes on")
        deaf = [Client(path) for _ in range(20)]
        for client in deaf:
            client.send(b"GET /api/v1/events HTTP/1.1\r\nHost: node\r\nAccept: text/event-stream\r\n\r\n")
        worst = 0
        for n in range(600):
            began = time.monotonic()
            api.do("POST", f"/containers/{lost['id']}/{('pause', 'resume')[n % 2]}", {})
            worst = max(worst, time.monotonic() - began)
        tap.ok(worst < 5 * harness.SLOW, "twenty followers who never read hold nobody up", worst)
        tap.figure(f"with 20 deaf followers the slowest of 600 calls took {worst * 1000:.0f} ms")
        # Those who were let go count no more: a full set of others is let in, and one of all is told to wait.
        fresh = []
        for n in range(65):
            fresh.append(Client(path))
            fresh[-1].send(b"GET /api/v1/events HTTP/1.1\r\nHost: node\r\nAccept: text/event-stream\r\n\r\n")
        heads = [client.sock.recv(4096).split()[1] for client in fresh]
        tap.eq(sorted(heads), [b"200"] * 64 + [b"429"],
               "followers who never read are let go, and their places are free")
        for client in deaf + fresh:
            client.close()
        tap.eq((host.children(node.agent_pid(), "hoody-portal"), node.agent.poll()), (portal, None),
               "agent and portal are still the same processes")

        # --- who may ask ---
        tap.eq(as_user(65534, [], path), -13, "a stranger can't even connect")
        tap.eq(as_user(65534, [1], path), 200, "a member of Local.Group can")
        os.kill(portal[0], signal.SIGSTOP)
        tap.eq(node.hoodyctl("status")["state"], "running", "a portal that hangs doesn't hang the agent")
        os.kill(portal[0], signal.SIGCONT)
        api.do("DELETE", f"/containers/{lost['id']}", {"force": True})
        tap.eq((node.leaks(), node.sanitizer_words(), node.stop_agent()), ([], [], 0),
               "nothing is left, sanitizers are silent, the agent ends when asked")
        for group in ("", "nobody-has-it"):
            node.conf["Local"]["Group"] = group
            node.start_agent()
            frames = as_user(65534, [0], path.with_name("agent.sock"), socket.SOCK_SEQPACKET)
            tap.eq((as_user(0, [], path), as_user(65534, [0], path), frames), (200, -13, -13),
                   f"Local.Group={group}: root alone can, and nobody of root's group")
            node.stop_agent()
    tap.done()


main()
