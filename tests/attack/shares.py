#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Container root keeps what is shared with it beyond the share's end: a copy of the mount in no namespace, a namespace
that nobody is in, directories that it has open or works in. What can be taken is taken, nobody can write any more, and
who can still read is said."""
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


def install(node, box):
    program = node.directory / "keep"
    done = subprocess.run(
        ["gcc", "-static", "-O1", "-pthread", "-o",
         str(program),
         str(pathlib.Path(__file__).with_name("keep.c"))], capture_output=True, text=True)
    if done.returncode:
        raise harness.Failure(done.stderr)
    inside = node.root(box.id) / "bin" / "keep"
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


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        source, target = Box(node, "source"), Box(node, "target")
        source.sh("mkdir -p /s; echo 1 >/s/secret")
        install(node, target)
        innocent(node, source, target)
        revoked(node, source, target)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "nothing is broken")
    tap.done()


main()
