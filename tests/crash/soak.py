#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random orders from a generator against a model of the host (tests/lib/hostmodel.py), several containers at once, some
through the local API, with the agent, its courier, portal, workers and forwarders killed at random. After each round
every order has ended as the model says, and the kernel, the pool and the state file are what the model is; in the end
nothing is left. On btrfs and on plain directories, one half of the time each. HOODY_SOAK_S: how long; HOODY_SEED
repeats a run."""
import hashlib
import json
import os
import pathlib
import random
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import hostmodel
import local
import loop
import netns
import tap
import webserver

SECONDS = int(os.environ.get("HOODY_SOAK_S", "110"))
PROJECTS = ("0123456789abcdef0123aaaa", "0123456789abcdef0123bbbb", "0123456789abcdef0123cccc")
LOCAL = "0123456789abcdef0123dddd" # its containers are the local API's in some rounds, and then nobody else's
OUTSIDE, GATE = "198.51.100.2", "198.51.100.1"
BOXES, ORDERS, ROTATIONS = 7, 14, 6 # the control API keeps no more keys
INGRESS, EGRESS = (80, 81, 82), (8000, 8001)
KEYS = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{c * 43} soak" for c in "ABC"]
SHARED = ("/root", "/etc", "/nowhere")


class Outside:
    """A host beyond the uplink that answers."""

    def __init__(self):
        self.ns, here = netns.Namespace(), netns.Namespace.current()
        here.ip("link add up0 type veth peer name up1")
        here.ip(f"link set up1 netns {self.ns.path()}")
        here.ip(f"addr add {GATE}/24 dev up0")
        here.ip("link set up0 up")
        self.ns.ip(f"addr add {OUTSIDE}/24 dev up1")
        self.ns.ip("link set up1 up")
        here.ip(f"route add default via {OUTSIDE}")
        here.sysctl(ipv4__icmp_ratelimit=0, ipv4__icmp_ratemask=0)
        with self.ns:
            self.sockets = [listener(port, OUTSIDE) for port in EGRESS]

    def drain(self):
        for s in self.sockets:
            try:
                while True:
                    s.accept()[0].close()
            except BlockingIOError:
                pass


def listener(port, address="0.0.0.0"):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    s.listen(64)
    s.setblocking(False)
    return s


def knock(sockets, timeout_s=0.35):
    """What becomes of connections that were begun all at once: {key: open, refused or silence}."""
    found, end = {}, time.monotonic() + timeout_s
    while len(found) < len(sockets) and (left := end - time.monotonic()) > 0:
        waiting = [s for k, s in sockets.items() if k not in found]
        ready = select.select([], waiting, [], left)[1]
        for k, s in sockets.items():
            if s in ready:
                e = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                found[k] = "open" if e == 0 else "refused"
    for s in sockets.values():
        s.close()
    return {k: found.get(k, "silence") for k in sockets}


def call(address, port):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex((address, port))
    return s


class Generator:
    """The next order: {op, container_id, project_id, params}."""

    def __init__(self, rng, model, images):
        self.rng, self.model, self.images = rng, model, images
        self.reserved, self.graves, self.lost_shares, self.version = set(), [], [], 0

    def new_id(self):
        return self.rng.randbytes(12).hex()

    def boxes(self):
        return [i for i in self.planned if i not in self.reserved]

    def some(self):
        """A container, mostly one that there is."""
        known = self.boxes()
        return self.rng.choice(known) if known and self.rng.random() < 0.96 else self.new_id()

    def project(self):
        return self.rng.choice(PROJECTS)

    def start_round(self, reserved):
        self.reserved, self.planned, self.planned_shares = set(reserved), list(self.model.boxes), list(
            self.model.shares)

    def next(self):
        r = self.rng
        broken = [
            b.id for b in self.model.boxes.values() if b.broken and b.id not in self.reserved and b.id in self.planned
        ]
        if broken:
            self.planned.remove(broken[0])
            return self.order("container.delete", broken[0], force=True)
        if len(self.boxes()) < 2 or len(self.boxes()) < BOXES and r.random() < 0.12:
            return self.create()
        name = r.choices([n for n, _ in self.WEIGHTS], [w for _, w in self.WEIGHTS])[0]
        return getattr(self, "make_" + name.replace(".", "_"), None or (lambda: self.plain(name)))()

    def order(self, op, cid=None, project=None, **params):
        return {"op": op, "container_id": cid, "project_id": project or PROJECTS[0], "params": params}

    def plain(self, name):
        return self.order(name, self.some())

    WEIGHTS = (("container.start", 10), ("container.stop", 6), ("container.force-stop", 4), ("container.restart", 5),
               ("container.pause", 5), ("container.resume", 6), ("update", 5), ("delete", 4), ("copy", 4),
               ("container.sync", 4), ("env_merge", 3), ("env_set", 3), ("env_unset", 2), ("snapshot_create", 5),
               ("snapshot_restore", 3), ("snapshot_delete", 2), ("snapshot_alias", 2), ("firewall_add", 6),
               ("firewall_toggle", 2), ("firewall_remove", 2), ("firewall_replace", 3), ("firewall.reset", 2),
               ("network_configure", 3), ("network.start", 3), ("network.stop", 2), ("network.remove", 1),
               ("share_create", 5), ("share_update", 4), ("share_delete", 2), ("share_mount", 2), ("image_pull", 1),
               ("image_remove", 1), ("document", 2), ("alias", 2), ("project_delete", 0.6), ("node.resync",
                                                                                             0.7), ("command", 0.7))

    def create(self):
        r = self.rng
        cid = r.choice(self.graves) if self.graves and r.random() < 0.2 else self.new_id()
        if cid in self.reserved:
            cid = self.new_id()
        params = {
            "image": r.choice((harness.IMAGE, harness.IMAGE, harness.IMAGE, *self.images)), "start": r.random() < 0.8,
            "hoody_kit": r.random() < 0.3, "name": f"box-{cid[:6]}"
        }
        if r.random() < 0.5:
            params["environment_vars"] = self.variables()
        if r.random() < 0.4:
            params["ssh_public_key"] = r.choice(KEYS)
        if r.random() < 0.4:
            params["ramdisk"] = r.random() < 0.5
        if r.random() < 0.3:
            params["ramdisk_scope"] = r.choice(("container", "project"))
        if cid not in self.planned:
            self.planned.append(cid)
        return self.order("container.create", cid, self.project(), **params)

    def make_delete(self):
        cid = self.some()
        force = self.rng.random() < 0.7
        if force and cid in self.planned:
            self.planned.remove(cid)
            self.graves = self.graves[-5:] + [cid]
        return self.order("container.delete", cid, force=force)

    def make_copy(self):
        r, source = self.rng, self.some()
        if len(self.boxes()) >= BOXES + 2:
            return self.make_delete()
        cid = self.new_id() if r.random() < 0.95 else self.some()
        params = {"source_container_id": source, "name": f"copy-{cid[:6]}", "start": r.random() < 0.6}
        for flag in ("copy_firewall_rules", "copy_network_rules"):
            if r.random() < 0.5:
                params[flag] = True
        if r.random() < 0.3:
            params["source_snapshot"] = r.choice("abcd")
        if r.random() < 0.3:
            params["ssh_public_key"] = r.choice(KEYS)
        if cid not in self.planned:
            self.planned.append(cid)
        return self.order("container.copy", cid, self.project(), **params)

    def make_update(self):
        r, params = self.rng, {}
        if r.random() < 0.4:
            params["ssh_public_key"] = r.choice((*KEYS, None))
        if r.random() < 0.4:
            params["ramdisk"] = r.random() < 0.6
        if r.random() < 0.2:
            params["ramdisk_scope"] = r.choice(("container", "project"))
        if r.random() < 0.3:
            params["autostart"] = r.random() < 0.5
        if not params or r.random() < 0.3:
            params["name"] = f"name-{r.randrange(1000)}"
        return self.order("container.update", self.some(), **params)

    def variables(self):
        return {self.rng.choice("ABCDEF"): f"v{self.rng.randrange(1000)}" for _ in range(self.rng.randint(1, 3))}

    def make_env_merge(self):
        return self.order("env.merge", self.some(),
                          vars={"HOODY_X": "1"} if self.rng.random() < 0.1 else self.variables())

    def make_env_set(self):
        return self.order("env.set", self.some(), key=self.rng.choice("ABCDEF"), value=f"s {self.rng.randrange(1000)}")

    def make_env_unset(self):
        return self.order("env.unset", self.some(), key=self.rng.choice("ABCDEF"))

    def make_snapshot_create(self):
        more = {"limit": self.rng.randint(1, 4)} if self.rng.random() < 0.3 else {}
        return self.order("snapshot.create", self.some(), alias=self.rng.choice("abcd"), **more)

    def make_snapshot_restore(self):
        return self.order("snapshot.restore", *self.of_snapshot())

    def of_snapshot(self):
        raise NotImplementedError

    def snapshot_order(self, op, **more):
        owners = [b for b in self.model.boxes.values() if b.snapshots and b.id in self.boxes()]
        if owners and self.rng.random() < 0.8:
            box = self.rng.choice(owners)
            return self.order(op, box.id, name=self.rng.choice(sorted(box.snapshots)), **more)
        return self.order(op, self.some(), name=self.rng.choice("abcd"), **more)

    make_snapshot_restore = lambda self: self.snapshot_order("snapshot.restore")
    make_snapshot_delete = lambda self: self.snapshot_order("snapshot.delete")
    make_snapshot_alias = lambda self: self.snapshot_order("snapshot.alias", alias=self.rng.choice(
        ("one", "two", None)))

    def rule(self, direction):
        r, low = self.rng, self.rng.choice(INGRESS if direction == "ingress" else EGRESS)
        rule = {
            "action": r.choice(("allow", "allow", "reject", "drop")), "protocol": r.choice(("tcp", "tcp", "udp")),
            "destination_port": str(low) if r.random() < 0.7 else f"{low}-{low + 1}"
        }
        if r.random() < 0.2:
            rule["state"] = r.choice(("enabled", "disabled"))
        return rule

    def direction(self):
        return self.rng.choice(("ingress", "ingress", "egress"))

    def make_firewall_add(self):
        d = self.direction()
        return self.order("firewall.add", self.some(), direction=d, rule=self.rule(d))

    def filters(self, d):
        rule = self.rule(d)
        return {k: rule[k] for k in self.rng.sample(sorted(rule), self.rng.randint(1, 2))}

    def make_firewall_toggle(self):
        d = self.direction()
        return self.order("firewall.toggle", self.some(), direction=d, filters=self.filters(d), state=self.rng.choice(
            ("enabled", "disabled")))

    def make_firewall_remove(self):
        d, what = self.direction(), self.rng.choice(("filters", "all", "both"))
        params = {} if what == "all" else {"filters": self.filters(d)}
        return self.order("firewall.remove", self.some(), direction=d, **params,
                          **({} if what == "filters" else {"all": True}))

    def make_firewall_replace(self):
        return self.order(
            "firewall.replace", self.some(), **{
                d: [self.rule(d) for _ in range(self.rng.randint(0, 4))]
                for d in self.rng.choice((("ingress", ), ("egress", ), ("ingress", "egress")))
            })

    def make_network_configure(self):
        return self.order(
            "network.configure", self.some(),
            **self.rng.choice(
                ({"type": "block"}, {"type": "socks5",
                                     "proxy": "socks5://127.0.0.1:9"}, {"type": "http",
                                                                        "proxy": "http://127.0.0.1:9"})))

    def make_share_create(self):
        r, sid = self.rng, self.new_id()
        params = {
            "share_id": sid, "source_container_id": self.some(), "source_path": r.choice(SHARED), "mode": r.choice(
                ("readonly", "readwrite"))
        }
        if r.random() < 0.6:
            params["target_container_id"] = self.some()
            if params["target_container_id"] == params["source_container_id"]:
                return self.make_share_create() if len(self.boxes()) > 1 else self.create()
        else:
            params["target_project_id"] = self.project()
        if r.random() < 0.8:
            params["mount_path"] = f"/mnt/{sid[:8]}"
        if r.random() < 0.1:
            params["enabled"] = False
        self.planned_shares.append(sid)
        return self.order("share.create", **params)

    def share(self):
        return self.rng.choice(
            self.planned_shares) if self.planned_shares and self.rng.random() < 0.95 else self.new_id()

    def make_share_update(self):
        r, params = self.rng, {}
        if r.random() < 0.5:
            params["mode"] = r.choice(("readonly", "readwrite"))
        if r.random() < 0.5:
            params["enabled"] = r.random() < 0.6
        return self.order("share.update", share_id=self.share(), **params)

    def make_share_delete(self):
        sid = self.share()
        if sid in self.planned_shares:
            self.planned_shares.remove(sid)
        return self.order("share.delete", share_id=sid)

    def make_share_mount(self):
        return self.order("share.mount", share_id=self.share(), container_id=self.some(), mount=self.rng.random() < 0.5)

    def make_image_pull(self):
        name = self.rng.choice(sorted(self.images))
        more = {"refresh": True} if self.rng.random() < 0.2 else {}
        return self.order("image.pull", image=name, url=self.images[name][0], sha256=self.images[name][1], **more)

    def make_image_remove(self):
        return self.order("image.remove", image=self.rng.choice(sorted(self.images)))

    def make_document(self):
        r = self.rng
        self.version += 1
        version = self.version if r.random() < 0.85 else r.randint(0, self.version)
        document = {"n": version} if r.random() < 0.85 else None
        if r.random() < 0.6:
            return self.order("proxy.document", self.some(), scope="container", file_version=version, document=document)
        return self.order("proxy.document", None, self.project(), scope="project", file_version=version,
                          document=document)

    def make_alias(self):
        r = self.rng
        target = None if r.random() < 0.25 else {"container_id": self.some()}
        return self.order("proxy.alias", alias_id=f"{r.randrange(4):024x}", alias=f"alias-{r.randrange(4)}",
                          enabled=r.random() < 0.8, target=target)

    def make_project_delete(self):
        project = self.project()
        self.planned = [i for i in self.planned if i not in self.model.boxes or self.model.boxes[i].project != project]
        return self.order("project.delete", None, project)

    def make_command(self):
        return self.order("node.command", command=self.rng.choice(("check-uptime", "check-memory")))


class Hand:
    """Somebody at the local API: synchronous calls to containers that no order touches meanwhile."""
    CALLS = (("container.start", "POST", "/start", {}), ("container.stop", "POST", "/stop", {}),
             ("container.force-stop", "POST", "/force-stop", {}), ("container.restart", "POST", "/restart", {}),
             ("container.pause", "POST", "/pause", {}), ("container.resume", "POST", "/resume", {}),
             ("env.set", "PATCH", "/env/{key}", {"key": "L",
                                                 "value": "{n}"}), ("env.unset", "DELETE", "/env/{key}", {"key": "L"}),
             ("firewall.add", "POST", "/firewall/ingress",
              {"direction": "ingress", "rule": {"action": "allow", "protocol": "tcp", "destination_port": "81"}
               }), ("firewall.reset", "POST", "/firewall/reset",
                    {}), ("snapshot.create", "POST", "/snapshots", {"alias": "l{n}"}), ("network.configure", "PUT",
                                                                                        "/network", {"type": "block"}),
             ("network.start", "POST", "/network/start", {}), ("network.remove", "DELETE", "/network", {}))
    BODY = {
        "env.set": ("value", ), "firewall.add": ("rule", ), "snapshot.create": ("alias", ),
        "network.configure": ("type", )
    }

    def __init__(self, node, seed, boxes):
        self.node, self.rng, self.boxes, self.ends, self.lost, self.stop = node, random.Random(
            seed), boxes, [], None, threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        for n in range(6):
            if self.stop.is_set():
                return
            op, method, path, params = self.rng.choice(self.CALLS)
            params = json.loads(json.dumps(params).replace("{n}", str(self.rng.randrange(100))))
            cid = self.rng.choice(self.boxes)
            body = {k: params[k] for k in self.BODY.get(op, ())}
            body = body.get("rule", body)
            order = {"op": op, "container_id": cid, "project_id": LOCAL, "params": params}
            try:
                status, _, answer = local.Local(self.node, 60).ask(method, f"/containers/{cid}{path.format(**params)}",
                                                                   body or None)
            except (OSError, ValueError) as e: # whoever was asked is dead: the journal knows
                self.lost = (order, repr(e))
                return
            except Exception as e: # http.client's many ways to say so
                self.lost = (order, repr(e))
                return
            self.ends.append((order, "ok" if status < 300 else answer.get("error"),
                              (answer.get("data") or {}).get("status") if status >= 300 else None))


class Soak:
    def __init__(self, node, rng, seed, pool, work, outside, kind):
        self.node, self.rng, self.seed, self.pool, self.outside, self.kind = node, rng, seed, pool, outside, kind
        self.server = webserver.Server(work)
        self.images = self.make_images(work)
        self.model = hostmodel.Model()
        self.generator = Generator(rng, self.model, self.images)
        self.history, self.addresses, self.kills = {}, {}, {}
        self.round = self.orders = self.local_calls = self.failures = self.given_up = 0
        self.packets = self.hands = self.kid = self.local_rows = 0

    def make_images(self, work):
        """Two small ones, with an init that ends when it is asked as systemd is (37: SIGRTMIN+3)."""
        cid = self.node.new_id()
        self.node.do("container.create", cid, image=harness.IMAGE, start=False)
        init = self.node.root(cid) / "sbin/init"
        init.unlink()
        init.write_text("#!/bin/sh\ntrap 'exit 0' 37\nwhile :; do sleep 1000 & wait $!; done\n")
        init.chmod(0o755)
        images = {}
        for n in (1, 2):
            (self.node.root(cid) / "root" / "image").write_text(str(n))
            subprocess.run(
                ["tar", "-C", self.node.root(cid), "--numeric-owner", "-cf", work / f"image{n}", "."], check=True)
            images[f"soak/{n}"] = (self.server.url(f"image{n}"), hashlib.sha256(
                (work / f"image{n}").read_bytes()).hexdigest())
        self.node.do("container.delete", cid, force=True)
        return images

    # --- a round ---

    def strike(self):
        """A few ends at random instants; what is to live again does."""
        kills = []
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, 3))):
            time.sleep(self.rng.uniform(0, 0.25))
            who = self.rng.choice(
                ("agent", "agent", "agent-term", "courier", "portal", "worker", "worker", "forwarder"))
            kills.append(who)
            self.kills[who] = self.kills.get(who, 0) + 1
            if who.startswith("agent"):
                self.node.stop_agent(signal.SIGKILL if who == "agent" else signal.SIGTERM)
                self.node.start_agent()
            elif who in ("courier", "worker"):
                self.node.kill9(who)
            else:
                pids = host.children(self.node.agent_pid(),
                                     "hoody-portal") if who == "portal" else self.node.forwarders()
                for pid in self.rng.sample(pids, min(1, len(pids))):
                    os.kill(pid, signal.SIGKILL)
        self.node.agent.send_signal(signal.SIGHUP) # a courier that died has made the agent wait
        return kills

    def note(self, order, outcome, who):
        ids = {
            order.get("container_id"),
            *(order["params"].get(k)
              for k in ("source_container_id", "target_container_id", "container_id", "share_id"))
        } - {None}
        for i in ids | ({order["project_id"]} if order["op"].startswith(
            ("project.", "share.", "container.c")) else set()):
            self.history.setdefault(i, []).append(
                f"round {self.round} {who} {order['op']} {json.dumps(order['params'])[:300]} of "
                f"{order.get('container_id')} in {order['project_id']}: {outcome}"
            )

    def was_given_up(self, report, kills):
        """Only a kill may end an order so: of its worker, or of the agent three times (its first end counts also when
        it was asked for)."""
        e = report.get("error", {})
        return "worker" in kills and "worker" in e.get("message", "") or e.get("code") == "poison" and sum(
            k.startswith("agent") for k in kills) >= 3 or e.get("code") == "interrupted" and bool(kills)

    def turn(self):
        """Orders, kills, ends; sentences of what was wrong."""
        self.round += 1
        self.model.new_round()
        if self.kid < ROTATIONS and self.rng.random() < 0.08:
            self.kid += 1
            self.node.wait(self.node.api.ask("rotate", kid=f"k{self.kid}")["id"])
        mine = [b.id for b in self.model.of_project(LOCAL) if not b.broken]
        hand = None
        if mine and self.rng.random() < 0.5:
            self.hands += 1
            hand = Hand(self.node, self.rng.random(), mine)
        self.generator.start_round(mine)
        orders = []
        for _ in range(self.rng.randint(3, ORDERS)):
            order = self.generator.next()
            orders.append(order)
        if len(mine) < 2:
            cid = self.generator.new_id()
            orders.append({
                "op": "container.create", "container_id": cid, "project_id": LOCAL,
                "params": {"image": harness.IMAGE, "name": f"local-{cid[:6]}"}
            })
        ids = self.node.api.ask("orders", orders=[{k: v for k, v in o.items() if v is not None} for o in orders])["ids"]
        self.orders += len(ids)
        kills = self.strike()
        faults = []
        for order, i in zip(orders, ids):
            report = self.node.wait(i, 120)
            outcome = "ok" if report["state"] == "succeeded" else report["error"]["code"]
            detail = report.get("error", {}).get("data",
                                                 {}).get("reason") if report["state"] == "rejected" else report.get(
                                                     "error", {}).get("data", {}).get("status")
            if outcome != "ok":
                self.failures += 1
            if outcome != "ok" and self.was_given_up(report, kills):
                self.given_up += 1
                outcome = hostmodel.GIVEN_UP
            self.note(order,
                      outcome if outcome in ("ok", ) else f"{outcome} ({report.get('error', {}).get('message')})",
                      "order")
            fault = self.model.end(order, outcome, detail)
            if fault:
                faults.append((order, f"{fault}: {report.get('error')}"))
        if hand:
            hand.stop.set()
            hand.thread.join()
            faults += self.shake(hand, kills)
        for i in self.model.lived: # made again, it has another
            self.addresses.pop(i, None)
        self.what = f"orders {len(orders)}, kills {'+'.join(kills) or 'none'}{', local API' if hand else ''}"
        return faults

    def shake(self, hand, kills):
        """Ends of local calls; one whose answer was lost has been journaled or not."""
        faults = []
        for order, outcome, detail in hand.ends:
            self.local_calls += 1
            if outcome == "CONTAINER_OPERATION_IN_PROGRESS": # of the agent's own making
                continue
            if "worker" in kills and outcome in ("INTERNAL_SERVER_ERROR", "INTERNAL", "CONTAINER_HOST_COMMAND_FAILED"):
                outcome = hostmodel.GIVEN_UP
            self.note(order, outcome, "local call")
            fault = self.model.end(order, outcome, detail)
            if fault:
                faults.append((order, fault))
        if hand.lost:
            order, why = hand.lost
            self.idle()
            row = self.rows(
                "SELECT op, state, error FROM orders WHERE container_id=? AND origin LIKE 'local:%' AND row > ? ORDER "
                "BY row",
                order["container_id"], self.local_rows)
            confirmed = [o["op"] for o, outcome, _ in hand.ends if o["container_id"] == order["container_id"]]
            extra = row[-1] if row and row[-1][0] == order["op"] and sum(
                r[0] == order["op"] for r in row) > confirmed.count(order["op"]) else None
            outcome = None if not extra else "ok" if extra[1] == "succeeded" else json.loads(extra[2])["code"]
            if outcome and outcome != "ok" and "worker" in json.loads(extra[2]).get("message", ""):
                outcome = hostmodel.GIVEN_UP
            self.note(order, f"{outcome} (its answer was lost: {why})", "local call")
            fault = self.model.end(order, outcome) if outcome else None
            if fault:
                faults.append((order, fault))
        found = self.rows("SELECT max(row) FROM orders")
        self.local_rows = found[0][0] or 0
        return faults

    # --- what is ---

    def rows(self, query, *args):
        """Of a copy: the agent has the file for itself. Between orders nothing is written."""
        with tempfile.TemporaryDirectory(dir=self.node.directory) as place:
            for file in (self.node.directory / "state").glob("state.db*"):
                shutil.copy(file, place)
            db = sqlite3.connect(pathlib.Path(place) / "state.db")
            try:
                return db.execute(query, args).fetchall()
            finally:
                db.close()

    def idle(self):
        """Also what orders have made the agent order itself."""
        counts = lambda: self.node.hoodyctl("status")["orders"]
        if not host.poll(lambda: not sum(counts().get(k, 0) for k in ("accepted", "running")), 60, 0.02):
            query = "SELECT op, container_id, state, step FROM orders WHERE state IN (?, ?)"
            raise harness.Failure(f"orders never end: {self.rows(query, 'accepted', 'running')}")

    def compare(self):
        """What the host is, against what the model is: [(id, sentence)]."""
        found = []

        def same(i, what, got, want):
            if got != want:
                found.append((i, f"{what}: is {got!r}, and should be {want!r}"))

        boxes = {b.id: b for b in self.model.boxes.values()}
        whole = {i: b for i, b in boxes.items() if not b.broken}
        states = {i: self.node.state(i) for i in whole}
        for i, b in whole.items():
            if states[i] not in b.status and not (states[i] == "stopped" and "failed" in b.status):
                found.append((i, f"is {states[i]}, and should be {'|'.join(sorted(b.status))}"))
        self.compare_database(whole, states, same)
        same(
            None, "pool/containers",
            sorted(p.name for p in (self.pool / "containers").iterdir()
                   if p.name not in boxes or not boxes[p.name].broken), sorted(whole))
        for i, b in whole.items():
            self.compare_files(b, same)
            if states[i] in ("running", "paused"):
                self.compare_mounts(b, same)
        self.compare_network(whole, states, same)
        digests = sorted(set(self.model.images.values()))
        same(None, "pool/images", sorted(p.name for p in (self.pool / "images").iterdir() if len(p.name) == 64),
             digests)
        return found

    def compare_database(self, whole, states, same):
        rows = {
            r[0]: r[1:] for r in self.rows("SELECT id, project_id, coalesce(name, ''), status, spec FROM containers")
        }
        same(None, "the containers of the state file",
             sorted(i for i in rows if i in whole or i not in self.model.boxes), sorted(whole))
        for i, b in whole.items():
            if i not in rows:
                continue
            spec = json.loads(rows[i][3])
            same(i, "state file", rows[i][:2], (b.project, b.name))
            if rows[i][2] != states[i] and not (rows[i][2] == "failed" and states[i] == "stopped"
                                                and "failed" in b.status):
                same(i, "status in the state file", rows[i][2], states[i])
            same(i, "autostart", spec.get("autostart"), b.autostart)
        tables = {
            "firewall": ("SELECT container_id, direction, rules FROM firewall", {(b.id, d): rules
                                                                                 for b in whole.values()
                                                                                 for d, rules in b.rules.items()
                                                                                 if rules is not None}, lambda r:
                         ((r[0], r[1]), [{"state": "enabled", **rule} for rule in json.loads(r[2])])),
            "network": (
                "SELECT container_id, json_extract(config, '$.type'), json_extract(active, '$.type') FROM network",
                {b.id: (b.config["type"], b.active and b.active["type"]) for b in whole.values()
                 if b.config}, lambda r: (r[0], (r[1], r[2]))),
            "env": ("SELECT container_id, vars FROM env", {b.id: b.env for b in whole.values() if b.env}, lambda r:
                    (r[0], json.loads(r[1]))),
            "ssh_keys": ("SELECT container_id, key FROM ssh_keys", {b.id: b.key for b in whole.values()
                                                                    if b.key}, lambda r: (r[0], r[1])),
            "snapshots": ("SELECT container_id, name, alias FROM snapshots", {(b.id, n): alias for b in whole.values()
                                                                              for n, (alias, _) in b.snapshots.items()},
                          lambda r: ((r[0], r[1]), r[2])),
            "images": ("SELECT name, digest FROM images", self.model.images, lambda r: (r[0], r[1])),
            "shares": (
                "SELECT id, source_id, path, target_id, project_id, mode, mount_path, enabled, alias FROM shares", {
                    s.id: (s.source, s.path, s.target, s.project, s.mode, s.mount_path, int(s.enabled), s.alias)
                    for s in self.model.shares.values()
                }, lambda r: (r[0], r[1:])),
            "share_overrides": ("SELECT share_id, container_id, mount FROM share_overrides", {
                (s.id, c): int(mount) for s in self.model.shares.values() for c, mount in s.refused.items()
            }, lambda r: ((r[0], r[1]), r[2])),
        }
        for name, (query, want, key) in tables.items():
            got = dict(key(r) for r in self.rows(query))
            if name in ("firewall", "network", "env", "ssh_keys", "snapshots"):
                got = {
                    k: v for k, v in got.items() if (k[0] if isinstance(k, tuple) else k) not in self.model.boxes or (
                        k[0] if isinstance(k, tuple) else k) in whole
                }
            if name == "env":
                got = {k: v for k, v in got.items() if v}
            for k in sorted(set(got) | set(want), key=str):
                same(k[0] if isinstance(k, tuple) else k, f"table {name}, {k}", got.get(k), want.get(k))
        self.compare_proxy(same)

    def compare_proxy(self, same):
        """Documents and aliases: where lanes leave the order open, the state file decides; the files are always the
        state file's."""
        rows = {(scope, i): (version, json.loads(document) if document else None)
                for scope, i, version, document in self.rows("SELECT scope, id, file_version, document FROM documents")}
        for k in [k for k, v in self.model.documents.items() if v is None]:
            if k in rows and (k[0] == "project" or k[1] in self.model.boxes):
                self.model.documents[k] = rows[k]
            else:
                del self.model.documents[k]
        for k in sorted(set(rows) | set(self.model.documents)):
            same(k[1], f"table documents, {k}", rows.get(k), self.model.documents.get(k))
        aliases = {
            i: (alias, bool(enabled), json.loads(target)["container_id"])
            for i, alias, enabled, target in self.rows("SELECT id, alias, enabled, target FROM aliases")
        }
        if self.model.lived or self.model.emptied:
            self.model.aliases = dict(aliases)
        same(None, "table aliases", aliases, self.model.aliases)
        top = self.node.directory / "state/proxy"
        for scope in ("project", "container"):
            files = {p.stem: json.loads(p.read_text()) for p in (top / f"{scope}s").glob("*.json")}
            same(None, f"{scope} documents", files,
                 {i: document for (s, i), (_, document) in rows.items() if s == scope and document is not None})
        same(None, "alias files", sorted(p.stem for p in (top / "aliases").glob("*.json")),
             sorted(alias for alias, enabled, _ in aliases.values() if enabled))

    def compare_files(self, b, same):
        root = self.node.root(b.id)
        try:
            env = (root / "etc/environment").read_text()
        except OSError:
            env = ""
        values = dict(
            line.split("=", 1) for line in env.splitlines() if "=" in line and not line.startswith(("#", "HOODY_")))
        same(b.id, "/etc/environment", {k: v.strip('"') for k, v in values.items() if k in "ABCDEFL"}, b.env)
        try:
            keys = (root / "root/.ssh/authorized_keys").read_text()
        except OSError:
            keys = ""
        same(b.id, "authorized_keys", [line for line in keys.splitlines() if line.startswith("ssh-")],
             [b.key] if b.key else [])
        same(b.id, "what its root holds", self.marker(root), b.content)
        snapshots = self.pool / "containers" / b.id / "snapshots"
        same(b.id, "snapshots on the disk",
             {p.name: self.marker(p) for p in snapshots.iterdir()} if snapshots.is_dir() else {},
             {n: content for n, (_, content) in b.snapshots.items()})

    @staticmethod
    def marker(root):
        try:
            return (root / "root/marker").read_text()
        except OSError:
            return None

    def compare_mounts(self, b, same):
        pid = host.init_of(self.node.prefix, b.id)
        if not pid:
            return same(b.id, "init", None, "there")
        lines = [line.split() for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines()]
        seen = {
            f[4]: "ro" in f[5].split(",") for f in lines if f[4].startswith(("/mnt/", "/hoody/shares/", "/ramdisk"))
        }
        want = {at: ro for at, (ro, share) in self.model.mounts(b).items() if share.path != "/nowhere"}
        if b.ramdisk:
            want["/ramdisk"] = False
            if b.project_ramdisk:
                want["/ramdisk/project"] = False
        same(b.id, "mounts in it", seen, want)
        for at, (_, share) in self.model.mounts(b).items():
            if at in seen and share.path == "/root":
                same(b.id, f"what {at} shows", self.marker_at(pid, at), self.model.boxes[share.source].content)
        return None

    @staticmethod
    def marker_at(pid, at):
        try:
            return pathlib.Path(f"/proc/{pid}/root{at}/marker").read_text()
        except OSError:
            return None

    def compare_network(self, whole, states, same):
        up = {i: b for i, b in whole.items() if states[i] in ("running", "paused")}
        routes = {
            r["dst"]: r["dev"] for r in json.loads(
                subprocess.run(["ip", "-j", "-4", "route"], capture_output=True, text=True, check=True).stdout)
            if r["dev"].startswith(self.node.interfaces)
        }
        same(None, "host links", len([n for n in host.links() if n.startswith(self.node.interfaces)]), len(up))
        links, sockets, servers = {}, {}, []
        for i, b in up.items():
            pid = host.init_of(self.node.prefix, i)
            ns = netns.Namespace(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)) if pid else None
            if not ns:
                continue
            with ns:
                out = subprocess.run(["ip", "-j", "-4", "addr", "show", "dev", "eth0"], capture_output=True,
                                     text=True).stdout
                ips = [a["local"] for dev in json.loads(out or "[]") for a in dev.get("addr_info", [])]
                servers += [listener(port) for port in INGRESS]
                for port in EGRESS:
                    sockets[i, "egress", port] = call(OUTSIDE, port)
            ns.close()
            same(i, "its address", ips, [self.addresses.setdefault(i, ips[0] if ips else None)])
            if ips:
                links[i] = routes.get(ips[0])
                for port in INGRESS:
                    sockets[i, "ingress", port] = call(ips[0], port)
        self.packets += len(sockets)
        for (i, direction, port), got in knock(sockets).items():
            want = self.model.verdict(up[i], direction, port)
            if want:
                same(i, f"a connection, {direction}, port {port}", got, want)
        for s in servers:
            s.close()
        self.outside.drain()
        self.compare_table(up, links, same)
        want = sorted(i for i, b in up.items() if b.active and b.active["type"] != "block")
        same(None, "forwarders", len(self.node.forwarders()), len(want))

    def compare_table(self, up, links, same):
        table = json.loads(
            subprocess.run(["nft", "-j", "list", "table", "inet", self.node.table], capture_output=True, text=True,
                           check=True).stdout)["nftables"]
        chains = sorted(c["chain"]["name"] for c in table
                        if "chain" in c and c["chain"]["name"].startswith(self.node.interfaces))
        want = sorted([
            f"{links[i]}-{d[0]}" for i, b in up.items() if i in links
            for d in ("ingress", "egress") if b.rules[d] is not None
        ] + [f"{links[i]}-f" for i in up if i in links])
        same(None, "chains of the table", chains, want)
        want = sorted(links[i] for i, b in up.items() if i in links and b.active)
        # nft lists a sole name of an interface as ""
        count = sum(len(s["set"].get("elem", [])) for s in table if s.get("set", {}).get("name") == "closed")
        there = [
            n for n in want
            if subprocess.run(["nft", "get", "element", "inet", self.node.table, "closed", f'{{ "{n}" }}'],
                              capture_output=True).returncode == 0
        ]
        same(None, "closed interfaces", (count, there), (len(want), want))

    # --- between rounds ---

    def judge(self, faults):
        """True when all is as the model says."""
        self.idle()
        self.model.look({i: self.node.state(i) for i in self.model.boxes})
        if not faults:
            host.poll(lambda: not self.compare(), 10, 0.1)
            faults = self.compare()
        else:
            faults = [(o.get("container_id") or o["project_id"], text) for o, text in faults] + self.compare()
        lines = []
        for i, text in faults[:12]:
            lines += [f"{i}: {text}"]
        for i in dict.fromkeys(i for i, _ in faults[:12] if i):
            lines += [
                f"  {i} is by the model {self.model.boxes.get(i) or self.model.shares.get(i)}",
                *(f"    {line}" for line in self.history.get(i, [])[-25:])
            ]
        if faults:
            lines += [f"the agent: {line}" for line in self.node.log_tail(40).splitlines()]
        dead = self.node.agent.poll() is not None
        return tap.ok(not faults and not dead and not self.node.sanitizer_words(),
                      f"{self.kind}: seed {self.seed} round {self.round}: {self.what}", *
                      lines) if faults or dead else True

    def write(self):
        """Something new in some of the roots, for snapshots, copies and shares to tell."""
        for b in self.model.boxes.values():
            if not b.broken and (b.content is None or self.rng.random() < 0.3):
                token = f"{self.round}-{self.rng.randrange(1 << 30)}"
                (self.node.root(b.id) / "root/marker").write_text(token)
                b.content = token

    def wipe(self):
        """The end of all of it: nothing is left, and the agent is as small as a new one."""
        self.model.new_round()
        for project in (*PROJECTS, LOCAL):
            report = self.node.do("project.delete", None, 120, project_id=project)
            tap.eq(report["state"], "succeeded", f"{self.kind}: a project is deleted")
        for i in range(4):
            self.node.do("proxy.alias", None, alias_id=f"{i:024x}", alias=f"alias-{i}", enabled=True, target=None)
        for name in self.images:
            self.node.do("image.remove", None, image=name)
        self.idle()
        tap.eq(self.node.leaks(), [], f"{self.kind}: nothing is left on the host")
        left = {
            t: self.rows(f"SELECT * FROM {t}") for t in ("containers", "firewall", "network", "env", "ssh_keys",
                                                         "snapshots", "shares", "share_overrides", "images", "aliases")
        }
        tap.eq({t: r for t, r in left.items() if r}, {}, f"{self.kind}: nor in the state file")
        tap.eq(sorted(p.name for d in ("containers", "images") for p in (self.pool / d).iterdir()), [],
               f"{self.kind}: nor in the pool")
        stats = self.node.api.ask("stats")
        tap.eq((stats["orders_terminal"], stats["orders_ended_twice"], stats["violations"]),
               (stats["orders_issued"], 0, []),
               f"{self.kind}: every order ended once, and the control API saw no breach")
        old = self.measure()
        self.node.restart()
        self.node.do("node.resync")
        new = self.measure()
        tap.ok(old[0] <= new[0] + 2 and old[1] <= new[1] + (6 << 20),
               f"{self.kind}: the agent holds what a new one holds",
               f"descriptors {old[0]}, memory {old[1]}; new: {new}")
        tap.eq(self.node.sanitizer_words(), [], f"{self.kind}: sanitizers are silent")

    def measure(self):
        pid = self.node.agent_pid()
        return len(os.listdir(f"/proc/{pid}/fd")), host.memory(pid)["anonymous"]


