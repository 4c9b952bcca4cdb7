# SPDX-License-Identifier: GPL-2.0-or-later
"""What the protocol says of a host under orders: containers, their rules, modes, variables, snapshots and shares,
documents, aliases and images, as plain data. Written from PROTOCOL.md; asks nobody.

    model = Model()
    fault = model.end(order, outcome)      # orders in the sequence of their seq: None, or what is wrong with this end

An outcome is "ok" or an error code. A status is a set: more than one where an order was given up because its worker was
killed, until somebody looks (Model.look)."""
import copy
import dataclasses
import itertools

GIVEN_UP = "given up" # an order that ended because of a kill: what it was to change is as it was
CONFLICT, GONE = "OPERATION_STATE_CONFLICT", "CONTAINER_NOT_FOUND"
ALL = frozenset(("running", "paused", "stopped", "failed"))


@dataclasses.dataclass
class Box:
    id: str
    project: str
    image: str
    made: tuple                   # by which op, with which params: the same again is no news
    name: str = ""
    autostart: bool = True
    ramdisk: bool = True
    project_ramdisk: bool = False
    key: str | None = None
    env: dict = dataclasses.field(default_factory=dict)
    rules: dict = dataclasses.field(default_factory=lambda: {"ingress": None, "egress": None})
    config: dict | None = None
    active: dict | None = None
    snapshots: dict = dataclasses.field(default_factory=dict) # name: (alias, content)
    source: str | None = None
    content: str | None = None    # of its marker file
    status: frozenset = frozenset(("stopped",))
    broken: bool = False          # half-deleted: to be deleted again


@dataclasses.dataclass
class Share:
    id: str
    source: str
    path: str
    target: str | None
    project: str | None
    mode: str
    mount_path: str | None
    enabled: bool = True
    alias: str | None = None
    refused: dict = dataclasses.field(default_factory=dict) # container: the receiver's switch
    number: int = 0


