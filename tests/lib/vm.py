# SPDX-License-Identifier: GPL-2.0-or-later
"""A stock Debian kernel in QEMU, for what the kernel below us lacks (project quotas, cgroup v2 alone), and a whole
Debian with systemd that may reboot.

    vm.run(["python3", "tests/kernel/quota.py"], seconds=600)    # (exit status, output)
    vm.boots("tests/system/reboot.sh", seconds=600)              # the same; run anew at each boot, until it writes its
        status
    with vm.Machine("debian12") as m:                            # a stock Debian that knows nothing of us, on the
        network 10.0.2.0/24 whose 10.0.2.2 is this process's loopback
        m.must("apt-get install …")                              # what it printed
        m.cut()                                                  # the power
        m.start()                                                # the same disk again

The disks are made once (mmdebstrap) and kept beside the builds; each run starts from one anew. The checkout is seen
under its own path, read-only, by 9p, save by a Machine."""
import hashlib
import math
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

from slow import BUILD, SLOW, TOP

CACHE = TOP / "build-vm"
PACKAGES = """linux-image-amd64 kmod python3 openssl procps iproute2 busybox-static apparmor lxc curl xz-utils zstd
    rsync attr acl libcap2-bin
    btrfs-progs xfsprogs e2fsprogs libsodium23 libjansson4 libcurl4 libsystemd0 libsqlite3-0 libseccomp2 libinih1 liblxc1
    libarchive13 libbtrfsutil1 libmnl0 libnftnl11 libnl-3-200 libnl-route-3-200 nftables conntrack libmicrohttpd12
    libncursesw6 libtinfo6 systemd systemd-sysv udev dbus jq ca-certificates""".split()
# The first process of a machine without systemd.
INIT = """#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm /job
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t securityfs securityfs /sys/kernel/security
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -o remount,rw /
ip link set lo up
modprobe -a 9pnet_virtio 9p loop
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576 job /job
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
sh /job/run >/job/output 2>&1 </dev/null
echo $? >/job/status
sync
echo o >/proc/sysrq-trigger
sleep 60
"""
# What a machine with systemd runs at each boot.
JOB = """[Unit]
Description=The test
After=multi-user.target dbus.service
[Service]
Type=simple
Environment=HOME=/root LANG=C.UTF-8
ExecStartPre=/bin/mkdir -p /job
ExecStartPre=/sbin/modprobe -a 9pnet_virtio 9p loop
ExecStartPre=/bin/mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576 job /job
ExecStart=/bin/sh -c 'sh /job/run >>/job/output 2>&1 </dev/null'
[Install]
WantedBy=multi-user.target
"""
INITRD = "MODULES=list\\nCOMPRESS=zstd\\n"
MODULES = "virtio_pci\\nvirtio_blk\\next4\\n"
# What every Debian host has, more or less; and, to be had from a repository beside it, what our package depends on or
# is used with.
STOCK = """linux-image-amd64 kmod systemd systemd-sysv udev dbus apt ifupdown apparmor iproute2 procps""".split()
WANTED = """ca-certificates jq busybox-static nftables lxcfs chrony libsodium23 libjansson4 libcurl4 libsystemd0
    libsqlite3-0 libseccomp2 libinih1 liblxc1 liblxc-common libarchive13 libbtrfsutil1 libmicrohttpd12 zlib1g libzstd1 libmnl0
    libnftnl11 libnl-3-200 libnl-route-3-200 libncursesw6 libtinfo6""".split()
# What is asked of a Machine, by its own job: /job/N.ask is run, its output is /job/N.out, its status /job/N.rc.
ANSWER = """[Unit]
Description=The test
After=multi-user.target
[Service]
Environment=HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
ExecStartPre=/bin/mkdir -p /job
ExecStartPre=/sbin/modprobe -a 9pnet_virtio 9p
ExecStartPre=/bin/mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576 job /job
ExecStart=/bin/sh -c 'n=$(cat /job/next); while :; do if [ -e /job/$n.ask ]; then sh /job/$n.ask >/job/$n.out 2>&1 </dev/null; echo $? >/job/$n.tmp; mv /job/$n.tmp /job/$n.rc; n=$((n + 1)); else sleep 0.1; fi; done'
KillMode=process
[Install]
WantedBy=multi-user.target
"""
PATIENCE = 3 * SLOW # what a bound on time is multiplied by: in emulation, beside other tests
SUITES = {"debian12": "bookworm", "debian13": "trixie"}


