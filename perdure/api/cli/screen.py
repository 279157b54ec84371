"""What the output can show: how wide, in which characters, with colours or without; and columns and bars made to fit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .output import stdout, visible

LEAST, PAGE = 40, 100
"""Cells of the narrowest screen that anything is fitted to, and of a page where nobody says how wide it is."""

GAP = 2


class Signs(NamedTuple):
    """Characters of drawings: levels from nothing to everything, shades likewise, and what stands for the rest of a text."""

    full: str
    levels: str
    shades: str
    more: str
    rule: str


BLOCKS = Signs("█", " ▁▂▃▄▅▆▇█", " ░▒▓█", "…", "─")
ASCII = Signs("#", " .:-=+*#@", " .:*#", "...", "-")


class Screen(NamedTuple):
    """Where drawings go. Lines are cut to `width` where they are to fit: on a terminal, or where COLUMNS says how wide."""

    console: Console
    width: int
    fits: bool
    unicode: bool
    colour: bool

    @property
    def signs(self) -> Signs:
        return BLOCKS if self.unicode else ASCII

    def line(self, text: Text = Text()) -> None:  # noqa: B008 - an empty line
        """Print one line, cut where it must fit."""
        shown = self.cut(text)
        if self.console.is_terminal:
            self.console.print(shown)
        else:
            self.console.file.write(f"{shown.plain.rstrip()}\n")

    def lines(self, texts: Iterable[Text]) -> None:
        for text in texts:
            self.line(text)

    def cut(self, text: Text, width: int | None = None) -> Text:
        """A text of one line, no wider than the screen or the given cells."""
        most = self.width if width is None else width
        if (width is None and not self.fits) or text.cell_len <= most:
            return text
        whole = text.copy()
        whole.truncate(max(0, most - len(self.signs.more)))
        return whole.append(self.signs.more[: most - whole.cell_len], "dim")

    def folded(self, text: Text, indent: int = 0) -> Iterator[Text]:
        """The lines of a text, folded between words where they must fit."""
        for line in text.split("\n", allow_blank=True) if text.plain else [text]:
            folded = line.wrap(self.console, self.width - indent, tab_size=4) if self.fits and line.plain else [line]
            for part in folded:
                part.rstrip()
                yield Text(" " * indent).append_text(part) if indent else part


def screen(console: Console | None = None) -> Screen:
    """What a console, or stdout, is now."""
    console = console or stdout()
    unicode = console.is_terminal and console.encoding.lower().replace("-", "") == "utf8"
    fits = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    width = max(LEAST, console.width) if fits else PAGE
    colour = console.is_terminal and console.color_system is not None and not console.no_color
    return Screen(console, width, fits, unicode, colour)


class Column(NamedTuple):
    """One column: `least` cells that it may be cut down to (None: never cut). Where there is no room for all, those of the
    highest `rank` are left out first; 0: never.
    """

    head: str
    right: bool = False
    least: int | None = None
    rank: int = 0


def columns(shape: Sequence[Column], cells: Sequence[Sequence[Text]], out: Screen) -> Iterator[Text]:
    """Lines of a table that fits: heads, then rows."""
    heads = [Text(column.head, "dim") for column in shape]
    natural = [_widest(heads[at], cells, at) for at in range(len(shape))]
    widths = _fitted(shape, natural, out.width) if out.fits else natural
    last = max((at for at, width in enumerate(widths) if width), default=0)
    if any(head.plain for head in heads):
        yield _row(heads, shape, widths, last, out)
    for row in cells:
        yield _row(row, shape, widths, last, out)


def fitted(table: Table, giving: Mapping[str, tuple[int | None, int]], out: Screen) -> Iterator[Text]:
    """A plain table; `giving` says by their heads which columns may be cut to how many cells, and their ranks."""
    heads = [str(each.header) for each in table.columns]
    right = [each.justify == "right" for each in table.columns]
    shape = [Column(head, side, *giving.get(head, (None, 0))) for head, side in zip(heads, right, strict=True)]
    cells = zip(*(each.cells for each in table.columns), strict=True)
    return columns(shape, [[cell if isinstance(cell, Text) else Text(str(cell)) for cell in row] for row in cells], out)


def _widest(head: Text, cells: Sequence[Sequence[Text]], at: int) -> int:
    return max([head.cell_len, *(row[at].cell_len for row in cells)])


def _fitted(shape: Sequence[Column], natural: Sequence[int], width: int) -> list[int]:
    """The width of each column; 0: left out."""
    widths = list(natural)
    least = [wide if column.least is None else min(wide, column.least) for column, wide in zip(shape, natural, strict=True)]
    for at in sorted(range(len(shape)), key=lambda at: -shape[at].rank):
        if not shape[at].rank or _total(least) <= width:
            break
        least[at] = widths[at] = 0
    for at in sorted(range(len(shape)), key=lambda at: least[at] - widths[at]):
        over = _total(widths) - width
        if over > 0:
            widths[at] = max(least[at], widths[at] - over)
    return widths


def _total(widths: Sequence[int]) -> int:
    used = [width for width in widths if width]
    return sum(used) + GAP * max(0, len(used) - 1)


def _row(row: Sequence[Text], shape: Sequence[Column], widths: Sequence[int], last: int, out: Screen) -> Text:
    line = Text()
    for at, (text, column, width) in enumerate(zip(row, shape, widths, strict=True)):
        if not width:
            continue
        shown = out.cut(text, width)
        room = width - shown.cell_len
        line.append(" " * room if column.right else "").append_text(shown)
        if at != last:
            line.append(" " * (GAP + (0 if column.right else room)))
    line.rstrip()
    return line


def one_line(text: str) -> str:
    """A text of users on one line, without what could drive the terminal."""
    return visible(" ".join(text.split()))


def rule(title: str, out: Screen) -> Text:
    """A heading with a line behind it."""
    line = Text.assemble((f"{title} ", "bold"))
    return line.append(out.signs.rule * max(3, min(out.width, PAGE) - cell_len(title) - 1), "dim")


def bar(share: float, cells: int, out: Screen, style: str = "") -> Text:
    """A share from 0 to 1 as a bar in a field of so many cells; anything above 0 shows."""
    filled = min(cells, max(round(share * cells), 1 if share > 0 else 0))
    return Text.assemble((out.signs.full * filled, style), (out.signs.shades[1] * (cells - filled), "dim"))


class Part(NamedTuple):
    """A part of a whole: its sign without colours, its style with them."""

    name: str
    amount: float
    sign: str
    style: str


def stacked(parts: Sequence[Part], cells: int, out: Screen) -> Text:
    """Parts side by side in one bar; each that is there has a cell at least."""
    line = Text()
    for part, width in zip(parts, shares([part.amount for part in parts], cells), strict=True):
        line.append(swatch(part, out) * width, part.style)
    return line


def swatch(part: Part, out: Screen) -> str:
    """The character that stands for a part: room is lighter than what is there, and without colours each has its own."""
    if not out.colour:
        return part.sign
    return out.signs.shades[1] if part.name == "free" else out.signs.full


def shares(amounts: Sequence[float], cells: int) -> list[int]:
    """Cells for each amount, all in all `cells`, by the largest remainder; none for 0, at least one for anything more."""
    total = sum(amounts)
    if total <= 0:
        return [0] * len(amounts)
    exact = [amount / total * cells for amount in amounts]
    found = [max(int(share), 1 if amount > 0 else 0) for share, amount in zip(exact, amounts, strict=True)]
    while sum(found) != cells:
        step = 1 if sum(found) < cells else -1
        able = [at for at in range(len(found)) if amounts[at] > 0 and (step > 0 or found[at] > 1)]
        if not able:
            break
        at = max(able, key=lambda at: step * (exact[at] - found[at]))
        found[at] += step
    return found


def level(share: float, scale: str) -> str:
    """The sign of a scale for a share from 0 to 1; only 0 has the first."""
    if share <= 0:
        return scale[0]
    return scale[min(len(scale) - 1, 1 + int(share * (len(scale) - 1)))]
