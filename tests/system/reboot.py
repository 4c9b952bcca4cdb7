#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""node.command restart and kexec-reboot on a real Debian with systemd: containers are stopped cleanly, the host
reboots, and the order succeeds in the boot that follows; a reboot that nobody ordered does the same to containers."""
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
import vm


def main():
    if not shutil.which("qemu-system-x86_64"):
        tap.skip_all("needs qemu-system-x86")
    status, output = vm.boots("tests/system/reboot.sh", seconds=900)
    print("".join(f"# {line}\n" for line in output.splitlines()), end="")
    tap.eq(status, 0, "the machine ends as it should")
    for command in ("restart", "kexec-reboot"):
        tap.ok(f"{command}: reported as succeeded after the boot" in output,
               f"{command} succeeds in the boot that follows")
    tap.ok("reboot: nobody's order, and the container ended cleanly and was started again" in output,
           "a host that goes down by itself ends its containers, and the next boot starts them")
    tap.done()


main()
