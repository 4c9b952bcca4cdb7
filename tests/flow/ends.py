#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that an order may say, at its ends as the agent's own table has them (tests/tools/opends), in characters
of one to four bytes: what is accepted is in effect in a container that starts again with it, and what is one beyond is
refused by its name. A row of the table that nothing here is about fails the test."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import boxes
import harness
import host
import local
import tap
import webserver

WIDTHS = {1: "x", 2: "é", 3: "€", 4: "𝄞"}
ID = "0" * 24
KEY = "ssh-ed25519 " + base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
RULE = {"action": "allow", "protocol": "tcp"}
# What else an order of the op has to say.
WITH = {
    "container.create": {"image": harness.IMAGE},
    "container.copy": {"source_container_id": ID},
    "env.merge": {"vars": {"A": "b"}},
    "env.set": {"key": "A", "value": "b"},
    "env.unset": {"key": "A"},
    "snapshot.restore": {"name": "s"},
    "snapshot.delete": {"name": "s"},
    "snapshot.alias": {"name": "s", "alias": None},
    "firewall.add": {"rule": RULE},
    "firewall.toggle": {"filters": {}, "state": "enabled"},
    "firewall.remove": {"filters": {}},
    "network.configure": {"type": "block"},
    "share.create": {
        "share_id": ID, "source_container_id": ID, "source_path": "/d", "target_container_id": "1" * 24,
        "mode": "readonly"
    },
    "share.update": {"share_id": ID},
    "image.pull": {"image": "i", "url": "https://localhost/", "sha256": "0" * 64},
    "image.remove": {"image": "i"},
    "proxy.document": {"scope": "container", "file_version": 1, "document": None},
    "proxy.alias": {"alias_id": ID, "alias": "abc", "enabled": True, "target": {"container_id": ID}},
}
# So many of whatever it is.
SOMETHING = {
    "list": lambda n: [RULE] * n, "map": lambda n: {f"K{i}": "v" for i in range(n)}, "int": lambda n: n,
    "number": lambda n: n / 100
}


class Table:
    def __init__(self):
        text = subprocess.run([harness.BUILD / "tests/tools/opends"], check=True, capture_output=True, text=True).stdout
        self.rows = [json.loads(line) for line in text.splitlines()]
        self.met, self.tried = set(), 0

    def max(self, op, field):
        """Where it ends; from now on the row is met."""
        row = next(r for r in self.rows if (r["op"], r["field"]) == (op, field))
        self.met.add((op, field))
        self.tried += 1
        return row["max"]


def beyond(row):
    """(value, in which characters)"""
    if row["type"] != "string":
        for n in {row["max"] + 1, row["min"] - 1} - {-1} if row["type"] in ("list", "map") else (row["max"] + 1,
                                                                                                 row["min"] - 1):
            yield SOMETHING[row["type"]](n), row["type"]
        return
    for width, c in WIDTHS.items():
        if width == 1 or not row["form"]:
            yield c * (row["max"] + 1), f"{width} bytes"
    if row["min"] > 0:
        yield "x" * (row["min"] - 1), "too short"


def put(row, value):
    """An order's params with the value at the row's place, and what a refusal calls that place."""
    direction, _, field = row["field"].rpartition(":")
    params = json.loads(json.dumps(WITH.get(row["op"], {})))
    if direction:
        params["direction"] = direction
    at, called, parts = params, [], field.split(".")
    for i, part in enumerate(parts):
        name, last = part.removesuffix("[]"), i == len(parts) - 1
        if part.endswith("[]"):
            is_map = name in ("vars", "environment_vars")
            at[name] = {"A": value} if is_map else [value] if last else [dict(RULE)]
            called.append(f"{name}.A" if is_map else f"{name}[0]")
            at = at[name] if is_map else at[name][0]
            continue
        called.append(name)
        if last:
            at[name] = value
        else:
            at = at.setdefault(name, {})
    return params, ".".join(called)


