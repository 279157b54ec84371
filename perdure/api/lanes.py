"""A history as rows of a drawing: which lane each commit stands in, and which lines pass it. Nothing but ids and parents."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

WIDEST = 64
"""Lanes that a row tells of; lines further to the right are followed, not told."""


class Line(NamedTuple):
    """A line in a lane. Lines of one `strand` are one branch: it begins at a tip or at a merge and ends where it joins."""

    lane: int
    strand: int


class Edge(NamedTuple):
    """A line from a commit to a parent in another lane; `new`: it begins here, and does not come from above."""

    lane: int
    strand: int
    new: bool


class Row(NamedTuple):
    """One commit. Its children are above, its parents below.

    `above` and `below` say whether its own lane goes on there; `passing` lines go by in other lanes; `ending` ones come from
    children above and end in this commit; `edges` lead to parents in other lanes. Lanes count from 0, from the left.
    """

    lane: int
    strand: int
    above: bool
    below: bool
    passing: tuple[Line, ...]
    ending: tuple[Line, ...]
    edges: tuple[Edge, ...]


Parents = tuple[Hashable, Sequence[Hashable]]
"""A commit's id and those of its parents, the one that it goes on with first."""


def rows(history: Iterable[Parents], widest: int = WIDEST) -> Iterator[Row]:
    """One row for each commit; every child must come before its parents. Each is made when it is asked for.

    A branch joins what it parted from as far to the left as it can, so that many forks of one commit take few lanes. A new
    tip does not stand right below a line that has ended, with which it would seem to be connected.
    """
    lanes = _Lanes(widest)
    for name, parents in history:
        yield lanes.step(name, parents)


class _Lanes:
    """What each lane waits for: the id of the commit that comes next in it."""

    def __init__(self, widest: int) -> None:
        self._widest = widest
        self._lines: list[tuple[Hashable, int] | None] = []
        self._free: list[int] = []
        self._at: dict[Hashable, list[int]] = {}
        self._ended: set[int] = set()
        self._strands = 0

    def step(self, name: Hashable, parents: Sequence[Hashable]) -> Row:
        waiting = self._at.pop(name, [])
        lane = waiting[0] if waiting else self._room(0)
        strand = self._strand(lane) if waiting else self._new()
        ending = tuple(Line(other, self._strand(other)) for other in waiting[1:])
        self._ended = {line.lane for line in ending}
        for line in ending:
            self._leave(line.lane)
        self._hold(lane, name, strand)
        below, edges = self._descend(lane, strand, list(dict.fromkeys(parents)))
        passing = tuple(self._passing({lane, *(edge.lane for edge in edges if edge.new)}))
        return Row(lane, strand, bool(waiting), below, passing, ending, edges)

    def _descend(self, lane: int, strand: int, parents: list[Hashable]) -> tuple[bool, tuple[Edge, ...]]:
        """Whether the commit's own lane goes on, and its lines to parents in other lanes."""
        below, edges = False, []
        for number, parent in enumerate(parents):
            there = self._at.get(parent)
            if number == 0 and (there is None or there[0] > lane):
                self._wait(lane, parent, strand)
                below = True
            elif there is not None:
                edges.append(Edge(there[0], self._strand(there[0]), False))
            else:
                edges.append(self._branch(lane, parent))
        if not below:
            self._leave(lane)
            self._ended.add(lane)
        return below, tuple(edges)

    def _branch(self, lane: int, parent: Hashable) -> Edge:
        """A new lane, to the right of a merge, for what was merged."""
        found, strand = self._room(lane + 1), self._new()
        self._wait(found, parent, strand)
        return Edge(found, strand, True)

    def _wait(self, lane: int, name: Hashable, strand: int) -> None:
        self._hold(lane, name, strand)
        insort(self._at.setdefault(name, []), lane)

    def _room(self, first: int) -> int:
        """The first free lane from one on in which nothing has just ended."""
        at = bisect_left(self._free, first)
        while at < len(self._free) and self._free[at] in self._ended:
            at += 1
        if at < len(self._free):
            return self._free.pop(at)
        self._lines.append(None)
        return len(self._lines) - 1

    def _hold(self, lane: int, name: Hashable, strand: int) -> None:
        self._lines[lane] = name, strand

    def _leave(self, lane: int) -> None:
        self._lines[lane] = None
        insort(self._free, lane)

    def _strand(self, lane: int) -> int:
        held = self._lines[lane]
        assert held is not None
        return held[1]

    def _new(self) -> int:
        self._strands += 1
        return self._strands - 1

    def _passing(self, own: set[int]) -> Iterator[Line]:
        for lane, held in enumerate(islice(self._lines, self._widest)):
            if held is not None and lane not in own:
                yield Line(lane, held[1])
