# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames made and read by hand: Ethernet, IPv4, TCP, UDP, ICMP, ARP. Nothing here asks the kernel's own stack."""
import socket
import struct

TCP, UDP, ICMP = 6, 17, 1
SYN, ACK, RST, FIN = 2, 16, 4, 1


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def address(text):
    return struct.unpack("!I", socket.inet_aton(text))[0]


def text(number):
    return socket.inet_ntoa(struct.pack("!I", number))


def mac(text_):
    return bytes.fromhex(text_.replace(":", ""))


def transport(protocol, src, dst, sport, dport, flags=SYN, payload=b"hoody", icmp=(8, 0), ident=0):
    if protocol == ICMP:
        body = struct.pack("!BBHHH", icmp[0], icmp[1], 0, ident, 1) + payload
        return body[:2] + struct.pack("!H", checksum(body)) + body[4:]
    pseudo = struct.pack("!IIBBH", src, dst, 0, protocol, (20 if protocol == TCP else 8) + len(payload))
    if protocol == TCP:
        body = struct.pack("!HHIIBBHHH", sport, dport, 1000, 1 if flags & ACK else 0, 5 << 4, flags, 64000, 0,
                           0) + payload
        at = 16
    else:
        body = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload
        at = 6
    return body[:at] + struct.pack("!H", checksum(pseudo + body) or 0xffff) + body[at + 2:]


def ipv4(protocol, src, dst, body, ident=0, fragment=0, ttl=64):
    head = struct.pack("!BBHHHBBHII", 0x45, 0, 20 + len(body), ident, fragment, ttl, protocol, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def frame(from_mac, to_mac, body, kind=0x0800):
    return to_mac + from_mac + struct.pack("!H", kind) + body


def arp(from_mac, src, dst, op=1, to_mac=b"\xff" * 6):
    return frame(
        from_mac, to_mac,
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, op) + from_mac + struct.pack("!I", src) +
        (b"\0" * 6 if op == 1 else to_mac) + struct.pack("!I", dst), 0x0806)


class Seen:
    """A received frame's facts; protocol None for what is not IPv4."""
    def __init__(self, data):
        self.kind = struct.unpack("!H", data[12:14])[0]
        self.source_mac, self.data = data[6:12], data
        self.protocol = self.quoted = self.icmp = None
        if self.kind == 0x0800 and len(data) >= 34:
            self._ip(data[14:])

    def _ip(self, ip):
        length = (ip[0] & 15) * 4
        self.ttl, self.protocol, self.src, self.dst = ip[8], ip[9], *struct.unpack("!II", ip[12:20])
        body = ip[length:]
        self.sport = self.dport = self.flags = self.ident = 0
        if self.protocol in (TCP, UDP) and len(body) >= 8:
            self.sport, self.dport = struct.unpack("!HH", body[:4])
            self.flags = body[13] if self.protocol == TCP and len(body) >= 14 else 0
        elif self.protocol == ICMP and len(body) >= 8:
            self.icmp = (body[0], body[1])
            self.ident = struct.unpack("!H", body[4:6])[0]
            if body[0] == 3 and len(body) >= 36:
                self.quoted = Seen(b"\0" * 12 + b"\x08\x00" + body[8:])

    def key(self):
        """What tells one flow from another: both ends and what the protocol tells them apart by."""
        return (self.protocol, self.src, self.dst, self.sport,
                self.dport) if self.protocol != ICMP else (ICMP, self.src, self.dst, self.ident, self.icmp)
