# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent with one of its leaves taken over: a folder of the programs with another in one's place. The agent is a
copy, since it looks beside itself."""
import pathlib
import shutil

import harness

PROGRAMS = ("agent/hoody-courier", "agent/hoody-portal", "agent/hoody-worker", "netns/hoody-netproxy",
            "lxc/hoody-groups", "storage/hoody-mounts")


def make(node, leaf):
    """The folder, with all programs but that leaf; node.program is to be its hoody-agent."""
    place = node.directory / "programs"
    place.mkdir()
    shutil.copy(harness.BUILD / "agent/hoody-agent", place)
    for path in map(pathlib.Path, PROGRAMS):
        if path.name != leaf:
            (place / path.name).symlink_to(harness.BUILD / path)
    return place


def evil_courier(node):
    """With tests/tools/evil-courier, which looks there for "evil" and "material/", and speaks in "said"."""
    place = make(node, "hoody-courier")
    shutil.copy(harness.BUILD / "tests/tools/evil-courier", place / "hoody-courier")
    (place / "material").mkdir()
    (place / "said").touch()
    (place / "said").chmod(0o666)
    return place
