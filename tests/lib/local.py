# SPDX-License-Identifier: GPL-2.0-or-later
"""The local API as a client sees it: http.client over the node's Unix socket, server-sent events, and the part of JSON
Schema that agent/api/api-openapi.json uses."""
import http.client
import json
import re
import socket

from slow import SLOW


class _Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("node", timeout=timeout_s * SLOW)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Local:
    def __init__(self, node, timeout_s=30):
        self.path, self.timeout_s = node.directory / "run" / "debug.sock", timeout_s

    def ask(self, method, path, body=None, headers=()):
        """(status, headers, JSON)"""
        return self.send(method, path, None if body is None else json.dumps(body), headers)

    def ask_text(self, method, path, text, headers=()):
        """(status, JSON) of a body that is given as it is."""
        status, _, answer = self.send(method, path, text, headers)
        return status, answer

    def send(self, method, path, text, headers):
        connection = _Connection(self.path, self.timeout_s)
        try:
            connection.request(method, "/api/v1" + path, text, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, answer.headers, json.loads(text) if text else None
        finally:
            connection.close()

    def do(self, method, path, body=None):
        """The data of a call that has to succeed."""
        status, _, answer = self.ask(method, path, body)
        assert status < 300, (method, path, status, answer)
        return answer["data"]

    def page(self, path):
        """The text of what is not below /api/v1: metrics."""
        connection = _Connection(self.path, self.timeout_s)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, (path, answer.status)
            return answer.read().decode()
        finally:
            connection.close()

    def stream(self, path):
        return Stream(self.path, path, self.timeout_s)


class Stream:
    """Server-sent events: iterate for (event, data)."""

    def __init__(self, socket_path, path, timeout_s):
        self.connection = _Connection(socket_path, timeout_s)
        self.connection.request("GET", "/api/v1" + path, headers={"Accept": "text/event-stream"})
        self.answer = self.connection.getresponse()

    def __iter__(self):
        event = None
        while line := self.answer.readline().decode():
            if line.startswith("event: "):
                event = line[7:].strip()
            elif line.startswith("data: "):
                yield event, json.loads(line[6:])

    def close(self):
        self.connection.close()


TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool,
    "null": type(None)
}


def faults(schema, value, root, at="$"):
    """What of the value is not as the schema says."""
    if "$ref" in schema:
        return faults(root["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], value, root, at)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(
            isinstance(value, TYPES[k]) and not (k == "integer" and isinstance(value, bool)) for k in kinds):
        return [f"{at}: {value!r} is no {' or '.join(kinds)}"]
    found = []
    if "const" in schema and value != schema["const"] or "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: {value!r} is not allowed")
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        found.append(f"{at}: {value!r} does not match {schema['pattern']}")
    if isinstance(value, dict):
        found += [f"{at}: {name} is missing" for name in schema.get("required", []) if name not in value]
        for name, member in value.items():
            if name in schema.get("properties", {}):
                found += faults(schema["properties"][name], member, root, f"{at}.{name}")
            elif "properties" in schema and at != "$":
                found.append(f"{at}: {name} is not described")
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            found += faults(schema["items"], item, root, f"{at}[{i}]")
    return found
