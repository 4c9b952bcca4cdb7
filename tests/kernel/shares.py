#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Shares and ramdisks with real containers: owners on both sides, hot and at start, both switches, expiry, deletion,
restores; what container root can try against a read-only one, and against the paths."""
import ctypes
import errno
import fcntl
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import boxes
import harness
import host
import local
import tap

libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND = 1, 2, 4, 32, 4096
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000


class Box(boxes.Box):
    def root(self):
        return self.node.root(self.id)

    def do(self, op, **params):
        return self.node.do(op, self.id, **params)

    def has_mount(self, at):
        return any(line.split()[4] == at
                   for line in pathlib.Path(f"/proc/{self.pid()}/mountinfo").read_text().splitlines())


def share(node, source, path, target=None, project=None, mode="readonly", **more):
    sid = node.new_id()
    to = {"target_container_id": target.id} if target else {"target_project_id": project}
    report = node.do("share.create", None, share_id=sid, source_container_id=source.id, source_path=path, mode=mode,
                     **to, **more)
    if report["state"] != "succeeded":
        raise harness.Failure(report)
    return sid, report["result"]


def in_container(pid, work, timeout_s=20):
    """Run a function as the container's root in its namespaces; its JSON result."""
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            fds = [(os.open(f"/proc/{pid}/ns/{n}", os.O_RDONLY), f)
                   for n, f in (("user", CLONE_NEWUSER), ("mnt", CLONE_NEWNS))]
            for fd, flag in fds:
                if libc.setns(fd, flag) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            os.chdir("/")
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            os.write(w, json.dumps(work()).encode())
            code = 0
        except BaseException as e: # the parent shows it
            os.write(w, json.dumps({"error": repr(e)}).encode())
        finally:
            os._exit(code)
    os.close(w)
    data = b""
    while chunk := os.read(r, 65536):
        data += chunk
    os.close(r)
    os.waitpid(child, 0)
    return json.loads(data)


def mount(source, target, kind, flags):
    return 0 if libc.mount(source.encode() if source else None, target.encode(), kind, ctypes.c_ulong(flags),
                           None) == 0 else ctypes.get_errno()


def setattr_clear(path, clear):
    """mount_setattr(2) that takes flags off."""
    attr = (ctypes.c_uint64 * 4)(0, clear, 0, 0)
    fd = os.open(path, os.O_PATH)
    return 0 if libc.syscall(442, fd, b"", 0x1000, ctypes.byref(attr), 32) == 0 else ctypes.get_errno()


def writable(path):
    try:
        with open(path + "/written", "w") as f:
            f.write("x")
        return True
    except OSError:
        return False


def attempts(at):
    """All that container root can do to make a read-only share writable; what of it worked."""
    found = []
    for name, flags in (("remount", MS_REMOUNT), ("remount bind", MS_REMOUNT | MS_BIND),
                        ("remount bind nosuid nodev", MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV)):
        mount(None, at, None, flags)
        if writable(at):
            found.append(name)
    for clear in (1, 2, 4, 7):
        setattr_clear(at, clear)
    if writable(at):
        found.append("mount_setattr")
    os.makedirs("/tmp/bound", exist_ok=True)
    if mount(at, "/tmp/bound", None, MS_BIND) == 0:
        mount(None, "/tmp/bound", None, MS_REMOUNT | MS_BIND)
        setattr_clear("/tmp/bound", 7)
        if writable("/tmp/bound"):
            found.append("bind")
        libc.umount2(b"/tmp/bound", 2)
    child = os.fork() # over a nested user namespace
    if child == 0:
        code = 0
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0:
            mount(None, at, None, MS_REMOUNT | MS_BIND)
            setattr_clear(at, 7)
            code = 3 if writable(at) else 0
        os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3:
        found.append("nested user namespace")
    flags = os.statvfs(at).f_flag
    return {
        "worked": found, "ro": bool(flags & os.ST_RDONLY), "nosuid": bool(flags & os.ST_NOSUID),
        "nodev": bool(flags & os.ST_NODEV)
    }


def hardened(box, at, what):
    tap.eq(in_container(box.pid(), lambda: attempts(at)), {"worked": [], "ro": True, "nosuid": True, "nodev": True},
           f"{what}: read-only, nosuid and nodev stay, whatever root in it tries")