class Model:
    def __init__(self):
        self.boxes, self.shares, self.documents, self.aliases, self.images = {}, {}, {}, {}, {}
        self.numbers = itertools.count()
        self.new_round()

    def new_round(self):
        """Orders that share no lane have no order among each other: what a round has touched of another's is not known
        before it is looked at."""
        self.lived, self.emptied, self.widowed = set(), set(), set()

    # --- one end ---

    def end(self, order, outcome, detail=None):
        """A sentence when the outcome is not what it must be."""
        check, act = getattr(self, order["op"].replace(".", "_").replace("-", "_"))(order.get("container_id"),
                                                                                    order["params"], order)
        if outcome == GIVEN_UP:
            return self.give_up(order)
        if outcome not in check:
            return f"{order['op']} ended {outcome}, and the model says {sorted(check)}"
        box = self.boxes.get(order.get("container_id"))
        if outcome == "ok" and act:
            act()
        elif outcome == CONFLICT and box and len(box.status) > 1 and detail in box.status:
            box.status = frozenset((detail,))
        return None

    def give_up(self, order):
        op, box = order["op"], self.boxes.get(order.get("container_id"))
        doubt = {
            "container.start": ("stopped", "running"), "container.stop": ("running", "stopped"),
            "container.force-stop": ("running", "paused", "stopped"), "container.restart": ("running", "stopped"),
            "container.pause": ("running", "paused"), "container.resume": ("running", "paused"),
            "snapshot.restore": ("running", "paused", "stopped"), "container.sync": ("running", "paused", "stopped")
        }
        if op in ("container.create", "container.copy"):
            self.lived.add(order["container_id"])
        elif op == "container.delete" and box:
            box.broken, box.status = True, ALL
        elif op == "project.delete":
            for box in self.of_project(order["project_id"]):
                box.broken, box.status = True, ALL
        elif op in doubt and box:
            box.status = box.status | frozenset(doubt[op])
        return None

    def of_project(self, project):
        return [b for b in self.boxes.values() if b.project == project]

    def on(self, cid, allowed, *more, act=None):
        """The check that most orders begin with: is it there, in one of these states?"""
        box = self.boxes.get(cid)
        if not box:
            return {GONE}, None
        if box.broken:
            return {"ok", CONFLICT, *more}, None
        codes = set()
        if box.status & allowed:
            codes |= {"ok"}
        if box.status - allowed:
            codes |= {CONFLICT}
        return codes, act

    def moves(self, cid, allowed, to):
        box = self.boxes.get(cid)
        return self.on(cid, frozenset(allowed), act=lambda: setattr(box, "status", frozenset((to,))))

    # --- containers ---

    def container_create(self, cid, p, order):
        made = ("create", order["project_id"], p)
        if cid in self.boxes:
            return ({"ok"} if self.boxes[cid].made == made else {"CONTAINER_EXISTS"}), None
        codes = {"ok"}
        if not p["image"].startswith("builtin:"):
            codes = {"ok"} if p["image"] in self.images else {"IMAGE_NOT_FOUND"}

        def act():
            self.lived.add(cid)
            self.boxes[cid] = Box(cid, order["project_id"], p["image"], made, p.get("name", ""),
                                  p.get("autostart", True), p.get("ramdisk", True),
                                  p.get("ramdisk_scope") == "project", p.get("ssh_public_key"),
                                  dict(p.get("environment_vars", {})), status=frozenset(
                                      ("running" if p.get("start", True) else "stopped", )))
        return codes, act

    def container_copy(self, cid, p, order):
        made, source = ("copy", order["project_id"], p), self.boxes.get(p["source_container_id"])
        if p["source_container_id"] == cid:
            return {"invalid_params"}, None
        if cid in self.boxes:
            return ({"ok"} if self.boxes[cid].made == made else {"CONTAINER_EXISTS"}), None
        if not source:
            return {"SOURCE_CONTAINER_NOT_FOUND"}, None
        if source.broken:
            return {"ok", CONFLICT, "SNAPSHOT_NOT_FOUND"}, None
        snapshot = p.get("source_snapshot")
        codes, _ = self.on(source.id, ALL - {"failed"})
        if snapshot and snapshot not in source.snapshots and "ok" in codes:
            codes = codes - {"ok"} | {"SNAPSHOT_NOT_FOUND"}

        def act():
            self.lived.add(cid)
            self.boxes[cid] = dataclasses.replace(
                source, id=cid, project=order["project_id"], made=made, name=p.get("name", ""),
                key=p.get("ssh_public_key"), env=dict(source.env), rules=copy.deepcopy(source.rules)
                if p.get("copy_firewall_rules") else {"ingress": None, "egress": None},
                config=source.config if p.get("copy_network_rules") else None,
                active=source.active if p.get("copy_network_rules") else None, snapshots=dict(source.snapshots),
                source=source.id, content=source.snapshots[snapshot][1] if snapshot else source.content,
                status=frozenset(("running" if p.get("start", True) else "stopped", )))
        return codes, act

    def container_update(self, cid, p, order):
        box = self.boxes.get(cid)

        def act():
            for param, field in (("name", "name"), ("autostart", "autostart"), ("ramdisk", "ramdisk"),
                                 ("ssh_public_key", "key")):
                if param in p:
                    setattr(box, field, p[param])
            if "ramdisk_scope" in p:
                box.project_ramdisk = p["ramdisk_scope"] == "project"
        return self.on(cid, ALL, act=act)

    def container_start(self, cid, p, order):
        return self.moves(cid, ("stopped", "failed"), "running")

    def container_stop(self, cid, p, order):
        return self.moves(cid, ("running",), "stopped")

    def container_force_stop(self, cid, p, order):
        return self.moves(cid, ("running", "paused", "failed"), "stopped")

    def container_restart(self, cid, p, order):
        return self.moves(cid, ("running", "stopped", "failed"), "running")

    def container_pause(self, cid, p, order):
        return self.moves(cid, ("running",), "paused")

    def container_resume(self, cid, p, order):
        return self.moves(cid, ("paused",), "running")

    def container_delete(self, cid, p, order):
        box = self.boxes.get(cid)
        if not box:
            return {"ok"}, None
        codes, _ = self.on(cid, ALL if p.get("force") else frozenset(("stopped", "failed")))
        return codes, lambda: self.forget(box)

    def container_sync(self, cid, p, order):
        box = self.boxes.get(cid)
        codes, _ = self.on(cid, ALL, "CONTAINER_NOT_COPIED", "SOURCE_CONTAINER_NOT_FOUND")
        if not box or box.broken:
            return codes, None
        if not box.source:
            return {"CONTAINER_NOT_COPIED"}, None
        source = self.boxes.get(box.source)
        if not source:
            return {"SOURCE_CONTAINER_NOT_FOUND"}, None
        if source.broken or "failed" in source.status:
            codes = codes | {CONFLICT}
        return codes, lambda: setattr(box, "content", source.content)

    def forget(self, box):
        del self.boxes[box.id]
        self.lived.add(box.id)
        self.documents.pop(("container", box.id), None)
        for alias in [a for a, (_, _, target) in self.aliases.items() if target == box.id]:
            del self.aliases[alias]
        for share in list(self.shares.values()):
            share.refused.pop(box.id, None)
            if box.id == share.source:
                self.widowed.add(share.id) # by an order of the agent's own that follows
            if box.id in (share.source, share.target):
                del self.shares[share.id]

    def project_delete(self, cid, p, order):
        project = order["project_id"]

        def act():
            for box in self.of_project(project):
                self.forget(box)
            self.emptied.add(project)
            self.documents.pop(("project", project), None)
            for share in [s for s in self.shares.values() if s.project == project]:
                self.widowed.add(share.id)
                del self.shares[share.id]
        return {"ok"}, act

    # --- environment ---

    def env_merge(self, cid, p, order):
        if any(k.startswith("HOODY_") for k in p["vars"]):
            return {"invalid_params", "RESERVED_ENV_PREFIX"}, None
        return self.on(cid, ALL, act=lambda: self.boxes[cid].env.update(p["vars"]))

    def env_set(self, cid, p, order):
        return self.env_merge(cid, {"vars": {p["key"]: p["value"]}}, order)

    def env_unset(self, cid, p, order):
        return self.on(cid, ALL, act=lambda: self.boxes[cid].env.pop(p["key"], None))

    # --- snapshots ---

    def snapshot_create(self, cid, p, order):
        box = self.boxes.get(cid)
        codes, _ = self.on(cid, ALL - {"failed"}, "CONTAINER_SNAPSHOT_LIMIT", "SNAPSHOT_EXISTS")
        if box and not box.broken and "ok" in codes:
            if len(box.snapshots) >= p.get("limit", 1000):
                codes = codes - {"ok"} | {"CONTAINER_SNAPSHOT_LIMIT"}
            elif p["alias"] in box.snapshots:
                codes = codes - {"ok"} | {"SNAPSHOT_EXISTS"}
        return codes, lambda: box.snapshots.__setitem__(p["alias"], (p["alias"], box.content))

    def snapshot_restore(self, cid, p, order):
        box = self.boxes.get(cid)
        codes, _ = self.on(cid, ALL, "SNAPSHOT_NOT_FOUND")
        if box and not box.broken and p["name"] not in box.snapshots:
            codes = {"SNAPSHOT_NOT_FOUND"}

        def act():
            box.content, box.status = box.snapshots[p["name"]][1], frozenset(("running",))
        return codes, None if box and box.broken else act

    def snapshot_delete(self, cid, p, order):
        box = self.boxes.get(cid)
        return ({"ok"} if box else {GONE}), lambda: box and box.snapshots.pop(p["name"], None)

    def snapshot_alias(self, cid, p, order):
        box = self.boxes.get(cid)
        codes, _ = self.on(cid, ALL, "SNAPSHOT_NOT_FOUND")
        if box and not box.broken and p["name"] not in box.snapshots:
            codes = {"SNAPSHOT_NOT_FOUND"}
        return codes, lambda: p["name"] in box.snapshots and box.snapshots.__setitem__(
            p["name"], (p["alias"], box.snapshots[p["name"]][1]))

    # --- firewall: a list per direction, None while it is detached ---

    @staticmethod
    def whole(rule):
        return {"state": "enabled", **rule}

    @staticmethod
    def fits(rule, filters):
        return all(rule.get(k) == v for k, v in filters.items())

    def firewall_add(self, cid, p, order):
        def act():
            rules, rule = self.boxes[cid].rules, self.whole(p["rule"])
            rules[p["direction"]] = rules[p["direction"]] or []
            if rule not in rules[p["direction"]]:
                rules[p["direction"]].append(rule)
        return self.on(cid, ALL, act=act)

    def firewall_toggle(self, cid, p, order):
        codes, _ = self.on(cid, ALL, "FIREWALL_RULE_NOT_FOUND")
        box = self.boxes.get(cid)
        found = next((r for r in box.rules[p["direction"]] or [] if self.fits(r, p["filters"])), None) if box else None
        if box and not box.broken and not found:
            codes = {"FIREWALL_RULE_NOT_FOUND"}
        return codes, lambda: found and found.__setitem__("state", p["state"])

    def firewall_remove(self, cid, p, order):
        def act():
            rules, left = self.boxes[cid].rules, []
            gone = 0
            for rule in rules[p["direction"]] or []:
                if (p.get("all") or not gone) and self.fits(rule, p.get("filters", {})):
                    gone += 1
                else:
                    left.append(rule)
            if rules[p["direction"]] is not None:
                rules[p["direction"]] = left
        return self.on(cid, ALL, act=act)

    def firewall_replace(self, cid, p, order):
        return self.on(
            cid, ALL, act=lambda: self.boxes[cid].rules.update(
                {d: [self.whole(r) for r in p[d]] for d in ("ingress", "egress") if d in p}))

    def firewall_reset(self, cid, p, order):
        return self.on(cid, ALL, act=lambda: self.boxes[cid].rules.update(ingress=None, egress=None))

    def verdict(self, box, direction, port):
        """Of a new TCP connection: open, refused or silence."""
        if direction == "egress" and box.active:
            return "silence" if box.active["type"] == "block" else None
        rules = box.rules[direction]
        if rules is None:
            return "open"
        for rule in rules:
            low, _, high = rule.get("destination_port", "0-65535").partition("-")
            if rule["state"] == "enabled" and rule["protocol"] == "tcp" and int(low) <= port <= int(high or low):
                return {"allow": "open", "reject": "refused", "drop": "silence"}[rule["action"]]
        return "refused"

    # --- network ---

    def network_configure(self, cid, p, order):
        return self.on(cid, ALL, act=lambda: setattr(self.boxes[cid], "config", p))

    def configured(self, cid, act):
        codes, _ = self.on(cid, ALL, "NETWORK_NOT_CONFIGURED")
        box = self.boxes.get(cid)
        if box and not box.broken and not box.config:
            codes = {"NETWORK_NOT_CONFIGURED"}
        return codes, lambda: act(box)

    def network_start(self, cid, p, order):
        return self.configured(cid, lambda box: setattr(box, "active", box.config))

    def network_stop(self, cid, p, order):
        return self.configured(cid, lambda box: setattr(box, "active", None))

    def network_remove(self, cid, p, order):
        return self.configured(cid, lambda box: (setattr(box, "active", None), setattr(box, "config", None)))

    # --- shares ---

    def share_create(self, cid, p, order):
        new = Share(p["share_id"], p["source_container_id"], p["source_path"], p.get("target_container_id"),
                    p.get("target_project_id"), p["mode"], p.get("mount_path"), p.get("enabled", True))
        codes = {"ok"}
        if p["share_id"] in self.shares:
            codes = {"ok"} if self.shares[p["share_id"]].path == new.path else {"SHARE_ALREADY_EXISTS"}
        elif new.source not in self.boxes:
            codes = {"SOURCE_CONTAINER_NOT_FOUND"}
        elif new.target and new.target not in self.boxes:
            codes = {GONE}
        else:
            same = [
                s for s in self.shares.values()
                if (s.source, s.path, s.target, s.project) == (new.source, new.path, new.target, new.project)
            ]
            codes = {"SHARE_ALREADY_EXISTS"} if same else codes
        return codes, lambda: self.shares.setdefault(new.id, dataclasses.replace(new, number=next(self.numbers)))

    def of_share(self, sid, act):
        if sid in self.widowed:
            return {"ok", "RESOURCE_NOT_FOUND", GONE, "invalid_params"}, None
        return ({"ok"} if sid in self.shares else {"RESOURCE_NOT_FOUND"}), act

    def share_update(self, cid, p, order):
        share = self.shares.get(p["share_id"])
        return self.of_share(p["share_id"],
                             lambda: [setattr(share, k, p[k]) for k in ("mode", "enabled", "alias") if k in p])

    def share_delete(self, cid, p, order):
        return {"ok"}, lambda: self.shares.pop(p["share_id"], None)

    def share_mount(self, cid, p, order):
        share, box = self.shares.get(p["share_id"]), self.boxes.get(p["container_id"])
        codes, act = self.of_share(p["share_id"], lambda: share.refused.__setitem__(p["container_id"], p["mount"]))
        if share and p["share_id"] not in self.widowed:
            if not box:
                codes = {GONE}
            elif share.target != box.id and share.project != box.project:
                codes = {"invalid_params"}
        return codes, act

    def mounts(self, box):
        """{mount point: (read-only, share)} of what a container must see; a directory comes once, directly rather than
        through its project."""
        incoming, seen, found = [], set(), {}
        for share in sorted(self.shares.values(), key=lambda s: (s.target is None, s.number)):
            if box.id == share.source or box.id != share.target and box.project != share.project or (
                    share.source, share.path) in seen:
                continue
            seen.add((share.source, share.path))
            incoming.append(share)
        for share in incoming:
            if share.enabled and share.refused.get(box.id, True):
                found.setdefault(share.mount_path or f"/hoody/shares/{share.alias or share.id}",
                                 (share.mode == "readonly", share))
        return found

    # --- images, documents, aliases, the node ---

    def image_pull(self, cid, p, order):
        return {"ok"}, lambda: self.images.__setitem__(p["image"], p["sha256"])

    def image_remove(self, cid, p, order):
        return {"ok"}, lambda: self.images.pop(p["image"], None)

    def proxy_document(self, cid, p, order):
        owner = cid if p["scope"] == "container" else order["project_id"]
        if p["scope"] == "container" and owner in self.lived or owner in self.emptied:
            return {"ok", GONE, "superseded"}, lambda: self.documents.__setitem__((p["scope"], owner), None)
        if p["scope"] == "container" and owner not in self.boxes:
            return {GONE}, None
        version, document = self.documents.get((p["scope"], owner)) or (0, None) # version 0: none yet
        if p["file_version"] > version:
            return {"ok"}, lambda: self.documents.__setitem__((p["scope"], owner), (p["file_version"], p["document"]))
        return ({"ok"} if (version, document) == (p["file_version"], p["document"]) else {"superseded"}), None

    def proxy_alias(self, cid, p, order):
        taken = any(alias == p["alias"] and i != p["alias_id"] for i, (alias, _, _) in self.aliases.items())
        if p["target"] is None:
            return {"ok"}, lambda: self.aliases.pop(p["alias_id"], None)
        doubtful = bool(self.lived or self.emptied) # a container's end frees its aliases
        return ({"ok", "ALIAS_IN_USE"} if doubtful else {"ALIAS_IN_USE"} if taken else
                {"ok"}), lambda: self.aliases.__setitem__(p["alias_id"],
                                                          (p["alias"], p["enabled"], p["target"]["container_id"]))

    def node_resync(self, cid, p, order):
        return {"ok"}, None

    def node_command(self, cid, p, order):
        return {"ok"}, None

    # --- looking ---

    def look(self, states):
        """What the kernel says, where the model left it open."""
        for cid, state in states.items():
            box = self.boxes.get(cid)
            if box and len(box.status) > 1 and state in box.status and not box.broken:
                box.status = frozenset((state,))
