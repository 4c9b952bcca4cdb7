# SPDX-License-Identifier: GPL-2.0-or-later
"""LXD beside us: Debian's, unpacked into a directory and not installed, in mount, network and PID namespaces of its
own, so that nothing of it is left when its first process is killed: no user, no subuid range, no bridge, no sysctl.

    peer = lxd.Lxd(directory)                  # .why says what is missing, when something is
    with peer.running() as daemon:             # a new one, with nothing in it; None when it can't be
        daemon.do("POST", "/1.0/storage-pools", {...})"""
import contextlib
import http.client
import io
import json
import os
import pathlib
import signal
import socket
import subprocess
import tarfile
import time

import harness
import host
import netns

PACKAGES = ("lxd", "libdqlite0", "libraft2")
TOOLS = ("apt-get", "dpkg", "dnsmasq", "unsquashfs", "setfattr", "rsync")
# A /sys of the new network namespace, with the cgroups of the old one; id ranges as Debian's package would enter them.
BEGIN = """
set -e
mount --make-rprivate /
mkdir -p {0}/cgroup
mount --rbind /sys/fs/cgroup {0}/cgroup
mount -t sysfs sysfs /sys
mount --rbind {0}/cgroup /sys/fs/cgroup
umount -l {0}/cgroup
ip link set lo up
echo root:100000:10000001 > {0}/ids
mount --bind {0}/ids /etc/subuid
mount --bind {0}/ids /etc/subgid
{0}/usr/bin/lxd --group root --logfile {0}/lxd.log & # the shell stays, as the one that reaps
wait
"""


class Failure(Exception):
    """LXD has refused something."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("lxd", timeout=600)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Lxd:
    def __init__(self, directory):
        self.directory, self.process, self.why = pathlib.Path(directory), None, None
        self.state, self.log, self.sessions = None, self.directory / "lxd.out", 0
        self.version, self.prefix = "LXD", f"hoody-t{os.getpid()}-"
        self.before = {mount / "lxc.pivot" for mount, _ in host.cgroup_mounts() if (mount / "lxc.pivot").exists()}
        missing = [
            t for t in TOOLS if subprocess.run(["sh", "-c", f"command -v {t}"], capture_output=True).returncode != 0
        ]
        if os.environ.get("HOODY_BENCH_LXD") == "no":
            self.why = "HOODY_BENCH_LXD=no"
        elif missing:
            self.why = "there is no " + ", ".join(missing)
        else:
            self.why = self.unpack()

    def unpack(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        with netns.Namespace(os.dup(harness.OUTSIDE)):
            got = subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *PACKAGES],
                                 cwd=self.directory, capture_output=True, text=True)
        if got.returncode != 0:
            return "its packages can't be had: " + got.stderr.strip().splitlines()[-1]
        for package in self.directory.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, self.directory], check=True)
        self.state = self.directory
        self.version = "LXD " + self.command("--version").stdout.strip()
        return None

    def environment(self):
        libraries = next(self.directory.glob("usr/lib/*/libdqlite.so.0")).parent
        return dict(os.environ, LXD_DIR=str(self.state), LD_LIBRARY_PATH=str(libraries))

    def command(self, *args):
        return subprocess.run([self.directory / "usr/bin/lxd", *args], env=self.environment(), capture_output=True,
                              text=True)

    def start(self):
        """Milliseconds until it says that it is ready."""
        begin = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([
                "unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c",
                BEGIN.format(self.directory)
            ], env=self.environment(), stdout=log, stderr=log)
        if not host.poll(lambda: self.answers() or self.process.poll() is not None,
                         60) or self.command("waitready", "--timeout=120").returncode != 0:
            raise Failure("LXD did not start:\n" + self.log.read_text(errors="replace")[-1000:])
        return (time.monotonic() - begin) * 1000

    def answers(self):
        try:
            return bool(self.ask("GET", "/1.0"))
        except OSError:
            return False

    def pid(self):
        """The daemon."""
        return host.children(self.first(), "lxd")[0]

    def first(self):
        """The first process of its namespace, with which all others end."""
        return host.children(self.process.pid)[0]

    def stop(self):
        if self.process:
            os.kill(self.first(), signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ask(self, method, path, body=None, headers=()):
        connection = _Connection(self.state / "unix.socket")
        try:
            connection.request(method, path, body if body is None or isinstance(body, bytes) else json.dumps(body),
                               dict(headers))
            text = connection.getresponse().read()
            return json.loads(text) if text.startswith(b"{") else {"type": "text", "metadata": text}
        finally:
            connection.close()

    def do(self, method, path, body=None, headers=()):
        """A call, and its operation until it ends."""
        answer = self.ask(method, path, body, headers)
        if answer["type"] == "async":
            answer = self.ask("GET", answer["operation"] + "/wait?timeout=600")
            if answer["metadata"]["status_code"] != 200:
                raise Failure((method, path, answer["metadata"]["err"]))
            return answer["metadata"]["metadata"]
        if answer["type"] == "error":
            raise Failure((method, path, answer["error"]))
        return answer["metadata"]

    def image(self, root):
        """An image of a root's tarball; its fingerprint."""
        metadata, mark = io.BytesIO(), "--parts-end-here"
        text = b"architecture: " + os.uname().machine.encode() + b"\ncreation_date: 1700000000\n"
        with tarfile.open(fileobj=metadata, mode="w") as tar:
            entry = tarfile.TarInfo("metadata.yaml")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
        parts = [
            f"--{mark}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.tar\"\r\nContent-Type: "
            "application/octet-stream\r\n\r\n"
            .encode() + data + b"\r\n"
            for name, data in (("metadata", metadata.getvalue()), ("rootfs", pathlib.Path(root).read_bytes()))
        ]
        return self.do("POST", "/1.0/images", b"".join(parts) + f"--{mark}--\r\n".encode(),
                       {"Content-Type": f"multipart/form-data; boundary={mark}"})["fingerprint"]

    def name(self, n):
        """Of an instance; so that what one leaves can be told from others'."""
        return f"{self.prefix}{n}"

    def monitors(self):
        """The processes that stay with its containers."""
        found = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()]
        return [pid for pid in found if self.words(pid).startswith(b"[lxc monitor] " + str(self.state).encode())]

    @staticmethod
    def words(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return b""

    def clear(self):
        """liblxc's cgroups of containers that have died with their namespace."""
        for mount, _ in host.cgroup_mounts():
            for top in [
                    *mount.glob(f"lxc.*{self.prefix}*"),
                    *([mount / "lxc.pivot"] if mount / "lxc.pivot" not in self.before else [])
            ]:
                host.poll(lambda: not any(host.procs_of(d) for d in host.below(top)), 5)
                for d in reversed(host.below(top)):
                    d.rmdir()

    @contextlib.contextmanager
    def running(self):
        if self.why:
            yield None
            return
        self.sessions += 1
        self.state = self.directory / f"state{self.sessions}"
        self.state.mkdir()
        try:
            self.start()
            yield self
        finally:
            self.stop()
            self.clear()
