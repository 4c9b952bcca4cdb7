#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Words that people try, and the help that they find: every help text is what the tables say, an unknown word names
the nearest one, a failure's last line is what to type next; and what a container is made of, its rules in order, its
files in and out, and what has changed since a snapshot."""
import json
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import local
import tap

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def says(node, code, words, *args, **options):
    got, out, err = node.ctl(*args, **options)
    title = " ".join(args).replace("\n", "; ")
    tap.ok(got == code and all(re.search(w, out + err, re.M) for w in words), f"hoodyctl {title}: exit {code}", got,
           out, err)
    return out.strip()


# --- help ---


def commands(node):
    """noun or group → its commands"""
    found = {}
    for line in node.ctl("--help")[1].split("\nOptions:")[0].splitlines():
        if re.match(r"\S+:$", line):
            group = line[:-1]
        elif m := re.match(r"  ([a-z-]+(?: [a-z-]+)?) {2,}", line):
            found.setdefault(group, []).append(m[1])
    return found


def helps(node):
    code, out, err = node.ctl()
    lines = err.splitlines()
    tap.ok(code == 2 and not out and len(lines) <= 24 and max(map(len, lines)) <= 80, "hoodyctl alone: one screen", err)
    all_of = commands(node)
    one_screen = " ".join(err.split())
    missing = [c for group in all_of.values() for c in group if not re.search(rf"\b{c.split()[-1]}\b", one_screen)]
    tap.eq(missing, [], "and every command is on it")
    wide = []
    for group, names in all_of.items():
        for name in names:
            out = says(node, 0, [rf"^hoodyctl {name}\b", "Options:"], *name.split(), "--help")
            wide += [line for line in out.splitlines()[1:] if len(line) > 80]
            if " " in name and name.split()[0] == group:
                says(node, 0, [rf"^  {name.split()[1]}\b"], group, "--help")
    tap.eq(wide, [], "no help is wider than 80 columns")
    tap.eq(node.ctl("help", "env", "set")[1], node.ctl("env", "set", "--help")[1], "help is a word, too")


def keys(node):
    """Each key that a help names is one that the API's table has, with its words; and all of them are there."""
    fields = re.findall(r'^F\((\w+), "([^"]+)", [A-Z| ]+, (REQ|OPT), \d+, \d+, (?:NULL|"([^"]*)")',
                        (SOURCE / "agent/common/api_bodies.def").read_text(), re.M)
    for command, form in (("snapshot create", "SNAPSHOT_CREATE"), ("network configure", "NETWORK"),
                          ("share update", "SHARE_UPDATE"), ("image pull", "IMAGE_IMPORT"), ("container update",
                                                                                             "CONTAINER_UPDATE")):
        shown = node.ctl(*command.split(), "--help")[1].split("Keys:\n")[1].split("\nOptions:")[0]
        rows = dict(re.findall(r"^  ([a-z_0-9]+) +(.*)$", shown, re.M))
        tap.eq(list(rows), [n for f, n, *_ in fields if f == form], f"{command}: its keys are its table's")
        wrong = [n for f, n, needed, words in fields
                 if f == form and (words and words not in rows[n] or (needed == "REQ") != ("needed" in rows[n]))]
        tap.eq(wrong, [], "with their words, and what is needed is said")
    tap.ok("default 600" in node.ctl("snapshot", "create", "--help")[1], "a time-out's default is its op's")


