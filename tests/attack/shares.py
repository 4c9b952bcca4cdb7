#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root keeps what is shared with it beyond the share's end: a copy of the mount in no namespace, a namespace
that nobody is in, directories that it has open or works in. What can be taken is taken, nobody can write any more, and
who can still read is said. And it puts links to the host's files in the places of shares while they are made."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap
from boxes import Box

WAYS = ("copy", "copy-high", "copy-attr", "directory", "cwd", "thread", "space")
AT = "/mnt/shared"
POINTS = 60 # shares, whose places are attacked


class Keeper:
    """One way, in a session of its own."""

    def __init__(self, node, box, how):
        command = [
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", box.name, "--",
            "/bin/keep", how, AT
        ]
        self.how, self.process = how, subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE,
                                                       stdout=subprocess.PIPE, text=True)
        self.word = self.process.stdout.readline().strip()

    def tries(self):
        """(reads, writes), each whether it worked."""
        if self.word != "kept":
            self.process.communicate()
            return False, False
        out = self.process.communicate("\n", timeout=20 * harness.SLOW)[0].split()
        return out[1] == "0", out[3] == "0"


def install(node, box, name):
    program = node.directory / name
    done = subprocess.run(
        ["gcc", "-static", "-O1", "-pthread", "-o",
         str(program),
         str(pathlib.Path(__file__).with_name(f"{name}.c"))], capture_output=True, text=True)
    if done.returncode:
        raise harness.Failure(done.stderr)
    inside = node.root(box.id) / "bin" / name
    inside.write_bytes(program.read_bytes())
    inside.chmod(0o755)


def share(node, source, target, sid):
    report = node.do("share.create", None, share_id=sid, source_container_id=source.id, source_path="/s",
                     target_container_id=target.id, mode="readwrite", mount_path=AT)
    if report["state"] != "succeeded" or report["result"]["status"] != "active":
        raise harness.Failure(report)


def revoked(node, source, target):
    sid = node.new_id()
    share(node, source, target, sid)
    keepers = [Keeper(node, target, how) for how in WAYS]
    words = {k.how: k.word for k in keepers}
    tap.eq(
        target.sh(f"mkdir -p /over; mount -t overlay over -o lowerdir={AT}:/etc /over")[0], 0,
        "it makes an overlay of it")
    seen = node.last_seq()
    tap.eq(node.do("share.delete", None, share_id=sid)["state"], "succeeded", "the share is revoked")
    said = (node.wait_report("share", event="unmounted", after=seen) or {}).get("data", {})
    came = {k.how: k.tries() for k in keepers}
    tap.eq((words["copy"], words["copy-high"]), ("refused 38", "refused 38"),
           "no copy of a mount in no namespace is to be had")
    tap.eq(came["space"][0], False, "a namespace that nobody is in has it no longer")
    written = sorted(p.name for p in (node.root(source.id) / "s").glob("written-*"))
    tap.eq(written, [], "nobody writes by what he has kept")
    holding = {how for how, (reads, _) in came.items() if reads}
    tap.eq((said.get("held"), said.get("writable")), (len(holding), 0),
           "whoever can still read it is counted in the report")
    tap.eq(said.get("overlays"), 1, "and that there is an overlay, which may have it")
    tap.ok("descriptors of what is no longer shared" in node.log_tail(60), "and they are named in the log")
    tap.figure(
        f"{len(holding)} of {len(WAYS)} ways read after the share's end ({', '.join(sorted(holding))}), {len(written)} "
        f"write; the report says {said}"
    )


def innocent(node, source, target):
    """What a container has open of its own, or of what is still shared, is nobody's business."""
    first, second = node.new_id(), node.new_id()
    share(node, source, target, first)
    keepers = [Keeper(node, target, how) for how in ("directory", "cwd")]
    source.sh("mkdir -p /other")
    report = node.do("share.create", None, share_id=second, source_container_id=source.id, source_path="/other",
                     target_container_id=target.id, mode="readonly", mount_path="/mnt/other")
    seen = node.last_seq()
    node.do("share.delete", None, share_id=second)
    said = (node.wait_report("share", event="unmounted", after=seen) or {}).get("data", {})
    tap.eq((report["state"], said.get("held"), said.get("lazily")), ("succeeded", 0, False),
           "another share's end: what is open of this one counts for nothing")
    tap.eq([k.tries() for k in keepers], [(True, True)] * 2, "and works on")
    node.do("share.delete", None, share_id=first)
    source.sh("rm -f /s/written-*")


def point_swaps(node, source, target):
    """The host's files, to which links lead that are in the place of a directory which was just made."""
    source.sh(f"for i in $(seq 0 {POINTS}); do mkdir -p /points/$i; done")
    target.sh("mkdir -p /points /links")
    victims = [node.directory / f"victim{i}" for i in range(POINTS)]
    for v in victims:
        v.touch(mode=0o600)
    command = [
        harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "-T", target.name, "--",
        "/bin/points", "/points", "/links", node.directory / "victim", POINTS
    ]
    attacker = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    attacker.stdout.readline()
    orders = [
        node.order("share.create", None, share_id=node.new_id(), source_container_id=source.id,
                   source_path=f"/points/{i}", target_container_id=target.id, mode="readonly",
                   mount_path=f"/points/{i}")
        for i in range(POINTS)
    ]
    states = [node.wait(o)["state"] for o in orders]
    words = attacker.communicate(timeout=20 * harness.SLOW)[0].split()
    tap.ok(words and int(words[0]) > 0, "container root puts links in the places of shares", words, states)
    changed = [v.name for v in victims if v.stat().st_mode & 0o777 != 0o600]
    tap.eq(changed, [], f"none of {POINTS} files of the host's, to which they lead, gets another mode")
    tap.figure(f"of {POINTS} places {words} became links, by which {len(changed)} files of the host's changed")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        source, target = Box(node, "source"), Box(node, "target")
        source.sh("mkdir -p /s; echo 1 >/s/secret")
        install(node, target, "keep")
        install(node, target, "points")
        innocent(node, source, target)
        revoked(node, source, target)
        point_swaps(node, source, target)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "nothing is broken")
    tap.done()


main()
