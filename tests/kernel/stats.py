#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Statistics against what the kernel and lxc-info say, reports of them, and metrics against promtool and a real
Prometheus, which also evaluates the dashboard's queries and the alert rules."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import local
import loop
import tap

TOP = pathlib.Path(__file__).resolve().parents[2]
LOOKS = 100
ALERTS = TOP / "packaging/monitoring/alerts.yml"


def group_file(node, cid, *names):
    return host.group_file(node.prefix, cid, *names) or ""


def near(a, b, slack=0.1, least=0):
    return abs(a - b) <= max(slack * max(a, b), least)


def complete(s, name):
    """Every member of the published object, of its published type."""
    number = (int, float)
    cpu, memory = {"usage": int, "allocated_time": int, "usage_percent": number}, {
        n: number for n in ("usage", "total", "usage_percent", "swap_usage", "swap_usage_peak", "usage_peak")
    }
    counters = [f"{what}_{way}" for what in ("bytes", "packets", "errors")
                for way in ("received", "sent")] + ["packets_dropped_inbound", "packets_dropped_outbound"]
    network = {
        "interface": str, "addresses": [{n: str for n in ("address", "family", "netmask", "scope")}],
        "counters": {n: int for n in counters}, "state": str, "type": str
    }
    want = {
        "id": str, "project_id": str, "project_name": (str, type(None)), "server_name": (str, type(None)),
        "subserver_name": str, "status": str, "status_code": int, "processes": int, "started_at": str, "cpu": cpu,
        "memory": memory, "disk": {"root": {"total": int, "usage": (int, type(None))}}, "network": [network],
        "processing_time": str, "ramdisk": {
            "scope": str, "shared_pool_maximum": int, "capacity_reserved": bool,
            "usage": {"private": int, "secrets": int}
        }
    }

    def wrong(want, got, at):
        if isinstance(want, dict):
            return [
                w for k, v in want.items() for w in (
                    wrong(v, got[k], f"{at}.{k}") if isinstance(got, dict) and k in got else [f"{at}.{k} is missing"])
            ]
        if isinstance(want, list):
            return [w for i, v in enumerate(got)
                    for w in wrong(want[0], v, f"{at}[{i}]")] if got else [f"{at} is empty"]
        return [] if isinstance(got, want) else [f"{at}: {got!r}"]

    tap.eq(wrong(want, s, "stats"), [], name)


