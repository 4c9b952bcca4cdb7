#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key of the configuration, changed in the file while the agent runs: what agent.conf(5) calls changeable has its
effect after SIGHUP, and of each other one the agent says that it waits for a restart."""
import hashlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import tap
import webserver

MANUAL = harness.TOP / "packaging/man/agent.conf.5"
OWN_GROUPS = 3 # monitor, payload, worker …


def keys():
    """{"Section.Key": whether it can be changed}, as the manual has it, which is made from the table."""
    found, section, key = {}, "", ""
    for line in MANUAL.read_text().splitlines():
        if m := re.match(r"\.Ss Section \[(\w+)\]", line):
            section = m[1]
        elif section and (m := re.match(r"\.It Cm (\w+)$", line)):
            key = f"{section}.{m[1]}"
            found[key] = False
        elif line == "Can be changed while the agent runs.":
            found[key] = True
    return found


class World:
    def __init__(self, node, web):
        self.node, self.web, self.cid = node, web, node.new_id()
        node.do("container.create", self.cid, image=harness.IMAGE, name="one")

    def words(self):
        return self.node.log.read_text(errors="replace")

    def change(self, key, value):
        """The agent has read the file again."""
        section, name = key.split(".")
        self.node.conf.setdefault(section, {})[name] = value
        self.node.write_conf()
        loaded = self.words().count("the configuration was loaded again")
        self.node.agent.send_signal(signal.SIGHUP)
        tap.ok(host.poll(lambda: self.words().count("the configuration was loaded again") > loaded, 10),
               f"{key}={value}: read", self.node.log_tail())

    def pull(self, name):
        digest = hashlib.sha256((self.web.directory / "image.tar").read_bytes()).hexdigest()
        report = self.node.do("image.pull", None, 60, image=name, url=self.web.url("image.tar"), sha256=digest)
        return report["state"], (report.get("error") or {}).get("code")

    def restart(self):
        return self.node.do("container.restart", self.cid, 60)["state"]

    def bound(self, name):
        for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            path = pathlib.Path(base, self.node.prefix, self.cid, name)
            if path.exists():
                return int(path.read_text())
        return None


def max_workers(w, change):
    """With one worker, which hangs, nobody else has his turn."""
    hung = [w.node.new_id(), w.node.new_id()]
    policies = [w.node.directory / "state/lxc" / h / "seccomp" for h in hung]
    for h, policy in zip(hung, policies):
        w.node.do("container.create", h, image=harness.IMAGE, start=False)
        w.node.do("container.start", h), w.node.do("container.force-stop", h)
        policy.unlink()
        os.mkfifo(policy)
    change("1")
    first = w.node.order("container.start", hung[0])
    host.poll(lambda: any(r.get("order_id") == first and r["state"] == "running" for r in w.node.reports(kind="order")),
              10)
    second, third = w.node.order("container.start", hung[1]), w.node.order("container.restart", w.cid)
    tap.ok(not w.node.api.ask("wait", order_id=third, timeout_ms=1500).get("report"),
           "one worker: the next orders wait")
    change("4")
    tap.eq(w.node.wait(third)["state"], "succeeded", "four: all of them have their turn")
    for policy in policies:
        policy.unlink()
    for pid in w.node.worker_pids():
        os.kill(pid, signal.SIGKILL)
    w.node.wait(first, 60), w.node.wait(second, 60)


def poll_wait(w, change):
    polls = lambda: w.node.api.ask("stats")["polls"]
    change("1")
    before = polls()
    tap.ok(host.poll(lambda: polls() >= before + 3, 45, 0.5), "polls of a second follow each other", polls())


def spread(w, change):
    """Within an hour, and it is not seen again; at once, and it is."""
    asked = lambda: w.node.api.ask("stats")["asked"]

    def cut_off():
        w.node.api.ask("misbehave", what="5xx", on="orders")
        host.poll(lambda: w.node.hoodyctl("status")["control"]["state"] == "backing-off", 10)
        before = asked()
        return host.poll(lambda: asked() > before, 1.5)

    change("3600")
    tap.ok(not cut_off(), "cut off, it comes again within the hour")
    change("0")
    tap.eq(w.node.do("container.delete", w.node.new_id())["state"], "succeeded", "it is back")
    tap.ok(cut_off(), "cut off, it comes again at once")


def newest(w):
    return w.node.api.ask("newest_stats")["count"]


def stats_interval(w, change):
    tap.eq(newest(w), 0, "no statistics are sent")
    change("1")
    tap.ok(host.poll(lambda: newest(w) >= 1, 15, 0.05), "the first are sent a second later")


def stats_idle_interval(w, change):
    change("1")
    before = newest(w)
    tap.ok(host.poll(lambda: newest(w) >= before + 3, 15, 0.05),
           "statistics are sent every second, though nobody looks",
           newest(w) - before)
    change("0")
    before = newest(w)
    time.sleep(2.5)
    tap.ok(newest(w) <= before + 1, "and then no more", newest(w) - before)


def count_interval(w, change):
    api = local.Local(w.node)
    usage = lambda: api.do("GET", f"/containers/{w.cid}/stats")["disk"]["root"]["usage"]
    before = usage()
    subprocess.run(["dd", "if=/dev/urandom", f"of={w.node.root(w.cid)}/grown", "bs=1M", "count=4", "conv=fsync"],
                   check=True, capture_output=True)
    tap.eq(usage(), before, "a root is counted once")
    change("1")
    tap.ok(host.poll(lambda: usage() >= before + (4 << 20), 20), "and now again and again", before, usage())


def bound_of(value, command, holds, what):
    """What a container is bounded by, from its next start on, tried by itself."""
    def check(w, change):
        change(value)
        tap.eq(w.restart(), "succeeded", "restarted")
        code, out, err = w.node.ctl("exec", "-T", "one", "--", *command)
        tap.ok(holds(code, out), f"{what}: {value}", code, out, err)
    return check


def tries(kind, bound):
    return bound_of(str(bound), ("/counts", kind, "40"),
                    lambda code, out: out.strip().isdigit() and 0 < int(out) <= bound,
                    f"of 40 tries at {kind} so many succeed at most")


def outbox_max(w, change):
    w.node.api.ask("misbehave", what="5xx", on="reports", count=1_000_000)
    full = lambda: "no order is taken until some are" in w.words()
    made = lambda: w.node.hoodyctl("status")["outbox"]["bytes"]
    for _ in range(7):
        w.node.api.ask(
            "orders", orders=[{
                "op": "container.delete", "container_id": w.node.new_id(), "project_id": harness.PROJECT, "params": {}
            } for _ in range(400)])
    host.poll(lambda: made() > 560_000, 60, 0.2)
    tap.ok(not full(), "there is room", made())
    change("1M")
    tap.ok(host.poll(full, 20), "there is less, and none is left", made())
    w.node.api.ask("misbehave", what="none", on="reports", count=0)
    change("64M")
    tap.ok(host.poll(lambda: made() == 0, 60), "all is delivered in the end", made())


def dns(w, change):
    change("192.0.2.77")
    tap.eq(w.restart(), "succeeded", "restarted")
    tap.ok("nameserver 192.0.2.77" in (w.node.root(w.cid) / "etc/resolv.conf").read_text(),
           "the container's resolv.conf names it")
    said = lambda: w.words().count("Network.Dns behind the third")
    change("192.0.2.77 192.0.2.78 192.0.2.79")
    tap.eq(said(), 0, "three are what it can have")
    change("192.0.2.77 192.0.2.78 192.0.2.79 192.0.2.80")
    tap.eq(said(), 1, "that it has no more of them is said")
    change("192.0.2.77")


def proxies(w, change):
    listed = lambda: subprocess.run(["nft", "list", "set", "inet", w.node.table, "proxies"], capture_output=True, text=
                                    True, check=False).stdout
    change("192.0.2.99, 198.51.100.0/24")
    tap.ok("192.0.2.99" in listed() and "198.51.100.0" in listed(), "the table has both", listed())
    change("192.0.2.98")
    tap.ok("192.0.2.98" in listed() and "192.0.2.99" not in listed(), "and the next instead", listed())
    change("192.0.2.97 192.0.2.97 192.0.2.96/30 192.0.2.0/24")
    tap.ok("192.0.2.0/24" in listed() and "192.0.2.9" not in listed(), "what is said twice is there once", listed())
    change("192.0.2.98 2001:db8::/32")
    tap.ok("192.0.2.98" in listed() and "that are of IPv6 have no effect" in w.words(), "what has no effect is said")
    change("192.0.2.98")


def default_proxy(w, change):
    api = local.Local(w.node)
    configure = lambda: api.ask("PUT", f"/containers/{w.cid}/network", {"mode": "proxy"})
    before = configure()
    tap.ok(before[0] >= 400 and "DefaultProxy" in str(before[2]), "none is known", before)
    change("socks5://192.0.2.1:1080")
    after = configure()
    tap.ok(after[0] < 300, "it is taken", after)


def image_server(w, change):
    api = local.Local(w.node)
    ask = lambda: str(api.ask("POST", "/images/import/debian-13", {})[2])
    tap.ok("names no server" in ask(), "none is known", ask())
    change(w.web.url("streams"))
    tap.ok("names no server" not in ask() and any("streams" in path for path, _ in w.web.requests), "it is asked",
           ask(), w.web.requests)


def image_max_bytes(w, change):
    change("1M")
    tap.eq(w.pull("large")[0], "failed", "an image of two MiB is too large")
    change("64M")
    tap.eq(w.pull("large"), ("succeeded", None), "and no more")


def image_max_files(w, change):
    w.node.do("image.remove", None, image="large")
    change("100")
    tap.eq(w.pull("many")[0], "failed", "an image of 150 files has too many")
    change("1000")
    tap.eq(w.pull("many"), ("succeeded", None), "and no more")


def cgroup_limit(name, value, own):
    def check(w, change):
        change(str(value))
        tap.eq(w.restart(), "succeeded", "restarted")
        tap.eq(w.bound(name), value + own, f"the container's group says so, and {own} of our own")
    return check


def stop_signal(w, change):
    """Busybox' init does by SIGINT what its table says."""
    table, told = w.node.root(w.cid) / "etc/inittab", w.node.root(w.cid) / "told"
    before = table.read_text()
    table.write_text(before + "::ctrlaltdel:/bin/sh -c 'echo named >/told; exec /bin/busybox poweroff -f'\n")
    tap.eq((w.restart(), told.exists()), ("succeeded", False), "restarted by what its init hears")
    change("INT")
    tap.eq((w.restart(), told.exists()), ("succeeded", True), "and by the signal that is set")
    change("")
    table.write_text(before)