def refusals(node, table):
    wishes = [(row, how, *put(row, value)) for row in table.rows for value, how in beyond(row)]
    cid = node.new_id()
    ids = [node.order(row["op"], cid, **params) for row, how, params, called in wishes]
    for (row, how, params, called), order in zip(wishes, ids):
        report = node.wait(order)
        error = report.get("error") or {}
        tap.ok(
            report["state"] == "rejected" and error.get("code") == "invalid_params"
            and error.get("data", {}).get("field") == called,
            f"{row['op']}: {called} one beyond ({how}) is refused by its name", report)
    tap.figure(f"{len(wishes)} values one beyond an end of {len(table.rows)} members were refused by name")


def all_refused(node, wishes):
    """(op, params, what the refusal calls what is wrong)"""
    cid = node.new_id()
    ids, bad = [node.order(op, cid, **params) for op, params, _ in wishes], []
    for (op, params, called), order in zip(wishes, ids):
        report = node.wait(order)
        error = report.get("error") or {}
        got = report["state"], error.get("code"), error.get("data", {}).get("field")
        if got != ("rejected", "invalid_params", called):
            bad.append((op, params, called, got))
    return bad


def types(node, table):
    """Each member as each type that it isn't, and one more that nobody knows, at the top and below."""
    values = {
        "string": "banana", "int": 1, "number": 1.5, "bool": True, "map": {"banana": 1}, "list": [{"banana": [1]}]
    }
    wishes = []
    for row in table.rows:
        same = {"int", "number"} if row["type"] == "number" else {row["type"]}
        wishes += [(row["op"], *put(row, v)) for kind, v in values.items() if kind not in same]
    for op in sorted({row["op"] for row in table.rows} | set(WITH)):
        params = {"direction": "ingress"} if op in ("firewall.add", "firewall.toggle", "firewall.remove") else {}
        params.update(WITH.get(op, {}))
        wishes.append((op, {**params, "banana": 1}, "banana"))
        for name in ("rule", "filters", "limits", "target"):
            if isinstance(params.get(name), dict):
                wishes.append((op, {**params, name: {**params[name], "banana": 1}}, f"{name}.banana"))
    bad = all_refused(node, wishes)
    tap.ok(not bad, f"{len(wishes)} orders with a member of another type or an unknown one are refused by its name",
           *bad[:20])


def environment(pid):
    return dict(v.split("=", 1) for v in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in v)


def uts_name(node, cid):
    return node.ctl("exec", cid, "hostname")[1].strip()


def done(node, op, cid, what, **params):
    report = node.do(op, cid, 60, **params)
    tap.eq((report["state"], report.get("error")), ("succeeded", None), what)
    return report


def restarts(node, cid, what):
    report = node.do("container.restart", cid, 60)
    tap.ok(report["state"] == "succeeded" and node.state(cid) == "running", f"{what}: restarted", report.get("error"))
    return host.init_of(node.prefix, cid)


def forget(node, *cids):
    for cid in cids:
        node.do("container.delete", cid, force=True)


def names(node, table):
    longest = table.max("container.create", "name")
    table.max("container.update", "name")
    table.max("container.copy", "name")
    for n in (3, 63, 64, 65, longest):
        cid, name = node.new_id(), ("n%02d" % (n % 100)).ljust(n, "y")
        report = node.do("container.create", cid, image=harness.IMAGE, name=name)
        tap.ok(report["state"] == "succeeded" and node.state(cid) == "running", f"a name of {n}: made and started",
               report.get("error"))
        restarts(node, cid, f"a name of {n}")
        want = name[:64]
        tap.eq((uts_name(node, cid), (node.root(cid) / "etc/hostname").read_text().strip()), (want, want),
               "its hostname is what the kernel can hold of it")
        tap.ok(want in (node.root(cid) / "etc/hosts").read_text().split(), "and stands in its hosts")
        renamed = ("r%03d-" % n).ljust(longest, "z")
        tap.eq((node.do("container.update", cid, name=renamed)["state"], uts_name(node, cid)),
               ("succeeded", renamed[:64]), "renamed to the longest while it runs")
        restarts(node, cid, "renamed")
        copy = node.new_id()
        report = node.do("container.copy", copy, source_container_id=cid, name=("c%03d-" % n).ljust(longest, "c"))
        tap.ok(
            report["state"] == "succeeded"
            and (node.root(copy) / "etc/hostname").read_text().strip() == ("c%03d-" % n).ljust(64, "c"),
            "copied to the longest", report.get("error"))
        tap.eq((node.do("container.update", cid, name="m")["state"], uts_name(node, cid)), ("succeeded", "m"),
               "renamed to the shortest")
        restarts(node, cid, "the shortest name")
        forget(node, cid, copy)


