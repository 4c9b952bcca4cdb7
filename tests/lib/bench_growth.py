# SPDX-License-Identifier: GPL-2.0-or-later
"""What was measured beside more and more containers: a row for each operation, a column for each number of them; as
text, as a table for the papers, and as a plot of lines."""
import html
import math
import os
import pathlib
import statistics
import time

from bench_table import number, put_between

COLORS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#57606a", "#0a7ea4")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 900, 460, 60, 600, 30, 420


class Growth:
    def __init__(self):
        self.samples, self.units = {}, {}

    def add(self, operation, n, value, unit="ms"):
        self.samples.setdefault(operation, {}).setdefault(n, []).append(value)
        self.units[operation] = unit

    def sizes(self):
        return sorted({n for row in self.samples.values() for n in row})

    def medians(self, operation):
        return {n: statistics.median(values) for n, values in sorted(self.samples[operation].items())}

    def rows(self):
        """(operation and unit, medians in the order of the sizes, by how much the last is more than the first)"""
        for operation, unit in self.units.items():
            found = self.medians(operation)
            yield (f"{operation}, {unit}", [number(found[n]) if n in found else "" for n in self.sizes()],
                   f"{found[max(found)] / found[min(found)]:.1f}×")

    def text(self):
        return [f"{name}: " + ", ".join(f"{v} beside {n:,}" for v, n in zip(values, self.sizes())) + f" ({times})"
                for name, values, times in self.rows()]

    def markdown(self):
        sizes = self.sizes()
        head = [f"{time.strftime('%Y-%m-%d')}; {os.cpu_count()} processors; medians.", "",
                "| running | " + " | ".join(f"{n:,}" for n in sizes) + " | last beside first |",
                "|---" * (len(sizes) + 2) + "|"]
        return "\n".join(head + [f"| {name} | {' | '.join(values)} | {times} |" for name, values, times in self.rows()])

    def into(self, path):
        put_between(path, "growth", self.markdown())

    def plot(self, path):
        """Milliseconds over containers, both logarithmic: flat is flat, and linear has the grid's slope."""
        lines = {op: self.medians(op) for op, unit in self.units.items() if unit == "ms"}
        values = [v for line in lines.values() for v in line.values()]
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        sizes = self.sizes()
        span = max(math.log10(sizes[-1] / sizes[0]), 1)
        x = lambda n: LEFT + math.log10(n / sizes[0]) / span * (RIGHT - LEFT)
        y = lambda v: BOTTOM - (math.log10(v) - low) / (high - low) * (BOTTOM - TOP)
        out = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
            'font-size="11">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="16" font-size="13">milliseconds beside so many running containers, both '
            'logarithmic</text>'
        ]
        for power in range(low, high + 1):
            at = y(10 ** power)
            out.append(f'<line x1="{LEFT}" y1="{at:.0f}" x2="{RIGHT}" y2="{at:.0f}" stroke="#ddd"/>')
            out.append(f'<text x="{LEFT - 6}" y="{at + 4:.0f}" text-anchor="end" fill="#555">{10 ** power:g}</text>')
        for n in sizes:
            out.append(f'<text x="{x(n):.0f}" y="{BOTTOM + 18}" text-anchor="middle" fill="#555">{n:,}</text>')
        ends, taken = sorted(lines, key=lambda op: lines[op][max(lines[op])]), BOTTOM + 13
        for op, color in zip(ends, COLORS):
            points = [(x(n), y(v)) for n, v in lines[op].items()]
            taken = min(taken - 13, points[-1][1] + 4) # of two that end beside each other neither hides the other
            out.append(f'<polyline points="{" ".join(f"{a:.0f},{b:.0f}" for a, b in points)}" fill="none" '
                       f'stroke="{color}" stroke-width="2"/>')
            out += [f'<circle cx="{a:.0f}" cy="{b:.0f}" r="3" fill="{color}"/>' for a, b in points]
            out.append(f'<text x="{RIGHT + 10}" y="{taken:.0f}" fill="{color}">{html.escape(op)}</text>')
        pathlib.Path(path).write_text("\n".join(out + ["</svg>", ""]), encoding="utf-8")