def as_somebody(box, *command):
    """Run by uid 1000 in the container; what it says."""
    done = subprocess.run(
        ["nsenter", "-t", str(box.pid()), "-U", "-m", "-p", "-r", "-S", "1000", "-G", "1000", *command],
        stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.stdout + done.stderr


def opens(path):
    try:
        os.close(os.open(path, os.O_RDONLY))
        return 0
    except OSError as e:
        return e.errno


def privileged(a, b):
    """Setuid files and devices of the source, as its own processes have them and as the target's have."""
    a.sh("cp /bin/busybox /data/shared/su; chmod 4755 /data/shared/su")
    must = "must be suid"
    tap.eq((must in as_somebody(a, "/data/shared/su", "su", "-c", "id"), must in as_somebody(
        b, "/mnt/shared/su", "su", "-c", "id")), (False, True), "a setuid file of the source's is none in the target")
    node_at = a.root() / "data/shared/null" # what no container can make
    os.mknod(node_at, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(node_at, 0o666)
    tap.eq((in_container(a.pid(),
                         lambda: opens("/data/shared/null")), in_container(b.pid(), lambda: opens("/mnt/shared/null"))),
           (0, errno.EACCES), "nor is a device")
    node_at.unlink()


def ordinary(node, a, b):
    a.sh("mkdir -p /data/shared; echo hello >/data/shared/file; chown 33:33 /data/shared/file; mkdir /data/shared/sub")
    sid, result = share(node, a, "/data/shared", b, mount_path="/mnt/shared")
    tap.eq((result["status"], b.says("cat /mnt/shared/file"),
            b.says("stat -c %u:%g /mnt/shared/file /mnt/shared").split()), ("active", "hello", ["33:33", "0:0"]),
           "mounted while both run, owners right")
    tap.ok(b.sh("touch /mnt/shared/x")[0] != 0, "read-only")
    hardened(b, "/mnt/shared", "hot")
    b.sh("mkdir -p /mnt/plain")
    plain = node.directory / "plain"
    plain.mkdir(mode=0o777)
    tap.eq(
        subprocess.run([
            harness.BUILD / "tests/tools/mountdrive", node.directory / "pool", node.directory / "run", b.id,
            str(b.pid()), plain, "none", "/mnt/plain", "0"
        ]).returncode, 0, "one without mapped ids")
    hardened(b, "/mnt/plain", "without mapped ids")
    tap.eq(node.do("share.update", None, share_id=sid)["state"], "succeeded", "a look after the share")
    privileged(a, b)
    tap.eq(a.sh("echo more >/data/shared/live")[0], 0, "the source writes")
    tap.eq(b.says("cat /mnt/shared/live"), "more", "the target sees it")
    b.do("container.restart")
    tap.eq(b.says("cat /mnt/shared/file"), "hello", "there after a restart")
    hardened(b, "/mnt/shared", "mounted at start")
    first = pathlib.Path(f"/proc/{b.pid()}/mountinfo").read_text()
    tap.ok("/mnt/shared" in first, "before init runs")
    report = node.do("share.update", None, share_id=sid, mode="readwrite")
    tap.eq((report["state"], b.sh("echo from-b >/mnt/shared/b; chown 1000 /mnt/shared/b")[0]), ("succeeded", 0),
           "made writable")
    tap.eq((a.says("cat /data/shared/b"), a.says("stat -c %u /data/shared/b")), ("from-b", "1000"),
           "the source sees what the target writes, and whose it is")
    hold = subprocess.Popen(["nsenter", "-t", str(b.pid()), "-m", "-r", "sh", "-c", "cd /mnt/shared && exec sleep 30"])
    host.poll(lambda: host.status(hold.pid).get("Name") == "sleep", 5)
    seen = node.last_seq()
    node.do("share.update", None, share_id=sid, mode="readonly")
    gone = node.wait_report("share", event="unmounted", after=seen)
    tap.ok(gone and gone["data"]["lazily"] is True and gone["data"]["container_id"] == b.id,
           "a busy mount is detached lazily, and that is reported", gone)
    tap.ok(
        b.sh("touch /mnt/shared/x")[0] != 0 and b.says("cat /mnt/shared/file") == "hello",
        "read-only again, busy or not")
    hold.kill()
    hold.wait()
    node.do("share.update", None, share_id=sid, enabled=False)
    tap.ok(not b.has_mount("/mnt/shared"), "disabled: unmounted")
    node.do("share.update", None, share_id=sid, enabled=True)
    tap.ok(b.has_mount("/mnt/shared"), "enabled: mounted")
    report = node.do("share.mount", None, share_id=sid, container_id=b.id, mount=False)
    tap.ok(
        report["state"] == "succeeded" and not b.has_mount("/mnt/shared")
        and report["result"]["override"]["mount"] is False, "the receiver refuses it")
    b.do("container.restart")
    tap.ok(not b.has_mount("/mnt/shared"), "also at its next start")
    node.do("share.mount", None, share_id=sid, container_id=b.id, mount=True)
    tap.ok(b.has_mount("/mnt/shared"), "and takes it back")
    report = node.do("share.create", None, share_id=node.new_id(), source_container_id=a.id, source_path="/data/shared",
                     target_container_id=b.id, mode="readonly")
    tap.eq(report["error"]["code"], "SHARE_ALREADY_EXISTS", "the same again is refused")
    again(node, a, b, sid)
    a.do("snapshot.create", alias="before")
    a.sh("echo later >/data/shared/file")
    a.do("snapshot.restore", name="before")
    tap.ok(host.poll(lambda: b.says("cat /mnt/shared/file") == "hello", 5),
           "after a restore of the source it shows the root that holds now", b.says("cat /mnt/shared/file"))
    b.do("snapshot.create", alias="mine")
    tap.ok(not (node.root(b.id) / "mnt/shared/file").exists(), "what is mounted is in no root")
    b.do("container.pause")
    tap.eq(node.do("share.delete", None, share_id=sid)["state"], "succeeded", "deleted while the target is paused")
    b.do("container.resume")
    tap.ok(not b.has_mount("/mnt/shared") and node.do("share.delete", None, share_id=sid)["state"] == "succeeded",
           "unmounted; again: success")


def again(node, a, b, sid):
    """The same id a second time: the same share, or none."""
    there = {
        "share_id": sid, "source_container_id": a.id, "source_path": "/data/shared", "target_container_id": b.id,
        "mount_path": "/mnt/shared", "mode": "readonly"
    }
    other = {"source_container_id": b.id, "target_container_id": a.id}
    for what, change in (("source", other), ("path", {"source_path": "/data"}),
                         ("target", {"target_container_id": None, "target_project_id": harness.PROJECT
                                     }), ("place", {"mount_path": "/mnt/elsewhere"}), ("place", {"mount_path": None})):
        report = node.do("share.create", None, **{k: v for k, v in {**there, **change}.items() if v})
        tap.eq((report["state"], report.get("error", {}).get("code")), ("failed", "SHARE_ALREADY_EXISTS"),
               f"nor is there another share of its id, with another {what}")
    report = node.do("share.create", None, label="named", **there)
    tap.eq((report["state"], report["result"].get("label"), b.has_mount("/mnt/shared")), ("succeeded", "named", True),
           "but itself once more, with what may change")


def projects(node, a, b):
    a.sh("mkdir -p /hoody/storage/p; echo all >/hoody/storage/p/f; mkdir -p /hoody/storage/q")
    sid, _ = share(node, a, "/hoody/storage/p", project=harness.PROJECT, alias="team")
    at = "/hoody/shares/team"
    tap.ok(b.has_mount(at) and not a.has_mount(at), "a project's share is in each of its containers but the source")
    c = Box(node, "later")
    tap.eq(c.says(f"cat {at}/f"), "all", "and in one that is made later")
    other = Box(node, "foreign", project="0123456789abcdef0123dddd")
    tap.ok(not other.has_mount(at), "in none of another project")
    direct, _ = share(node, a, "/hoody/storage/p", b, mode="readwrite", alias="direct")
    tap.ok(b.has_mount("/hoody/shares/direct") and not b.has_mount(at), "a direct one wins over the project's")
    node.do("share.delete", None, share_id=direct)
    tap.ok(b.has_mount(at) and not b.has_mount("/hoody/shares/direct"), "which comes back without it")
    end = int(time.time() + 2 * harness.SLOW)
    node.do("share.update", None, share_id=sid, expires_at=end)
    gone = host.poll(lambda: not b.has_mount(at) and not c.has_mount(at), 12)
    late = time.time() - end
    tap.ok(gone and late >= 0, "unmounted everywhere at its end, and not before", late)
    tap.figure(f"unmounted {late * 1000:.0f} ms after the second of its end")
    tap.ok(node.wait_report("share", event="expired"), "which is reported")
    other.do("container.delete", force=True)
    sid, _ = share(node, c, "/etc", b, alias="etc-of-c")
    tap.ok(b.has_mount("/hoody/shares/etc-of-c"), "another source")
    hold = subprocess.Popen(
        ["nsenter", "-t",
         str(b.pid()), "-m", "-r", "sh", "-c", "cd /hoody/shares/etc-of-c && exec sleep 30"])
    host.poll(lambda: host.status(hold.pid).get("Name") == "sleep", 5)
    tap.eq(
        c.do("container.delete", force=True)["state"], "succeeded", "the source is deleted while the target is in it")
    tap.ok(host.poll(lambda: not b.has_mount("/hoody/shares/etc-of-c"), 5), "detached lazily")
    hold.kill()
    hold.wait()
    tap.ok(host.poll(lambda: local.Local(node).ask("GET", f"/containers/{a.id}/storage/shares/{sid}")[0] == 404, 5),
           "and gone")


def copied(node, a, b):
    """What a container has bound elsewhere, or copied into namespaces of its own."""
    a.sh("mkdir -p /s; echo 1 >/s/f")
    sid, _ = share(node, a, "/s", b, mount_path="/mnt/s", mode="readwrite")
    b.sh("mkdir -p /elsewhere; mount --bind /mnt/s /elsewhere")
    tap.ok(b.has_mount("/elsewhere"), "root binds it elsewhere")
    inner = subprocess.Popen(["nsenter", "-t", str(b.pid()), "-m", "-p", "-U", "-r", "unshare", "-m", "sleep", "60"])
    deep = host.poll(
        lambda: next((p for p in host.children(inner.pid) or [inner.pid]
                      if os.readlink(f"/proc/{p}/ns/mnt") != os.readlink(f"/proc/{b.pid()}/ns/mnt")), None), 5)
    for m, unified in host.cgroup_mounts():
        procs = m / node.prefix / b.id / "payload" / "cgroup.procs"
        if procs.exists():
            procs.write_text(str(deep))
    tap.ok("/mnt/s" in pathlib.Path(f"/proc/{deep}/mountinfo").read_text(), "and copies its namespace")
    node.do("share.delete", None, share_id=sid)
    tap.ok(not b.has_mount("/mnt/s") and not b.has_mount("/elsewhere"), "all of it goes with the share")
    tap.ok("/mnt/s " not in pathlib.Path(f"/proc/{deep}/mountinfo").read_text(), "in the copied namespace too")
    inner.kill()
    inner.wait()


def mounts_of(box, device_root):
    """Where anything of this source is mounted, also where it can't be seen."""
    return [
        line.split()[4] for line in pathlib.Path(f"/proc/{box.pid()}/mountinfo").read_text().splitlines()
        if device_root in line.split()[3]
    ]


def covered(node, a, b):
    """What the target mounts over a share, or over a directory above it, doesn't keep the share; what is its own
    stays."""
    a.sh("mkdir -p /c; echo 1 >/c/f")
    sid, _ = share(node, a, "/c", b, mount_path="/mnt/cov/s")
    b.sh(
        "mkdir -p /own && mount -t tmpfs own /own && mkdir -p /own/containers/x /bound && echo mine "
        ">/own/containers/x/f && mount --bind /own/containers/x /bound"
    )
    b.sh(
        "for i in 1 2 3; do mount -t tmpfs over /mnt/cov/s; done; mkdir -p /mnt/cov/s/deep; for i in 1 2; do mount -t "
        "tmpfs above /mnt/cov; done"
    )
    tap.eq((b.says("ls /mnt/cov"), len(mounts_of(b, f"/{a.id}/rootfs/c"))), ("", 1),
           "three mounts lie over a share, and two over the directory above")
    seen = node.last_seq()
    tap.eq(node.do("share.delete", None, share_id=sid)["state"], "succeeded", "the share is deleted")
    tap.eq((mounts_of(b, f"/{a.id}/rootfs/c"), b.sh("cat /mnt/cov/s/f")[0] != 0), ([], True),
           "it is nowhere, whatever lay over it")
    tap.ok(node.wait_report("share", event="unmounted", after=seen)["data"]["busy"] == 0, "and so it is reported")
    tap.eq(b.says("cat /bound/f"), "mine", "a mount of the container's own, whatever its directories are called, stays")
    b.sh("umount /bound /own")
    # Renamed above it: the mount has another name then.
    sid, _ = share(node, a, "/c", b, mount_path="/mnt/ren/s")
    b.sh("mv /mnt/ren /mnt/renamed; mkdir -p /mnt/ren; ln -s /etc /mnt/ren/s")
    tap.eq(mounts_of(b, f"/{a.id}/rootfs/c"), ["/mnt/renamed/s"],
           "a directory above a mount is renamed, and a link put in its place")
    node.do("share.delete", None, share_id=sid)
    tap.eq((mounts_of(b, f"/{a.id}/rootfs/c"), b.says("ls /etc") != ""), ([], True), "it goes by its new name")
    b.sh("rm -rf /mnt/ren /mnt/renamed /mnt/cov")


def pointed(node, a, b):
    """Mount points that are no directories."""
    a.sh("mkdir -p /t; echo 1 >/t/f")
    b.sh("mkdir -p /mnt /srv; rm -rf /mnt/file /mnt/link; echo precious >/mnt/file; ln -s /srv /mnt/link")
    sid, result = share(node, a, "/t", b, mount_path="/mnt/file")
    tap.ok(
        result["status"] == "failed" and "/mnt/file" in result["status_message"]
        and b.says("cat /mnt/file") == "precious", "a file for a mount point: failed, and the file is as it was",
        result)
    tap.eq((b.do("container.restart")["state"], b.says("cat /mnt/file")), ("succeeded", "precious"),
           "the target starts all the same")
    node.do("share.update", None, share_id=sid, enabled=False)
    tap.eq(
        node.do("share.update", None, share_id=sid)["result"]["status"], "active",
        "what is mounted nowhere has no fault")
    node.do("share.delete", None, share_id=sid)
    sid, result = share(node, a, "/t", b, mount_path="/mnt/link")
    tap.eq((result["status"], b.has_mount("/srv"), b.says("cat /mnt/link/f")), ("active", True, "1"),
           "a link for one: where it leads in the container")
    node.do("share.delete", None, share_id=sid)
    tap.ok(not b.has_mount("/srv"), "and unmounted there")


def nested(node, a, b):
    """One in a place below another's lies in that one, whichever was there first and whatever else changes."""
    a.sh("mkdir -p /n1 /n2/in /n3; echo inner >/n1/f; echo outer >/n2/f")
    inner, _ = share(node, a, "/n1", b, mount_path="/mnt/n/in", mode="readwrite")
    beside, _ = share(node, a, "/n3", b, mount_path="/mnt/n-3")
    after = node.last_seq()
    outer, _ = share(node, a, "/n2", b, mount_path="/mnt/n", mode="readwrite")
    both = lambda: b.says("cat /mnt/n/f /mnt/n/in/f")
    tap.eq(both(), "outer\ninner", "a share is where it was when another comes above it")
    told = [(r["event"], r["data"]["id"]) for r in node.reports(after, "share")]
    tap.eq(sorted(told), sorted([("mounted", inner), ("mounted", outer), ("created", outer)]), "which is told")
    mounts = lambda: b.says("grep /mnt/n /proc/self/mountinfo")
    before = mounts()
    node.do("share.update", None, share_id=beside, mode="readonly")
    tap.eq(mounts(), before, "neither is taken away for another's sake")
    b.do("container.restart")
    tap.eq(both(), "outer\ninner", "nor hidden by the other after a restart")
    node.do("share.update", None, share_id=outer, enabled=False)
    tap.eq(b.says("cat /mnt/n/in/f; test -e /mnt/n/f || echo alone"), "inner\nalone", "or when that one goes")
    node.do("share.update", None, share_id=outer, enabled=True)
    tap.eq(both(), "outer\ninner", "and comes back")
    for sid in (outer, inner, beside):
        node.do("share.delete", None, share_id=sid)
    tap.eq(b.sh("grep /mnt/n /proc/self/mountinfo")[1], "", "all are gone")


def without_target(node, a):
    """Shares end with whom they are for, which is told of each as when its source goes."""
    box, project = Box(node, "short"), "ab" * 12
    a.sh("mkdir -p /wt")
    ours, _ = share(node, a, "/wt", box)
    theirs, _ = share(node, a, "/wt", project=project)
    after = node.last_seq()
    box.do("container.delete", force=True)
    node.do("project.delete", None, project_id=project)
    told = [(r["event"], r["data"]["id"]) for r in node.reports(after, "share")]
    tap.eq(told, [("deleted", ours), ("deleted", theirs)], "a container's and a project's share")


def at_once(node, all_of_them):
    """As many start as one: that a share may be mounted by now is looked at once."""
    looks = lambda: node.log.read_text().count("(share.update) succeeded")
    rests = lambda: not {"accepted", "running"} & {k for k, n in node.hoodyctl("status")["orders"].items() if n}
    host.poll(rests, 5) # the last one that was made is looked at, too
    before = looks()
    orders = [{"op": "container.restart", "container_id": c.id, "params": {}} for c in all_of_them]
    with host.take_turns(node.directory / "run", [c.id for c in all_of_them]): # until all of them have come
        ids = node.api.ask("orders", orders=orders)["ids"]
        host.poll(lambda: {*ids} <= {o["order_id"] for o in node.hoodyctl("orders")["orders"]}, 10, 0.05)
    ends = {node.wait(i)["state"] for i in ids}
    host.poll(lambda: rests() and looks() > before, 5)
    tap.eq((ends, looks() - before), ({"succeeded"}, 1), "of some that start at once they are looked at once")
    for c in all_of_them[1:]:
        c.do("container.delete", force=True)


def some_fail(node, a, b):
    """A project's share has failed when it has in any of the project's containers."""
    api, c = local.Local(node), Box(node, "stubborn")
    a.sh("mkdir -p /pf; echo 1 >/pf/f")
    c.sh("mkdir -p /mnt; echo in the way >/mnt/pf")
    sid, result = share(node, a, "/pf", project=harness.PROJECT, mount_path="/mnt/pf")

    def status():
        return api.do("GET", f"/containers/{a.id}/storage/shares/{sid}")["status"]

    tap.eq((result["status"], b.has_mount("/mnt/pf"), c.has_mount("/mnt/pf")), ("failed", True, False),
           "mounted in one container, not in the other: failed")
    b.do("container.restart")
    tap.eq((host.poll(lambda: status() != "failed", 1), b.has_mount("/mnt/pf")), (False, True),
           "still so when the one starts anew")
    at_once(node, [b, *(Box(node, f"more-{i}") for i in range(4))])
    c.sh("rm /mnt/pf")
    c.do("container.restart")
    tap.ok(
        host.poll(lambda: status() == "active", 10) and c.has_mount("/mnt/pf"), "active when all of them have it",
        status())
    node.do("share.delete", None, share_id=sid)
    c.do("container.delete", force=True)


def shared_until(node, end, source, place, n, target):
    """n directories below that place, each shared until then: how the orders ended, and the shares' ids."""
    wishes = [{
        "op": "share.create", "params": {
            "share_id": node.new_id(), "source_container_id": source.id, "source_path": f"{place}/{i}",
            "target_container_id": target.id, "mode": "readonly", "expires_at": end
        }
    } for i in range(1, n + 1)]
    states = {node.wait(i)["state"] for i in node.api.ask("orders", orders=wishes)["ids"]}
    return states, [w["params"]["share_id"] for w in wishes]



def many_end(node, a):
    """More of them than the agent takes in hand at once; of a target that does not run, for it is their ends that count
    here."""
    n, c, api = 40, Box(node, "many", start=False), local.Local(node)
    a.sh(f"for i in $(seq {n}); do mkdir -p /many/$i; done")
    left = lambda: len(api.do("GET", f"/containers/{a.id}/storage/shares")["shares"])
    for ahead in (4, 16, 64): # until all of them are there before their end
        end = int(time.time() + ahead * harness.SLOW)
        states, _ = shared_until(node, end, a, "/many", n, c)
        there = left()
        if time.time() < end:
            break
        host.poll(lambda: left() == 0, 60)
    tap.eq((states, there), ({"succeeded"}, n), f"{n} shares with one end")
    host.poll(lambda: left() == 0 or time.time() > end + 10 * harness.SLOW, ahead + 20, 0.02)
    tap.ok(left() == 0 and time.time() >= end,
           "all gone after it, without the minute that the agent waits where nothing is due", left(),
           time.time() - end)
    c.do("container.delete", force=True)


def waits(node, a):
    """Ends of shares whose source is busy for long: each is asked for once, and no other's end waits for them."""
    n, (c, d, e) = 33, (Box(node, name, start=False) for name in ("waits", "free", "freed"))
    a.sh(f"for i in $(seq {n}); do mkdir -p /waits/$i; done")
    end, sid = int(time.time() + 5 * harness.SLOW), node.new_id()
    states, waiting = shared_until(node, end, a, "/waits", n, c)
    node.do("share.create", None, share_id=sid, source_container_id=d.id, source_path="/etc",
            target_container_id=e.id, mode="readonly", expires_at=end + 1)
    asked = lambda: {r["order_id"] for r in node.reports(kind="order") if r["op"] == "share.delete"}
    ended = lambda: {r["data"]["id"] for r in node.reports(kind="share") if r["event"] == "expired"} & ids
    ids, before = {sid, *waiting}, len(asked())
    tap.eq((states, ended()), ({"succeeded"}, set()), f"{n} shares with one end, and one of another source")
    with open(node.directory / "run/turns", "r+b") as turns: # whoever wants to change a container waits for it
        host.poll(lambda: time.time() > end - 3, 8, 0.1)
        fcntl.lockf(turns, fcntl.LOCK_EX)
        order = node.order("snapshot.create", a.id, alias="long", timeout_s=600)
        host.poll(lambda: ended() or time.time() > end + 15, 20, 0.1)
        tap.eq(ended(), {sid}, "that one ends in time")
        host.poll(lambda: time.time() > end + 5, 5, 0.1)
        tap.eq((ended(), len(asked()) - before), ({sid}, n + 1), "the others wait, and each is asked for once")
    tap.eq(node.wait(order)["state"], "succeeded", "when the source is free")
    tap.ok(host.poll(lambda: ended() == ids, 20, 0.1), "they end", len(ended()))
    for box in (c, d, e):
        box.do("container.delete", force=True)


def prolonged(node, a):
    """A share that ends while the order that prolongs it waits for its turn: it goes on."""
    c, sid = Box(node, "prolonged", start=False), node.new_id()
    end = int(time.time() + 1 + harness.SLOW)
    deletions = lambda: [r["state"] for r in node.reports(kind="order") if r["op"] == "share.delete"]
    node.do("share.create", None, share_id=sid, source_container_id=a.id, source_path="/etc",
            target_container_id=c.id, mode="readonly", expires_at=end)
    before = len(deletions())
    with host.take_turns(node.directory / "run", [a.id]):
        orders = [
            node.order("snapshot.create", a.id, alias="longer"),
            node.order("share.update", None, share_id=sid, expires_at=end + 86400)
        ]
        host.poll(lambda: len(deletions()) > before, end - time.time() + 10, 0.1)
    tap.eq([node.wait(o)["state"] for o in orders], ["succeeded"] * 2, "a share that is prolonged while its end comes")
    host.poll(lambda: deletions()[before:][-1] in harness.TERMINAL, 5)
    share = local.Local(node).ask("GET", f"/containers/{a.id}/storage/shares/{sid}")
    tap.eq((share[0], share[2].get("data", {}).get("expires_at")), (200, end + 86400), "is there until its new end")
    node.do("snapshot.delete", a.id, name="longer")
    c.do("container.delete", force=True)


def thrown_away(node, a):
    """Of a restore that fails after the exchange of roots: who looks meanwhile has the old root's directory again."""
    source, target = Box(node, "in-vain", start=False), Box(node, "looks")
    file, init = source.root() / "w/f", source.root() / "sbin/init"
    file.parent.mkdir()
    file.write_text("vain\n")
    init.rename(init.with_name("away"))
    source.do("snapshot.create", alias="vain")
    init.with_name("away").rename(init)
    file.write_text("kept\n")
    share(node, source, "/w", target, mount_path="/mnt/w")
    other, _ = share(node, a, "/etc", target, mount_path="/mnt/etc")
    seen = lambda: target.says("cat /mnt/w/f 2>&1")
    meanwhile, state = "", "failed"

    def is_vain():
        try:
            return file.read_text() == "vain\n"
        except FileNotFoundError: # between the two
            return False

    for _ in range(10): # until it is caught in the midst
        host.poll(node.worker_pids, 5, 0.02)
        workers = node.worker_pids() # the one that takes the order is among them
        order = node.order("snapshot.restore", source.id, name="vain")
        host.poll(is_vain, 2, 0)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        if is_vain():
            node.do("share.update", None, share_id=other)
            meanwhile = seen()
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        state = node.wait(order)["state"]
        if meanwhile == "vain" or state != "failed":
            break
    tap.eq((meanwhile, state), ("vain", "failed"), "what is restored in vain is seen meanwhile")
    tap.ok(host.poll(lambda: seen() == "kept", 5), "and not for longer", seen())
    for box in (source, target):
        box.do("container.delete", force=True)


def anew(node, a):
    """A share of the same id is made again for another target: what deletes that waits for the target's launch."""
    first, second, sid = Box(node, "first", start=False), Box(node, "second", start=False), node.new_id()
    a.sh("mkdir -p /anew")
    wish = lambda to: {
        "share_id": sid, "source_container_id": a.id, "source_path": "/anew", "target_container_id": to.id,
        "mode": "readonly", "mount_path": "/mnt/anew"
    }
    node.do("share.create", None, **wish(first))
    with open(node.directory / "run/turns", "r+b") as turns:
        fcntl.lockf(turns, fcntl.LOCK_EX)
        orders = [
            node.order("snapshot.create", second.id, alias="long"),
            node.order("share.delete", None, share_id=sid),
            node.order("share.create", None, **wish(second)),
            node.order("container.start", second.id),
            node.order("share.delete", None, share_id=sid)
        ]
        host.poll(lambda: any(o["order_id"] == orders[-1] for o in node.hoodyctl("orders")["orders"]), 10, 0.1)
    tap.eq([node.wait(o)["state"] for o in orders], ["succeeded"] * 5, "a share that is made anew, and deleted")
    tap.ok(not second.has_mount("/mnt/anew"), "is in no container that was launched meanwhile")
    for box in (first, second):
        box.do("container.delete", force=True)


def of_another(node, a):
    """A container that shares is deleted and made anew, and the share as well: what follows from the deletion ends no
    share of the new one."""
    source, wish = Box(node, "made-anew", start=False), lambda sid: {
        "share_id": sid, "source_container_id": source.id, "source_path": "/etc", "target_container_id": a.id,
        "mode": "readonly", "mount_path": "/mnt/of-another"
    }
    api = local.Local(node)
    deletions = lambda: [r["state"] for r in node.reports(kind="order") if r["op"] == "share.delete"]
    ids = [node.new_id()] * 2 + [node.new_id()]
    node.do("share.create", None, **wish(ids[0]))
    for sid, what in zip(ids[1:], ("of the same id", "of another id")):
        before = len(deletions())
        with host.take_turns(node.directory / "run", [source.id]):
            orders = [
                node.order("container.delete", source.id),
                node.order("container.create", source.id, image=harness.IMAGE, start=False),
                node.order("share.create", None, **wish(sid))
            ]
            host.poll(lambda: any(o["order_id"] == orders[-1] for o in node.hoodyctl("orders")["orders"]), 10, 0.1)
        tap.eq([node.wait(o)["state"] for o in orders], ["succeeded"] * 3, f"a share {what} for a source that is anew")
        host.poll(lambda: (deletions()[before:] or [""])[-1] in harness.TERMINAL, 10, 0.02)
        there = [s["id"] for s in api.do("GET", f"/containers/{source.id}/storage/shares")["shares"]]
        tap.eq((there, a.has_mount("/mnt/of-another")), ([sid], True), "stays, and the old one goes")
    for what in ({"expires_at": int(time.time()) + 3600}, {"expires_at": None}, {"mode": "readwrite"}):
        with host.take_turns(node.directory / "run", [source.id]):
            orders = [
                node.order("container.delete", source.id),
                node.order("container.create", source.id, image=harness.IMAGE, start=False),
                node.order("share.update", None, share_id=sid, **what)
            ]
            host.poll(lambda: any(o["order_id"] == orders[-1] for o in node.hoodyctl("orders")["orders"]), 10, 0.1)
        ends = [node.wait(o) for o in orders]
        tap.eq([e["state"] if e["state"] == "succeeded" else e["error"]["code"] for e in ends],
               ["succeeded", "succeeded", "RESOURCE_NOT_FOUND"], f"an update ({[*what]}) revives no share of one gone")
        tap.ok(host.poll(lambda: not a.has_mount("/mnt/of-another"), 5), "which is mounted no more")
        sid = node.new_id()
        node.do("share.create", None, **wish(sid))
        tap.ok(a.has_mount("/mnt/of-another"), "until it is shared anew")
    source.do("container.delete", force=True)


def rebooted(node, a, b):
    """A container that restarts itself: nobody has ordered it, and what is mounted is what is wished now."""
    a.sh("mkdir -p /r1 /r2; echo 1 >/r1/f; echo 2 >/r2/f")
    first, _ = share(node, a, "/r1", b, mount_path="/mnt/r1")
    b.do("container.restart")
    second, _ = share(node, a, "/r2", b, mount_path="/mnt/r2")
    tap.ok(b.has_mount("/mnt/r1") and b.has_mount("/mnt/r2"), "one share from the start on, one later")
    node.do("share.delete", None, share_id=first)
    init = b.pid()
    b.sh("reboot -f")
    tap.ok(host.poll(lambda: b.pid() not in (None, init), 5), "it restarts itself")
    tap.ok(host.poll(lambda: b.has_mount("/mnt/r2"), 5), "what is shared is mounted again")
    tap.ok(not b.has_mount("/mnt/r1"), "what is no longer shared is not")
    hardened(b, "/mnt/r2", "after a restart of its own")
    node.do("share.delete", None, share_id=second)


def attacked(node, a, b):
    outside = node.directory / "host-secret"
    outside.mkdir(mode=0o755)
    (outside / "OUTSIDE").write_text("host")
    root = a.root()

    def refused(what, make):
        make()
        sid, result = share(node, a, "/att/p", b, alias="attack")
        tap.ok(result["status"] == "failed" and result["status_message"] and not b.has_mount("/hoody/shares/attack"),
               f"{what}: refused", result)
        tap.eq(b.do("container.restart")["state"], "succeeded", f"{what}: the target starts without it")
        tap.ok(not b.has_mount("/hoody/shares/attack"), f"{what}: nor is it mounted at start")
        node.do("share.delete", None, share_id=sid)
        a.sh("rm -rf /att")

    refused("a link out of the root",
            lambda: a.sh(f"mkdir -p /att; ln -s /../../../../../../../../../..{outside} /att/p"))
    refused("a link inside", lambda: a.sh("mkdir -p /att; ln -s /etc /att/p"))
    refused("/proc/self/root", lambda: a.sh("mkdir -p /att; ln -s /proc/self/root /att/p"))
    refused("a fifo", lambda: a.sh("mkdir -p /att; mkfifo /att/p"))
    refused("a socket", lambda: (a.sh("mkdir -p /att"), socket.socket(socket.AF_UNIX).bind(str(root / "att/p"))))
    refused(
        "a device", lambda:
        (a.sh("mkdir -p /att"),
         os.mknod(root / "att/p", 0o600 | stat.S_IFBLK,
                  os.stat("/dev/loop0").st_rdev if os.path.exists("/dev/loop0") else os.makedev(7, 0))))
    refused("a file", lambda: a.sh("mkdir -p /att; echo >/att/p"))
    refused("a link above it", lambda: a.sh("ln -s /tmp /att; mkdir -p /tmp/p"))
    refused("nothing", lambda: None)
    a.sh("rm -rf /att /tmp/p")
    # A mount of the container's over the path is not what is shared.
    a.sh("mkdir -p /att/p; echo 1 >/att/p/INSIDE; mount -t tmpfs t /att/p; echo 2 >/att/p/OVER")
    sid, _ = share(node, a, "/att/p", b, alias="over")
    tap.eq(b.says("ls /hoody/shares/over"), "INSIDE", "what the source mounts over it is not shared")
    # A path that is swapped for a link later.
    a.sh(f"umount /att/p; mv /att/p /att/q; ln -s /../../../../../../../..{outside} /att/p")
    report = node.do("share.update", None, share_id=sid)
    tap.ok(report["result"]["status"] == "failed" and not b.has_mount("/hoody/shares/over"),
           "a path that became a link is unmounted at the next look", report["result"])
    node.do("share.delete", None, share_id=sid)
    # The mount point is the target's to fool with: it stays in its own root.
    b.sh(f"rm -rf /hoody/shares; ln -s /../../../../../../../../..{outside} /hoody/shares")
    a.sh("rm -rf /att; mkdir -p /att/p; touch /att/p/INSIDE")
    sid, result = share(node, a, "/att/p", b, alias="point")
    tap.eq(sorted(p.name for p in outside.iterdir()), ["OUTSIDE"], "a link for a mount point: nothing was made outside")
    node.do("share.delete", None, share_id=sid)
    b.sh("rm -f /hoody/shares; mkdir -p /hoody/shares")
    # Raced: the path is now the directory, now a link, now a directory with a link in it.
    a.sh("rm -rf /att; mkdir -p /att/p/deep /att/alt /att/evil; touch /att/p/deep/INSIDE")
    for link in ("link", "evil/deep"):
        os.symlink("/../../../../../../../../.." + str(outside), root / "att" / link)
    swaps, total = raced(node, a, "/att/p/deep", b, "/mnt/raced", root / "att", b"p", (b"link", b"evil"), 100000, 300)
    tap.ok(total["outside"] == 0 and total["left"] == 0 and total["mounted"] > 0 and total["refused"] > 0,
           "raced with swaps: never a mount outside of the source's root, never one that stays", total)
    tap.figure(f"{swaps} swaps during {total['mounted']} mounts and {total['refused']} refusals")
    raced_points(node, a, b, outside)
    # Nothing was written there either.
    tap.eq(sorted(p.name for p in outside.iterdir()), ["OUTSIDE"], "and nothing written outside")


def raced(node, a, path, b, at, where, name, others, swaps_min, tries_min):
    """Share it again and again while `name` in the directory `where` is swapped for each of the others in turn
    (RENAME_EXCHANGE). How many swaps, and what tests/tools/mountdrive counted."""
    swaps, stop, total = [0], threading.Event(), {"mounted": 0, "refused": 0, "outside": 0, "left": 0}

    def swap():
        fd = os.open(where, os.O_RDONLY)
        while not stop.is_set():
            for other in others:
                libc.renameat2(fd, name, fd, other, 2)
                libc.renameat2(fd, name, fd, other, 2)
                swaps[0] += 2
        os.close(fd)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        while swaps[0] < swaps_min or total["mounted"] + total["refused"] < tries_min or not total["mounted"]:
            done = subprocess.run([
                harness.BUILD / "tests/tools/mountdrive", node.directory / "pool", node.directory / "run", b.id,
                str(b.pid()), a.id, path, at, "20"
            ], check=True, capture_output=True, text=True, timeout=120 * harness.SLOW)
            for k, v in json.loads(done.stdout).items():
                total[k] += v
    finally:
        stop.set()
        thread.join()
    return swaps[0], total


def raced_points(node, a, b, outside):
    """The target swaps the directories above its mount point while it is made and mounted on, and the mount point
    itself, from a namespace in which it is none (rename(2)): as this process is."""
    top = b.root() / "race"
    a.sh("mkdir -p /ok; touch /ok/INSIDE")
    b.sh("mkdir -p /race/x/y /race/other/y /race/own/z /race/own/w; ln -s / /race/up")
    os.symlink("/../../../../../../../../.." + str(outside), top / "link")
    for at, where, name, others, what in (("/race/x/y/z", top, b"x", (b"link", b"other", b"up"),
                                           "directories above a mount point"),
                                          ("/race/own/z", top / "own", b"z", (b"w", ), "a mount point and another")):
        swaps, total = raced(node, a, "/ok", b, at, where, name, others, 20000, 60)
        tap.eq((sorted(p.name for p in outside.iterdir()), total["left"], mounts_of(b, f"/{a.id}/rootfs/ok"),
                host.mounts_below(outside)), (["OUTSIDE"], 0, [], []),
               f"{what} are swapped: nothing is made or mounted outside, nothing stays")
        tap.figure(f"{swaps} swaps of {what} during {total['mounted']} mounts and {total['refused']} refusals")
    b.sh("rm -rf /race")


def untraced(node, a, b):
    """kernel.yama.ptrace_scope 3 lets nobody trace, and nobody take a descriptor that way."""
    a.sh("mkdir -p /untraced; touch /untraced/INSIDE")
    done = subprocess.run([
        harness.BUILD / "tests/tools/failnth", "pidfd_getfd", "1*1000", "EPERM", "--",
        harness.BUILD / "tests/tools/mountdrive", node.directory / "pool", node.directory / "run", b.id,
        str(b.pid()), a.id, "/untraced", "/mnt/untraced", "1"
    ], check=True, capture_output=True, text=True, timeout=30 * harness.SLOW)
    tap.eq(json.loads(done.stdout), {"mounted": 1, "refused": 0, "outside": 0, "left": 0},
           "where nobody may trace another, a share is mounted all the same")


def measured(node, api):
    """What a ramdisk has is counted in the ramdisk alone, whatever is moved there meanwhile."""
    box, stop = Box(node, "measured"), threading.Event()
    big = node.directory / "big"
    big.mkdir()
    with open(big / "file", "wb") as f:
        f.write(b"x" * (32 << 20))
    box.sh(
        "mkdir /ramdisk/d; dd if=/dev/zero of=/ramdisk/d/f bs=1M count=1; ln /ramdisk/d/f /ramdisk/again; ln -s /etc "
        "/ramdisk/secrets"
    )
    inside = node.directory / "run/ramdisk/c" / box.id
    os.symlink(big, inside / "link")

    def swap():
        fd = os.open(inside, os.O_RDONLY)
        while not stop.is_set():
            libc.renameat2(fd, b"d", fd, b"link", 2)
        os.close(fd)

    usages = lambda: api.do("GET", f"/containers/{box.id}/stats")["ramdisk"]["usage"]
    tap.eq(usages(), {"private": 1 << 20, "secrets": 0},
           "a file with two names counts once, and a link is no directory of secrets")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = [usages()["private"] for _ in range(100)]
    finally:
        stop.set()
        thread.join()
    tap.ok(
        max(seen) < 4 << 20, "a directory that becomes a link to one of the host's is not followed", sorted(set(seen)))
    box.do("container.delete", force=True)


def named():
    """A pool whose path has the word that its own directories have."""
    with harness.Node(start=False) as node:
        pool = node.directory / "containers" / "a b" / "pool"
        pool.parent.mkdir(parents=True)
        node.conf = {"Storage": {"Pool": pool}}
        node.start()
        node.root = lambda cid: pool / "containers" / cid / "rootfs"
        a, b = Box(node, "source"), Box(node, "target")
        a.sh("mkdir -p /s; echo 1 >/s/f")
        b.sh("mkdir -p /x /y /z; echo mine >/x/f; mount --bind /x /y; mount -t tmpfs hoody-ramdisk /z; echo mine >/z/f")
        sid, result = share(node, a, "/s", b, mount_path="/mnt/s")
        tap.eq((result["status"], b.says("cat /mnt/s/f"), b.says("cat /y/f"), b.says("cat /z/f")), (
            "active", "1", "mine", "mine"
        ), "in a pool below a directory called containers: mounted, and the target's own mounts stay, also what it "
           "calls a ramdisk of the agent's"
               )
        b.do("container.restart")
        tap.eq(b.says("cat /mnt/s/f"), "1", "also at start")
        node.do("share.delete", None, share_id=sid)
        tap.eq((mounts_of(b, f"/{a.id}/rootfs/s"), b.says("echo up")), ([], "up"), "and unmounted")
        for box in (a, b):
            box.do("container.delete", force=True)
        tap.eq(node.sanitizer_words(), [], "sanitizers are silent")


def later(node):
    """Containers that are made while something is ordered for their whole project: each order finds what those before
    it have left."""
    project, wrong = "0123456789abcdef0123eeee", []
    source = Box(node, "fount", project)

    def at_once(*wishes):
        ids = node.api.ask(
            "orders", orders=[{"op": op, "container_id": cid, "project_id": project, "params": params}
                              if cid else {"op": op, "project_id": project, "params": params}
                              for op, cid, params in wishes])["ids"]
        return [node.wait(i, 60)["state"] for i in ids]

    def made():
        return ("container.create", node.new_id(), {"image": harness.IMAGE})

    def sees(wish):
        pid = host.init_of(node.prefix, wish[1])
        return pid and any(line.split()[4] == "/mnt/p"
                           for line in pathlib.Path(f"/proc/{pid}/mountinfo").read_text().splitlines())

    for _ in range(4):
        sid, before, middle, after = node.new_id(), made(), made(), made()
        share = {
            "share_id": sid, "source_container_id": source.id, "source_path": "/root", "target_project_id": project,
            "mode": "readonly", "mount_path": "/mnt/p"
        }
        ends = at_once(before, ("share.create", None, share), middle)
        ends += at_once(("share.delete", None, {"share_id": sid}), after)
        seen = [sees(x) for x in (before, middle, after)]
        if set(ends) != {"succeeded"} or seen != [False, False, False]:
            wrong.append(("deleted", ends, seen))
        sid, late = node.new_id(), made()
        ends = at_once(("share.create", None, dict(share, share_id=sid)), late)
        if set(ends) != {"succeeded"} or not sees(late):
            wrong.append(("created", ends, sees(late)))
        survivor = made()
        ends = at_once(("project.delete", None, {}), survivor)
        if set(ends) != {"succeeded"} or [node.state(x[1]) for x in (before, middle, after, late, survivor)
                                          ] != ["absent"] * 4 + ["running"]:
            wrong.append(("project", ends, node.state(survivor[1])))
        source.id = survivor[1]
    tap.ok(not wrong, "containers that are made while their project is shared with, or deleted", *wrong[:4])
    at_once(("project.delete", None, {}))


def ramdisks(node, api):
    one, two = Box(node, "ram-one"), Box(node, "ram-two")
    one.sh(
        "echo secret >/ramdisk/s; mkdir -m 700 /ramdisk/secrets; echo 123 >/ramdisk/secrets/k; chown 1000 /ramdisk/s")
    tap.eq((one.says("stat -c %a:%u /ramdisk"), one.says("stat -f -c %T /ramdisk")), ("700:0", "tmpfs"),
           "a ramdisk of its own")
    tap.eq(two.says("ls /ramdisk"), "", "nobody else sees it")
    one.do("container.stop")
    one.do("container.start")
    tap.eq((one.says("cat /ramdisk/s"), one.says("stat -c %u /ramdisk/s")), ("secret", "1000"),
           "it outlives stop and start")
    tap.ok(not (one.root() / "ramdisk/s").exists(), "and lies on no disk")
    ram = os.statvfs(node.directory / "run/ramdisk/c" / one.id)
    tap.ok(ram.f_blocks * ram.f_frsize <= 256 << 20, "and has half of the ceiling at most")
    for box in (one, two):
        report = box.do("container.update", ramdisk_scope="project")
        tap.eq(report["state"], "succeeded", f"{box.name}: shared with its project, while it runs", )
    one.sh("echo ours >/ramdisk/project/f")
    tap.eq((two.says("cat /ramdisk/project/f"), two.says("stat -c %u /ramdisk/project/f")), ("ours", "0"),
           "one writes, the other reads, owners right")
    two.do("container.restart")
    tap.eq(two.says("cat /ramdisk/project/f"), "ours", "also mounted at start")
    two.do("container.update", ramdisk_scope="container")
    tap.ok(not two.has_mount("/ramdisk/project") and two.has_mount("/ramdisk"), "left again")
    two.do("container.update", ramdisk=False)
    tap.ok(not two.has_mount("/ramdisk"), "without any")
    two.do("container.update", ramdisk=True)
    tap.ok(two.has_mount("/ramdisk"), "and with one")
    late = Box(node, "late", ramdisk=False)
    late.do("container.update", ramdisk=True, ramdisk_scope="project")
    tap.ok(
        late.has_mount("/ramdisk") and late.has_mount("/ramdisk/project"),
        "one that began without any gets both while it runs")
    late.do("container.update", ramdisk=False, ramdisk_scope="container")
    late.sh("rmdir /ramdisk; touch /ramdisk")
    report = late.do("container.update", ramdisk=True,
                     ssh_public_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43, name="later")
    tap.eq((report["state"], report.get("error", {}).get("data", {}).get("field")), ("failed", "ramdisk"),
           "where none can be mounted, the order says so")
    keys = late.root() / "root/.ssh/authorized_keys"
    tap.eq((keys.exists() and "ssh-ed25519" in keys.read_text(), (late.root() / "etc/hostname").read_text()),
           (False, "late\n"), "and what it has written before is taken back")
    late.do("container.delete", force=True)
    one.sh("ln -s /etc /rl; rm -rf /ramdisk 2>/dev/null; true")
    one.do("container.update", ramdisk_scope="container")
    shared = node.directory / "run/ramdisk/p" / harness.PROJECT
    tap.ok(shared.exists(), "the project's stays when the last has left it")
    for box in (one, two):
        box.do("container.delete", force=True)
    tap.ok(not shared.exists(), "and goes with a container")


def kvm(node):
    if not pathlib.Path("/dev/kvm").exists():
        report = node.do("container.create", node.new_id(), image=harness.IMAGE, kvm=True)
        tap.eq((report["state"], report["error"]["data"]["field"]), ("failed", "kvm"),
               "no /dev/kvm on this host: refused, and says so")
        return
    box = Box(node, "virtual", kvm=True)
    got = in_container(box.pid(), lambda: os.open("/dev/kvm", os.O_RDWR) > 0)
    tap.eq(got, True, "container root opens /dev/kvm")
    tap.eq(
        box.do("container.kvm", kvm=False)["error"]["code"], "OPERATION_STATE_CONFLICT", "withdrawn while stopped only")
    box.do("container.stop")
    box.do("container.kvm", kvm=False)
    box.do("container.start")
    tap.ok(box.sh("test -c /dev/kvm")[0] != 0, "gone when withdrawn")
    box.do("container.delete", force=True)


def ramdisk_is_given(node):
    """The last that had its project's ramdisk is deleted while another is given it: that one can use it."""
    box, wrong = Box(node, "given"), []
    for i in range(2):
        last = Box(node, f"last-{i}", ramdisk_scope="project")
        last.do("container.force-stop")
        wishes = [{
            "op": "container.update", "container_id": box.id, "project_id": harness.PROJECT,
            "params": {"ramdisk_scope": "project"}
        }, {"op": "container.delete", "container_id": last.id, "project_id": harness.PROJECT, "params": {}}]
        states = [node.wait(o)["state"] for o in node.api.ask("orders", orders=wishes[::1 - i % 2 * 2])["ids"]]
        late = Box(node, f"late-{i}", ramdisk_scope="project")
        box.sh("echo ours >/ramdisk/project/f || true")
        if (states, late.says("cat /ramdisk/project/f || true")) != (["succeeded"] * 2, "ours"):
            wrong.append((i, states))
        late.do("container.delete", force=True)
        box.do("container.update", ramdisk_scope="container")
    tap.ok(not wrong, "a project's ramdisk that one is given while the last that had it goes is the project's", *wrong)
    box.do("container.delete", force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        a, b = Box(node, "source"), Box(node, "target")
        ordinary(node, a, b)
        projects(node, a, b)
        copied(node, a, b)
        covered(node, a, b)
        pointed(node, a, b)
        nested(node, a, b)
        without_target(node, a)
        some_fail(node, a, b)
        many_end(node, a)
        waits(node, a)
        prolonged(node, a)
        thrown_away(node, a)
        anew(node, a)
        of_another(node, a)
        rebooted(node, a, b)
        attacked(node, a, b)
        untraced(node, a, b)
        for box in (a, b):
            tap.eq(box.do("container.delete", force=True)["state"], "succeeded", f"{box.name} is deleted")
        ramdisks(node, local.Local(node))
        ramdisk_is_given(node)
        measured(node, local.Local(node))
        later(node)
        kvm(node)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    named()
    tap.done()


main()
