# SPDX-License-Identifier: GPL-2.0-or-later
"""The product as a graph: which file includes which header, and which object uses what of which other (nm: functions
and data, so that a table of functions counts like a call)."""
import collections
import functools
import re
import subprocess

from lint import BUILD, PRODUCT, TOP, files, text

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)
COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:[^"\\\n]|\\.)*")', re.S)
# Made by sanitizers and coverage, not by us.
FOREIGN = re.compile(r"^(__asan|__ubsan|__odr_asan|__gcov|_\.|\.L)")
# automake puts the program's or library's name before the source's: hoody_agent-engine.o
OBJECT = re.compile(r"([\w./-]*/)?(?:[\w.]+-)?(\w+)\.(?:\$\(OBJEXT\)|o)$")


def without_comments(source):
    """The text with each comment's lines empty: what is left keeps its line."""
    return COMMENT.sub(lambda m: m.group(1) or re.sub(r"[^\n]+", " ", m.group()), source)


@functools.cache
def code(path):
    return without_comments(text(path))


class House:
    """stems: stem → folder. uses: stem → stem → symbols. gives: stem → symbols. Stems are unique in the tree."""

    def __init__(self):
        self.stems, self.gives = {}, collections.defaultdict(set)
        self.uses = collections.defaultdict(lambda: collections.defaultdict(set))
        self.sources = {p.name: p for p in files(".c", ".h", ".def", folders=PRODUCT)}
        self._read_objects()

    def folder_of(self, path):
        return str(path.parent)

    def _objects(self):
        """Those that the makefile names: what an earlier makefile had made may still lie about."""
        makefile = (BUILD / "Makefile").read_text(encoding="utf-8")
        for word in re.findall(r"[\w./-]+\.\$\(OBJEXT\)", makefile):
            path = BUILD / word.replace("$(OBJEXT)", "o")
            if word.startswith(tuple(f"{p}/" for p in PRODUCT)) and path.exists():
                yield path.relative_to(BUILD)

    def _read_objects(self):
        objects = sorted(set(self._objects()))
        if not objects:
            return
        said = subprocess.run(["nm", "-A", "-P", "-g", *objects], capture_output=True, text=True, check=True, cwd=BUILD)
        wants, owner = collections.defaultdict(set), collections.defaultdict(set)
        for path in objects:
            stem = OBJECT.match(str(path)).group(2)
            self.stems[stem] = self.folder_of(path.parent / f"{stem}.c")
        for line in said.stdout.splitlines():
            path, name, kind = line.split()[:3]
            stem = OBJECT.match(path.removesuffix(":")).group(2)
            if kind in "Uwv":
                wants[stem].add(name)
            elif not FOREIGN.match(name):
                self.gives[stem].add(name)
                owner[name].add(stem)
        for stem, names in wants.items():
            for name in names:
                for below in owner[name] - {stem}:
                    self.uses[stem][below].add(name)

    def places(self, stem, symbol):
        """Where a file uses a symbol, as "file.c:line,line"."""
        for path in (self.sources[n] for n in (f"{stem}.c", f"{stem}.def") if n in self.sources):
            lines = enumerate(code(path).splitlines(), 1)
            found = [str(n) for n, line in lines if re.search(rf"\b{symbol}\b", line)]
            if found:
                return f"{path.name}:" + ",".join(found)
        return f"{stem}.o"

    def includes(self):
        """(path, line, included path) of all includes of our own headers."""
        for path in files(".c", ".h", ".def", folders=PRODUCT):
            for match in INCLUDE.finditer(text(path)):
                target = TOP / match.group(1)
                if target.exists():
                    yield path, text(path).count("\n", 0, match.start()) + 1, target.relative_to(TOP)


def components(graph):
    """Tarjan's strongly connected components of more than one node (or with an edge to itself)."""
    index, low, stack, found = {}, {}, [], []

    def visit(root):
        work = [(root, iter(sorted(graph.get(root, ()))))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            node, below = work[-1]
            for n in below:
                if n not in index:
                    index[n] = low[n] = len(index)
                    stack.append(n)
                    work.append((n, iter(sorted(graph.get(n, ())))))
                    break
                if n in stack:
                    low[node] = min(low[node], index[n])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part = stack[stack.index(node):]
                    del stack[stack.index(node):]
                    if len(part) > 1 or node in graph.get(node, ()):
                        found.append(part)

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def shortest_circle(graph, part):
    """The shortest way from a node of the component back to itself, as a list that begins and ends with it."""
    best = None
    for begin in sorted(part):
        came, queue = {begin: None}, collections.deque([begin])
        while queue and begin not in (graph.get(queue[0], ())):
            node = queue.popleft()
            for n in sorted(graph.get(node, ())):
                if n in part and n not in came:
                    came[n] = node
                    queue.append(n)
        trail, node = [begin], queue[0] if queue else None
        while node is not None:
            trail.append(node)
            node = came[node]
        if queue and (best is None or len(trail) < len(best)):
            best = trail[::-1]
    return best
