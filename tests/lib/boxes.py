# SPDX-License-Identifier: GPL-2.0-or-later
"""Containers of a node's with a network, and a host beyond its uplink."""
import functools
import os
import socket

import harness
import host
import netns

OTHER_PROJECT = "0123456789abcdef0123bbbb"
OUTSIDE = "198.51.100.2"


class Outside:
    """A host beyond the uplink, with whatever servers a test asks for."""
    def __init__(self):
        self.ns = netns.Namespace()
        here = netns.Namespace.current()
        here.ip("link add up0 type veth peer name up1")
        here.ip(f"link set up1 netns {self.ns.path()}")
        here.ip("addr add 198.51.100.1/24 dev up0")
        here.ip("link set up0 up")
        self.ns.ip(f"addr add {OUTSIDE}/24 dev up1")
        self.ns.ip("link set up1 up")
        here.ip(f"route add default via {OUTSIDE}")
        here.sysctl(ipv4__icmp_ratelimit=0, ipv4__icmp_ratemask=0)

    def listen(self, port, kind=socket.SOCK_STREAM):
        with self.ns:
            s = socket.socket(socket.AF_INET, kind)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((OUTSIDE, port))
            if kind == socket.SOCK_STREAM:
                s.listen(16)
            s.settimeout(5 * harness.SLOW)
            return s


class Box:
    def __init__(self, node, name, project=harness.PROJECT, **more):
        self.node, self.name, self.id, self.project = node, name, node.new_id(), project
        report = node.do("container.create", self.id, image=harness.IMAGE, name=name, project_id=project, **more)
        if report["state"] != "succeeded":
            raise harness.Failure(report)

    def sh(self, script):
        return self.node.ctl("exec", self.name, "sh", "-c", script)

    def says(self, script):
        return self.sh(script)[1].strip()

    @functools.cached_property
    def ip(self):
        return self.says("ip -4 -o addr show eth0").split()[3].split("/")[0]

    def pid(self):
        return host.init_of(self.node.prefix, self.id)

    def ns(self):
        return netns.Namespace(os.open(f"/proc/{self.pid()}/ns/net", os.O_RDONLY))

    def do(self, op, **params):
        report = self.node.do(op, self.id, **params)
        if report["state"] != "succeeded":
            raise harness.Failure(report)
        return report

    def connects(self, address, port, timeout_s=0.4):
        """What a client in it sees: "open", "refused" or "silence"."""
        with self.ns() as _:
            s = socket.socket()
        s.settimeout(timeout_s * harness.SLOW)
        try:
            s.connect((address, port))
            return "open"
        except ConnectionRefusedError:
            return "refused"
        except OSError as e:
            return "silence" if isinstance(e, TimeoutError) else e.strerror
        finally:
            s.close()

    def serves(self, port):
        with self.ns():
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("0.0.0.0", port))
            s.listen(8)
            return s
