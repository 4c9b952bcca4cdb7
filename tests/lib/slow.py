# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a test waits before it says that something does not come. A deadline is ten times what the thing takes on a
quiet machine: it costs nothing where all is well."""
import os
import pathlib

TOP = pathlib.Path(os.environ.get("top_srcdir") or pathlib.Path(__file__).resolve().parents[2]).resolve()
BUILD = pathlib.Path(os.environ.get("top_builddir") or TOP / "build-plain").resolve()
SANITIZED = "-fsanitize=" in (BUILD / "Makefile").read_text() if (BUILD / "Makefile").exists() else False
SLOW = float(os.environ.get("HOODY_TEST_SLOW", "1")) * (3 if SANITIZED else 1) # what every deadline is multiplied by
