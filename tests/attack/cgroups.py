#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root makes cgroups: as many as it can, which a bound refuses; and, where the node's bounds let it, so many
and so deep that whoever walks them on the agent's loop, or gives up on the way down, loses the node or the
container."""
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

MOUNT = "mkdir -p /mnt; umount /mnt 2>/dev/null; mount -t cgroup2 none /mnt && cd /mnt || exit 9; "
WIDE = MOUNT + "n=0; while [ $n -lt {0} ] && mkdir c$n 2>/dev/null; do n=$((n+1)); done; echo $n"
# Shorter than a path of all of them: each goes on where the last has ended.
DEEP = MOUNT + ("n=0; while [ $n -lt {0} ] && mkdir d 2>/dev/null; do cd d; n=$((n+1)); done; "
                "[ -z '{1}' ] || echo 1 >cgroup.procs; echo $n")
# In a hierarchy of v1, by the options that it is mounted with; a mount that is refused makes none.
LEGACY = ("mkdir -p /mnt; umount /mnt 2>/dev/null; mount -t cgroup -o {0} none /mnt && cd /mnt; n=0; "
          "while [ $n -lt {1} ] && mkdir c$n 2>/dev/null; do n=$((n+1)); done; echo 1 >tasks; echo $n")
MANY, DEPTH, LEGACY_TRIES = 20_000, 60, 50


def number(node, name, script):
    code, out, err = node.ctl("exec", name, "--", "sh", "-c", script)
    return int(out) if code == 0 and out.strip().isdigit() else (code, out, err)


class Pings:
    """Asks the agent's loop one thing after the other; the longest that it took to answer."""

    def __init__(self, node):
        self.local, self.longest_s, self.n, self.over = local.Local(node), 0, 0, False
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.over:
            begun = time.monotonic()
            self.local.ask("GET", "/containers")
            self.longest_s = max(self.longest_s, time.monotonic() - begun)
            self.n += 1
            time.sleep(0.02) # the agent has little to do but what is measured

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *ignored):
        self.over = True
        self.thread.join()


def top_of(node, cid):
    return next(mount for mount, unified in host.cgroup_mounts() if unified) / node.prefix / cid


def count_below(top):
    return sum(len(directories) for _, directories, _ in os.walk(top))


def bounded(node):
    cid = node.new_id()
    tap.eq(
        node.do("container.create", cid, image=harness.IMAGE, name="tight")["state"], "succeeded",
        "a container with the default bounds")
    made = number(node, "tight", WIDE.format(3000))
    tap.ok(
        isinstance(made, int) and 900 < made <= 1024,
        "of 3,000 cgroups that it tries to make, the kernel refuses all but 1,024", made)
    print(f"# figure: {made} cgroups made in 3,000 tries")
    number(node, "tight", MOUNT + "rmdir c*; echo 0")
    made = number(node, "tight", DEEP.format(DEPTH, ""))
    tap.eq(made, 16, "of 60 in one another all but 16")
    code, _, err = node.ctl(
        "exec", "tight", "--", "sh", "-c",
        "echo 5000 > /mnt/cgroup.max.descendants; echo 5000 > /mnt/cgroup.max.depth; mkdir "
        "/mnt/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d/d"
    )
    tap.ok(code != 0, "and it can't raise the bound", err)
    tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "it is deleted")