def values(node, api, cid):
    # something to count
    node.ctl("exec", cid, "sh", "-c",
             "dd if=/dev/zero of=/ramdisk/held bs=1M count=64; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
    s = api.do("GET", f"/containers/{cid}/stats")
    complete(s, "all that is published is there")
    tap.ok(s["memory"]["usage"] >= 64 << 20 and s["cpu"]["usage"] > 100_000_000, "what it has used is counted", s)
    tap.eq(s["memory"]["usage_percent"], round(s["memory"]["usage"] / s["memory"]["total"] * 100, 2),
           "a share of the limit")
    node.ctl("exec", cid, "rm", "/ramdisk/held")
    node.ctl("exec", cid, "sh", "-c", "dd if=/dev/zero of=/ramdisk/held bs=1M count=40")
    s = api.do("GET", f"/containers/{cid}/stats")
    v1 = group_file(node, cid, "cpuacct.usage")
    ns = int(v1) if v1 else int(re.search(r"usage_usec (\d+)", group_file(node, cid, "cpu.stat"))[1]) * 1000
    tap.ok(s["cpu"]["usage"] <= ns and near(s["cpu"]["usage"], ns, 0.05), "cpu is the cgroup's", s["cpu"], ns)
    tap.ok(near(s["memory"]["usage"], int(group_file(node, cid, "memory.current", "memory.usage_in_bytes"))),
           "memory is the cgroup's", s["memory"])
    tap.eq(s["processes"], int(group_file(node, cid, "pids.current")), "processes are the cgroup's")
    tap.eq((s["status"], s["status_code"], s["memory"]["total"]), ("Running", 103, 256 << 20), "state and limit")
    cores = 1.5
    tap.eq((s["cpu"]["allocated_time"], s["cpu"]["usage_percent"]),
           (int(cores * 1e9), round(s["cpu"]["usage"] / (cores * 1e9) * 100, 1)), "the published formula")
    started = int(
        pathlib.Path(f"/proc/{host.init_of(node.prefix, cid)}/stat").read_text().rsplit(
            ")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    boot = time.time() - float(pathlib.Path("/proc/uptime").read_text().split()[0])
    got = time.strptime(s["started_at"].split(".")[0], "%Y-%m-%dT%H:%M:%S")
    import calendar
    tap.ok(abs(calendar.timegm(got) - (boot + started)) < 2, "started_at is init's", s["started_at"])
    there = ["nsenter", "-n", "-t", str(host.monitor_of(node.prefix, cid))] # lxc/ctmonitor.h
    info = subprocess.run([*there, "lxc-info", "-P", node.directory / "state/lxc", "-n", cid, "-S", "-H"],
                          capture_output=True, text=True).stdout
    memory = re.search(r"Memory use:\s+(\d+)", info)
    if memory:
        tap.ok(near(int(memory[1]), s["memory"]["usage"]), "lxc-info says the same of memory", info, s["memory"])
    else:
        tap.skip("lxc-info on memory", "it says nothing of it on this host")
    used = re.search(r"CPU use:\s+(\d+)", info)
    if used:
        tap.ok(near(int(used[1]), s["cpu"]["usage"], 0.05), "and of the processors", info, s["cpu"])
    else:
        tap.skip("lxc-info on the processors", "it says nothing of them on this host")
    address = api.do("GET", f"/containers/{cid}/stats")["network"][0]["addresses"][0]["address"]
    link = json.loads(subprocess.run(["ip", "-j", "route", "get", address], capture_output=True,
                                     text=True).stdout)[0]["dev"]
    for _ in range(20): # a packet may come between
        ip = json.loads(
            subprocess.run(["ip", "-j", "-s", "link", "show", "dev", link], capture_output=True,
                           text=True).stdout)[0]["stats64"]
        n = api.do("GET", f"/containers/{cid}/stats")["network"][0]
        if n["counters"]["packets_received"] == ip["tx"]["packets"]:
            break
    tap.eq((n["counters"]["bytes_sent"], n["counters"]["packets_received"], n["counters"]["bytes_received"]),
           (ip["rx"]["bytes"], ip["tx"]["packets"], ip["tx"]["bytes"]), "the link's counters are ip's, from its side")
    tap.eq((n["interface"], n["addresses"][0]["netmask"], n["state"]), ("eth0", "32", "up"),
           "as the public form has them")
    node.ctl(
        "exec", cid, "sh", "-c",
        "rm /ramdisk/held; dd if=/dev/zero of=/ramdisk/f bs=1M count=3; mkdir /ramdisk/secrets; dd if=/dev/zero "
        "of=/ramdisk/secrets/s bs=1M count=1"
    )
    r = api.do("GET", f"/containers/{cid}/stats")["ramdisk"]
    tap.eq((r["usage"]["private"], r["usage"]["secrets"], r["scope"], r["capacity_reserved"]),
           (4 << 20, 1 << 20, "container", False), "the ramdisk is measured for who asks")


def states(node, api, cid):
    node.do("container.pause", cid)
    s = api.do("GET", f"/containers/{cid}/stats")
    tap.eq((s["status"], s["status_code"], s["cpu"] is not None), ("Frozen", 110, True), "paused")
    node.do("container.resume", cid)
    node.do("container.restart", cid)
    tap.ok(api.do("GET", f"/containers/{cid}/stats")["cpu"]["usage"] < 5_000_000_000, "after a restart it counts anew")
    node.do("container.stop", cid)
    s = api.do("GET", f"/containers/{cid}/stats")
    tap.eq((s["status"], s["status_code"], s["cpu"], s["memory"], s["processes"], s["network"], s["started_at"]),
           ("Stopped", 102, None, None, 0, [], None), "stopped: nothing runs")
    node.do("container.start", cid)
    p = api.do("GET", f"/projects/{harness.PROJECT}/stats")
    tap.eq((len(p["stats"]), p["summary"]["container_count"]), (2, 2), "a project's")


def sent(node):
    """What goes to the control API, as often as that wants it (PROTOCOL.md 10.2)."""
    newest = lambda: node.api.ask("newest_stats")
    tap.ok(host.poll(lambda: newest()["count"] >= 1, 10, 0.05), "the first are sent soon", newest()["count"])
    lease = lambda **pace: (node.api.ask("pace", pace=pace), node.do("container.update", node.new_id()))
    lease(stats_interval_s=1, stats_until=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60)))
    before = node.last_seq()
    tap.ok(host.poll(lambda: newest()["count"] >= 4, 15, 0.05), "leased, they come each second", newest()["count"])
    s = newest()["stats"]
    tap.eq((s["interval_ms"], len(s["containers"]), s["dropped"]), (1000, 2, 0), "with what every container uses")
    n = s["node"]
    tap.ok(n["cores"] == os.cpu_count() and n["agent"]["rss_bytes"] > 1 << 20 and n["storage"]["total_bytes"] > 0,
           "and the node", n)
    tap.ok(node.last_seq() - before <= 2 and not node.reports(kind="node.stats"),
           "none of it is a report, which would be kept",
           node.last_seq() - before)
    node.api.ask("misbehave", what="5xx", on="stats")
    tap.ok(host.poll(lambda: newest()["stats"]["dropped"] == 1, 10, 0.05),
           "what the API could not take is counted, and not sent again",
           newest()["stats"]["dropped"])
    tap.eq(node.hoodyctl("status")["control"]["state"], "connected", "and is no word about the API")
    lease()
    count = newest()["count"]
    time.sleep(2.5)
    tap.ok(newest()["count"] <= count + 1, "the lease is over: nobody looks, and hardly any are sent",
           newest()["count"] - count)


def disks():
    with loop.FileSystem("btrfs",
                         512) as fs, harness.Node(conf={"Storage": {"Pool": fs.pool, "Driver": "auto"}}) as node:
        api, cid = local.Local(node), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="disk", limits={"disk_bytes": 100 << 20})
        node.ctl("exec", "disk", "sh", "-c", "dd if=/dev/urandom of=/f bs=1M count=20; sync")
        subprocess.run(["sync", "-f", fs.pool], check=True)
        s = api.do("GET", f"/containers/{cid}/stats")["disk"]["root"]
        tap.ok(s["total"] == 100 << 20 and 20 << 20 <= s["usage"] <= 40 << 20, "disk by its qgroup", s)
        node.do("container.delete", cid, force=True)