NEAR = (
    (("container", "lst"), "is it container list", "hoodyctl container --help"),
    (("container", "rm"), "is it container delete", "hoodyctl container --help"),
    (("contaner", "list"), "is it container\\?", "hoodyctl --help"),
    (("ls", ), "is it container list", "hoodyctl --help"),
    (("start", "web"), "is it container start", "hoodyctl --help"),
    (("statsu", ), "is it stat", "hoodyctl --help"),
    (("xyzzy", ), "no command xyzzy$", "hoodyctl --help"),
    (("container", "list", "--jsno"), "is it --json", "hoodyctl container list --help"),
    (("firewall", "add", "web", "ingress", "destination_prot=1"), "is it destination_port",
     "hoodyctl firewall add --help"),
    (("firewall", "add", "web", "inwards", "action=drop"), "want ingress or egress", "hoodyctl firewall add --help"),
    (("firewall", "add", "web", "ingress", "action=alow", "protocol=tcp"), "allow\\|reject\\|drop",
     "hoodyctl firewall add --help"),
    (("firewall", "allow", "web", "tpc/443"), "443/tcp, 53/udp", "hoodyctl firewall allow --help"),
    (("firewall", "move", "web", "ingress", "1", "9"), "there is no place", "hoodyctl firewall list web"),
    (("container", "info", "wbe"), "is it web", "hoodyctl container list"),
    (("container", "create", harness.IMAGE, "x", "--project", "shpo"), "is it shop", "hoodyctl project list"),
    (("container", "start", "web"), "OPERATION_STATE_CONFLICT", "hoodyctl container info web"),
    (("snapshot", "restore", "web", "nothing"), "SNAPSHOT_NOT_FOUND", "hoodyctl snapshot list web"),
    (("container", "delete", ""), "an argument is empty", "hoodyctl container delete --help"),
    (("env", "unset", "web", ""), "an argument is empty", "hoodyctl env unset --help"),
    (("container", "create", harness.IMAGE, "x", "--memory", "1e99G"), "--memory: 1e99G is too large",
     "hoodyctl container create --help"),
    (("container", "create", harness.IMAGE, "x", "--pids", "1.5"), "--pids: 1.5 is no whole number",
     "hoodyctl container create --help"),
    (("container", "create", harness.IMAGE, "x", "--cpus", "1e999"), "--cpus: 1e999 is too large",
     "hoodyctl container create --help"),
    (("container", "stop", "web", "--timeout", "soon"), '--timeout: "soon" is no number',
     "hoodyctl container stop --help"),
    (("container", "list", "--columns", ""), "no column \"\"", "hoodyctl container list --help"),
    (("container", "list", "--columns", "naem,status"), "no column \"naem\"", "hoodyctl container list --help"),
    (("container", "list", "--columns", ",".join(17 * ["name"])), "at most 16", "hoodyctl container list --help"),
    (("container", "list", "--filter", "running"), "want COLUMN=VALUE", "hoodyctl container list --help"),
    (("container", "list", "--filter", "sate=running"), "no column \"sate\"", "hoodyctl container list --help"),
    (("events", "-f", "--filter", "event=x"), "--filter does nothing with --follow", "hoodyctl events --help"),
    (("logs", "web", "-f", "-w"), "--watch does nothing with --follow", "hoodyctl logs --help"),
    (("operation", "list", "-n", "501"), "1 to 500", "hoodyctl operation list --help"),
    (("--force", "-q", "container", "list"), "--force is no option", "hoodyctl container list --help"),
    (("container", "list", "--color=sometimes"), "always, never or auto", "hoodyctl container list --help"),
    (("cp", "/etc/motd", "/tmp"), "must be CONTAINER:PATH", "hoodyctl cp --help"),
)


def near(node):
    for args, words, hint in NEAR:
        code, out, err = node.ctl(*args)
        last = err.splitlines()[-1]
        tap.ok(code in (1, 2) and re.search(words, err, re.M) and last == f"try: {hint}",
               f"hoodyctl {' '.join(args)}", out, err)
        if "--help" in hint:
            tap.eq(node.ctl(*hint.split()[1:])[0], 0, "what it names is there")


def anywhere(node, api, cid):
    """Options stand behind KEY=VALUE, too; a value is one whatever it begins with, and -- ends options."""
    for args in (("A=1", "--json"), ("--json", "A=1"), ("A=1", "B=2", "-j"), ("A=-x", "--json"), ("A=--json", "-j"),
                 ("--json", "--", "A=1"), ("A=1", "--json", "--", "B=-j")):
        code, out, err = node.ctl("env", "set", cid, *args)
        want = dict(w.split("=", 1) for w in args if "=" in w)
        tap.ok(code == 0 and json.loads(out)["status"] == "succeeded", f"hoodyctl env set {' '.join(args)}", code,
               out, err)
        now = api.do("GET", f"/containers/{cid}/env")["environment_vars"]
        tap.eq({k: now.get(k) for k in want}, want, "and each value is as it stands")
    for args in (("A=1", "--", "--json"), ("A=1", "-x"), ("A=1", "--jsno")):
        tap.eq(node.ctl("env", "set", cid, *args)[0], 2, f"hoodyctl env set {' '.join(args)}: no KEY=VALUE, no option")


# --- containers ---


