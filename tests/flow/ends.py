#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every bound of what a container is made of, tried at its end in bytes and in characters: what is accepted can be started again."""
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import tap

SAFE = (1 << 53) - 1
WIDTHS = {1: "x", 2: "é", 3: "€", 4: "𝄞"}


def environment(pid):
    return dict(v.split("=", 1) for v in pathlib.Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in v)


def uts_name(node, cid):
    return node.ctl("exec", cid, "hostname")[1].strip()


def restarts(node, cid, what):
    report = node.do("container.restart", cid, 60)
    tap.ok(report["state"] == "succeeded" and node.state(cid) == "running", f"{what}: restarted", report.get("error"))
    return host.init_of(node.prefix, cid)


def names(node):
    for n in (63, 64, 65, 100):
        cid, name = node.new_id(), ("n%03d-" % n).ljust(n, "y")
        report = node.do("container.create", cid, image=harness.IMAGE, name=name)
        tap.ok(report["state"] == "succeeded" and node.state(cid) == "running", f"a name of {n}: made and started", report.get("error"))
        restarts(node, cid, f"a name of {n}")
        want = name[:64]
        tap.eq((uts_name(node, cid), (node.root(cid) / "etc/hostname").read_text().strip()), (want, want), "its hostname is what the kernel can hold of it")
        tap.ok(want in (node.root(cid) / "etc/hosts").read_text().split(), "and stands in its hosts")
        renamed = ("r%03d-" % n).ljust(100, "z")
        tap.eq((node.do("container.update", cid, name=renamed)["state"], uts_name(node, cid)), ("succeeded", renamed[:64]), "renamed to one of 100 while it runs")
        restarts(node, cid, "renamed")
        copy = node.new_id()
        report = node.do("container.copy", copy, source_container_id=cid, name=("c%03d-" % n).ljust(100, "c"))
        tap.ok(report["state"] == "succeeded" and (node.root(copy) / "etc/hostname").read_text().strip() == ("c%03d-" % n).ljust(64, "c"), "copied to one of 100", report.get("error"))
        for each in (cid, copy):
            node.do("container.delete", each, force=True)


def values(node):
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="values")
    for width, c in WIDTHS.items():
        key = f"K{width}".ljust(128, "K")
        tap.eq(node.do("env.set", cid, key=key, value=c * 4096)["state"], "succeeded", f"a value of 4096 characters of {width} bytes under a name of 128")
        pid = restarts(node, cid, f"{width} bytes")
        tap.ok(environment(pid).get(key) == c * 4096, "init has it")
    many = {f"V{n:03d}": WIDTHS[4] * 4096 for n in range(256 - len(WIDTHS))}
    for n in range(0, len(many), 42):
        part = dict(list(many.items())[n: n + 42])
        report = node.do("env.merge", cid, vars=part)
        tap.eq(report["state"], "succeeded", f"{len(part)} variables more")
    pid = restarts(node, cid, "256 values of 16 KiB: more than a process can be started with")
    tap.ok(len(environment(pid)) > 50, "init has as many as it can", len(environment(pid)))
    code, out, err = node.ctl("exec", cid, "sh", "-c", "env | wc -l")
    tap.ok(code == 0 and int(out) > 50, "and so has a session", code, out, err)
    node.do("container.delete", cid, force=True)


def numbers(node):
    for what, limits in (("pids", {"pids": 4194304}), ("net_bps", {"net_bps": SAFE}), ("cpu_cores", {"cpu_cores": 1024}), ("memory_bytes", {"memory_bytes": SAFE})):
        cid = node.new_id()
        report = node.do("container.create", cid, image=harness.IMAGE, name=what.replace("_", "-"), limits=limits)
        if tap.ok(report["state"] == "succeeded" or report["error"]["code"] in ("LIMIT_NOT_SUPPORTED", "invalid_params"), f"{what} at its end: taken, or refused with a word", report.get("error")) and report["state"] == "succeeded":
            restarts(node, cid, f"{what} at its end")
        node.do("container.delete", cid, force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        names(node)
        values(node)
        numbers(node)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach of the protocol, and sanitizers are silent")
    tap.done()


main()
