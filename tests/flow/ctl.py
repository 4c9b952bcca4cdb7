#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hoodyctl's nouns against a standalone agent, on a pipe and on a terminal: names and prefixes, tables and JSON, exit
codes, and an interrupt that lets go of an operation without ending it."""
import hashlib
import io
import itertools
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tarfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap
import webserver


def on_terminal(node, *args, env=None, interrupt_at=None):
    """(exit code, what a terminal showed); SIGINT once it shows `interrupt_at`."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(harness.BUILD / "agent/hoodyctl",
                  ["hoodyctl", "--config", str(node.directory / "agent.conf"), *args],
                  dict(os.environ, TERM="xterm", **(env or {})))
    shown, end = "", time.monotonic() + 30 * harness.SLOW
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                part = os.read(fd, 65536).decode(errors="replace")
            except OSError:
                break
            if not part:
                break
            shown += part
        if interrupt_at and interrupt_at in shown:
            os.write(fd, b"\x03")
            interrupt_at = None
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def gives(node, code, words, *args, **options):
    got, out, err = node.ctl(*args, **options)
    tap.ok(got == code and all(re.search(w, out + err) for w in words), f"hoodyctl {' '.join(args)}: exit {code}", got,
           out, err)
    return out.strip()


def image_of(node):
    """A pull on a terminal."""
    web = node.directory / "web"
    web.mkdir()
    with tarfile.open(web / "image.tar", "w") as t:
        for name, data in (("etc/issue", b"x"), ("big", os.urandom(12_000_000))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    server, size = webserver.Server(web), (web / "image.tar").stat().st_size
    digest = hashlib.sha256((web / "image.tar").read_bytes()).hexdigest()
    code, shown = on_terminal(node, "image", "pull", "test/1", f"url={server.url('image.tar')}", f"sha256={digest}",
                              f"size={size}")
    tap.ok(code == 0 and re.search(r"image-fetch \[#+\.*\] +\d+ %", shown) and "done in" in shown,
           "a pull draws its bar", code, shown)
    server.close()
    gives(node, 0, ["IMAGE +ID +SIZE", "test/1"], "image", "list")
    gives(node, 0, [digest], "image", "info", "test-1")
    gives(node, 1, ["IMAGE_NOT_FOUND"], "image", "info", "nothing/1")


def completes(node, cid):
    """What bash would offer behind a line. It breaks words at = and :, and replaces the last part alone."""
    script = gives(node, 0, ["complete -o default -F _hoodyctl hoodyctl"], "completion", "bash")
    lines = ("con", "container st", "container info w", "operation fo", "firewall add web e",
             "firewall add web egress de", "firewall add web egress action=", "firewall add web egress action=dr",
             "snapshot restore web b", "share create web target_container_id=d", "container create --me",
             "container create builtin:b", "cp w", "env unset web N", "snapshot di", "completion f",
             "container create --project sh", "frob ")
    probe = ('hoodyctl() { %s --config %s "$@"; }\n%s\nwhile IFS= read -r COMP_LINE; do '
             'COMP_LINE="hoodyctl $COMP_LINE"; COMP_POINT=${#COMP_LINE}; _hoodyctl; echo "${COMPREPLY[*]}"; done') % (
                 harness.BUILD / "agent/hoodyctl", node.directory / "agent.conf", script)
    offered = subprocess.run(["bash", "-c", probe], input="".join(f"{line}\n" for line in lines), capture_output=True,
                             text=True).stdout.splitlines()
    want = ("container console config", "start stop", "web", "follow", "egress", "destination_port= destination= "
            "description=", "allow reject drop", "drop", "before", "data", "--memory", "busybox", "web:", "NAME",
            "diff", "fish", "shop", "")
    for line, got, expected in zip(lines, offered, want, strict=True):
        tap.eq(sorted(got.split()), sorted(expected.split()), f"a shell completes: {line}")


def completes_for_real(node):
    """An interactive bash on a terminal, and its tabulator key: (what is typed, what then stands there)."""
    (node.directory / "bin").mkdir()
    program = node.directory / "bin/hoodyctl"
    program.write_text(f'#!/bin/sh\nexec {harness.BUILD}/agent/hoodyctl --config {node.directory}/agent.conf "$@"\n')
    program.chmod(0o755)
    pid, fd = pty.fork()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                  dict(os.environ, PATH=f"{program.parent}:{os.environ['PATH']}", TERM="dumb", PS1="> ", COLUMNS="200"))

    def type_in(keys, until):
        os.write(fd, keys.encode())
        text, end = "", time.monotonic() + 30 * harness.SLOW
        while until not in text and time.monotonic() < end:
            if select.select([fd], [], [], 0.2)[0]:
                text += os.read(fd, 65536).decode(errors="replace")
        return until in text, text

    type_in("bind 'set enable-bracketed-paste off'; . <(hoodyctl completion bash); echo rea''dy\n", "ready")
    for typed, whole in (("container inf", "container info "), ("container info w", "container info web "),
                         ("snapshot restore web b", "snapshot restore web before "),
                         ("firewall add web egress act", "firewall add web egress action="),
                         ("firewall add web egress action=dr", "firewall add web egress action=drop "),
                         ("share create web target_container_id=d", "share create web target_container_id=data "),
                         ("env unset web N", "env unset web NAME "),
                         ("container create --me", "container create --memory ")):
        ok, text = type_in(f"hoodyctl {typed}\t", f"hoodyctl {whole}")
        tap.ok(ok, f"bash on a terminal completes: {typed}", text)
        type_in("\x15\n", "> ")
    os.write(fd, b"\x15exit\n")
    os.close(fd)
    os.waitpid(pid, 0)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.write_conf()
        gives(node, 3, ["is the agent running"], "container", "list")
        node.start_agent()
        gives(node, 2, ["container what"], "container")
        gives(node, 2, ["no command container fly"], "container", "fly")
        gives(node, 2, ["needs a CONTAINER"], "container", "start")
        gives(node, 2, ["no option of container list"], "container", "list", "--memory", "1M")
        gives(node, 0, ["IMAGE", "--memory SIZE", "--async"], "container", "create", "--help")
        gives(node, 1, ["no container \"nobody\"", "CONTAINER_NOT_FOUND"], "container", "info", "nobody")

        project = gives(node, 0, ["^[0-9a-f]{24}$"], "project", "create", "shop")
        gives(node, 2, ["needs an IMAGE", r"\ntry: hoodyctl container create --help\n$"], "container", "create")
        gives(node, 2, ["is no number"], "container", "create", harness.IMAGE, "--project", project, "--memory", "much")
        cid = gives(node, 0, ["^[0-9a-f]{24}$"], "container", "create", harness.IMAGE, "--project", project, "--name",
                    "web", "--memory", "64M", "--pids", "50", "-q")
        info = json.loads(gives(node, 0, [cid], "container", "info", "web", "--json"))
        tap.eq((info["id"], info["status"], info["limits"]), (cid, "running", {"memory_bytes": 64 << 20, "pids": 50}),
               "made as asked, found by its name")
        gives(node, 0, ["web", "running"], "container", "info", cid[:8])
        second = gives(node, 0, ["[0-9a-f]{24}"], "container", "create", harness.IMAGE, "--project", project, "--name",
                       "data", "--no-start", "-q")
        tap.eq(gives(node, 0, [], "container", "list", "-q").split(), [second, cid], "-q: ids alone, by name")
        for verb, state in (("pause", "paused"), ("resume", "running"), ("restart", "running"), ("stop", "stopped"),
                            ("start", "running"), ("force-stop", "stopped")):
            gives(node, 0, [f"container.{verb} web: done in"], "container", verb, "web")
            tap.eq(node.state(cid), state, f"the host: {state}")
        gives(node, 1, ["OPERATION_STATE_CONFLICT"], "container", "stop", "web")
        operation = gives(node, 0, ["^[0-9a-f]{32}$"], "container", "start", "web", "--async")
        gives(node, 0, ["container.start .* done in"], "operation", "follow", operation)
        end = json.loads(gives(node, 0, [], "operation", "follow", operation, "--json"))
        tap.eq((end["operation_id"], end["status"]), (operation, "succeeded"), "and told as JSON")
        gives(node, 0, ["succeeded"], "operation", "info", operation)
        gives(node, 0, [operation, "OPERATION_STATE_CONFLICT"], "operation", "list")
        gives(node, 0, ["creating +running", "user"], "container", "logs", "web")
        gives(node, 0, ["container.operation.completed"], "events")
        gives(node, 1, ["NETWORK_NOT_CONFIGURED"], "network", "start", "web")

        # --- an image: the bar draws; snapshots, by nouns of one path each ---
        image_of(node)
        gives(node, 0, ["done in"], "snapshot", "create", "web", "alias=before")
        gives(node, 0, ["SNAPSHOT +ALIAS", "before +before"], "snapshot", "list", "web")
        gives(node, 1, ["SNAPSHOT_EXISTS"], "snapshot", "create", "web", "alias=before")
        gives(node, 1, ["SNAPSHOT_EXISTS", r"\ntry: hoodyctl snapshot list web\n$"], "snapshot", "create", "web",
              "before")
        gives(node, 2, ["want KEY=VALUE"], "snapshot", "create", "web", "before", "after")
        gives(node, 2, ["needs a CONTAINER SNAPSHOT"], "snapshot", "restore", "web")
        gives(node, 0, ["done in"], "snapshot", "restore", "web", "before")
        gives(node, 0, ["done in"], "env", "set", "web", "NAME=1")

        # --- completions: the words that a shell would offer ---
        completes(node, cid)
        completes_for_real(node)
        (node.directory / "_hoodyctl").write_text(gives(node, 0, ["^#compdef hoodyctl"], "completion", "zsh"))
        tab = (
            f"zmodload zsh/zpty; zpty z zsh -f -i; zpty -w z 'fpath=({node.directory} $fpath); autoload -U compinit; "
            "compinit -u -D; echo rea\"\"dy'; zpty -r z shown '*ready*'; "
            "zpty -n -w z $'hoodyctl snapshot cr\\t'; zpty -r z shown '*snapshot create*' && echo completed")
        shown = subprocess.run(["timeout", "30", "zsh", "-f", "-c", tab], capture_output=True, text=True,
                               env=dict(os.environ, PATH=f"{harness.BUILD}/agent:{os.environ['PATH']}"))
        tap.ok(shown.stdout == "completed\n", "zsh completes at the first key, loading them by itself", shown)
        gives(node, 0, ["hoodyctl complete"], "completion", "fish")
        gives(node, 2, ["want bash, zsh or fish"], "completion", "csh")
        gives(node, 0, ["done in"], "snapshot", "delete", "web", "before")

        # --- on a terminal ---
        code, shown = on_terminal(node, "container", "list")
        lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown.splitlines() if line.strip()]
        tap.ok(
            code == 0 and "\x1b[" in shown
            and len({line.index(word) for line, word in zip(lines, ("STATUS", "stopped", "running"))}) == 1,
            "a terminal gets colours, and columns that align", shown)
        code, shown = on_terminal(node, "container", "list", env={"NO_COLOR": "1"})
        tap.ok(code == 0 and "\x1b[3" not in shown, "none with NO_COLOR", shown)
        gives(node, 0, [], "container", "stop", "web")
        policy = node.directory / "state" / "lxc" / cid / "seccomp"
        policy.unlink()
        os.mkfifo(policy) # the start hangs where it wants to write
        code, shown = on_terminal(node, "container", "start", "web", "--timeout", "3",
                                  interrupt_at="container.start: running")
        tap.ok(code == 130 and "it goes on; follow it with: hoodyctl operation follow" in shown,
               "progress is drawn; an interrupt lets go", code, shown)
        gives(node, 1, ["CONTAINER_OPERATION_IN_PROGRESS"], "container", "stop", "web")
        api = local.Local(node)
        tap.ok(host.poll(lambda: api.do("GET", "/operations")["operations"][0]["status"] != "running", 10, 0.05),
               "the operation went on, to its own end")
        policy.unlink()

        # --- an agent that goes meanwhile ---
        policy.unlink(missing_ok=True)
        os.mkfifo(policy)
        left = subprocess.Popen([
            str(c) for c in (harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "container",
                             "start", "web", "--timeout", "3")
        ], stderr=subprocess.PIPE, text=True)
        last = lambda: api.do("GET", "/operations")["operations"][0]
        host.poll(lambda: last()["operation"] == "container.start" and last()["status"] == "running", 10)
        begun = last()["operation_id"]
        node.kill9("agent")
        said = left.communicate(timeout=10 * harness.SLOW)[1]
        tap.ok(left.returncode == 3 and f"operation {begun} was begun, and nobody saw its end" in said,
               "an end that isn't seen is no end, and its operation has a name", left.returncode, said)
        policy.unlink()
        node.start_agent()
        tap.ok(host.poll(lambda: last()["status"] not in ("running", "pending"), 20), "it ends all the same", last())
        gives(node, 0, [], "container", "force-stop", "web") if last()["status"] == "succeeded" else None

        os.kill(node.agent.pid, signal.SIGSTOP)
        gives(node, 3, ["no answer from the agent.*Timeout", "try: hoodyctl doctor"], "container", "list")
        os.kill(node.agent.pid, signal.SIGCONT)

        # --- the newest of many ---
        total = api.do("GET", "/operations")["pagination"]["total"]
        for args in (("operation", "list"), ("orders", ), ("events", )):
            gives(node, 0, [r"hoodyctl: the newest 3 of \d+ \(--lines says how many\)$"], *args, "-n", "3")
            code, out, err = node.ctl(*args, "-n", "3", "--json")
            rows = json.loads(out)
            tap.eq((len(rows["orders"] if args == ("orders", ) else rows), "newest 3 of" in err), (3, True), "as JSON")
        tap.eq(node.ctl("operation", "list", "-n", "500", "-q")[2], "", "nothing is said where there are no more")
        tap.eq(node.hoodyctl("orders", "-n", "2")["total"], total, "orders has their number in JSON")
        some = node.hoodyctl("orders", "-n", "100", "--filter", "op=container.st*", "--sort", "op")["orders"]
        tap.eq({o["op"] for o in some}, {"container.start", "container.stop"}, "JSON of orders is filtered,")
        tap.eq([o["op"] for o in some], sorted(o["op"] for o in some), "and sorted")
        logged = [row["id"] for row in node.hoodyctl("logs", "web")]
        tap.eq(gives(node, 0, [], "logs", "web", "-q").split(), logged, "ids of logs are ids")
        operation = api.do("GET", "/operations")["operations"][0]["operation_id"]
        tap.eq(gives(node, 0, [], "operation", "info", operation, "-q").strip(), operation, "and an operation has one")

        # --- follow ---
        command = [
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "events", "--follow", "--json"
        ]
        live = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
        changes = itertools.count()
        tap.ok(
            host.poll(
                lambda: api.do("PATCH", f"/containers/{cid}/env/N", {"value": str(next(changes))}) and select.select(
                    [live.stdout], [], [], 0.2)[0], 20), "events --follow has begun")
        gives(node, 0, [], "container", "start", "data")
        while json.loads(line := live.stdout.readline())["resource_id"] != second and line:
            pass
        tap.eq(json.loads(line)["resource_id"], second, "and tells as it happens")
        live.send_signal(signal.SIGINT)
        tap.eq(live.wait(10 * harness.SLOW), 0, "and ends when interrupted")
        gives(node, 1, ["OPERATION_STATE_CONFLICT"], "container", "delete", "data")
        live = subprocess.Popen([str(c) for c in command[:-1]], stdout=subprocess.PIPE, text=True)
        tap.ok(
            host.poll(
                lambda: api.do("PATCH", f"/containers/{second}/env/N", {"value": str(next(changes))}) and select.select(
                    [live.stdout], [], [], 0.2)[0], 20), "for people, too")
        gives(node, 0, [], "container", "update", "data", "name=more")
        while "container.update" not in (line := live.stdout.readline()) and line:
            pass
        tap.ok(re.search(r"container\.operation\.completed +more +container\.update", line), "by the name of now", line)
        live.send_signal(signal.SIGINT)
        live.wait(10 * harness.SLOW)
        gives(node, 1, ["there is no operation"], "operation", "follow", 32 * "0")
        streams = [api.stream("/events") for _ in range(64)]
        gives(node, 1, ["event streams are open"], "events", "--follow")
        for stream in streams:
            stream.close()
        for name in ("web", "more"):
            gives(node, 0, ["done"], "container", "delete", name, "--force")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")

    # --- order verify, where there are keys ---
    with harness.Node() as node:
        path = node.directory / "order.json"
        wish = {"op": "container.start", "container_id": node.new_id(), "project_id": harness.PROJECT, "params": {}}
        clock = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \((\d+ s ago|in \d+ \S+)\)"
        for more, code, words in (({}, 0, ["good: order", "container.start", f"issued +{clock}",
                                          f"expires +{clock}"]), ({"sign_with": "stranger"}, 1, [
                "not good \\(unknown_key\\)"
        ]), ({"node_id": "f" * 24}, 1, ["wrong_node"]), ({"params": {"x": 1}}, 1, ["invalid_params"])):
            envelope = node.api.ask("envelope", order={**wish, **{k: v for k, v in more.items() if k != "sign_with"}},
                                    **{k: v for k, v in more.items() if k == "sign_with"})
            path.write_text(
                envelope["envelope"] if isinstance(envelope.get("envelope"), str) else json.dumps(envelope["envelope"]))
            gives(node, code, words, "order", "verify", str(path))
            if code == 0:
                good = json.loads(gives(node, 0, [], "order", "verify", str(path), "--json"))
                tap.eq((good["op"], good["container_id"]), (wish["op"], wish["container_id"]), "as JSON, too")
        node.wait(node.api.ask("rotate", kid="v2")["id"])
        envelope = node.api.ask("envelope", order=wish)["envelope"]
        path.write_text(envelope if isinstance(envelope, str) else json.dumps(envelope))
        gives(node, 0, ["good: order", "signed by +v2"], "order", "verify", str(path))
        cid = node.new_id()
        tap.eq(node.do("container.create", cid, image=harness.IMAGE, start=False)["state"], "succeeded", "a container")
        picture = node.picture()
        for op, params, words in (("container.start", {}, ["would run", "1. launch \\(undone"]),
                                  ("container.stop", {}, ["would fail", "OPERATION_STATE_CONFLICT"
                                                          ]), ("container.delete", {}, ["1. kill", "2. rootfs-remove"]),
                                  ("firewall.reset", {}, ["would run", "1. rules \\(undone"
                                                          ]), ("network.configure", {"type": "block"}, ["would run"]),
                                  ("proxy.document", {"scope": "container", "file_version": 1,
                                                      "document": {}}, ["1. document"])):
            envelope = node.api.ask(
                "envelope", order={"op": op, "container_id": cid, "project_id": harness.PROJECT,
                                   "params": params})["envelope"]
            path.write_text(envelope if isinstance(envelope, str) else json.dumps(envelope))
            gives(node, 0, words, "order", "plan", str(path))
            plan = json.loads(gives(node, 0, [], "order", "plan", str(path), "--json"))
            tap.eq((plan["op"], plan["container_id"]), (op, cid), "as JSON, too")
        tap.eq(node.picture(), picture, "a plan does nothing")
        path.write_text("{}")
        gives(node, 1, ["malformed_envelope"], "order", "plan", str(path))
        gives(node, 1, ["there is no /nowhere"], "order", "plan", "/nowhere")
        gives(node, 1, ["malformed_envelope"], "order", "verify", str(path))
        tap.eq(node.hoodyctl("status")["orders"]["rejected"], 0, "and nothing of it reached the journal")
    tap.done()


main()
