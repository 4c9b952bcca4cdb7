# SPDX-License-Identifier: GPL-2.0-or-later
"""A terminal: what a program writes to it, as a screen of characters and their styles; and that as a picture.

It knows the codes of xterm(1) that ncurses and we write (ECMA-48, XTerm Control Sequences), and fails on any other,
so that what it shows is what a terminal shows."""
import codecs
import fcntl
import html
import os
import pty
import re
import select
import struct
import termios
import time
import unicodedata

PLAIN = ()
# SGR parameter → what it says; a style is a sorted tuple of these words.
ON = {1: "bold", 2: "dim", 4: "underline", 7: "reverse"}
OFF = {22: ("bold", "dim"), 24: ("underline", ), 27: ("reverse", )}
COLOURS = {1: "#d75f5f", 2: "#5faf5f", 3: "#d7af5f", 4: "#5f87d7", 6: "#5fafaf", 33: "#0087ff", 208: "#ff8700"}
CODE = re.compile("\x1b(?:\\[([?>!]?)([0-9;]*)([@-~])|([()])(.)|([78=>DEHM]))")
IGNORED = {("?", "h"), ("?", "l"), ("?", "c"), (">", "m"), ("", "h"), ("", "l"), ("", "t"), ("!", "p")}


class Unknown(Exception):
    """A code that this terminal doesn't know."""


