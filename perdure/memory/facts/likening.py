"""Statements of no known form matched with the relation of the library that they are likest to, by sentence vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .base import USER, Fact
from .masking import SOMEONE, masked
from .relations import Known, every, near
from .values import fits, tidy
from .verbs import BE
from .voices import Voice, render

LIKENESS = 0.65
"""Least mean of two cosines: to the likest beginning of a statement of the relation, and to its likest question."""

LEAD = 0.05
"""By how much that must exceed the mean for any relation that is not near to it."""

NOUNS = 8
"""Nouns of each relation, the most frequent ones, that statements are compared with."""

_ANYBODY = Voice(SOMEONE, f"{SOMEONE}'s", SOMEONE, "third")

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class Likeness:
    """The library as vectors [n, dim] of unit length; `encode` makes them of texts."""

    def __init__(self, encode: Encode) -> None:
        self._encode = encode

    def known(self, fact: Fact) -> Fact:
        """The fact as one of the relation that its statement is likest to; as it was where it is like none, or has one.

        "The dish that Mara loves most is okra stew" is of Mara's favourite food. Only facts about people are compared, and
        only with relations that the value is of the right kind for.
        """
        if fact.relation or fact.verbatim or not (fact.subject[:1].isupper() or fact.subject.startswith(USER)):
            return fact
        alike = self._alike(_stem(fact))
        ranked = sorted(
            ((alike[i], each) for i, each in enumerate(self._bank.known) if _apt(fact, each)), key=lambda p: -p[0]
        )
        if not ranked or ranked[0][0] < LIKENESS:
            return fact
        score, found = ranked[0]
        rival = next((other for other, each in ranked if not near(found, each)), 0.0)
        return fact if score < rival + LEAD else replace(fact, relation=found.relation.named(found.noun))

    def _alike(self, stem: str) -> NDArray[Any]:
        """How like a statement's beginning is to each relation."""
        vector = self._encode([stem])[0]
        sides = [np.maximum.reduceat(rows @ vector, starts) for rows, starts in (self._bank.stems, self._bank.asks)]
        return (sides[0] + sides[1]) / 2

    @cached_property
    def _bank(self) -> _Bank:
        known = [Known(relation, noun) for relation in every() for noun in (relation.nouns[:NOUNS] or ("",))]
        stems = [[render(each, _ANYBODY, one.noun).strip() for each in one.relation.tells] for one in known]
        asks = [[render(each, _ANYBODY, one.noun) for each in one.relation.asks] for one in known]
        return _Bank(known, self._rows(stems), self._rows(asks))

    def _rows(self, texts: Sequence[Sequence[str]]) -> _Rows:
        starts = np.cumsum([0, *(len(each) for each in texts[:-1])])
        return _Rows(self._encode([text for each in texts for text in each]), starts)


class _Rows(NamedTuple):
    """Vectors of texts, and where those of each relation begin."""

    vectors: NDArray[np.float32]
    starts: NDArray[np.int64]


class _Bank(NamedTuple):
    known: list[Known]
    stems: _Rows
    asks: _Rows


def _stem(fact: Fact) -> str:
    """The statement up to its value, of somebody."""
    stem = fact.statement.removesuffix(".").removesuffix(fact.value).rstrip()
    named = masked(fact.subject, stem)
    return (named or stem).replace(USER, SOMEONE).replace(USER.capitalize(), SOMEONE.capitalize())


def _apt(fact: Fact, known: Known) -> bool:
    """Whether a relation can be meant: "Mara's horse won in Ascot" does not name the horse."""
    kind = known.relation.kind
    apt = fact.subject == USER or not known.relation.user_only
    if known.noun and fact.stem.split()[-1] not in BE:
        return False
    return apt and tidy(fact.value, kind) == fact.value and fits(fact.value, kind)
