#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The control API's name: by /etc/hosts, and by a name server that is not on loopback."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import names
import tap


def works(node, how):
    cid, before = node.new_id(), node.last_seq()
    node.start_agent()
    hello = node.wait_report("node.hello", after=before, timeout_s=20)
    tap.ok(hello, f"{how}: the API hears of the node", node.log_tail())
    if hello:
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="named")["state"], "succeeded",
            f"{how}: an order is done")
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", f"{how}: and the next")
    node.stop_agent()


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    dns = names.Dns()
    with harness.Node(start=False) as node:
        node.start_api()
        tap.ok(node.api.ready["url"].startswith(f"https://{harness.API_NAME}:"), "the API has a name, and speaks TLS",
               node.api.ready["url"])
        works(node, "by /etc/hosts")
        tap.eq(dns.asked, [], "no name server is asked")
        node.api.stop()
        node.api.start()
        names.write_hosts({})
        dns.records[harness.API_NAME] = "127.0.0.1"
        works(node, "by a name server")
        tap.eq(set(dns.asked), {harness.API_NAME}, "the configured one was asked")
        tap.eq(node.violations(), [], "no breach of the protocol")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
    tap.done()


main()
