#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What hoodyctl shows people at 80 columns, word for word (tests/flow/shown.txt; --write makes it anew), of a real
agent and containers; and what it gives programs: every such command's --json is the API's answer in the API's words,
with numbers as people write them. What varies (ids, times, sizes) is made alike first."""
import fcntl
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import socket
import string
import struct
import subprocess
import sys
import termios
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap
import webserver

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "agent/ctl"
GOLDEN = pathlib.Path(__file__).with_suffix(".txt")
WIDTH = 80
# command → the API's path and the list's member, where --json is that; None: frames, or made by hoodyctl itself
READS = {
    "container list": ("/containers?sort_by=name", "containers"),
    "container info web": ("/containers/{web}", None),
    "container info data": ("/containers/{data}", None),
    "container info old": ("/containers/{old}", None),
    "container logs web": ("/containers/{web}/status-logs?sort_order=asc", "logs"),
    "logs data": ("/containers/{data}/status-logs?sort_order=asc", "logs"),
    "snapshot list web": ("/containers/{web}/snapshots", "snapshots"),
    "firewall list web": ("/containers/{web}/firewall/rules", None),
    "firewall list old": ("/containers/{old}/firewall/rules", None),
    "network info web": ("/containers/{web}/network", None),
    "network info data": ("/containers/{data}/network", None),
    "share list": ("/storage/shares", "shares"),
    "share incoming data": ("/containers/{data}/storage/incoming", "shares"),
    "env list web": ("/containers/{web}/env", None),
    "env list old": ("/containers/{old}/env", None),
    "image list": ("/images/public", "images"),
    "image info shop/1": ("/images/public/shop%2F1", None),
    "stats web": ("/containers/{web}/stats", None),
    "stats old": ("/containers/{old}/stats", None),
    "node commands": ("/servers/node/available-commands", "commands"),
    "project list": ("/projects", "projects"),
    "operation list": ("/operations?limit=20", "operations"),
    "events": ("/events?limit=50", "events"),
    "operation info {operation}": ("/operations/{operation}", None),
    "node info": None,
    "status": None,
    "orders": None,
    "top": None,
}
# What changes something, in an order in which each can be done; {} of ids and of what was made before.
CHANGES = (
    "project create second", "container create builtin:busybox --project {project} --name more", "container stop more",
    "container start more", "container pause more", "container resume more", "container restart more",
    "container force-stop more", "container copy more", "container update more autostart=false",
    "snapshot create more alias=one",
    "snapshot alias more one alias=two", "snapshot restore more one", "snapshot delete more one", "env set more A=1",
    "env unset more A", "firewall add more ingress action=allow protocol=tcp port=80",
    "firewall toggle more ingress protocol=tcp state=disabled", "firewall remove more ingress protocol=tcp",
    "firewall allow more 80/tcp from 10.0.0.0/8", "firewall drop more 25/tcp", "firewall reject more 26/tcp",
    "firewall move more ingress 1 2", "firewall reset more", "network configure more type=block",
    "network start more", "network stop more",
    "network remove more", "share create web path=/tmp target_container_id={data} mount_path=/mnt/more",
    "share update web {share} mode=readonly", "share mount data {share} mount=false", "share delete {share}",
    "container copy more other", "container stop other", "container sync other", "container delete other --force",
    "image remove shop/1", "image pull shop/1 url={url} sha256={sha256}", "container delete more --force",
    "doctor", "config", "config check", "keygen",
)
# Sessions and scripts have no JSON to print, and refuse to; what others look at, and where.
NO_JSON = ("exec", "console", "completion", "complete", "man", "cp")
ELSEWHERE = {"enroll": "enrol.py", "order plan": "ctl.py", "order verify": "ctl.py", "operation follow": "ctl.py",
             "snapshot diff": "words.py"}
SIZE = r"\d+(\.\d)? (B|KiB|MiB|GiB|TiB)\b"
ALIKE = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (r"(in )?\d+ (s|min|h|d)( ago)", "AGO"),
    (r"\d+ (s|min)$", "AGE"),
    (r"(?m)^(CPU cores +)[\d.]+( .*\]) \d+ %", r"\1N\2 N %"),
    (r"(?m)^((?:Memory|Disk|Ramdisk) .*\]) \d+ %", r"\1 N %"),
    (r"(?m)^(Sent|Received|Read|Written)\b.*$", r"\1 NUMBERS"),
    (r"(?m)^(Main PID +)\d+", r"\1PID"),
    (r"(running +)\d+(?= .*builtin)", r"\1PID"),
    (r"\d+ min \d+ s|\d+(\.\d+)? (ms|s)\b", "TOOK"),
    (SIZE, "SIZE"),
    (r"\[[#.]{20}\]", "BAR"),
    (r"(running +)[\d.]+( +SIZE +)[\d.]+", r"\1N\2N"),
    (r"http://127\.0\.0\.1:\d+", "SERVER"),
    (r"succeeded +TOOK +", "succeeded  TOOK  "),
    (r"/tmp/hoody-t\S+", "DIRECTORY"),
    (r"\d+ succeeded", "N succeeded"),
    (r" {2,}", "  "),
)


def alike(text, seen):
    """Ids become letters, in the order of their first standing."""
    def letter(match):
        return seen.setdefault(match[0][:12], string.ascii_letters[len(seen) % 52]) * 4

    text = re.sub(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{24}\b|\b[0-9a-f]{12}\b", letter, text)
    for pattern, word in ALIKE:
        text = re.sub(pattern, word, text, flags=re.M)
    return "\n".join(line.rstrip() for line in text.splitlines())


def shown(node, line, *more, columns=WIDTH, **env):
    command = [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", *line.split(), *more]
    environment = {**os.environ, "TZ": "UTC", **env, **({"COLUMNS": str(columns)} if columns else {})}
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=environment,
                          stdin=subprocess.DEVNULL, timeout=60 * harness.SLOW)
    return done.returncode, done.stdout, done.stderr


def aligned(text):
    """Below a head line nothing runs from one column into the next: two blanks part them in every row."""
    blocks = [block.splitlines() for block in text.split("\n\n")]
    for rows in blocks:
        while rows and not re.fullmatch(r"[#A-Z][A-Z%/ -]*", re.sub("/s", "", rows[0])):
            rows = rows[1:]
        heads = list(re.finditer(r"\S+( \S+)*", rows[0])) if rows else []
        for left, right in zip(heads, heads[1:]):
            gap = [row[left.end():right.start()].ljust(right.start() - left.end()) for row in rows]
            blank = "".join(" " if all(row[i] == " " for row in gap) else "x" for i in range(len(gap[0])))
            if "  " not in blank:
                return False
    return True


def pull_image(node):
    """Of a server of files, and as hoodyctl pulls; its archive is the same each time."""
    web = node.directory / "web"
    (web / "root/etc").mkdir(parents=True)
    (web / "root/etc/os-release").write_text("ID=test\n")
    subprocess.run(["tar", "-C", web / "root", "--mtime=@0", "-cf", web / "image.tar", "."], check=True)
    server = webserver.Server(web)
    tap.eq(shown(node, "image list")[1], "No image has been pulled: hoodyctl image pull --help\n", "no image")
    tap.eq(
        node.ctl("image", "pull", "shop/1", f"url={server.url('image.tar')}",
                 f"sha256={hashlib.sha256((web / 'image.tar').read_bytes()).hexdigest()}")[0], 0, "an image is pulled")
    server.close()


def make(node):
    pull_image(node)
    project = node.ctl("project", "create", "shop")[1].strip()
    limits = ("--memory", "64M", "--pids", "50", "--cpus", "0.2")
    for name, more in (("web", limits), ("data", ()), ("old", ("--no-start", ))):
        node.ctl("container", "create", harness.IMAGE, "--project", project, "--name", name, *more)
    ids = dict(zip(("data", "old", "web"), node.ctl("container", "list", "-q")[1].split()))
    node.ctl("exec", "web", "mkdir", "-p", "/srv")
    for change in (
        ("firewall", "add", "web", "ingress", "action=allow", "protocol=tcp", "port=443", "source=10.0.0.0/8",
         "description=the shop's door, for those inside and for nobody else"),
        ("firewall", "add", "web", "ingress", "action=drop", "protocol=udp", "state=disabled"),
        ("firewall", "add", "web", "ingress", "action=allow", "protocol=icmp4"),
        ("firewall", "add", "old", "egress", "action=allow", "protocol=tcp"),
        ("firewall", "remove", "old", "egress", "action=allow", "protocol=tcp"),
        ("env", "set", "web", "A=1", "LANG=C.UTF-8", "TEXT=two words"),
        ("snapshot", "create", "web", "alias=before", "expiry_days=7"),
        ("share", "create", "web", "path=/srv", f"target_container_id={ids['data']}", "mount_path=/mnt/srv"),
        ("share", "create", "web", "path=/nowhere", f"target_container_id={ids['data']}", "mount_path=/mnt/no",
         "alias=conf"),
        ("network", "configure", "data", "type=socks5", "proxy=socks5://127.0.0.1:1080", "comment=to the office"),
    ):
        code, _, err = node.ctl(*change)
        if code != 0:
            raise harness.Failure(f"{change}: {err}")
    return {**ids, "project": project, "operation": node.ctl("operation", "list", "-q")[1].split()[0]}


def for_people(node, ids):
    written = GOLDEN.read_text() if GOLDEN.exists() else ""
    want = dict(re.findall(r"^\$ hoodyctl (.*)\n((?:(?!\$ hoodyctl ).*\n)*)", written, re.M))
    seen, written = {}, []
    for line in READS:
        code, out, err = shown(node, line.format(**ids))
        text = alike(out, seen) + "\n\n"
        written.append(f"$ hoodyctl {line}\n{text}")
        tap.eq((code, text), (0, want.get(line)), f"hoodyctl {line}: as it is written {err}")
        tap.ok(aligned(out), f"hoodyctl {line}: its columns align", out)
        tap.ok(not re.search(r'[{}]|":|\x1b', out), f"hoodyctl {line}: neither JSON nor colours", out)
        tap.ok(max(map(len, out.splitlines() or [""])) <= WIDTH, f"hoodyctl {line}: no line is longer than {WIDTH}",
               out)
    if "--write" in sys.argv:
        GOLDEN.write_text("".join(written))


# What answers numbers of the host's: "no limit" is none of them, and no number is longer than it was made.
NUMBERS = ("/stats", "/containers", "/containers/{web}/stats", "/containers/{data}/stats", "/projects/{project}/stats",
           "/servers/node/runtime", "/containers/{web}/firewall/rules", "/operations", "/events")


def long_numbers(text):
    numbers = re.findall(r"(?<=[\s:\[,])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?=[,\s\]}])", text)
    return [n for n in numbers if len(n.partition(".")[2]) > 3 or abs(float(n)) >= 1 << 53]


def numbers_of_the_api(node, ids):
    for path in NUMBERS:
        done = subprocess.run(["curl", "-sf", "--unix-socket", node.directory / "run/debug.sock",
                               "http://node/api/v1" + path.format(**ids)], capture_output=True, text=True)
        tap.eq((done.returncode, long_numbers(done.stdout)), (0, []), f"GET {path}: numbers as people write them")


def for_programs(node, ids):
    api = local.Local(node)
    for line, route in READS.items():
        code, out, err = shown(node, line.format(**ids), "--json")
        tap.ok(code == 0 and json.loads(out) is not None, f"hoodyctl {line} --json", code, out, err)
        tap.eq(long_numbers(out), [], f"hoodyctl {line} --json: numbers as people write them")
        if not route:
            continue
        path, member = route
        answer = api.do("GET", path.format(**ids))
        mine, its = json.loads(out), answer[member] if member else answer
        if member:
            mine, its = {k for row in mine for k in row}, {k for row in its for k in row}
        else:
            mine, its = set(mine), set(its)
        tap.eq(mine, its, f"hoodyctl {line} --json: in the API's words")
    text = local.Local(node).do("GET", f"/containers/{ids['web']}")
    tap.eq(text["limits"], {"cpu_cores": 0.2, "memory_bytes": 64 << 20, "pids": 50}, "limits as they were asked for")


def changes(node, ids):
    """Their --json is what became of it."""
    archive = node.directory / "web/image.tar"
    server = webserver.Server(archive.parent)
    known = {**ids, "url": server.url("image.tar"), "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()}
    for line in CHANGES:
        code, out, err = shown(node, "--json " + line.format(**known))
        try:
            answer = json.loads(out)
        except ValueError:
            answer = None
        tap.ok(code <= (line == "doctor") and isinstance(answer, (dict, list)) and not long_numbers(out),
               f"hoodyctl --json {line}", code, out, err)
        if line.startswith("share create"):
            known["share"] = answer["result"]["id"]
        if "operation_id" in (answer or {}):
            tap.ok(answer["status"] == "succeeded" and answer["operation"].split(".")[0] == line.split()[0],
                   "tells an operation as the API does", answer)
    server.close()


def whole_table(node):
    """All that hoodyctl's own tables have is looked at: a command that is added there fails here until it is."""
    table = re.findall(r'^\t\{ "([a-z -]+)", [A-Z_]+, ctl_\w+, ', (SOURCE / "ctl_table.c").read_text(), re.M)
    views = re.findall(r'^\t\{ "([a-z -]+)", (?:COLUMNS|LINES|\.show)', (SOURCE / "ctl_views.c").read_text(), re.M)
    tap.ok(len(table) > 60 and len(views) > 15, "the tables are read", table, views)
    is_in = lambda command, lines: any((line + " ").startswith(command + " ") for line in lines)
    tap.eq([c for c in table if not is_in(c, (*READS, *CHANGES, *NO_JSON, *ELSEWHERE))], [],
           "the JSON of every command is looked at")
    tap.eq([v for v in views if not is_in(v, READS)], [], "every view is written down")
    for command, file in ELSEWHERE.items():
        words = '", "'.join(command.split())
        text = (pathlib.Path(__file__).parent / file).read_text()
        tap.ok(re.search(rf'"{words}"[^\n]*"--json"|hoodyctl\("{words}"', text), f"{command} --json: in {file}")
    for command in NO_JSON:
        done = subprocess.run([harness.BUILD / "agent/hoodyctl", "--json", *command.split(), "x", "y"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        tap.ok(done.returncode == 2 and f"--json is no option of {command}" in done.stderr,
               f"hoodyctl {command} has no JSON, and says so", done)


def options(node, ids):
    def rows(*args, columns=None):
        return [line.split() for line in shown(node, "container list", *args, columns=columns)[1].splitlines()]

    tap.eq(rows("--columns", "name,status"), [["NAME", "STATUS"], ["data", "running"], ["old", "stopped"],
                                              ["web", "running"]], "--columns")
    tap.eq(rows("--columns", "name", "--sort", "-name"), [["NAME"], ["web"], ["old"], ["data"]], "--sort")
    tap.eq(rows("--columns", "name", "--filter", "status=running,name=w*"), [["NAME"], ["web"]], "--filter")
    tap.eq(rows("--columns", "name", "--filter", "project=shop", "--sort", "snaps")[1], ["web"],
           "by what the list doesn't show")
    code, out, _ = shown(node, "container list", "--filter", "project=shop,status=stopped", "--json")
    tap.eq([(r["name"], "more" in r) for r in json.loads(out)], [("old", False)], "a filter is for programs too")
    tap.eq(shown(node, "container list", "--filter", "status=stopped", "-q")[1].split(), [ids["old"]], "and for ids")
    code, _, err = shown(node, "container list", "--sort", "beauty")
    tap.ok(code == 2 and "there are CONTAINER, NAME" in err, "an unknown column names those that there are", err)
    tap.ok(shown(node, "container list", "--output", "xml")[0] == 2, "an unknown form")
    wide = rows("-o", "wide")
    tap.ok("PROJECT" in wide[0] and wide[3][0] == ids["web"] and "shop" in wide[3], "-o wide, in a pipe uncut", wide)
    tap.ok(re.search(r"\d\dT\d\d:\d\d:\d\d\+0000$", shown(node, "container list", "--iso")[1], re.M), "--iso")
    tap.ok(re.search(r":\d\d UTC$", shown(node, "container list", "--utc")[1], re.M), "--utc")
    tap.ok("\x1b[32mrunning" in shown(node, "container list", "--color", "always")[1], "--color always")
    part = ids["operation"][:12]
    tap.ok(ids["operation"] in shown(node, f"operation info {part}")[1], "what a narrow list shows finds it again")
    part = shown(node, "share list")[1].splitlines()[1].split()[0]
    lines = f"share update web {part} mode=readonly", "share update web conf enabled=true", "share delete conf"
    got = [shown(node, line) for line in (*lines, "share delete nothing")]
    tap.eq((len(part), [code for code, _, _ in got]), (12, [0, 0, 0, 1]), f"a share too, and by its alias: {got}")


def on_terminal(node, width, line):
    """What a terminal so many columns wide shows, and whether it got colours."""
    pid, fd = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
        os.execve(harness.BUILD / "agent/hoodyctl",
                  ["hoodyctl", "-c", str(node.directory / "agent.conf"), *line.split()], {**env, "TERM": "xterm"})
    text = b""
    while True:
        try:
            part = os.read(fd, 65536)
        except OSError: # its other side is closed
            part = b""
        if not part:
            break
        text += part
    os.close(fd)
    os.waitpid(pid, 0)
    return re.sub(r"\x1b\[\d*m", "", text.decode()).replace("\r", ""), b"\x1b[" in text


def terminals(node, ids):
    name = "a-name-that-somebody-has-thought-of-for-long"
    node.ctl("container", "create", harness.IMAGE, "--project", ids["project"], "--name", name, "--no-start")
    for width, whole in ((80, False), (120, True)):
        text, coloured = on_terminal(node, width, "container list")
        tap.ok(coloured and max(map(len, text.splitlines())) <= width, f"a terminal of {width} columns: none is longer",
               text)
        tap.eq((name in text, name[:12] in text, "…" in text), (whole, True, not whole),
               "the long name is cut, or not")
        tap.ok(aligned(text), "columns align", text)
        text, _ = on_terminal(node, width, "container list -o wide")
        tap.ok(max(map(len, text.splitlines())) <= width and "IMAGE" in text, "nor of all columns", text)
    tap.ok(name in shown(node, "container list", columns=None)[1], "in a pipe nothing is cut")
    node.ctl("container", "delete", name, "--force")


def watch(node):
    command = [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "container", "list", "-w"]
    p = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE)
    text = b""
    while text.count(b"CONTAINER") < 2 and select.select([p.stdout], [], [], 20 * harness.SLOW)[0]:
        text += os.read(p.stdout.fileno(), 65536)
    tap.eq(text.count(b"CONTAINER"), 2, "--watch shows it again")
    p.send_signal(signal.SIGINT)
    p.wait(20 * harness.SLOW)


class Relay:
    """The agent's socket at another path, and what was asked there."""

    def __init__(self, node):
        self.agent, self.path, self.asked = local.Local(node).path, node.directory / "relay.sock", []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            theirs, _ = self.listener.accept()
            ours = socket.socket(socket.AF_UNIX)
            ours.connect(str(self.agent))
            for a, b in ((theirs, ours), (ours, theirs)):
                threading.Thread(target=self.pass_on, args=(a, b, a is theirs), daemon=True).start()

    def pass_on(self, a, b, is_asked):
        try:
            while data := a.recv(65536):
                self.asked += re.findall(rb"^GET (\S+)", data) if is_asked else []
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass # the other end has gone


def followed(node, ids):
    """As it happens, in names: the agent is asked for them once, and again for one that is new."""
    relay = Relay(node)
    command = [harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "--socket", relay.path]
    p = subprocess.Popen([str(c) for c in (*command, "events", "-f")], stdout=subprocess.PIPE)
    text = b""

    def read(word):
        nonlocal text
        while word not in text and select.select([p.stdout], [], [], 20 * harness.SLOW)[0]:
            text += os.read(p.stdout.fileno(), 65536)
        return word in text

    tap.ok(host.poll(lambda: relay.asked, 20), "it has begun")
    for i in range(4):
        node.ctl("container", "update", "web", f"comment=said {i}")
        node.ctl("project", "create", f"unrelated-{i}")
    node.ctl("container", "create", harness.IMAGE, "--project", ids["project"], "--name", "another", "--no-start")
    tap.ok(read(b"another"), "names are told", text)
    node.ctl("container", "delete", "another", "--force")
    tap.ok(read(b"container.deleted"), "until it is gone", text)
    p.send_signal(signal.SIGINT)
    p.wait(20 * harness.SLOW)
    rows = text.decode().splitlines()
    lists = [a for a in relay.asked if b"/containers?" in a]
    tap.ok(len(rows) > 8 and len(lists) <= 2, f"{len(rows)} events, {len(lists)} lists of containers were asked for",
           lists)


def last_words(node, ids):
    """Why it isn't running, and what it said last: made printable, it is a stranger's."""
    node.ctl("exec", "web", "sh", "-c", r"printf 'bye \033[31mred\033]0;title\007\n' >/dev/console")
    os.kill(host.init_of(node.prefix, ids["web"]), signal.SIGKILL)
    tap.ok(host.poll(lambda: "stopped since" in shown(node, "container info web")[1], 20), "its end is seen")
    out = shown(node, "container info web", columns=120)[1]
    tap.ok(re.search(r"^State +stopped since .* by crash: signal, SIGKILL$", out, re.M), "and why", out)
    tap.ok(re.search(r"^ \|  bye .{0,1}\[31mred.{0,1}\]0;title", out, re.M) and "\x1b" not in out,
           "with its last words, made printable", out)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        ids = make(node)
        for_people(node, ids)
        for_programs(node, ids)
        numbers_of_the_api(node, ids)
        options(node, ids)
        terminals(node, ids)
        watch(node)
        followed(node, ids)
        changes(node, ids)
        whole_table(node)
        last_words(node, ids)
        for cid in node.ctl("container", "list", "-q")[1].split():
            node.ctl("container", "delete", cid, "--force")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
