#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes another while the agent runs is followed: the host's resolver files, however they are replaced, at once;
certificates and token at SIGHUP."""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import host
import names
import tap

ETC = pathlib.Path("/etc")


def replace(name, text):
    """As resolvconf(8), NetworkManager and editors do it."""
    fresh = ETC / f"{name}.new"
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.rename(ETC / name)


def link(name, target):
    fresh = ETC / f"{name}.new"
    fresh.symlink_to(target)
    fresh.rename(ETC / name)


def words(node):
    return node.log.read_text(errors="replace")


def more(node, text, change):
    """`change` is made, and the agent says `text` once more."""
    said = words(node).count(text)
    change()
    return host.poll(lambda: words(node).count(text) > said, 60)


def serves(node, what):
    cid = node.new_id()
    report = node.do("container.create", cid, image=harness.IMAGE, start=False)
    tap.eq((report["state"], node.do("container.delete", cid)["state"]), ("succeeded", "succeeded"),
           f"{what}: orders come again")


def names_followed(node, dns, folder):
    here = "nameserver 192.0.2.53\noptions timeout:1 attempts:1\n"
    (ETC / "resolv.conf").write_text("")
    names.write_in(ETC / "hosts", {})
    dns.records[harness.API_NAME] = "127.0.0.1"
    node.start_agent()
    tap.ok(host.poll(lambda: "no connection" in words(node), 30), "with an empty resolv.conf there is no API",
           node.log_tail())
    (ETC / "resolv.conf").write_text(here)
    tap.ok(node.wait_report("node.hello", timeout_s=15), "late DHCP writes it: the API hears of the node",
           node.log_tail())

    leads = "../" * 8 + str(folder / "later/stub.conf").lstrip("/")
    tap.ok(more(node, "resolver files have changed", lambda: link("resolv.conf", leads)),
           "a link that leads nowhere in its place is seen", node.log_tail())
    tap.ok(more(node, "no connection", node.api.stop), "and with the connection the API is gone", node.log_tail())
    node.api.start()
    (folder / "later").mkdir()
    (folder / "later/fresh").write_text(here)
    (folder / "later/fresh").rename(folder / "later/stub.conf")
    serves(node, "what it leads to is made")

    names.write_in(ETC / "hosts", {harness.API_NAME: "127.0.0.9"})
    tap.ok(more(node, "no connection", node.api.stop), "hosts leads astray", node.log_tail())
    node.api.start()
    replace("hosts", f"127.0.0.1 localhost {harness.API_NAME}\n")
    serves(node, "another hosts in its place")


def copies_refused(node):
    """A copy that can't be written (here for a directory in its place) keeps no other back, and is written as soon as
    it can be."""
    copies, said = node.directory / "run/names", "resolver files in"
    (copies / "gai.conf").unlink()
    (copies / "gai.conf").mkdir()
    before = words(node).count(said)
    replace("services", "first 7/tcp\n")
    tap.ok(
        host.poll(lambda: "first" in (copies / "services").read_text() and words(node).count(said) > before, 10),
        "a copy that can't be written: said, and the others follow", node.log_tail())
    (copies / "gai.conf").rmdir()
    tap.ok(
        host.poll((copies / "gai.conf").is_file, 70) and words(node).count(said) == before + 1,
        "and written when it can be, without another change", node.log_tail())


def own_descriptors(pid):
    """Of a leaf: what of the host's files it holds."""
    found = [os.readlink(f"/proc/{pid}/fd/{n}") for n in os.listdir(f"/proc/{pid}/fd")]
    return [
        f for f in found if "inotify" in f or (f.startswith("/") and not f.startswith(("/dev/null", "/memfd:", "/tmp")))
    ]


def secrets_followed(node):
    node.api.stop()
    node.api.extra = ["--node-token", "another-token"]
    node.api.start()
    tap.ok(host.poll(lambda: "(status 401)" in words(node), 60), "the API knows another token", node.log_tail())
    (node.directory / "token").write_text("another-token\n")
    node.agent.send_signal(signal.SIGHUP)
    serves(node, "a token in its file, and SIGHUP")

    (node.directory / "token").rename(node.directory / "kept")
    node.agent.send_signal(signal.SIGHUP)
    tap.ok(host.poll(lambda: "the courier goes on with what it has" in words(node), 10),
           "no token at all, and SIGHUP: said", node.log_tail())
    serves(node, "and the old one stays in force")
    (node.directory / "kept").rename(node.directory / "token")

    node.api.stop()
    kept = (node.directory / "ca.pem").read_text()
    node.make_certificates()
    fresh = (node.directory / "ca.pem").read_text()
    (node.directory / "ca.pem").write_text(kept)
    node.api.start()
    tap.ok(host.poll(lambda: "could not be authenticated" in words(node), 60),
           "the API has a certificate of another CA", node.log_tail())
    (node.directory / "ca.pem").write_text(fresh)
    node.agent.send_signal(signal.SIGHUP)
    serves(node, "its certificate in the file, and SIGHUP")


def main():
    if os.geteuid() != 0:
        tap.skip_all("needs root")
    dns = names.Dns()
    with harness.Node(start=False) as node:
        node.start_api()
        etc = node.directory / "etc"
        etc.mkdir(mode=0o755)
        names.own_etc(etc)
        names_followed(node, dns, node.directory)
        copies_refused(node)
        tap.eq(own_descriptors(node.courier_pid()), [], "the courier holds nothing of the host's")
        secrets_followed(node)
        tap.eq(node.violations(), [], "no breach of the protocol")
        node.stop_agent()
        tap.eq((node.leaks(), node.sanitizer_words()), ([], []), "nothing is left")
        names.give_back_etc()
    tap.done()


main()
