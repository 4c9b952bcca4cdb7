#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The package is removed and purged where containers are left: in the default pool, in one that the configuration or a
drop-in names, in none; and where state and pools have been moved to. What the agent knows goes with the last of them
alone, what enrolment has written in any case. In a mount namespace with folders of its own."""
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
import harness
import loop
import tap

SCRIPT = harness.TOP / "packaging/debian/hoody-agent.postrm"
# Configuration, drop-in, where a container is, whether the state must stay.
CASES = (
    ("no container", "", "", None, False),
    ("one in the default pool", "", "", "/var/lib/hoody-agent/pool", True),
    ("one in a pool of the configuration", "[Storage]\nPool = /srv/pool\n", "", "/srv/pool", True),
    ("one in a drop-in's pool", "[Storage]\nPool=/srv/other\n", "[Storage]\nPool=/srv/my pool \n", "/srv/my pool",
     True),
    ("one in the last line's pool", "[Storage]\nPool=/srv/pool", "[Storage]\nPool=/srv/other\n", "/srv/pool", True),
    ("one in a pool with a comment behind it", "[Storage]\nPool=/srv/pool ; the large disk\n", "", "/srv/pool", True),
    ("one in a pool that a colon names", "[Storage]\nPool: /srv/pool\t; large\n", "", "/srv/pool", True),
)
PLAY = """
set -e
for d in /var/lib /etc /srv; do mount -t tmpfs -o size=1m none $d; done
mkdir -p /var/lib/hoody-agent /etc/hoody-agent/agent.conf.d
touch /var/lib/hoody-agent/state.db /etc/hoody-agent/node-token /etc/hoody-agent/trusted-keys.json
printf '%s' "$2" >/etc/hoody-agent/agent.conf
printf '%s' "$3" >/etc/hoody-agent/agent.conf.d/10.conf
[ -z "$4" ] || mkdir -p "$4/containers/0123"
sh "$1" remove
rm -rf /etc/hoody-agent/agent.conf # as dpkg does
sh "$1" purge
[ -z "$4" ] || [ -d "$4/containers/0123" ]
[ ! -e /etc/hoody-agent ] || ls /etc/hoody-agent
if [ -e /var/lib/hoody-agent/state.db ]; then echo stays; else echo gone; fi
"""
# Where the state or a pool has been moved to: made before, done before the purge and undone after it, the
# configuration, and what is left where.
LINKED = "mkdir /srv/hoody; ln -s /srv/hoody /var/lib/hoody-agent"
MOVED = (
    ("none in a pool of the configuration", "mkdir -p /srv/pool/containers", "", "", "[Storage]\nPool=/srv/pool\n",
     "gone\n", ""),
    ("a pool below a file system that is not mounted", "", "", "", "[Storage]\nPool=/srv/disk/pool\n", "stays\n",
     "/srv/disk/pool is no pool"),
    ("a state that is a link to another place", LINKED, "", "", "", "gone\n", ""),
    ("a link to what is not mounted", LINKED, "mv /srv/hoody /srv/away", "mv /srv/away /srv/hoody", "",
     "stays\n/srv/hoody/state.db\n", "leads to no directory"),
)
# What rm(1) can't remove: how it is made, and whether the pool stays.
STUBBORN = (
    ("an image, which on btrfs is read-only",
     "mount --bind $5 /var/lib; mkdir -p $pool/images/one $pool/containers; "
     "btrfs -q subvolume create $pool/images/one/rootfs; "
     "touch $pool/images/one/rootfs/file; btrfs property set $pool/images/one/rootfs ro true", False),
    ("a pool that is mounted there", "mkdir -p $pool; mount -t tmpfs -o size=1m none $pool; mkdir $pool/containers",
     True),
)

wrong = 0
for name, conf, drop_in, pool, stays in CASES:
    done = subprocess.run(["unshare", "-m", "sh", "-c", PLAY, "sh",
                           str(SCRIPT), conf, drop_in, pool or ""], capture_output=True, text=True, timeout=30)
    wrong += not tap.ok(done.returncode == 0 and done.stdout.strip() == ("stays" if stays else "gone"),
                        f"{name}: the state {'stays' if stays else 'goes'}", done.stdout, done.stderr)
away = PLAY.replace("mkdir", "mkdir -p /srv/pool\nmkdir", 1)
done = subprocess.run(["unshare", "-m", "sh", "-c", away, "sh", str(SCRIPT), "[Storage]\nPool=/srv/pool\n", "", ""],
                      capture_output=True, text=True, timeout=30)
wrong += not tap.ok((done.returncode, done.stdout.strip()) == (0, "stays") and "not mounted" in done.stderr,
                    "a pool whose file system is not mounted: the state stays, and it is said", done.stdout,
                    done.stderr)
for name, made, before, behind, conf, left, said in MOVED:
    play = PLAY.replace("mkdir", f"{made}\nmkdir", 1).replace('sh "$1" purge', f'{before}\nsh "$1" purge\n{behind}')
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"{play}find /srv -name state.db", "sh",
                           str(SCRIPT), conf, "", ""], capture_output=True, text=True, timeout=30)
    wrong += not tap.ok((done.returncode, done.stdout) == (0, left) and said in done.stderr and
                        bool(said) == bool(done.stderr), f"{name}: what is left", done.stdout, done.stderr)
for name, made, stays in STUBBORN:
    with loop.FileSystem("btrfs", 128) as fs:
        play = PLAY.replace("mkdir", f"pool=/var/lib/hoody-agent/pool; {made}\nmkdir", 1)
        done = subprocess.run(["unshare", "-m", "sh", "-c", play, "sh", str(SCRIPT), "", "", "", str(fs.path)],
                              capture_output=True, text=True, timeout=30)
        wrong += not tap.ok((done.returncode, done.stdout, "by hand" in done.stderr) == (0, "gone\n", stays),
                            f"{name}: the rest goes", done.stdout, done.stderr)
tap.figure(f"purge: {wrong} of {len(CASES) + len(MOVED) + len(STUBBORN) + 1} ended with the wrong state")
tap.done()
