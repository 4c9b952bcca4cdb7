#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the platform writes into a container's root: environment (judged by the real pam_env), key, host name, /hoody;
links and other traps in its way; limits changed while it runs."""
import base64
import ctypes
import os
import pathlib
import re
import shutil
import sqlite3
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import struck
import tap

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone@somewhere"


def pam_env(path):
    """What a login would have: {name: value} by libpam and pam_env.so, of this file alone."""
    pam = ctypes.CDLL("libpam.so.0")
    misc = ctypes.CDLL(None)

    class Conv(ctypes.Structure):
        _fields_ = [("conv", ctypes.c_void_p), ("data", ctypes.c_void_p)]

    handle, conv = ctypes.c_void_p(), Conv()
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-") as d:
        (pathlib.Path(d) /
         "hoody").write_text(f"session required pam_env.so conffile=/dev/null envfile={path} readenv=1\n")
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
    values = {
        "PLAIN": "a/b:c", "SPACE": "two words", "QUOTE": 'say "hi"', "APOS": "it's", "BACK": "a\\b\\",
        "DOLLAR": "$HOME `id`", "EQ": "a=b", "UTF": "Grüße €", "TRAIL": "end ", "ONE": "'"
    }
    report = node.do("container.create", cid, image=harness.IMAGE, name="envy", environment_vars=values)
    tap.ok(report["state"] == "succeeded", "a container with variables", report.get("error"))
    own = {"HOODY_CONTAINER_ID": cid, "HOODY_PROJECT_ID": harness.PROJECT}
    seen = env_of(node, cid)
    tap.eq({k: seen.get(k) for k in values}, values, "pam_env reads every value as it was given")
    tap.ok({k: seen.get(k) for k in own} == own and seen.get("HOODY_NODE"), "HOODY_* are injected", seen)
    init = dict(
        e.split("=", 1) for e in pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/environ").read_text().split("\0")
        if "=" in e)
    tap.eq({k: init.get(k) for k in values}, values, "init has them")
    tap.eq(
        node.ctl("exec", "envy", "sh", "-c", 'printf %s "$QUOTE|$HOODY_CONTAINER_ID"')[1], f'say "hi"|{cid}',
        "a session has them")
    # A change that names them as they are, and fails.
    ssh = node.root(cid) / "root/.ssh"
    ssh.symlink_to("/nowhere")
    report = node.do("container.update", cid, environment_vars=values, ssh_public_key=KEY)
    ssh.unlink()
    tap.eq((report["state"], api.do("GET", f"/containers/{cid}/env")["environment_vars"]), ("failed", values),
           "a change that fails leaves them")
    # Other lines stay.
    path = node.root(cid) / "etc/environment"
    path.write_text("LANG=C.UTF-8\n# mine\n" + path.read_text() + "LAST=1")
    path.chmod(0o640)
    os.chown(path, 0, 4)
    report = node.do("env.merge", cid, vars={"PLAIN": "new", "MORE": "x"})
    text, sync = path.read_text(), sync_of(report)
    tap.ok(
        text.startswith("LANG=C.UTF-8\n# mine\n# BEGIN hoody-agent\n") and text.endswith("LAST=1"),
        "lines before and behind stay", text)
    tap.eq((path.stat().st_mode & 0o7777, path.stat().st_gid), (0o640, 4), "mode and owner stay")
    tap.eq(
        (sync["pending"], sync["revision"], sync["applied_revision"], sync["last_error"], report["result"]["synced"]),
        (False, 2, 2, None, True), "env_sync")
    tap.eq((env_of(node, cid)["PLAIN"], env_of(node, cid)["LANG"]), ("new", "C.UTF-8"), "merged")
    node.do("env.unset", cid, key="MORE")
    tap.ok("MORE" not in env_of(node, cid) and node.do("env.unset", cid, key="NEVER")["state"] == "succeeded",
           "unset; of what is not set: success")
    # What the file can't carry.
    report = node.do("env.set", cid, key="LINES", value="a#b")
    tap.eq((report["state"], sync_of(report)["last_error"], sync_of(report)["pending"], sync_of(report)["exhausted"]),
           ("succeeded", "ENV_UNREPRESENTABLE", True, False), "a #, which begins a comment: pending, and why")
    tap.ok("LINES" not in env_of(node, cid) and env_of(node, cid)["PLAIN"] == "new", "the others are in place")
    tap.eq(node.ctl("exec", "envy", "sh", "-c", 'printf %s "$LINES"')[1], "a#b", "a session has it all the same")
    tap.eq(
        sync_of(node.do("env.set", cid, key="LINES", value="x" * 1017))["last_error"], "ENV_LEGACY_OVERFLOW",
        "a line too long for older pam_env")
    tap.eq(sync_of(node.do("env.set", cid, key="LINES", value="x" * 1016))["last_error"], None, "one that just fits")
    tap.eq(env_of(node, cid)["LINES"], "x" * 1016, "and is read whole")
    # Traps of the container's root.
    outside = node.directory / "outside"
    outside.write_text("host\n")
    for what, make, code in (("a link", lambda: path.symlink_to("/../../../../../../../.." + str(outside)),
                              "ENV_DEST_UNSUPPORTED"), ("a fifo", lambda: os.mkfifo(path), "ENV_DEST_UNSUPPORTED"),
                             ("a directory", lambda: path.mkdir(), "ENV_DEST_UNSUPPORTED"),
                             ("edited marks", lambda: path.write_text("# BEGIN hoody-agent\nA=1\n"),
                              "ENV_BLOCK_MALFORMED"), ("a huge file", lambda: path.write_text("#" * 65530 + "\n"),
                                                       "ENV_HOST_CONFIG_TOO_LARGE")):
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
    tap.eq(
        sync_of(node.do("env.set", cid, key="A", value="b"))["last_error"], "ENV_DEST_UNSUPPORTED",
        "/etc is a link out of the root")
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
    tap.eq(
        sync_of(node.do("env.set", cid, key="A", value="1"))["last_error"], "ENV_DEST_UNSUPPORTED",
        "it can't be written")
    path.rmdir()
    node.stop_agent()
    with sqlite3.connect(node.directory / "state/state.db") as db:
        tap.ok(
            db.execute("SELECT retry_ms FROM env WHERE container_id=?",
                       (cid, )).fetchone()[0] > time.time() * 1000 + 30_000, "a time is set for the next attempt")
        db.execute("UPDATE env SET retry_ms=1")
    db.close()
    node.start_agent()
    tap.ok(host.poll(lambda: path.is_file() and env_of(node, cid).get("A") == "1", 10), "at its time it is written")
    tap.ok(node.wait_report("env", event="applied", container_id=cid), "which is reported")
    node.do("container.delete", cid, force=True)


def told(node):
    """Whatever writes what was wished for, it is told once that it is there."""
    cid, api = node.new_id(), local.Local(node)
    told_now = lambda: [r["event"] for r in node.reports(kind="env") if r["container_id"] == cid]
    node.do("container.create", cid, image=harness.IMAGE, name="told", environment_vars={"A": "1"})
    node.do("container.update", cid, environment_vars={"A": "2"})
    tap.eq(told_now(), ["applied", "updated", "applied"], "variables at a creation, and by an update")
    path = node.root(cid) / "etc/environment"
    path.unlink()
    path.mkdir()
    node.do("env.set", cid, key="A", value="3")
    path.rmdir()
    node.do("container.restart", cid)
    tap.eq((env_of(node, cid)["A"], told_now()[3:]), ("3", ["updated", "failed", "applied"]),
           "what could not be written is, by a start")
    node.do("container.restart", cid)
    node.do("env.set", cid, key="A", value="3")
    tap.eq((len(told_now()), api.do("GET", f"/containers/{cid}/env")["env_sync"]["pending"]), (6, False),
           "and what is there is not told again")
    node.do("container.delete", cid, force=True)


def raced(node):
    """Links that come and go under the agent's feet: nothing outside of the root is ever written."""
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="raced", ssh_public_key=KEY)
    root, outside = node.root(cid), node.directory / "outside-of-it"
    (outside / ".ssh").mkdir(parents=True)
    victims = [
        outside / n
        for n in ("environment", "hostname", "hosts", "resolv.conf", ".ssh/authorized_keys", "authorized_keys")
    ]
    for v in victims:
        v.write_text("raced\n")
    before = {v: (v.read_bytes(), v.stat().st_ino, v.stat().st_mode) for v in victims}
    up, libc = "/../../../../../../../../..", ctypes.CDLL(None)
    swaps, stop = [0], threading.Event()

    def swap():
        names = []
        for folder, files in (("etc", ("environment", "hostname", "hosts", "resolv.conf")), ("root/.ssh",
                                                                                             ("authorized_keys", ))):
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
    tap.eq({v: (v.read_bytes(), v.stat().st_ino, v.stat().st_mode) for v in victims}, before,
           "nothing outside was written")
    tap.eq(sorted(p.name for p in outside.iterdir()),
           sorted([".ssh", "environment", "hostname", "hosts", "resolv.conf", "authorized_keys"]), "nor made")
    tap.figure(f"{swaps[0]} swaps of links during 60 rounds of writing")
    node.do("container.delete", cid, force=True)