class Screen:
    def __init__(self, rows, columns):
        self.rows, self.columns, self.cells = rows, columns, []
        self.y = self.x = 0
        self.style, self.last, self.unread = PLAIN, " ", ""
        self.decode = codecs.getincrementaldecoder("utf-8")("strict").decode
        self.saved, self.wrapped = (0, 0), 0
        self.resize(rows, columns)

    def resize(self, rows, columns):
        """What a terminal leaves is its own affair (some wrap lines anew): so anything is there."""
        self.cells = [[("~" if self.cells else " ", PLAIN)] * columns for _ in range(rows)]
        self.rows, self.columns = rows, columns
        self.top, self.bottom = 0, rows - 1
        self.y, self.x = min(self.y, rows - 1), min(self.x, columns - 1)

    def text(self):
        return ["".join(c for c, _ in row).rstrip() for row in self.cells]

    def feed(self, data):
        text, at = self.unread + self.decode(data), 0
        while at < len(text):
            if text[at] == "\x1b":
                code = CODE.match(text, at)
                if not code:
                    if len(text) - at > 40:
                        raise Unknown(repr(text[at:at + 40]))
                    break
                self._code(*code.groups())
                at = code.end()
            else:
                self._character(text[at])
                at += 1
        self.unread = text[at:]

    def _character(self, c):
        if c == "\n":
            self._down()
        elif c == "\r":
            self.x = 0
        elif c == "\b":
            self.x = max(min(self.x, self.columns - 1) - 1, 0)
        elif c == "\t":
            self.x = min((self.x // 8 + 1) * 8, self.columns - 1)
        elif c in "\x07\x0e\x0f":
            pass
        elif unicodedata.category(c) == "Cc" or unicodedata.east_asian_width(c) in "WF":
            raise Unknown(repr(c))
        else:
            if self.x >= self.columns:
                self.x = 0
                self.wrapped += 1
                self._down()
            self.cells[self.y][self.x] = (c, self.style)
            self.x, self.last = self.x + 1, c

    def _scroll(self, n):
        blank = [(" ", PLAIN)] * self.columns
        part = self.cells[self.top:self.bottom + 1]
        empty = [list(blank) for _ in range(min(abs(n), len(part)))]
        part = part[n:] + empty if n > 0 else empty + part[:len(part) + n]
        self.cells[self.top:self.bottom + 1] = part

    def _down(self):
        if self.y == self.bottom:
            self._scroll(1)
        else:
            self.y = min(self.y + 1, self.rows - 1)

    def _code(self, private, numbers, final, charset, _which, single):
        if charset or single in tuple("=>"):
            return
        if single:
            self._single(single)
            return
        n = [int(i or 0) for i in numbers.split(";")]
        if final == "m" and not private:
            self._style(n)
        elif (private, final) not in IGNORED:
            act = self.CODES.get(final) if not private else None
            if not act:
                raise Unknown(f"\\e[{private}{numbers}{final}")
            act(self, n, max(n[0], 1))
            self.y, self.x = max(0, min(self.y, self.rows - 1)), max(0, min(self.x, self.columns))

    def _single(self, code):
        if code == "7":
            self.saved = self.y, self.x
        elif code == "8":
            self.y, self.x = self.saved
        elif code == "M" and self.y == self.top:
            self._scroll(-1)
        elif code == "M":
            self.y = max(self.y - 1, 0)
        elif code in "DE":
            self._down()
            self.x = 0 if code == "E" else self.x

    def _style(self, n):
        words = set(self.style)
        n = list(n)
        while n:
            i = n.pop(0)
            if i == 0:
                words = set()
            elif i in ON:
                words.add(ON[i])
            elif i in OFF:
                words -= set(OFF[i])
            elif i == 10: # the font
                pass
            elif i in (39, 49) or 30 <= i < 38 or i == 38:
                words = {w for w in words if not w.startswith("colour")} if i != 49 else words
                if i == 38 and n[:1] == [5]:
                    words.add(f"colour{n[1]}")
                    n = n[2:]
                elif 30 <= i < 38:
                    words.add(f"colour{i - 30}")
            else:
                raise Unknown(f"\\e[{i}m")
        self.style = tuple(sorted(words))

    def _erase(self, y, begin, end):
        self.cells[y][begin:end] = [(" ", PLAIN)] * len(self.cells[y][begin:end])

    def _erase_screen(self, n, _):
        begin, end = {0: (self.y + 1, self.rows), 1: (0, self.y), 2: (0, self.rows), 3: (0, 0)}[n[0]]
        for y in range(begin, end):
            self._erase(y, 0, self.columns)
        if n[0] in (0, 1):
            self._erase_line(n, 1)

    def _erase_line(self, n, _):
        begin, end = {0: (self.x, self.columns), 1: (0, self.x + 1), 2: (0, self.columns)}[n[0]]
        self._erase(self.y, begin, end)

    def _move(self, y, x):
        self.y, self.x = y, x

    def _insert(self, n):
        row = self.cells[self.y]
        row[self.x:] = ([(" ", PLAIN)] * n + row[self.x:])[:self.columns - self.x]

    def _delete(self, n):
        row = self.cells[self.y]
        row[self.x:] = (row[self.x + n:] + [(" ", PLAIN)] * n)[:self.columns - self.x]

    def _lines(self, n):
        top, self.top = self.top, self.y
        self._scroll(n)
        self.top = top

    def _repeat(self, n):
        for _ in range(n):
            self._character(self.last)

    def _region(self, n):
        self.top, self.bottom = max(n[0], 1) - 1, (n[1] if len(n) > 1 and n[1] else self.rows) - 1
        self._move(0, 0)

    CODES = {
        "H": lambda s, n, _: s._move(max(n[0], 1) - 1, (n[1] if len(n) > 1 else 1) - 1),
        "A": lambda s, _, n: s._move(s.y - n, s.x), "B": lambda s, _, n: s._move(s.y + n, s.x),
        "C": lambda s, _, n: s._move(s.y, s.x + n), "D": lambda s, _, n: s._move(s.y, s.x - n),
        "G": lambda s, _, n: s._move(s.y, n - 1), "d": lambda s, _, n: s._move(n - 1, s.x), "J": _erase_screen,
        "K": _erase_line, "X": lambda s, _, n: s._erase(s.y, s.x, s.x + n), "@": lambda s, _, n: s._insert(n),
        "P": lambda s, _, n: s._delete(n), "L": lambda s, _, n: s._lines(-n), "M": lambda s, _, n: s._lines(n),
        "S": lambda s, _, n: s._scroll(n), "T": lambda s, _, n: s._scroll(-n), "b": lambda s, _, n: s._repeat(n),
        "r": lambda s, n, _: s._region(n),
    }


class Terminal(Screen):
    """A program on a terminal of its own."""

    def __init__(self, command, rows=24, columns=80, **env):
        super().__init__(rows, columns)
        self.raw = b""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LC_") and k not in ("NO_COLOR", "LINES")}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            self._size(0)
            env = {**kept, "LANG": "C.UTF-8", "TZ": "UTC", "TERM": "xterm-256color", **env}
            os.execve(command[0], [str(c) for c in command], {k: v for k, v in env.items() if v is not None})
        self._size(self.fd)

    def _size(self, fd):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))

    def set_size(self, rows, columns):
        self.read(0)
        self.resize(rows, columns)
        self._size(self.fd)

    def read(self, seconds):
        """Until it is silent for so long. False when it has hung up."""
        while select.select([self.fd], [], [], seconds)[0]:
            try:
                part = os.read(self.fd, 65536)
            except OSError: # its other side is closed
                return False
            if not part:
                return False
            self.raw += part
            self.feed(part)
        return True

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def until(self, good, seconds):
        """Wait until `good(self)` says so of what is shown."""
        end = time.monotonic() + seconds
        while not good(self):
            if not self.read(0.05) or time.monotonic() > end:
                return good(self)
        return True

    def end(self, seconds):
        """Wait for its end; its exit code, or None."""
        end = time.monotonic() + seconds
        while self.read(0.05) and time.monotonic() < end:
            pass
        os.close(self.fd) # SIGHUP to who is still there
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


