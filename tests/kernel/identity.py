#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the platform writes into a container's root: environment (judged by the real pam_env), key, host name, /hoody; links and other traps in its way; limits changed while it runs."""
import ctypes
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@somewhere"


def pam_env(path):
    """What a login would have: {name: value} by libpam and pam_env.so, of this file alone."""
    pam = ctypes.CDLL("libpam.so.0")
    misc = ctypes.CDLL(None)

    class Conv(ctypes.Structure):
        _fields_ = [("conv", ctypes.c_void_p), ("data", ctypes.c_void_p)]

    handle, conv = ctypes.c_void_p(), Conv()
    with tempfile.TemporaryDirectory() as d:
        (pathlib.Path(d) / "hoody").write_text(f"session required pam_env.so conffile=/dev/null envfile={path} readenv=1\n")
        assert pam.pam_start_confdir(b"hoody", b"root", ctypes.byref(conv), d.encode(), ctypes.byref(handle)) == 0
        assert pam.pam_open_session(handle, 0) == 0
        pam.pam_getenvlist.restype = ctypes.POINTER(ctypes.c_char_p)
        listed, found, i = pam.pam_getenvlist(handle), {}, 0
        while listed[i]:
            name, _, value = listed[i].decode().partition("=")
            found[name] = value
            i += 1
        pam.pam_end(handle, 0)
    del misc
    return found


def env_of(node, cid):
    return {k: v for k, v in pam_env(node.root(cid) / "etc/environment").items()}


def sync_of(report):
    return report["result"]["env_sync"]


