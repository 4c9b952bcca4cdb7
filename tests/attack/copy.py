#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hoodyctl cp of directories against a container that swaps what is copied for links all the while: nothing of the
host's is read or written by it, and who goes into the container can't be seen, traced or ended from there."""
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

ROUNDS = 20
SECRET = "the host's own"


def swap(node, script):
    """Runs on in the container until it is killed."""
    command = [str(harness.BUILD / "agent/hoodyctl"), "--config", str(node.directory / "agent.conf"), "exec", "web"]
    p = subprocess.Popen([*command, "sh", "-c", f"echo ready; while :; do {script}; done"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    p.stdout.readline()
    return p


def end(p):
    p.send_signal(signal.SIGTERM)
    p.wait(20 * harness.SLOW)
    p.stdout.close()


def out(node, cid, secret):
    """A directory, and a link to the host's of that name, in turn."""
    here = node.directory / "out"
    here.mkdir()
    node.ctl("exec", "web", "sh", "-c", f"mkdir -p /root/t/d /root/e; echo own >/root/t/d/file; ln -s {secret} /root/l")
    p = swap(node, f"mv /root/t/d /root/e/d; ln -s {secret} /root/t/d; rm /root/t/d; mv /root/e/d /root/t/d; "
             f"mv /root/t/d/file /root/e/file; ln -s {secret}/file /root/t/d/file; mv -f /root/e/file /root/t/d/file")
    by_path = node.root(cid) / "root/t/d/file"

    def is_led_out():
        try:
            return SECRET in by_path.read_text()
        except OSError:
            return False

    tap.ok(host.poll(is_led_out, 20, 0), "who goes by a path is led out by it")
    kinds = set()
    for i in range(ROUNDS):
        node.ctl("cp", "web:/root/t/", str(here / f"copy{i}"))
        kinds |= {"link" if f.is_symlink() else "file" for f in (here / f"copy{i}").rglob("*")}
    end(p)
    read = [f for f in here.rglob("*") if not f.is_symlink() and f.is_file() and SECRET in f.read_text()]
    tap.eq(read, [], f"{ROUNDS} copies out of what is swapped all the while: nothing of the host's is in one ({kinds})")
    code, _, err = node.ctl("cp", "web:/root/l/", str(here / "link"))
    tap.ok(code == 1 and not (here / "link").exists(), "a link that leads out leads nowhere", code, err)


def into(node, secret):
    """What is being made, and what it is made in, moved away for a link to the host's."""
    source = node.directory / "source"
    for i in range(30):
        (source / f"d{i}").mkdir(parents=True)
        (source / f"d{i}/file").write_text("planted")
    node.ctl("exec", "web", "mkdir", "-p", "/root/in", "/root/away")
    p = swap(node, f"for n in /root/in/.*.new; do mv $n /root/away/x 2>/dev/null && ln -s {secret} $n; done; "
             f"mv /root/in /root/in2; ln -s {secret} /root/in; rm /root/in; mv /root/in2 /root/in; "
             "rm -rf /root/away/x /root/in/.*.new /root/in/c*")
    codes = [node.ctl("cp", str(source), f"web:/root/in/c{i}")[0] for i in range(ROUNDS)]
    end(p)
    tap.ok(set(codes) <= {0, 1}, f"{ROUNDS} copies in: each ended", codes)
    tap.eq((sorted(f.name for f in secret.iterdir()), (secret / "file").read_text()), (["file"], SECRET),
           "and nothing of the host's was written, nor removed")


def state(pid):
    """As in proc(5); empty: it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def held(node, cid, to):
    """(a copy that is stopped, its child that waits for it in the container); the latter None: it was too quick."""
    command = [
        str(harness.BUILD / "agent/hoodyctl"), "--config",
        str(node.directory / "agent.conf"), "cp", "web:/root/big/", str(to)
    ]
    copy = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    init = host.init_of(node.prefix, cid)

    def inside(pid):
        try:
            return os.readlink(f"/proc/{pid}/ns/mnt") == os.readlink(f"/proc/{init}/ns/mnt")
        except OSError:
            return False

    def hold():
        found = [c for c in pathlib.Path(f"/proc/{copy.pid}/task/{copy.pid}/children").read_text().split() if inside(c)]
        if found:
            os.kill(copy.pid, signal.SIGSTOP)
        return found or copy.poll() is not None

    found = host.poll(hold, 20, 0.0005)
    if isinstance(found, list) and host.poll(lambda: state(found[0]) in "SZ", 5) and state(found[0]) == "S":
        return copy, int(found[0])
    copy.send_signal(signal.SIGCONT)
    copy.wait(20 * harness.SLOW)
    return copy, None


def who(node, cid):
    """The child in the container, held while it waits for its reader."""
    node.ctl("exec", "web", "sh", "-c", "mkdir /root/big; dd if=/dev/zero of=/root/big/file bs=1M count=8")
    for n in range(ROUNDS):
        to = node.directory / f"big{n}"
        copy, pid = held(node, cid, to)
        if pid:
            break
    else:
        tap.skip("who goes in", "it was too quick to be held")
        return
    status = dict(re.findall(r"^(\w+):\s*(.*)$", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M))
    files = [os.readlink(f"/proc/{pid}/fd/{f}") for f in os.listdir(f"/proc/{pid}/fd")]
    base = int(pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/uid_map").read_text().split()[1])
    tap.eq(status["Uid"].split(), [str(base)] * 4, "it has the container root's ids")
    tap.eq([f for f in files if not f.startswith(("socket:", "/dev/null", "/root/big"))], [],
           "and nothing open but the socket and what it copies")
    seen = node.ctl("exec", "web", "sh", "-c", "for p in /proc/[0-9]*; do cat $p/comm; done")[1]
    tap.ok("hoodyctl" not in seen, "nobody inside sees it", seen)
    copy.send_signal(signal.SIGCONT)
    tap.eq(copy.wait(30 * harness.SLOW), 0, "and it goes on to its end")
    tap.eq((to / "file").stat().st_size, 8 << 20, "with all of the file")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        node.ctl("project", "create", "shop")
        cid = node.ctl("container", "create", harness.IMAGE, "web", "-q")[1].strip()
        secret = node.directory / "secret"
        secret.mkdir()
        (secret / "file").write_text(SECRET)
        out(node, cid, secret)
        into(node, secret)
        who(node, cid)
        node.ctl("container", "delete", "web", "--force")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
