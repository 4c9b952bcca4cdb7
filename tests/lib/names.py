# SPDX-License-Identifier: GPL-2.0-or-later
"""The name service as a test wants it: a mount namespace with /etc/hosts, resolv.conf and nsswitch.conf of its own, and
a DNS server. The host's files are not touched."""
import ctypes
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading

NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000
FILES = ("hosts", "resolv.conf", "nsswitch.conf")
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source, target, flags):
    if _libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)


def own():
    """This process, which has no threads yet, goes into a mount namespace where FILES may be written, by write()."""
    if _libc.unshare(NEWNS) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _mount("none", "/", MS_REC | MS_PRIVATE)
    for name in FILES:
        where = pathlib.Path("/etc", name).resolve()
        own_file(where, where.read_text())
    write("nsswitch.conf", re.sub(r"(?m)^hosts:.*$", "hosts: files dns",
                                  pathlib.Path("/etc/nsswitch.conf").read_text()))


def own_file(where, text):
    """After own(): what a file of the host's says here, from now on also when it is written."""
    with tempfile.NamedTemporaryFile("w") as copy:
        copy.write(text)
        copy.flush()
        os.chmod(copy.name, 0o644)
        _mount(copy.name, str(where), MS_BIND)


def own_etc(directory):
    """All of /etc is a copy in `directory`, where files may also be replaced, removed and linked: what own() has
    mounted is what they begin with."""
    subprocess.run(["cp", "-a", "/etc/.", str(directory)], check=True)
    _mount(str(directory), "/etc", MS_BIND)


def write(name, text):
    """In place, since it is mounted."""
    assert name in FILES and os.stat(f"/etc/{name}").st_nlink == 0, "the host's own"
    pathlib.Path("/etc", name).write_text(text)


def write_hosts(names):
    """{name: address}, beside localhost."""
    write("hosts", _hosts(names))


def write_in(path, names):
    """The same, of a file of own_etc()."""
    path.write_text(_hosts(names))


def _hosts(names):
    return "127.0.0.1 localhost\n::1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items())


def give_back_etc():
    if _libc.umount2(b"/etc", 2) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Dns:
    """A name server on port 53 of an address of this network namespace that is not loopback, and resolv.conf says so.
    It knows .records (name: address); None: it says nothing; .asked is what it was asked."""

    def __init__(self, address="192.0.2.53"):
        self.records, self.asked = {}, []
        for command in ("link add dns0 type veth peer name dns1", "link set dns1 up", f"addr add {address}/32 dev dns0",
                        "link set dns0 up"):
            subprocess.run(["ip", *command.split()], check=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.conf = f"nameserver {address}\noptions timeout:1 attempts:2\n"
        write("resolv.conf", self.conf)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            name, at = [], 12
            while query[at]:
                name.append(query[at + 1:at + 1 + query[at]].decode())
                at += 1 + query[at]
            name, question = ".".join(name).lower(), query[12:at + 5]
            self.asked.append(name)
            address = self.records.get(name, "")
            if address is None:
                continue
            answers = [socket.inet_aton(address)] if address and query[at + 1:at + 3] == b"\0\1" else []
            head = query[:2] + (b"\x81\x80" if name in self.records else b"\x81\x83") + b"\0\1" + bytes(
                [0, len(answers)]) + bytes(4)
            self.socket.sendto(head + question + b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + a for a in answers), peer)