def environment(node, api):
    cid = node.new_id()
    values = {"PLAIN": "a/b:c", "SPACE": "two words", "QUOTE": 'say "hi"', "APOS": "it's", "BACK": "a\\b\\", "DOLLAR": "$HOME `id`", "EQ": "a=b", "UTF": "Grüße €", "TRAIL": "end ", "ONE": "'"}
    report = node.do("container.create", cid, image=harness.IMAGE, name="envy", environment_vars=values)
    tap.ok(report["state"] == "succeeded", "a container with variables", report.get("error"))
    own = {"HOODY_CONTAINER_ID": cid, "HOODY_PROJECT_ID": harness.PROJECT}
    seen = env_of(node, cid)
    tap.eq({k: seen.get(k) for k in values}, values, "pam_env reads every value as it was given")
    tap.ok({k: seen.get(k) for k in own} == own and seen.get("HOODY_NODE"), "HOODY_* are injected", seen)
    init = dict(e.split("=", 1) for e in pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/environ").read_text().split("\0") if "=" in e)
    tap.eq({k: init.get(k) for k in values}, values, "init has them")
    tap.eq(node.ctl("exec", "envy", "sh", "-c", 'printf %s "$QUOTE|$HOODY_CONTAINER_ID"')[1], f'say "hi"|{cid}', "a session has them")
    # Other lines stay.
    path = node.root(cid) / "etc/environment"
    path.write_text("LANG=C.UTF-8\n# mine\n" + path.read_text() + "LAST=1")
    path.chmod(0o640)
    os.chown(path, 0, 4)
    report = node.do("env.merge", cid, vars={"PLAIN": "new", "MORE": "x"})
    text, sync = path.read_text(), sync_of(report)
    tap.ok(text.startswith("LANG=C.UTF-8\n# mine\n# BEGIN hoody-agent\n") and text.endswith("LAST=1"), "lines before and behind stay", text)
    tap.eq((path.stat().st_mode & 0o7777, path.stat().st_gid), (0o640, 4), "mode and owner stay")
    tap.eq((sync["pending"], sync["revision"], sync["applied_revision"], sync["last_error"], report["result"]["synced"]), (False, 2, 2, None, True), "env_sync")
    tap.eq((env_of(node, cid)["PLAIN"], env_of(node, cid)["LANG"]), ("new", "C.UTF-8"), "merged")
    node.do("env.unset", cid, key="MORE")
    tap.ok("MORE" not in env_of(node, cid) and node.do("env.unset", cid, key="NEVER")["state"] == "succeeded", "unset; of what is not set: success")
    # What the file can't carry.
    report = node.do("env.set", cid, key="LINES", value="a#b")
    tap.eq((report["state"], sync_of(report)["last_error"], sync_of(report)["pending"], sync_of(report)["exhausted"]), ("succeeded", "ENV_UNREPRESENTABLE", True, False), "a #, which begins a comment: pending, and why")
    tap.ok("LINES" not in env_of(node, cid) and env_of(node, cid)["PLAIN"] == "new", "the others are in place")
    tap.eq(node.ctl("exec", "envy", "sh", "-c", 'printf %s "$LINES"')[1], "a#b", "a session has it all the same")
    tap.eq(sync_of(node.do("env.set", cid, key="LINES", value="x" * 1017))["last_error"], "ENV_LEGACY_OVERFLOW", "a line too long for older pam_env")
    tap.eq(sync_of(node.do("env.set", cid, key="LINES", value="x" * 1016))["last_error"], None, "one that just fits")
    tap.eq(env_of(node, cid)["LINES"], "x" * 1016, "and is read whole")
    # Traps of the container's root.
    outside = node.directory / "outside"
    outside.write_text("host\n")
    for what, make, code in (("a link", lambda: path.symlink_to("/../../../../../../../.." + str(outside)), "ENV_DEST_UNSUPPORTED"),
                             ("a fifo", lambda: os.mkfifo(path), "ENV_DEST_UNSUPPORTED"),
                             ("a directory", lambda: path.mkdir(), "ENV_DEST_UNSUPPORTED"),
                             ("edited marks", lambda: path.write_text("# BEGIN hoody-agent\nA=1\n"), "ENV_BLOCK_MALFORMED"),
                             ("a huge file", lambda: path.write_text("#" * 65530 + "\n"), "ENV_HOST_CONFIG_TOO_LARGE")):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        make()
        report = node.do("env.set", cid, key="A", value=what)
        tap.eq((report["state"], sync_of(report)["last_error"]), ("succeeded", code), f"/etc/environment is {what}")
    tap.eq(outside.read_text(), "host\n", "nothing outside was written")
    path.unlink()
    etc = node.root(cid) / "etc"
    etc.rename(node.root(cid) / "etc.real")
    etc.symlink_to("/../../../../../.." + str(node.directory / "hostetc"))
    (node.directory / "hostetc").mkdir()
    tap.eq(sync_of(node.do("env.set", cid, key="A", value="b"))["last_error"], "ENV_DEST_UNSUPPORTED", "/etc is a link out of the root")
    tap.eq(list((node.directory / "hostetc").iterdir()), [], "which leads nowhere")
    etc.unlink()
    (node.root(cid) / "etc.real").rename(etc)
    node.do("env.unset", cid, key="LINES")
    # After a restore the wish holds, not the snapshot.
    node.do("snapshot.create", cid, alias="old")
    node.do("env.set", cid, key="PLAIN", value="newer")
    tap.eq(node.do("snapshot.restore", cid, name="old")["state"], "succeeded", "restored")
    tap.eq(env_of(node, cid)["PLAIN"], "newer", "the environment is applied again")
    data = api.do("GET", f"/containers/{cid}/env")
    tap.eq((data["environment_vars"]["PLAIN"], data["env_sync"]["pending"]), ("newer", False), "the local API tells it")
    report = node.do("env.merge", cid, vars={f"N{i}": "x" for i in range(250)})
    tap.eq((report["state"], report["error"]["code"]), ("failed", "invalid_params"), "more than 256 in all are refused")
    return cid


def retried(node):
    """What could not be written is written when its time comes, by an order of the agent's own."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="again")
    path = node.root(cid) / "etc/environment"
    path.unlink(missing_ok=True)
    path.mkdir()
    tap.eq(sync_of(node.do("env.set", cid, key="A", value="1"))["last_error"], "ENV_DEST_UNSUPPORTED", "it can't be written")
    path.rmdir()
    node.stop_agent()
    with sqlite3.connect(node.directory / "state/state.db") as db:
        tap.ok(db.execute("SELECT retry_ms FROM env WHERE container_id=?", (cid,)).fetchone()[0] > time.time() * 1000 + 30_000, "a time is set for the next attempt")
        db.execute("UPDATE env SET retry_ms=1")
    db.close()
    node.start_agent()
    tap.ok(host.poll(lambda: path.is_file() and env_of(node, cid).get("A") == "1", 10), "at its time it is written")
    tap.ok(node.wait_report("env", event="applied", container_id=cid), "which is reported")
    node.do("container.delete", cid, force=True)


def raced(node):
    """Links that come and go under the agent's feet: nothing outside of the root is ever written."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="raced", ssh_public_key=KEY)
    root, outside = node.root(cid), node.directory / "outside-of-it"
    (outside / ".ssh").mkdir(parents=True)
    victims = [outside / n for n in ("environment", "hostname", "hosts", "resolv.conf", ".ssh/authorized_keys", "authorized_keys")]
    for v in victims:
        v.write_text("raced\n")
    before = {v: (v.read_bytes(), v.stat().st_ino, v.stat().st_mode) for v in victims}
    up, libc = "/../../../../../../../../..", ctypes.CDLL(None)
    swaps, stop = [0], threading.Event()

    def swap():
        names = []
        for folder, files in (("etc", ("environment", "hostname", "hosts", "resolv.conf")), ("root/.ssh", ("authorized_keys",))):
            for name in files: # each file with a link to the same name outside
                os.symlink(f"{up}{outside}/{name}", root / folder / f"{name}.link")
                names.append((root / folder / name, root / folder / f"{name}.link"))
        os.symlink(f"{up}{outside}", root / "etc.link")
        os.symlink(f"{up}{outside}/.ssh", root / "root/.ssh.link")
        names += [(root / "etc", root / "etc.link"), (root / "root/.ssh", root / "root/.ssh.link")]
        while not stop.is_set():
            for a, b in names:
                libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2)
                swaps[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for i in range(60):
            node.do("env.set", cid, key="N", value=str(i))
            node.do("container.update", cid, ssh_public_key=KEY if i % 2 else None, name=f"raced-{i}")
            if i % 10 == 0:
                node.do("container.restart", cid)
    finally:
        stop.set()
        thread.join()
    tap.ok(swaps[0] > 10000, "links were swapped all the while", swaps)
    tap.eq({v: (v.read_bytes(), v.stat().st_ino, v.stat().st_mode) for v in victims}, before, "nothing outside was written")
    tap.eq(sorted(p.name for p in outside.iterdir()), sorted([".ssh", "environment", "hostname", "hosts", "resolv.conf", "authorized_keys"]), "nor made")
    tap.figure(f"{swaps[0]} swaps of links during 60 rounds of writing")
    node.do("container.delete", cid, force=True)


def identity(node, api):
    cid = node.new_id()
    report = node.do("container.create", cid, image=harness.IMAGE, name="first", ssh_public_key=KEY)
    tap.ok(report["state"] == "succeeded", "a container with a key", report.get("error"))
    root = node.root(cid)
    keys = root / "root/.ssh/authorized_keys"
    tap.ok(KEY in keys.read_text().splitlines(), "authorized_keys has it", keys.read_text())
    tap.eq((keys.stat().st_mode & 0o777, keys.parent.stat().st_mode & 0o777, keys.stat().st_uid), (0o600, 0o700, 0), "as sshd wants it")
    (node.directory / "key.pub").write_text(KEY + "\n")
    want = subprocess.run(["ssh-keygen", "-lf", node.directory / "key.pub"], capture_output=True, text=True).stdout.split()[1]
    shown = api.do("GET", f"/containers/{cid}")
    tap.eq((shown["ssh_key_fingerprint"], shown["ssh_public_key"]), (want, KEY), "the fingerprint is ssh-keygen's")
    for name in ("storage", "shares", "databases", "mounts"):
        tap.ok((root / "hoody" / name).is_dir(), f"/hoody/{name} is there")
    tap.eq(node.ctl("exec", "first", "sh", "-c", "stat -c %a:%u /dev/hoody; stat -f -c %T /dev/hoody")[1].split(), ["755:0", "tmpfs"], "and /dev/hoody")
    # Somebody's own key stays, ours goes; sessions of it end.
    keys.write_text("ssh-ed25519 AAAA own\n" + keys.read_text())
    session = subprocess.Popen(["sshd: root@notty", "-c", "import time; time.sleep(60)"], executable=sys.executable)
    other = subprocess.Popen(["sshd: alice@notty", "-c", "import time; time.sleep(60)"], executable=sys.executable)
    for mount, _ in host.cgroup_mounts():
        for pid in (session.pid, other.pid):
            procs = mount / node.prefix / cid / "payload" / "cgroup.procs"
            if procs.exists():
                procs.write_text(str(pid))
    report = node.do("container.update", cid, ssh_public_key=None)
    tap.ok(report["state"] == "succeeded", "the key is removed", report.get("error"))
    tap.eq(keys.read_text(), "ssh-ed25519 AAAA own\n", "and nothing but it")
    tap.ok(host.poll(lambda: session.poll() is not None, 3), "a session that it opened has ended")
    tap.ok(other.poll() is None, "another's has not")
    other.kill()
    other.wait()
    tap.eq(api.do("GET", f"/containers/{cid}")["ssh_key_fingerprint"], None, "no fingerprint")
    # Links in the way.
    victim = node.directory / "victim"
    victim.mkdir()
    import shutil
    shutil.rmtree(keys.parent)
    keys.parent.symlink_to("/../../../../../../../.." + str(victim))
    report = node.do("container.update", cid, ssh_public_key=KEY)
    tap.eq((report["state"], list(victim.iterdir())), ("failed", []), "a .ssh that leads out is refused, and nothing written there")
    tap.eq(node.do("container.restart", cid)["state"], "succeeded", "the container starts all the same")
    keys.parent.unlink()
    keys.parent.mkdir()
    (victim / "file").write_text("mine")
    keys.symlink_to("/../../../../../../../.." + str(victim / "file"))
    report = node.do("container.update", cid, ssh_public_key=KEY)
    tap.eq((report["state"], (victim / "file").read_text()), ("failed", "mine"), "an authorized_keys that is a link is refused")
    keys.unlink()
    tap.eq(node.do("container.update", cid, ssh_public_key=KEY)["state"], "succeeded", "and works again without")
    copy = node.new_id()
    report = node.do("container.copy", copy, source_container_id=cid, name="copied")
    tap.ok(report["state"] == "succeeded" and KEY not in (node.root(copy) / "root/.ssh/authorized_keys").read_text(), "a copy never has its source's key", report.get("error"))
    # The name.
    report = node.do("container.update", cid, name="second")
    tap.ok(report["state"] == "succeeded" and (root / "etc/hostname").read_text() == "second\n", "the host name follows", report.get("error"))
    tap.eq(node.ctl("exec", "second", "hostname")[1].strip(), "second", "at once")
    (root / "etc/hostname").write_text("chosen\n")
    node.do("container.update", cid, name="third")
    tap.eq((root / "etc/hostname").read_text(), "chosen\n", "a name that its owner has chosen stays")
    for c in (copy, cid):
        node.do("container.delete", c, force=True)


def group_file(node, cid, *names):
    for mount, unified in host.cgroup_mounts():
        for name in names:
            path = mount / node.prefix / cid / "payload" / name
            if path.exists():
                return path.read_text().split()
    return None


def limits(node):
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="limited", limits={"pids": 100})
    report = node.do("container.update", cid, limits={"memory_bytes": 64 << 20, "pids": 50, "cpu_cores": 1.5, "net_bps": 8000000})
    tap.ok(report["state"] == "succeeded", "limits are changed while it runs", report.get("error"))
    tap.eq(group_file(node, cid, "memory.max", "memory.limit_in_bytes"), [str(64 << 20)], "memory")
    tap.eq(group_file(node, cid, "pids.max"), ["50"], "pids")
    tap.eq((group_file(node, cid, "cpu.max") or group_file(node, cid, "cpu.cfs_quota_us"))[0], "150000", "cpu")
    link = next(n for n in host.links() if n.startswith(node.interfaces))
    tap.ok("tbf" in subprocess.run(["tc", "qdisc", "show", "dev", link], capture_output=True, text=True).stdout, "network")
    node.do("container.restart", cid)
    tap.eq(group_file(node, cid, "pids.max"), ["50"], "they hold after a restart")
    report = node.do("container.update", cid, limits={"pids": 60, "disk_bytes": 1 << 20})
    tap.eq((report["state"], report["error"]["data"]["field"]), ("failed", "limits.disk_bytes"), "one that can't be had is refused")
    tap.eq(group_file(node, cid, "pids.max"), ["50"], "and the others are as they were")
    node.do("container.delete", cid, force=True)


def io_limits():
    import loop
    with loop.FileSystem("ext4", 256) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid = node.new_id()
        report = node.do("container.create", cid, image=harness.IMAGE, name="slow", limits={"io_write_bps": 1 << 20})
        if report["state"] != "succeeded":
            tap.skip("limits of input and output", report["error"]["message"])
            return
        text = group_file(node, cid, "io.max", "blkio.throttle.write_bps_device")
        tap.ok(str(1 << 20) in " ".join(text or []), "the kernel has the limit of writes", text)
        report = node.do("container.update", cid, limits={"io_read_bps": 2 << 20})
        text = group_file(node, cid, "io.max", "blkio.throttle.read_bps_device")
        tap.ok(report["state"] == "succeeded" and str(2 << 20) in " ".join(text or []), "and of reads, while it runs", text, report.get("error"))
        node.do("container.delete", cid, force=True)


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        api = local.Local(node)
        node.do("container.delete", environment(node, api), force=True)
        identity(node, api)
        retried(node)
        raced(node)
        limits(node)
        host.poll(lambda: not node.leaks(), 3)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    io_limits()
    tap.done()


main()
