"""`perdure log --graph` as text: lanes, then a line about each commit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.text import Text

from ...memory.graph import Node
from ..figures import age, size
from ..graph import Drawn
from .lane_render import Cell, cells
from .screen import Column, Screen, columns, one_line

STRANDS = ("cyan", "magenta", "green", "blue", "yellow", "red", "bright_cyan", "bright_magenta", "bright_green")
"""Colours of branches, in the order in which they are met."""

NODES = {"turn": ("●", "*"), "recover": ("●", "*"), "root": ("○", "o"), "merge": ("◆", "M")}
CHANGE = "◇", "@"
"""A commit that changed what is remembered or known, and was no turn."""

LANES = 24
NAMES = 4

SHAPE = (
    Column(""),
    Column(""),
    Column("", right=True, rank=1),
    Column("", right=True, rank=2),
    Column("", right=True, rank=3),
    Column("", right=True, rank=0),
    Column("", least=28),
)


def graph_lines(nodes: Sequence[Drawn], out: Screen) -> Iterator[Text]:
    """One line for each commit, the lanes first."""
    most = max(4, min(LANES, out.width // 6))
    return columns(SHAPE, [_cells(node, most, out) for node in nodes], out)


def strand_style(strand: int) -> str:
    return STRANDS[strand % len(STRANDS)]


def _cells(drawn: Drawn, most: int, out: Screen) -> list[Text]:
    commit, added = drawn.node.commit, drawn.node.nbytes
    return [
        _lanes(drawn, most, out),
        Text(commit.short, "yellow"),
        Text(f"t{commit.turn}"),
        Text(f"{commit.tokens} tok", "dim"),
        Text(f"+{size(added)}" if added else "", "dim"),
        Text(age(commit.time_ms), "dim"),
        _about(drawn),
    ]


def _lanes(drawn: Drawn, most: int, out: Screen) -> Text:
    row, sign = drawn.row, NODES.get(drawn.node.commit.kind, CHANGE)[0 if out.unicode else 1]
    styled = out.console.is_terminal

    def style(cell: Cell) -> str:
        if cell.strand is None or not styled:
            return ""
        own = cell.strand == row.strand and cell.sign == sign
        return f"{'bold ' if own else ''}{strand_style(cell.strand)}"

    line = Text()
    for name, run in groupby(cells(row, sign, unicode=out.unicode, most=most), style):
        line.append("".join(cell.sign for cell in run), name)
    return line


def _about(drawn: Drawn) -> Text:
    node, line = drawn.node, Text()
    commit = node.commit
    if node.branches or node.tags:
        line.append_text(labels(node, strand_style(drawn.row.strand))).append(" ")
    if commit.kind != "turn":
        line.append(f"[{commit.kind}] ", "magenta")
    if commit.reason not in ("", "stop", commit.kind):
        line.append(f"[{one_line(commit.reason)}] ", "dim")
    title = one_line(commit.title)
    return line.append("" if title == commit.kind else title)


def labels(node: Node, style: str = "cyan") -> Text:
    """What stands at a commit, in parentheses."""
    names = [(one_line(name), f"bold {style}") for name in node.branches]
    names += [(f"tag: {one_line(name)}", "bold yellow") for name in node.tags]
    line = Text("(")
    for number, (name, shown) in enumerate(names[:NAMES]):
        line.append(", " if number else "").append(name, shown)
    return line.append(f", +{len(names) - NAMES}" if len(names) > NAMES else "").append(")")
