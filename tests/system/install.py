#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The .deb on a real Debian with systemd: installed, used, upgraded under a running container, removed, installed
again, purged."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap
import vm

TOP = pathlib.Path(__file__).resolve().parents[2]


def main():
    for tool, package in (("qemu-system-x86_64", "qemu-system-x86"), ("dpkg-buildpackage", "dpkg-dev")):
        if not shutil.which(tool):
            tap.skip_all(f"needs {package}")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-install-") as d:
        done = subprocess.run([TOP / "packaging/build-deb", d], capture_output=True, text=True)
        tap.eq(done.returncode, 0, "the package is built")
        package = next(p for p in pathlib.Path(d).glob("hoody-agent_*.deb"))
        status, output = vm.boots("tests/system/install.sh", seconds=900, files=[package])
    print("".join(f"# {line}\n" for line in output.splitlines()), end="")
    tap.eq(status, 0, "the machine ends as it should")
    for line in ("no warning in the journal", "the container goes on", "purging leaves containers alone",
                 "nothing is left of it"):
        tap.ok(line in output.splitlines(), line)
    tap.done()


main()
