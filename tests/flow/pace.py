#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast a node goes is the control API's to say (PROTOCOL.md 10.1): polls are held as long as it wishes, a little
less each time, what it says beyond its bounds is clamped, and it holds until the next word. A node that is cut off
comes back within the spread."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap


def waits(node, n, pace):
    """What the next polls ask for, once an answer has brought the new pace."""
    node.api.ask("pace", pace=pace)
    follower, seen = node.api.follow(), []
    while len(seen) < n:
        node.do("container.delete", node.new_id()) # a poll that is answered too soon with nothing would be held back
        event = follower.until(lambda e: e["event"] == "poll")
        if not event:
            break
        seen.append(event["wait"])
    follower.close()
    return seen


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(
            conf={"Control": {"PollWaitSec": 20, "ReconnectSpreadSec": 2, "ResponseSignature": "required"}}) as node:
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded", "orders come through")
        own = waits(node, 12, {})
        tap.ok(
            all(16 <= w <= 20 for w in own) and len(set(own)) > 1,
            "PollWaitSec=20: each poll asks for 16 to 20 s, and not all for the same", own)
        told = waits(node, 12, {"poll_wait_s": 100, "spread_s": 1})
        tap.ok(all(80 <= w <= 100 for w in told) and len(set(told)) > 1, "the API says 100: 80 to 100", told)
        far = waits(node, 6, {"poll_wait_s": 10**12})
        tap.ok(all(480 <= w <= 600 for w in far), "more than ten minutes are ten minutes", far)
        near = waits(node, 3, {"poll_wait_s": -5, "spread_s": "soon"})
        tap.eq(set(near), {1}, "less than one second is one; what is no number is not heard")
        node.api.ask("pace", pace={"poll_wait_s": 10, "spread_s": 1})
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded", "orders come through")
        follower = node.api.follow()
        node.api.ask("misbehave", what="5xx", on="orders")
        began = time.monotonic()
        follower.until(lambda e: e["event"] == "poll")
        tap.note(f"cut off, it was back after {time.monotonic() - began:.2f} s")
        follower.close()
        tap.eq(node.do("container.delete", node.new_id())["state"], "succeeded", "it is back")
        node.stop_agent()
        node.start_agent()
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, sanitizers are silent")
    tap.done()


main()
