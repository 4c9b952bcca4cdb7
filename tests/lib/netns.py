# SPDX-License-Identifier: GPL-2.0-or-later
"""Network namespaces without names: they go with the processes that are in them."""
import ctypes
import os
import socket
import subprocess

NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unshare():
    """This process goes into a new one, with a loopback that is up."""
    _check(_libc.unshare(NEWNET))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class Namespace:
    """A new namespace; the process stays where it was. Sockets and commands are made in it."""
    def __init__(self, fd=None):
        self.fd = fd
        if fd is None:
            back = os.open("/proc/self/ns/net", os.O_RDONLY)
            unshare()
            self.fd = os.open("/proc/self/ns/net", os.O_RDONLY)
            _check(_libc.setns(back, NEWNET))
            os.close(back)

    @staticmethod
    def current():
        return Namespace(os.open("/proc/self/ns/net", os.O_RDONLY))

    def __enter__(self):
        self.back = os.open("/proc/self/ns/net", os.O_RDONLY)
        _check(_libc.setns(self.fd, NEWNET))
        return self

    def __exit__(self, *_):
        _check(_libc.setns(self.back, NEWNET))
        os.close(self.back)

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def run(self, *command, check=True, **more):
        with self:
            return subprocess.run([str(c) for c in command], check=check, capture_output=True, text=True, **more)

    def popen(self, *command, **more):
        with self:
            return subprocess.Popen([str(c) for c in command], **more)

    def ip(self, text):
        return self.run("ip", *text.split())

    def sysctl(self, **values):
        with self:
            for key, value in values.items():
                with open("/proc/sys/net/" + key.replace("__", "/"), "w") as f:
                    f.write(str(value))

    def packet_socket(self, interface):
        """Every frame of the interface, both ways told apart by their MACs."""
        with self:
            s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
            s.bind((interface, 3))
            s.setblocking(False)
            return s

    def close(self):
        os.close(self.fd)
