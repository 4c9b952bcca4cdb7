# SPDX-License-Identifier: GPL-2.0-or-later
"""Real upstream proxies in a network namespace (microsocks, dante, tinyproxy, tinyproxy behind stunnel), and servers
that only pretend to be one."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import netns
from slow import SLOW

USER, PASSWORD = "proxy-user", "pa55-w@rd"
ENCODED = "proxy-user:pa55-w%40rd"


class Proxy:
    """A process in the namespace that listens on address:port."""
    scheme, userinfo = "socks5", ENCODED

    def __init__(self, ns, directory, address, port):
        self.ns, self.directory, self.address, self.port, self.processes = ns, pathlib.Path(
            directory) / f"{type(self).__name__}-{port}", address, port, []
        self.directory.mkdir()
        self.start()

    def url(self):
        at = f"{self.userinfo}@" if self.userinfo else ""
        return f"{self.scheme}://{at}{self.address}:{self.port}"

    def run(self, *command):
        log = open(self.directory / "log", "ab")
        self.processes.append(
            self.ns.popen(*command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True))

    def wait(self):
        for _ in range(200):
            with self.ns:
                s = socket.socket()
            try:
                s.connect((self.address, self.port))
                return
            except OSError:
                time.sleep(0.05)
            finally:
                s.close()
        raise RuntimeError(f"{type(self).__name__} does not listen: " + (self.directory / "log").read_text()[-2000:])

    def start(self):
        self.launch()
        self.wait()

    def stop(self, sig=signal.SIGKILL):
        """Its whole session: some fork."""
        for p in self.processes:
            try:
                os.killpg(p.pid, sig)
            except ProcessLookupError:
                pass
            p.wait(10 * SLOW)
        self.processes = []

    def signal(self, sig):
        for p in self.processes:
            os.killpg(p.pid, sig)


class Microsocks(Proxy):
    def launch(self):
        self.run("microsocks", "-i", self.address, "-p", self.port, "-u", USER, "-P", PASSWORD)


class Dante(Proxy):
    """Its users are the system's: it gets a view of them with one more."""

    def launch(self):
        conf = self.directory / "danted.conf"
        conf.write_text(f"""logoutput: stderr
internal: {self.address} port = {self.port}
external: {self.address}
socksmethod: username
clientmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 command: connect }}
""")
        digest = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True,
                                text=True).stdout.strip()
        for name, line in (("passwd", f"{USER}:x:65000:65534::/nonexistent:/usr/sbin/nologin\n"),
                           ("shadow", f"{USER}:{digest}:19000:0:99999:7:::\n")):
            (self.directory / name).write_text(pathlib.Path(f"/etc/{name}").read_text() + line)
            (self.directory / name).chmod(0o644 if name == "passwd" else 0o640)
        binds = " && ".join(f"mount --bind {self.directory}/{name} /etc/{name}" for name in ("passwd", "shadow"))
        self.run("unshare", "-m", "sh", "-c", f"{binds} && exec danted -f {conf} -p {self.directory}/pid -N 1")


class Tinyproxy(Proxy):
    scheme, userinfo = "http", "proxyuser:pa55w0rd" # it takes letters and digits alone

    def launch(self):
        conf = self.directory / "tinyproxy.conf"
        conf.write_text(f"""Port {self.port}
Listen {self.address}
Timeout 60
MaxClients 100
LogLevel Connect
BasicAuth {self.userinfo.replace(":", " ")}
""")
        self.run("tinyproxy", "-d", "-c", conf)


class Stunnel(Tinyproxy):
    """An https proxy: TLS in front of tinyproxy."""
    scheme = "https"

    def launch(self):
        inner, outer = self.port + 1, self.port
        self.port = inner
        super().launch()
        self.wait()
        self.port = outer
        certificate(self.directory, self.address)
        conf = self.directory / "stunnel.conf"
        conf.write_text(f"""foreground = yes
pid =
syslog = no
[proxy]
accept = {self.address}:{outer}
connect = {self.address}:{inner}
cert = {self.directory}/server.pem
key = {self.directory}/server.key
""")
        self.run("stunnel4", conf)


def certificate(directory, address):
    subprocess.run([
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
        directory / "server.key", "-out", directory / "server.pem", "-days", "2", "-subj", "/CN=proxy", "-addext",
        f"subjectAltName=IP:{address}"
    ], check=True, capture_output=True)


def authorities(directory, n):
    """So many that have signed nothing, as one text of PEM."""
    one = (f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {directory}/nobody.key "
           "-days 2 -subj /CN=nobody-$i")
    return subprocess.run(["sh", "-c", f"for i in $(seq {n}); do {one} || exit 1; done"], check=True,
                          capture_output=True, text=True).stdout


class Pretender:
    """Accepts, and then does what it is told: "hang", "garbage", "slow" (a byte now and then), "close"."""

    def __init__(self, ns, address, port, kind):
        with ns:
            self.listener = socket.create_server((address, port), backlog=64)
        self.address, self.port, self.kind, self.connections = address, port, kind, []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            while True:
                connection = self.listener.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self.answer, args=(connection,), daemon=True).start()
        except OSError:
            pass

    def answer(self, connection):
        try:
            if self.kind == "garbage":
                connection.recv(100)
                connection.sendall(os.urandom(4000))
                connection.recv(100)
            elif self.kind == "slow":
                for _ in range(100):
                    connection.sendall(b"\5")
                    time.sleep(0.5)
            elif self.kind == "close":
                connection.close()
        except OSError:
            pass

    def url(self, scheme="socks5"):
        return f"{scheme}://{ENCODED}@{self.address}:{self.port}"

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for c in self.connections:
            c.close()


def missing():
    """Programs that are not installed."""
    return [
        p for p in ("microsocks", "danted", "tinyproxy", "stunnel4")
        if not shutil.which(p, path="/usr/sbin:/usr/bin:/sbin:/bin")
    ]
