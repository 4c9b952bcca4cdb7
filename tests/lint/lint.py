# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lints share: where the tree is, which files are ours, and TAP."""
import os
import pathlib
import shutil
import sys

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parents[2]).resolve()
BUILD = pathlib.Path(os.environ.get("top_builddir") or TOP / "build-plain").resolve()
FOLDERS = ("proto", "netfilter", "netns", "storage", "lxc", "agent", "tests", "packaging")
PRODUCT = FOLDERS[:6]

_n = _failed = 0


def files(*suffixes, folders=FOLDERS):
    """Our files with one of the suffixes ("" is a name without a dot), as paths below the top."""
    for folder in folders:
        for path in sorted((TOP / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path.relative_to(TOP)


def text(path):
    return (TOP / path).read_text(encoding="utf-8")


def ok(good, name, *notes):
    """One check. The notes are shown when it failed."""
    global _n, _failed
    _n += 1
    _failed += not good
    print(f"{'ok' if good else 'not ok'} {_n} - {name}")
    if not good:
        for note in notes:
            print(f"# {note}")
    sys.stdout.flush()


def need(program):
    """Leave the lint out on a machine without a program that it needs."""
    if not shutil.which(program):
        print(f"1..0 # SKIP {program} is not installed")
        sys.exit(0)


def need_build():
    if not (BUILD / "Makefile").exists():
        print(f"1..0 # SKIP nothing is built in {BUILD}")
        sys.exit(0)


def done():
    print(f"1..{_n}")
    sys.exit(1 if _failed else 0)
