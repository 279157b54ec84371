"""Cutting messages and documents into episodes: a message that fits stays whole, others are cut at natural borders."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

LIMIT = 64
"""Tokens of the longest piece. A fact in a longer one is found and read less often (docs/decisions/0013)."""

_DENSEST = 32
"""Characters per token above which a text counts as too long without being counted."""

# From coarse to fine; a unit ends where a match ends, and the white space between two units opens the second, since that
# is how byte-level tokenizers see words.
_BORDERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?=\n {0,3}#{1,6}[ \t])",
        r"(?<!\n)(?=\n[ \t\r]*\n)|(?=\f)",
        r"[.!?…][\"'”’»)\]]*(?=\s)|[。！？｡][」』”’）]*",  # noqa: RUF001
        r"(?<!\n)(?=\n)",
        r"(?<=\S)(?=\s)|[、，；：]",  # noqa: RUF001
    )
)


def split(text: str, count: Callable[[str], int], limit: int = LIMIT) -> list[str]:
    """The text in pieces of at most `limit` tokens, as `count` counts them; joined they give the text again.

    A text that fits stays whole. A longer one is cut at the coarsest borders that make it fit: before headings, at blank
    lines, after sentences, at line ends, between words, and inside a word only where that alone is too long; neighbours
    that fit together stay together. A single character is never cut, whatever it counts. A piece may be blank. `count`
    sees each character about once for each kind of border, so the whole takes linear time.
    """
    if not text:
        return []
    return [text] if count(text) <= limit else list(_Cutter(count, limit).pieces(text, 0))


class _Cutter(NamedTuple):
    count: Callable[[str], int]
    limit: int

    def pieces(self, text: str, level: int) -> Iterator[str]:
        sized = [(unit, self._size(unit)) for unit in self._units(text, level)]
        for long, run in groupby(sized, lambda pair: pair[1] > self.limit and len(pair[0]) > 1):
            if long:
                for unit, _ in run:
                    yield from self.pieces(unit, level + 1)
            else:
                yield from self._evenly(list(run))

    def _evenly(self, sized: list[tuple[str, int]]) -> Iterator[str]:
        """As few pieces as the greedy way makes, but of like sizes: the rest of a sentence is not left as two words."""
        whole = sum(size for _, size in sized)
        even = whole / math.ceil(whole / self.limit) if whole else 0
        held: list[str] = []
        total = 0
        for unit, size in sized:
            if held and (total + size > self.limit or total >= even > 0):
                yield from self._joined(held)
                held, total = [], 0
            held.append(unit)
            total += size
        yield from self._joined(held)

    def _size(self, unit: str) -> int:
        return self.limit + 1 if len(unit) > _DENSEST * self.limit else self.count(unit)

    def _units(self, text: str, level: int) -> Iterator[str]:
        if level < len(_BORDERS):
            return _between(text, [match.end() for match in _BORDERS[level].finditer(text)])
        step = self.limit if len(text) > self.limit else (len(text) + 1) // 2
        return _between(text, range(step, len(text), step))

    def _joined(self, units: list[str]) -> Iterator[str]:
        """The units as one piece, or as several where together they count more than their sum."""
        whole = "".join(units)
        if len(units) > 1 and self.count(whole) > self.limit:
            middle = len(units) // 2
            yield from self._joined(units[:middle])
            yield from self._joined(units[middle:])
        elif whole:
            yield whole


def _between(text: str, cuts: Sequence[int]) -> Iterator[str]:
    start = 0
    for cut in cuts:
        if cut > start:
            yield text[start:cut]
            start = cut
    if start < len(text):
        yield text[start:]
