#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The clock of a machine jumps by a day, forth and back and back again, with orders running and things that end at a
time: no order is lost or revived, what ends does so by the clock and at once, what is measured goes on. By 60 days for
some seconds: nothing ends, for no signed answer says so.

In a machine of its own (tests/lib/vm.py). In the first part the control API's clock jumps too: the times in its orders
are given, by a clock that nobody sets. In the second its clock is that one."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
import vm

DAY_S = 24 * 3600
WRONG_S = 8 # so long the clock is wrong
SAID = "what has ended by the clock stays"


def true_time():
    """Of the world outside, where no clock has jumped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) + BOOTED


BOOTED = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + f".{int(t % 1 * 1000):03d}Z"


def jump(seconds):
    time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds)


def took_less_than_a_day(v):
    """What is shown of an order that has ended."""
    return 0 < v["duration_ms"] < DAY_S * 1000


def a_day():
    import harness
    import host

    def issue(op, cid, good_s=600, issued_s=0, **params):
        """An order of the true time."""
        now = true_time() + issued_s
        return node.issue({
            "op": op, "container_id": cid, "project_id": harness.PROJECT, "params": params, "issued_at": stamp(now),
            "expires_at": stamp(now + good_s)
        })

    def end(order):
        report = node.wait(order, 120)
        return report["state"], (report.get("error") or {}).get("code")

    def under_way(seconds, what, good_s):
        """Orders that run while the clock jumps."""
        ids = [node.new_id() for _ in range(3)]
        orders = [issue("container.create", cid, good_s, image=harness.IMAGE, timeout_s=120) for cid in ids]
        host.poll(lambda: set(orders) <= {o["order_id"] for o in node.hoodyctl("orders")["orders"]}, 20, 0.05)
        jump(seconds)
        tap.eq([end(o) for o in orders], [("succeeded", None)] * 3, f"{what}: orders under way end well")
        tap.eq([node.state(cid) for cid in ids], ["running"] * 3, f"{what}: and are executed")
        tap.ok(all(took_less_than_a_day(node.wait(o)) for o in orders), f"{what}: and took as long as they did",
               [node.wait(o) for o in orders])
        return ids

    def sampled(what):
        seen, began = node.last_seq(), time.monotonic()
        found = [node.wait_report("node.stats", 60, after=seen), node.wait_report("node.stats", 60, after=seen + 2)]
        tap.ok(all(found), f"{what}: statistics go on at their interval", time.monotonic() - began)

    def mounts():
        return pathlib.Path(f"/proc/{host.init_of(node.prefix, target)}/mounts").read_text()

    with harness.Node(conf={"Control": {"StatsIntervalSec": 2, "ResponseSignature": "required"}},
                      api_options=["--without-stats"]) as node:
        source, target = node.new_id(), node.new_id()
        tap.eq(
            [end(issue("container.create", cid, image=harness.IMAGE, start=cid == target)) for cid in (source, target)],
            [("succeeded", None)] * 2, "containers")
        for name in ("hour", "week", "past"):
            (node.root(source) / name).mkdir()
        share = {name: node.new_id() for name in ("hour", "week")}
        for name, seconds in (("hour", 3600), ("week", 7 * DAY_S)):
            order = issue("share.create", None, share_id=share[name], source_container_id=source,
                          source_path=f"/{name}", target_container_id=target, mode="readonly",
                          mount_path=f"/mnt/{name}", expires_at=int(true_time()) + seconds)
            tap.eq((end(order), f"/mnt/{name}" in mounts()), (("succeeded", None), True),
                   f"a share for a{'n' if name == 'hour' else ''} {name}")
        agent = node.agent_pid()

        # --- a day on ---
        began = time.monotonic()
        kept = under_way(DAY_S, "a day on", 600)
        host.poll(lambda: "/mnt/hour" not in mounts(), 60)
        took = time.monotonic() - began
        tap.eq(("/mnt/hour" in mounts(), "/mnt/week" in mounts()), (False, True),
               "a day on: what has ended by the clock is gone at once, what has not is there")
        tap.figure(
            f"{took:.1f} s after the clock had jumped a share that ended by it was gone, and three orders were "
            "executed (in software emulation)"
        )
        stale = issue("container.start", source)
        tap.eq(end(stale), ("rejected", "expired"), "a day on: an order that was good for ten minutes is not accepted")
        tap.eq(end(issue("container.start", source, 2 * DAY_S)), ("succeeded", None),
               "a day on: one that is good for two days is")
        sampled("a day on")

        # --- and back ---
        kept += under_way(-DAY_S, "back again", 2 * DAY_S)
        tap.eq(("/mnt/hour" in mounts(), "/mnt/week" in mounts()), (False, True),
               "back again: what has ended stays ended")
        tap.eq([r["state"] for r in node.reports(kind="order") if r["order_id"] == stale], ["rejected"],
               "back again: the order that had expired is not revived")
        tap.eq(end(issue("container.stop", source, timeout_s=60)), ("succeeded", None),
               "back again: orders are accepted as before")
        sampled("back again")

        # --- a day behind: what was authenticated tells that it is later ---
        jump(-DAY_S)
        tap.eq(end(issue("container.start", source, DAY_S // 2, -DAY_S)), ("rejected", "expired"),
               "a day behind: an order that has expired is not accepted, though by the clock it is good for hours")
        tap.eq(end(issue("container.start", source)), ("succeeded", None), "a day behind: one of now is")
        order = issue("share.create", None, share_id=node.new_id(), source_container_id=source, source_path="/past",
                      target_container_id=target, mode="readonly", mount_path="/mnt/past",
                      expires_at=int(true_time()) - 3600)
        tap.ok(
            end(order)[0] != "succeeded" or host.poll(lambda: "/mnt/past" not in mounts(), 30),
            "a day behind: nor is a share given that has ended")
        sampled("a day behind")
        jump(DAY_S)
        tap.eq(end(issue("container.stop", source, timeout_s=60)), ("succeeded", None), "and all is as it was")

        tap.eq(node.agent_pid(), agent, "the agent has lived through all of it")
        for cid in (target, source, *kept):
            tap.eq(end(issue("container.delete", cid, force=True)), ("succeeded", None), "deleted")
        stats = node.api.ask("stats")
        tap.eq((node.leaks(), stats["violations"], stats["orders_ended_twice"],
                stats["orders_issued"] - stats["orders_terminal"], node.sanitizer_words()), ([], [], 0, 0, []),
               "nothing is left, no breach, every order ended once")


def two_months():
    """What a clock that is 60 days on for some seconds ends: nothing, whether the API's answers are of the true time or
    there are none."""
    import harness
    import host
    boot_s = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)

    with harness.Node(conf={"Control": {"PollWaitSec": 1}}, api_options=["--steady", "--without-stats"]) as node:
        source, target, share, alias = (node.new_id() for _ in range(4))
        ends = int(time.time()) + 30 * DAY_S
        for cid in (source, target):
            node.do("container.create", cid, 120, image=harness.IMAGE, start=cid == target)
        (node.root(source) / "d").mkdir()
        done = [
            node.do("snapshot.create", source, 60, alias="kept", expiry_days=30),
            node.do("share.create", None, 60, share_id=share, source_container_id=source, source_path="/d",
                    target_container_id=target, mode="readonly", mount_path="/mnt/d", expires_at=ends),
            node.do("proxy.alias", None, 60, alias_id=alias, alias="my-app", enabled=True, expires_at=stamp(ends),
                    target={"container_id": target, "program": "http", "port": 80})
        ]
        tap.eq([(d["state"], d.get("error")) for d in done], [("succeeded", None)] * 3,
               "a snapshot, a share and an alias for 30 days")
        snapshots = node.directory / "pool" / "containers" / source / "snapshots"

        def there():
            """How many snapshots there are, whether the share is mounted, and what the agent has ordered by itself."""
            return len(os.listdir(snapshots)), "/mnt/d" in pathlib.Path(
                f"/proc/{host.init_of(node.prefix, target)}/mounts").read_text(), sorted(
                    o["op"] for o in node.hoodyctl("orders")["orders"] if o["origin"] == "agent")

        def wrong_for_a_while(what, begin, end):
            """While something is under way: begin() begins it, end() says how it went."""
            said = len(node.log.read_text())
            begin()
            host.poll(lambda: any(o["state"] == "running" for o in node.hoodyctl("orders")["orders"]), 20, 0.05)
            jump(60 * DAY_S)
            since = boot_s()
            tap.ok(host.poll(lambda: SAID in node.log.read_text()[said:], 20),
                   f"60 days on, {what}: it says that what has ended stays", node.log_tail())
            if node.api.process:
                control = lambda: node.hoodyctl("status")["control"]
                tap.ok(host.poll(lambda: control().get("last_error_code") == "clock_skew", 60),
                       f"60 days on, {what}: status says that the clocks differ", control())
            host.poll(lambda: there() != before or boot_s() - since >= WRONG_S, 60, 0.1)
            tap.eq(there(), before, f"60 days on, {what}: for {WRONG_S} s and more, nothing goes")
            jump(-60 * DAY_S)
            tap.ok(end(), f"and back, {what}: what was under way has ended well", node.log_tail())
            last = node.hoodyctl("operation", "list")[0]
            tap.ok(took_less_than_a_day(last), f"and back, {what}: and took as long as it did", last)
            tap.eq(there(), before, f"and back, {what}: nothing has gone")

        before = there()
        tap.eq(before, (1, True, []), "all are there")
        made, asked = node.new_id(), []
        wrong_for_a_while("answers of the true time",
                          lambda: asked.append(node.order("container.create", made, image=harness.IMAGE)),
                          lambda: node.wait(asked[0], 120)["state"] == "succeeded" and node.state(made) == "running")

        node.conf["Control"]["ApiUrl"] = node.api.ready["url"]
        node.stop_agent()
        node.api.stop()
        node.start_agent() # no answer has been signed since
        create = [
            str(x) for x in (harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "container",
                             "create", harness.IMAGE, "--project", harness.PROJECT, "--name", "local")
        ]
        wrong_for_a_while("without the API", lambda: asked.append(subprocess.Popen(create, stdout=subprocess.DEVNULL)),
                          lambda: asked[1].wait(120 * harness.SLOW) == 0)

        node.api.start()
        containers = [
            source, target, made, *(c["id"] for c in node.hoodyctl("container", "list") if c["name"] == "local")
        ]
        tap.eq([node.do("container.delete", cid, 120, force=True)["state"] for cid in containers], ["succeeded"] * 4,
               "deleted")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach of the protocol")


def main():
    if os.environ.get("HOODY_IN_VM"):
        a_day()
        two_months()
    elif not shutil.which("qemu-system-x86_64"):
        tap.skip_all("needs qemu-system-x86")
    else:
        status, output = vm.run(["python3", "tests/system/clock.py"], seconds=900)
        print("".join(f"{line}\n" if line.startswith("# figure") else f"# {line}\n" for line in output.splitlines()),
              end="")
        tap.eq(status, 0, "the test passes there")
        tap.ok("a day behind: one of now is" in output and "and back, without the API: nothing has gone" in output,
               "and has been everywhere")
    tap.done()


main()
