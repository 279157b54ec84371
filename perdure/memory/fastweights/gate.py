"""Which records a turn opens: those whose subject it names, and whose own texts are near to what it asks of that.

Texts that ask something else of the same subject count against a record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .records import Record, Vectors, standing, vectors

THRESHOLD = 0.36
"""Least score of a record that is opened (docs/decisions/0015)."""

NEAREST = 3
"""So many of a record's own texts, the nearest to a question, count in its score beside the very nearest."""

AGAINST = 0.25
"""What the nearest negative text takes from a score, as a part of its cosine."""

LEAD = 0.2
"""By how much the best record of a subject may exceed another that is opened as well."""

ELSE = "something else of the same was asked"

MOST = 4
"""Records that are opened at once."""


class Decision(NamedTuple):
    """What the gate found out about a record.

    `score` is how near the question is to its own texts, less a part of `against`, the cosine to the nearest negative one;
    `why` says in a few words what kept it closed ("" for one that is open).
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
        return _limited(_led(found))

    def _asked(self, subject: str, texts: Sequence[str]) -> list[str]:
        return [found for text in texts if (found := self._masked(subject, text)) is not None]

    def _judged(self, number: int, record: Record, questions: Vectors) -> Decision:
        """By the question that the record is nearest to."""
        if not len(self._own[number]):
            return Decision(record, -1.0, 0.0, "not asked")
        away = (self._negative[number] @ questions.T).max(axis=0, initial=0.0)
        near = _near(self._own[number] @ questions.T)
        best = int((near - AGAINST * away).argmax())
        score = float(near[best] - AGAINST * away[best])
        return Decision(record, score, float(away[best]), self._reason(record, score, float(near[best])))

    def _reason(self, record: Record, score: float, near: float) -> str:
        if (record.digest or record.id) not in self._holding:
            return "superseded"
        if near < THRESHOLD:
            return "not asked"
        return ELSE if score < THRESHOLD else ""


def _near(own: Vectors) -> Vectors:
    """The mean [questions] of the nearest text's cosine and of that of the nearest few; `own` [texts, questions]."""
    ranked = np.sort(own, axis=0)[::-1]
    near: Vectors = (ranked[0] + ranked[:NEAREST].mean(axis=0)) / 2
    return near


def _led(found: Sequence[Decision]) -> list[Decision]:
    """Without those that the best of the same subject leaves far behind; best first."""
    best: dict[str, float] = {}
    for each in (one for one in found if one.opened):
        best.setdefault(each.record.subject, each.score)
    return [
        each._replace(why=ELSE) if each.opened and each.score < best[each.record.subject] - LEAD else each for each in found
    ]


def _limited(found: Sequence[Decision]) -> list[Decision]:
    opened = 0
    kept = []
    for decision in found:
        opened += decision.opened
        kept.append(decision._replace(why="too many") if decision.opened and opened > MOST else decision)
    return kept