def addresses():
    """Both kinds, where the node gives both."""
    with harness.Node(conf={"Network": {"Subnet6": "fd00:5:6::/64"}}) as node:
        api, cid = local.Local(node), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name="six")
        told = api.do("GET", f"/containers/{cid}/stats")["network"][0]["addresses"]
        shown = re.findall(
            r"(inet6?) (\S+)/(\d+)[^\n]*scope global",
            node.ctl("exec", cid, "ip", "-o", "addr", "show", "eth0")[1].replace("scope global", " scope global"))
        tap.eq(sorted((a["family"], a["address"], a["netmask"]) for a in told),
               sorted((f, a.lower(), n) for f, a, n in shown),
               "a container's IPv4 and IPv6 addresses are those that it has")
        seen = node.last_seq()
        node.do("node.resync", None)
        row = node.wait_report("node.inventory", after=seen)["containers"][0]
        tap.eq([row["ipv4"], row["ipv6"]], [a["address"] for a in told], "and those of the inventory")
        node.do("container.delete", cid, force=True)


OPERATIONS = TOP / "packaging/OPERATIONS.md"
# What a healthy node may have no family of, and why.
WITHOUT = {
    "hoody_container_disk_limit_bytes": "only where a container has such a limit",
    "hoody_container_swap_usage_bytes": "the kernel may not count swap",
    "hoody_container_oom_kills_total": "nor kills",
    "hoody_container_io_read_bytes_total": "nor the disks' bytes",
    "hoody_container_io_written_bytes_total": "nor those",
    "hoody_container_memory_peak_bytes": "nor the most that was in use",
    "hoody_container_pressure_cpu_waiting_seconds_total": "cgroup v2 alone has pressure",
    "hoody_container_pressure_memory_waiting_seconds_total": "cgroup v2 alone has pressure",
    "hoody_container_pressure_io_waiting_seconds_total": "cgroup v2 alone has pressure",
}


