# SPDX-License-Identifier: GPL-2.0-or-later
"""What a hostile container does: each attack a command that its root runs, of so many tries, which prints how many came
through; and all of them at once, by an init that is deaf (storm.c)."""
import collections
import os
import pathlib
import struct
import subprocess

import cgroups
import harness
import host

HERE = pathlib.Path(__file__).parent
PROGRAMS = ("storm", "noise", "counts", "leases")
PORT = 8000 # where Outside listens
Attack = collections.namedtuple("Attack", "name tries command bound")
ROW = struct.Struct("QQQ") # storm.c
FAR = "10.77.0.1" # where nobody is

# In a namespace of mounts that ends with it, and nothing is left.
ALONE = "unshare -m sh -c '{}'"
CLEAR = "; cd /mnt && rmdir c* 2>/dev/null"
FREEZE = cgroups.MOUNT + ("mkdir -p f; sleep 100 & p=$!; echo $p >f/cgroup.procs; n=0; while [ $n -lt 100 ] && echo 1 "
                          ">f/cgroup.freeze && echo 0 >f/cgroup.freeze; do n=$((n+1)); done; kill $p; echo $n; wait; "
                          "rmdir f")
FLAP = ("n=0; while [ $n -lt 20 ] && ip link set eth0 down && ip link set eth0 up; do n=$((n+1)); done; ip route add "
        "{0} dev eth0; ip route add default via {0}; echo $n")
# What a round that was killed has left goes first.
LINKS = ("i=0; while [ $i -lt 50 ] && ip link del storm$i; do i=$((i+1)); done 2>/dev/null; "
         "n=0; while [ $n -lt 50 ] && ip link add storm$n type bridge; do n=$((n+1)); done 2>/dev/null; echo $n; i=0; "
         "while [ $i -lt $n ]; do ip link del storm$i; i=$((i+1)); done")
FILL = "dd if=/dev/zero of={0} bs=1M count={1} {2} 2>/dev/null; echo $(($(wc -c <{0}) >> 20)); rm {0}"
CONSOLE = "n=0; while [ $n -lt 20 ] && timeout 5 cat /bin/busybox >/dev/console; do n=$((n+1)); done; echo $n"
LEASED = " ".join(f"/storm/leased/{n}" for n in range(20))
LEASES = "mkdir -p /storm/leased; touch {1}; timeout -s KILL 5 /storm/leases {0} {1}"
RUN = "n=0; while [ $n -lt 100 ] && /bin/true; do n=$((n+1)); done; echo $n"
BOUND = "the kernel's own"


def table(gateway, outside, disk_mib, leases="polite"):
    """All of them. What bounds each is a setting's name, or why there is none."""
    def counts(kind, tries, bound):
        return Attack(kind, tries, f"/storm/counts {kind} {tries}", bound)

    namespaces = [
        counts(k, 300, "Containers.NamespacesMax") for k in ("user", "pid", "uts", "ipc", "mnt", "cgroup")
    ] + [counts("net", 300, "Containers.NetNamespacesMax")]
    watched = [
        counts(k, 300, "Containers.InotifyMax") for k in ("inotify", "inotify-below", "fanotify")
    ] + [counts("watch", 1000, "Containers.WatchesMax")]
    return [
        counts("task", 1000, "limits.pids, Containers.TasksMax"), *namespaces, *watched,
        Attack("cgroups", 3000, ALONE.format(cgroups.WIDE.format(3000) + CLEAR), "Containers.CgroupsMax"),
        Attack("freeze", 100, ALONE.format(FREEZE), "its own groups alone"),
        Attack("flows", 10000, f"/storm/noise flows 10000 {gateway}", "Network.MaxFlows"),
        Attack("forgotten", 500, f"/storm/noise forgotten 500 {outside} {PORT}", "Network.MaxFlows"),
        Attack("neighbours", 64, f"ip route replace {FAR}/18 dev eth0; /storm/noise spread 64 {FAR}",
               "none: net.ipv4.neigh.default.gc_thresh3 is the host's"),
        Attack("raw", 2000, "/storm/noise raw 2000", "Network.MaxFlows, the table"),
        Attack("flap", 20, FLAP.format(gateway), "limits.cpu_cores"),
        Attack("links", 50, LINKS, "limits.memory_bytes"),
        Attack("console", 20, CONSOLE, "a quarter of a processor, 128 KiB"),
        Attack("ramdisk", 200, FILL.format("/ramdisk/fill", 200, ""), "the tmpfs's size, limits.memory_bytes"),
        Attack("disk", 2 * disk_mib, FILL.format("/fill", 2 * disk_mib, "conv=fsync"), "limits.disk_bytes"),
        Attack("memory", 1, "dd if=/dev/zero of=/dev/null bs=1G count=1 iflag=fullblock 2>&- && echo 1 || echo 0",
               "limits.memory_bytes, Containers.MemoryMax"),
        Attack("leases", 20, LEASES.format(leases, LEASED), "fs.lease-break-time, its own"),
        Attack("signals", 20000, "/storm/noise signals 20000", "RLIMIT_SIGPENDING of its user namespace"),
        Attack("mounts", 2000, "/storm/noise mounts 2000", "fs.mount-max of each namespace"),
        Attack("copies", 200, "/storm/noise copies 200", "refused"),
        Attack("files", 3000, "/storm/noise files 3000", "RLIMIT_NOFILE of each process; fs.file-max is all's"),
        Attack("keys", 300, "/storm/noise keys 300", "kernel.keys.maxkeys of each id"),
        Attack("spin", 8, "/storm/noise spin 8", "limits.cpu_cores"),
        Attack("run", 100, RUN, "limits.cpu_cores"),
    ]


def install(root):
    """The programs."""
    place = root / "storm"
    place.mkdir(exist_ok=True)
    for program in PROGRAMS:
        subprocess.run(["gcc", "-static", "-O1", "-o", place / program, HERE / f"{program}.c"], check=True)


def arm(root, attacks):
    """The init that makes these, from its next start on."""
    place = root / "storm"
    (place / "list").write_text("".join(f"{a.tries} {a.command}\n" for a in attacks))
    init = root / "sbin/init"
    init.unlink()
    init.write_bytes((place / "storm").read_bytes())
    init.chmod(0o755)


def tally(node, cid, attacks):
    """{name: (rounds, tries, came through)} since its init was started; None when it has none."""
    init = host.init_of(node.prefix, cid)
    try:
        fd = next(fd for fd in os.listdir(f"/proc/{init}/fd")
                  if os.readlink(f"/proc/{init}/fd/{fd}").startswith("/memfd:storm"))
        data = pathlib.Path(f"/proc/{init}/fd/{fd}").read_bytes()
    except (OSError, StopIteration):
        return None
    return {a.name: ROW.unpack_from(data, i * ROW.size) for i, a in enumerate(attacks)}


def metrics(node):
    """The page's lines that have no labels."""
    page = subprocess.run(["curl", "-s", "--unix-socket", node.directory / "run/debug.sock", "http://node/metrics"],
                          capture_output=True, text=True, timeout=60 * harness.SLOW, check=True).stdout
    return {w[0]: float(w[1]) for w in map(str.split, page.splitlines()) if len(w) == 2}