def values(node, table):
    cid, api = node.new_id(), local.Local(node)
    key_max, value_max, most = table.max("env.set", "key"), table.max("env.set",
                                                                      "value"), table.max("env.merge", "vars")
    for op, field in (("env.merge", "vars[]"), ("env.unset", "key"), ("container.create", "environment_vars[]"),
                      ("container.update", "environment_vars[]"), ("container.update", "environment_vars")):
        table.max(op, field)
    all_of_them = {
        f"E{n:03d}".ljust(key_max, "E"): WIDTHS[1 + n % 4] * (value_max if n < 4 else 1)
        for n in range(table.max("container.create", "environment_vars"))
    }
    done(node, "container.create", cid, "made with as many variables as can be, of the longest names",
         image=harness.IMAGE, name="values", environment_vars=all_of_them)
    pid = restarts(node, cid, "as many variables as can be")
    tap.eq({k: v for k, v in environment(pid).items() if k.startswith("E")}, all_of_them, "and init has all of them")
    done(node, "container.update", cid, "replaced by one", environment_vars={"_": "v"})
    pid = restarts(node, cid, "the shortest variable")
    tap.eq({k: v for k, v in environment(pid).items() if k.startswith("E")}, {}, "and the others are gone")
    done(node, "container.update", cid, "and by none", environment_vars={})
    for width, c in WIDTHS.items():
        key = f"K{width}".ljust(key_max, "K")
        done(node, "env.set", cid, f"a value of {value_max} characters of {width} bytes under the longest name",
             key=key, value=c * value_max)
        pid = restarts(node, cid, f"{width} bytes")
        tap.ok(environment(pid).get(key) == c * value_max, "init has it")
        code, out, err = node.ctl("exec", cid, "env")
        tap.ok(f"{key}={c * value_max}" in out.splitlines(), "and so has a session", code, out[-200:], err)
    many = {f"V{n:03d}": WIDTHS[4] * value_max for n in range(most - len(WIDTHS))}
    for n in range(0, len(many), 42):
        done(node, "env.merge", cid, "42 variables more", vars=dict(list(many.items())[n: n + 42]))
    pid = restarts(node, cid, f"{most} values of {4 * value_max} bytes: more than a process can be started with")
    tap.ok(len(environment(pid)) > 50, "init has as many as it can", len(environment(pid)))
    code, out, err = node.ctl("exec", cid, "sh", "-c", "env | wc -l")
    tap.ok(code == 0 and int(out) > 50, "and so has a session", code, out, err)
    status, _, answer = api.ask("GET", f"/containers/{cid}/env")
    tap.ok(status == 200 and len(json.dumps(answer)) > most * value_max, "the local API tells all of them", status,
           str(answer)[:200])
    done(node, "env.unset", cid, "the longest name is unset", key="K1".ljust(key_max, "K"))
    forget(node, cid)


