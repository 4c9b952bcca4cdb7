# SPDX-License-Identifier: GPL-2.0-or-later
"""One agent and one reference control API in a private directory, so that several can run on one host.

    with Node() as node:
        cid = node.new_id()
        node.order("container.create", cid, image="builtin:busybox")   # → order id
        node.wait(id)                                                    # → its terminal report

What a test left behind is removed at the end, but first it is found: node.leaks() must be empty when all containers are
deleted."""
import contextlib
import itertools
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import host
import names
import netns
from slow import BUILD, SANITIZED, SLOW, TOP

TERMINAL = ("succeeded", "failed", "rejected")
PROJECT = "0123456789abcdef0123aaaa"
NODE_ID = "0123456789abcdef01234567"
IMAGE = "builtin:busybox"
# No control API: the local API is the whole control surface.
STANDALONE = {"Node": {"NodeId": None}, "Control": {"ApiUrl": None, "TokenFile": None, "TrustedKeys": None}}

# All that a test does to networks stays in a namespace of its own and goes with it; netns.Namespace(OUTSIDE) is the way
# back.
OUTSIDE = os.open("/proc/self/ns/net", os.O_RDONLY) if os.geteuid() == 0 else -1
if os.geteuid() == 0:
    netns.unshare()
# The flow tier speaks to the control API as nodes do: by a name, over HTTPS.
API_NAME = "control.hoody.test"
FLOW = pathlib.Path(sys.argv[0]).resolve().parent == TOP / "tests/flow" and os.geteuid() == 0
if FLOW:
    names.own()
    names.write_hosts({API_NAME: "127.0.0.1"})
_counter = itertools.count(1)
SLOT = int(os.environ.get("HOODY_TEST_SLOT", os.getpid() % 30)) # no two tests that run at once have the same user ids


@contextlib.contextmanager
def running(command, **options):
    """A process for as long as the block lasts: Popen's own block waits for its end, for ever when a test fails within
    it."""
    with subprocess.Popen([str(c) for c in command], **options) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


class Failure(Exception):
    """The test can't go on."""


def interfaces(number):
    """What the host ends of a node's links begin with."""
    return "h" + "".join("0123456789abcdefghijklmnopqrstuvwxyz"[d] for d in divmod(number % 1296, 36))


def _options(directory, prefix, number, url):
    """agent.conf, by section; a test's own wishes come on top."""
    return {
        "Node": {
            "NodeId": NODE_ID, "Name": "test", "StateDirectory": directory / "state",
            "RuntimeDirectory": directory / "run", "MaxWorkers": 4
        },
        "Control": {
            "ApiUrl": url, "TokenFile": directory / "token", "TrustedKeys": directory / "trusted-keys.json",
            "StatsIntervalSec": 0, "ReconnectSpreadSec": 1
        },
        "Containers": {"IdBase": 100_000_000 + (SLOT * 20 + number % 20) * 6_553_600, "CgroupPrefix": prefix},
        "Network": {
            "Table": f"hoody{number}", "InterfacePrefix": interfaces(number),
            "Subnet4": f"10.{100 + number % 100}.0.0/16"
        },
        "Storage": {"Pool": directory / "pool", "Driver": "dir", "CountIntervalSec": 0},
        "Local": {"Group": "root"},
    }


class Api:
    """The reference control API as a process, and its control socket."""

    def __init__(self, directory, https=False, extra=()):
        self.directory, self.https, self.extra = directory, https, list(extra)
        self.socket, self.process, self.port = directory / "ctl.sock", None, 0
        (directory / "api").mkdir(mode=0o700, exist_ok=True)

    def start(self):
        args = [
            BUILD / "tests/control-api/control-api", "--listen", f"127.0.0.1:{self.port}", "--socket", self.socket,
            "--state", self.directory / "api", "--node-id", NODE_ID, "--node-token", "the-node-token", *self.extra
        ]
        if self.https:
            args += ["--https", self.directory / "server.pem", "--https-key", self.directory / "server.key"]
        log = open(self.directory / "api.log", "ab")
        # A session of its own, as systemd gives one: the kernel's scheduler has a share for each (sched(7), autogroup).
        self.process = subprocess.Popen([str(a) for a in args], stdout=subprocess.PIPE, stderr=log, text=True,
                                        start_new_session=True)
        line = self.process.stdout.readline()
        if not line:
            raise Failure("control-api did not start: " + (self.directory / "api.log").read_text()[-2000:])
        self.ready = json.loads(line)
        if self.https:
            self.ready["url"] = self.ready["url"].replace("127.0.0.1", API_NAME)
        self.port = int(self.ready["url"].rsplit(":", 1)[1].split("/")[0])
        return self.ready

    def stop(self, sig=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(sig)
            self.process.wait(20 * SLOW)
        if self.process:
            self.process.stdout.close()
            self.process = None

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.socket))
        return s

    def ask(self, cmd, timeout_s=60, **members):
        """One command, its one answer."""
        with self.connect() as s, s.makefile("rw") as f:
            s.settimeout(timeout_s * SLOW + 10)
            f.write(json.dumps({"cmd": cmd, **members}) + "\n")
            f.flush()
            return json.loads(f.readline())

    def follow(self):
        """Events as they happen, from now on."""
        s = self.connect()
        s.sendall(b'{"cmd":"follow"}\n')
        follower = Follower(s)
        follower.line(60)
        return follower


