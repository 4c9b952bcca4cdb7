#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Disk limits by the project quotas of ext4 and xfs, under Debian's own kernel, with cgroup v2 alone:
tests/kernel/quota.py in a machine of its own."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
import vm


def main():
    if not shutil.which("qemu-system-x86_64"):
        tap.skip_all("needs qemu-system-x86")
    status, output = vm.run(["python3", "tests/kernel/quota.py"], seconds=900)
    print("".join(f"# {line}\n" for line in output.splitlines()), end="")
    tap.eq(status, 0, "the test passes there")
    for kind in ("xfs", "ext4"):
        tap.ok(f"{kind} prjquota: no more than its limit" in output, f"and has seen {kind}'s project quotas")
    tap.done()


main()
