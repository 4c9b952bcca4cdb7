#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTPS: an agent with the right CA works, one with another CA says so and gets nothing."""
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import names
import tap


def replaced(node):
    """The authorities' files are replaced, as a package does it and as an operator does."""
    bundle = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    for file, what in ((bundle, "the system's authorities"), (node.directory / "mine.pem", "CaFile's")):
        node.stop_agent()
        node.conf = {"Control": {"CaFile": None if file == bundle else file, "ReconnectSpreadSec": 0}}
        shutil.copy(node.directory / "other-ca.pem", file)
        began = len(node.log_tail(10000))
        node.start_agent()
        tap.ok(harness.host.poll(lambda: "could not be authenticated" in node.log_tail(10000)[began:], 15),
               f"{what} have signed nothing", node.log_tail())
        new = file.with_suffix(".new")
        shutil.copy(node.directory / "ca.pem", new)
        new.rename(file)
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded",
               "and those that replace them are believed, without a word to the agent")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(https=True, start=False) as node:
        etc = node.directory / "etc"
        etc.mkdir(mode=0o755)
        names.own_etc(etc)
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
        replaced(node)
        tap.eq(node.violations(), [], "no breach of the protocol")
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")
        node.stop_agent()
        names.give_back_etc()
    tap.done()


main()
