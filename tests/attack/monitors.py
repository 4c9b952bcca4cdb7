#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Anybody on the host against liblxc's monitors, which listen on abstract sockets of well-known names: who connects
uses up a monitor's descriptors, at which it ends its container; who has the name first keeps it from starting. They are
where nobody else is, before and after a restart of the agent."""
import os
import pathlib
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap

NOBODY = 65534


def name_of(node, cid):
    return f"{node.directory}/state/lxc/{cid}/command"


def as_nobody(act, name):
    """What act(socket, address) ends with: its errno's name, or "done"; and the process that stays to have done it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            try:
                act(s, "\0" + name)
                word = b"done"
            except OSError as e:
                word = os.strerror(e.errno).encode()
            os.write(writer, word)
            signal.pause()
    os.close(writer)
    word = os.read(reader, 100).decode()
    os.close(reader)
    return word, pid


def end(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def is_shut(node, cid, when):
    word, pid = as_nobody(socket.socket.connect, name_of(node, cid))
    end(pid)
    tap.eq(word, "Connection refused", f"{when}, nobody of the host's connects to its monitor")
    tap.eq(node.ctl("exec", "web", "echo", "in")[:2], (0, "in\n"), "and who may comes in")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(start=False, conf=harness.STANDALONE) as node:
        node.start_agent()
        node.ctl("project", "create", "shop")
        cid = node.ctl("container", "create", harness.IMAGE, "web", "-q")[1].strip()
        is_shut(node, cid, "while it runs")
        node.restart()
        is_shut(node, cid, "under another agent")
        node.ctl("container", "stop", "web")
        word, pid = as_nobody(socket.socket.bind, name_of(node, cid))
        tap.eq(word, "done", "somebody has its monitor's name while it is stopped")
        code, _, err = node.ctl("container", "start", "web")
        tap.eq(code, 0, f"it starts all the same {err}")
        is_shut(node, cid, "then")
        end(pid)
        node.ctl("container", "delete", "web", "--force")
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
