"""What a fact is, when two of them contradict each other, and what is made from one for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...errors import InvalidInput
from ..episodes import terms
from .relations import find
from .voices import USER

__all__ = ["ONLY", "USER", "Example", "Fact", "Found", "Negatives", "contradicts", "ends", "fold", "holders"]


ONLY = "="
"""Marks the value in a key that leaves no other value of its relation."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that somebody said and that an answer can say again.

    `subject` is a name ("Mara Lindqvist"), USER for the person who speaks, "the user's sister" for somebody known by that
    alone, or, in a statement about no person, the words that it is about ("the door code of the office"). `relation` is a
    name from the library ("lives", "pet:dog"), or "" where the statement is of no known relation. `statement` is a whole
    sentence for anybody ("The user's dog is called Rex."), `spoken` the same said to the user ("Your dog is called Rex.";
    by default the statement). `value` is the end of `spoken` without its full stop: the words of the answer. `changed`: it
    was said that this was otherwise before. `same` is the key of what it corrects, where its own words do not tell that.
    `verbatim`: all of `spoken` is what the user said, in no form that is known, and `value` what follows its first word.

    Raises InvalidInput where a part is empty, the relation is unknown, or `spoken` does not end in the value.
    """

    subject: str
    relation: str
    value: str
    statement: str
    spoken: str = ""
    changed: bool = field(default=False, compare=False)
    same: str = field(default="", compare=False)
    verbatim: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        if not self.spoken:
            object.__setattr__(self, "spoken", self.statement)
        if not (self.subject.strip() and self.value.strip()):
            raise InvalidInput(f"The fact {self.statement!r} lacks its subject or its value; name both.")
        if not self.spoken.endswith((f" {self.value}.", f" {self.value}")):
            raise InvalidInput(f"The statement {self.spoken!r} does not end in {self.value!r}; put the value last.")
        if self.relation:
            find(self.relation)

    @property
    def stem(self) -> str:
        """The spoken statement up to the space before its value."""
        return self.spoken.removesuffix(".").removesuffix(self.value).rstrip()

    @property
    def key(self) -> str:
        """Facts of one key speak of the same thing, so that one of another value takes the place of the former.

        Where a relation has many values (allergies, hobbies), each is a thing of its own, and marked as the only one that is
        left where the fact is `changed`.
        """
        if self.verbatim:
            return f"{fold(self.subject)}|{fold(self.spoken)}"
        if self.same or not self.relation:
            return self.same or f"{fold(self.subject)}|{fold(self.stem)}"
        relation, noun = find(self.relation)
        values = [ONLY * self.changed + fold(self.value)] if relation.many else []
        return "|".join([fold(self.subject), relation.slot(noun), *values])


class Found(NamedTuple):
    """A fact and where its sentence stands in the text; `explicit` if the text asks to remember it."""

    fact: Fact
    start: int
    end: int
    explicit: bool


class Example(NamedTuple):
    """A question, and the answer's beginning up to the space before `answer`, the words to be learned."""

    question: str
    prefix: str
    answer: str


class Negatives(NamedTuple):
    """Questions that a fact does not answer: of other relations, of other people, of the world."""

    same_subject: tuple[str, ...]
    other_subjects: tuple[str, ...]
    general: tuple[str, ...]


def contradicts(one: Fact, other: Fact) -> bool:
    """Whether two facts cannot both hold: they speak of the same thing and give it different values."""
    return fold(one.value) != fold(other.value) and (ends(one.key, other.key) or ends(other.key, one.key))


def ends(later: str, earlier: str) -> bool:
    """Whether what is said under a key takes the place of what was said under another one before."""
    return holders([earlier, later])[0] == 1


def holders(keys: Sequence[str]) -> list[int]:
    """For each of some keys, in the order in which they were said, the place of the last that took its place, or its own."""
    said: dict[str, int] = {}
    alone: dict[str, int] = {}
    found = list(range(len(keys)))
    for place in reversed(found):
        scope, _, value = keys[place].rpartition("|")
        same = f"{scope}|{value.removeprefix(ONLY)}"
        found[place] = max(place, said.setdefault(same, place), alone.get(scope, place))
        if value.startswith(ONLY):
            alone.setdefault(scope, place)
    return found


def fold(text: str) -> str:
    """The words of a text without case, accents and punctuation."""
    return " ".join(terms(text))