SYSTEM = {"etc/machine-id": "a" * 32 + "\n", "etc/ssh/ssh_host_key": "first's", "etc/hostname": "third\n"}


def system_of(root):
    """What makes it one."""
    return {name: (root / name).read_text() for name in SYSTEM if (root / name).exists()}


def has_host_key(root, name):
    """sshd(8) starts: most systems make their host keys once, as it is installed."""
    key = root / "etc/ssh/ssh_host_ed25519_key"
    keys = [p for p in (key, key.with_name(key.name + ".pub")) if p.exists()]
    public = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, text=True).stdout
    has = [(p.read_text() == public if p != key else "PRIVATE" in p.read_text(), p.stat().st_mode & 0o777,
            p.stat().st_uid) for p in keys]
    tap.eq(has, [(True, 0o600, 0), (True, 0o644, 0)], "with a host key of its own, as ssh-keygen reads it")
    tap.ok(public.startswith("ssh-ed25519 ") and public.endswith(f" root@{name}\n"), "that is named after it", public)


def apart_from_services(node, cid):
    """Services have host names of their own (ProtectHostname= in systemd.exec(5)), and groups beside init's."""
    init = host.init_of(node.prefix, cid)
    payload = next(m for m, unified in host.cgroup_mounts() if unified) / node.prefix / cid / "payload"
    with harness.running(["nsenter", "-t", str(init), "-u", "unshare", "-u", "sleep", "infinity"]) as service:
        uts = lambda pid: os.readlink(f"/proc/{pid}/ns/uts")
        tap.ok(host.poll(lambda: uts(service.pid) not in (uts(init), uts("self")), 5), "a service in a namespace")
        for name, pid in (("a.service", service.pid), ("init.scope", init)):
            (payload / name).mkdir()
            (payload / name / "cgroup.procs").write_text(str(pid))
        node.do("container.update", cid, name="moved")
        tap.eq(node.ctl("exec", "moved", "hostname")[1].strip(), "moved", "the name of init's, not of some service")
        service.kill()
    node.do("container.update", cid, name="second")


