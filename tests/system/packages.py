#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The .deb and the .rpm, built from the tarball: what is in them with which modes, the same bytes twice, and lintian.
And how exposed systemd finds the units: SECURITY.md defends each line."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import tap

TOP = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {
    "/usr/sbin/hoody-agent", "/usr/bin/hoodyctl",
    *(f"/usr/lib/hoody-agent/hoody-{p}"
      for p in ("courier", "groups", "mounts", "netproxy", "portal", "unpack", "worker"))
}
# Everything else, with units where each distribution has them.
FILES = {
    "/etc/hoody-agent/agent.conf", "/usr/lib/sysusers.d/hoody-agent.conf",
    "/usr/lib/systemd/catalog/hoody-agent.catalog", "/usr/lib/tmpfiles.d/hoody-agent.conf",
    "/usr/lib/systemd/network/10-hoody-agent.network", "/usr/lib/systemd/system-preset/80-hoody-agent.preset",
    "UNITS/hoody-agent.service", "UNITS/hoody-agent.socket",
    *(f"UNITS/hoody-{p}{u}" for p in ("courier", "netproxy", "portal")
      for u in (".socket", "@.service")), "/usr/share/bash-completion/completions/hoodyctl", "ZSH/_hoodyctl",
    "/usr/share/fish/vendor_completions.d/hoodyctl.fish", "/usr/share/man/man1/hoodyctl.1",
    *(f"/usr/share/man/man1/hoodyctl-{noun}.1"
      for noun in ("container", "env", "firewall", "image", "network", "node", "operation", "order", "project", "share",
                   "snapshot")),
    "/usr/share/man/man5/agent.conf.5", "/usr/share/man/man7/hoody-protocol.7", "/usr/share/man/man8/hoody-agent.8"
}

# Each whole in itself (packaging/papers).
HTML = {
    f"/usr/share/doc/hoody-agent/{p}.html"
    for p in ("ARCHITECTURE", "OPERATIONS", "PROTOCOL", "SECURITY", "STATUS", "index", "local-api")
}
DOC_BASE = "/usr/share/doc-base/hoody-agent.hoody-agent" # Debian's list of them
PROFILES = {f"/etc/apparmor.d/hoody-{p}" for p in ("courier", "netproxy", "portal")} # where there is AppArmor


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def build(script, where):
    """Twice; the packages of the first build, and whether both are the same."""
    found = []
    for name in ("one", "two"):
        done = subprocess.run([TOP / "packaging" / script, where / name], capture_output=True, text=True)
        if done.returncode != 0:
            tap.ok(False, f"{script} builds", done.stdout[-2000:], done.stderr[-3000:])
            return []
        found.append({p.name: digest(p) for p in sorted((where / name).iterdir())})
    tap.ok(found[0] == found[1] and found[0], f"{script}: two builds give the same bytes", found)
    return [where / "one" / name for name in found[0]]


def judge(what, entries, units, zsh, more):
    """[(mode string, owner, path)]"""
    files = {
        path: (mode, owner) for mode, owner, path in entries
        if not mode.startswith("d") and not path.startswith(("/usr/share/doc/", "/usr/share/licenses/",
                                                             "/usr/lib/.build-id"))
    }
    pages = {path for _, _, path in entries if path.endswith(".html")}
    tap.eq(pages, HTML, f"{what}: the papers as HTML")
    plain = {re.sub(r"\.gz$", "", p) for p in files}
    tap.eq(plain, PROGRAMS | more | {f.replace("UNITS", units).replace("ZSH", zsh) for f in FILES},
           f"{what}: what is in it, and nothing else")
    wrong = [(p, m, o) for p, (m, o) in files.items()
             if o != "root/root" or m != ("-rwxr-xr-x" if p in PROGRAMS else "-rw-r--r--")]
    tap.eq(wrong, [], f"{what}: root's, none writable by others, none setuid")


def deb(where):
    packages = build("build-deb", where)
    main = next((p for p in packages if "dbgsym" not in p.name), None)
    if not main:
        return
    tap.ok(any("dbgsym" in p.name for p in packages), "debug symbols in a package of their own")
    lines = subprocess.run(["dpkg", "-c", main], capture_output=True, text=True).stdout.splitlines()
    judge("deb", [(w[0], w[1], w[5].lstrip(".")) for w in (line.split() for line in lines)], "/lib/systemd/system",
          "/usr/share/zsh/vendor-completions", PROFILES | {DOC_BASE})
    out = subprocess.run(["lintian", "--pedantic", "--allow-root", main], capture_output=True, text=True)
    tap.eq((out.returncode, out.stdout), (0, ""), "lintian has nothing to say, at its most pedantic")
    fields = subprocess.run(["dpkg-deb", "-f", main, "Depends"], capture_output=True, text=True).stdout
    tap.ok(all(lib in fields for lib in ("liblxc1", "libsodium23", "libsqlite3-0", "libmicrohttpd12")),
           "its dependencies are those of its programs", fields)
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-") as d:
        subprocess.run(["dpkg-deb", "-x", main, f"{d}/root"], check=True)
        unit = (pathlib.Path(d) / "root/lib/systemd/system/hoody-agent.service").read_text()
        tap.ok("ExecStart=/usr/sbin/hoody-agent " in unit and "@" not in unit.replace("user@", ""),
               "the unit starts what is installed", unit)
        subprocess.run(["dpkg-deb", "-e", main, d], check=True)
        tap.eq(set((pathlib.Path(d) / "conffiles").read_text().split()), PROFILES | {"/etc/hoody-agent/agent.conf"},
               "the configuration is the operator's")
        script = (pathlib.Path(d) / "postrm").read_text()
        # Purge: with a container's data there it warns and keeps them.
        for containers, stays in ((True, True), (False, False)):
            root = pathlib.Path(d) / f"root-{containers}"
            (root / "var/lib/hoody-agent/pool/containers").mkdir(parents=True)
            if containers:
                (root / "var/lib/hoody-agent/pool/containers/c1").mkdir()
            mine = script[:script.index("# Automatically added")] if "# Automatically added" in script else script
            done = subprocess.run(["sh", "-s", "purge"],
                                  input=mine.replace("/var/lib",
                                                     f"{root}/var/lib").replace("/etc/hoody-agent", f"{root}/etc"),
                                  capture_output=True, text=True)
            tap.eq((done.returncode, (root / "var/lib/hoody-agent").exists(), "has containers" in done.stderr),
                   (0, stays, stays), f"purge {'keeps containers and says so' if stays else 'takes what is left'}")


