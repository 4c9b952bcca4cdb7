# SPDX-License-Identifier: GPL-2.0-or-later
"""A way out of the test's network namespace, and a name server beyond it."""
import socket
import struct
import threading

import netns

SERVER, ANSWER = "198.51.100.2", "192.0.2.7"


def dns_server():
    """Beyond an uplink: every name has one address."""
    here, beyond = netns.Namespace.current(), netns.Namespace()
    here.ip("link add up0 type veth peer name up1")
    here.ip(f"link set up1 netns {beyond.path()}")
    for ns, text in ((here, "addr add 198.51.100.1/24 dev up0"), (here, "link set up0 up"),
                     (beyond, f"addr add {SERVER}/24 dev up1"), (beyond, "link set up1 up"),
                     (here, f"route add default via {SERVER}")):
        ns.ip(text)
    with beyond:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((SERVER, 53))

    def serve():
        while True:
            query, peer = s.recvfrom(512)
            is_a = query.rstrip(b"\0")[-4:] != b"" and struct.unpack(">H", query[-4:-2])[0] == 1
            record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(ANSWER)
            s.sendto(query[:2] + struct.pack(">HHHHH", 0x8180, 1, is_a, 0, 0) + query[12:] + record * is_a, peer)

    threading.Thread(target=serve, daemon=True).start()