def identity(node, api):
    cid = node.new_id()
    report = node.do("container.create", cid, image=harness.IMAGE, name="first", ssh_public_key=KEY)
    tap.ok(report["state"] == "succeeded", "a container with a key", report.get("error"))
    root = node.root(cid)
    keys = root / "root/.ssh/authorized_keys"
    tap.ok(KEY in keys.read_text().splitlines(), "authorized_keys has it", keys.read_text())
    tap.eq((keys.stat().st_mode & 0o777, keys.parent.stat().st_mode & 0o777, keys.stat().st_uid), (0o600, 0o700, 0),
           "as sshd wants it")
    (node.directory / "key.pub").write_text(KEY + "\n")
    want = subprocess.run(["ssh-keygen", "-lf", node.directory / "key.pub"], capture_output=True,
                          text=True).stdout.split()[1]
    shown = api.do("GET", f"/containers/{cid}")
    tap.eq((shown["ssh_key_fingerprint"], shown["ssh_public_key"]), (want, KEY), "the fingerprint is ssh-keygen's")
    for name in ("storage", "shares", "databases", "mounts"):
        tap.ok((root / "hoody" / name).is_dir(), f"/hoody/{name} is there")
    tap.eq(
        node.ctl("exec", "first", "sh", "-c", "stat -c %a:%u /dev/hoody; stat -f -c %T /dev/hoody")[1].split(),
        ["755:0", "tmpfs"], "and /dev/hoody")
    # What is no text stays as it is: no line behind a NUL is lost.
    whole = keys.read_bytes() + b"ssh-ed25519 AAAA be\0hind\nssh-ed25519 AAAA last\n"
    keys.write_bytes(whole)
    report = node.do("container.update", cid, ssh_public_key=None)
    tap.eq((report["state"], keys.read_bytes()), ("failed", whole), "a file with a NUL is refused, and left alone")
    keys.write_bytes(whole.split(b"ssh-ed25519 AAAA be")[0])
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
    shutil.rmtree(keys.parent)
    keys.parent.symlink_to("/../../../../../../../.." + str(victim))
    report = node.do("container.update", cid, ssh_public_key=KEY)
    tap.eq((report["state"], list(victim.iterdir())), ("failed", []),
           "a .ssh that leads out is refused, and nothing written there")
    installed = lambda: api.do("GET", f"/containers/{cid}")["ssh_key_installed_at"]
    keys.parent.unlink()
    tap.ok(node.do("container.update", cid, ssh_public_key=KEY)["state"] == "succeeded" and installed(),
           "without it the key is installed")
    shutil.rmtree(keys.parent)
    keys.parent.symlink_to("/../../../../../../../.." + str(victim))
    tap.eq((node.do("container.restart", cid)["state"], list(victim.iterdir())), ("succeeded", []),
           "the container starts all the same")
    tap.ok(installed() is None and f"container {cid} has not all of the platform's files" in node.log.read_text(),
           "which is no key that is installed, and said in the log", installed())
    keys.parent.unlink()
    node.do("container.restart", cid)
    tap.ok(installed(), "and is installed by the next start that can")
    shutil.rmtree(keys.parent)
    keys.parent.mkdir()
    (victim / "file").write_text("mine")
    keys.symlink_to("/../../../../../../../.." + str(victim / "file"))
    report = node.do("container.update", cid, ssh_public_key=KEY)
    tap.eq((report["state"], (victim / "file").read_text()), ("failed", "mine"),
           "an authorized_keys that is a link is refused")
    keys.unlink()
    tap.eq(node.do("container.update", cid, ssh_public_key=KEY)["state"], "succeeded", "and works again without")
    # As roots by hand are, without a home for root, and with what is its owner's own where the platform's tree goes.
    home = root / "root"
    shutil.rmtree(home)
    report = node.do("container.update", cid, ssh_public_key=KEY)
    tap.eq((report["state"], keys.exists() and home.stat().st_mode & 0o7777), ("succeeded", 0o700),
           "where there is no /root it is made")
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(root / "hoody")
    (root / "hoody").write_text("mine")
    report = node.do("container.restart", cid)
    tap.eq((report["state"], keys.exists() and KEY in keys.read_text(), (root / "hoody").read_text()),
           ("succeeded", True, "mine"), "a /hoody that is a file keeps no key out")
    (root / "hoody").unlink()
    copy = node.new_id()
    report = node.do("container.copy", copy, source_container_id=cid, name="copied")
    tap.ok(report["state"] == "succeeded" and KEY not in (node.root(copy) / "root/.ssh/authorized_keys").read_text(),
           "a copy never has its source's key", report.get("error"))
    # The name.
    report = node.do("container.update", cid, name="second")
    tap.ok(report["state"] == "succeeded" and (root / "etc/hostname").read_text() == "second\n",
           "the host name follows", report.get("error"))
    said = node.ctl("exec", "second", "sh", "-c", "hostname; hostname -i; ip -4 -o addr show eth0")[1].split()
    tap.ok(said[0] == "second" and f"{said[1]}/32" in said[2:], "at once, and is its address", said)
    apart_from_services(node, cid)
    (root / "etc/hostname").write_text("chosen\n")
    node.do("container.update", cid, name="third")
    tap.eq((root / "etc/hostname").read_text(), "chosen\n", "a name that its owner has chosen stays")
    # What a snapshot was called, and whose it was.
    (root / "etc/hostname").write_text("third\n")
    for name, text in SYSTEM.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    node.do("snapshot.create", cid, alias="old")
    node.do("container.update", cid, name="fourth")
    node.do("snapshot.restore", cid, name="old")
    tap.eq((system_of(root), node.ctl("exec", "fourth", "hostname")[1].strip()),
           ({**SYSTEM, "etc/hostname": "fourth\n"}, "fourth"), "a restored one goes by the name that it has now")
    node.do("snapshot.create", cid, alias="fourth")
    (root / "etc/hostname").write_text("chosen\n")
    node.do("container.update", cid, name="fifth")
    node.do("snapshot.restore", cid, name="fourth")
    tap.eq((root / "etc/hostname").read_text(), "fourth\n", "where its owner had chosen one, by the snapshot's")
    heir = node.new_id()
    node.do("container.copy", heir, source_container_id=cid, name="heir")
    tap.eq(system_of(node.root(heir)), {"etc/machine-id": "", "etc/hostname": "heir\n"}, "a copy is another system")
    has_host_key(node.root(heir), "heir")
    own = {"etc/machine-id": "b" * 32 + "\n", "etc/ssh/ssh_host_key": "heir's", "etc/hostname": "heir\n"}
    for name, text in own.items():
        (node.root(heir) / name).write_text(text)
    node.do("snapshot.restore", heir, name="old")
    tap.eq((system_of(node.root(heir)), node.ctl("exec", "heir", "hostname")[1].strip()), (own, "heir"),
           "and stays it when a snapshot is restored that came along")
    node.do("snapshot.create", heir, alias="own")
    (node.root(heir) / "etc/ssh/ssh_host_key").write_text("lost")
    node.do("snapshot.restore", heir, name="own")
    tap.eq(system_of(node.root(heir)), own, "one of its own brings back what it was")
    for c in (heir, copy, cid):
        node.do("container.delete", c, force=True)


