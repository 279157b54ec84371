"""What a fact is, when two of them contradict each other, and what is made from one for training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ...errors import InvalidInput
from ..episodes import terms
from .relations import find
from .voices import USER

__all__ = ["USER", "Example", "Fact", "Found", "Negatives", "contradicts", "fold"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that somebody said and that an answer can say again.

    `subject` is a name ("Mara Lindqvist"), USER for the person who speaks, "the user's sister" for somebody known by that
    alone, or, in a statement about no person, the words that it is about ("the door code of the office"). `relation` is a
    name from the library ("lives", "pet:dog"), or "" where the statement is of no known relation. `statement` is a whole
    sentence for anybody ("The user's dog is called Rex."), `spoken` the same said to the user ("Your dog is called Rex.";
    by default the statement). `value` is the end of `spoken` without its full stop: the words of the answer.

    Raises InvalidInput where a part is empty, the relation is unknown, or `spoken` does not end in the value.
    """

    subject: str
    relation: str
    value: str
    statement: str
    spoken: str = ""

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

        Where a relation has many values (allergies, hobbies), each is a thing of its own.
        """
        if not self.relation:
            return f"{fold(self.subject)}|{fold(self.stem)}"
        relation, noun = find(self.relation)
        values = [fold(self.value)] if relation.many else []
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
    return one.key == other.key and fold(one.value) != fold(other.value)


def fold(text: str) -> str:
    """The words of a text without case, accents and punctuation."""
    return " ".join(terms(text))
