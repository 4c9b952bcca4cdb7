#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A long poll that nothing happens in is answered by the control API when its time is over, and the next one follows:
undisturbed, so many seconds have so many polls, and there is nothing to warn of. HOODY_POLLS=60/5: 60 s with
PollWaitSec=5. And one that was put back to an older state, whose next orders are below what the node asks for."""
import os
import pathlib
import shutil
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

SECONDS, WAIT_S = map(int, os.environ.get("HOODY_POLLS", "20/2").split("/"))


def put_back():
    with harness.Node(conf={"Control": {"PollWaitSec": 1}}) as node:
        state, old = node.directory / "api", node.directory / "old"
        delete = lambda: node.order("container.delete", node.new_id())
        node.wait(delete())
        node.api.stop()
        shutil.copytree(state, old)
        node.api.start()
        for _ in range(2):
            tap.eq(node.wait(delete())["state"], "succeeded", "an order that the API forgets")
        node.api.stop()
        shutil.rmtree(state)
        shutil.copytree(old, state)
        node.api.start()
        told = lambda: node.log.read_text().count("up to seq 1, and we have had up to 3")
        tap.ok(host.poll(told, 10), "an API that was put back to an older state is told of")
        polls = node.api.ask("stats")["polls"]
        tap.ok(host.poll(lambda: node.api.ask("stats")["polls"] > polls + 1, 10) and told() == 1, "once", told())
        for _ in range(3):
            last = delete()
        tap.eq(node.wait(last)["state"], "succeeded", "and what it issues above that is done")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Control": {"PollWaitSec": WAIT_S}}) as node:
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded", "orders come through")
        before, words = node.api.ask("stats")["polls"], node.log.read_text()
        time.sleep(SECONDS) # whoever asked the API meanwhile would wake it
        polls, said = node.api.ask("stats")["polls"] - before, node.log.read_text().removeprefix(words)
        tap.figure(f"{SECONDS} s undisturbed with PollWaitSec={WAIT_S}: {polls} polls")
        want = SECONDS // WAIT_S
        tap.ok(want - 1 - want // 8 <= polls <= SECONDS / (0.8 * WAIT_S) + 1,
               f"{polls} polls in {SECONDS} s, each of {WAIT_S} s or a little less")
        tap.eq(said, "", "the agent has nothing to say")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, sanitizers are silent")
    put_back()
    tap.done()


main()
