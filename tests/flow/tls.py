#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTPS: an agent with the right CA works, one with another CA says so and gets nothing."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(https=True, start=False) as node:
        node.start_api()
        node.conf = {"Control": {"CaFile": node.directory / "other-ca.pem"}}
        node.start_agent()
        tap.ok(harness.host.poll(lambda: "could not be authenticated" in node.log_tail(50), 15),
               "a CA that signed nothing: the API is not believed", node.log_tail())
        tap.eq(node.api.ask("stats")["polls"], 0, "and never asked")
        node.stop_agent()
        (node.directory / "empty.pem").touch()
        node.conf = {"Control": {"CaFile": node.directory / "empty.pem"}}
        node.start_agent()
        tap.ok(harness.host.poll(lambda: "empty.pem has no certificate in it" in node.log_tail(50), 15),
               "a CA file that a power cut has emptied is named", node.log_tail())
        node.stop_agent()
        os.mkfifo(node.directory / "pipe.pem")
        node.conf = {"Control": {"CaFile": node.directory / "pipe.pem"}}
        node.start_agent()
        tap.ok(harness.host.poll(lambda: "pipe.pem is no certificate file" in node.log_tail(50), 15),
               "one that is none is not waited for", node.log_tail())
        node.stop_agent()
        (node.directory / "latin.pem").write_bytes(b"# caf\xe9\n" + (node.directory / "ca.pem").read_bytes())
        node.conf = {"Control": {"CaFile": node.directory / "latin.pem"}}
        node.start_agent()
        tap.ok(harness.host.poll(lambda: "Control.CaFile is not UTF-8" in node.log_tail(50), 15),
               "one that can't be passed on is refused, rather than left out", node.log_tail())
        node.stop_agent()
        node.conf = {"Control": {"CaFile": node.directory / "ca.pem"}}
        node.start_agent()
        tap.eq(
            node.do("container.delete", node.new_id())["state"], "succeeded", "with the right CA orders come through")
        tap.eq(node.violations(), [], "no breach of the protocol")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
    tap.done()


main()