def courier_user(w, change):
    change("daemon")
    tap.ok("Courier.User has no effect any more" in w.words(), "said, and no more")
    del w.node.conf["Courier"]


CHANGED = {
    "Node.MaxWorkers": max_workers,
    "Control.PollWaitSec": poll_wait,
    "Control.ReconnectSpreadSec": spread,
    "Control.StatsIntervalSec": stats_interval,
    "Control.StatsIdleIntervalSec": stats_idle_interval,
    "Control.OutboxMaxBytes": outbox_max,
    "Containers.CgroupsMax": cgroup_limit("cgroup.max.descendants", 321, OWN_GROUPS),
    "Containers.CgroupDepthMax": cgroup_limit("cgroup.max.depth", 7, 1),
    "Containers.StopSignal": stop_signal,
    "Courier.User": courier_user,
    "Network.Dns": dns,
    "Network.ProxyAddresses": proxies,
    "Network.DefaultProxy": default_proxy,
    "Storage.ImageServer": image_server,
    "Storage.ImageMaxBytes": image_max_bytes,
    "Storage.ImageMaxFiles": image_max_files,
    "Storage.CountIntervalSec": count_interval,
    "Containers.NamespacesMax": tries("uts", 20),
    "Containers.NetNamespacesMax": tries("net", 15),
    "Containers.InotifyMax": tries("inotify", 7),
    "Containers.WatchesMax": tries("watch", 15),
    "Containers.TasksMax": tries("task", 30),
    "Containers.MemoryMax": bound_of("48M", ("dd", "if=/dev/zero", "of=/dev/null", "count=1", "bs=80M"),
                                     lambda code, out: code != 0, "80 MiB of memory are not to be had"),
}

