#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The recipes of packaging/OPERATIONS.md: each trouble is made on a real node, the lines are run as they stand there,
and the trouble is over. What a line's remark has in quotes is seen in its output."""
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import loop
import netns
import tap

PAGE = harness.TOP / "packaging/OPERATIONS.md"
RECIPE = re.compile(r"^<!-- recipe: (\w+) -->\n\n((?: {4}.*\n)+)\n<!-- end of recipe -->$", re.M)
ETC, VAR = "etc/hoody-agent", "var/lib/hoody-agent"
READS = {"status", "doctor", "info", "list"} # may be asked again, until what happens by itself has happened


def recipes():
    """name → lines of (command, what is to be seen)"""
    found = {}
    for name, block in RECIPE.findall(PAGE.read_text(encoding="utf-8")):
        lines = [line.strip().partition(" #") for line in block.splitlines()]
        found[name] = [(command.strip(), re.findall(r'"([^"]+)"', remark)) for command, _, remark in lines]
    return found


def node_in(directory):
    """A node whose files are below `directory` where the package has them."""
    etc, var = directory / ETC, directory / VAR
    control = {"TokenFile": etc / "token", "TrustedKeys": etc / "trusted-keys.json", "CaFile": etc / "ca.pem"}
    return {"Node": {"StateDirectory": var}, "Control": control, "Storage": {"Pool": var / "pool"}}


class Hands:
    """An operator's: a shell in which hoodyctl is that of the node, and systemctl is about its agent."""

    def __init__(self, node, **words):
        self.node, self.words = node, words
        self.systemctl = {"reload": lambda: node.agent.send_signal(signal.SIGHUP),
                          "restart": node.restart, "stop": node.stop_agent, "start": node.start_agent,
                          "disable --now": node.stop_agent, "enable --now": node.start_agent}
        self.bin = node.directory / "bin"
        self.bin.mkdir()
        script = self.bin / "hoodyctl"
        script.write_text(f'#!/bin/sh\nexec {shlex.quote(str(harness.BUILD / "agent/hoodyctl"))} '
                          f'--config {shlex.quote(str(node.directory / "agent.conf"))} "$@"\n')
        script.chmod(0o755)

    def run(self, command):
        match = re.fullmatch(r"systemctl (.*) hoody-agent", command)
        if match:
            self.systemctl[match[1]]()
            return 0, ""
        for word, value in self.words.items():
            command = command.replace(word, str(value() if callable(value) else value))
        env = dict(os.environ, PATH=f"{self.bin}:{os.environ['PATH']}", NO_COLOR="1", COLUMNS="80")
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=env, timeout=60 * harness.SLOW)
        return done.returncode, done.stdout

    def follow(self, name):
        for command, want in recipes()[name]:
            got = []

            def seen():
                got[:] = self.run(command)
                text = " ".join(got[1].split())
                return got[0] == 0 and all(w in text for w in want)

            good = host.poll(seen, 10, 0.2) if READS & set(command.split()) else seen()
            tap.ok(good, f"{name}: {command}: {', '.join(want) or 'done'}", want, *got)


def must(node, *command):
    code, out, err = node.ctl(*command)
    if code != 0:
        raise harness.Failure(f"{command}: {out}{err}")
    return out


def make_web(node):
    must(node, "container", "create", harness.IMAGE, "web", "--project", harness.PROJECT)


def answers(node):
    return node.ctl("exec", "web", "true")[0] == 0


def does_not_start():
    with harness.Node() as node:
        make_web(node)
        must(node, "snapshot", "create", "web", "before")
        must(node, "exec", "web", "rm", "/sbin/init")
        tap.eq((node.ctl("container", "restart", "web")[0], answers(node)), (1, False), "a container doesn't start")
        Hands(node, OPERATION=lambda: must(node, "operation", "list", "-q").split()[0]).follow("start")
        tap.ok(answers(node), "and does again")
        end(node)


def no_network():
    with harness.Node() as node:
        make_web(node)
        other = node.new_id()
        node.do("container.create", other, image=harness.IMAGE)
        address = re.search(r"inet ([\d.]+)", must(node, "exec", other, "ip", "-4", "addr", "show", "eth0"))[1]
        reaches = lambda: node.ctl("exec", "web", "ping", "-c", "1", "-W", "2", address)[0] == 0
        tap.ok(reaches(), "a container reaches its neighbour")
        must(node, "firewall", "reject", "web", "icmp4", "to", "0.0.0.0/0")
        tap.ok(not reaches(), "a rule keeps it from that")
        must(node, "network", "configure", "web", "type=block")
        must(node, "network", "start", "web")
        tap.ok(not reaches(), "and its mode, too")
        Hands(node, ADDRESS=address).follow("network")
        end(node)


def disk_full():
    with loop.FileSystem("ext4", 64) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool}}) as node:
        make_web(node)
        must(node, "exec", "web", "dd", "if=/dev/zero", "of=/home/file", "bs=1M", "count=10")
        must(node, "snapshot", "create", "web", "old")
        with open(fs.path / "ballast", "wb") as f:
            os.posix_fallocate(f.fileno(), 0, fs.free() - (2 << 20))
        code, _, err = node.ctl("snapshot", "create", "web", "new")
        tap.ok(code == 1 and "DISK_FULL" in err, "the disk is full", code, err, fs.free())
        Hands(node).follow("disk")
        end(node)


def end(node):
    for cid in must(node, "container", "list", "-q").split():
        must(node, "container", "delete", cid, "--force")
    tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")