def _make(key, recipe):
    """The directory of a disk, made by recipe(directory) when it is missing."""
    where = CACHE / hashlib.sha256(repr(key).encode()).hexdigest()[:12]
    if not (where / "disk").exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-", dir=CACHE) as d:
            d = pathlib.Path(d)
            names = recipe(d)
            (d / "root").mkdir()
            subprocess.run(["tar", "-C", d / "root", "-xpf", d / "root.tar", "--exclude=./dev/*"], check=True)
            subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", d / "root", d / "disk", "4G"], check=True)
            where.mkdir(exist_ok=True)
            for name in (*names, "disk"): # the disk is last: it says that all is there
                (d / name).rename(where / name)
    return where


def _mmdebstrap(d, suite, packages, hook, *more):
    place = '"$1/etc/initramfs-tools'
    early = (f'mkdir -p {place}/conf.d"; printf "{INITRD}" >{place}/conf.d/hoody"; '
             f'printf "{MODULES}" >{place}/modules"')
    subprocess.run([
        "mmdebstrap", *more, "--include=" + ",".join(packages), f"--essential-hook={early}",
        f'--customize-hook={hook}; cp -L "$1/vmlinuz" "$1/initrd.img" {d}/', suite, d / "root.tar"
    ], check=True, stdout=sys.stderr)


def _tools():
    """Where the disk of the tests' own tools is."""
    def recipe(d):
        (d / "init").write_text(INIT)
        (d / "job").write_text(JOB)
        _mmdebstrap(
            d, "bookworm", PACKAGES,
            f'install -m 0755 {d}/init "$1/sbin/hoody-test"; install -m 0644 {d}/job '
            '"$1/etc/systemd/system/hoody-job.service"; chroot "$1" systemctl -q enable hoody-job.service',
            "--variant=minbase")
        return "vmlinuz", "initrd.img"
    return _make((PACKAGES, INIT, JOB, INITRD, MODULES), recipe)


def _stock(kind):
    """Where the disk of a stock Debian is, with a directory of packages that it could install."""
    def recipe(d):
        (d / "job").write_text(ANSWER)
        (d / "repository").mkdir()
        (d / "interfaces").write_text(
            "auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet static\n\taddress 10.0.2.15/24\n\tgateway "
            "10.0.2.2\n"
        )
        hook = (
            f'install -m 0644 {d}/job "$1/etc/systemd/system/hoody-job.service"; install -m 0644 {d}/interfaces '
            '"$1/etc/network/interfaces"; chroot "$1" systemctl -q enable hoody-job.service; '
            'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq --yes --no-install-recommends -o '
            f'Dir::Cache::archives={d}/repository --download-only install {" ".join(WANTED)}; '
            'echo update_initramfs=no >"$1/etc/initramfs-tools/update-initramfs.conf"; '
            'rm -f "$1/etc/apt/sources.list" "$1"/etc/apt/sources.list.d/*')
        _mmdebstrap(d, SUITES[kind], STOCK, hook, "--variant=important")
        for extra in ("lock", "partial"):
            shutil.rmtree(d / "repository" / extra, ignore_errors=True)
            (d / "repository" / extra).unlink(missing_ok=True)
        return "vmlinuz", "initrd.img", "repository"
    return _make((kind, STOCK, WANTED, ANSWER, INITRD, MODULES), recipe)


# cache=unsafe spares our disk the guest's flushes, and no cut is the milder for it: what the guest has written is in
# our page cache, which outlives a killed QEMU either way.
def _qemu(where, disk, job, memory, append, *more):
    return [
        "qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-accel", "tcg,thread=multi", "-smp", "2", "-m", memory,
        "-nographic", *more, "-kernel", where / "vmlinuz", "-initrd", where / "initrd.img", "-append",
        f"root=/dev/vda rw console=ttyS0 quiet panic=-1 no_timer_check {append}", "-drive",
        f"file={disk},format=raw,if=virtio,cache=unsafe", "-virtfs",
        f"local,path={job},mount_tag=job,security_model=none"
    ]


