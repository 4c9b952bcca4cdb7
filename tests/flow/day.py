#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An operator's day: what one asks of a node, a command each, on a real one. The day is lived six times, on terminals
and in pipes of 80 and 120 columns, with colours and without; nothing is wider than what shows it, nothing is cut
without a sign, nobody is told JSON or the id of what has a name, and no colour gets into a pipe.

--print [COLUMNS]: the transcript of a day in a pipe."""
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap

ERASED = re.compile(r"[^\n]*\r\x1b\[K") # a line of progress, drawn over
COLOUR = re.compile(r"\x1b\[[\d;]*m")
ID = re.compile(r"\b[0-9a-f]{12,32}\b")
LONG = "nightly-report-of-the-whole-shop-and-its-branches"


class Task:
    """A question, the command that answers it, its exit code, and what must be told. `until`: it doesn't end by itself,
    it is interrupted when that has come; `during` is done meanwhile. `typed` is what is typed into it; one that
    `draws` has all of a terminal (flow/operator looks at it)."""

    def __init__(self, question, line, *told, code=0, until=None, during=None, typed=None, first=None, draws=False):
        self.question, self.line, self.told, self.code = question, line, told, code
        self.until, self.during, self.typed, self.first, self.draws = until, during, typed, first, draws


def day(d):
    files, node = d.files, d.node
    return [
        Task("Is this host fit for it?", "doctor", r"^CHECK +VERDICT +FOUND$", r"^kernel +ok +Linux"),
        Task("Is the configuration good?", "config check", r"agent\.conf is good$"),
        Task("What runs the node, and how is it?", "status", r"^Pool +dir, .* free of"),
        Task("Make a web container.", "container create builtin:busybox web --memory 64M --cpus 0.5 --env LANG=C.UTF-8",
             r"^container\.create web: done in"),
        Task("And one for its data.", "container create builtin:busybox data", r"^container\.create data: done in"),
        Task("And a job for the night.", f"container create builtin:busybox {LONG} --no-start"),
        Task("What is there, what runs?", "container list", r"^\w+ +data +running +\S+\.\d+ ", r"^\w+ +web +running"),
        Task("Start the job.", f"container start {LONG}", r"^try: hoodyctl", code=1, first=d.break_job),
        Task("Why did it not start?", f"container info {LONG}", r"^Last order +container\.start failed \d+ s ago: "),
        Task("How is web?", "container info web", r"^Name +web$", r"^State +running since", r"^Memory .* of 64\.0 MiB"),
        Task("What does it use?", "stats web", r"^Memory .*\[#*\.*\] \d+ %$"),
        Task("Who uses most?", "top", r"^\w+ +data +running", r"^\w+ +web +running", draws=True),
        Task("Let 443 in, from the office alone.", "firewall allow web 443/tcp from 10.0.0.0/8 description=office",
             r"^firewall\.add web: done in"),
        Task("Who may reach it?", "firewall list web", r"^Ingress: closed to", r"^1 +on +allow +tcp +443 +10\.",
             r"^Egress: open$"),
        Task("Is its network direct?", "network info web", r"^Mode +direct"),
        Task("What has it been through?", "logs web", r"creating +running"),
        Task("A snapshot before the upgrade.", "snapshot create web before", r"^snapshot\.create web: done in"),
        Task("The upgrade.", "exec web sh -c 'echo 2 >/etc/version; rm /etc/issue'",
             first=lambda: (d.root("web") / "etc/issue").exists() or (d.root("web") / "etc/issue").write_text("x")),
        Task("What has it changed?", "snapshot diff web before", r"^A /etc/version$"),
        Task("Go back.", "snapshot restore web before", r"^snapshot\.restore web: done in"),
        Task("Which snapshots are there?", "snapshot list web", r"^before +before +"),
        Task("Let data read what web has in /srv.",
             "share create web path=/srv target_container_id=data mount_path=/mnt/srv", r"^share\.create web: done in",
             first=lambda: (d.root("web") / "srv").mkdir(exist_ok=True)),
        Task("Who shares what?", "share list", r"web:/srv +data:/mnt/srv +readonly +active"),
        Task("Tell web its language.", "env set web LANG=de_DE.UTF-8 GREETING=Hallo", r"^env\.merge web: done in"),
        Task("What was it told?", "env list web", r"^LANG=de_DE\.UTF-8$"),
        Task("Copy a file in.", f"cp {files}/motd web:/etc/motd"),
        Task("And one out.", f"cp web:/etc/motd {files}/back"),
        Task("A whole directory in.", f"cp {files}/site web:/srv/site"),
        Task("And one out.", f"cp web:/srv/site {files}/site-{d.number}"),
        Task("What goes on?", "events --follow", r"container\.stopped +data",
             until="container.operation.completed", during=lambda: node.ctl("container", "stop", "data")),
        Task("What has happened?", "events", r" ago +container\.stopped +data +stop$"),
        Task("A shell in web.", "exec web", r"Hallo", typed="cat /etc/motd; exit\n"),
        Task("What went wrong today?", "operation list --filter status=failed", rf"container\.start +{LONG[:6]}"),
        Task("Is the disk full, and who fills it?", "container list --columns name,disk,snaps --sort disk",
             r"^NAME +DISK +SNAPS$"),
        Task("Which orders wait?", "orders --filter state=accepted", r"^Nothing fits the filter\.$"),
        Task("And which were the last?", "orders --lines 3", r"env\.merge|container\.stop"),
        Task("For a script: all of web.", "container info web --json", r'"name": "web"'),
        Task("A word that is none.", "container lst", "is it container list", code=2),
        Task("An address of my own?", "container create builtin:busybox x --ip 10.0.0.9", "Network.Subnet4", code=2),
        Task("Stop web.", "container stop web", r"^container\.stop web: done in"),
        Task("And delete it.", "container delete web", r"^container\.delete web: done in"),
        Task("And the rest.", "container delete data", r"^container\.delete data: done in"),
        Task("And the job.", f"container delete {LONG}", rf"^container\.delete {LONG}: done in"),
        Task("Is anything left?", "container list", "There is no container"),
    ]


class Day:
    def __init__(self, node, columns, terminal, colour):
        self.node, self.columns, self.terminal, self.colour = node, columns, terminal, colour
        self.files = node.directory / "files"
        self.files.mkdir(exist_ok=True)
        (self.files / "motd").write_text("Hallo\n")
        (self.files / "site").mkdir(exist_ok=True)
        (self.files / "site/index.html").write_text("Hallo\n")
        self.number = len(list(self.files.iterdir()))

    def __str__(self):
        return f"{self.columns} columns, {'a terminal' if self.terminal else 'a pipe'}" + (
            "" if self.colour else " without colour")

    def root(self, name):
        rows = json.loads(self.node.ctl("container", "list", "--json")[1])
        return self.node.root(next(r["id"] for r in rows if r["name"] == name))

    def break_job(self):
        (self.root(LONG) / "sbin/init").unlink()

    def command(self, line):
        words = [w.strip("'") for w in re.findall(r"'[^']*'|\S+", line)]
        return [str(harness.BUILD / "agent/hoodyctl"), "--config", str(self.node.directory / "agent.conf"), *words]

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
        env.update({"TZ": "UTC", "TERM": "xterm"})
        if not self.colour:
            env["NO_COLOR"] = "1"
        if not self.terminal:
            env["COLUMNS"] = str(self.columns)
        return env

    def start(self, line, typed):
        """(process, where its output is read, where it is typed into)"""
        if not self.terminal:
            p = subprocess.Popen(self.command(line), stdin=subprocess.PIPE if typed else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=self.environment())
            return p, p.stdout.fileno(), p.stdin.fileno() if typed else -1
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self.columns, 0, 0))
        p = subprocess.Popen(self.command(line), stdin=theirs, stdout=theirs, stderr=theirs, env=self.environment(),
                             start_new_session=True)
        os.close(theirs)
        return p, ours, ours

    def run(self, task):
        p, out, into = self.start(task.line, task.typed)
        text, end, stop, done = b"", time.monotonic() + 60 * harness.SLOW, False, False
        if task.typed:
            os.write(into, task.typed.encode())
        while time.monotonic() < end:
            if task.during and not done and (text or self.terminal or self.heard(p)):
                task.during()
                done = True
            if select.select([out], [], [], 0.2)[0]:
                try:
                    part = os.read(out, 65536)
                except OSError: # the terminal's other side is closed
                    part = b""
                if not part:
                    break
                text += part
            if task.until and task.until in text.decode(errors="replace") and not stop:
                p.send_signal(signal.SIGINT)
                stop = True
        code = p.wait(20 * harness.SLOW)
        if self.terminal:
            os.close(out)
        return code, text.decode(errors="replace")


    def heard(self, process):
        """It has connected to the agent."""
        return any("socket:" in os.readlink(f) for f in pathlib.Path(f"/proc/{process.pid}/fd").iterdir())


def faults(d, task, code, text):
    text = ERASED.sub("", text.replace("\r\n", "\n")) if d.terminal else text
    plain = COLOUR.sub("", text)
    lines = plain.split("\n")
    names = d.names
    found = []
    if code != task.code:
        found.append(f"exit {code}")
    found += [f"not told: {t}" for t in task.told if not re.search(t, plain, re.M)]
    found += [f"wider: {line}" for line in lines if len(line) > d.columns and "--json" not in task.line]
    if "--json" in task.line:
        json.loads(plain)
    elif re.search(r'[{}]|":', plain):
        found.append("JSON")
    if "\x1b" in text and not (d.terminal and d.colour) and not task.typed:
        found.append("escapes")
    if re.search(r"\b1 (\w+s)\b(?<!ms)", plain) and not re.search(r"\b1 (ms|bps)\b", plain):
        found.append("a plural of one")
    for line in lines:
        for word in ID.findall(line):
            name = next((n for i, n in names.items() if i.startswith(word)), None)
            if name and name[:6] not in line and not re.match(r"Container ", line) and "--json" not in task.line:
                found.append(f"an id where {name} has a name: {line}")
    return found


READS = {"doctor", "status", "list", "info", "logs", "diff", "events", "orders"}


def cut_unseen(d, task, text):
    """Cells that end before they do where there is room: an id may (12 characters find it), a text says so."""
    if not READS & set(task.line.split()) or task.until or task.code or "--json" in task.line:
        return []
    same = lambda s: re.sub(r"\d+(\.\d+)?", "N", re.sub(r"\d+(\.\d+)? (ms|s|min|h|B|[KMGT]iB)\b", "N", s))
    done = subprocess.run(d.command(task.line), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={k: v for k, v in d.environment().items() if k != "COLUMNS"})
    raw = done.stdout + done.stderr
    whole = same(raw)
    cells = {c for line in COLOUR.sub("", text).splitlines() for c in re.split(r"\s{2,}", line.strip()) if c}
    return [c for c in cells
            if not re.search(re.escape(same(c).removesuffix("…")) + ("" if c.endswith("…") else r"(?!\S)"), whole)
            and not (ID.fullmatch(c) and same(c) in whole)
            and not re.search(re.escape(c) + r"(?!\S)", raw)] # a unit that went to the next line is in no number's way


def live(d, transcript=None):
    d.names = {}
    for task in day(d):
        if task.draws and d.terminal:
            continue
        if task.first:
            task.first()
        code, text = d.run(task)
        rows = json.loads(d.node.ctl("container", "list", "--json")[1])
        d.names.update({r["id"]: r["name"] for r in rows})
        wrong = faults(d, task, code, text) + [f"cut: {c}" for c in cut_unseen(d, task, text)]
        tap.ok(not wrong, f"{d}: hoodyctl {task.line}", wrong, text)
        if transcript is not None:
            transcript.append(f"# {task.question}\n$ hoodyctl {task.line}\n{text}\n")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    printed = "--print" in sys.argv
    columns = int(sys.argv[-1]) if printed and sys.argv[-1].isdigit() else 80
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        node.ctl("project", "create", "shop")
        if printed:
            transcript = []
            sys.stdout, own = open(os.devnull, "w"), sys.stdout
            live(Day(node, columns, False, True), transcript)
            sys.stdout = own
            print("\n".join(transcript), end="")
            return
        for terminal, colour in ((True, True), (True, False), (False, True)):
            for columns in (80, 120):
                live(Day(node, columns, terminal, colour))
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
