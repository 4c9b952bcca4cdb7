#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A control API (or somebody on the way to it) that misbehaves in every way it can: whatever comes, the agent lives,
believes nothing unsigned, and the next good answer is obeyed."""
import os
import pathlib
import select
import signal
import socket
import struct
import sys
import threading
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap

ORDERS = ("drop", "delay", "repeat", "reorder", "truncate", "tamper", "5xx", "unsigned", "bad-signature", "withhold",
          "retry-after", "redirect", "garbage", "huge", "gzip-cut", "gzip-more")
REPORTS = ("drop", "5xx", "tamper", "unsigned", "bad-signature", "garbage", "wrong-ack", "truncate", "retry-after",
           "gzip-cut")
LARGE = 24 # documents of 700,000 bytes, in base64
CARRIED = 2_000_000 # bytes of an answer


def carry(listener, port):
    """Somebody on the way who resets what is answered with more than CARRIED."""

    def pass_on(client, server):
        left, more = CARRIED, True
        while more and left >= 0:
            for s in select.select([client, server], [], [])[0]:
                more = data = s.recv(65536)
                left = CARRIED if s == client else left - len(data)
                (server if s == client else client).sendall(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        server.close()

    while True:
        client = listener.accept()[0]
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pass_on, args=(client, server), daemon=True).start()


def too_much_at_once():
    """What the protocol allows the API to answer may be more than the way carries, or than comes in time."""
    listener = socket.create_server(("127.0.0.1", 0))
    with harness.Node(https=False, start=False) as node:
        node.start_api()
        threading.Thread(target=carry, args=(listener, urllib.parse.urlparse(node.api.ready["url"]).port),
                         daemon=True).start()
        node.conf = {
            "Control": {
                "ApiUrl": f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1",
                "PollWaitSec": 1,
                "ReconnectSpreadSec": 0
            }
        }
        ids = node.api.ask("orders", orders=[{
            "op": "proxy.document", "project_id": harness.PROJECT,
            "params": {"scope": "project", "file_version": 1 + n, "document": {"fill": "x" * 100_000}}
        } for n in range(LARGE)])["ids"]
        node.start_agent()
        tap.eq({node.wait(i, 10)["state"] for i in ids}, {"succeeded"},
               f"{len(ids)} orders come through where an answer with all of them is cut off", node.log_tail(6))
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Control": {"PollWaitSec": 2}}) as node:
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
        agent, courier = node.agent_pid(), node.courier_pid()
        for on, kinds in (("orders", ORDERS), ("reports", REPORTS)):
            for what in kinds:
                node.api.ask("misbehave", what=what, on=on, count=2, ms=300)
                pair = [node.order("container.pause", cid), node.order("container.resume", cid)]
                for _ in range(5):
                    node.agent.send_signal(signal.SIGHUP) # no need to sit out the back-off
                    try:
                        ends = [node.wait(i, 2)["state"] for i in pair]
                        break
                    except harness.Failure:
                        ends = None
                # Out of order the second comes first, and the first is then a replay.
                want = (["succeeded", "succeeded"], ["rejected", "succeeded"],
                        ["rejected", "failed"]) if what == "reorder" else (["succeeded", "succeeded"], )
                tap.ok(ends in want, f"{what} on {on}: the orders came through", ends, node.log_tail(6))
                node.api.ask("misbehave", what="none", on=on, count=0)
                if node.state(cid) == "paused":
                    node.do("container.resume", cid)
        for on, op in (("orders", "container.pause"), ("reports", "container.resume")):
            before = len(node.log.read_text())
            node.api.ask("misbehave", what="5xx", on=on, count=2, status=204)
            order = node.order(op, cid)
            said = lambda: "not what the protocol says (status 204)" in node.log.read_text()[before:]
            tap.ok(harness.host.poll(said, 10), f"nothing at all on {on}: is said to be no answer", node.log_tail(6))
            node.api.ask("misbehave", what="none", on=on, count=0)
            node.agent.send_signal(signal.SIGHUP)
            tap.eq(node.wait(order)["state"], "succeeded", "and the order comes through")
        for what in ("gzip", "members"): # no misbehaviour at all: RFC 1952, 2.2
            node.api.ask("misbehave", what=what, on="all", count=1000)
            node.agent.send_signal(signal.SIGHUP)
            before = node.log.read_text()
            ends = [node.do(op, cid)["state"] for op in ("container.pause", "container.resume")]
            tap.eq(ends, ["succeeded", "succeeded"], f"answers of {what} are read")
            tap.ok("warning" not in node.log.read_text().removeprefix(before), "and there is nothing to say of them",
                   node.log_tail(6))
            node.api.ask("misbehave", what="none", on="all", count=0)
        tap.eq((node.agent_pid(), node.courier_pid()), (agent, courier), "neither agent nor courier ended for it")
        tap.eq(node.violations(), [], "the control API saw no breach of the protocol")

        # --- more than an answer may have, each of them an order like any other ---
        node.stop_agent()
        ids = []
        for version in range(1, LARGE, 6):
            ids += node.api.ask("orders", orders=[{
                "op": "proxy.document", "project_id": harness.PROJECT,
                "params": {"scope": "project", "file_version": version + n, "document": {"fill": "x" * 700_000}}
            } for n in range(6)])["ids"]
        before = len(node.log.read_text())
        node.start_agent()
        tap.eq({node.wait(i, 60)["state"] for i in ids}, {"succeeded"}, f"{len(ids)} orders of 22 MB come through")
        said = node.log.read_text()[before:]
        tap.eq((said.count("not what the protocol says"), said.count("no connection")), (1, 0), "after one refusal")

        # --- the API goes away and comes back ---
        order = node.order("container.restart", cid)
        node.wait(order)
        node.api.stop(signal.SIGKILL)
        os.kill(harness.host.init_of(node.prefix, cid), signal.SIGKILL)
        node.api.start()
        node.agent.send_signal(signal.SIGHUP)
        report = node.wait_report("container.status", timeout_s=30, container_id=cid, to_status="stopped",
                                  triggered_by="crash")
        tap.ok(report, "what happened while the API was away is reported when it is back")
        # The keys of a restarted API are the same; so is what it acknowledged.
        tap.eq(node.violations(), [], "and the chain of batches holds")

        # --- rotation of keys ---
        rotate = node.api.ask("rotate", kid="v2")
        tap.eq(node.wait(rotate["id"])["state"], "succeeded", "the key is rotated")
        tap.eq(node.do("container.start", cid)["state"], "succeeded", "orders of the new key are obeyed")
        refused = node.api.ask(
            "envelope", order={
                "op": "container.delete", "container_id": cid, "project_id": harness.PROJECT, "params": {"force": True}
            }, sign_with="v1")
        node.api.ask("raw", envelope=refused["envelope"])
        node.agent.send_signal(signal.SIGHUP)
        tap.eq(node.do("container.pause", cid)["state"], "succeeded", "while one of the old key")
        tap.eq(node.state(cid), "paused", "has no effect any more")
        node.restart()
        tap.eq(node.do("container.resume", cid)["state"], "succeeded", "a restarted agent trusts the new key")

        # A batch that is fixed stands before the report of the rotation, and the API knows of that by the report.
        node.api.ask("misbehave", what="5xx", on="reports", count=1_000_000)
        before = len(node.log.read_text())
        rotate = node.api.ask("rotate", kid="v3")
        node.agent.send_signal(signal.SIGHUP)
        harness.host.poll(lambda: "keyset version 3 is in force" in node.log.read_text()[before:], 10)
        pause = node.order("container.pause", cid)
        node.restart(signal.SIGKILL)
        node.api.ask("misbehave", what="none", on="reports", count=0)
        node.agent.send_signal(signal.SIGHUP)
        tap.eq([node.wait(i)["state"] for i in (rotate["id"], pause)], ["succeeded", "succeeded"],
               "a rotation is reported behind what was not acknowledged before it, also by an agent that was killed")
        tap.ok("signature is missing or wrong" not in node.log.read_text()[before:],
               "and no answer was refused meanwhile", node.log_tail(12))
        node.do("container.resume", cid)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
    with harness.Node() as node: # whose first delivery is under way
        tap.eq(node.wait(node.api.ask("rotate", kid="v2")["id"])["state"], "succeeded", "the key is rotated at once")
        tap.ok("signature is missing or wrong" not in node.log.read_text(), "which makes no answer a failure",
               node.log_tail())
    tap.done()


main()
