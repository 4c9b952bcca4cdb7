#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways of tests/flow/evil-courier.py that ask for the programs as they are shipped: confined by the system call
filter, and as fast."""
import os
import pathlib
import runpy

os.environ.setdefault("HOODY_MODES", "heavy linger")
runpy.run_path(str(pathlib.Path(__file__).resolve().parents[1] / "flow/evil-courier.py"))
