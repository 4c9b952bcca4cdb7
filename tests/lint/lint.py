# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lints share: where the tree is, which files are ours, and TAP (tests/lib/tap.py)."""
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from tap import done, ok, skip_all  # noqa: E402,F401 # given on to the lints

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parents[2]).resolve()
BUILD = pathlib.Path(os.environ.get("top_builddir") or TOP / "build-plain").resolve()
FOLDERS = ("proto", "netfilter", "netns", "storage", "lxc", "agent", "tests", "packaging")
PRODUCT = FOLDERS[:6]


def files(*suffixes, folders=FOLDERS):
    """Our files with one of the suffixes ("" is a name without a dot), as paths below the top."""
    for folder in folders:
        for path in sorted((TOP / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path.relative_to(TOP)


def text(path):
    return (TOP / path).read_text(encoding="utf-8")


def need(program):
    """Leave the lint out on a machine without a program that it needs."""
    if not shutil.which(program):
        skip_all(f"{program} is not installed")


def need_build():
    if not (BUILD / "Makefile").exists():
        skip_all(f"nothing is built in {BUILD}")