def wrong_token():
    with harness.Node() as node:
        make_web(node)
        (node.directory / "token").write_text("revoked\n")
        node.restart()
        Hands(node, TOKEN="enroll-me").follow("token")
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "orders come again")
        tap.ok(answers(node), "and what ran has gone on")
        end(node)


def moved():
    """The new host is another directory: rsync writes there, and the agent there has its files in it."""
    with harness.Node(start=False) as old, harness.Node(start=False) as new:
        for place in (old.directory / ETC, old.directory / VAR):
            place.mkdir(parents=True)
        old.conf, new.conf = node_in(old.directory), node_in(new.directory)
        old.start_api()
        for name in ("token", "trusted-keys.json", "ca.pem"):
            shutil.move(old.directory / name, old.directory / ETC / name)
        old.start_agent()
        make_web(old)
        must(old, "exec", "web", "sh", "-c", "echo kept >/etc/motd")
        was = old.hoodyctl("container", "list")[0]["id"]
        Hands(old, **{"/etc/hoody-agent": f"{old.directory}/./{ETC}", "NEW:/": f"{new.directory}/",
                      "/var/lib/hoody-agent": f"{old.directory}/./{VAR}"}).follow("move")
        new.api = old.api
        Hands(new).follow("moved")
        tap.eq((new.hoodyctl("container", "list")[0]["id"], must(new, "exec", "web", "cat", "/etc/motd")),
               (was, "kept\n"), "it is the same container, with what was in it")
        tap.eq(new.do("container.stop", was)["state"], "succeeded", "and orders for the node find it there")
        end(new)


def other_keys():
    """The node trusts somebody else's key until the file has the control API's."""
    with harness.Node(start=False) as node:
        node.start_api()
        file, keyset = node.directory / "trusted-keys.json", node.directory / "keyset"
        good = json.loads(file.read_text())
        keyset.write_text(json.dumps({**good, "version": 2}))
        key = subprocess.run("openssl genpkey -algorithm ed25519 | openssl pkey -pubout -outform DER", shell=True,
                             capture_output=True, check=True).stdout[-32:].hex()
        file.write_text(json.dumps({**good, "keys": [{**good["keys"][0], "public_key_hex": key}]}))
        node.start_agent()
        order = node.order("container.create", node.new_id(), image=harness.IMAGE)
        tap.ok(host.poll(lambda: "signature is missing or wrong" in node.log.read_text(), 10),
               "nothing that the API says is believed", node.log_tail())
        Hands(node, KEYSET=keyset, **{"/etc/hoody-agent": node.directory}).follow("keys")
        tap.eq(node.wait(order)["state"], "succeeded", "and accepted, the one that has waited, too")
        end(node)


def pool_moved():
    with harness.Node() as node, loop.FileSystem("ext4", 64) as fs:
        make_web(node)
        must(node, "exec", "web", "sh", "-c", "echo kept >/etc/motd")
        (node.directory / "agent.conf.d").mkdir()
        fs.path.chmod(0o711)
        new = fs.path / "pool"
        Hands(node, **{"/var/lib/hoody-agent/pool": node.directory / "pool", "/srv/pool": new,
                       "/etc/hoody-agent/": f"{node.directory}/"}).follow("pool")
        tap.eq(must(node, "exec", "web", "cat", "/etc/motd"), "kept\n", "it has what was in it")
        tap.eq([p.name for p in (new / "containers").iterdir()], must(node, "container", "list", "-q").split(),
               "and lies in the new pool")
        end(node)


def damaged():
    with harness.Node(start=False) as node:
        for place in (node.directory / ETC, node.directory / VAR):
            place.mkdir(parents=True)
        node.conf = node_in(node.directory)
        node.start_api()
        for name in ("token", "trusted-keys.json", "ca.pem"):
            shutil.move(node.directory / name, node.directory / ETC / name)
        node.start_agent()
        make_web(node)
        hands = Hands(node, **{"/etc/hoody-agent": node.directory / ETC, "/var/lib/hoody-agent": node.directory / VAR,
                               "BACKUP": node.directory / "backup"})
        hands.follow("backup")
        for _ in range(8): # each has reports, which the backup knows nothing of
            node.restart()
        host.poll(lambda: node.hoodyctl("status")["outbox"]["reports"] == 0, 10)
        node.stop_agent()
        state = node.directory / VAR / "state.db"
        state.write_bytes(b"no database" * 1000)
        for n in range(2):
            node.start_agent(expect_ready=False)
            tap.ok(node.agent.wait(30 * harness.SLOW) not in (0, None), f"a damaged state: the agent refuses, {n}")
            node.agent = None
        tap.ok(not state.exists(), "it was set aside")
        hands.follow("damaged")
        tap.eq((answers(node), node.do("container.create", node.new_id(), image=harness.IMAGE)["state"]),
               (True, "succeeded"), "what ran has gone on, and orders come again")
        end(node)


TROUBLES = {
    "start": does_not_start, "network": no_network, "disk": disk_full, "token": wrong_token, "move": moved,
    "keys": other_keys, "pool": pool_moved, "damaged": damaged
}


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    tap.eq(set(recipes()), {*TROUBLES, "moved", "backup"}, "each recipe is tried")
    tap.eq(len(recipes()), PAGE.read_text(encoding="utf-8").count("<!-- recipe: "), "and each is found")
    for name, trouble in TROUBLES.items():
        if name in (sys.argv[1:] or TROUBLES):
            netns.unshare() # doctor would look at the table of the one before
            trouble()
    tap.done()


main()