def rpm(where):
    packages = build("build-rpm", where)
    if not packages:
        return
    out = subprocess.run(
        ["rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME}/%{FILEGROUPNAME} %{FILENAMES}\n]", packages[0]],
        capture_output=True, text=True).stdout
    judge("rpm", [tuple(line.split(" ", 2)) for line in out.splitlines()], "/usr/lib/systemd/system",
          "/usr/share/zsh/site-functions", set())
    if shutil.which("rpmlint"):
        said = subprocess.run(["rpmlint", "--config", TOP / "packaging/rpm/rpmlint.toml", packages[0]],
                              capture_output=True, text=True)
        tap.ok(said.returncode == 0 and " 0 errors, 0 warnings" in said.stdout, "rpmlint has nothing to say",
               said.stdout[-2000:])
    config = subprocess.run(["rpm", "-qpc", packages[0]], capture_output=True, text=True).stdout
    tap.eq(config, "/etc/hoody-agent/agent.conf\n", "rpm: the configuration is the operator's")


# What systemd-analyze finds open in a leaf, and the most that it may be in all; packaging/SECURITY.md says why each is
# as it is.
DEVICES = {"DeviceAllow="}
NETWORK = {"RestrictAddressFamilies=~AF_(INET|INET6)", "PrivateNetwork=", "IPAddressDeny="}
EXPOSED = {"courier": (DEVICES | NETWORK, 1.2), "netproxy": (DEVICES | NETWORK, 1.2), "portal": (DEVICES, 0.3)}


def exposure(units):
    defended = (TOP / "packaging/SECURITY.md").read_text().replace("\\|", "|") # as a cell of a table has it
    for leaf, (expected, most) in EXPOSED.items():
        unit = next(units.glob(f"hoody-{leaf}@.service"))
        said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
                              capture_output=True, text=True, env=dict(os.environ, LC_ALL="C.UTF-8")).stdout
        found = {line.split()[1] for line in said.splitlines() if line.startswith("✗")}
        level = float(re.search(r"exposure level for \S+: ([0-9.]+)", said)[1])
        tap.ok(found <= expected and level <= most, f"{leaf}: systemd-analyze security says {level}, at most {most}",
               found - expected)
        tap.eq([f for f in found if f"`{f}`" not in defended], [], f"{leaf}: each open line is defended in SECURITY.md")
        tap.figure(f"systemd-analyze security: hoody-{leaf}@.service {level}")


# What systemd calls the instance of a connection at most: its number, and the peer's pid and uid.
LONGEST = f"{2**32 - 1}-{2**22}-{2**32 - 1}"


def users(units):
    """A leaf's user is named by its instance, and such a name has 31 characters: with more, none would start."""
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-units-") as d:
        for leaf in EXPOSED:
            unit = pathlib.Path(d) / f"hoody-{leaf}@{LONGEST}.service"
            text = next(units.glob(f"hoody-{leaf}@.service")).read_text()
            for prefix, accepted in (("User=", True), ("User=x", False)):
                unit.write_text(text.replace("User=", prefix))
                said = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True,
                                      env=dict(os.environ, SYSTEMD_UNIT_PATH=f"{d}:")).stderr
                tap.eq("user/group name" not in said, accepted,
                       f"{leaf}: the longest name of its user is one" + ("" if accepted else ", and no longer one is"))


def main():
    if os.environ.get("HOODY_SANITIZED") or "san" in os.environ.get("top_builddir", ""):
        tap.skip_all("packages are of the plain build")
    with tempfile.TemporaryDirectory(prefix=f"hoody-t{os.getpid()}-packages-") as d:
        d = pathlib.Path(d)
        if shutil.which("dpkg-buildpackage") and shutil.which("lintian"):
            deb(d / "deb")
        if shutil.which("rpmbuild"):
            rpm(d / "rpm")
    units = pathlib.Path(os.environ.get("top_builddir", TOP / "build-plain")) / "packaging/systemd"
    exposure(units)
    users(units)
    tap.done()


main()
