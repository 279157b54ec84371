"""Facts of known relations that a sentence tells in passing, about the one person of whom it and the one before speak."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import guards
from .appositions import phrases
from .base import Fact
from .mentions import mentions
from .names import names_in
from .passing import holds, lasts, pieces
from .patterns import heard
from .referents import is_full, is_open, is_tale, may_be_group, meant, of_both
from .statements import heard_as, known

_WORTH = re.compile(
    r"\b(?i:he|she|his|her|who|whose)\b|\b[A-Z\u00c0-\u00de][\w'\u2019-]+ (?:\w{2,3} ){0,2}[A-Z\u00c0-\u00de]"
)
"""What every sentence has that tells something in passing: a pronoun or a full name."""
_PRONOUN = re.compile(r"(?:he|she|his|her)\b", re.IGNORECASE)
_ANY_PRONOUN = re.compile(r"(?:he|she|his|her|(?P<they>they|their))\b", re.IGNORECASE)
_TO_SPEAKER = re.compile(
    r"(?: has| had| just| also| once)* (?:told (?:me|us)|said|says|mentioned|was telling me|tells me)\b"
)
_DEAD = re.compile(r"\b(?:alive|died|dead|passed away|buried|funeral|grave|memory of)\b", re.IGNORECASE)
_PRONOUNS = ("he", "she", "his", "her")


class Incidental:
    """What the sentence before means for the next one's pronouns."""

    def __init__(self) -> None:
        self._context = ""

    def facts(self, text: str, full_names: dict[str, str]) -> list[Fact]:
        """What a sentence tells in passing; nothing where it is a question, a supposition, a report or a tale."""
        if not _WORTH.search(text) or guards.is_conditional(text):
            return []
        certain = guards.is_certain(text)
        found = list(self._clauses(text, full_names)) if certain else []
        if certain or self._reports_own(text):
            found += self._phrases(text, full_names)
        return list({(fact.subject, fact.relation, fact.value): fact for fact in found}.values())

    def follow(self, text: str, full_names: dict[str, str]) -> None:
        """Keep in mind of whom a sentence spoke; an empty one where it is not the user's own."""
        person = meant(_first(text), self._context, full_names) if _PRONOUN.match(text) and not names_in(text) else ""
        self._context = f"{person}: {text}" if person else text

    def may_be_another(self, person: str, clause: str, before: str) -> bool:
        """Whether the pronoun that a clause begins with may mean somebody else than the person named before.

        Whoever was the subject of the sentence before is meant even if it speaks of others.
        """
        match = _ANY_PRONOUN.match(clause)
        said = f"{self._context} {before}".strip()
        if match is None or (said.startswith(person) and not match["they"]):
            return False
        return is_open(said) or (bool(match["they"]) and may_be_group(said))

    def _clauses(self, text: str, full_names: dict[str, str]) -> Iterator[Fact]:
        for piece in pieces(text):
            subject = self._whom(piece.subject, piece.before, full_names)
            mixed = piece.subject in _PRONOUNS and of_both(piece.subject, text)
            if subject and not mixed and guards.is_claim(piece.clause) and holds(piece.clause):
                yield from _stated(piece.clause, subject, full_names)

    def _phrases(self, text: str, full_names: dict[str, str]) -> Iterator[Fact]:
        for phrase in phrases(text) if not _DEAD.search(text) else ():
            subject = self._whom(phrase.subject, phrase.before, full_names)
            if subject and phrase.value != subject:
                yield known(subject, phrase.relation, phrase.value)

    def _whom(self, subject: str, before: str, full_names: dict[str, str]) -> str:
        said = f"{self._context} \n{before}"
        if subject in _PRONOUNS:
            return meant(subject, said, full_names)
        return "" if is_tale(said) else subject

    def _reports_own(self, text: str) -> bool:
        """Whether somebody tells the speaker of their own people, whose names are no hearsay."""
        named = names_in(text)
        return (
            bool(named) and is_full(named[0]) and text.startswith(named[0]) and bool(_TO_SPEAKER.match(text, len(named[0])))
        )


def _first(text: str) -> str:
    return text.split(" ", 1)[0].casefold()


def _stated(clause: str, subject: str, full_names: dict[str, str]) -> Iterator[Fact]:
    """The known relation that a clause states of its subject, if it lasts."""
    for mention in mentions(clause, subject, full_names):
        found = heard(mention.marked, False) if mention.subject == subject and mention.opening else None
        if found:
            fact = heard_as(subject, found)
            yield from [fact] if lasts(fact) else []
            return


def joined(stated: list[Fact], told: list[Fact]) -> list[Fact]:
    """The facts of a sentence with those told in passing, which take the place of the same told without a relation."""
    known_ones = {(fact.subject, fact.value) for fact in stated if fact.relation}
    new = [fact for fact in told if (fact.subject, fact.value) not in known_ones]
    return [fact for fact in stated if not any(_covers(other, fact) for other in new)] + new


def _covers(known_one: Fact, other: Fact) -> bool:
    return not other.relation and known_one.subject == other.subject and known_one.value in other.spoken
