#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every rejection code of the protocol's section 3, sent over HTTP to a node with a running container. What can't be
authenticated is counted and forgotten; what is ours and authentic is reported; neither changes anything on the host,
which is asked of the kernel."""
import copy
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap

START = {"op": "container.start", "project_id": harness.PROJECT, "params": {}}


def stamp(offset_s):
    t = time.time() + offset_s
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + ".000Z"


def at_most(n, envelope):
    envelope = copy.deepcopy(envelope)
    envelope["signatures"] = envelope["signatures"] * n
    return envelope


def at_rest(node, cid):
    """A picture of it, when its init has done what it does at its beginning, and who launched it has left."""
    harness.host.poll(
        lambda: not harness.host.children(harness.host.init_of(node.prefix, cid)) and not harness.host.pids_of(
            node.prefix, cid, "worker"), 10)
    return node.picture()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    # A poll that brings nothing to believe is backed off from, up to a minute: an agent that is told to try again does
    # so at once.
    with harness.Node() as node:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        before = at_rest(node, cid)
        delete = {
            "op": "container.delete", "container_id": cid, "project_id": harness.PROJECT, "params": {"force": True}
        }

        def build(order, **how):
            return node.api.ask("envelope", order=dict(delete, **order), **how)["envelope"]

        def hand_out(envelope):
            node.api.ask("raw", **({"text": envelope} if isinstance(envelope, str) else {"envelope": envelope}))

        def untouched(name):
            return tap.eq(node.picture(), before, f"{name}: the host is as it was")

        # --- what can't be believed, or is not for us: no report, nothing moves, and good orders still come through ---
        good = build({})
        strangers = {
            "malformed_envelope": {
                "payloadType": good["payloadType"], "payload": "!", "signatures": good["signatures"]
            },
            "malformed_envelope (nine signatures)": at_most(9, good),
            "malformed_envelope (another type)": dict(good, payloadType="text/plain"),
            "malformed_envelope (no object)": "an envelope",
            "unknown_key": build({}, sign_with="stranger"),
            "bad_signature (forged under a trusted id)": build({}, sign_with="stranger", keyid="v1"),
            "bad_signature (payload tampered)": build({}, tamper="payload"),
            "bad_signature (signature tampered)": build({}, tamper="sig"),
            "wrong_node": build({"node_id": "f" * 24}),
        }
        for name, envelope in strangers.items():
            seen, logged = node.last_seq(), node.log_tail(2000).count(f"code={name.split()[0]}")
            hand_out(envelope)
            node.agent.send_signal(1)
            said = harness.host.poll(lambda: node.log_tail(2000).count(f"code={name.split()[0]}") > logged, 10, 0.02)
            tap.ok(said, f"{name}: refused, and logged as such", node.log_tail(5))
            untouched(name)
            node.agent.send_signal(1)
            report = node.do("container.pause", cid)
            tap.eq((report["state"], node.do("container.resume", cid)["state"]), ("succeeded", "succeeded"),
                   f"{name}: the next good order is not held up")
            told = [r for r in node.reports(after=seen, kind="order") if r.get("op") == "container.delete"]
            tap.eq(told, [], f"{name}: not reported")

        # --- what is authentic: one rejected report with the code ---
        def rejected(name, code, wish, field=None):
            wish = dict(
                {
                    "container_id": cid, "project_id": harness.PROJECT, "op": "container.delete",
                    "params": {"force": True}
                }, **wish)
            order_id = wish.get("id") or node.new_id()
            node.api.ask("order", **dict(wish, id=order_id))
            node.agent.send_signal(1)
            report = node.wait_report("order", after=0, order_id=order_id, state="rejected")
            got = (report or {}).get("error", {})
            tap.eq((got.get("code"), got.get("data", {}).get("field") if field else None), (code, field),
                   f"{name}: {code}")
            return untouched(name)

        rejected("an unknown op", "unsupported_op", {"op": "container.explode", "params": {}})
        rejected("an unknown parameter", "invalid_params", {"params": {"force": True, "colour": "red"}}, "colour")
        rejected("a parameter out of bounds", "invalid_params", {"params": {"force": True, "timeout_s": 601}},
                 "timeout_s")
        rejected("a version that isn't spoken", "unsupported_version", {"v": 2})
        rejected("from the future", "not_yet_valid", {"issued_at": stamp(400), "expires_at": stamp(800)})
        rejected("expired", "expired", {"issued_at": stamp(-100), "expires_at": stamp(-50)})
        rejected("valid for eight days", "malformed_order", {"issued_at": stamp(0), "expires_at": stamp(8 * 86400)})
        rejected("a malformed member", "malformed_order", {"project_id": "UPPER"})
        rejected("no op", "malformed_order", {"op": None})
        last = node.do("node.resync")["order_seq"]
        node.issue({"id": "none", "op": "node.resync", "params": {}, "seq": last + 1})
        follows = node.issue({"op": "node.resync", "params": {}, "seq": last + 2, "prev_seq": last + 1})
        node.agent.send_signal(1)
        tap.eq(node.wait(follows)["state"], "succeeded", "one without an id keeps none back that follows it")

        # --- replays: an old seq, the same bytes again, other bytes under a known id ---
        hand_out(build({"id": (fresh := node.new_id()), "seq": 1}))
        node.agent.send_signal(1)
        report = node.wait_report("order", order_id=fresh, state="rejected")
        tap.eq((report or {}).get("error", {}).get("code"), "replayed", "an old seq under a new id: replayed")
        untouched("replayed")

        done = node.do("container.restart", cid)
        before = at_rest(node, cid)
        answer = node.api.ask(
            "envelope", order={
                "op": "container.delete", "container_id": cid, "project_id": harness.PROJECT, "params": {"force": True},
                "id": done["order_id"], "seq": done["order_seq"]
            })
        hand_out(answer["envelope"])
        node.agent.send_signal(1)
        report = node.wait_report("order", after=done["seq"], order_id=done["order_id"], state="rejected")
        tap.eq((report or {}).get("error", {}).get("code"), "equivocation",
               "other bytes under a known id: equivocation")
        untouched("equivocation")

        runs = node.last_seq()
        node.api.ask("misbehave", what="repeat", on="orders", count=1)
        node.agent.send_signal(1)
        tap.ok(node.wait_report("order", after=runs, order_id=done["order_id"], state="succeeded"),
               "the same bytes again: the recorded end is reported again")
        untouched("a repeated order")

        # An order id that its signer used twice has two ends, and the API is told so.
        words = [v for v in node.violations() if done["order_id"] not in v]
        tap.eq(words, [], "the control API saw no breach of the protocol")
        node.agent.send_signal(1)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "and the real order is obeyed")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
    tap.done()


main()
