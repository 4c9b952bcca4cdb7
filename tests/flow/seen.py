#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What people see, on a real terminal (tests/lib/screen.py): hoodyctl top in all sizes, with and without colours and
UTF-8, while it is resized, while containers and the agent come and go; and the pictures of packaging/pictures, which
must be what a real node shows but for ids, times and figures. HOODY_UPDATE=1 draws them anew."""
import itertools
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import screen
import tap

PICTURES = harness.TOP / "packaging/pictures"
BLOCKS = "▁▂▃▄▅▆▇█"
WAIT = 20 * harness.SLOW
COLOUR = re.compile(rb"\x1b\[[0-9;]*\b[349][0-8][;m]")
HEADS = [("m", "MEMORY"), ("M", "MEM%"), ("p", "PROCS"), ("r", "RX/s"), ("t", "TX/s"), ("R", "READ/s"),
         ("W", "WRITE/s"), ("d", "DISK"), ("n", "NAME"), ("c", "CPU%")]
SIZES = ((10, 40), (24, 80), (10, 200), (60, 40), (60, 200), (17, 61), (25, 120))


def ctl(node):
    return [str(harness.BUILD / "agent/hoodyctl"), "--config", str(node.directory / "agent.conf")]


def top(node, rows=24, columns=80, **env):
    return screen.Terminal([*ctl(node), "top"], rows, columns, **env)


def row_of(t, name):
    return next((line for line in t.text()[4:-1] if line.startswith(name)), "")


def whole(t):
    """Every line is where it belongs, to the last row and column, and nothing is left of another size."""
    lines = t.text()
    heads = t.cells[3]
    return (len(lines) == t.rows and re.search(r"\d containers?, load", lines[0]) and lines[1].startswith("cpu ")
            and lines[2].startswith("memory ") and lines[3].startswith("NAME") and "CPU%" in lines[3]
            and "MEMORY" in lines[3] and all("reverse" in style for _, style in heads)
            and all(row_of(t, n) for n in ("data", "old", "web")) and lines[-1].startswith("q quit  ? help")
            and "~" not in "".join(lines) and t.wrapped == 0)


def leave(t, name):
    t.type("q")
    code = t.end(WAIT)
    tap.eq((code, t.wrapped), (0, 0), f"{name}: left")


def sizes(node):
    for rows, columns in SIZES:
        t = top(node, rows, columns)
        tap.ok(t.until(whole, WAIT), f"{columns}×{rows}: every line is whole", *t.text())
        leave(t, f"{columns}×{rows}")
    t = top(node, COLUMNS="33", LINES="7")
    tap.ok(t.until(whole, WAIT), "the terminal's size counts, and no word of the environment", *t.text())
    for rows, columns in SIZES + SIZES[-2::-1]:
        t.set_size(rows, columns)
        tap.ok(t.until(whole, WAIT), f"it becomes {columns}×{rows} while it runs", *t.text())
    t.set_size(2, 7) # and lives
    t.set_size(24, 80)
    tap.ok(t.until(whole, WAIT), "no size is too small to live through", *t.text())
    leave(t, "resized")
    tap.eq([len(set(re.findall(r"STATUS|last \d+ s|\b[A-Z]+/s|DISK|PROCS", shown_heads(node, c))))
            for c in (40, 80, 200)], [1, 4, 8], "the more room, the more columns")


def shown_heads(node, columns):
    t = top(node, 12, columns)
    t.until(whole, WAIT)
    heads = t.text()[3]
    leave(t, "heads")
    return heads


def blocks(line):
    return sum(c in BLOCKS for c in line)


def history(node):
    t = top(node)
    seen = []
    for n in (2, 4, 6): # two lines, a sample a second each
        tap.ok(t.until(lambda t, n=n: blocks(row_of(t, "web")) >= n, WAIT), f"its lines grow: {n}", *t.text())
        seen.append((blocks(t.text()[1]), blocks(t.text()[2])))
    tap.ok(seen == sorted(seen) and seen[2][0] > seen[0][0] >= 1, "and the node's, of both", seen)
    tap.ok(t.text()[1][-1] in BLOCKS and len(t.text()[1]) == 80, "the newest stands to the right", *t.text())
    cpu, memory = (next(s for c, s in t.cells[y] if c in BLOCKS) for y in (1, 2))
    tap.eq((cpu, memory), (("colour33", ), ("colour208", )), "blue and orange")
    tap.eq(blocks(row_of(t, "old")), 0, "who does not run has none")
    leave(t, "history")


def plainly(node):
    """Without colours, without UTF-8: the same words."""
    t = top(node, NO_COLOR="1")
    tap.ok(t.until(lambda t: blocks(row_of(t, "web")) >= 2, WAIT) and whole(t), "NO_COLOR: all is there", *t.text())
    tap.ok(not COLOUR.search(t.raw) and "reverse" in t.cells[3][0][1], "and no colour", t.raw[:300])
    leave(t, "NO_COLOR")
    for env in ({"LANG": "C"}, {"LC_ALL": "POSIX"}, {"TERM": "linux"}):
        t = top(node, **env)
        tap.ok(
            t.until(lambda t: re.search(r"[_.:=+*#-]{2} ", row_of(t, "web")), WAIT) and whole(t),
            f"{env}: lines of ASCII", *t.text())
        tap.ok(max(t.raw) < 0x80, "and nothing else")
        leave(t, str(env))
    t = top(node, TERM="xterm") # eight colours
    tap.ok(t.until(whole, WAIT) and COLOUR.search(t.raw), "a terminal of eight colours", *t.text())
    leave(t, "xterm")


def keys(node):
    t = top(node, 10, 40)
    t.until(whole, WAIT)
    t.type("?")
    good = lambda t: "! is 90 % of its memory." in " ".join(t.text()) and t.text()[-1] == "any key goes back"
    tap.ok(t.until(good, WAIT), "help: whole on the smallest screen", *t.text())
    words = re.findall(r"\b(\w) [A-Z]+[%/s]*,?", " ".join(t.text()))
    tap.ok(set("ncmMprtRWd") <= set(words), "with every key", words)
    t.set_size(24, 80)
    tap.ok(t.until(lambda t: good(t) and "~" not in "".join(t.text()), WAIT), "it is resized like all else", *t.text())
    t.type("x")
    tap.ok(t.until(whole, WAIT), "and any key goes back", *t.text())
    t.set_size(24, 140)
    marks = lambda head: lambda t: whole(t) and f"{head}*" in t.text()[3] and t.text()[3].count("*") == 1
    tap.eq([head for key, head in HEADS if t.type(key) or not t.until(marks(head), WAIT)], [],
           "each key moves the mark to its column")
    t.type("/DAT")
    tap.ok(t.until(lambda t: "filter: DAT_" in t.text()[-1] and "1 container," in t.text()[0], WAIT), "a filter",
           *t.text())
    t.type("\n")
    tap.ok(
        t.until(lambda t: "filter: DAT  q quit" in t.text()[-1] and row_of(t, "data") and not row_of(t, "web"), WAIT),
        "is kept", *t.text())
    t.type("/" + "\x7f" * 3 + "?da\n")
    tap.ok(t.until(lambda t: "filter: ?da" in t.text()[-1] and "0 containers" in t.text()[0], WAIT),
           "in a filter it is a character", *t.text())
    t.type("/\x1b")
    tap.ok(t.until(whole, WAIT), "Escape clears", *t.text())
    t.set_size(6, 80)
    tap.ok(t.until(lambda t: t.text()[0].startswith("1-1 of 3 containers"), WAIT), "where not all have room", *t.text())
    first = t.text()[4]
    t.type("\x1bOF") # End
    tap.ok(t.until(lambda t: t.text()[0].startswith("3-3 of 3") and t.text()[4] != first, WAIT), "End", *t.text())
    t.type("\x1bOH")
    tap.ok(t.until(lambda t: t.text()[0].startswith("1-1 of 3"), WAIT), "Home", *t.text())
    leave(t, "keys")


def events(node):
    """What happens meanwhile."""
    t = top(node, 24, 120)
    t.type("n")
    tap.ok(t.until(lambda t: whole(t) and "NAME*" in t.text()[3], WAIT), "by name", *t.text())
    node.ctl("container", "pause", "data")
    tap.ok(t.until(lambda t: "paused" in row_of(t, "data"), WAIT), "a container is paused", *t.text())
    t.set_size(24, 40)
    tap.ok(t.until(lambda t: re.match(r"data +P ", row_of(t, "data")) and row_of(t, "old")[13] == "S", WAIT),
           "where there is no room for the word, its letter says so", *t.text())
    node.ctl("container", "resume", "data")
    node.ctl("exec", "web", "dd", "if=/dev/zero", "of=/ramdisk/f", "bs=1M", "count=59")
    tap.ok(t.until(lambda t: "iB!" in row_of(t, "web"), WAIT), "memory that is nearly full has a mark", *t.text())
    y = t.text().index(row_of(t, "web"))
    tap.ok("bold" in t.cells[y][row_of(t, "web").index("!")][1], "and is bold")
    names = lambda t: [line.split()[0] for line in t.text()[4:7] if line]
    t.type("m")
    tap.ok(t.until(lambda t: names(t) == ["web", "data", "old"], WAIT), "who has most is first", *t.text())
    t.type("n")
    tap.ok(t.until(lambda t: names(t) == ["data", "old", "web"], WAIT), "by name", *t.text())
    node.ctl("exec", "web", "rm", "/ramdisk/f")
    tap.ok(t.until(lambda t: row_of(t, "web") and "!" not in row_of(t, "web"), WAIT), "until it isn't", *t.text())
    node.stop_agent()
    tap.ok(t.until(lambda t: "q quit" not in t.text()[-1] and row_of(t, "web"), WAIT),
           "an agent that doesn't answer: said, and what was last seen stays", *t.text())
    node.start_agent()
    t.set_size(24, 120)
    tap.ok(t.until(lambda t: whole(t) and re.search(f"[{BLOCKS}] +[{BLOCKS}]", t.text()[1]), WAIT),
           "it goes on when that is back, with a gap", *t.text())
    leave(t, "events")


def unknown(node):
    t = top(node, TERM="no-such-terminal")
    code = t.end(WAIT)
    tap.ok(code == 1 and any("can't be used" in line for line in t.text()), "a terminal that nobody knows: said", code,
           *t.text())


# --- pictures ---

SHOW = """hoodyctl() { "$CTL" --config "$CONF" "$@"; }
show() { printf '\\033[1m$ %s\\033[0m\\n' "$*"; "$@"; echo; }
"""
# Something to see: more, and less again.
WORK = """for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19; do
i=0; while [ $i -lt $((n % 7 * 8000)) ]; do i=$((i+1)); done
dd if=/dev/zero of=/ramdisk/f bs=1M count=$((n * 2 % 23)) 2>/dev/null; sleep 1; done"""
ALIKE = (
    (r"[▁-█]+( +[▁-█]+)*", "LINE"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r"\b[0-9a-f]{24}\b|\b[0-9a-f]{12}\b", "ID"),
    (r"/tmp/hoody-t\S+", "DIRECTORY"),
    (r"\[[#.]{20}\]", "BAR"),
    (r"\d+(\.\d+)?", "N"),
    (r"\bN (B|KiB|MiB|GiB|TiB)\b", "SIZE"),
    (r"\bN (s|min|h|d|ms)\b( N (s|min|h)\b)?", "TOOK"),
    (r"\s+", " "),
)


# What a picture that is out of date may have: each has to be seen.
CHANGES = ((">NAME", ">LABEL"), ("STATUS", "STATE "), ('class="colour2"', 'class="colour1"'), ("web<", "www<"),
           ('class="colour33"', 'class="colour208"'), ('class="bold"', 'class=""'), (" help", " HELP"))


def alike(runs):
    """By row, a text for each style; what varies is made alike."""
    lines = []
    for _, row in sorted(runs.items()):
        line = ""
        for style, parts in itertools.groupby(row, key=lambda r: r[1]):
            text = " ".join(part[2] for part in parts)
            for pattern, word in ALIKE:
                text = re.sub(pattern, word, text)
            line += f"<{' '.join(style)}>{text.strip()}"
        lines.append(line)
    return lines


def hold(name, cells):
    while cells and all(c == " " for c, _ in cells[-1]):
        cells = cells[:-1]
    path, drawn = PICTURES / f"{name}.svg", screen.picture(cells)
    if os.environ.get("HOODY_UPDATE"):
        PICTURES.mkdir(exist_ok=True)
        path.write_text(drawn, encoding="utf-8")
    kept = path.read_text(encoding="utf-8") if path.exists() else ""
    tap.eq(screen.of_picture(drawn), screen.of_cells(cells), f"{name}: the picture is what the screen was")
    tap.eq(alike(screen.of_picture(kept)), alike(screen.of_cells(cells)),
           f"{path.relative_to(harness.TOP)} shows what the program shows (HOODY_UPDATE=1 draws it anew)")
    tap.ok(len(kept) < 30_000, "and is small", len(kept))
    for old, new in CHANGES:
        changed = kept.replace(old, new, 1)
        if changed != kept:
            tap.ok(alike(screen.of_picture(changed)) != alike(screen.of_picture(kept)), f"it is not: {new} for {old}")


def pictures(node):
    for name, rows, columns, commands in (
        ("containers", 60, 100, ("container list", "container info web")),
        ("firewall", 30, 100, ("firewall list web", )),
    ):
        script = SHOW + "".join(f"show hoodyctl {c}\n" for c in commands)
        t = screen.Terminal(["/bin/sh", "-c", script], rows, columns, CTL=ctl(node)[0], CONF=ctl(node)[2])
        tap.eq((t.end(WAIT), t.wrapped), (0, 0), f"{name}: shown")
        hold(name, t.cells)
    work = subprocess.Popen([*ctl(node), "exec", "web", "sh", "-c", WORK], stdin=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    t = top(node, 12, 100)
    t.type("n")
    enough = 32 if os.environ.get("HOODY_UPDATE") else 4 # two lines of so many samples
    tap.ok(t.until(lambda t: whole(t) and "NAME*" in t.text()[3] and blocks(row_of(t, "web")) >= enough, 2 * WAIT),
           "top: shown", *t.text())
    cells = [list(row) for row in t.cells]
    leave(t, "top")
    work.terminate()
    work.wait(WAIT)
    node.ctl("exec", "web", "rm", "-f", "/ramdisk/f")
    hold("top", cells)


def make(node):
    project = node.ctl("project", "create", "shop")[1].strip()
    limits = ("--memory", "64M", "--pids", "50", "--cpus", "0.5")
    for name, more in (("web", limits), ("data", ()), ("old", ("--no-start", ))):
        node.ctl("container", "create", harness.IMAGE, "--project", project, "--name", name, *more)
    for change in (
        ("firewall", "add", "web", "ingress", "action=allow", "protocol=tcp", "port=443", "source=10.0.0.0/8",
         "description=the shop's door"),
        ("firewall", "add", "web", "ingress", "action=allow", "protocol=icmp4"),
        ("firewall", "add", "web", "ingress", "action=drop", "protocol=udp", "state=disabled"),
        ("firewall", "add", "web", "egress", "action=reject", "protocol=tcp", "port=25", "description=no mail"),
        ("snapshot", "create", "web", "alias=before"),
    ):
        code, _, err = node.ctl(*change)
        if code != 0:
            raise harness.Failure(f"{change}: {err}")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        make(node)
        pictures(node)
        sizes(node)
        history(node)
        plainly(node)
        keys(node)
        events(node)
        unknown(node)
        for cid in node.ctl("container", "list", "-q")[1].split():
            node.ctl("container", "delete", cid, "--force")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
