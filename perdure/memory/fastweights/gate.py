"""Which records a turn opens: those whose subject it names, and whose own texts are near to what it asks of that.

Texts that ask something else of the same subject count against a record. Where that leaves a doubt, a language model may
be asked how much likelier the record's statement makes the question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

SURE = 0.5
"""Score from which on nobody else is asked."""

LOOSE = 0.2
"""Least score of a record without a relation that is worth asking about: it has few texts of its own."""

LIKELIER, MUCH = 1.0, 3.5
"""Nats by which a record's statement must make a question likelier: from the threshold on, and with the least score."""

VERBATIM = -1.0
"""The same from the threshold on for a record whose only texts are what was said, and none that count against it."""

ASKED = 4
"""Records that a language model is asked about at once, those with the best scores."""

ELSE = "something else of the same was asked"
SUPERSEDED = "superseded"

MOST = 4
"""Records that are opened at once."""


class Decision(NamedTuple):
    """What the gate found out about a record.

    `score` is how near the question is to its own texts, less a part of `against`, the cosine to the nearest negative one;
    `gain` by how many nats its statement makes the question likelier (None: no language model was asked). `why` says in a
    few words what kept it closed ("" for one that is open), `question` is the wording that is nearest.
    """

    record: Record
    score: float
    against: float
    why: str
    question: str = ""
    gain: float | None = None

    @property
    def opened(self) -> bool:
        return not self.why


class Doubt(NamedTuple):
    """A question that may ask for a statement about a subject."""

    subject: str
    statement: str
    question: str


Gains = Callable[[Sequence[Doubt]], Sequence[float]]
"""By how many nats each statement makes its question likelier."""


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

    def decide(
        self, texts: Sequence[str], encode: Callable[[Sequence[str]], Vectors], gains: Gains | None = None
    ) -> list[Decision]:
        """The records judged whose subject one of the texts names, best first.

        `encode` makes sentence vectors; `gains` is asked where they leave a doubt about the only subject.
        """
        asked = {subject: self._asked(subject, texts) for subject in {record.subject for record in self._records}}
        wordings = list(dict.fromkeys(text for found in asked.values() for text in found))
        if not wordings:
            return []
        rows = dict(zip(wordings, encode(wordings), strict=True))
        found = [
            self._judged(i, asked[record.subject], rows) for i, record in enumerate(self._records) if asked[record.subject]
        ]
        # Of a text that asks about several subjects the whole tells little of each part.
        found = found if gains is None or len({d.record.subject for d in found}) > 1 else _reconsidered(found, gains)
        found.sort(key=lambda decision: (bool(decision.why), -decision.score))
        return _limited(_led(found))

    def _asked(self, subject: str, texts: Sequence[str]) -> dict[str, str]:
        """The texts that name a subject, by what they are without its name."""
        return {found: text for text in texts if (found := self._masked(subject, text)) is not None}

    def _judged(self, number: int, asked: Mapping[str, str], rows: Mapping[str, Vectors]) -> Decision:
        """By the question that the record is nearest to."""
        record = self._records[number]
        if not len(self._own[number]):
            return Decision(record, -1.0, 0.0, "not asked")
        questions = np.stack([rows[text] for text in asked])
        away = (self._negative[number] @ questions.T).max(axis=0, initial=0.0)
        near = _near(self._own[number] @ questions.T)
        best = int((near - AGAINST * away).argmax())
        score = float(near[best] - AGAINST * away[best])
        why = self._reason(record, score, float(near[best]))
        return Decision(record, score, float(away[best]), why, list(asked.values())[best])

    def _reason(self, record: Record, score: float, near: float) -> str:
        if (record.digest or record.id) not in self._holding:
            return SUPERSEDED
        if near < THRESHOLD:
            return "not asked"
        return ELSE if score < THRESHOLD else ""


def _reconsidered(found: Sequence[Decision], gains: Gains) -> list[Decision]:
    """With a language model's opinion of those that are neither sure nor out of the question."""
    doubted = sorted((d for d in found if _is_doubtful(d)), key=lambda d: -d.score)[:ASKED]
    if not doubted:
        return list(found)
    answers = gains([Doubt(d.record.subject, d.record.statement, d.question) for d in doubted])
    told = {id(d): _told(d, gain) for d, gain in zip(doubted, answers, strict=True)}
    return [told.get(id(d), d) for d in found]


def _is_doubtful(decision: Decision) -> bool:
    least = THRESHOLD if decision.record.relation else LOOSE
    return decision.why != SUPERSEDED and least <= decision.score < SURE


def _told(decision: Decision, gain: float) -> Decision:
    """Open where the statement makes the question so much likelier as a score of that size needs."""
    least = LIKELIER if decision.record.relation or decision.record.negative else VERBATIM
    lacking = max(0.0, (THRESHOLD - decision.score) / (THRESHOLD - LOOSE))
    return decision._replace(gain=gain, why="" if gain >= least + lacking * (MUCH - least) else ELSE)


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