def fingerprints(node, api):
    """Every kind of key that ssh-keygen makes, with options and comments as people write them."""
    cid, made = node.new_id(), node.directory / "made"
    node.do("container.create", cid, image=harness.IMAGE, name="keys", start=False)
    keys = {}
    for kind, bits in (("rsa", 2048), ("rsa", 4096), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("ed25519", 0)):
        made.unlink(missing_ok=True)
        subprocess.run([
            "ssh-keygen", "-q", "-t", kind, *(["-b", str(bits)] if bits else []), "-N", "", "-C", "me at my laptop",
            "-f", made
        ], check=True)
        keys[f"{kind}-{bits}"] = made.with_suffix(".pub").read_text().strip()
    # Of security keys, which nobody has here: their blobs are made by hand (PROTOCOL.u2f of OpenSSH).
    string = lambda b: struct.pack(">I", len(b)) + b
    point = subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], capture_output=True,
                           check=True).stdout
    point = subprocess.run(["openssl", "ec", "-pubout", "-conv_form", "uncompressed", "-outform", "DER"], input=point,
                           capture_output=True, check=True).stdout[-65:]
    for name, blob in (("sk-ssh-ed25519@openssh.com", string(base64.b64decode(KEY.split()[1])[-32:])),
                       ("sk-ecdsa-sha2-nistp256@openssh.com", string(b"nistp256") + string(point))):
        keys[name] = f"{name} {base64.b64encode(string(name.encode()) + blob + string(b'ssh:')).decode()} token"
    keys["bare"] = " ".join(KEY.split()[:2])
    wrong = []
    for name, key in keys.items():
        (node.directory / "one.pub").write_text(key + "\n")
        want = subprocess.run(["ssh-keygen", "-lf", node.directory / "one.pub"], capture_output=True, text=True)
        report = node.do("container.update", cid, ssh_public_key=key)
        got = api.do("GET", f"/containers/{cid}").get("ssh_key_fingerprint")
        if report["state"] != "succeeded" or want.returncode or got != want.stdout.split()[1] or key not in (
                node.root(cid) / "root/.ssh/authorized_keys").read_text().splitlines():
            wrong.append((name, report, got, want.stdout, want.stderr))
    tap.ok(not wrong, f"{len(keys)} kinds of keys: the fingerprint is ssh-keygen's, and the line is in place", *wrong)
    for name, key in (("two lines", KEY + "\nssh-ed25519 AAAA"),
                      ("an option that runs a command",
                       'command="x" ' + KEY), ("another type than its blob says",
                                               KEY.replace("ssh-ed25519", "ssh-rsa",
                                                           1)), ("no base64", "ssh-ed25519 !!!!"), ("nothing", "")):
        report = node.do("container.update", cid, ssh_public_key=key)
        tap.ok(report["state"] != "succeeded" and report["error"]["code"] == "invalid_params", f"{name}: refused",
               report)
    node.do("container.delete", cid, force=True)