def _machine(script, init, more, seconds, memory, files=()):
    where = _tools()
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-vm-") as job:
        job = pathlib.Path(job)
        for path in files:
            shutil.copy(path, job)
        (job / "run").write_text(f"""mkdir -p {TOP}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose tree {TOP} || exit 125
cd {TOP}
export top_srcdir={TOP} top_builddir={BUILD} PYTHONDONTWRITEBYTECODE=1 HOODY_IN_VM=1 HOODY_TEST_SLOW={math.ceil(PATIENCE)}
{script}
""")
        machine = _qemu(where, f"{where}/disk", job, memory, init, "-nic", "none", "-snapshot", "-virtfs",
                        f"local,path={TOP},mount_tag=tree,security_model=none,readonly=on", *more)
        try:
            console = subprocess.run(machine, stdin=subprocess.DEVNULL, capture_output=True,
                                     timeout=seconds * SLOW).stdout
        except subprocess.TimeoutExpired as e:
            console = (e.stdout or b"") + b"\nthe machine was still busy"
        output = (job / "output").read_text(errors="replace") if (job / "output").exists() else ""
        status = int((job / "status").read_text() or 125) if (job / "status").exists() else 125
        return status, output + ("" if status != 125 else console.decode(errors="replace")[-4000:])


def run(command, seconds, memory="2G"):
    """Run it in the checkout's directory, as the only thing; top_builddir and its friends come along."""
    return _machine(shlex.join(command), "init=/sbin/hoody-test", ["-no-reboot"], seconds, memory)


def boots(script, seconds, memory="2G", files=()):
    """Run a shell script at each boot of a Debian with systemd. It ends the machine by writing /job/status and powering
    off. The files are in /job."""
    return _machine(f"sh {script}", "", [], seconds, memory, files)


class Failure(Exception):
    """The machine did not do what it was asked."""


class Machine:
    def __init__(self, kind, memory="2G"):
        self.where = _stock(kind)
        self.repository = self.where / "repository"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"hoody-t{os.getpid()}-vm-", dir="/tmp"))
        self.job, self.disk, self.memory = self.directory / "job", self.directory / "disk", memory
        self.process, self.asked = None, 0
        self.job.mkdir()
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", self.where / "disk", self.disk], check=True)

    def start(self):
        """Power on; what is asked is answered once it has booted."""
        (self.job / "next").write_text(str(self.asked))
        with open(self.directory / "console", "ab") as console:
            self.process = subprocess.Popen(
                _qemu(self.where, self.disk, self.job, self.memory, "net.ifnames=0", "-nic",
                      "user,model=virtio-net-pci"), stdin=subprocess.DEVNULL, stdout=console, stderr=console)

    def cut(self):
        """Power off, as a power cut does it: what the guest has not written to its disk is lost."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def sh(self, script, seconds=120):
        """(status, output) of a shell script that root runs in it."""
        n, self.asked = self.asked, self.asked + 1
        (self.job / "ask").write_text(script + "\n")
        (self.job / "ask").rename(self.job / f"{n}.ask")
        end = time.monotonic() + seconds * PATIENCE
        while not (self.job / f"{n}.rc").exists():
            if time.monotonic() > end or self.process.poll() is not None:
                (self.job / f"{n}.ask").unlink()
                raise Failure(f"no answer to {script!r}:\n{self._out(n)}\n{self.console()}")
            time.sleep(0.05)
        return int((self.job / f"{n}.rc").read_text()), self._out(n)

    def must(self, script, seconds=120):
        status, out = self.sh(script, seconds)
        if status != 0:
            raise Failure(f"{script!r} ended with {status}:\n{out}")
        return out

    def reboot(self, seconds=300):
        """Cleanly."""
        before = self.must("cat /proc/sys/kernel/random/boot_id")
        self.asked += 1 # the job is killed before it could say that it is done
        (self.job / "next").write_text(str(self.asked))
        (self.job / f"{self.asked - 1}.ask").write_text("systemctl reboot\nsleep 600\n")
        return before != self.must("cat /proc/sys/kernel/random/boot_id", seconds)

    def _out(self, n):
        path = self.job / f"{n}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def console(self):
        return (self.directory / "console").read_text(errors="replace")[-3000:]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.cut()
        shutil.rmtree(self.directory, ignore_errors=True)