# Any other value than the test's.
KEPT = {
    "Node.NodeId": "fedcba9876543210fedcba98",
    "Node.Name": "another",
    "Node.StateDirectory": "/tmp/another",
    "Node.RuntimeDirectory": "/tmp/another",
    "Control.ApiUrl": "https://another.example",
    "Control.TokenFile": "/tmp/another",
    "Control.TrustedKeys": "/tmp/another",
    "Control.CaFile": "/tmp/another",
    "Control.ResponseSignature": "optional",
    "Containers.IdBase": "70000000",
    "Containers.CgroupPrefix": "another",
    "Containers.FavorDynmods": "no",
    "Network.Table": "another",
    "Network.InterfacePrefix": "zz",
    "Network.Subnet4": "10.250.0.0/16",
    "Network.Subnet6": "fd00:1::/64",
    "Network.Masquerade": "no",
    "Network.MaxFlows": "2000",
    "Network.CloudMetadata": "yes",
    "Network.ProxyCaFile": "/tmp/another",
    "Storage.Pool": "/tmp/another",
    "Storage.Driver": "auto",
    "Proxy.Directory": "/tmp/another",
    "Local.Socket": "/tmp/another",
    "Local.Group": "daemon",
    "Metrics.Listen": "127.0.0.1:9999",
}


