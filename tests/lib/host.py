# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel says about containers. Nothing here asks the agent, liblxc or a log: tests compare those with
this."""
import fcntl
import os
import pathlib
import signal
import socket
import struct
import subprocess
import time

from slow import SLOW

# who orphans are handed to: tests/lib/supervise.py stands in for pid 1
REAPER = os.environ.get("HOODY_TEST_REAPER", "1")


def cgroup_mounts():
    """[(mount point, is cgroup2)]"""
    found = []
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind = line.split()[:3]
        if kind in ("cgroup", "cgroup2"):
            found.append((pathlib.Path(where), kind == "cgroup2"))
    return found


def favors_moves():
    """Is cgroup2 mounted with favordynmods, as each agent has it? It is one for all."""
    return "favordynmods" in cgroup2()[1]


def cgroup2():
    """(mount point, its options); (None, []) where it is not mounted."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, options = line.split()[:4]
        if kind == "cgroup2":
            return where, options.split(",")
    return None, []


def favor_moves(favor):
    """Have cgroup2's options say so. From Linux 6.18 on what they once had the kernel do it does until it boots
    (cgroup_favor_dynmods in kernel/cgroup/cgroup.c): no host is again as one is that has had no agent."""
    where, options = cgroup2()
    options = [o for o in options if o != "favordynmods"] + ["favordynmods"] * favor
    subprocess.run(["mount", "-t", "cgroup2", "-o", f"remount,{','.join(options)}", "none", where], check=True)


def below(top):
    """A directory and those below it; os.walk passes over what vanishes meanwhile."""
    return [pathlib.Path(d) for d, _, _ in os.walk(top)]


def cgroup_dirs(prefix):
    """Every directory of the prefix and below, in every hierarchy."""
    return [d for mount, _ in cgroup_mounts() for d in below(mount / prefix)]


def procs_of(directory):
    try:
        return [int(p) for p in (directory / "cgroup.procs").read_text().split()]
    except (OSError, ValueError):
        return []


def pids_of(prefix, cid=None, leaf=None):
    """Processes in the container's cgroups, by the cgroup2 tree."""
    for mount, unified in cgroup_mounts():
        if unified:
            top = mount / prefix / (cid or "") / (leaf or "")
            return sorted(p for d in below(top) for p in procs_of(d))
    return []


def status(pid):
    """/proc/PID/status as a dictionary; empty when it is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {k: v.strip() for k, _, v in (line.partition(":") for line in lines)}


def age_s(pid):
    """For how long it has run (proc_pid_stat(5): field 22, in ticks since the boot)."""
    ticks = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def exe(pid):
    """The program that it runs, or None."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def command(pid):
    """Its words, each with a NUL; empty when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_alive(pid):
    return status(pid).get("State", "Z")[0] not in "ZX"


def init_of(prefix, cid):
    """The container's init: the first process of a pid namespace of its own, or None."""
    for pid in pids_of(prefix, cid, "payload"):
        st = status(pid)
        if st.get("NSpid", "").split()[-1:] == ["1"] and len(st["NSpid"].split()) > 1 and st["State"][0] not in "ZX":
            return pid
    return None


def monitor_of(prefix, cid):
    """liblxc's monitor. A start moves the worker into its group, too, for as long as that has not ended."""
    return next(
        (p for p in pids_of(prefix, cid, "monitor") if not status(p).get("Name", "hoody-").startswith("hoody-")), None)


def group_file(prefix, cid, *names, leaf="payload"):
    """The text of the first of these files that a hierarchy has in the container's group; None: none has."""
    paths = (mount / prefix / cid / leaf / name for mount, _ in cgroup_mounts() for name in names)
    return next((p.read_text() for p in paths if p.exists()), None)


def is_frozen(prefix, cid):
    for mount, unified in cgroup_mounts():
        path = mount / prefix / cid / "payload"
        try:
            if unified and "frozen 1" in (path / "cgroup.events").read_text():
                return True
            if not unified and (path / "freezer.state").read_text().startswith("FROZEN"):
                return True
        except OSError:
            pass
    return False


def mounts_below(path):
    return [
        line.split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        if line.split()[4].startswith(str(path))
    ]


def links():
    return sorted(name for _, name in socket.if_nameindex())


def children(pid, comm=None):
    """Live children of a process, by /proc."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            text = pathlib.Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        if int(rest[1]) == pid and rest[0] not in "ZX" and (comm is None or name == comm):
            found.append(int(entry))
    return sorted(found)


def switches(pid):
    """Voluntary context switches of all threads: each is a time that it went to sleep, so a time that it had woken
    up."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def cpu_s(pid):
    """Seconds of processor time, all threads'."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Resident, anonymous and proportional bytes."""
    rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {k: int(v.split()[0]) * 1024 for k, _, v in (line.partition(":") for line in rollup.splitlines()[1:])}
    return {"rss": kib["Rss"], "pss": kib["Pss"], "anonymous": kib["Anonymous"]}


def poll(condition, timeout_s, every_s=0.002):
    """Wait for a condition that has no event to wait for (the kernel's files); its last value. The time is a quiet
    machine's."""
    end = time.monotonic() + timeout_s * SLOW
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(every_s)
    return value


def take_turns(run, names):
    """Those containers' (agent/worker/worker_turn): their jobs wait until what is returned is closed."""
    f = open(run / "turns", "w")
    for name in names:
        place = 0xCBF29CE484222325
        for c in name.encode():
            place = (place ^ c) * 0x100000001B3 & (1 << 64) - 1
        fcntl.fcntl(f, fcntl.F_OFD_SETLKW,
                    struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, place & (1 << 62) - 1, 1, 0))
    return f


def clear(prefix):
    """Kill and remove whatever a failed test left below its own prefix."""
    for mount, unified in cgroup_mounts():
        for path in (mount / prefix).rglob("freezer.state") if not unified else ():
            path.write_text("THAWED")
    for pid in pids_of(prefix):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    poll(lambda: not pids_of(prefix), 5)
    for path in sorted(cgroup_dirs(prefix), key=lambda p: -len(p.parts)):
        try:
            path.rmdir()
        except OSError:
            pass
