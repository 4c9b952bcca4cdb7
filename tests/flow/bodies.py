#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every body and every query of every route, as the description has them, with one member at a time missing, null, of
each wrong type, out of range, unknown or standing twice: it is refused, the refusal names that member, and nothing is
different afterwards: no order was journaled, and neither containers, rules, documents nor events have changed. What
the description gives as a query's value or default is taken."""
import json
import os
import pathlib
import re
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import local
import tap

WRONG = {
    "string": "banana", "integer": 1, "number": 1.5, "boolean": True, "object": {"banana": 1},
    "array": [{"banana": [1]}], "null": None
}
KEYS = {
    "key": "A_KEY", "name": "a-name", "group": "g", "program": "http", "service": "http", "hook": "0" * 26,
    "image": "debian-13"
}
# What a form looks like is the op's to know; the description has types and ranges.
SAMPLE = {
    "proxy": "socks5://127.0.0.1:1080", "before": "2020-01-01T00:00:00.000Z", "url": "https://example.invalid/",
    "sha256": "0" * 64, "path": "/srv", "source_path": "/srv", "mount_path": "/mnt/x", "image": "builtin:busybox",
    "container_image": "builtin:busybox", "port": "80", "destination_port": "80", "source_port": "80",
    "source": "10.0.0.0/8", "destination": "10.0.0.0/8", "color": "#ABC"
}


class Forms:
    def __init__(self, root):
        self.schemas = root["components"]["schemas"]

    def of(self, schema):
        return self.schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema

    def kinds(self, schema):
        return [self.of(s) for s in schema.get("anyOf", [schema])]

    def good(self, name, schema):
        """A value that the description allows."""
        s = self.kinds(schema)[0]
        if s["type"] == "string":
            return s["enum"][0] if "enum" in s else SAMPLE.get(name) or "a" * max(s.get("minLength", 0), 1)
        if s["type"] in ("integer", "number"):
            return max(s.get("minimum", 1), 1)
        return {
            "boolean": True, "object": self.least(s) if s["type"] == "object" else None,
            "array": [self.good("", s["items"])] * s.get("minItems", 0) if s["type"] == "array" else None
        }[s["type"]]

    def least(self, form):
        return {n: self.good(n, form["properties"][n]) for n in form.get("required", [])}

    def bad(self, name, schema):
        """(what is wrong, value, what it is called in the refusal) of one member."""
        kinds = self.kinds(schema)
        types = {k["type"] for k in kinds} | ({"integer"} if any(k["type"] == "number" for k in kinds) else set())
        for wrong, value in WRONG.items():
            if wrong not in types:
                yield wrong, value, name
        for k in kinds:
            if "maxLength" in k:
                yield "too long", "a" * (k["maxLength"] + 1), name
            if k.get("minLength"):
                yield "too short", "a" * (k["minLength"] - 1), name
            if "enum" in k:
                yield "no such word", "banana", name
            if "maximum" in k and k["maximum"] < 1 << 62:
                yield "too large", k["maximum"] + 1, name
            if "minimum" in k:
                yield "too small", k["minimum"] - 1, name
            if k["type"] == "object" and ("properties" in k or k.get("additionalProperties")):
                yield from ((what, value, f"{name}.{inner}") for what, value, inner in self.members(k))
            if k["type"] == "array" and "items" in k:
                if k["maxItems"] < 1000:
                    yield "too many", [self.good("", k["items"])] * (k["maxItems"] + 1), name
                if self.of(k["items"]).get("type") == "object":
                    yield from ((what, [value], f"{name}[0].{inner}")
                                for what, value, inner in self.members(self.of(k["items"])))
                else:
                    yield "an entry of another type", [{"banana": 1}], f"{name}[0]"

    def members(self, form):
        """(what is wrong, body, the member's name)"""
        least, properties = self.least(form), form.get("properties", {})
        rest = form.get("additionalProperties")
        for name in form.get("required", []):
            yield "missing", {n: v for n, v in least.items() if n != name}, name
        for name, schema in (properties or ({"A_NAME": rest} if rest else {})).items():
            for what, value, called in self.bad(name, schema):
                yield what, {**least, name: value}, called
        if not rest:
            yield "unknown", {**least, "banana": 1}, "banana"


def doubled(body, name, value):
    """JSON text in which a member stands twice."""
    rest = "".join(f", {json.dumps(n)}: {json.dumps(v)}" for n, v in body.items() if n != name)
    return f"{{{json.dumps(name)}: {json.dumps(value)}, {json.dumps(name)}: {json.dumps(value)}{rest}}}"


def cases(forms, form):
    for what, body, called in forms.members(form):
        yield what, json.dumps(body), called
    for name, schema in form.get("properties", {}).items():
        yield "twice", doubled(forms.least(form), name, forms.good(name, schema)), name
    if not form.get("additionalProperties"): # longer than a field's name may be, and cut inside of a letter
        yield "unknown", json.dumps({**forms.least(form), "é" * 60: 1}), "é" * 47 + "?"


def parameters(operation):
    return [p for p in operation.get("parameters", []) if p["in"] == "query"]


def bad_texts(schema):
    """(what is wrong, text) of one parameter."""
    if schema["type"] == "integer":
        yield from ((f"{text!r} for a number", text) for text in ("banana", "", "1.5", " 1", "1 ", "1e1", "true"))
        yield "too small", str(schema["minimum"] - 1)
        yield "negative", "-1"
        yield "too large", str(schema["maximum"] + 1)
        yield "far too large", "9" * 30
    elif schema["type"] == "boolean":
        yield from ((f"{text!r} for a boolean", text) for text in ("banana", "", "1", "True", "yes"))
    elif "enum" in schema:
        yield from ((f"{text!r} for a word", text) for text in ("banana", "", schema["enum"][0].upper()))
    else:
        yield "too long", "a" * (schema["maxLength"] + 1)
        yield "too short", "a" * (schema["minLength"] - 1)


