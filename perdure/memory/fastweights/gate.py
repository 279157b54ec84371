"""Which records a turn opens: those whose subject it names, and whose own texts are near to what it asks of that.

A record's negative texts, which ask something else of the same subject, must be further away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .records import Record, Vectors, standing, vectors

THRESHOLD = 0.4
"""Least cosine between a question and the nearest of a record's own texts."""

MARGIN = 0.0
"""By how much a negative text may be nearer than that (docs/decisions/0015)."""

MOST = 4
"""Records that are opened at once."""


class Decision(NamedTuple):
    """What the gate found out about a record.

    `score` is the cosine to the nearest of its own texts, `against` that to the nearest negative one; `why` says in a few
    words what kept it closed ("" for one that is open).
    """

    record: Record
    score: float
    against: float
    why: str

    @property
    def opened(self) -> bool:
        return not self.why


class Gate:
    """The gate over one ledger.

    `masked(subject, text)` is a text without the name of what a record is about, or None where it does not speak of that:
    the texts of records are kept so, since otherwise names alone make texts alike.
    """

    def __init__(self, records: Sequence[Record], dim: int, masked: Callable[[str, str], str | None]) -> None:
        self._records = list(records)
        self._holding = {record.digest or record.id for record in standing(records)}
        self._masked = masked
        self._own = [vectors(record.own, dim) for record in records]
        self._negative = [vectors(record.negative, dim) for record in records]

    def decide(self, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors]) -> list[Decision]:
        """The records judged whose subject one of the texts names, best first. `encode` makes sentence vectors."""
        asked = {subject: self._asked(subject, texts) for subject in {record.subject for record in self._records}}
        wordings = list(dict.fromkeys(text for found in asked.values() for text in found))
        if not wordings:
            return []
        rows = dict(zip(wordings, encode(wordings), strict=True))
        named = ((i, record) for i, record in enumerate(self._records) if asked[record.subject])
        found = [self._judged(i, record, np.stack([rows[text] for text in asked[record.subject]])) for i, record in named]
        found.sort(key=lambda decision: (bool(decision.why), -decision.score))
        return _limited(found)

    def _asked(self, subject: str, texts: Sequence[str]) -> list[str]:
        return [found for text in texts if (found := self._masked(subject, text)) is not None]

    def _judged(self, number: int, record: Record, questions: Vectors) -> Decision:
        score, against = (_nearest(rows[number], questions) for rows in (self._own, self._negative))
        return Decision(record, score, against, self._reason(record, score, against))

    def _reason(self, record: Record, score: float, against: float) -> str:
        if (record.digest or record.id) not in self._holding:
            return "superseded"
        if score < THRESHOLD:
            return "not asked"
        return "something else of the same was asked" if score + MARGIN < against else ""


def _limited(found: Sequence[Decision]) -> list[Decision]:
    opened = 0
    kept = []
    for decision in found:
        opened += decision.opened
        kept.append(decision._replace(why="too many") if decision.opened and opened > MOST else decision)
    return kept


def _nearest(rows: Vectors, questions: Vectors) -> float:
    """The greatest cosine of any question to any of the rows; minus one without any."""
    return float((rows @ questions.T).max()) if len(rows) else -1.0