def kept(w, key):
    section, name = key.split(".")
    members = w.node.conf.setdefault(section, {})
    before = dict(members)
    w.change(key, KEPT[key])
    said = [
        line.split(": ")[-1].split(", ") for line in w.words().splitlines()
        if "take effect at the next start only" in line
    ]
    tap.ok(key in said[-1], f"{key} waits for a restart, and that is said", said)
    members.clear()
    members.update(before)


def image(directory):
    for n in range(150):
        (directory / f"tree/f{n}").parent.mkdir(parents=True, exist_ok=True)
        (directory / f"tree/f{n}").write_bytes(b"x")
    (directory / "tree/etc").mkdir()
    (directory / "tree/large").write_bytes(os.urandom(2 << 20))
    with tarfile.open(directory / "image.tar", "w") as t:
        t.add(directory / "tree", ".")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    table = keys()
    tap.eq((sorted(k for k in table if table[k]), sorted(k for k in table if not table[k])),
           (sorted(CHANGED), sorted(KEPT)), "the manual's keys are those that are tried here")
    with harness.Node(conf={"Control": {"PollWaitSec": 2}, "Network": {}, "Storage": {}}) as node:
        web = node.directory / "web"
        web.mkdir()
        image(web)
        w = World(node, webserver.Server(web))
        subprocess.run(
            ["gcc", "-static", "-O1", "-o", f"{node.root(w.cid)}/counts", harness.TOP / "tests/attack/counts.c"],
            check=True)
        for key, check in CHANGED.items():
            tap.note(key)
            check(w, lambda value, key=key: w.change(key, value))
        for key in KEPT:
            kept(w, key)
        w.change("Network.Dns", "192.0.2.78")
        tap.eq(w.restart(), "succeeded", "the agent has gone on all the time")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []),
               "no breach of the protocol, sanitizers are silent")
    tap.done()


main()