def documented(text):
    """Every family of the page has its row in the manual, and the other way round."""
    manual = (TOP / "packaging/monitoring/README.md").read_text()
    words = re.findall(r"`([a-z0-9_]+\*?)`", manual)
    names = re.findall(r"^# TYPE (\S+) ", text, re.M)
    missing = [n for n in names if not any(n == w or w.endswith("*") and n.startswith(w[:-1]) for w in words)]
    tap.ok(len(names) > 40 and not missing, f"all {len(names)} families of metrics are in the manual", missing)
    absent = {n for n in re.findall(r"(?m)^\| `((?:hoody|process)_[a-z0-9_]+)` \|", OPERATIONS.read_text())
              } - set(names)
    tap.eq(sorted(absent - set(WITHOUT)), [], "and all that the manual has are exported")
    helps = re.findall(r"^# HELP (\S+) (.+)$", text, re.M)
    tap.eq(sorted(n for n, _ in helps), sorted(names), "and each says what it is")


def scrape(port, accept=None):
    q = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(q, timeout=10 * harness.SLOW) as a:
        return a.headers["Content-Type"], a.read().decode()


def metrics(node, api, port, cid):
    kind, text = scrape(port)
    tap.ok(kind.startswith("text/plain; version=0.0.4"), "Prometheus' text", kind)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    tap.eq((done.returncode, done.stdout + done.stderr), (0, ""), "promtool has nothing to say against it")
    documented(text)
    kind, text = scrape(port, "application/openmetrics-text; version=1.0.0")
    tap.ok(
        kind.startswith("application/openmetrics-text") and text.endswith("# EOF\n")
        and "# TYPE hoody_orders counter" in text, "OpenMetrics for who asks for it", kind)
    out = subprocess.run(["curl", "-s", "--unix-socket", node.directory / "run/debug.sock", "http://node/metrics"],
                         capture_output=True, text=True).stdout
    tap.ok(f'hoody_container_running{{container_id="{cid}",project_id="{harness.PROJECT}"}} 1' in out,
           "on the debug socket too")
    tap.ok(
        re.search(r'hoody_orders_total\{op="container.create",result="succeeded"\} 2', out)
        and 'hoody_order_duration_seconds_count{op="container.create"} 2' in out, "orders are counted")
    s = socket.create_connection(("127.0.0.1", port))
    s.sendall(b"GET /api/v1/containers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = b""
    while part := s.recv(65536):
        answer += part
    tap.ok(b" 404 " in answer.split(b"\r\n")[0] and cid.encode() not in answer, "the port has nothing but metrics")


def queries():
    """Every expression of the dashboard."""
    board = json.loads((TOP / "packaging/monitoring/grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "15s").replace("$container", ".*")


def operands(text):
    """Both sides of a rule's comparisons: what must be known where the rule is silent because all is well."""
    for rule in re.split(r"(?m)^ +- alert: ", text)[1:]:
        name, expr = rule.split("\n")[0], re.search(r"(?m)^ +expr: (.*)$", rule)[1]
        for part in re.split(r"\s+(?:and|unless|or)(?: on\(\w+\))?\s+", expr):
            yield name, re.sub(r"\s*[=<>!]=?\s*[\d.]+( \* [\d.]+)*$", "", part)


# What a node exports, a value a minute (promtool's a+bxn: n further ones, each b more), and what has to be alarmed
# after 35 of them, and nothing else.
CALM, BUSY = "1+0x40", "0+1x40"
ALARMS = (
    ("HoodyAgentDown", {"up": "1 0+0x40"}),
    ("HoodyControlUnreachable", {"hoody_control_up": "1 0+0x40"}),
    ("HoodyClockSkew", {"hoody_control_clock_skew": "0 1+0x40"}),
    ("HoodyOutboxFills", {"hoody_outbox_bytes": "0 200000000+0x40"}),
    ("HoodyOrdersFail", {'hoody_orders_total{result="failed"}': BUSY}),
    ("HoodyOrdersStuck", {"hoody_orders_unfinished": CALM, 'hoody_orders_total{result="succeeded"}': CALM}),
    ("HoodyOrdersStuck", {"hoody_orders_unfinished": CALM}), # none has ended since the agent began
    ("HoodyPoolFull", {"hoody_pool_free_bytes": CALM, "hoody_pool_size_bytes": "100+0x40"}),
    ("HoodyContainerFailed", {'hoody_containers{status="failed"}': "0 2+0x40"}),
    ("HoodyContainerOutOfMemory", {'hoody_container_oom_kills_total{container_id="c"}': "0+0x30 1+0x10"}),
    ("HoodySlowDisk", {"hoody_state_commit_last_seconds": "2+0x40"}),
    (None, {
        "up": CALM, "hoody_control_up": CALM, "hoody_control_clock_skew": "0+0x40", "hoody_outbox_bytes": CALM,
        'hoody_orders_total{result="succeeded"}': BUSY, 'hoody_orders_total{result="failed"}': CALM,
        "hoody_orders_unfinished": CALM, "hoody_pool_free_bytes": "50+0x40", "hoody_pool_size_bytes": "100+0x40",
        'hoody_containers{status="failed"}': "0+0x40", "hoody_container_oom_kills_total": CALM,
        "hoody_state_commit_last_seconds": "0.1+0x40"
    }),
)


def labelled(series):
    name, _, labels = series.partition("{")
    return f'{name}{{job="hoody-agent",instance="n"{"," + labels if labels else "}"}'


def alarms(directory):
    """Each rule sounds where it should, and where all is well none does: promtool plays it."""
    text = ALERTS.read_text()
    names = re.findall(r"(?m)^ +- alert: (\w+)", text)
    tap.eq(sorted({n for n, _ in ALARMS if n}), sorted(names), "each alert rule is tried")
    tests = [{
        "interval": "1m",
        "input_series": [{"series": labelled(s), "values": v} for s, v in series.items()],
        "promql_expr_test": [{
            "expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "35m",
            "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1}] if name else []
        }]
    } for name, series in ALARMS]
    path = directory / "alarms.yml"
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests})) # is YAML
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    tap.eq(done.returncode, 0, f"{len(tests)} series of the rules' sound the alarm they should, and no other")
    if done.returncode:
        tap.note(done.stdout + done.stderr)


