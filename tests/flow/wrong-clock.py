#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent that starts with a clock 60 days on: no snapshot, share or alias that has ended by it goes, not while the
control API is away, nor while its answers are of another time; and all do at once when a signed answer says that it is
so late.

And where the clock was wrong, all that was left out by it comes back when it is set right. What came first, and whose
it is, is no matter of a clock that may be set between.

A clock that is wrong from the start can't be told from ends that have come too early: these are moved back in the state
file. Where it is set, the agent has one of its own (tests/tools/clockset.c). tests/unit/test-heldtime goes through what
a running clock may do; tests/system/clock.py sets that of a machine."""
import os
import pathlib
import signal
import sqlite3
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

DAY_S, DAYS = 24 * 3600, 60
SAID = "what has ended by the clock stays"


def share_and_alias(node, source, target, ends):
    """What is there for so long: two orders' reports, the share's id and the alias's file."""
    sid = node.new_id()
    (node.root(source) / "d").mkdir()
    return [
        node.do("share.create", None, share_id=sid, source_container_id=source, source_path="/d",
                target_container_id=target, mode="readonly", expires_at=ends),
        node.do("proxy.alias", None, alias_id=node.new_id(), alias="my-app", enabled=True,
                expires_at=time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(ends)),
                target={"container_id": target, "program": "http", "port": 80})
    ], sid, node.directory / "state/proxy/aliases/my-app.json"


def start_with_clock(node, ahead_s):
    """The agent, with a wall clock of its own that is so far ahead; what sets it."""
    clock = node.directory / "clock"
    clock.write_bytes(struct.pack("q", ahead_s))
    options = os.environ.get("ASAN_OPTIONS", "")
    node.start_agent(("env", f"LD_PRELOAD={harness.BUILD / 'tests/tools/clockset.so'}", f"CLOCKSET={clock}",
                      f"ASAN_OPTIONS={options}:verify_asan_link_order=0"))
    node.wrapped = False # env(1) has become the agent

    def set_clock(ahead_s):
        with open(clock, "r+b") as f:
            f.write(struct.pack("q", ahead_s))

    return set_clock


def set_back():
    """What came first is not what has the lower time."""
    with harness.Node(start=False) as node:
        node.start_api()
        set_clock = start_with_clock(node, 0)
        source, copy = node.new_id(), node.new_id()
        machine_id = lambda cid: node.root(cid) / "etc/machine-id"
        node.do("container.create", source, image=harness.IMAGE)
        machine_id(source).write_text("a" * 32 + "\n")
        node.do("snapshot.create", source, alias="first")
        set_clock(-60)
        node.do("container.copy", copy, source_container_id=source)
        machine_id(copy).write_text("b" * 32 + "\n")
        node.do("snapshot.restore", copy, name="first")
        tap.eq(
            machine_id(copy).read_text(), "b" * 32 + "\n",
            "a snapshot that came along gives a copy nobody's identity, though it is younger by the clock")
        machine_id(copy).write_text("c" * 32 + "\n")
        node.do("snapshot.create", copy, alias="own")
        machine_id(copy).write_text("d" * 32 + "\n")
        set_clock(-120)
        node.do("snapshot.create", copy, alias="later")
        machine_id(copy).write_text("e" * 32 + "\n")
        node.do("snapshot.restore", copy, name="later")
        tap.eq(
            machine_id(copy).read_text(), "d" * 32 + "\n", "and one of its own brings back what it was, though older")
        tap.eq(
            local.Local(node).do("GET", f"/containers/{copy}")["last_used_snapshot"], "later",
            "which is the one that was restored last")
        for cid in (copy, source):
            node.do("container.delete", cid, force=True)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")


def tried_ahead():
    """What is to be tried again in a minute doesn't wait until a clock that was ahead has come there."""
    with harness.Node(start=False) as node:
        node.start_api()
        set_clock = start_with_clock(node, 0)
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE)
        set_clock(DAYS * DAY_S)
        file = node.root(cid) / "etc/environment"
        file.unlink()
        file.mkdir()
        sync = lambda: local.Local(node).do("GET", f"/containers/{cid}/env")["env_sync"]
        local.Local(node).do("PUT", f"/containers/{cid}/env", {"KEY": "value"})
        tap.ok(sync()["pending"], "an environment that could not be applied", sync())
        file.rmdir()
        node.stop_agent()
        start_with_clock(node, 0)
        tap.ok(host.poll(lambda: not sync()["pending"], 10, 0.1), "an agent that finds the clock set back applies it",
               sync())
        tap.ok("KEY=" in file.read_text(), "and there it is")
        node.do("container.delete", cid, force=True)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")


