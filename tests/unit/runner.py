#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner itself: a test that hangs is ended with all that it has started, whatever session that is in, and its
log's end is shown; what a test leaves is found and taken off; an interrupted run leaves nothing; what is heavy runs
alone."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import host
import tap
from slow import SLOW, TOP

ORPHAN = "setsid -f sh -c 'exec sleep {0}'; " # in a session of its own, and nobody's child


def sleepers(mark):
    found = []
    for p in os.listdir("/proc"):
        try:
            if p.isdigit() and pathlib.Path(
                    f"/proc/{p}/cmdline").read_bytes() == f"sleep\0{mark}\0".encode() and host.is_alive(int(p)):
                found.append(int(p))
        except OSError:
            pass
    return found


def supervised(directory, seconds, script, **env):
    log = directory / "log"
    said = subprocess.run([sys.executable, TOP / "tests/lib/supervise.py",
                           str(seconds), log, "bash", "-c", script], check=True, capture_output=True, text=True,
                          env=dict(os.environ, **env)).stdout
    return json.loads(said), log.read_text()


def run(directory, rows, *names, interrupt=None):
    """(status, output) of the runner with a table of its own; it is told to end when interrupt() is true."""
    (directory / "suite.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    env = dict(os.environ, HOODY_SUITE=str(directory / "suite.tsv"), HOODY_LOGS=str(directory))
    runner = subprocess.Popen([sys.executable, TOP / "tests/lib/runner.py", *names], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
    if interrupt:
        tap.ok(host.poll(interrupt, 10), "it has begun")
        runner.send_signal(signal.SIGTERM)
    said, _ = runner.communicate(timeout=60 * SLOW)
    return runner.returncode, said


def main():
    mark = f"{100000 + os.getpid()}.5"
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-runner-") as d:
        d = pathlib.Path(d)
        end, log = supervised(d, 1, ORPHAN.format(mark) + "trap '' TERM; echo last words; sleep 4; exec 1>&-; exit 3")
        tap.eq((end["why"], "last words" in log, sleepers(mark)), ("time", True, []),
               "a test that hangs is ended with its orphans, and its log has its end")
        end, _ = supervised(d, 60, ORPHAN.format(mark))
        tap.eq((end["status"], end["why"], [x.split(":")[1].split()[0] for x in end["left"]], sleepers(mark)),
               (0, None, ["sleep"], []), "what a test leaves behind is named, and taken off")
        end, _ = supervised(d, 60, "mkdir /tmp/hoody-t$$-x")
        tap.ok(len(end["left"]) == 1 and not pathlib.Path(end["left"][0].split()[-1]).exists(), "a directory, too", end)
        last, most = (int(pathlib.Path("/proc/sys/kernel", n).read_text()) for n in ("ns_last_pid", "pid_max"))
        # In our own directory, which is taken off whatever becomes of us; others take numbers meanwhile.
        stale = {pid % most: d / "stale" / f"hoody-t{pid % most}-stale" for pid in range(last + 1, last + 10000)}
        for path in stale.values():
            path.mkdir(parents=True)
        end, log = supervised(d, 60, "echo $$", TMPDIR=str(d / "stale"))
        path = stale.get(int(log))
        tap.ok(path and path.exists() and not end["left"],
               "what an earlier process of its number has left is not a test's", log, end)
        end, _ = supervised(d, 60, "exit 5")
        tap.eq((end["status"], end["why"], end["left"]), (5, None, []), "and one that fails, fails")

        hang = ("x/hang", "default", "1", "1", "-", f"bash -c \"{ORPHAN.format(mark)} sleep 1000\"")
        status, said = run(d, [hang], interrupt=lambda: sleepers(mark))
        tap.eq((status, sleepers(mark), "interrupted: x/hang" in said), (130, [], True),
               "an interrupted run leaves nothing")
        write = f"bash -c \"echo begin >>{d}/order; sleep 0.3; echo end >>{d}/order\""
        status, said = run(d, [("x/a", "default", "2", "all", "-", write), ("x/b", "default", "1", "all", "-", write),
                               ("x/c", "default", "1", "1", "-", "false"),
                               ("x/d", "default", "1", "1", "-", "sh -c 'exit 77'"),
                               ("x/e", "long", "1", "1", "-", "true")])
        tap.eq(((d / "order").read_text().split(), status, said.splitlines()[-1]),
               (["begin", "end"] * 2, 1, "2 passed, 1 failed, 1 skipped"),
               "what is heavy runs alone; the last line counts")
        once = f"bash -c 'test -e {d}/once || {{ touch {d}/once; exit 1; }}'"
        status, said = run(d, [("x/a", "default", "1", "1", "-", once), ("x/b", "default", "1", "1", "-", "true")],
                           "--again")
        tap.eq((status, "RACED x/a" in said, said.splitlines()[-1]), (0, True, "2 passed, 0 failed, 0 skipped"),
               "--again: what passes alone has raced, which is said")
        status, said = run(d, [("x/a", "default", "1", "1", "-", "false")], "--again")
        tap.eq((status, "RACED" in said, said.splitlines()[-1]), (1, False, "0 passed, 1 failed, 0 skipped"),
               "what fails again has failed")
        status, said = run(d, [("x/a", "default", "1", "1", "-", "true")], "x/nothing")
        tap.ok(status != 0 and "x/nothing" in said, "a name that is unknown is said", said)
    tap.done()


main()
