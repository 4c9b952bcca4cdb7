# SPDX-License-Identifier: GPL-2.0-or-later
"""A stock Debian kernel in QEMU, for what the kernel below us lacks (project quotas, cgroup v2 alone), and a whole Debian with systemd that may reboot.

    vm.run(["python3", "tests/kernel/quota.py"], seconds=600)    # (exit status, output)
    vm.boots("tests/system/reboot.sh", seconds=600)              # the same; run anew at each boot, until it writes its status

The disk is made once (mmdebstrap) and kept beside the builds; each run starts from it anew. The checkout is seen under its own path, read-only,
by 9p; the machine has no network."""
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

TOP = pathlib.Path(os.environ.get("top_srcdir", pathlib.Path(__file__).resolve().parents[2])).resolve()
CACHE = TOP / "build-vm"
PACKAGES = """linux-image-amd64 kmod python3 openssl procps iproute2 busybox-static apparmor lxc curl xz-utils zstd rsync attr acl libcap2-bin
    btrfs-progs xfsprogs e2fsprogs libsodium23 libjansson4 libcurl4 libsystemd0 libsqlite3-0 libseccomp2 libinih1 liblxc1
    libarchive13 libbtrfsutil1 libmnl0 libnftnl11 libnl-3-200 libnl-route-3-200 nftables conntrack libmicrohttpd12 libncursesw6 libtinfo6
    systemd systemd-sysv udev dbus jq ca-certificates""".split()
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


def _disk():
    """(kernel, initrd, disk), made when they are missing or their recipe has changed."""
    key = hashlib.sha256(repr((PACKAGES, INIT, JOB, INITRD, MODULES)).encode()).hexdigest()[:12]
    where = CACHE / key
    if (where / "disk").exists():
        return where / "vmlinuz", where / "initrd.img", where / "disk"
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as d:
        d = pathlib.Path(d)
        (d / "init").write_text(INIT)
        (d / "job").write_text(JOB)
        subprocess.run(["mmdebstrap", "--variant=minbase", "--include=" + ",".join(PACKAGES),
                        f'--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d"; printf "{INITRD}" >"$1/etc/initramfs-tools/conf.d/hoody"; printf "{MODULES}" >"$1/etc/initramfs-tools/modules"',
                        f'--customize-hook=install -m 0755 {d}/init "$1/sbin/hoody-test"; install -m 0644 {d}/job "$1/etc/systemd/system/hoody-job.service"; chroot "$1" systemctl -q enable hoody-job.service; cp -L "$1/vmlinuz" "$1/initrd.img" {d}/',
                        "bookworm", d / "root.tar"], check=True, stdout=sys.stderr)
        (d / "root").mkdir()
        subprocess.run(["tar", "-C", d / "root", "-xpf", d / "root.tar", "--exclude=./dev/*"], check=True)
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", d / "root", d / "disk", "4G"], check=True)
        where.mkdir(exist_ok=True)
        for name in ("vmlinuz", "initrd.img", "disk"): # the disk is last: it says that all is there
            (d / name).rename(where / name)
    return where / "vmlinuz", where / "initrd.img", where / "disk"


def _machine(script, init, more, seconds, memory, files=()):
    kernel, initrd, disk = _disk()
    build = pathlib.Path(os.environ.get("top_builddir", TOP / "build-plain")).resolve()
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-vm-") as job:
        job = pathlib.Path(job)
        for path in files:
            shutil.copy(path, job)
        (job / "run").write_text(f"""mkdir -p {TOP}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,ro,cache=loose tree {TOP} || exit 125
cd {TOP}
export top_srcdir={TOP} top_builddir={build} PYTHONDONTWRITEBYTECODE=1 HOODY_IN_VM=1
{script}
""")
        machine = ["qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-accel", "tcg,thread=multi", "-smp", "2", "-m", memory, "-nographic", "-nic", "none", *more,
                   "-kernel", kernel, "-initrd", initrd, "-append", f"root=/dev/vda rw console=ttyS0 quiet panic=-1 {init}",
                   "-drive", f"file={disk},format=raw,if=virtio,snapshot=on", "-virtfs", f"local,path={TOP},mount_tag=tree,security_model=none,readonly=on",
                   "-virtfs", f"local,path={job},mount_tag=job,security_model=none"]
        try:
            console = subprocess.run(machine, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds).stdout
        except subprocess.TimeoutExpired as e:
            console = (e.stdout or b"") + b"\nthe machine was still busy"
        output = (job / "output").read_text(errors="replace") if (job / "output").exists() else ""
        status = int((job / "status").read_text() or 125) if (job / "status").exists() else 125
        return status, output + ("" if status != 125 else console.decode(errors="replace")[-4000:])


def run(command, seconds, memory="2G"):
    """Run it in the checkout's directory, as the only thing; top_builddir and its friends come along."""
    return _machine(shlex.join(command), "init=/sbin/hoody-test", ["-no-reboot"], seconds, memory)


def boots(script, seconds, memory="2G", files=()):
    """Run a shell script at each boot of a Debian with systemd. It ends the machine by writing /job/status and powering off. The files are in /job."""
    return _machine(f"sh {script}", "", [], seconds, memory, files)
