# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames as proto/frame.h describes them, written anew from that page, so that tests check the C code rather than share
it."""
import fcntl
import json
import os
import socket
import struct

HEADER = struct.Struct("<4sHHIIQQQQQQ")
F_ADD_SEALS, SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8

WORKER_JOB, WORKER_AHEAD, WORKER_PROGRESS, WORKER_RESULT = 0x0201, 0x0202, 0x0281, 0x0282
SESSION_STDIO, SESSION_RUN, SESSION_BEGUN, SESSION_ENDED, SESSION_FAILED = 0x0501, 0x0502, 0x0581, 0x0582, 0x0583
CTL_STATUS, CTL_ORDERS, CTL_ANSWER, CTL_ERROR = 0x0301, 0x0302, 0x0381, 0x0382


def pack(kind, size=0, ident=0, a=0, b=0, c=0):
    return HEADER.pack(b"HFRM", 1, kind, 0, 0, ident, a, b, c, size, 0)


def sealed(data):
    fd = os.memfd_create("frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, F_ADD_SEALS, SEALS)
    return fd


def send(sock, kind, payload=None, fd=None, **fields):
    """A payload of bytes goes as it is, any other as JSON; a descriptor beside it stays the caller's."""
    data = b"" if payload is None else payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    fds = [sealed(data)] if data else []
    try:
        socket.send_fds(sock, [pack(kind, len(data), **fields)], fds + [fd] * (fd is not None))
    finally:
        for fd in fds:
            os.close(fd)


def recv(sock):
    """The next frame: (type, a, b, c, payload or None, extra descriptors), or None at hang-up."""
    data, fds, _, _ = socket.recv_fds(sock, 64, 4)
    if not data:
        return None
    magic, version, kind, _, _, _, a, b, c, size, _ = HEADER.unpack(data)
    assert magic == b"HFRM" and version == 1
    payload = None
    if size:
        with os.fdopen(fds.pop(0), "rb") as f:
            f.seek(0)
            payload = json.loads(f.read())
    return kind, a, b, c, payload, fds
