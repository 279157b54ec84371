"""Lanes as characters: the rows of a graph in box drawings, or in plain ASCII."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..lanes import Row

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8

BOX = " ╵╷│╴╯╮┤╶╰╭├─┴┬┼"
PLAIN = " |||-'.+-'.+-++|"
"""One character for each set of directions in which lines leave a cell: the sum of those above."""


class Cell(NamedTuple):
    """A character and the strand that it is drawn for (None: blank)."""

    sign: str
    strand: int | None


BLANK = Cell(" ", None)


def cells(row: Row, node: str, *, unicode: bool, most: int) -> list[Cell]:
    """A row in at most `most` lanes, two cells for each but the last: lines, and the commit's own sign in its lane.

    Where lanes are left out, the last one shown says so, unless the commit itself is there: then that stands in it.
    """
    paths: dict[int, int] = {}
    strands: dict[int, int] = {}
    for line in row.passing:
        _draw(paths, strands, line.lane, UP | DOWN, line.strand)
    for line in row.ending:
        _reach(paths, strands, row.lane, line.lane, UP, line.strand)
    for edge in row.edges:
        _reach(paths, strands, row.lane, edge.lane, DOWN if edge.new else 0, edge.strand if edge.new else row.strand)
    return list(_signs(row, paths, strands, node, BOX if unicode else PLAIN, most))


def width(row: Row) -> int:
    """The lanes that a row takes."""
    lines = [line.lane for line in (*row.passing, *row.ending)]
    return 1 + max([row.lane, *lines, *(edge.lane for edge in row.edges)])


def _draw(paths: dict[int, int], strands: dict[int, int], lane: int, way: int, strand: int) -> None:
    paths[2 * lane] = paths.get(2 * lane, 0) | way
    strands.setdefault(2 * lane, strand)


def _reach(paths: dict[int, int], strands: dict[int, int], lane: int, other: int, way: int, strand: int) -> None:
    """A line from a commit's lane to another one, across those between."""
    first, last = sorted((2 * lane, 2 * other))
    for at in range(first + 1, last):
        paths[at] = paths.get(at, 0) | LEFT | RIGHT
        strands.setdefault(at, strand)
    _draw(paths, strands, other, way | (LEFT if other > lane else RIGHT), strand)


def _signs(row: Row, paths: Mapping[int, int], strands: Mapping[int, int], node: str, signs: str, most: int) -> list[Cell]:
    wide = width(row)
    ends = 2 * min(most, wide) - 1
    found = [Cell(signs[paths[at]], strands[at]) if at in paths else BLANK for at in range(ends)]
    if wide > most and row.lane < most - 1:
        found[-1] = Cell("…" if signs is BOX else ">", None)
    found[2 * min(row.lane, most - 1)] = Cell(node, row.strand)
    return found
