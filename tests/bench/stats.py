#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Statistics of 1,000 containers' cgroups and links in one scrape, beside reading the same files with kept descriptors
and nothing else."""
import json
import os
import pathlib
import resource
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import netns
import tap

N, ROUNDS = 1000, 15


def scrape(n):
    """Medians in microseconds, by tests/bench/scrape."""
    prefix = f"hoody-t{os.getpid()}-scrape"
    processes = []
    try:
        with netns.Namespace() as _:
            batch = "".join(f"link add h{i:x}a type veth peer name h{i:x}b\n" for i in range(n // 2))
            subprocess.run(["ip", "-batch", "-"], input=batch, text=True, check=True)
            for i in range(n):
                for mount, _unified in host.cgroup_mounts():
                    (mount / prefix / f"{i:024x}" / "payload").mkdir(parents=True)
            # A process in some of them, so that there is something to count.
            for i in range(0, n, 50):
                p = subprocess.Popen(["sleep", "300"])
                processes.append(p)
                for mount, _unified in host.cgroup_mounts():
                    try:
                        (mount / prefix / f"{i:024x}" / "payload" / "cgroup.procs").write_text(str(p.pid))
                    except OSError:
                        pass # cpuset without processors
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            out = subprocess.run([harness.BUILD / "tests/bench/scrape", prefix,
                                  str(n), str(ROUNDS)], check=True, stdout=subprocess.PIPE, text=True)
    finally:
        for p in processes:
            p.kill()
            p.wait()
        host.clear(prefix)
    return json.loads(out.stdout)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    v = scrape(N)
    tap.eq((v["bad"], v["links"]), (0, N), "every file and every link was read")
    ratio, whole = v["scrape_us"] / v["raw_us"], (v["scrape_us"] + v["links_us"]) / v["raw_us"]
    tap.figure(
        f"{N} containers, {v['files']} files: {v['scrape_us'] / 1000:.1f} ms, beside {v['raw_us'] / 1000:.1f} ms for "
        f"reading alone ({ratio:.2f}x); with one look at {v['links']} links "
        f"({v['links_us'] / 1000:.1f} ms) {whole:.2f}x; opened anew each time {v['opened_us'] / 1000:.1f} ms")
    tap.ok(whole <= 4, "not many times the cost of reading alone", v) # the goal is 2
    tap.done()


if __name__ == "__main__":
    main()
