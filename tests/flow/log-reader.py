#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who reads the log can't stop the agent: standard error is a full pipe, the journal's socket isn't read, the service
manager neither; orders go on, and what was lost is counted and said."""
import fcntl
import os
import pathlib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

NEWNS = 0x00020000
ORDERS = 400


def drain(fd):
    os.set_blocking(fd, False)
    text = b""
    try:
        while part := os.read(fd, 1 << 16):
            text += part
    except BlockingIOError:
        pass
    return text.decode(errors="replace")


class Piped(harness.Node):
    """Its log is what `output` says, instead of a file."""
    def __init__(self, output, env):
        super().__init__(start=False)
        self.start_api()
        self.write_conf()
        self.agent = subprocess.Popen(
            [str(self.program), "--config",
             str(self.directory / "agent.conf"), "--foreground"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=output, env=dict(os.environ, **env))
        if not host.poll(lambda: self.ctl("status")[0] == 0, 30, 0.1):
            raise harness.Failure("hoody-agent doesn't answer")


def many(node, what):
    """Orders that end in a line of the log each: none of them can be done."""
    ids = [node.order("container.start", node.new_id()) for _ in range(ORDERS)]
    tap.eq({node.wait(i, 60)["state"] for i in ids} <= {"failed", "rejected"}, True,
           f"{what}: {ORDERS} orders have their ends")
    tap.eq(node.ctl("status")[0], 0, f"{what}: the agent answers")


def pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    with Piped(writer, {}) as node:
        many(node, "a pipe that nobody reads")
        tap.ok(not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK, "others who have it open write as they did")
        drain(reader)
        node.do("container.start", node.new_id())
        text = drain(reader)
        tap.ok("lines were lost: the log was not read" in text, "read again, it says how many were lost", text)
        tap.ok(int(text.split(" lines were lost")[0].split()[-1]) > ORDERS / 2, "as many as there were", text)
        node.stop_agent()
    os.close(writer)
    os.close(reader)


def journal():
    """A journal of the test's own, in a mount namespace of the test's own."""
    os.makedirs("/run/systemd/journal", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/systemd/journal"], check=True)
    ours, theirs = socket.socketpair()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s, socket.socket(socket.AF_UNIX,
                                                                              socket.SOCK_DGRAM) as manager:
        s.bind("/run/systemd/journal/socket")
        manager.bind("/run/systemd/journal/notify")
        st = os.fstat(theirs.fileno())
        with Piped(theirs, {"JOURNAL_STREAM": f"{st.st_dev}:{st.st_ino}", "NOTIFY_SOCKET": ""}) as node:
            many(node, "a journal that nobody reads")
            s.setblocking(False)
            entries = []

            def read():
                try:
                    while True:
                        entries.append(s.recv(1 << 16))
                except BlockingIOError:
                    return entries
            read()
            tap.ok(0 < len(entries) < ORDERS and all(b"MESSAGE_ID=" in e and b"\nPRIORITY=" in e for e in entries),
                   "what it had room for are whole entries", entries[:1])
            node.do("container.start", node.new_id())
            tap.ok(host.poll(lambda: any(b"were lost: the log was not read" in e for e in read()), 5),
                   "read again, it says how many were lost", entries[-3:])
            node.stop_agent()
    ours.close()
    theirs.close()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    pipe()
    import ctypes
    if ctypes.CDLL(None).unshare(NEWNS) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        journal()
    tap.done()


main()
