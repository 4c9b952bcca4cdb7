# SPDX-License-Identifier: GPL-2.0-or-later
"""Chooses tests from tests/suite.tsv, builds what they need and runs them side by side, the longest first, as long as
what runs is no more than the machine's cores are worth. See tests/run, whose second half this is.

The table: test, suite (quick, default, long), seconds that it takes on two cores, weight (the cores that it keeps busy;
"all": it runs alone), build (san, plain, or - for none), command. A test has ten times its seconds, and HOODY_TEST_SLOW
times that."""
import collections
import fnmatch
import json
import os
import pathlib
import re
import select
import shlex
import signal
import subprocess
import sys
import time

import host
import results

TOP = pathlib.Path(__file__).resolve().parents[2]
LOGS = pathlib.Path(os.environ.get("HOODY_LOGS") or TOP / "build-logs")
TABLE = pathlib.Path(os.environ.get("HOODY_SUITE") or TOP / "tests/suite.tsv") # another one is the runner's own test's
CORES = os.cpu_count() or 1
SLOW = float(os.environ.get("HOODY_TEST_SLOW", "1"))
BUILDS = {"san": ["--enable-sanitizers"], "plain": []} # ASan and UBSan; and as it is shipped
SUITES = {"quick": ("quick",), "default": ("quick", "default"), "long": ("long",)}
ROOT_TIERS = ("kernel", "flow", "crash", "system", "bench", "long")
AGAIN_MOST = 3
LIMIT_MIN_S, LIMIT_MORE_S = 120, 1800 # a hang of an hour's soak is noticed sooner than after ten of them
Row = collections.namedtuple("Row", "name suite seconds weight build command")


def table():
    rows = []
    for line in TABLE.read_text().splitlines():
        if line and not line.startswith("#"):
            name, suite, seconds, weight, build, command = line.split("\t")
            rows.append(
                Row(name, suite, int(seconds), CORES if weight == "all" else min(float(weight), CORES), build, command))
    return rows


def tier(row):
    return row.name.split("/")[0]


def forgotten(rows):
    """Files that look like tests, and that no row runs."""
    if TABLE.parent != TOP / "tests":
        return []
    folders = ("kernel", "flow", "fleet", "crash", "system", "bench")
    files = [p for d in folders for p in (TOP / "tests" / d).glob("*.py")]
    files += [p for p in (TOP / "tests/lint").iterdir() if p.is_file() and os.access(p, os.X_OK)]
    words = {w for r in rows for w in r.command.split()}
    return sorted(name for name in (str(p.relative_to(TOP)) for p in files) if name not in words)


def chosen(rows, wanted):
    """The rows that are asked for, and what is asked for and unknown."""
    fits = lambda row, w: row.suite in SUITES[w] if w in SUITES else w in (row.name, tier(row)) or fnmatch.fnmatch(
        row.name, w)
    return [r for r in rows
            if any(fits(r, w) for w in wanted)], [w for w in wanted if not any(fits(r, w) for r in rows)]


def limit(row):
    return max(LIMIT_MIN_S, min(10 * row.seconds, 2 * row.seconds + LIMIT_MORE_S)) * SLOW


def say(text):
    print(text, flush=True)


def outside():
    """What of ours is on this host and named after no test, which no test may make: tables, loop devices, an installed
    agent's directories."""
    found = set()
    for command, word in ((["nft", "list", "tables"], "hoody"), (["losetup", "-nO", "NAME,BACK-FILE"], str(TOP))):
        try:
            found |= {
                line
                for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
                if word in line
            }
        except FileNotFoundError:
            pass
    return found | {str(p) for d in ("/run", "/var/lib", "/etc") for p in pathlib.Path(d).glob("hoody*")}


def put_back(favored):
    """Agents have cgroup2 favour moves, which is one for all, so no test can put back what there was."""
    if host.favors_moves() and not favored:
        host.favor_moves(False)


# --- building ---

def build(name):
    where, log = TOP / f"build-{name}", LOGS / f"build-{name}.log"
    where.mkdir(exist_ok=True)
    say(f"building in {where.name}")
    steps = [["autoreconf", "-i"]] if not (TOP / "configure").exists() else []
    steps += [] if (where / "Makefile").exists() else [["../configure", "--enable-werror", *BUILDS[name]]]
    begin = time.monotonic()
    with open(log, "wb") as out:
        for step in [*steps, ["make", f"-j{CORES}"]]:
            if subprocess.run(step, cwd=TOP if step[0] == "autoreconf" else where, stdout=out, stderr=out,
                              stdin=subprocess.DEVNULL, check=False).returncode != 0:
                sys.exit(f"the build failed: {log}\n" + "\n".join(log.read_text(errors="replace").splitlines()[-30:]))
    say(f"built in {time.monotonic() - begin:.0f} s")


# --- running ---

