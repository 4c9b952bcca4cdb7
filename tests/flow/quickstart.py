#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tour, packaging/quickstart, as a newcomer takes it: it shows what it says, and the way to end it that --keep
prints leaves nothing: no table, link, group, process, mount or file."""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

TOP = pathlib.Path(__file__).resolve().parents[2]
SAW = ("signed orders make", "the public API's own calls", "refuses a real packet (it has counted ", "lets it through",
       "read-only for root too", "not TCP, not ICMP, not DNS", "what a container uses",
       "would do, without doing it", "a forged order: refused", "the agent killed: ")


def tour(*words):
    environment = dict(os.environ, HOODY_BUILD=str(harness.BUILD), NO_COLOR="1")
    process = subprocess.Popen([TOP / "packaging/quickstart", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True)
    lines = []
    for line in process.stdout: # those that --keep leaves running hold no end of it
        lines.append(line)
    return process.wait(60 * harness.SLOW), "".join(lines)


def left(directory, number):
    """What there is of one tour."""
    run = lambda *command: subprocess.run(command, capture_output=True, text=True).stdout
    found = [f"table {line}" for line in run("nft", "list", "tables").splitlines() if number in line]
    found += [f"link {name}" for name in host.links() if name.startswith("hd")]
    found += [f"group {d}" for d in host.cgroup_dirs(f"hoody-q{number}")]
    found += [f"mount {m}" for m in host.mounts_below(directory)]
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [f"process {p.parent.name}"] if str(directory).encode() in p.read_bytes() else []
        except OSError: # it has ended
            pass
    return found + ([str(directory)] if directory.exists() else [])


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    code, out = tour("--keep")
    told = out.split("what you saw")[-1].split("\n\n")[0].splitlines()[1:]
    tap.ok(code == 0 and len(told) == len(SAW) and all(want in line for want, line in zip(SAW, told)),
           "the tour, and what one saw of it in ten lines", code, out[-3000:])
    found = re.search(r"(/tmp/hoody-quickstart\.\w+)/end$", out, re.M)
    if tap.ok(found is not None, "left running"):
        directory = pathlib.Path(found[1])
        end = directory / "end"
        number = re.search(r'prefix_number="(\d+)"', end.read_text())[1]
        tap.ok(len(left(directory, number)) > 5, "there is much of it", left(directory, number))
        subprocess.run([end], check=True, timeout=60 * harness.SLOW)
        host.poll(lambda: not left(directory, number), 5)
        tap.eq(left(directory, number), [], "and nothing, when it is ended by what it has printed")
    code, out = tour("--standalone")
    tap.ok(code == 0 and "all of it was cleaned up" in out, "one node by itself, cleaned up at once", code, out[-3000:])
    tap.done()


main()