# --- pictures ---

CHARACTER, LINE, SIZE = 8.4, 18, 14 # of a monospace font, in pixels
PAPER, INK = "#1c1c1c", "#d0d0d0"


def runs(row):
    """(column, style, text) of each stretch of one style in a row of cells; plain blanks at ends are none."""
    found = []
    for x, (c, style) in enumerate(row):
        if found and found[-1][1] == style:
            found[-1][2].append(c)
        else:
            found.append((x, style, [c]))
    texts = [(x, style, "".join(text)) for x, style, text in found]
    for x, style, text in texts:
        if "reverse" in style:
            yield x, style, text
        elif text.strip():
            yield x + len(text) - len(text.lstrip()), style, text.strip()


def _attributes(style):
    colour = next((COLOURS[int(w[6:])] for w in style if w.startswith("colour")), None)
    ink = PAPER if "reverse" in style else colour or INK
    return (f' fill="{ink}"' if ink != INK else "") + (' font-weight="bold"' if "bold" in style else "") + (
        ' opacity="0.6"' if "dim" in style else "")


def picture(cells):
    """The screen as SVG: each run stands at its column and is as long as it has columns, whatever the font."""
    width, height = len(cells[0]) * CHARACTER + 16, len(cells) * LINE + 16
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" font-size="{SIZE}" '
        f'font-family="DejaVu Sans Mono,Menlo,Consolas,monospace">', f'<rect width="100%" height="100%" rx="6" '
        f'fill="{PAPER}"/>', f'<g fill="{INK}" xml:space="preserve">'
    ]
    for y, row in enumerate(cells):
        for x, style, text in runs(row):
            left, length = 8 + x * CHARACTER, len(text) * CHARACTER
            if "reverse" in style:
                out.append(f'<rect x="{left:.1f}" y="{8 + y * LINE}" width="{length:.1f}" height="{LINE}"/>')
            out.append(f'<text x="{left:.1f}" y="{8 + y * LINE + SIZE}" textLength="{length:.1f}" '
                       f'class="{" ".join(style)}"{_attributes(style)}>{html.escape(text)}</text>')
    return "\n".join(out + ["</g>", "</svg>"]) + "\n"


TEXT = re.compile(r'<text x="([\d.]+)" y="(\d+)" [^>]*class="([^"]*)"[^>]*>([^<]*)</text>')


def of_picture(svg):
    """The runs of a picture, by row."""
    rows = {}
    for x, y, style, text in TEXT.findall(svg):
        rows.setdefault((int(y) - 8 - SIZE) // LINE, []).append(
            (round((float(x) - 8) / CHARACTER), tuple(style.split()), html.unescape(text)))
    return rows


def of_cells(cells):
    return {y: found for y, row in enumerate(cells) if (found := list(runs(row)))}