def soak(kind, pool, node, seed, seconds, outside):
    rng, end = random.Random(f"{seed}-{kind}"), time.monotonic() + seconds
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-soak-") as work:
        s = Soak(node, rng, seed, pool, pathlib.Path(work), outside, kind)
        good = True
        while good and time.monotonic() < end:
            good = s.judge(s.turn())
            if s.round % 25 == 0:
                tap.note(
                    f"{kind}: round {s.round}, {s.orders} orders, {sum(s.kills.values())} kills, descriptors and "
                    f"memory {s.measure()}"
                )
            s.write()
        if good:
            tap.ok(True, f"{kind}: {s.round} rounds, each as the model says")
            s.wipe()
        tap.figure(
            f"{kind}: {s.round} rounds, {s.orders} orders ({s.failures} of them failed, {s.given_up} by kills), "
            f"{s.local_calls} local calls, {s.packets} connections, killed: "
            + ", ".join(f"{who} {n}" for who, n in sorted(s.kills.items())))
        s.server.close()
        return good


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    seed = int(os.environ.get("HOODY_SEED", time.time_ns() % 1_000_000))
    kinds = os.environ.get("HOODY_SOAK_POOLS", "btrfs dir").split()
    tap.figure(f"seed {seed}")
    outside = Outside()
    for kind in kinds:
        if kind == "btrfs":
            with loop.FileSystem(
                    "btrfs", 4096) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "btrfs"}}) as node:
                node.root = lambda cid, pool=fs.pool: pool / "containers" / cid / "rootfs"
                soak(kind, fs.pool, node, seed, SECONDS / len(kinds), outside)
        else:
            with harness.Node() as node:
                soak(kind, node.directory / "pool", node, seed, SECONDS / len(kinds), outside)
    tap.done()


main()
