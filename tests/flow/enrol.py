#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hoodyctl as an operator uses it: keygen, enroll at a control API, start the agent with nothing but what that wrote,
status and orders; and what it says when something is wrong."""
import json
import os
import pathlib
import shutil
import signal
import stat
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import tap


def mode(path):
    st = path.stat()
    return (st.st_uid, stat.S_IMODE(st.st_mode))


def refused(node, code, words, *args, **options):
    got, out, err = node.ctl(*args, **options)
    tap.ok(got == code and all(w in err for w in words) and "unspoken" not in err + out,
           f"hoodyctl {' '.join(map(str, args))}: exit {code}, naming {', '.join(words)}", got, out, err)


def another_id():
    """What the control API counts by the node's id begins anew with that."""
    with harness.Node() as node:
        for _ in range(3):
            node.do("node.resync")
        node.stop_agent()
        node.api.stop()
        shutil.rmtree(node.directory / "api")
        (node.directory / "api").mkdir(mode=0o700)
        node.api.extra = ["--node-id", (other := node.new_id())]
        node.conf = {"Node": {"NodeId": other}}
        node.start_api()
        node.start_agent()
        tap.eq(node.do("node.resync")["state"], "succeeded", "enrolled under another id, it gets that one's orders")
        node.restart()
        tap.eq((node.hoodyctl("status")["control"]["after"], node.do("node.resync")["state"]), (1, "succeeded"),
               "and goes on with them")
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    with harness.Node(https=True, start=False) as node:
        node.api.start()
        url, ca = node.api.ready["url"], node.directory / "ca.pem"
        # A host that belongs to nobody yet.
        node.conf = {"Node": {"NodeId": None}, "Control": {"ApiUrl": None, "TokenFile": None, "CaFile": None}}
        node.write_conf()
        conf = node.directory / "agent.conf"

        # --- keygen ---
        (node.directory / "state").mkdir(mode=0o711)
        key = node.hoodyctl("keygen")
        tap.eq(len(bytes.fromhex(key["public_key_hex"])), 32, "keygen shows a public key")
        tap.eq(mode(pathlib.Path(key["file"])), (0, 0o600), "its secret half is root's alone")
        tap.eq(node.hoodyctl("keygen"), key, "the second time it is the same key")
        tap.ok(key["public_key_hex"] in node.ctl("keygen")[1], "and people can read it as well")

        # --- enroll ---
        umask = os.umask(0o077)
        refused(node, 2, ["--token"], "enroll", "--url", url)
        refused(node, 2, ["--url", "https"], "enroll", "--url", "http://192.0.2.1/", "--token", "unspoken")
        refused(node, 3, ["authenticate", "certificate"], "enroll", "--url", url, "--token", "unspoken", "--ca",
                node.directory / "other-ca.pem")
        refused(node, 1, ["403", "FORBIDDEN"], "enroll", "--url", url, "--token", "-", "--ca", ca, stdin="unspoken\n")
        tap.ok(not (node.directory / "node-token").exists() and not list(node.directory.glob("agent.conf.d/*")),
               "a refused enrolment writes nothing")
        code, out, err = node.ctl("enroll", "--url", url, "--token", "-", "--ca", ca, stdin="enroll-me\n")
        os.umask(umask)
        tap.ok(code == 0 and harness.NODE_ID in out, "with the right token the host becomes a node", out, err)
        tap.eq(mode(node.directory / "node-token"), (0, 0o600), "the node's token is root's alone")
        tap.ok("`/etc/hoody-agent/node-token`" in (harness.TOP / "packaging/OPERATIONS.md").read_text(),
               "and has the name that the manual gives it")
        tap.eq([mode(p) for p in (node.directory / "agent.conf.d", *node.directory.glob("agent.conf.d/*"))],
               [(0, 0o755), (0, 0o644)], "the rest of it is for others to read, whatever the umask")
        tap.ok((node.directory / "node-token").read_text().strip() not in out, "and not shown")
        refused(node, 1, ["enrolled already", "--force"], "enroll", "--url", url, "--token", "unspoken", "--ca", ca)
        again = json.loads(node.ctl("enroll", "--json", "--url", url, "--token", "enroll-me", "--ca", ca, "--force")[1])
        tap.eq(again["node_id"], harness.NODE_ID, "--force enrols anew, and tells it as JSON")
        tap.eq(node.ctl("config")[0], 0, "the configuration that it leaves is valid")

        # --- not reachable, then running ---
        refused(node, 3, ["agent.sock"], "status")
        node.start_agent()
        cid = node.new_id()
        tap.eq(
            node.do("container.create", cid, image=harness.IMAGE, name="first")["state"], "succeeded",
            "the enrolled node obeys, and its reports are believed")
        refused(node, 2, ["frobnicate"], "frobnicate")
        refused(node, 2, ["--lines"], "orders", "--lines", "0")
        status = node.hoodyctl("status")
        tap.eq((status["node_id"], status["control"]["state"], status["orders"]["succeeded"]),
               (harness.NODE_ID, "connected", 1), "status says what is so")
        tap.eq([(c["id"], c["name"], c["status"], c["pid"]) for c in status["containers"]],
               [(cid, "first", "running", harness.host.init_of(node.prefix, cid))], "and which containers there are")
        node.do("container.resume", cid)
        last = node.hoodyctl("orders", "--lines", "1")["orders"]
        tap.eq([(o["op"], o["state"], o["error"]["code"]) for o in last],
               [("container.resume", "failed", "OPERATION_STATE_CONFLICT")], "orders shows the last one and its error")
        code, out, err = node.ctl("orders")
        tap.ok(
            code == 0 and out.splitlines()[0].split()[:3] == ["SEQ", "ORDER", "OP"]
            and "OPERATION_STATE_CONFLICT" in out and "\x1b" not in out,
            "as a table without colours when it is no terminal", out, err)
        code, out, err = node.ctl("status")
        tap.ok(code == 0 and cid in out and "connected" in out, "status likewise", out, err)
        tap.eq(node.do("container.delete", cid, force=True)["state"], "succeeded", "deleted")

        # --- without trusted keys, which come later ---
        keys = pathlib.Path(node.api.ready["trusted_keys"]).read_bytes()
        node.stop_agent()
        (trusted := node.directory / "trusted-keys.json").unlink()
        node.start_agent()
        for n in range(2):
            node.agent.send_signal(signal.SIGHUP)
            loaded = harness.host.poll(lambda: node.log_tail(50).count("configuration was loaded again") > n, 10)
            tap.ok(loaded and node.agent.poll() is None, "a reload without trusted keys", node.log_tail())
        trusted.write_bytes(keys)
        node.agent.send_signal(signal.SIGHUP)
        tap.eq(node.do("node.resync")["state"], "succeeded", "and with them orders are obeyed")

        # --- an API that has another history ---
        node.wait(node.api.ask("rotate", kid="v2")["id"])
        code, _, err = node.ctl("enroll", "--token", "enroll-me", "--force")
        tap.ok(code == 0, "a keyset that came by an order may come again", err)
        node.api.stop()
        shutil.rmtree(node.directory / "api")
        (node.directory / "api").mkdir(mode=0o700)
        node.api.start()
        refused(node, 1, ["enrolled, but", "version 2", "version 1"], "enroll", "--token", "enroll-me", "--force")
        tap.eq(node.stop_agent(), 0, "the agent ends when asked")

        # --- a configuration with a mistake ---
        good = conf.read_text()
        for text, words in (("[Node]\nMaxWorkers=none\n", ["MaxWorkers", "agent.conf, line 2"]),
                            ("[Node]\nColour=red\n", ["Colour"]), ("[Nod]\nName=x\n", ["Nod"])):
            conf.write_text(text)
            refused(node, 4, words, "config")
        conf.write_text(good)
        tap.eq((node.violations(), node.sanitizer_words()), ([], []), "no breach, sanitizers are silent")
    another_id()
    tap.done()


main()
