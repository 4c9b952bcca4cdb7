#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root takes what the kernel counts by user: namespaces, inotify, fanotify, as ten users and below namespaces
of its own, after it has raised each bound that it may. The node's bounds, made small here, refuse early, for the
container as a whole, also after it has restarted itself; and nothing of it is counted for the host's root."""
import fcntl
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

NS_GET_PARENT, NS_GET_OWNER_UID = 0xb702, 0xb704 # ioctl_ns(2)
BOUNDS = {"NamespacesMax": 40, "NetNamespacesMax": 30, "InotifyMax": 16, "WatchesMax": 60, "TasksMax": 200,
          "MemoryMax": "96M"}
TRIES = 80
KINDS = {
    "user": 40, "pid": 40, "uts": 40, "ipc": 40, "net": 30, "mnt": 40, "cgroup": 40, "inotify": 16, "inotify-below": 16,
    "fanotify": 16, "watch": 60
}
PROGRAM = pathlib.Path(__file__).with_name("counts.c")


def compile_into(node, cid):
    inside = node.root(cid) / "counts"
    subprocess.run(["gcc", "-static", "-O1", "-o", str(inside), str(PROGRAM)], check=True)
    inside.chmod(0o755)


def attack(node, when):
    figures = []
    for kind, bound in KINDS.items():
        code, out, err = node.ctl("exec", "-T", "greedy", "--", "/counts", kind, str(TRIES))
        made = int(out) if (code, err) == (0, "") and out.strip().isdigit() else -1 # an error: it could not raise one
        tap.ok(bound // 2 <= made <= bound, f"{when}: of {TRIES} tries at {kind} at most {bound} succeed", made, code,
               err)
        figures.append(f"{kind} {made}")
    tap.figure(f"{when}: of {TRIES} tries each, " + ", ".join(figures))


def hoard(node):
    """Tasks and memory, by one that has no limits, and then with those of its own."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="greedy")
    compile_into(node, cid)

    def tries():
        made = int(node.ctl("exec", "-T", "greedy", "--", "/counts", "task", "400")[1])
        # dd's buffer is what it touches whole
        fates = [
            node.ctl("exec", "-T", "greedy", "--", "dd", "if=/dev/zero", "of=/dev/null", "count=1",
                     f"bs={size}M")[0] == 0 for size in (32, 160)
        ]
        return made, fates

    made, fates = tries()
    tap.ok(150 < made <= 200, "of 400 tries at a task at most 200 succeed, though it has no limit", made)
    tap.eq(fates, [True, False], "of the memory it has 32 MiB, and not 160")
    tap.figure(f"without limits of its own: of 400 tasks {made}, of 32 and 160 MiB of memory {fates}")
    node.do("container.update", cid, limits={"pids": 100, "memory_bytes": 256 << 20})
    made, fates = tries()
    tap.ok(50 < made <= 100 and fates == [True, True], "its own limits hold instead", made, fates)
    tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")


def owner(space):
    number = bytearray(4)
    fcntl.ioctl(space, NS_GET_OWNER_UID, number)
    return int.from_bytes(number, sys.byteorder)


def owners(node, cid):
    """Of its user namespace, and of those above."""
    found, space = [], os.open(f"/proc/{host.init_of(node.prefix, cid)}/ns/user", os.O_RDONLY)
    while True:
        found.append(owner(space))
        try:
            above = fcntl.ioctl(space, NS_GET_PARENT)
        except PermissionError: # it is the host's
            os.close(space)
            return found[:-1]
        os.close(space)
        space = above


def base_of(node, cid):
    return int(pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/uid_map").read_text().split()[1])


def restart_from_inside(node, cid):
    before = host.init_of(node.prefix, cid)
    node.ctl("exec", "-T", "greedy", "--", "reboot", "-f")
    tap.ok(host.poll(lambda: host.init_of(node.prefix, cid) not in (None, before), 30), "it restarts itself")
    tap.ok(host.poll(lambda: node.ctl("exec", "-T", "greedy", "--", "true")[0] == 0, 30), "and is there again")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Containers": BOUNDS}) as node:
        cid, other = node.new_id(), node.new_id()
        for container, name in ((cid, "greedy"), (other, "other")):
            tap.eq(
                node.do("container.create", container, image=harness.IMAGE, name=name)["state"], "succeeded",
                f"container {name} runs")
        compile_into(node, cid)
        attack(node, "at first")
        base = base_of(node, cid)
        tap.eq(owners(node, cid), [base, base], "it is counted for its own root, at both levels")
        code, out, _ = node.ctl("exec", "-T", "other", "--", "sh", "-c",
                                "cat /proc/self/uid_map; unshare -n true && echo fine")
        tap.eq((code, out.split()[-1:]), (0, ["fine"]), "its neighbour makes namespaces")
        restart_from_inside(node, cid)
        attack(node, "after its restart")
        tap.eq(owners(node, cid), [base, base], "it is counted as before")
        for container in (cid, other):
            tap.eq(node.do("container.delete", container, force=True)["state"], "succeeded", "deleted")
        hoard(node)
        tap.eq(node.leaks(), [], "nothing is left")
    tap.done()


main()