def hierarchies():
    """Of v1: where, and the options that it is mounted with."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind == "cgroup":
            found.append((pathlib.Path(before.split()[4]),
                          ",".join(o for o in options.split(",")
                                   if o not in ("rw", "ro") and not o.startswith("release_agent"))))
    return found


def legacy(node, when):
    made = {options: number(node, "old", LEGACY.format(options, LEGACY_TRIES)) for _, options in hierarchies()}
    tap.eq({options: n for options, n in made.items() if n != 0}, {}, f"{when}: in no hierarchy of v1 it makes a group")
    tap.figure(
        f"{when}: of {LEGACY_TRIES} tries in each of {len(made)} hierarchies of v1 "
        f"{sum(n for n in made.values() if isinstance(n, int))} succeed"
    )


def old(node):
    if not hierarchies():
        tap.skip("hierarchies of v1", "this host has none")
        return
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="old")
    legacy(node, "at first")
    tops = [mount / node.prefix / cid / "payload" for mount, _ in hierarchies()]
    tap.eq([
        str(p) for top in tops for p in (top, *top.iterdir()) if p.stat().st_uid != 0 and not p.name.match("c[0-9]*")
    ][:9], [], "and nothing there is its own")
    before = host.init_of(node.prefix, cid)
    node.ctl("exec", "old", "--", "reboot", "-f")
    tap.ok(host.poll(lambda: host.init_of(node.prefix, cid) not in (None, before), 30), "it restarts itself")
    tap.ok(host.poll(lambda: node.ctl("exec", "old", "--", "true")[0] == 0, 30), "and is there again")
    legacy(node, "after its restart")
    tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "it is deleted")


def deep(node):
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="deep")
    tap.eq(number(node, "deep", DEEP.format(DEPTH, "move")), DEPTH, f"init moves itself {DEPTH} cgroups down")
    tap.ok(not host.procs_of(top_of(node, cid) / "payload") or host.init_of(node.prefix, cid), "it is there")
    node.restart()
    tap.eq(status_of(node, cid), "running", "a new agent finds that it runs")
    for op, want in (("container.stop", "stopped"), ("container.start", "running"), ("container.restart", "running")):
        report = node.do(op, cid)
        tap.eq((report["state"], node.state(cid)), ("succeeded", want), op)
    number(node, "deep", DEEP.format(DEPTH, "move"))
    tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted with its init at the bottom")
    tap.eq(node.leaks(), [], "and nothing is left")


# The session leaves the group that it was put in, and makes one of that name that is its own.
OWN_LEAF = MOUNT + "echo 0 >cgroup.procs; rmdir .lxc; mkdir .lxc && "
LEAVES = {
    "froze": "echo 1 >.lxc/cgroup.freeze", "made one for threads": "echo threaded >.lxc/cgroup.type",
    "took all that it may make beside": "n=0; while mkdir c$n; do n=$((n+1)); done"
}


def answers(node, name, deadline_s=15):
    """Whether a session begins and ends."""
    command = [
        harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", name, "--", "cat",
        "/proc/self/cgroup"
    ]
    with harness.running(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as session:
        try:
            return session.wait(deadline_s * harness.SLOW) == 0, session.stdout.read()
        except subprocess.TimeoutExpired:
            session.kill()
            return False, "no answer"


def sessions(node):
    """Who comes in goes to a group that the container can't have prepared for him."""
    good = 0
    for i, (what, script) in enumerate(LEAVES.items()):
        cid, name = node.new_id(), f"leaf{i}"
        node.do("container.create", cid, image=harness.IMAGE, name=name)
        node.ctl("exec", name, "--", "sh", "-c", OWN_LEAF + script)
        made = next((top_of(node, cid) / "payload").glob(".lxc"), None)
        works, said = answers(node, name)
        good += works
        tap.ok(made and made.stat().st_uid != 0 and works,
               f"a session in a container that has made .lxc itself, and {what}", said)
        tap.ok(f"/{cid}/payload" in said or "0::/" in said, "in its groups", said)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "it is deleted")
    tap.figure(f"{good} of {len(LEAVES)} sessions in containers that had made their group before")


def status_of(node, cid):
    return local.Local(node).do("GET", f"/containers/{cid}")["status"]


def wide(node):
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="wide")
    begun = time.monotonic()
    made = number(node, "wide", f"{WIDE.format(MANY)}")
    tap.eq(made, MANY, f"{MANY} cgroups, where the node's bounds allow it")
    print(f"# {MANY} cgroups in {time.monotonic() - begun:.1f} s")
    with Pings(node) as idle:
        time.sleep(1)
    begun, cpu = time.monotonic(), host.cpu_s(node.agent_pid())
    with Pings(node) as pings:
        os.kill(host.init_of(node.prefix, cid), signal.SIGKILL)
        gone = host.poll(lambda: not top_of(node, cid).exists(), 120, 0.05)
    took, worked = time.monotonic() - begun, host.cpu_s(node.agent_pid()) - cpu
    tap.ok(gone, "its init is killed, and all of them go without an order", count_below(top_of(node, cid)))
    print(
        f"# figure: longest answer {1000 * pings.longest_s:.0f} ms of {pings.n} while {MANY} cgroups go, "
        f"{1000 * idle.longest_s:.0f} ms of {idle.n} before; the agent worked {1000 * worked:.0f} of {1000 * took:.0f} "
        "ms"
    )
    tap.eq(status_of(node, cid), "stopped", "it is reported as ended")
    tap.ok(pings.longest_s < took / 4, "meanwhile the loop has gone on answering", pings.longest_s, took)
    tap.eq(node.do("container.start", cid)["state"], "succeeded", "it starts again")
    tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "it is deleted")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        bounded(node)
        old(node)
        sessions(node)
    with harness.Node(conf={"Containers": {"CgroupsMax": 30_000, "CgroupDepthMax": 100}}) as node:
        deep(node)
        wide(node)
        tap.eq((node.leaks(), node.violations(), node.sanitizer_words()), ([], [], []),
               "nothing is left, nothing is broken")
    tap.done()


if __name__ == "__main__":
    main()
