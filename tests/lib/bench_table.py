# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured, ours beside its peers: as text, as CSV and back, as tables for the papers, and as a plot."""
import csv
import html
import math
import pathlib
import statistics
import textwrap
import time

COLUMNS = ("part", "operation", "unit", "who", "median", "q1", "q3", "min", "max", "n", "ours_is", "more_is_better")
OURS = "ours"
# The README's rows; the page beside the bench has all.
FEW = ("start", "snapshot, running, btrfs", "a rule added by the API, 50 running",
       "with 50 running: per container (monitor, and the daemon's growth), proportional",
       "signed orders through the whole path")
COLORS = {OURS: "#1f6feb", "LXD": "#d1242f"}


def clock(call, *args):
    """Its milliseconds and its result."""
    begin = time.monotonic()
    result = call(*args)
    return (time.monotonic() - begin) * 1000, result


def put_between(path, mark, markdown):
    """Between the marks that the file has for it."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    text = path.read_text(encoding="utf-8")
    before, after = text[:text.index(begin)], text[text.index(end):]
    path.write_text(f"{before}{begin}\n{markdown}\n{after}", encoding="utf-8")


class Value:
    """A median with its spread."""
    def __init__(self, median, q1, q3, low, high, n):
        self.median, self.q1, self.q3, self.low, self.high, self.n = float(median), float(q1), float(q3), float(
            low), float(high), int(n)

    @staticmethod
    def of(samples):
        q1, median, q3 = statistics.quantiles(samples, n=4,
                                              method="inclusive") if len(samples) > 1 else (samples[0], ) * 3
        return Value(median, q1, q3, min(samples), max(samples), len(samples))

    def __str__(self):
        return number(self.median) + (f" [{number(self.q1)}–{number(self.q3)}]" if self.n > 1 else "")


def number(v):
    return f"{v:,.0f}" if abs(v) >= 100 or v == int(v) else f"{v:.1f}" if abs(v) >= 10 else f"{v:.2f}"


def factor(v):
    return f"{v:,.0f}×" if v >= 10 else f"{v:.1f}×" if v >= 1.95 else f"{v:.2f}×"


class Row:
    def __init__(self, part, operation, unit, more=False):
        self.part, self.operation, self.unit, self.more = part, operation, unit, more
        self.samples, self.values, self.missing = {}, {}, {}

    def who(self):
        found = {**self.values, **{who: Value.of(s) for who, s in self.samples.items()}}
        return {who: found[who] for who in sorted(found, key=lambda who: who != OURS)}

    def times(self, who):
        """How many times as good as the peer ours is; None without both."""
        values = self.who()
        if OURS not in values or who == OURS or values[who].median <= 0 or values[OURS].median <= 0:
            return None
        ratio = values[who].median / values[OURS].median
        return 1 / ratio if self.more else ratio

    def cells(self, strong="{}"):
        """Ours, and all others; @strong is put around what ours is behind of."""
        values = self.who()

        def times(who):
            t = self.times(who)
            return f" ({(strong if t < 1 else '{}').format(factor(t))})" if t else ""

        beside = [f"{who} {values[who]}{times(who)}" for who in values if who != OURS]
        beside += [f"{who}: {why}" for who, why in self.missing.items()]
        return str(values[OURS]) if OURS in values else "", "; ".join(beside)


class Table:
    def __init__(self):
        self.rows, self.about = {}, {}

    def row(self, part, operation, unit="ms", more=False):
        return self.rows.setdefault((part, operation), Row(part, operation, unit, more))

    def add(self, part, operation, who, *samples, unit="ms", more=False):
        self.row(part, operation, unit, more).samples.setdefault(who, []).extend(samples)

    def missing(self, part, operation, who, why):
        self.row(part, operation).missing[who] = why

    def text(self):
        lines = [f"{key}: {value}" for key, value in self.about.items()]
        for row in self.rows.values():
            ours, beside = row.cells()
            lines.append(f"{row.part:<9} {row.operation + ', ' + row.unit:<58} {ours:>24}   {beside}")
        return "\n".join(lines)

    # --- CSV ---

    def write(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "w", newline="", encoding="utf-8") as f:
            for key, value in self.about.items():
                f.write(f"# {key}: {value}\n")
            out = csv.writer(f, lineterminator="\n")
            out.writerow(COLUMNS)
            for row in self.rows.values():
                for who, v in row.who().items():
                    times = row.times(who)
                    out.writerow([
                        row.part, row.operation, row.unit, who,
                        *(f"{x:.4g}" for x in (v.median, v.q1, v.q3, v.low, v.high)), v.n,
                        f"{times:.3g}" if times else "",
                        int(row.more)
                    ])
                for who, why in row.missing.items():
                    out.writerow([row.part, row.operation, row.unit, who, why, *[""] * 7])

    @staticmethod
    def read(path):
        table = Table()
        with open(path, encoding="utf-8") as f:
            lines = f.read().splitlines()
        while lines and lines[0].startswith("# "):
            key, _, value = lines.pop(0)[2:].partition(": ")
            table.about[key] = value
        for line in csv.DictReader(lines):
            row = table.row(line["part"], line["operation"], line["unit"], line["more_is_better"] == "1")
            if line["n"]:
                row.values[line["who"]] = Value(*(line[k] for k in ("median", "q1", "q3", "min", "max", "n")))
            else:
                row.missing[line["who"]] = line["median"]
        return table

    # --- the papers ---

    def markdown(self, only=None):
        about = "; ".join(v for key, v in self.about.items() if not only or key in ("date", "machine")) + "."
        if not only:
            about += (" Medians, [quartiles] where there are several; in brackets how many times as good ours is, "
                      "bold where a peer is better.")
        about = textwrap.fill(about, 100, break_on_hyphens=False)
        lines = [about, "", "| | ours | beside it |", "|---|---|---|"]
        for row in self.rows.values():
            if only and row.operation not in only:
                continue
            ours, beside = (cell.replace("|", "\\|") for cell in row.cells("**{}**"))
            lines.append(f"| {row.operation}, {row.unit} | {ours} | {beside} |")
        return "\n".join(lines)

    def into(self, path, only=None):
        put_between(path, "bench", self.markdown(only))

    # --- the plot ---

    def plot(self, path):
        """Bars on a logarithmic scale, one group per operation that is timed and has a peer."""
        rows = [r for r in self.rows.values() if r.unit == "ms" and OURS in r.who() and len(r.who()) > 1]
        left, right, bar, gap, top = 420, 940, 13, 12, 46
        values = [v.median for r in rows for v in r.who().values() if v.median > 0]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        x = lambda v: left + (math.log10(max(v, 10 ** low)) - low) / (high - low) * (right - left)
        height = top + sum(bar * len(r.who()) + gap for r in rows) + 20
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="1120" height="{height}" font-family="sans-serif" '
            'font-size="11">',
            f'<rect width="1120" height="{height}" fill="white"/>',
            f'<text x="{left}" y="16" font-size="13">milliseconds, logarithmic: shorter is better</text>'
        ]
        for power in range(low, high + 1):
            out.append(
                f'<line x1="{x(10 ** power):.0f}" y1="{top - 8}" x2="{x(10 ** power):.0f}" y2="{height - 12}" '
                'stroke="#ddd"/>'
            )
            out.append(
                f'<text x="{x(10 ** power):.0f}" y="{top - 14}" text-anchor="middle" fill="#555">{10 ** power:g}</text>'
            )
        y = top
        for row in rows:
            out.append(f'<text x="{left - 8}" y="{y + 10}" text-anchor="end">{html.escape(row.operation)}</text>')
            for who, v in row.who().items():
                color = COLORS.get(who.split()[0], "#9aa4af")
                out.append(
                    f'<rect x="{left}" y="{y}" width="{max(x(v.median) - left, 1):.0f}" height="{bar - 2}" '
                    f'fill="{color}"/>'
                )
                out.append(
                    f'<text x="{x(v.median) + 5:.0f}" y="{y + 10}" fill="#333">{html.escape(who)} '
                    f'{number(v.median)}</text>'
                )
                y += bar
            y += gap
        pathlib.Path(path).write_text("\n".join(out + ["</svg>", ""]), encoding="utf-8")