def prometheus(node, port, cid):
    tap.eq(
        subprocess.run(["promtool", "check", "rules", TOP / "packaging/monitoring/alerts.yml"],
                       capture_output=True).returncode, 0, "promtool accepts the alert rules")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        web = free.getsockname()[1]
    home = node.directory / "prometheus"
    home.mkdir()
    (home / "p.yml").write_text(
        f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: "
        f"[{TOP}/packaging/monitoring/alerts.yml]\nscrape_configs:\n"
        f"- job_name: hoody-agent\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n")
    server = subprocess.Popen([
        "prometheus", f"--config.file={home}/p.yml", f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{web}", "--log.level=error"
    ], stdout=subprocess.DEVNULL, stderr=open(home / "log", "wb"))

    def ask(path, **args):
        with urllib.request.urlopen(f"http://127.0.0.1:{web}/api/v1/{path}?{urllib.parse.urlencode(args)}",
                                    timeout=10 * harness.SLOW) as a:
            return json.loads(a.read())["data"]

    def up():
        try:
            return [r for r in ask("query", query='up{job="hoody-agent"}')["result"] if r["value"][1] == "1"]
        except OSError:
            return None

    try:
        tap.ok(host.poll(up, 30, 0.2), "a real Prometheus scrapes a real agent", (home / "log").read_text()[-500:])
        end = time.monotonic() + 20 * harness.SLOW
        work = threading.Thread(target=lambda: [node.do("container.restart", cid) for _ in range(3)])
        work.start()
        missing = [*queries(), *operands(ALERTS.read_text())]
        n = len(missing)
        while missing and time.monotonic() < end:
            missing = [(t, q) for t, q in missing if not ask("query", query=q)["result"]]
            time.sleep(0.5)
        work.join()
        kills = ("HoodyContainerOutOfMemory", "increase(hoody_container_oom_kills_total[10m])")
        silent = [] if "hoody_container_oom_kills_total" in scrape(port)[1] else [kills] # not every kernel counts them
        tap.eq([m for m in missing if m not in silent], [],
               f"all {n} queries of the dashboard and of what the alert rules compare return data")
        rules = ask("rules")["groups"][0]["rules"]
        tap.ok(
            len(rules) >= 9 and all(r["health"] == "ok" for r in rules), "the alert rules are evaluated",
            [(r["name"], r["health"]) for r in rules])
        target = ask("targets")["activeTargets"][0]
        tap.eq(target["lastError"], "", "and no scrape failed")
    finally:
        server.terminate()
        server.wait(20 * harness.SLOW)