def set_right():
    """An agent and a container that start while the clock is wrong."""
    with harness.Node(conf={"Control": {"PollWaitSec": 1}}) as node:
        source, target = node.new_id(), node.new_id()
        for cid in (source, target):
            node.do("container.create", cid, image=harness.IMAGE)
        _, sid, file = share_and_alias(node, source, target, int(time.time()) + 30 * DAY_S)
        mounted = lambda: sid in pathlib.Path(f"/proc/{host.init_of(node.prefix, target)}/mountinfo").read_text()
        tap.ok(file.exists() and mounted(), "a share and an alias")
        node.do("container.stop", target)
        node.api.stop()
        node.write_conf = lambda: None
        node.stop_agent()
        set_clock = start_with_clock(node, DAYS * DAY_S)
        tap.eq(local.Local(node).ask("POST", f"/containers/{target}/start", {})[0], 200,
               f"{DAYS} days on a container starts")
        set_clock(0)
        node.api.start()
        node.agent.send_signal(signal.SIGHUP)
        tap.ok(host.poll(lambda: file.exists() and mounted(), 10, 0.05),
               "the clock is right again: it has its share, and the alias its file", file.exists(), node.log_tail(8))
        tap.ok(node.wait_report("proxy", event="updated"), "which is reported")
        tap.eq([r["event"] for r in node.reports(kind="proxy")], ["created", "updated"], "as no end of it")
        for cid in (target, source):
            tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Control": {"PollWaitSec": 1}}) as node:
        source, target = node.new_id(), node.new_id()
        ends = int(time.time()) + 30 * DAY_S
        for cid in (source, target):
            node.do("container.create", cid, image=harness.IMAGE, start=False)
        orders, _, _ = share_and_alias(node, source, target, ends)
        done = [node.do("snapshot.create", source, alias="kept", expiry_days=30), *orders]
        tap.eq([(d["state"], d.get("error")) for d in done], [("succeeded", None)] * 3,
               "a snapshot, a share and an alias for 30 days")
        snapshots = node.directory / "pool" / "containers" / source / "snapshots"

        def ended():
            """What the agent has ordered by itself, and how many snapshots there are."""
            return sorted(o["op"] for o in node.hoodyctl("orders")["orders"]
                          if o["origin"] == "agent"), len(os.listdir(snapshots))

        node.stop_agent()
        node.api.stop()
        with sqlite3.connect(node.directory / "state" / "state.db") as db:
            db.execute(
                f"UPDATE meta SET value = CAST(CAST(CAST(value AS INTEGER) - {DAYS * DAY_S * 1000} AS TEXT) AS BLOB) "
                "WHERE key = 'latest_time_ms'"
            )
            for table in ("snapshots", "shares", "aliases"):
                db.execute(f"UPDATE {table} SET expires_ms = expires_ms - {DAYS * DAY_S * 1000}")
        db.close()
        log = lambda: node.log.read_text()[began:]
        began = len(node.log.read_text())
        node.api.extra = ["--now-offset", str(-DAYS * DAY_S)]
        node.api.start()
        node.start_agent()
        tap.ok(host.poll(lambda: SAID in log(), 10), f"started {DAYS} days on: it says that what has ended stays",
               node.log_tail())
        refused = lambda: node.hoodyctl("status")["control"]
        tap.ok(host.poll(lambda: refused().get("last_error_code") == "clock_skew", 30),
               "the answers of an API of the true time fail as of another time", refused())
        day = lambda days: time.strftime("%Y-%m-%d", time.gmtime(time.time() + days * DAY_S))
        tap.ok(
            day(0) in refused()["last_error"] and day(-DAYS) in refused()["last_error"], "with both times", refused())
        tap.ok(abs(refused()["clock"]["offset_ms"] + DAYS * DAY_S * 1000) < 60_000, "and their difference", refused())
        page = subprocess.run(["curl", "-s", "--unix-socket", node.directory / "run/debug.sock", "http://node/metrics"],
                              capture_output=True, text=True).stdout
        tap.ok(
            "hoody_control_clock_skew 1" in page and f"hoody_control_clock_offset_seconds -{DAYS * DAY_S}"[:-4] in page,
            "metrics have both", page[-2000:])
        tap.ok("differ" in node.ctl("doctor")[1] and "differ" in node.ctl("status")[1], "doctor and status say it",
               node.ctl("doctor"))
        tap.eq(ended(), ([], 1), "and nothing goes")
        tap.eq(log().count(SAID), 1, "which is said once")

        node.api.stop()
        away = lambda: refused().get("last_error_code") == "connect"
        tap.ok(host.poll(away, 60), "the control API is away", refused())
        tap.eq(ended(), ([], 1), "nor does anything then")
        node.api.extra = []
        node.api.start()
        gone = host.poll(lambda: ended() == (["proxy.alias", "share.delete", "snapshot.delete"], 0), 90, 0.1)
        tap.ok(gone, "it is as late as that: all goes with the next signed answer", ended(), node.log_tail())
        tap.ok(all(node.wait_report(kind, event="expired") for kind in ("snapshot", "share", "proxy")),
               "and is reported")
        for cid in (target, source):
            tap.eq(node.do("container.delete", cid)["state"], "succeeded", "deleted")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, sanitizers are silent")
    set_right()
    set_back()
    tried_ahead()
    tap.done()


main()
