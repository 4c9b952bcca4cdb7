#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The disk of the state is full and stays so: the agent ends rather than go on with what is not durable, however often
it is started again, and says why; containers run on. With space again each order ends once."""
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import tap

STARTS = 4


def fill(path):
    """To the last byte."""
    with open(path, "wb", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    f.write(b"\0" * size)
            except OSError:
                pass


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with loop.FileSystem("ext4", 32) as fs, harness.Node(start=False) as node:
        state = node.directory / "state"
        state.mkdir(mode=0o700)
        subprocess.run(["mount", "--bind", fs.path, state], check=True)
        try:
            node.start()
            cid = node.new_id()
            tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "a container runs")
            init = host.init_of(node.prefix, cid)
            fill(state / "ballast")
            orders = [node.order("env.set", cid, key=f"K{i}", value="v" * 4000) for i in range(60)]
            tap.ok(host.poll(lambda: node.agent.poll() is not None, 20, 0.05),
                   "the agent ends when it can't make orders durable", node.log_tail())
            tap.eq(node.agent.wait(), -signal.SIGABRT, "of its own will")
            tap.ok("the state can't be written: No space left on device" in node.log_tail(100), "and says why",
                   node.log_tail())
            for _ in range(STARTS):
                try:
                    node.start_agent()
                    host.poll(lambda: node.agent.poll() is not None, 5, 0.05)
                except harness.Failure:
                    pass # it could not even start, and says so
                if node.agent.poll() is None:
                    break
            tap.ok(node.agent.poll() is not None, f"started {STARTS} times again it does so each time")
            tap.ok(not node.sanitizer_words(), "never by a fault of ours", node.sanitizer_words())
            tap.eq(host.init_of(node.prefix, cid), init, "the container runs on")
            (state / "ballast").unlink()
            node.start_agent()
            ends = [node.wait(o, 60) for o in orders]
            tap.eq([e.get("error") for e in ends if e["state"] != "succeeded"], [],
                   "with space again all orders are executed")
            tap.eq(host.init_of(node.prefix, cid), init, "and the container has not been touched")
            tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
            stats = node.api.ask("stats")
            host.poll(lambda: node.left() == [f"mount {state}"], 20)
            tap.eq((node.left(), stats["violations"], stats["orders_ended_twice"],
                    stats["orders_issued"] - stats["orders_terminal"]), ([f"mount {state}"], [], 0, 0),
                   "nothing is left, every order ended once")
            node.stop_agent()
        finally:
            node.stop_agent()
            subprocess.run(["umount", "-l", state], check=True)
    tap.done()


main()
