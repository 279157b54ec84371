"""A history drawn: which lane each commit stands in, and that every line leads from a child to its parent."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from perdure.api.cli.lane_render import cells
from perdure.api.lanes import Row, rows

History = Sequence[tuple[str, Sequence[str]]]


def drawn(history: History, *, unicode: bool = True, most: int = 12) -> list[str]:
    """The graph of a history, each commit's own sign its name."""
    found = zip(history, rows(history), strict=True)
    return ["".join(cell.sign for cell in cells(row, name, unicode=unicode, most=most)).rstrip() for (name, _), row in found]


LINE = [("c", "b"), ("b", "a"), ("a", "")]
FORK = [("d", "b"), ("c", "b"), ("b", "a"), ("a", "")]
LONG_FORK = [("d", "c"), ("e", "b"), ("c", "a"), ("b", "a"), ("a", "")]
MERGE = [("e", "d"), ("d", "cb"), ("c", "a"), ("b", "a"), ("a", "")]
CROSSING = [("f", "b"), ("g", "a"), ("h", "ea"), ("e", "a"), ("b", "a"), ("a", "")]
CRISSCROSS = [("a", "cd"), ("b", "dc"), ("c", "e"), ("d", "e"), ("e", "")]
LATE_TRUNK = [("d", "c"), ("x", "a"), ("c", "a"), ("a", "")]


@pytest.mark.parametrize(
    ("history", "graph"),
    [
        (LINE, ["c", "b", "a"]),
        (FORK, ["d", "├─c", "b", "a"]),
        (LONG_FORK, ["d", "│ e", "c │", "├─b", "a"]),
        (MERGE, ["e", "d─╮", "c │", "├─b", "a"]),
        (LATE_TRUNK, ["d", "│ x", "c │", "a─╯"]),
        (CRISSCROSS, ["a─╮", "├─┼─b", "c │", "├─d", "e"]),
        ([("b", ""), ("a", "")], ["b", "  a"]),
        ([("b", "xyz"), ("a", "")], ["b─┬─╮", "│ │ │ a"]),
        (
            [*((name, "a") for name in "hgfedcb"), ("a", "")],
            ["h", "├─g", "├───f", "├─e", "├───d", "├─c", "├───b", "a"],
        ),
    ],
)
def test_drawings(history: History, graph: list[str]) -> None:
    assert drawn(history) == graph


def test_plain_ascii() -> None:
    assert drawn(MERGE, unicode=False) == ["e", "d-.", "c |", "+-b", "a"]
    assert drawn(LATE_TRUNK, unicode=False) == ["d", "| x", "c |", "a-'"]
    assert drawn(CRISSCROSS, unicode=False) == ["a-.", "+-|-b", "c |", "+-d", "e"]


def test_the_documented_drawing_is_what_is_drawn() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    lines = [re.fullmatch(r"(\S.{4})  [0-9a-f]{10}  t\d.*", line) for line in page.splitlines()]
    shown = [line[1].rstrip() for line in lines if line]
    assert len(shown) == 12
    assert shown == drawn_signs(EXAMPLE)


EXAMPLE = [
    *(("dave", ["alice"]), ("alice", ["merge"]), ("merge", ["a5", "b4"]), ("a5", ["a4"]), ("b4", ["b3"])),
    *(
        ("carol", ["fork"]),
        ("a4", ["fork"]),
        ("b3", ["t2"]),
        ("fork", ["t2"]),
        ("t2", ["t1"]),
        ("t1", ["root"]),
        ("root", []),
    ),
]
"""The history in docs/cli.md."""


def drawn_signs(history: History) -> list[str]:
    signs = ["o" if not parents else "M" if len(parents) > 1 else "*" for _, parents in history]
    found = zip(signs, rows(history), strict=True)
    return ["".join(cell.sign for cell in cells(row, sign, unicode=False, most=12)).rstrip() for sign, row in found]


def test_lanes_that_are_too_many_are_left_out() -> None:
    tips = [(chr(ord("a") + number), f"{number}") for number in range(6)]
    assert drawn(tips, most=3)[-1] == "│ │ f"
    assert drawn([*tips, ("0", "")], most=3)[-1] == "0 │ …"
    assert drawn([*tips, ("0", "")], most=3, unicode=False)[-1] == "0 | >"


def scattered(seed: int, count: int) -> list[tuple[str, list[str]]]:
    """A random history, newest first: tips, forks, merges of two and three, roots and parents beyond the end."""
    chance = random.Random(seed)
    made: list[tuple[str, list[str]]] = []
    for number in range(count):
        known = [f"{earlier}" for earlier in range(max(0, number - 12), number)]
        wanted = min(len(known), chance.choice([0, 1, 1, 1, 1, 1, 2, 2, 3]))
        made.append((f"{number}", chance.sample(known, wanted)))
    return made[::-1][: count - 5]


@pytest.mark.parametrize("seed", range(40))
def test_every_line_leads_to_a_parent(seed: int) -> None:
    history = scattered(seed, 80)
    found = list(rows(history))
    for above, below in pairwise(found):
        assert leaving(above) == arriving(below)
    for at, ((_, parents), row) in enumerate(zip(history, found, strict=True)):
        starts = {edge.lane for edge in row.edges} | ({row.lane} if row.below else set())
        assert len(starts) == len(set(parents))
        reached = {end for lane in starts if (end := followed(found, at + 1, lane)) is not None}
        assert {history[end][0] for end in reached} == {name for name in parents if name in dict(history)}


def leaving(row: Row) -> set[tuple[int, int]]:
    """(lane, strand) of the lines below a row."""
    own = {(row.lane, row.strand)} if row.below else set()
    return {(line.lane, line.strand) for line in row.passing} | own | {(e.lane, e.strand) for e in row.edges if e.new}


def arriving(row: Row) -> set[tuple[int, int]]:
    """The same above it."""
    own = {(row.lane, row.strand)} if row.above else set()
    return {(line.lane, line.strand) for line in (*row.passing, *row.ending)} | own


def followed(found: Sequence[Row], at: int, lane: int) -> int | None:
    """The number of the commit to which a line in a lane leads down; None where it goes on beyond the last row."""
    for number in range(at, len(found)):
        row = found[number]
        if lane == row.lane or lane in {line.lane for line in row.ending}:
            return number
    return None


@pytest.mark.parametrize("seed", range(10))
def test_no_commit_stands_below_a_line_that_has_ended(seed: int) -> None:
    for above, below in pairwise(rows(scattered(seed, 80))):
        ended = {line.lane for line in above.ending} | (set() if above.below else {above.lane})
        assert below.above or below.lane not in ended


def test_many_forks_take_few_lanes() -> None:
    tips = [(f"t{number}", ["r"]) for number in range(5000)]
    found = list(rows([*tips, ("r", [])]))
    assert max(row.lane for row in found) == 2
    assert len({row.strand for row in found}) == 5000


def test_rows_are_made_when_they_are_asked_for_and_tell_of_the_first_lanes() -> None:
    endless = ((f"t{number}", [f"p{number}"]) for number in range(10_000))
    found = rows(endless, widest=8)
    assert len(next(found).passing) == 0
    assert len(list(found)[-1].passing) == 8
