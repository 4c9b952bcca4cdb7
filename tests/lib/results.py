# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/RESULTS.md: the last end of each test of the long suite. What ran now replaces what it said before; the rest
stays, with its own date and commit."""
import datetime
import os
import pathlib
import re
import subprocess

HEAD = """# Results

What the tests of `tests/run long` said last, written by the run. Each section has the date, commit and machine of its own run; figures of a machine that had other work to do are what they are.
"""


def machine():
    cpu = re.search(r"^model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
    memory = int(re.search(r"^MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)[1]) >> 20
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(), re.M)
    return (f"{os.cpu_count()} x {cpu[1] if cpu else 'unknown'}, {memory} GiB, "
            f"{system[1] if system else 'unknown'}, Linux {os.uname().release}")


def commit(top):
    said = subprocess.run(["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"], cwd=top,
                          capture_output=True, text=True, check=False).stdout.strip()
    return said or "no repository"


def sections(text):
    return {
        part.split("\n", 1)[0].strip(): part.split("\n", 1)[1].strip()
        for part in re.split(r"^## ", text, flags=re.M)[1:]
    }


def section(end, where):
    lines = [
        f"**{end['verdict']}** after {end['seconds']:.0f} s ({end['cpu_s']:.0f} s of the processors), load "
        f"{os.getloadavg()[2]:.1f} at the end. {where}",
        ""
    ]
    return "\n".join(lines + [f"* {figure}" for figure in end["figures"]]).strip()


def write(top, ends):
    if not ends:
        return
    path = top / "tests/RESULTS.md"
    found = sections(path.read_text()) if path.exists() else {}
    where = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit(top)}, {machine()}."
    found.update({name: section(end, where) for name, end in ends})
    path.write_text(HEAD + "".join(f"\n## {name}\n\n{text}\n" for name, text in sorted(found.items())))
