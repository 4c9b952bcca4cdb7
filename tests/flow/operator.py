#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What operators look at: hoodyctl top without a terminal (on one: seen.py), hoodyctl doctor with faults that
it must find, and the status log: why containers ended, in pages, kept within bounds."""
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap


def top(node):
    code, out, _ = node.ctl("top")
    tap.ok(
        code == 0 and re.search(r"NAME +STATUS +CPU%", out) and re.search(r"busy +running", out)
        and re.search(r"a-quiet +running", out), "without a terminal: one table", out)
    rows = {r["name"]: r for r in node.hoodyctl("top")}
    tap.ok(rows["busy"]["cpu_percent"] > rows["a-quiet"]["cpu_percent"] and rows["busy"]["memory_bytes"] > 0,
           "rates of one second", rows)


def doctor(node):
    code, out, _ = node.ctl("doctor")
    tap.ok(code == 0 and "fault" not in out, "a host that is fit", out)
    findings = {f["check"]: f for f in node.hoodyctl("doctor")}
    tap.ok(
        len(findings) >= 11 and all(f["mend"] for f in findings.values() if f["verdict"] != "ok"),
        "all that is no good is said with its mending", findings)
    subprocess.run(["nft", "add", "table", "ip", "docker"], check=True)
    subprocess.run(
        ["nft", "add", "chain", "ip", "docker", "FORWARD", "{ type filter hook forward priority 0; policy drop; }"],
        check=True)
    (node.directory / "state/node.key").chmod(0o644)
    code, out, _ = node.ctl("doctor", "--json")
    bad = {f["check"] for f in json.loads(out) if f["verdict"] == "fault"}
    tap.eq((code, bad), (1, {"nftables", "node key"}),
           "a foreign table that drops what is forwarded, and a key that others may read")
    (node.directory / "state/node.key").chmod(0o600)
    mend = next(f["mend"] for f in json.loads(out) if f["check"] == "nftables")
    tap.ok(f"-i {node.interfaces}+ -j ACCEPT" in mend and f"-o {node.interfaces}+ -j ACCEPT" in mend,
           "the mending names this node's links", mend)
    nft(f"add rule ip docker FORWARD iifname \"{node.interfaces}*\" accept; add rule ip docker FORWARD oifname "
        f"\"{node.interfaces}*\" accept"
        )
    tap.eq(verdict(node), "ok", "mended so, it is no fault any more")
    nft("delete table ip docker")
    # firewalld's way: the policy accepts, and the last rule rejects.
    nft("add table inet firewalld; add chain inet firewalld filter_FORWARD { type filter hook forward priority 10; "
        "policy accept; }; add rule inet firewalld filter_FORWARD ct state established,related accept;"
        " add rule inet firewalld filter_FORWARD ct state invalid drop")
    tap.eq(verdict(node), "ok", "a foreign table that drops some packets is no fault")
    nft("add rule inet firewalld filter_FORWARD counter reject with icmpx admin-prohibited")
    tap.eq(verdict(node), "fault", "one that rejects what it does not know is")
    nft("delete table inet firewalld")
    for hook in ("prerouting", "postrouting"):
        nft(f"add table inet other; add chain inet other {hook} {{ type filter hook {hook} priority 10; policy drop; }}"
            )
        tap.eq(verdict(node), "fault", f"one that drops in {hook} is one: what is forwarded passes there")
        nft("delete table inet other")
    nft(f"add table inet other; add chain inet other in {{ type filter hook input priority 0; policy drop; }}")
    tap.eq(verdict(node), "ok", "one that filters what the host itself gets is none")
    nft("delete table inet other")


def nft(script):
    subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True)


def verdict(node, check="nftables"):
    return next(f["verdict"] for f in json.loads(node.ctl("doctor", "--json")[1]) if f["check"] == check)


def faults(node):
    """Each of the other checks, with its fault made for real: in a mount namespace of its own, by another personality,
    by system calls that fail."""
    conf, other = node.directory / "agent.conf", node.directory / "other.conf"

    def finding(check, *wrap, change=None):
        other.write_text(re.sub(*change, conf.read_text(), flags=re.M) if change else conf.read_text())
        done = subprocess.run(
            [str(w) for w in (*wrap, harness.BUILD / "agent/hoodyctl", "--config", other, "doctor", "--json")],
            capture_output=True, text=True)
        f = next(f for f in json.loads(done.stdout) if f["check"] == check)
        return f["verdict"], f["found"], f["mend"]

    def in_mounts(script):
        return "unshare", "-m", "sh", "-c", f"{script}; exec \"$@\"", "sh"

    def is_said(what, verdict, words, seen):
        tap.ok(seen[0] == verdict and words in seen[1] and (verdict == "ok") == (seen[2] is None), what, seen)

    is_said("an old kernel", "fault", "Linux 2.6", finding("kernel", "setarch", "--uname-2.6"))
    is_said("a system call that is missing", "fault", "openat2 is missing",
            finding("system calls", harness.BUILD / "tests/tools/failnth", "openat2", "1", "ENOSYS", "--"))
    is_said(
        "memory files that may not be executed", "warning", "vm.memfd_noexec is 2",
        finding("system calls", "unshare", "-fp", "--mount-proc", "sh", "-c",
                "echo 2 >/proc/sys/vm/memfd_noexec; exec \"$@\"", "sh"))
    unified = next(mount for mount, is_unified in host.cgroup_mounts() if is_unified)
    is_said("no cgroup2 tree", "fault", "no cgroup2", finding("cgroups", *in_mounts(f"umount -l {unified}")))
    fake = node.directory / "subuid"
    fake.write_text("somebody:90000000:100000000\n")
    is_said(
        "ids that somebody else may get", "warning", "gives somebody the ids",
        finding("user ids", *in_mounts(f"mount --bind {fake} /etc/subuid"), change=(r"^IdBase=.*", "IdBase=100000000")))
    fake.write_text("somebody:100000:65536\nroot:1000000:1000000000\n")
    is_said(
        "and ranges that are in nobody's way", "ok", "from 100000000 on",
        finding("user ids", *in_mounts(f"mount --bind {fake} /etc/subuid"), change=(r"^IdBase=.*", "IdBase=100000000")))
    for kind, line in (("passwd", "alice:x:100070000:100::/:/bin/sh"), ("group", "alice:x:100070000:")):
        fake.write_text(pathlib.Path(f"/etc/{kind}").read_text() + line + "\n")
        is_said(
            f"an id of {kind}", "warning", f"{kind} gives alice the ids 100070000 to 100070000",
            finding("user ids", *in_mounts(f"mount --bind {fake} /etc/{kind}"),
                    change=(r"^IdBase=.*", "IdBase=100000000")))
    kernel_wide(node, finding, in_mounts, is_said)
    full = node.directory / "full"
    full.mkdir()
    is_said(
        "a pool that is full", "warning", "less than 10 %",
        finding(
            "pool",
            *in_mounts(f"mount -t tmpfs -o size=1m t {full}; dd if=/dev/zero of={full}/f bs=1k count=950 2>/dev/null"),
            change=(r"^Pool=.*", f"Pool={full}")))
    at_pool = lambda script: finding("pool", *in_mounts(script), change=(r"^Pool=.*", f"Pool={full}"))
    used_up = f"mount -t tmpfs -o nr_inodes=100 t {full}; seq 95 | sed 's#^#{full}/#' | xargs touch"
    is_said("a pool with room, but for no more files", "warning", "but room for 4 more files, less than 10 %",
            at_pool(used_up))
    at_state = lambda script: finding("state", *in_mounts(script),
                                      change=(r"^StateDirectory=.*", f"StateDirectory={full}"))
    is_said("a state on a disk that is full", "fault", "the agent ends when it can't write its state",
            at_state(f"mount -t tmpfs -o size=1m t {full}"))
    is_said("on one that has no more inodes", "fault", "has no more inodes", at_state(used_up))
    is_said("on one that the kernel has shut", "fault", "can't be written: its file system is read-only",
            at_state(f"mount -t tmpfs -o ro t {full}"))
    is_said("on one with room", "ok", " free", at_state("true"))
    is_said("a state that is not there", "warning", "/nowhere",
            finding("state", change=(r"^StateDirectory=.*", "StateDirectory=/nowhere")))
    is_said("a pool where nothing may be executed", "fault", "lets no program be executed",
            at_pool(f"mount -t tmpfs -o noexec t {full}"))
    is_said("a pool where nobody becomes another user", "warning", "sudo(8)",
            at_pool(f"mount -t tmpfs -o nosuid t {full}"))
    is_said("a pool that the kernel has shut", "fault", "can't be written: its file system is read-only",
            at_pool(f"mount -t tmpfs -o ro t {full}"))
    is_said(
        "a pool on overlay", "fault", "can't be mounted with a container's ids",
        at_pool(
            f"mount -t tmpfs t {full}; mkdir {full}/l {full}/u {full}/w {full}/m; mount -t overlay -o "
            f"lowerdir={full}/l,upperdir={full}/u,workdir={full}/w o {full}/m; mount --move {full}/m {full}"
        ))
    is_said("and one on the disk that can do both", "ok", " free", at_pool("true"))
    is_said("a pool that is not there", "warning", "/nowhere", finding("pool", change=(r"^Pool=.*", "Pool=/nowhere")))
    is_said("an agent that does not answer", "fault", "does not answer",
            finding("agent", change=(r"^RuntimeDirectory=.*", f"RuntimeDirectory={full}")))
    node.api.stop()
    tap.ok(host.poll(lambda: finding("control API")[0] == "fault", 20), "an API that is out of reach",
           finding("control API"))
    node.api.start()
    node.agent.send_signal(signal.SIGHUP) # now, and not when its back-off is over
    tap.ok(host.poll(lambda: finding("control API")[0] == "ok", 60, 0.1), "and one that answers",
           node.hoodyctl("status")["control"])
    keys = node.directory / "trusted-keys.json"
    good = keys.read_text()
    for days, want in ((3, "warning"), (60, "ok"), (-1, "fault")):
        v = json.loads(good)
        for k in v["keys"]:
            k["not_after"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + days * 86400 + 60))
        keys.write_text(json.dumps(v))
        tap.eq(finding("trusted keys")[0], want, f"a trusted key with {days} days to go")
    node.wait(node.api.ask("rotate", kid="v2")["id"])
    tap.ok(finding("trusted keys")[1].startswith("version 2,"), "keys that came by an order are those that count",
           finding("trusted keys"))
    keys.write_text(good)
    tap.ok(finding("trusted keys")[1].startswith("version 2,"), "whatever the file has", finding("trusted keys"))
    keys.unlink()
    is_said("no keys, and nobody who knows others", "fault", "there is no ",
            finding("trusted keys", change=(r"^RuntimeDirectory=.*", f"RuntimeDirectory={full}")))
    keys.write_text(good)
    forward = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    forward.write_text("0")
    tap.eq(finding("forwarding")[0], "warning", "forwarding that is off")
    forward.write_text("1")
    key = node.directory / "state/node.key"
    key.rename(key.with_suffix(".away"))
    tap.eq(finding("node key")[0], "warning", "a node key that is not there")
    key.with_suffix(".away").rename(key)
    for check, seen in ((c, finding(c)) for c in ("node key", "trusted keys")):
        tap.ok(re.search(r"\d+ (s|min|h|d) old$|\d keys? without an end$", seen[1]), f"{check}: its age is told", seen)
    synchronised = subprocess.run([
        sys.executable, "-c",
        "import ctypes; b = (ctypes.c_char * 512)(); ctypes.CDLL(None).adjtimex(b); import struct; "
        "print(struct.unpack_from('i', b, 40)[0] & 0x40)"
    ], capture_output=True, text=True).stdout.strip()
    tap.eq(finding("clock")[0], "warning" if synchronised != "0" else "ok", "the clock is as the kernel has it")


def kernel_wide(node, finding, in_mounts, is_said):
    """What the kernel counts for all: too little for the containers that there are, used up, and as it is here."""
    number, pool = node.directory / "number", node.directory / "crowded"
    # In the host's namespace, which alone has the bounds of neighbours.
    outside = os.environ.get("HOODY_TEST_REAPER") or os.getppid()
    host_net = ("nsenter", f"--net=/proc/{outside}/ns/net")
    counts = {
        "terminals": ("kernel/pty/max", 1030, ()), "asynchronous I/O": ("fs/aio-max-nr", 100, ()),
        "open files": ("fs/file-max", 8000, ()), "neighbours": ("net/ipv4/neigh/default/gc_thresh3", 128, host_net),
        "neighbours of IPv6": ("net/ipv6/neigh/default/gc_thresh3", 128, host_net)
    }
    for check, (path, few, where) in counts.items():
        seen = finding(check, *where)
        if "not shown here" in seen[1]:
            tap.skip(check, "the tests run in a network namespace that isn't the host's")
            continue
        tap.ok(re.search(r"the kernel has \d+ .* of which \d+ are in use", seen[1]), f"{check}: told as it is", seen)
        number.write_text(f"{few}\n")
        is_said(f"{check}: too few for the containers that there are", "warning", "nothing bounds one container",
                finding(check, *where, *in_mounts(f"mount --bind {number} /proc/sys/{path}")))
    tap.eq(finding("neighbours")[:2], ("ok", "how many neighbours of IPv4 the kernel has is not shown here"),
           "in another network namespace nothing is guessed")
    number.write_text("60000\n")
    in_use = in_mounts(f"mount --bind {number} /proc/sys/fs/aio-nr")
    is_said("what is nearly used up", "warning", "60000 are in use", finding("asynchronous I/O", *in_use))
    for i in range(70):
        (pool / "containers" / f"{i:024x}").mkdir(parents=True)
    number.write_text("65536\n")
    is_said(
        "what would do for fewer containers", "warning", "65536 requests",
        finding("asynchronous I/O", *in_mounts(f"mount --bind {number} /proc/sys/fs/aio-max-nr"),
                change=(r"^Pool=.*", f"Pool={pool}")))
    number.write_text("1000000\n")
    is_said("keys that may take the host's memory", "warning", "MiB of keys",
            finding("keys", *in_mounts(f"mount --bind {number} /proc/sys/kernel/keys/maxbytes")))
    number.write_text("100\n")
    is_said("too few namespaces of one kind", "fault", "the kernel lets a user have 100",
            finding("namespaces", *in_mounts(f"mount --bind {number} /proc/sys/user/max_net_namespaces")))


def causes(node, api):
    def ends(what, how, limits=None):
        cid = node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="ends", limits=limits or {})
        node.ctl("exec", "ends", "sh", "-c", "echo letzte Wörter >/dev/console")
        seen = node.last_seq()
        how(cid)
        report = node.wait_report("container.status", after=seen, container_id=cid, to_status="stopped")
        log = api.do("GET", f"/containers/{cid}/status-logs?limit=1")["logs"][0]
        tap.eq((report["triggered_by"], log["metadata"], log["to_status"]), ("crash", report["metadata"], "stopped"),
               f"{what}: reported, and in the log")
        node.do("container.delete", cid, force=True)
        return report["metadata"]

    m = ends("killed", lambda cid: os.kill(host.init_of(node.prefix, cid), signal.SIGKILL))
    if "exit" in m:
        tap.eq((m["cause"], m["exit"]), ("signal", {"signal": 9, "name": "KILL"}), "killed: by which signal")
    else:
        tap.skip("killed: by which signal", "this kernel has no PIDFD_GET_INFO with exit codes (Linux 6.15)")
    tap.ok("letzte Wörter" in m["console"], "and what the console said", m)
    tap.ok("log" not in m, "liblxc has no error to tell of", m)

    def hungry(cid):
        group = next(p for mount, unified in host.cgroup_mounts() for p in [mount / node.prefix / cid / "payload"]
                     if (p / "memory.max").exists() or (p / "memory.limit_in_bytes").exists())
        subprocess.run([
            sys.executable, "-c",
            "import os,sys\nopen(sys.argv[1],'w').write(str(os.getpid()))\n"
            "open('/proc/self/oom_score_adj','w').write('1000')\nb=[]\nwhile True: b.append(bytearray(1<<20))",
            str(group / "cgroup.procs")
        ])
        node.agent.send_signal(signal.SIGSTOP) # so that liblxc's monitor is first, as it may be
        os.kill(host.init_of(node.prefix, cid), signal.SIGKILL)
        tap.ok(host.poll(lambda: not group.exists(), 10), "the group in which it was counted has gone")
        node.agent.send_signal(signal.SIGCONT)

    m = ends("out of memory", hungry, {"memory_bytes": 64 << 20})
    tap.ok(m["cause"] == "oom" and m["oom_kills"] >= 1, "out of memory: said", m)


def pages(node, api, cid):
    for _ in range(6):
        node.do("container.pause", cid)
        node.do("container.resume", cid)
    data = api.do("GET", f"/containers/{cid}/status-logs?limit=5&page=2")
    tap.ok(data["pagination"]["total"] >= 13 and len(data["logs"]) == 5 and data["pagination"]["page"] == 2, "in pages",
           data["pagination"])
    times = [
        x["transition_time"] for x in api.do(
            "GET", f"/containers/{cid}/status-logs?sort_by=transition_time&sort_order=asc&limit=100")["logs"]
    ]
    tap.eq(times, sorted(times), "sorted")
    for by in ("to_status", "from_status"):
        words = [
            x[by]
            for x in api.do("GET", f"/containers/{cid}/status-logs?sort_by={by}&sort_order=desc&limit=100")["logs"]
            if x[by]
        ]
        tap.eq(words, sorted(words, reverse=True), f"by {by}, downwards")
    tap.eq(len(api.do("GET", f"/containers/{cid}/status-logs")["logs"]), 10, "ten where nobody says how many")
    tap.eq([
        api.ask("GET", f"/containers/{cid}/status-logs?{q}")[0]
        for q in ("limit=101", "limit=0", "page=0", "sort_by=id;drop", "sort_order=up")
    ], [400] * 5, "what is out of bounds is refused")
    tap.eq(api.do("GET", f"/containers/{cid}/status-logs?page=1000")["logs"], [], "a page behind the last is empty")
    entry = api.do("GET", f"/containers/{cid}/status-logs?limit=1")["logs"][0]
    tap.eq((sorted(entry), entry["triggered_by"], entry["metadata"]["command"]), ([
        "container_id", "duration_ms", "from_status", "id", "metadata", "to_status", "transition_time", "triggered_by"
    ], "user", "resume"), "an entry as it is published")
    node.restart(signal.SIGKILL)
    tap.eq(
        api.do("GET", f"/containers/{cid}/status-logs?limit=5&page=2")["logs"], data["logs"], "and there after a crash")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        api, busy, quiet = local.Local(node), node.new_id(), node.new_id()
        node.do("container.create", busy, image=harness.IMAGE, name="busy", limits={"cpu_cores": 1})
        node.do("container.create", quiet, image=harness.IMAGE, name="a-quiet")
        work = subprocess.Popen([
            harness.BUILD / "agent/hoodyctl", "--config", node.directory / "agent.conf", "exec", "busy", "sh", "-c",
            "while :; do :; done"
        ], stdin=subprocess.DEVNULL)
        host.poll(lambda: {r["name"]: r for r in node.hoodyctl("top")}["busy"]["cpu_percent"] > 5, 20)
        top(node)
        work.kill()
        work.wait()
        doctor(node)
        faults(node)
        causes(node, api)
        pages(node, api, quiet)
        for c in (busy, quiet):
            node.do("container.delete", c, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    tap.done()


main()
