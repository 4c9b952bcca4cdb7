#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root fills its ramdisk, with bytes and with inodes, its project's, and with another's help all that there
is: its neighbours, those that run and those that are made then, still write. What it gives back they get, by the
clock; and a ramdisk outlives its container's stop and start and the agent, comes and goes by orders, and is its own
container's alone."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap
from boxes import Box

MIB = 1 << 20
FLOOR = 4 # MiB, and 1,024 inodes
ROUNDS = 4 # tries, with a look at all limits after each
FILES = "exec 2>/dev/null; i=0; while [ $i -lt %d ] && true >%s$i; do i=$((i+1)); done; echo $i"


def ceiling():
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min(512 * MIB, memory // 2) // MIB


def writes(box, mib, place="/ramdisk/w"):
    """How many MiB of so many it could write, beside what is there."""
    box.sh(f"dd if=/dev/zero of={place} bs=1M count={mib} 2>/dev/null")
    return int(box.says(f"stat -c %s {place} || echo 0")) // MIB


def makes(box, files, place="/ramdisk/n"):
    """How many files of so many it could make."""
    return int(box.says(FILES % (files, place)) or 0)


def can_go_on(boxes, when):
    wrote = [writes(box, FLOOR - 1) for box in boxes]
    tap.eq(wrote, [FLOOR - 1] * len(boxes), f"{when}: its neighbours write {FLOOR - 1} MiB each")
    made = [makes(box, 500) for box in boxes]
    tap.eq(made, [500] * len(boxes), f"{when}: and make 500 files each")
    for box in boxes:
        box.sh("rm -rf /ramdisk/[wn]*")
    tap.figure(f"{when}: neighbours wrote {wrote} of {FLOOR - 1} MiB, and made {made} of 500 files")


def look(api, box):
    return api.do("GET", f"/containers/{box.id}/stats")["ramdisk"]


def place_of(node, box):
    return node.directory / "run/ramdisk/c" / box.id


def fill(node, api, box, place="/ramdisk", on_host=None):
    """In MiB, by rounds, each with what the one before it has left."""
    for i in range(ROUNDS):
        writes(box, ceiling(), f"{place}/full{i}")
        look(api, box)
    fs = os.statvfs(on_host or place_of(node, box))
    return (fs.f_blocks - fs.f_bfree) * fs.f_frsize // MIB


def own_tmpfs(node, box):
    inside = place_of(node, box)
    return inside.stat().st_dev if inside.exists() else None


def fills_its_own(node, api):
    bad, near = Box(node, "bad"), Box(node, "near")
    took = fill(node, api, bad)
    late = Box(node, "late")
    can_go_on((near, late), "bytes")
    tap.ok(took <= ceiling() // 2, "one alone has half at most", took)
    bad.sh("rm /ramdisk/full*")
    made = makes(bad, 300_000)
    later = Box(node, "later")
    can_go_on((near, late, later), "inodes")
    tap.ok(made <= ceiling() * MIB // 4096 // 2, "nor more than half of the inodes", made)
    tap.figure(f"one took {took} of {ceiling()} MiB and {made} of {ceiling() * 256} inodes")
    bad.sh("cd /ramdisk; ls | xargs rm")
    return bad, near, late, later


def fills_with_another(node, api, bad, near, late, later):
    took = [fill(node, api, box) for box in (bad, late)]
    can_go_on((near, later, Box(node, "last")), "two of them")
    tap.ok(sum(took) <= ceiling() + FLOOR, "two that have looks follow each other have no more than all", took)
    tap.figure(f"two took {took} of {ceiling()} MiB")
    for box in (bad, late):
        box.sh("rm -rf /ramdisk/full*")
    enough = ceiling() // 2 - 2 * FLOOR
    tap.ok(host.poll(lambda: writes(near, enough) == enough, 30), "by the clock its neighbour gets what was given back")
    near.sh("rm /ramdisk/w")


def stays(node, api, bad, near):
    tap.eq(look(api, near), {
        "scope": "container", "shared_pool_maximum": ceiling() * MIB, "capacity_reserved": False, "usage": {
            "private": 0, "secrets": 0
        }
    }, "what is told of it is as ever")
    near.sh("echo kept >/ramdisk/kept; dd if=/dev/zero of=/ramdisk/s bs=1M count=2")
    device = own_tmpfs(node, near)
    tap.ok(device != own_tmpfs(node, bad), "each has a file system of its own")
    near.do("container.stop")
    near.do("container.start")
    node.stop_agent()
    node.start_agent()
    near.do("container.restart")
    tap.eq((near.says("cat /ramdisk/kept"), own_tmpfs(node, near)), ("kept", device),
           "it outlives stop, start and the agent")
    tap.eq(look(api, near)["usage"]["private"] // MIB, 2, "and its use is told")
    copy = node.new_id()
    report = node.do("container.copy", copy, source_container_id=near.id, name="copied")
    tap.eq((report["state"], node.ctl("exec", "copied", "ls", "/ramdisk")[1]), ("succeeded", ""),
           "a copy has none of it")
    node.do("container.delete", copy, force=True)


def comes_and_goes(node, api, bad, near, late):
    bad.do("container.update", ramdisk_scope="project")
    late.do("container.update", ramdisk_scope="project")
    took = fill(node, api, bad, "/ramdisk/project", node.directory / "run/ramdisk/p" / bad.project)
    tap.ok(late.says("ls /ramdisk/project") != "" and 0 < took <= ceiling() // 2,
           "a project's is one for its containers, and has half at most", took)
    can_go_on((near, late), "a project's")
    near.do("container.update", ramdisk=False)
    tap.eq((own_tmpfs(node, near), near.sh("mountpoint -q /ramdisk")[0] != 0), (None, True),
           "without one it is unmounted")
    near.do("container.update", ramdisk=True)
    tap.eq((near.says("ls /ramdisk"), writes(near, 2)), ("", 2), "with one again it is new")


def left_by_an_older_agent(node):
    """In one tmpfs for all, as it was once."""
    old, ram = Box(node, "old"), node.directory / "run/ramdisk"
    own = place_of(node, old)
    root = own.stat().st_uid
    old.do("container.stop")
    subprocess.run(["umount", str(own)], check=True)
    own.rmdir()
    own.parent.rmdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=100", "hoody-ramdisk", str(ram)], check=True)
    own.mkdir(parents=True, mode=0o700)
    os.chown(own, root, root)
    (own / "kept").write_text("kept")
    old.do("container.start")
    tap.eq((old.says("cat /ramdisk/kept"), own_tmpfs(node, old)), ("kept", ram.stat().st_dev),
           "what an older agent has left is used as it is")
    makes(old, 5000)
    new = Box(node, "new")
    tap.eq((writes(new, FLOOR), own_tmpfs(node, new) != ram.stat().st_dev), (FLOOR, True),
           "others have their own beside it")
    for box in (old, new):
        tap.eq(box.do("container.delete", force=True)["state"], "succeeded", "deleted")
    tap.ok(not ram.exists(), "and it goes with the last")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(conf={"Storage": {"CountIntervalSec": 1}}) as node:
        api = local.Local(node)
        bad, near, late, later = fills_its_own(node, api)
        fills_with_another(node, api, bad, near, late, later)
        stays(node, api, bad, near)
        comes_and_goes(node, api, bad, near, late)
        for c in api.do("GET", "/containers")["containers"]:
            node.do("container.delete", c["id"], force=True)
        left_by_an_older_agent(node)
        tap.eq((node.leaks(), host.mounts_below(node.directory / "run"), node.sanitizer_words()), ([], [], []),
               "nothing is left")
    tap.done()


if __name__ == "__main__":
    main()