def notes(node, table):
    """What is kept, shown and written into a root."""
    longest = {
        f: [table.max(op, f) for op in ("container.create", "container.update")][0]
        for f in ("ssh_public_key", "comment", "color", "realm_ids")
    }
    realms = [node.new_id() for _ in range(longest["realm_ids"])]
    table.max("container.copy", "ssh_public_key")
    for width, c in WIDTHS.items():
        cid, copy = node.new_id(), node.new_id()
        key = f"{KEY} ".ljust(longest["ssh_public_key"], c)
        done(node, "container.create", cid, f"a key and a comment as long as can be, of {width} bytes",
             image=harness.IMAGE, name="notes", ssh_public_key=key, comment=c * longest["comment"], color="#AABBCC",
             realm_ids=realms)
        restarts(node, cid, f"a key of {width} bytes")
        tap.ok(key in (node.root(cid) / "root/.ssh/authorized_keys").read_text().splitlines(), "the key is root's")
        shown = local.Local(node).do("GET", f"/containers/{cid}")
        tap.eq((shown["ssh_public_key"] == key, shown["comment"] == c * longest["comment"], shown["color"],
                shown["realm_ids"] == realms), (True, True, "#AABBCC", True), "all of it is shown")
        done(node, "container.copy", copy, "copied with such a key", source_container_id=cid, name="copy",
             ssh_public_key=key)
        tap.ok(key in (node.root(copy) / "root/.ssh/authorized_keys").read_text().splitlines(),
               "which is the copy's root's")
        done(node, "container.update", cid, "taken away", ssh_public_key=None, comment="", color=None)
        restarts(node, cid, "without any")
        forget(node, cid, copy)


def taken(report, name, what):
    """A limit that was taken; else it was refused by its name, with a word that says why."""
    error = report.get("error") or {}
    tap.ok(
        report["state"] == "succeeded"
        or (error.get("code"), error["data"]["field"]) == ("LIMIT_NOT_SUPPORTED", f"limits.{name}"),
        f"{what}: taken, or refused by its name", report)
    return report["state"] == "succeeded"


def numbers(node, table):
    cid = node.new_id()
    done(node, "container.create", cid, "a container for limits", image=harness.IMAGE, name="limits")
    for row in [r for r in table.rows if r["op"] == "container.create" and r["field"].startswith("limits.")]:
        name = row["field"].split(".")[1]
        table.max("container.update", row["field"])
        ends = [
            n / 100 if row["type"] == "number" else n for n in (table.max("container.create", row["field"]), row["min"])
        ]
        for n in ends + [6 << 20] * (name == "memory_bytes"): # the least that is taken
            what, new = f"{name} {n:g}", node.new_id()
            if taken(node.do("container.create", new, 60, image=harness.IMAGE, name="at-an-end", limits={name: n}),
                     name, f"made with {what}"):
                restarts(node, new, what)
            taken(node.do("container.update", cid, 60, limits={name: n}), name, f"changed to {what}")
            restarts(node, cid, f"changed to {what}")
            done(node, "container.update", cid, "and back", limits={name: None})
            forget(node, new)
    forget(node, cid)


def snapshots(node, table):
    cid, copies = node.new_id(), []
    done(node, "container.create", cid, "a container for snapshots", image=harness.IMAGE, name="snaps")
    longest = table.max("snapshot.create", "alias")
    days = table.max("snapshot.create", "expiry_days")
    for op, field in (("snapshot.restore", "name"), ("snapshot.delete", "name"), ("snapshot.alias", "name"),
                      ("snapshot.alias", "alias"), ("container.copy", "source_snapshot")):
        table.max(op, field)
    for width, c in WIDTHS.items():
        alias = f"s{width}".ljust(longest, c)
        report = done(node, "snapshot.create", cid,
                      f"a snapshot with an alias of {longest} characters of {width} bytes", alias=alias,
                      expiry_days=days, limit=table.max("snapshot.create", "limit"))
        made = report["result"]["snapshot"]
        tap.eq(made["alias"], alias, "has it")
        done(node, "snapshot.alias", cid, "is given another", name=made["name"], alias=f"t{width}".ljust(longest, c))
        done(node, "snapshot.restore", cid, "restored", name=made["name"])
        restarts(node, cid, "restored")
        copies.append(node.new_id())
        done(node, "container.copy", copies[-1], "copied from", source_container_id=cid, name=f"copy{width}",
             source_snapshot=made["name"])
        done(node, "snapshot.delete", cid, "deleted", name=made["name"])
    done(node, "snapshot.create", cid, "the shortest alias", alias="a", expiry_days=1)
    forget(node, cid, *copies)


