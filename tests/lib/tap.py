# SPDX-License-Identifier: GPL-2.0-or-later
"""Test Anything Protocol: a line per check, the plan at the end. `# figure:` lines are shown by tests/run."""
import signal
import sys
import time

signal.signal(signal.SIGTERM, lambda *_: sys.exit("the time is up")) # so that what was made is cleaned up
_n = _failed = 0
_begin = time.monotonic()


def ok(good, name, *notes):
    """One check, and what it evaluates to. The notes are shown when it failed."""
    global _n, _failed
    _n += 1
    _failed += not good
    print(f"{'ok' if good else 'not ok'} {_n} - {name}")
    if not good:
        for note in notes:
            print("\n".join("# " + line for line in str(note).splitlines()))
    sys.stdout.flush()
    return bool(good)


def eq(got, want, name):
    return ok(got == want, name, f"got  {got!r}", f"want {want!r}")


def note(text):
    print(f"# [{time.monotonic() - _begin:7.3f}] {text}", flush=True)


def figure(text):
    print(f"# figure: {text}", flush=True)


def skip(name, reason):
    global _n
    _n += 1
    print(f"ok {_n} - {name} # SKIP {reason}", flush=True)


def skip_all(reason):
    print(f"1..0 # SKIP {reason}", flush=True)
    sys.exit(0)


def failures():
    return _failed


def done():
    print(f"1..{_n}", flush=True)
    sys.exit(1 if _failed else 0)
