#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""container.start beside a bare c->start of the same configuration and lxc-start with the distribution's defaults, in
interleaved rounds of one run. Ratios, not absolute times: machines are noisy.

  start.py              on this host
  start.py cgroup2      and as on one that has cgroup2 alone: without v1's hierarchies, whose groups liblxc makes one by
      one, and a hook takes back; and without limits, where v1 has their controllers
  start.py … --json     the times alone, for tests/bench/run"""
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

ROUNDS = int(os.environ.get("HOODY_ROUNDS", "36"))
DEFAULTS = "/usr/share/lxc/config/common.conf"
USERNS = "/usr/share/lxc/config/userns.conf"
LIMITED = {"cpu", "memory", "pids"}
ALONE = "HOODY_BENCH_CGROUP2" # set: unshare(1) has been run


def distribution_conf(node, cid, base):
    """What lxc-create would write for an unprivileged container on this distribution."""
    includes = "".join(f"lxc.include = {path}\n" for path in (DEFAULTS, USERNS) if os.path.exists(path))
    path = node.directory / "lxc-start.conf"
    path.write_text(
        f"{includes}lxc.idmap = u 0 {base} 65536\nlxc.idmap = g 0 {base} 65536\nlxc.rootfs.path = "
        f"dir:{node.root(cid)}\n"
        f"lxc.rootfs.options = idmap=container\nlxc.net.0.type = empty\nlxc.uts.name = bench\n"
        f"lxc.cgroup.dir.monitor = {node.prefix}/{cid}/monitor\nlxc.cgroup.dir.container = "
        f"{node.prefix}/{cid}/payload\n"
        f"lxc.cgroup.dir.monitor.pivot = {node.prefix}/{cid}/worker\n")
    return path


def lxc_start(node, cid, conf):
    begin = time.monotonic()
    subprocess.run(["lxc-start", "-n", cid, "-P", node.directory / "state/lxc", "-f", conf, "-d"], check=True,
                   capture_output=True)
    took = (time.monotonic() - begin) * 1000
    host.clear(f"{node.prefix}/{cid}")
    return took


def bare_start(node, cid, base, *veth):
    out = subprocess.run([
        harness.BUILD / "tests/bench/bare-start", node.directory / "state/lxc",
        node.root(cid), node.prefix, cid,
        str(base), *veth
    ], check=True, capture_output=True, text=True)
    return float(out.stdout)


def our_start(node, cid):
    report = node.do("container.start", cid)
    assert report["state"] == "succeeded", report
    node.do("container.force-stop", cid)
    return report["duration_ms"]


def row(name, times):
    median = statistics.median(times)
    return f"{name:28} median {median:6.1f} ms, of {len(times)} from {min(times):.1f} to {max(times):.1f}"


def cgroup2_alone():
    """Where only this process sees it: unshare(1) has gone before. What the kernel has moves no process."""
    subprocess.run(["umount", "-R", "-l", "/sys/fs/cgroup"], check=True)
    subprocess.run(["mount", "-t", "cgroup2", "-o", "nsdelegate", "none", "/sys/fs/cgroup"], check=True)


def limits():
    """Where all of their controllers are to be had."""
    where = host.cgroup2()[0]
    has = pathlib.Path(where, "cgroup.controllers").read_text().split() if len(host.cgroup_mounts()) == 1 else LIMITED
    return {"limits": {"memory_bytes": 64 << 20, "pids": 64, "cpu_cores": 0.5}} if LIMITED <= set(has) else {}


def measure():
    """{name: [milliseconds]}, ours first."""
    with harness.Node() as node:
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, **limits())
        base = int(pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/uid_map").read_text().split()[1])
        node.do("container.force-stop", cid)
        conf = distribution_conf(node, cid, base)
        # What a start costs depends on what the kernel still clears away of the one before: each comes equally often
        # after each.
        kinds = {
            "container.start": lambda: our_start(node, cid),
            "bare c->start, same config": lambda: bare_start(node, cid, base),
            "the same with its own veth": lambda: bare_start(node, cid, base, "veth"),
            "lxc-start, distribution's": lambda: lxc_start(node, cid, conf)
        }
        times = {name: [] for name in kinds}
        orders = list(itertools.permutations(kinds))
        for n in range(ROUNDS):
            for name in orders[n % len(orders)]:
                times[name].append(kinds[name]())
        node.do("container.delete", cid, force=True)
    return times


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    if "cgroup2" in sys.argv and ALONE not in os.environ:
        os.environ[ALONE] = "yes"
        os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])
    if ALONE in os.environ:
        cgroup2_alone()
    times = measure()
    if "--json" in sys.argv:
        print(json.dumps(list(times.values())))
        return
    ours, bare, veth, lxc = times.values()
    for name in times:
        tap.figure(row(name, times[name]))
    extra = statistics.median(o - b for o, b in zip(ours, bare))
    over = statistics.median(o - v for o, v in zip(ours, veth))
    tap.figure(
        f"container.start costs {extra:+.1f} ms over the bare start without a network and {over:+.1f} ms over the "
        "one with (the medians of the rounds' differences), and "
        f"{statistics.median(ours) / statistics.median(lxc):.2f} of lxc-start"
    )
    tap.ok(len(ours) == ROUNDS, "all rounds ran")
    tap.done()


if __name__ == "__main__":
    main()