def firewall(node, table):
    cid = node.new_id()
    done(node, "container.create", cid, "a container for rules", image=harness.IMAGE, name="rules")
    for direction, peer in (("ingress", "source"), ("egress", "destination")):
        ports = table.max("firewall.add", f"{direction}:rule.destination_port")
        for r in table.rows:
            if r["op"].startswith("firewall.") and direction in r["field"]:
                table.max(r["op"], r["field"])
        for n, (width, c) in enumerate(WIDTHS.items()):
            rule = {
                **RULE, "destination_port": ",".join(str(30000 + 1000 * n + i) for i in range(11))[:ports],
                "source_port": ",".join(f"{4000 + 100 * n + i}" for i in range(13))[:ports],
                peer: ",".join([*(f"{11 + n}.{100 + i}.100.0/24" for i in range(31)), f"{111 + n}.100.100.0/24"]),
                "description": c * table.max("firewall.add", f"{direction}:rule.description")
            }
            done(node, "firewall.add", cid, f"{direction}: a rule with every text at its end, of {width} bytes",
                 direction=direction, rule=rule)
            done(node, "firewall.toggle", cid, "is named by all of it", direction=direction, filters=rule,
                 state="disabled")
            done(node, "firewall.toggle", cid, "twice", direction=direction, filters=dict(rule, state="disabled"),
                 state="enabled")
            restarts(node, cid, "with it")
            done(node, "firewall.remove", cid, "and taken away by it", direction=direction,
                 filters=dict(rule, state="enabled"))
        icmp = {"action": "drop", "protocol": "icmp4", "icmp_type": "255", "icmp_code": "255"}
        done(node, "firewall.add", cid, "ICMP's last type and code", direction=direction, rule=icmp)
    rules = [{**RULE, "destination_port": str(1 + n)} for n in range(table.max("firewall.replace", "ingress"))]
    report = node.do("firewall.replace", cid, 60, ingress=rules, egress=[])
    tap.ok(report["state"] == "failed" and report["error"]["code"] == "CONTAINER_FIREWALL_RULE_LIMIT",
           "more rules than a container has are refused by their number", report)
    done(node, "firewall.replace", cid, "500 are taken", ingress=rules[:250], egress=rules[:250])
    restarts(node, cid, "with 500 rules")
    forget(node, cid)


class Proxy:
    """Of SOCKS 5 and HTTP, as far as to hear who asks (RFC 1928, RFC 1929, RFC 9110); then it says what was asked
    for."""

    def __init__(self, outside):
        self.outside, self.listener, self.users = outside, outside.listen(1080), []
        self.listener.settimeout(None)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection = self.listener.accept()[0]
            with contextlib.suppress(OSError, IndexError, ValueError), connection, connection.makefile("rb") as f:
                self.answer(connection, f)

    def answer(self, connection, f):
        first = f.read(1)
        if first == b"\5":
            f.read(f.read(1)[0])
            connection.sendall(b"\5\2")
            f.read(1)
            self.users.append((f.read(f.read(1)[0]).decode(), f.read(f.read(1)[0]).decode()))
            connection.sendall(b"\1\0")
            f.read(10)
            connection.sendall(b"\5\0\0\1" + bytes(6))
        else:
            head = first + b"".join(iter(f.readline, b"\r\n"))
            self.users.append(tuple(
                base64.b64decode(head.split(b"Basic ")[1].split(b"\r\n")[0]).decode().split(":", 1)))
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.sendall(b"by way of the proxy\n")


