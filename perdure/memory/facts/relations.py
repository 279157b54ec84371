"""The library of common relations: how each is stated and how it is asked about.

Each relation is a paragraph of text in `catalog/`:

    pet | name | animals | Rex |          key | kind of value | list of nouns or - | a value | marks
    = X's N is called V                   a statement that ends in its value: recognised, and an answer
    + V is X's N                          only recognised; a regular expression with the macros of `patterns`
    ? What is X's N called?               a question
    ~ what X's N is called                a clause that follows "Do you know ..."
    ! Whom does X take to the vet?        asks for it in an oblique way
    ! dog, puppy: Who barks when X be* home?    the same, of some nouns only

X is the subject, X's the owner, M the object ("me"), N a noun of the list, V the value; a verb with * agrees with X.
A list with a + is open: any noun will do. Marks: "many" for a relation with several values at once (two allergies), "user"
for one that is only told of the speaker, "near=..." for the group of relations that answer each other's questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from ...errors import InvalidInput
from . import nouns
from .catalog import TEXTS


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of relation. `nouns` are those that may stand for N, empty where the relation has none."""

    key: str
    kind: str
    nouns: tuple[str, ...]
    lists: tuple[str, ...]
    open: bool
    sample: str
    many: bool
    user_only: bool
    near: str
    tells: tuple[str, ...]
    hears: tuple[str, ...]
    asks: tuple[str, ...]
    clauses: tuple[str, ...]
    oblique: tuple[str, ...]

    def named(self, noun: str) -> str:
        """The name of this relation with a noun, as `Fact.relation` has it: "pet:dog"."""
        return f"{self.key}:{noun}" if noun else self.key

    def group(self, noun: str) -> str:
        """What is alike in all relations whose questions this one answers."""
        return ":".join(part for part in (self.near or self.key, nouns.same(noun)) if part)

    def obliquely(self, noun: str) -> list[str]:
        """The oblique questions that can be asked of a noun, those that are asked of it alone first."""
        of = [line.partition(": ") for line in self.oblique]
        own = [question for names, _, question in of if question and noun in names.split(", ")]
        return [*own, *(line for line, _, question in of if not question)]

    def slot(self, noun: str) -> str:
        """What is alike in all relations that say the same."""
        return ":".join(part for part in (self.key, nouns.same(noun)) if part)


class Known(NamedTuple):
    """A relation and the noun it is about."""

    relation: Relation
    noun: str


def near(one: Known, other: Known) -> bool:
    """Whether two relations answer each other's questions."""
    first, second = one.relation, other.relation
    return first.group(one.noun) == second.group(other.noun) or (first.near != "" and first.near == second.near)


@cache
def every() -> tuple[Relation, ...]:
    """All relations, in the order in which statements are compared with them."""
    return tuple(_parsed(paragraph) for text in TEXTS for paragraph in text.strip().split("\n\n"))


def find(name: str) -> Known:
    """The relation of a name like "pet:dog" or "lives". Raises InvalidInput for a name that is none."""
    key, _, noun = name.partition(":")
    relation = _by_key().get(key)
    if relation is None or bool(noun) != bool(relation.nouns):
        raise InvalidInput(f"There is no relation {name!r}; take one of `relations.every()`, or '' for an unknown one.")
    return Known(relation, noun)


@cache
def _by_key() -> dict[str, Relation]:
    return {relation.key: relation for relation in every()}


def _parsed(paragraph: str) -> Relation:
    header, *lines = paragraph.splitlines()
    key, kind, names, sample, marks = (part.strip() for part in header.split("|"))
    lists = tuple(name.strip() for name in names.rstrip("+").split(",") if name != "-")
    flags = marks.split()
    return Relation(
        key=key,
        kind=kind,
        nouns=tuple(noun for name in lists for noun in nouns.NOUNS[name]),
        lists=lists,
        open=names.endswith("+"),
        sample=sample,
        many="many" in flags,
        user_only="user" in flags,
        near=next((flag.removeprefix("near=") for flag in flags if flag.startswith("near=")), ""),
        tells=_marked(lines, "="),
        hears=_marked(lines, "+"),
        asks=_marked(lines, "?"),
        clauses=_marked(lines, "~"),
        oblique=_marked(lines, "!"),
    )


def _marked(lines: list[str], mark: str) -> tuple[str, ...]:
    return tuple(line[1:].strip() for line in lines if line.startswith(mark))