def queries(operation):
    """(what is wrong, query, the parameter's name)"""
    for p in parameters(operation):
        name, schema = p["name"], p["schema"]
        for what, text in bad_texts(schema):
            yield what, urllib.parse.urlencode({name: text}), name
        good = str(schema.get("default", schema.get("enum", ["1"])[0])).lower()
        yield "twice", f"{name}={good}&{name}={good}", name
        yield "unknown by another spelling", f"{name.upper()}={good}", name.upper()
    yield "unknown", "banana=1", "banana"
    yield "unknown, without a value", "banana", "banana"
    yield "unknown", urllib.parse.urlencode({"é" * 60: 1}), "é" * 47 + "?"


def good_queries(operation):
    for p in parameters(operation):
        schema = p["schema"]
        for value in schema.get("enum", [schema["default"]] if "default" in schema else []):
            yield f"{p['name']}={str(value).lower() if isinstance(value, bool) else value}"


def nowhere(root, forms):
    """Every route with each of its arguments naming nothing, well-formed and not, and a body that it would take."""
    for path, methods in root["paths"].items():
        for method, operation in methods.items():
            schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            body = forms.least(forms.of(schema)) if schema and schema != {"type": "object"} else None
            for word in ("f" * 24, "xyz", "0" * 32, "a%2Fb"):
                yield method.upper(), re.sub(r"\{\w+\}", word, path), body


def picture(api, project, cid):
    """All that a body could have changed."""
    paths = [
        "/projects", "/containers", f"/containers/{cid}/env", f"/containers/{cid}/firewall/rules",
        f"/containers/{cid}/snapshots", f"/containers/{cid}/storage/shares", "/proxy/aliases",
        f"/projects/{project}/proxy/permissions", f"/containers/{cid}/proxy/permissions",
        f"/containers/{cid}/proxy/hooks", "/operations?limit=500", "/events?limit=500", "/images/user"
    ]
    return {p: api.do("GET", p) for p in paths}


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        api = local.Local(node)
        root = api.ask("GET", "/openapi.json")[2]
        forms = Forms(root)
        project = api.do("POST", "/projects", {"alias": "p"})["id"]
        cid = api.do("POST", f"/projects/{project}/containers",
                     {"image": harness.IMAGE, "name": "one", "start": False})["id"]
        other = api.do("POST", f"/projects/{project}/containers",
                       {"image": harness.IMAGE, "name": "two", "start": False})["id"]
        share = api.do("POST", f"/containers/{other}/storage/shares",
                       {"path": "/srv", "target_container_id": cid})["id"]
        alias = api.do("POST", "/proxy/aliases", {"container_id": cid, "alias": "one-alias"})["id"]
        api.do("PUT", f"/containers/{cid}/env", {"K": "v"})
        api.do("POST", f"/containers/{cid}/firewall/ingress", {"action": "allow", "protocol": "tcp", "port": 80})
        before, bad, n, asked, routes, began = picture(api, project, cid), [], 0, 0, 0, time.monotonic()

        def refused(method, path, url, text, what, called):
            headers = {"If-Match": "file:v0"} if "/proxy/" in path else {}
            status, answer = api.ask_text(method.upper(), url, text, headers)
            field = answer.get("data", {}).get("field", "") if answer else None
            if status != 400 or field != called:
                bad.append(f"{method.upper()} {path} {(text or url)[:100]}: {what} {called}: {status} "
                           f"{answer.get('error')} {field!r} {answer.get('message')}")

        for path, methods in root["paths"].items():
            for method, operation in methods.items():
                schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
                form = forms.of(schema) if schema else {"properties": {}}
                url = path.replace(
                    "{id}", project if path.startswith("/projects") else
                    harness.NODE_ID if path.startswith("/servers") else cid).replace("{share}",
                                                                                     share).replace("{alias}", alias)
                for name, value in KEYS.items():
                    url = url.replace("{%s}" % name, value)
                routes += 1
                for what, query, called in queries(operation):
                    asked += 1
                    refused(method, path, f"{url}?{query}", None, what, called)
                for query in good_queries(operation):
                    status, _, answer = api.ask("GET", f"{url}?{query}")
                    if status != 200:
                        bad.append(f"GET {path}?{query}: {status} {answer.get('message')}")
                if schema == {"type": "object"}: # an envelope is judged as an order is
                    continue
                for what, text, called in cases(forms, form):
                    n += 1
                    refused(method, path, url, text, what, called)
        took = time.monotonic() - began
        pid, lost = node.agent_pid(), []
        for method, url, body in nowhere(root, forms):
            if "{" in url or "%" in url or "f" * 24 in url or "xyz" in url:
                answer = api.ask(method, url, body, {"If-Match": "file:v0"})
                if answer[0] >= 500:
                    lost.append((method, url, answer[0], answer[2]))
        tap.eq((lost, node.agent_pid(), node.sanitizer_words()), ([], pid, []),
               "what names nothing is refused by every route, and the agent goes on")
        tap.ok(not bad, f"{n} bodies and {asked} queries of {routes} routes are refused by what is wrong with them",
               f"{len(bad)} are not", *bad[:40])
        tap.ok(n > 1500, "thousands of them", n)
        after = picture(api, project, cid)
        tap.eq([p for p in before if before[p] != after[p]], [], "and nothing is different")
        tap.figure(f"{n} wrong bodies and {asked} wrong queries of {routes} routes in {took:.1f} s")
        for c in (cid, other):
            api.do("DELETE", f"/containers/{c}", {"force": True})
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
