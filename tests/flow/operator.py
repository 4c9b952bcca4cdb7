#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What operators look at: hoodyctl top (a table, JSON, and live on a real terminal), hoodyctl doctor with faults that it must find, and the status log: why containers ended, in pages, kept within bounds."""
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
import host
import local
import tap


def on_terminal(node, keys, seconds=20):
    """Run hoodyctl top on a terminal; press each key when its pattern has been seen. (screen, exit code)"""
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        os.execv(str(harness.BUILD / "agent/hoodyctl"), ["hoodyctl", "--config", str(node.directory / "agent.conf"), "top"])
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    screen, end, since = "", time.monotonic() + seconds * harness.SLOW, 0
    while keys and time.monotonic() < end:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                screen += os.read(fd, 65536).decode(errors="replace")
            except OSError:
                break
        if re.search(keys[0][0], screen[since:], re.S):
            since = len(screen)
            os.write(fd, keys.pop(0)[1].encode())
    _, status = os.waitpid(pid, 0) if not keys else (os.kill(pid, signal.SIGKILL), os.waitpid(pid, 0)[1])
    os.close(fd)
    return screen, os.waitstatus_to_exitcode(status), keys


def top(node):
    code, out, _ = node.ctl("top")
    tap.ok(code == 0 and re.search(r"NAME +STATUS +CPU%", out) and re.search(r"busy +Running", out) and re.search(r"quiet +Running", out), "without a terminal: one table", out)
    rows = {r["name"]: r for r in node.hoodyctl("top")}
    tap.ok(rows["busy"]["cpu_percent"] > 5 > rows["quiet"]["cpu_percent"] and rows["busy"]["memory_bytes"] > 0, "rates of one second", rows)
    screen, code, left = on_terminal(node, [(r"NAME.*busy", "m"), (r"\*", "/"), (r"filter", "quiet\n"), (r"quiet|\d", "q")])
    tap.ok(code == 0 and not left, "on a terminal: sorted, filtered, left", left, screen[-400:])


def doctor(node):
    code, out, _ = node.ctl("doctor")
    tap.ok(code == 0 and "fault" not in out, "a host that is fit", out)
    findings = {f["check"]: f for f in node.hoodyctl("doctor")}
    tap.ok(len(findings) >= 11 and all(f["mend"] for f in findings.values() if f["verdict"] != "ok"), "all that is no good is said with its mending", findings)
    subprocess.run(["nft", "add", "table", "ip", "docker"], check=True)
    subprocess.run(["nft", "add", "chain", "ip", "docker", "FORWARD", "{ type filter hook forward priority 0; policy drop; }"], check=True)
    (node.directory / "state/node.key").chmod(0o644)
    code, out, _ = node.ctl("doctor", "--json")
    bad = {f["check"] for f in json.loads(out) if f["verdict"] == "fault"}
    tap.eq((code, bad), (1, {"nftables", "node key"}), "a foreign table that drops what is forwarded, and a key that others may read")
    subprocess.run(["nft", "delete", "table", "ip", "docker"], check=True)
    (node.directory / "state/node.key").chmod(0o600)


def causes(node, api):
    def ends(what, how, limits=None):
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="ends", limits=limits or {})
        node.ctl("exec", "ends", "sh", "-c", "echo last words >/dev/console")
        seen = node.last_seq()
        how(cid)
        report = node.wait_report("container.status", after=seen, container_id=cid, to_status="stopped")
        log = api.do("GET", f"/containers/{cid}/status-logs?limit=1")["logs"][0]
        tap.eq((report["triggered_by"], log["metadata"], log["to_status"]), ("crash", report["metadata"], "stopped"), f"{what}: reported, and in the log")
        node.do("container.delete", cid, force=True)
        return report["metadata"]

    m = ends("killed", lambda cid: os.kill(host.init_of(node.prefix, cid), signal.SIGKILL))
    if "exit" in m:
        tap.eq((m["cause"], m["exit"]), ("signal", {"signal": 9, "name": "KILL"}), "killed: by which signal")
    else:
        tap.skip("killed: by which signal", "this kernel has no PIDFD_GET_INFO with exit codes (Linux 6.15)")
    tap.ok("last words" in m["console"], "and what the console said", m)

    def hungry(cid):
        group = next(p for mount, unified in host.cgroup_mounts() for p in [mount / node.prefix / cid / "payload"] if (p / "memory.max").exists() or (p / "memory.limit_in_bytes").exists())
        subprocess.run([sys.executable, "-c", "import os,sys\nopen(sys.argv[1],'w').write(str(os.getpid()))\nopen('/proc/self/oom_score_adj','w').write('1000')\nb=[]\nwhile True: b.append(bytearray(1<<20))",
                        str(group / "cgroup.procs")])
        os.kill(host.init_of(node.prefix, cid), signal.SIGKILL)

    m = ends("out of memory", hungry, {"memory_bytes": 64 << 20})
    v1 = any((mount / node.prefix).is_dir() and "memory" in mount.name.split(",") for mount, unified in host.cgroup_mounts() if not unified)
    if v1 and m["cause"] != "oom":
        tap.skip("out of memory: said", "cgroup v1 counts it in the group alone that liblxc has removed by then")
        return
    tap.ok(m["cause"] == "oom" and m["oom_kills"] >= 1, "out of memory: said", m)


def pages(node, api, cid):
    for _ in range(6):
        node.do("container.pause", cid)
        node.do("container.resume", cid)
    data = api.do("GET", f"/containers/{cid}/status-logs?limit=5&page=2")
    tap.ok(data["pagination"]["total"] >= 13 and len(data["logs"]) == 5 and data["pagination"]["page"] == 2, "in pages", data["pagination"])
    times = [x["transition_time"] for x in api.do("GET", f"/containers/{cid}/status-logs?sort_by=transition_time&sort_order=asc&limit=100")["logs"]]
    tap.eq(times, sorted(times), "sorted")
    node.restart(signal.SIGKILL)
    tap.eq(api.do("GET", f"/containers/{cid}/status-logs?limit=5&page=2")["logs"], data["logs"], "and there after a crash")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        api, busy, quiet = local.Local(node), node.new_id(), node.new_id()
        node.do("container.create", busy, image=harness.IMAGE, name="busy", limits={"cpu_cores": 1})
        node.do("container.create", quiet, image=harness.IMAGE, name="quiet")
        work = subprocess.Popen([harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "busy", "sh", "-c", "while :; do :; done"], stdin=subprocess.DEVNULL)
        time.sleep(0.3)
        top(node)
        work.kill()
        work.wait()
        doctor(node)
        causes(node, api)
        pages(node, api, quiet)
        for c in (busy, quiet):
            node.do("container.delete", c, force=True)
        host.poll(lambda: not node.leaks(), 3)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
