"""Which records a turn opens: what it asks must be near to a record's own texts, and nearer than to its negative ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from .records import Record, Vectors, standing, vectors

THRESHOLD = 0.55
"""Least cosine between a question and the nearest of a record's own texts."""

MOST = 4
"""Records that are opened at once."""


class Decision(NamedTuple):
    """What the gate found out about a record.

    `score` is the cosine to the nearest of its own texts, `against` that to the nearest negative one; `named`, whether the
    turn names what the record is about, is looked at only where the score suffices. `why` says in a few words what kept it
    closed ("" for one that is open).
    """

    record: Record
    score: float
    against: float
    named: bool
    why: str

    @property
    def opened(self) -> bool:
        return not self.why


class Gate:
    """The gate over one ledger. `names(record, text)` says whether a text names what the record is about."""

    def __init__(self, records: Sequence[Record], dim: int, names: Callable[[Record, str], bool]) -> None:
        self._records = list(records)
        self._holding = {record.id for record in standing(records)}
        self._names = names
        self._own, self._own_at = _stacked([vectors(record.own, dim) for record in records], dim)
        self._negative, self._negative_at = _stacked([vectors(record.negative, dim) for record in records], dim)

    def decide(self, questions: Vectors, texts: Sequence[str]) -> list[Decision]:
        """Every record judged, best first.

        `questions` [q, d] are the wordings to compare, `texts` those to look for names in.
        """
        if not self._records:
            return []
        own = _best(self._own, self._own_at, questions)
        against = _best(self._negative, self._negative_at, questions)
        found = [self._judged(record, float(own[i]), float(against[i]), texts) for i, record in enumerate(self._records)]
        found.sort(key=lambda decision: -decision.score)
        return _limited(found)

    def _judged(self, record: Record, score: float, against: float, texts: Sequence[str]) -> Decision:
        named = score >= THRESHOLD and any(self._names(record, text) for text in texts)
        return Decision(record, score, against, named, self._reason(record, score, against, named))

    def _reason(self, record: Record, score: float, against: float, named: bool) -> str:
        if record.id not in self._holding:
            return "superseded"
        if score < THRESHOLD:
            return "not asked"
        if not named:
            return "not named"
        return "something else of the same was asked" if score < against else ""


def _limited(found: Sequence[Decision]) -> list[Decision]:
    opened = 0
    kept = []
    for decision in found:
        opened += decision.opened
        kept.append(decision._replace(why="too many") if decision.opened and opened > MOST else decision)
    return kept


def _stacked(parts: Sequence[Vectors], dim: int) -> tuple[Vectors, list[int]]:
    starts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    return (np.concatenate(parts) if parts else np.zeros((0, dim), np.float32)), starts


def _best(rows: Vectors, starts: Sequence[int], questions: Vectors) -> Vectors:
    """The greatest cosine of any question to any of each record's rows; minus one where it has none."""
    every = (rows @ questions.T).max(axis=1) if len(rows) else np.zeros(0, np.float32)
    return np.array([every[a:b].max() if b > a else -1.0 for a, b in pairwise(starts)], np.float32)
