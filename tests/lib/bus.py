# SPDX-License-Identifier: GPL-2.0-or-later
"""A system bus on which systemd is asked for one property, its SystemState, and says what the test wants. No more of
the D-Bus specification than that takes: who calls is let in, says Hello, and has a string for an answer."""
import os
import socket
import struct
import threading


def _padded(data, to):
    return data + b"\0" * (-len(data) % to)


def _string(text):
    return struct.pack("<I", len(text)) + text.encode() + b"\0"


def _reply(serial, signature, body):
    fields = b"\x05\x01u\0" + struct.pack("<I", serial)
    fields = _padded(fields, 8) + b"\x08\x01g\0" + bytes([len(signature)]) + signature.encode() + b"\0"
    head = struct.pack("<cBBBIII", b"l", 2, 1, 1, len(body), serial, len(fields))
    return _padded(head + fields, 8) + body


class SystemBus:
    def __init__(self, path, state):
        self.address, self.state, self.path = f"unix:path={path}", state, path
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client, client.makefile("rb") as lines:
                self._let_in(client, lines)
                while self._answer(client, lines):
                    pass

    @staticmethod
    def _let_in(client, lines):
        lines.read(1)
        while (line := lines.readline()) and line != b"BEGIN\r\n":
            client.sendall(b"DATA\r\n" if line == b"AUTH EXTERNAL\r\n" else
                           b"ERROR\r\n" if line.startswith(b"NEGOTIATE") else
                           b"OK " + os.urandom(16).hex().encode() + b"\r\n")

    def _answer(self, client, lines):
        head = lines.read(16)
        if len(head) < 16:
            return False
        _, kind, _, _, body, serial, fields = struct.unpack("<cBBBIII", head)
        said = lines.read(fields + -fields % 8 + body)
        if kind == 1 and b"Hello" in said:
            client.sendall(_reply(serial, "s", _string(":1.1")))
        elif kind == 1:
            client.sendall(_reply(serial, "v", b"\x01s\0\0" + _string(self.state)))
        return True