def makes(node, api):
    says(node, 2, ["no project yet"], "container", "create", harness.IMAGE, "web")
    says(node, 0, [], "project", "create", "shop")
    cid = says(node, 0, ["^[0-9a-f]{24}$"], "container", "create", harness.IMAGE, "web", "-e", "A=1", "--env",
               "B=x y=z", "comment=said", "--no-start", "-q")
    made = api.do("GET", f"/containers/{cid}")
    tap.eq((made["name"], made["environment_vars"], made["comment"], made["status"]),
           ("web", {"A": "1", "B": "x y=z"}, "said", "stopped"), "an image, a name, variables and a key")
    defaults = dict(re.findall(r'^D\(CONTAINER_CREATE, "(\w+)", "(\w+)"\)', (
        SOURCE / "agent/common/api_bodies.def").read_text(), re.M))
    for key in ("autostart", "ramdisk", "ramdisk_scope", "kvm", "hoody_kit"):
        tap.eq(str(made[key]).lower(), defaults[key], f"{key}: the default that help tells is so")
    says(node, 1, ["^try: hoodyctl container info web$"], "exec", "web", "true")
    says(node, 0, [], "container", "start", "web")
    says(node, 0, [], "container", "update", "web", "comment=other", 'limits={"memory_bytes":1073741823}')
    says(node, 0, [r"^Memory .* of 1\.0 GiB"], "container", "info", "web")
    says(node, 0, [], "container", "update", "web", 'limits={"memory_bytes":null}')
    tap.eq(api.do("GET", f"/containers/{cid}")["comment"], "other", "changed")
    says(node, 0, [], "exec", "web", "sh", "-c", "echo old >/root/file")
    says(node, 0, [], "snapshot", "create", "web", "before")
    says(node, 0, [], "exec", "web", "sh", "-c", "echo new >/root/file")
    one = says(node, 0, [], "container", "create", "--from", "web/before", "one", "-q")
    two = says(node, 0, [], "container", "copy", "web", "two", "--from", "before", "--timeout", "60", "--no-start",
               "-q")
    three = says(node, 0, [], "container", "copy", "web", "three", "--no-start", "-q")
    held = [(api.do("GET", f"/containers/{c}")["name"], (node.root(c) / "root/file").read_text())
            for c in (one, two, three)]
    tap.eq(held, [("one", "old\n"), ("two", "old\n"), ("three", "new\n")], "copies of a snapshot, and of what is now")
    says(node, 2, ["of --from"], "container", "create", "--from", "web", "x", "--memory", "64M")
    for name in ("one", "two", "three"):
        says(node, 0, [], "container", "delete", name, "--force", "--timeout", "60")
    return cid


# --- rules ---


def rules(node, api, cid):
    listed = lambda direction: [
        {k: v for k, v in r.items() if k not in ("packets", "bytes", "direction", "state", "created_at", "id")}
        for r in api.do("GET", f"/containers/{cid}/firewall/rules")[direction]]
    says(node, 0, [], "firewall", "allow", "web", "443/tcp", "from", "10.0.0.0/8")
    says(node, 0, [], "firewall", "drop", "web", "8000-8100", "description=a range", "--json")
    says(node, 0, [], "firewall", "reject", "--", "web", "icmp")
    says(node, 0, [], "firewall", "allow", "web", "53/udp", "to", "any")
    says(node, 0, [], "firewall", "drop", "web", "tcp", "to", "192.0.2.1", "state=disabled")
    https = {"action": "allow", "protocol": "tcp", "destination_port": "443", "source": "10.0.0.0/8"}
    many = {"action": "drop", "protocol": "tcp", "destination_port": "8000-8100", "description": "a range"}
    ping = {"action": "reject", "protocol": "icmp4"}
    tap.eq(listed("ingress"), [https, many, ping], "rules as people say them")
    tap.eq(listed("egress"), [{"action": "allow", "protocol": "udp", "destination_port": "53"},
                              {"action": "drop", "protocol": "tcp", "destination": "192.0.2.1"}],
           "and for what goes out")
    says(node, 0, [], "firewall", "move", "web", "ingress", "3", "1")
    tap.eq(listed("ingress"), [ping, https, many], "the last one first")
    says(node, 0, [], "firewall", "move", "web", "ingress", "1", "2")
    tap.eq(listed("ingress"), [https, ping, many], "and then the second")
    tap.eq(len(listed("egress")), 2, "the other direction is as it was")
    says(node, 0, [], "firewall", "reset", "web")


