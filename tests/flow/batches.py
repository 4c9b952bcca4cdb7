#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports go compressed to a control API that takes them so (PROTOCOL.md 10.2), and as they are to one that doesn't, or
that doesn't mean it; the signature and the chain of batches hold in both. And what an API must bear: a batch that is
small and unpacks to more than there may be."""
import base64
import json
import os
import pathlib
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

ORDERS, STARTS, MIB = 300, 5, 1 << 20
GATHER_MS = 50 # agent/uplink/gather
TYPE = "application/vnd.hoody.report-batch"


def work(node, n=ORDERS):
    """Orders with reports, all acknowledged."""
    wishes = [{
        "op": "container.delete", "container_id": node.new_id(), "project_id": harness.PROJECT, "params": {}
    } for _ in range(n)]
    ends = {node.wait(i, 60)["state"] for i in node.api.ask("orders", orders=wishes)["ids"]}
    tap.eq(ends, {"succeeded"}, f"{n} orders end")
    tap.ok(host.poll(lambda: node.hoodyctl("status")["outbox"]["bytes"] == 0, 20), "all their reports are acknowledged")
    stats = node.api.ask("stats")
    tap.eq((stats["violations"], node.sanitizer_words()), ([], []), "signatures and chain hold, sanitizers are silent")
    return stats


def ratio(stats):
    return stats["batch_bytes"] / stats["batch_payload_bytes"]


def said(stats):
    return (f"{stats['batches']} batches ({stats['batches_packed']} compressed), "
            f"{stats['batch_payload_bytes']} bytes of reports, {stats['batch_bytes']} on the way ({ratio(stats):.3f})")


def post(node, payload):
    """The status of a batch that unpacks to that."""
    packed = subprocess.run(["zstd", "-qc"], input=payload, stdout=subprocess.PIPE, check=True).stdout
    body = json.dumps({
        "payloadType": "application/vnd.hoody.report+json", "encoding": "zstd",
        "payload": base64.b64encode(packed).decode(),
        "signatures": [{"keyid": "0" * 16, "sig": base64.b64encode(bytes(64)).decode()}]
    }).encode()
    request = urllib.request.Request(
        f"{node.api.ready['url']}/nodes/{harness.NODE_ID}/reports", body, {
            "Authorization": "Bearer the-node-token", "Content-Type": TYPE, "User-Agent": "hoody-agent/0"
        })
    trust = ssl.create_default_context(cafile=node.directory / "ca.pem")
    try:
        return len(body), urllib.request.urlopen(request, context=trust).status
    except urllib.error.HTTPError as e:
        return len(body), e.code


def together(node):
    """What an order reports on its way is told with its end, where that comes soon."""
    cid, starts = node.new_id(), []
    node.do("container.create", cid, image=harness.IMAGE, start=False)
    for _ in range(STARTS):
        tap.ok(host.poll(lambda: node.hoodyctl("status")["outbox"]["bytes"] == 0, 20), "(nothing waits)")
        before = node.api.ask("stats")
        report = node.do("container.start", cid)
        after = node.api.ask("stats")
        starts.append((report["duration_ms"], *(after[k] - before[k] for k in ("batches", "reports"))))
        node.do("container.force-stop", cid)
    node.do("container.delete", cid, force=True)
    soon = [(batches, reports) for ms, batches, reports in starts if ms < GATHER_MS / 2]
    if soon or not harness.SANITIZED:
        tap.ok(soon and all(batches == 1 for batches, _ in soon) and max(reports for _, reports in soon) > 1,
               "what a start reports is one batch", starts)
    else:
        tap.skip("what a start reports is one batch", f"none took less than half of {GATHER_MS} ms")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(api_options=["--without-packed"]) as node:
        plain = work(node)
        tap.figure("an API that takes no compressed batch: " + said(plain))
        tap.eq(plain["batches_packed"], 0, "gets none")
    with harness.Node() as node:
        together(node)
    with harness.Node() as node:
        packed = work(node)
        tap.figure("one that does: " + said(packed))
        # the first may be out before the API has said anything, and what is short goes as it is
        tap.ok(packed["batches_packed"] > 0, "gets them", packed)
        tap.ok(ratio(packed) < 0.8 * ratio(plain), "and they are shorter by a fifth at least", packed, plain)
        before = packed["batches_packed"]
        node.api.ask("misbehave", what="5xx", on="reports", status=415, count=1)
        after = work(node)
        tap.ok(after["batches_packed"] <= before + 1, "one that refuses what it has asked for gets no more of them",
               after)
        tap.eq(post(node, b"{}")[1], 400, "what nobody has signed is refused")
        size, status = post(node, bytes(64 * MIB))
        tap.eq((status, size < MIB), (400, True), f"and so are {size} bytes that unpack to 64 MiB")
        tap.ok(host.memory(node.api.process.pid)["rss"] < 64 * MIB or harness.SANITIZED, "which nobody unpacks whole")
    tap.done()


main()