class Follower:
    def __init__(self, sock):
        self.sock, self.unread, self.seen = sock, b"", []

    def line(self, timeout_s):
        """The next one, or None when none comes in time; what came with it is kept."""
        end = time.monotonic() + timeout_s
        while b"\n" not in self.unread:
            if not select.select([self.sock], [], [], max(end - time.monotonic(), 0))[0] or not (data :=
                                                                                                 self.sock.recv(65536)):
                return None
            self.unread += data
        line, self.unread = self.unread.split(b"\n", 1)
        return line

    def until(self, condition, timeout_s=30):
        """The first event that fits, and all before it are in .seen; None when none came in time."""
        end = time.monotonic() + timeout_s * SLOW
        while line := self.line(end - time.monotonic()):
            event = json.loads(line)
            self.seen.append(event)
            if condition(event):
                return event
        return None

    def close(self):
        self.sock.close()


class Node:
    def __init__(self, https=None, conf=None, api_options=(), start=True, wrap=()):
        if https is None:
            https = FLOW and "ApiUrl" not in (conf or {}).get("Control", {})
        self.number = next(_counter)
        self.prefix = f"hoody-t{os.getpid()}-{self.number}"
        self.table, self.interfaces = f"hoody{self.number}", interfaces(self.number)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir="/tmp"))
        self.directory.chmod(0o755) # a courier that is another's looks for its own file
        self.log = self.directory / "agent.log"
        self.agent, self.wrapped, self.conf = None, False, conf or {}
        self.program = BUILD / "agent/hoody-agent"
        self.api = Api(self.directory, https=https, extra=api_options)
        self.keep = bool(os.environ.get("HOODY_TEST_KEEP"))
        if https:
            self.make_certificates()
        if start:
            self.start(wrap)

    # --- life ---

    def start(self, wrap=()):
        self.start_api()
        self.start_agent(wrap)
        return self

    def start_api(self):
        self.api.start()
        (self.directory / "token").write_text("the-node-token\n")
        (self.directory / "token").chmod(0o600)
        shutil.copy(self.api.ready["trusted_keys"], self.directory / "trusted-keys.json")

    def write_conf(self):
        sections = _options(self.directory, self.prefix, self.number, self.api.ready["url"] if self.api.process else "")
        if self.api.https:
            sections["Control"]["CaFile"] = self.directory / "ca.pem"
        for section, members in self.conf.items():
            sections.setdefault(section, {}).update(members)
        text = "".join(f"[{s}]\n" + "".join(f"{k}={v}\n" for k, v in m.items() if v is not None)
                       for s, m in sections.items())
        (self.directory / "agent.conf").write_text(text)

    def start_agent(self, wrap=(), timeout_s=30, expect_ready=True, listen=None):
        """Start hoody-agent and wait until it says that it is ready; `wrap` is a command that runs it
        (tests/tools/failnth), `listen` a socket that it is given as systemd gives one."""
        self.write_conf()
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        env = dict(os.environ, NOTIFY_SOCKET=str(path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, open(self.log, "ab") as log:
            notify.bind(str(path))
            command = [*wrap, self.program, "--config", self.directory / "agent.conf", "--foreground"]
            if listen: # sd_listen_fds(3): descriptor 3, for this very process
                command = [
                    "/bin/sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{listen.fileno()}', "sh", *command
                ]
            self.agent = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                          env=env, pass_fds=[listen.fileno()] if listen else [],
                                          start_new_session=True)
            self.wrapped = bool(wrap)
            end = time.monotonic() + timeout_s * SLOW
            notify.settimeout(0.05)
            while expect_ready:
                try:
                    if b"READY=1" in notify.recv(4096):
                        return True
                except socket.timeout:
                    pass
                if self.agent.poll() is not None or time.monotonic() > end:
                    if not self.wrapped:
                        raise Failure(f"hoody-agent did not become ready (status {self.agent.poll()}):\n" +
                                      self.log_tail())
                    return False
        return True

    def agent_pid(self):
        if not self.wrapped:
            return self.agent.pid
        return next(iter(host.children(self.agent.pid, "hoody-agent")), None)

    def courier_pid(self):
        return next(iter(host.children(self.agent_pid(), "hoody-courier")), None)

    def worker_pids(self):
        return host.children(self.agent_pid(), "hoody-worker")

    def stop_agent(self, sig=signal.SIGTERM, timeout_s=30):
        """Its exit status; None when there was none to stop."""
        if not self.agent:
            return None
        pid = self.agent_pid()
        if pid and self.agent.poll() is None:
            os.kill(pid, sig)
        status = self.agent.wait(timeout_s * SLOW)
        self.agent = None
        return status

    def kill9(self, who):
        """SIGKILL to the agent (and its end is waited for), the courier or every worker."""
        if who == "agent":
            return self.stop_agent(signal.SIGKILL)
        pids = [self.courier_pid()] if who == "courier" else self.worker_pids()
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, TypeError):
                pass
        # On a busy machine one lives on for a while, as a warm worker that the next order would be given.
        host.poll(lambda: not any(pid and host.is_alive(pid) for pid in pids), 5)
        return None

    def shut_down(self):
        """The host loses its power: what it would have left is the state file and the pool. What comes next is a
        start_agent()."""
        self.stop_agent(signal.SIGKILL)
        host.clear(self.prefix)
        subprocess.run(["nft", "delete", "table", "inet", self.table], check=True)
        for n in host.links():
            if n.startswith(self.interfaces):
                subprocess.run(["ip", "link", "del", n], capture_output=True)
        for m in host.mounts_below(self.directory / "run"):
            subprocess.run(["umount", "-l", m], check=True)
        shutil.rmtree(self.directory / "run")
        with sqlite3.connect(self.directory / "state" / "state.db") as db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (b"f" * 32, ))
        db.close()

    def runtime_in_memory(self):
        """As /run is on a host. Before it is started."""
        (self.directory / "run").mkdir(mode=0o700, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700", "hoody-run", self.directory / "run"], check=True)

    def restart(self, sig=signal.SIGTERM):
        self.stop_agent(sig)
        self.start_agent()

    # --- orders ---

    def new_id(self):
        return os.urandom(12).hex()

    def order(self, op, cid=None, **params):
        """Issue an order; its id."""
        return self.issue(
            {"op": op, "container_id": cid, "project_id": params.pop("project_id", PROJECT), "params": params})

    def issue(self, wish):
        answer = self.api.ask("order", **{k: v for k, v in wish.items() if v is not None})
        if not answer.get("ok"):
            raise Failure(f"the control API would not issue {wish}: {answer}")
        return answer["id"]

    def wait(self, order_id, timeout_s=30):
        """The terminal report of an order."""
        answer = self.api.ask("wait", timeout_s, order_id=order_id, timeout_ms=int(timeout_s * 1000 * SLOW))
        if not answer.get("ok"):
            raise Failure(f"order {order_id}: {answer.get('error')}\n" + self.log_tail())
        return answer["report"]

    def do(self, op, cid=None, timeout_s=30, **params):
        return self.wait(self.order(op, cid, **params), timeout_s)

    def reports(self, after=0, kind=None):
        found = self.api.ask("reports", after=after)["reports"]
        return [r for r in found if kind is None or r["type"] == kind]

    def wait_report(self, kind, timeout_s=10, after=0, **match):
        answer = self.api.ask("wait_type", timeout_s, type=kind, match=match, after=after,
                              timeout_ms=int(timeout_s * 1000 * SLOW))
        return answer.get("report")

    def last_seq(self):
        return max((r["seq"] for r in self.reports()), default=0)

    def violations(self):
        return self.api.ask("stats")["violations"]

    def ctl(self, *args, config=None, stdin=None):
        """Run hoodyctl: (exit code, stdout, stderr)."""
        command = [BUILD / "agent/hoodyctl", "--config", config or self.directory / "agent.conf", *args]
        done = subprocess.run([str(c) for c in command], input=stdin,
                              stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=60 * SLOW)
        return done.returncode, done.stdout, done.stderr

    def hoodyctl(self, *args):
        """What a command prints as JSON."""
        code, out, err = self.ctl(*args, "--json")
        if code != 0:
            raise Failure(f"hoodyctl {args} ended with {code}: {err}")
        return json.loads(out)

    # --- what the host says ---

    def root(self, cid):
        return self.directory / "pool" / "containers" / cid / "rootfs"

    def state(self, cid):
        """running, paused, stopped or absent: by cgroups, processes and files alone."""
        if host.init_of(self.prefix, cid):
            return "paused" if host.is_frozen(self.prefix, cid) else "running"
        if host.pids_of(self.prefix, cid):
            return "partial"
        return "stopped" if self.root(cid).is_dir() else "absent"

    def picture(self):
        """All that an order could change on the host, for before and after."""
        pool = sorted(
            str(p.relative_to(self.directory)) for p in (self.directory / "pool").rglob("*")
            if len(p.relative_to(self.directory).parts) <= 4)
        lxc = sorted(str(p.relative_to(self.directory)) for p in (self.directory / "state" / "lxc").rglob("*"))
        return {
            "cgroups": sorted(map(str, host.cgroup_dirs(self.prefix))), "pids": host.pids_of(self.prefix),
            "links": host.links(), "mounts": host.mounts_below(self.directory), "pool": pool, "lxc": lxc
        }

    def leaks(self, within_s=20):
        """What is still there so long after every container is gone: a process, a link and a cgroup end in the kernel's
        own time. The agent may run; its own empty cgroup is then no leak."""
        host.poll(lambda: not self.left(), within_s, 0.01)
        return self.left()

    def left(self):
        """What is there this moment."""
        found = [f"process {p} ({host.status(p).get('Name')})" for p in host.pids_of(self.prefix)]
        found += [f"cgroup {d}" for d in host.cgroup_dirs(self.prefix) if not (self.agent and d.name == self.prefix)]
        found += [f"link {n}" for n in host.links() if n.startswith(self.interfaces)]
        found += [f"forwarder {pid}" for pid in self.forwarders()]
        found += [f"mount {m}" for m in host.mounts_below(self.directory) if m != str(self.directory / "run")]
        found += [str(p) for place in ("pool/containers", "state/lxc") for p in (self.directory / place).glob("*")]
        return found

    def forwarders(self):
        """The pids of living hoody-netproxy processes."""
        recorded = [json.loads(p.read_text())["pid"] for p in (self.directory / "run/netproxy").glob("*.json")]
        return [pid for pid in recorded if host.exe(pid) == str(BUILD / "netns/hoody-netproxy")]

    def log_tail(self, lines=25):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def sanitizer_words(self):
        words = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "Assertion ")
        return [line for line in self.log.read_text(errors="replace").splitlines()
                if any(w in line for w in words)] if self.log.exists() else []

    # --- the end ---

    def make_certificates(self):
        """A CA, a server certificate of it, and another CA that signed nothing."""
        d = self.directory
        run = lambda *a: subprocess.run(["openssl", *a], cwd=d, check=True, capture_output=True)
        for ca in ("ca", "other-ca"):
            run("req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days",
                "2", "-subj", f"/CN={ca}")
        run("req", "-newkey", "ed25519", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj",
            "/CN=localhost")
        (d / "san").write_text(f"subjectAltName=DNS:{API_NAME},IP:127.0.0.1,IP:10.0.2.2\n")
        run("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "san", "-out", "server.pem")

    def close(self):
        try:
            if self.agent:
                self.stop_agent()
        except subprocess.TimeoutExpired:
            self.agent.kill()
        self.api.stop()
        for pid in self.forwarders():
            os.kill(pid, signal.SIGKILL)
        host.clear(self.prefix)
        # ramdisks that a failed test has left
        for place in sorted(host.mounts_below(self.directory / "run"), reverse=True):
            subprocess.run(["umount", "-l", place], capture_output=True)
        if not self.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and self.log.exists():
            print("# the agent's last words:\n" + "\n".join("#   " + line for line in self.log_tail(40).splitlines()),
                  file=sys.stdout, flush=True)
        self.close()