# --- files ---

LONG_AGO = 1_000_000_000


def says_bytes(node, *args):
    return subprocess.run([harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", *args],
                          capture_output=True, check=True, timeout=60 * harness.SLOW).stdout


def files(node, cid):
    here, root = node.directory / "files", node.root(cid)
    here.mkdir()
    data = os.urandom(3_000_000)
    (here / "big").write_bytes(data)
    (here / "big").chmod(0o750)
    os.utime(here / "big", (LONG_AGO, LONG_AGO))
    says(node, 0, [], "cp", str(here / "big"), "web:/root")
    inside = root / "root/big"
    tap.eq((inside.read_bytes() == data, inside.stat().st_mode & 0o7777, int(inside.stat().st_mtime)),
           (True, 0o750, LONG_AGO), "in, whole, with its mode and its time")
    (here / "small").write_text("other")
    says(node, 0, [], "cp", str(here / "small"), "web:/root/big")
    tap.eq(inside.read_text(), "other", "over what is there")
    says(node, 0, [], "cp", "-", "web:/root/said", stdin="by standard input")
    tap.eq((root / "root/said").read_text(), "by standard input", "from a pipe")
    tap.eq(says(node, 0, [], "cp", "web:/root/said", "-"), "by standard input", "to a pipe")
    says(node, 0, [], "cp", str(here / "big"), "web:/root/big")
    says(node, 0, [], "cp", "web:/root/big", str(here / "back"))
    back = (here / "back").stat()
    tap.eq(((here / "back").read_bytes() == data, back.st_mode & 0o7777, int(back.st_mtime)), (True, 0o750, LONG_AGO),
           "out, whole, with its mode and its time")
    says(node, 0, [], "exec", "web", "sh", "-c", ": >/root/empty; chmod 4604 /root/empty; touch -d @-5 /root/empty")
    says(node, 0, [], "cp", "web:/root/empty", str(here / "empty"))
    tap.eq(((here / "empty").read_bytes(), (here / "empty").stat().st_mode & 0o7777), (b"", 0o604),
           "an empty one; what its mode may say of the host is its permissions alone")
    (here / "empty").unlink()
    tap.eq(subprocess.run(["cmp", "-", here / "big"], input=says_bytes(node, "cp", "web:/root/big", "-")).returncode, 0,
           "to a pipe its bytes and no more")
    says(node, 0, [], "cp", "web:/root/said", str(here))
    tap.eq((here / "said").read_text(), "by standard input", "into a directory, under its name")
    says(node, 2, ["is a directory"], "cp", "web:/root", "-")
    says(node, 1, ["is no file"], "cp", "web:/dev/zero", str(here / "x"))
    says(node, 1, ["could not be written whole"], "cp", str(here / "small"), "web:/nowhere/x")
    says(node, 1, ["No such file"], "cp", str(here / "nothing"), "web:/root")
    says(node, 2, ["neither file nor directory"], "cp", "/dev/null", "web:/root")
    says(node, 2, ["begins with /"], "cp", "web:root/big", str(here))

    # Container root may make its paths lead where it likes: in its own root, and nowhere else.
    secret = node.directory / "secret"
    secret.write_text("the host's")
    says(node, 0, [], "exec", "web", "sh", "-c", f"ln -s {secret} /root/link; ln -s {here} /root/dir")
    says(node, 1, ["is no file"], "cp", "web:/root/link", str(here / "x"))
    says(node, 1, ["could not be written whole"], "cp", str(here / "small"), "web:/root/dir/planted")
    tap.eq((sorted(p.name for p in here.iterdir()), secret.read_text()),
           (["back", "big", "said", "small"], "the host's"),
           "a container's links lead into itself; what failed has left nothing")
    tap.eq([p.name for p in (root / "root").iterdir() if "hoodyctl" in p.name], [], "nor in the container")


def trees(node, cid):
    """With what is below them, by root alone, without a program of the container's."""
    here, root = node.directory / "trees", node.root(cid)
    (here / "tree/a/b").mkdir(parents=True)
    (here / "tree/a/b").chmod(0o711)
    (here / "tree/file").write_bytes(data := os.urandom(300_000))
    (here / "tree/file").chmod(0o4750)
    os.chown(here / "tree/file", 1234, 1234)
    (here / "tree/a/link").symlink_to("../file")
    (here / "tree/a/away").symlink_to("/etc/shadow")
    (here / "tree/a/na\nme").write_text("")
    os.mkfifo(here / "tree/pipe")
    for at in ("tree/file", "tree/a/b", "tree/a", "tree"):
        os.utime(here / at, ns=(0, LONG_AGO * 10**9 + 123456789))
    says(node, 0, ["1 entry was left out"], "cp", str(here / "tree"), "web:/root")
    link = lambda p: os.readlink(p) if p.is_symlink() else ""
    picture = lambda top: sorted((str(p.relative_to(top)), p.lstat().st_mode & 0o7777, p.lstat().st_uid, link(p))
                                 for p in top.rglob("*"))
    inside = picture(root / "root/tree")
    tap.eq([(n, oct(m), u, to) for n, m, u, to in inside],
           [("a", "0o755", 0, ""), ("a/away", "0o777", 0, "/etc/shadow"), ("a/b", "0o711", 0, ""),
            ("a/link", "0o777", 0, "../file"), ("a/na\nme", "0o644", 0, ""), ("file", "0o750", 0, "")],
           "in: modes, links as links, and all of it is its root's")
    tap.ok((root / "root/tree/file").read_bytes() == data, "whole")
    times = lambda top: {at: (top / at).stat().st_mtime_ns for at in ("", "a", "a/b", "file")}
    tap.eq(times(root / "root/tree"), times(here / "tree"), "files and directories were modified when they were")
    (here / "thin").mkdir()
    with open(here / "thin/file", "wb") as f:
        f.seek(20 << 20)
        f.write(b"in the midst")
        f.truncate(64 << 20)
    says(node, 0, [], "cp", str(here / "thin"), "web:/root")
    says(node, 0, [], "cp", "web:/root/thin", str(here / "back-thin"))
    for at in (root / "root/thin/file", here / "back-thin/file"):
        tap.ok(at.read_bytes() == (here / "thin/file").read_bytes() and at.stat().st_blocks * 512 < 1 << 20,
               "holes are holes", at.stat())
    says(node, 1, ["in the container: .*File exists"], "cp", str(here / "tree"), "web:/root")
    says(node, 1, ["in the container: .*No such file"], "cp", str(here / "tree"), "web:/nowhere/x")
    says(node, 0, [], "cp", str(here / "tree"), "web:/root/again")
    says(node, 0, [], "cp", "web:/root/tree", str(here / "back"))
    tap.eq(picture(here / "back"), inside, "out, as it is there")
    tap.eq(times(here / "back"), times(here / "tree"), "and when")
    says(node, 0, [], "cp", "web:/root/tree/", str(here / "back"))
    tap.eq(picture(here / "back/tree"), inside, "into a directory, under its name")
    says(node, 1, ["File exists"], "cp", "web:/root/tree", str(here / "back"))
    says(node, 1, ["/nowhere"], "cp", "web:/nowhere/", str(here))
    says(node, 0, ["entries were left out"], "cp", "web:/", str(here / "all"))
    tap.ok((here / "all/bin").is_dir() and not (here / "all/proc").exists(), "another mount is not entered")
    (here / "deep").mkdir()
    says(node, 0, [], "exec", "web", "sh", "-c",
         "mkdir /root/deep; cd /root/deep; i=0; while [ $i -lt 200 ]; do mkdir d; cd d; i=$((i+1)); done")
    says(node, 1, ["too deep"], "cp", "web:/root/deep", str(here / "deep"))
    says(node, 0, [], "exec", "web", "rm", "-rf", "/root/deep", "/root/tree", "/root/again")
    left = [*(here / "deep").iterdir(), *here.glob(".*"), *(root / "root").glob(".*.new")]
    tap.eq(left, [], "what failed has left nothing on either side")


def hostile(node, root):
    """Its shell is another program now."""
    target = node.directory / "files/said"
    says(node, 0, [], "exec", "web", "sh", "-c",
         r"""printf '#!/bin/busybox sh\nprintf "\\033[2J" >&2; echo hostile; cat /root/behind\n' >/bin/evil
         printf %-32s '6751 -99999999999 x' >/root/behind; chmod 755 /bin/evil; mv /bin/evil /bin/sh""")
    _, out, err = node.ctl("cp", "web:/root/file", str(target))
    tap.eq((target.read_text(), target.stat().st_mode & 0o7777), ("hostile\n", 0o751),
           "a hostile container gives what it likes")
    tap.eq((out, err), ("", ""), "and what it says besides never reaches the terminal")
    for behind in ("", "short", "9" * 32, "\0" * 32, "%" * 4096):
        (root / "root/behind").write_text(behind)
        code, out, err = node.ctl("cp", "web:/root/file", str(target))
        tap.ok((code, err) == (0, "") or (code == 1 and "did not come whole" in err), f"with {behind[:9]!r} behind it",
               code, err)


def differences(node, cid):
    says(node, 0, [], "exec", "web", "mkdir", "-p", "/root/a/b/c")
    says(node, 0, [], "snapshot", "create", "web", "base")
    few = subprocess.run(["prlimit", "--nofile=8", harness.BUILD / "agent/hoodyctl", "--config",
                          node.directory / "agent.conf", "snapshot", "diff", "web", "base"], capture_output=True,
                         text=True, timeout=60 * harness.SLOW)
    tap.ok(few.returncode == 1 and "not read: Too many open files" in few.stderr, "what isn't read is no equality", few)
    tap.eq(node.hoodyctl("snapshot", "diff", "web", "base"), [], "nothing has changed since")
    says(
        node, 0, [], "exec", "web", "sh", "-c",
        "mkdir -p /srv/new/below; echo x >/srv/new/file; echo longer >>/root/file; rm /root/said; "
        "chmod 600 /etc/hosts; ln -sf /elsewhere /root/link; chown 7 /root/dir -h; rm -rf /root/big; mkdir /root/big; "
        "printf x >\"/root/$(printf 'bad\\033[2J')\"")
    rows = {(r["change"], r["path"], r.get("what", "")) for r in node.hoodyctl("snapshot", "diff", "web", "base")}
    tap.eq(rows, {("A", "/srv", ""), ("M", "/root/file", "content"), ("D", "/root/said", ""),
                  ("M", "/etc/hosts", "mode"), ("M", "/root/link", "content"), ("M", "/root/dir", "owner"),
                  ("M", "/root/big", "type"),
                  ("A", "/root/bad?[2J", "")}, "what is new, gone, and changed, and of it what")
    says(node, 0, [r"^M /root/file \(content\)$", "^D /root/said$"], "snapshot", "diff", cid[:8], "base")
    says(node, 1, ["SNAPSHOT_NOT_FOUND", "try: hoodyctl snapshot list web"], "snapshot", "diff", "web", "none")
    says(node, 0, [], "exec", "web", "sh", "-c",
         "cd /srv; i=0; while [ $i -lt 300 ]; do mkdir d; cd d; i=$((i+1)); done")
    says(node, 0, [], "snapshot", "create", "web", "deep")
    says(node, 1, ["too deep"], "snapshot", "diff", "web", "deep")


def checks(node):
    says(node, 0, ["agent.conf is good"], "config", "check")
    bad = node.directory / "bad.conf"
    bad.write_text("[Node]\nMaxWorkers=many\n")
    says(node, 4, ["bad.conf, line 2", "^try: man 5 agent.conf$"], "config", "check", config=bad)
    bad.write_text(f"[Node]\nNodeId={harness.NODE_ID}\n[Control]\nApiUrl=https://api.example\n")
    says(node, 4, ["TokenFile is not"], "config", "check", config=bad)
    check = ["mount -t tmpfs none /run", "mkdir /run/credstore", "echo t >/run/credstore/hoody-agent.node-token",
             f"exec {harness.BUILD}/agent/hoodyctl --config {bad} config check"]
    done = subprocess.run(["unshare", "-m", "sh", "-ec", "\n".join(check)], capture_output=True, text=True)
    tap.eq((done.returncode, done.stdout, done.stderr), (0, f"{bad} is good\n", ""),
           "a token in a credential store, which the unit takes it from, is one")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.write_conf()
        helps(node)
        keys(node)
        checks(node)
        says(node, 3, ["^try: hoodyctl doctor$"], "container", "list")
        node.start_agent()
        api = local.Local(node)
        cid = makes(node, api)
        anywhere(node, api, cid)
        near(node)
        says(node, 2, ["is no UTF-8"], "container", "info", "w\udcffb")
        rules(node, api, cid)
        files(node, cid)
        trees(node, cid)
        differences(node, cid)
        hostile(node, node.root(cid))
        says(node, 0, ["creating +stopped"], "logs", "web")
        says(node, 0, [], "container", "delete", "web", "--force")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