def network(node, table):
    outside = boxes.Outside()
    proxy, box = Proxy(outside), boxes.Box(node, "proxied")
    texts = {f: WIDTHS[4] * table.max("network.configure", f) for f in ("country", "city", "region", "comment")}
    servers = [f"198.51.100.{n}" for n in range(2, 2 + table.max("network.configure", "dns_servers"))]
    table.max("network.configure", "dns_servers[]")
    longest, at = table.max("network.configure", "proxy"), f"@{boxes.OUTSIDE}:1080"
    http = longest - len("http://:" + at)
    cases = [("socks5", "u" * 255, "p" * 255), ("socks5", "%75" * 255, "%C3%A9" * 127 + "p"), ("socks5", "u", "p"),
             ("http", "u" * (http // 2), "p" * (http - http // 2)), ("http", "u", "p")]
    for scheme, user, password in cases:
        url, want = f"{scheme}://{user}:{password}{at}", (urllib.parse.unquote(user), urllib.parse.unquote(password))
        what = f"{scheme} with credentials of {len(want[0].encode())} and {len(want[1].encode())} bytes"
        done(node, "network.configure", box.id, f"{what}: configured", type=scheme, proxy=url, dns_servers=servers,
             **texts)
        done(node, "network.start", box.id, "and started")
        for when in ("while it runs", "after a restart"):
            proxy.users.clear()
            heard = host.poll(lambda: "by way of the proxy" in box.says("nc -w 5 203.0.113.1 80 </dev/null"), 20)
            tap.ok(heard and set(proxy.users) == {want}, f"a connection goes by the proxy with them, {when}", heard,
                   [tuple(map(len, u)) for u in proxy.users])
            if when == "while it runs":
                restarts(node, box.id, what)
        done(node, "network.stop", box.id, "stopped")
    for user, password in (("u" * 256, "p"), ("u", "%C3%A9" * 128), ("u" * 1000, "p" * 1000)):
        report = node.do("network.configure", box.id, type="socks5", proxy=f"socks5://{user}:{password}{at}")
        tap.eq((report["state"], (report.get("error") or {}).get("data", {}).get("field")), ("rejected", "proxy"),
               "credentials that SOCKS can't carry are refused by name")
    forget(node, box.id)


def make_deep(top, deep):
    """The directory below a tree, made component by component: no call takes so long a path."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for part in deep.strip("/").split("/"):
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=fd)
        fd, old = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd), fd
        os.close(old)
    return fd


def has(pid, deep, name):
    """Does a container see the file in the directory?"""
    fd = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in [*deep.strip("/").split("/"), name]:
            fd, old = os.open(part, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd), fd
            os.close(old)
        return True
    except OSError as e:
        tap.note(f"{part[:20]}: {e}")
        return False
    finally:
        os.close(fd)


def deep(n, c):
    """An absolute path of n characters, of components as long as there are."""
    return "".join("/" + c * min(255, n - at - 1) for at in range(0, n - 1, 256)) + "/" * (n % 256 == 1 and n > 1)


def shares(node, table):
    source, target = boxes.Box(node, "source"), boxes.Box(node, "target")
    longest = {
        f: table.max("share.create", f)
        for f in ("source_path", "mount_path", "alias", "label", "description", "expires_at")
    }
    for f in ("alias", "label", "description", "expires_at"):
        table.max("share.update", f)
    at_ends = {
        "alias": "a" * longest["alias"], "label": "b" * longest["label"],
        "description": WIDTHS[4] * longest["description"], "expires_at": longest["expires_at"]
    }
    for from_n, to_n in ((longest["source_path"], 20), (20, longest["mount_path"]),
                         (longest["source_path"], longest["mount_path"]), (255, 255), (2, 2)):
        sid, at, to = node.new_id(), deep(from_n, "s"), deep(to_n, "t")
        fd = make_deep(node.root(source.id), at)
        os.close(os.open("marker", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)
        what = f"a share of a path of {from_n} at one of {to_n}"
        report = done(node, "share.create", None, what, share_id=sid, source_container_id=source.id, source_path=at,
                      target_container_id=target.id, mount_path=to, mode="readonly", **at_ends)
        tap.ok(has(target.pid(), to, "marker"), f"{what}: is seen", str(report)[-300:])
        restarts(node, target.id, what)
        tap.ok(has(target.pid(), to, "marker"), f"{what}: and after a restart")
        done(node, "share.update", None, "changed", share_id=sid, mode="readwrite", alias="aaa", label=None,
             description="")
        restarts(node, target.id, what)
        tap.ok(has(target.pid(), to, "marker"), f"{what}: and still when changed")
        done(node, "share.delete", None, "deleted", share_id=sid)
        tap.ok(not has(target.pid(), to, "marker"), f"{what}: is gone")
    for field in ("source_path", "mount_path"):
        report = node.do(
            "share.create", None,
            **{**WITH["share.create"], "mount_path": "/m", "share_id": node.new_id(), field: "/" + "p" * 256})
        tap.eq((report["state"], (report.get("error") or {}).get("data", {}).get("field")), ("rejected", field),
               f"{field}: a name that no file system has is refused")
    forget(node, source.id, target.id)


def images(node, table):
    work = node.directory / "image"
    for place in ("sbin", "bin", "etc", "dev", "proc", "sys", "tmp", "root"):
        (work / "root" / place).mkdir(parents=True)
    for place in ("sbin/init", "bin/busybox", "bin/sh", "bin/hostname"):
        shutil.copy("/bin/busybox", work / "root" / place)
    tar = work / "image.tar"
    subprocess.run(["tar", "-C", work / "root", "-cf", tar, "."], check=True)
    server, digest = webserver.Server(work), hashlib.sha256(tar.read_bytes()).hexdigest()
    table.max("image.remove", "image")
    table.max("image.pull", "size")
    for n, url_n in ((table.max("image.pull", "image"), table.max("image.pull", "url")), (1, 60)):
        name, cid = "i" + "/i" * ((n - 1) // 2), node.new_id()
        start = server.url("image.tar")[: -len("image.tar")]
        done(node, "image.pull", None, f"an image with a name of {n} from a URL of {url_n}", image=name,
             url=start + "/" * (url_n - len(start) - len("image.tar")) + "image.tar", sha256=digest)
        done(node, "container.create", cid, "made of it", image=name, name="of-it")
        table.max("container.create", "image")
        restarts(node, cid, "of it")
        tap.eq(local.Local(node).do("GET", f"/containers/{cid}")["container_image"], name, "which it is shown to be of")
        forget(node, cid)
        done(node, "image.remove", None, "removed", image=name)


def documents(node, table):
    """What a reverse proxy is told about a container."""
    cid, directory = node.new_id(), pathlib.Path(node.directory / "run/proxy")
    done(node, "container.create", cid, "a container behind a reverse proxy", image=harness.IMAGE, name="behind")
    longest = {
        f: table.max("proxy.alias", f)
        for f in ("alias", "target.program", "target.port", "target.index", "target.target_path", "expires_at")
    }
    target = {
        "container_id": cid, "program": "p" * longest["target.program"], "port": longest["target.port"],
        "index": longest["target.index"], "target_path": "/".ljust(longest["target.target_path"], WIDTHS[4])
    }
    alias = "a" * longest["alias"]
    done(node, "proxy.alias", None, "an alias with everything at its end", alias_id=node.new_id(), alias=alias,
         enabled=True, target=target, expires_at="9999-12-31T23:59:59.999Z")
    done(node, "proxy.document", cid, "a document of the last version", scope="container",
         file_version=table.max("proxy.document", "file_version"), document={"note": WIDTHS[4] * 50_000})
    restarts(node, cid, "with both")
    files = {str(p.relative_to(node.directory)): p for p in node.directory.rglob("*.json")}
    told = next((json.loads(p.read_text()) for n, p in files.items() if n.endswith(f"aliases/{alias}.json")), None)
    tap.eq((told or {}).get("target", {}).get("target_path"), target["target_path"], "the alias is told")
    tap.ok(any(WIDTHS[4] * 50_000 in p.read_text() for n, p in files.items() if n.endswith(f"containers/{cid}.json")),
           "and the document")
    forget(node, cid)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    table = Table()
    parts = sys.argv[1:]
    with harness.Node() as node:
        for part in (refusals, types, names, values, notes, numbers, snapshots, firewall, network, shares, images,
                     documents):
            if not parts or part.__name__ in parts:
                tap.note(part.__name__)
                part(node, table)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, and sanitizers are silent")
    tap.eq([] if parts else [f"{r['op']} {r['field']}" for r in table.rows if (r["op"], r["field"]) not in table.met],
           [], "every member that has ends was tried at them")
    tap.figure(f"{table.tried} ends of {len(table.rows)} members were tried")
    tap.done()


main()