def put_program(root, program):
    """A program of the host's with the libraries that it needs."""
    needed = re.findall(r"(/\S+) \(0x",
                        subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout)
    for path in (program, *needed):
        at = root / path.lstrip("/")
        at.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, at)


def sessions(node, api):
    """A real sshd in a container: a key opens a session, and its removal ends it."""
    cid, home = node.new_id(), node.directory / "ssh"
    home.mkdir(mode=0o700)
    for name in ("ours", "alices"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    node.do("container.create", cid, image=harness.IMAGE, name="login",
            ssh_public_key=(home / "ours.pub").read_text().strip())
    root = node.root(cid)
    put_program(root, "/usr/sbin/sshd")
    for folder in ("etc/ssh", "run/sshd", "var/empty", "home/alice/.ssh"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", root / "etc/ssh/ssh_host_ed25519_key"],
                   check=True)
    (root /
     "etc/ssh/sshd_config").write_text("UsePAM no\nUseDNS no\nHostKey /etc/ssh/ssh_host_ed25519_key\nPidFile none\n")
    (root / "etc/passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:100::/run/sshd:/bin/false\nalice:x:1000:1000::/home/alice:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nsshd:x:100:\nalice:x:1000:\n")
    (root / "home/alice/.ssh/authorized_keys").write_text((home / "alices.pub").read_text())
    for path in (root / "home/alice", root / "home/alice/.ssh", root / "home/alice/.ssh/authorized_keys"):
        os.chown(path, 1000, 1000)
    node.ctl("exec", "login", "sh", "-c",
             "mkdir -p /run/sshd; chmod 755 / /root /run/sshd; exec /usr/sbin/sshd -E /sshd.log")
    address = api.do("GET", f"/containers/{cid}/stats")["network"][0]["addresses"][0]["address"]

    def listens():
        with socket.socket() as s:
            s.settimeout(1)
            return s.connect_ex((address, 22)) == 0

    host.poll(listens, 10)

    def login(user, key, command, *more):
        return subprocess.Popen([
            "ssh", "-F", "none", "-i", home / key, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o",
            "ConnectTimeout=10", *more, f"{user}@{address}", command
        ], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    open_ones = [
        login("root", "ours", "echo in; sleep 60"),
        login("root", "ours", "echo in; sleep 60", "-tt"),
        login("alice", "alices", "echo in; sleep 60")
    ]
    try:
        tap.ok([p.stdout.readline().strip() for p in open_ones] == ["in"] * 3,
               "two sessions by the key, one of them on a terminal, and another user's",
               *[p.stderr.read() for p in open_ones if p.poll() not in (None, 0)], (root / "sshd.log").read_text() if
               (root / "sshd.log").exists() else "no log")
        tap.eq(node.do("container.update", cid, ssh_public_key=None)["state"], "succeeded", "the key is removed")
        tap.ok(host.poll(lambda: open_ones[0].poll() is not None and open_ones[1].poll() is not None, 5),
               "both sessions end")
        tap.ok(open_ones[2].poll() is None, "another user's goes on")
        again = login("root", "ours", "echo in")
        out, err = again.communicate(timeout=30 * harness.SLOW)
        tap.ok("in" not in out and "Permission denied" in err, "and the key opens none any more", out, err)
        tap.ok("sshd" in node.ctl("exec", "login", "ps")[1], "sshd itself goes on")
    finally:
        for p in open_ones:
            p.kill()
            p.communicate()
    node.do("container.delete", cid, force=True)


def no_room():
    """A root that can't be written to: the published code for that, nothing half-written, and all is well when there is
    room."""
    import loop
    with loop.FileSystem("ext4", 64) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid = node.new_id()
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="full", environment_vars={"A": "1"})["state"],
            "succeeded", "a container on a small disk")
        etc, big = fs.pool / "containers" / cid / "rootfs/etc", fs.path / "big"
        before = (etc / "environment").read_text()
        with open(big, "wb", buffering=0) as f:
            for size in (1 << 16, 1024): # to the last block
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError:
                    pass
        report = node.do("env.set", cid, key="LONG", value="x" * 900)
        sync = sync_of(report)
        tap.eq((report["state"], sync["last_error"], sync["pending"], sync["applied_revision"] < sync["revision"]),
               ("succeeded", "ENV_APPLY_FAILED", True, True), "no room on the disk")
        tap.eq(((etc / "environment").read_text(), sorted(p.name for p in etc.iterdir() if "hoody" in p.name)),
               (before, []), "the file is as it was, and nothing half-written lies beside it")
        big.unlink()
        tap.eq(sync_of(node.do("env.set", cid, key="B", value="2"))["last_error"], None, "with room it is written")
        path = etc / "environment"
        subprocess.run(["chattr", "+i", path], check=True)
        sync = sync_of(node.do("env.set", cid, key="C", value="3"))
        subprocess.run(["chattr", "-i", path], check=True)
        tap.eq((sync["last_error"], [p.name for p in etc.iterdir() if "hoody" in p.name]), ("ENV_DEST_UNSUPPORTED", []),
               "an immutable file is none that can be written")
        tap.eq(
            sync_of(node.do("env.set", cid, key="D", value="4"))["last_error"], None, "and one that no longer is, is")
        node.do("container.delete", cid, force=True)