def ip(script):
    subprocess.run(["ip", "-batch", "-"], input=script, text=True, check=True)


def churn(api, cid):
    """Its link is there while others come and go, which makes a dump of them void (NLM_F_DUMP_INTR)."""
    ip("".join(f"link add a{i} type veth peer name b{i}\n" for i in range(150))) # many parts of a dump
    stop = threading.Event()

    def others():
        while not stop.is_set():
            ip("link add come type veth peer name go\nlink del come\n" * 5)

    other = threading.Thread(target=others)
    other.start()
    seen = [[n["state"] for n in api.do("GET", f"/containers/{cid}/stats")["network"]] for _ in range(LOOKS)]
    stop.set()
    other.join()
    ip("".join(f"link del a{i}\n" for i in range(150)))
    tap.eq(seen.count(["up"]), LOOKS, f"of {LOOKS} looks at its counters none is lost while links come and go")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with harness.Node(conf={"Metrics": {"Listen": f"127.0.0.1:{port}"}, "Control": {"StatsIntervalSec": "1"}}) as node:
        api, cid, second = local.Local(node), node.new_id(), node.new_id()
        node.do("container.create", cid, image=harness.IMAGE, name='odd-name',
                limits={"memory_bytes": 256 << 20, "cpu_cores": 1.5})
        node.do("container.create", second, image=harness.IMAGE, name="second", ramdisk=False)
        tap.ok("ramdisk" not in api.do("GET", f"/containers/{second}/stats"), "no ramdisk, no word of it")
        node.ctl("exec", cid, "sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; ping -c2 169.254.1.1")
        values(node, api, cid)
        states(node, api, cid)
        churn(api, cid)
        sent(node)
        metrics(node, api, port, cid)
        alarms(node.directory)
        if shutil.which("prometheus"):
            prometheus(node, port, cid)
        for c in (cid, second):
            node.do("container.delete", c, force=True)
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left, sanitizers are silent")
    disks()
    addresses()
    tap.done()


main()