class Running:
    """A test under its supervisor."""

    def __init__(self, row, turn):
        self.row, self.log = row, LOGS / (row.name.replace("/", "-") + (f"-{turn}" if turn else "") + ".log")
        env = dict(os.environ, top_srcdir=str(TOP),
                   top_builddir=str(TOP / f"build-{row.build if row.build in BUILDS else 'plain'}"),
                   ASAN_OPTIONS="detect_leaks=1:abort_on_error=0", UBSAN_OPTIONS="print_stacktrace=1")
        self.process = subprocess.Popen(
            [sys.executable, TOP / "tests/lib/supervise.py",
             str(limit(row)), self.log, *shlex.split(row.command)], cwd=TOP, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True, start_new_session=True)

    def fileno(self):
        return self.process.stdout.fileno()

    def ended(self):
        """Its verdict."""
        said, _ = self.process.communicate()
        self.end = json.loads(said) if said else {
            "status": self.process.returncode, "why": "supervisor", "seconds": 0, "cpu_s": 0, "left": []
        }
        text = self.log.read_text(errors="replace")
        skipped = re.search(r"^1\.\.0 # SKIP.*", text, re.M)
        self.end["verdict"] = (
            "failed" if self.end["why"] or self.end["left"] else "skipped" if self.end["status"] == 77 or
            (self.end["status"] == 0 and skipped) else "passed" if self.end["status"] == 0 else "failed")
        self.end["figures"] = re.findall(r"^# (?:figure|bench): (.*)", text, re.M)
        self.tell(text, skipped)
        return self.end

    def tell(self, text, skipped):
        e, took = self.end, f"({self.end['seconds']:.0f}s)"
        indent = lambda lines: "".join(f"\n        {line}" for line in lines)
        inside = collections.Counter(re.findall(r"^ok .*# SKIP (.*)", text, re.M))
        if e["verdict"] == "passed":
            say(f"ok    {self.row.name} {took}" +
                indent([f"{n} skipped inside: {reason}" for reason, n in inside.items()] + e["figures"]))
        elif e["verdict"] == "skipped":
            say(f"skip  {self.row.name} {took}" + (f": {skipped[0]}" if skipped else ""))
        else:
            words = [
                line for line in text.splitlines() if re.search(r"^not ok|: error|ERROR: |Traceback|Bail out", line)
            ][:20]
            say(f"FAIL  {self.row.name} {took[:-1]}, status {e['status']}" + (f", {e['why']}" if e["why"] else "") +
                f"): {self.log}" + indent([f"left behind: {x}" for x in e["left"]] + words) + "\n        …" +
                indent(text.splitlines()[-15:]))


class Stop(Exception):
    """We are told to end."""


def stop(*_):
    raise Stop


def run_all(rows, turns=("",)):
    """Their ends, in the order of the table. Interrupted, nothing that was begun is left: each supervisor sees to its
    own."""
    todo = [(row, turn) for row in sorted(rows, key=lambda r: -r.seconds) for turn in turns]
    running, ends = [], []
    try:
        while todo or running:
            free = CORES - sum(r.row.weight for r in running)
            fit = next((t for t in todo if t[0].weight <= free + 1e-6), None)
            if fit:
                todo.remove(fit)
                running.append(Running(*fit))
                continue
            for r in select.select(running, [], [])[0]:
                running.remove(r)
                ends.append((r.row, r.ended()))
    except Stop:
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        say(f"interrupted: {', '.join(r.row.name for r in running)}")
        for r in running:
            r.process.terminate()
        for r in running:
            ends.append((r.row, r.ended()))
        raise
    return ends


def again(ends):
    """Tests that failed run once more, one by one: one that passes then has raced with what ran beside it, which is
    said and is not what is judged. More than a few have no such excuse."""
    failed = [row for row, end in ends if end["verdict"] == "failed"]
    for row in failed if len(failed) <= AGAIN_MOST else ():
        say(f"once more, alone: {row.name}")
        second = run_all([row], ("again",))[0]
        if second[1]["verdict"] == "passed":
            say(f"RACED {row.name}: it failed beside others and passed alone")
            ends = [second if r is row else (r, e) for r, e in ends]
    return ends


def slowest_first(ends):
    say("\n   seconds  processor  test")
    for row, end in sorted(ends, key=lambda e: -e[1]["seconds"]):
        say(f"{end['seconds']:10.1f} {end['cpu_s']:10.1f}  {row.name}")


def main():
    words = sys.argv[1:]
    repeat = int(words.pop(words.index("--repeat") + 1)) if "--repeat" in words else 1
    flags, wanted = {w for w in words if w.startswith("--")}, [w for w in words if not w.startswith("--")]
    rows = table()
    if "--list" in flags:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        say("\n".join(f"{r.name}\t{r.suite}\t{r.seconds} s" for r in rows))
        return 0
    mine, unknown = chosen(rows, wanted or ["default"])
    unknown += [f for f in flags if f not in ("--times", "--again", "--repeat")]
    unknown += [f"{f} is not in tests/suite.tsv" for f in forgotten(rows)]
    if unknown:
        sys.exit("what is this? " + ", ".join(unknown))
    LOGS.mkdir(exist_ok=True)
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, stop)
    before, favored = outside(), host.favors_moves()
    begin, ends, unfit = time.monotonic(), [], [r for r in mine if os.geteuid() != 0 and tier(r) in ROOT_TIERS]
    try:
        for name in sorted({r.build for r in mine if r not in unfit} & set(BUILDS)):
            build(name)
        for r in unfit:
            say(f"skip  {r.name}: needs root")
        fit = [r for r in mine if r not in unfit]
        ends = run_all(fit) if repeat == 1 else [e for r in fit for e in run_all([r], range(1, repeat + 1))]
        ends = again(ends) if "--again" in flags else ends
    except Stop:
        return 130
    finally:
        put_back(favored)
    results.write(TOP, [(row.name, end) for row, end in ends if row.suite == "long"])
    if "--times" in flags:
        slowest_first(ends)
    count = collections.Counter(end["verdict"] for _, end in ends)
    for left in sorted(outside() - before):
        count["failed"] += 1
        say(f"FAIL  left behind on this machine: {left}")
    say(f"{time.monotonic() - begin:.0f} s\n{count['passed']} passed, {count['failed']} failed, "
        f"{count['skipped'] + len(unfit)} skipped"
        )
    return 1 if count["failed"] else 0


sys.exit(main())