def another_base():
    """Containers from before IdBase was another keep their ids, and no later one has any of them."""
    with harness.Node(conf={"Containers": {}}) as node:
        first = lambda cid: int(pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/uid_map").read_text().split()[1])
        cids = []

        def make(n):
            for cid in [node.new_id() for _ in range(n)]:
                tap.eq(node.do("container.create", cid, image=harness.IMAGE)["state"], "succeeded", "one is made")
                cids.append(cid)

        make(3)
        before, base = [first(cid) for cid in cids], min(first(cid) for cid in cids)
        node.do("container.delete", cids.pop(0), force=True)
        for there in (base - 65536, base + 65536, base + 32768):
            node.conf["Containers"]["IdBase"] = there
            node.restart()
            make(1)
        firsts = sorted(first(cid) for cid in cids)
        tap.eq([first(cid) for cid in cids[:2]], before[1:], "another IdBase: those from before have their ids")
        tap.ok(all(b - a >= 65536 for a, b in zip(firsts, firsts[1:])), "no two have an id in common", firsts)
        for cid in cids:
            node.do("container.delete", cid, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left of them")


def group_file(node, cid, *names):
    text = host.group_file(node.prefix, cid, *names)
    return text and text.split()


def limits(node):
    cid = node.new_id()
    node.do("container.create", cid, image=harness.IMAGE, name="limited", limits={"pids": 100})
    report = node.do("container.update", cid,
                     limits={"memory_bytes": 64 << 20, "pids": 50, "cpu_cores": 1.5, "net_bps": 8000000})
    tap.ok(report["state"] == "succeeded", "limits are changed while it runs", report.get("error"))
    tap.eq(group_file(node, cid, "memory.max", "memory.limit_in_bytes"), [str(64 << 20)], "memory")
    tap.eq(group_file(node, cid, "pids.max"), ["50"], "pids")
    tap.eq((group_file(node, cid, "cpu.max") or group_file(node, cid, "cpu.cfs_quota_us"))[0], "150000", "cpu")
    link = next(n for n in host.links() if n.startswith(node.interfaces))
    tap.ok("tbf" in subprocess.run(["tc", "qdisc", "show", "dev", link], capture_output=True, text=True).stdout,
           "network")
    node.do("container.restart", cid)
    tap.eq(group_file(node, cid, "pids.max"), ["50"], "they hold after a restart")
    report = node.do("container.update", cid, limits={"pids": 60, "disk_bytes": 1 << 20})
    tap.eq((report["state"], report["error"]["data"]["field"]), ("failed", "limits.disk_bytes"),
           "one that can't be had is refused")
    tap.eq(group_file(node, cid, "pids.max"), ["50"], "and the others are as they were")
    node.do("container.delete", cid, force=True)


def io_limits():
    import loop
    with loop.FileSystem("ext4",
                         256) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        cid = node.new_id()
        report = node.do("container.create", cid, image=harness.IMAGE, name="slow", limits={"io_write_bps": 1 << 20})
        if report["state"] != "succeeded":
            tap.skip("limits of input and output", report["error"]["message"])
            return
        text = group_file(node, cid, "io.max", "blkio.throttle.write_bps_device")
        tap.ok(str(1 << 20) in " ".join(text or []), "the kernel has the limit of writes", text)
        report = node.do("container.update", cid, limits={"io_read_bps": 2 << 20})
        text = group_file(node, cid, "io.max", "blkio.throttle.read_bps_device")
        tap.ok(report["state"] == "succeeded" and str(2 << 20) in " ".join(text or []), "and of reads, while it runs",
               text, report.get("error"))
        node.do("container.delete", cid, force=True)


def in_part():
    """Where a copy's own keys are to be found can't be read to its end, at each of the last parts that are read."""
    with struck.Struck("getdents64") as node:
        source, seen = node.new_id(), []
        node.do("container.create", source, image=harness.IMAGE, start=False)
        (node.root(source) / "etc/ssh").mkdir(exist_ok=True)
        (node.root(source) / "etc/ssh/ssh_host_rsa_key").write_text("the source's")

        def copied(nth):
            cid = node.new_id()
            node.plan("hoody-worker", "getdents64", str(nth))
            ends = node.do("container.copy", cid, source_container_id=source, name="copy")["state"] == "succeeded"
            counts = node.plan()[2]
            seen.append((ends, ends and (node.root(cid) / "etc/ssh/ssh_host_rsa_key").exists()))
            node.do("container.delete", cid, force=True)
            return counts[("hoody-worker", "getdents64")]

        calls = copied(0)
        for nth in range(calls - 7, calls + 1):
            copied(nth)
        tap.ok({(True, False), (False, False)} == set(seen), "no copy is made that has its source's keys still", seen)
        node.do("container.delete", source, force=True)
        tap.eq(node.leaks(), [], "nothing is left of them")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node() as node:
        api = local.Local(node)
        node.do("container.delete", environment(node, api), force=True)
        identity(node, api)
        fingerprints(node, api)
        sessions(node, api)
        retried(node)
        told(node)
        raced(node)
        limits(node)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    io_limits()
    no_room()
    another_base()
    in_part()
    tap.done()


main()
