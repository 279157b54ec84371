"""What a noun phrase tells by itself: "her dog Pip", "his birthday on 3 May", "Ludo, the game that Ada Berg likes best"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from . import nouns
from .kinds import DATE
from .lexicon import words
from .names import Name, located
from .referents import is_full

_MOST = 6
"""Noun phrases of one sentence that are read."""

_OWNER = re.compile(r"\b(?P<own>[Hh]is|[Hh]er) ")
_NAMED = re.compile(
    rf"(?P<noun>(?:[a-z-]+ ){{0,2}}?(?:(?P<animal>{nouns.heads('animals')})|{nouns.heads('kin')}))"
    r"(?P<link> |, |,? (?:(?:who|which) is )?(?:called|named) )(?=[^\W\d_])"
)
_BIRTHDAY = re.compile(rf"birthday,? (?:(?:is )?on )?(?P<value>(?i:{DATE.pattern}))(?![\w/])")
_FAVOURITE = re.compile(r"favou?rite (?P<noun>[a-z]+(?: [a-z]+)?)(?P<link>, )?")
_BEST = re.compile(
    r", the (?P<noun>[a-z]+(?: [a-z]+)??) (?:that |which )?(?P<who>he|she|[A-Z\u00c0-\u00de][^,;:.!?]{2,40}?) "
    r"(?:likes|loves) (?:the )?(?:best|most)\b"
)
_SHARED = words("friend colleague coworker co-worker neighbour neighbor ex teacher")
"""What somebody has several of."""
_GONE = words("late former ex ex- dead deceased old future imaginary fictional other another own or and")
_ENDS = re.compile(r"(?:['\u2019]s\b)?(?:[.;)\u2026]|$|,(?! (?:and|or|[A-Z\u00c0-\u00de]))| [\u2013\u2014-]+ )")
_SIGHTED = re.compile(r"(?:\b(?:is|was|are|were|be|not|called|named|as|like)|['\u2019]s) $", re.IGNORECASE)


class Phrase(NamedTuple):
    """A relation that a noun phrase states: of a pronoun's owner ("her") or of a full name, behind the words before it."""

    subject: str
    relation: str
    value: str
    before: str


def phrases(sentence: str) -> Iterator[Phrase]:
    """The names of kin and animals, birthdays and favourites that a sentence tells without a verb."""
    for owner, start, rest in islice(_owners(sentence), _MOST):
        if not _SIGHTED.search(sentence[:start]):
            yield from _owned(sentence, owner, start, rest)
    yield from _liked(sentence)


def _owners(sentence: str) -> Iterator[tuple[str, int, int]]:
    """Each owner: a pronoun or a full name, where it begins, and where what it owns begins."""
    for match in _OWNER.finditer(sentence):
        yield match["own"].casefold(), match.start(), match.end()
    for name in located(sentence):
        if name.owner and is_full(name.text):
            yield name.text, name.start, sentence.find(" ", name.end) + 1 or len(sentence)


def _owned(sentence: str, owner: str, start: int, rest: int) -> Iterator[Phrase]:
    before = sentence[:start]
    if (match := _NAMED.match(sentence, rest)) and (name := _name_at(sentence, match.end())):
        relation, noun = "pet" if match["animal"] else "kin", nouns.bare(match["noun"])
        if _may_be_named(noun) and (match["link"] != ", " or _stands_apart(sentence, before, name)):
            yield Phrase(owner, f"{relation}:{noun}", name.text, before)
    elif match := _BIRTHDAY.match(sentence, rest):
        yield Phrase(owner, "birthday", match["value"], before)
    elif match := _FAVOURITE.match(sentence, rest):
        yield from _favourite(sentence, owner, start, match)


def _name_at(sentence: str, start: int) -> Name | None:
    return next((name for name in located(sentence) if name.start == start), None)


def _may_be_named(noun: str) -> bool:
    parts = noun.split()
    return parts[-1] not in _SHARED and _GONE.isdisjoint(parts) and nouns.is_plain(noun)


def _stands_apart(sentence: str, before: str, name: Name) -> bool:
    """Whether a name between commas belongs to the noun before it, and is not one of a list."""
    return bool(_ENDS.match(sentence, name.end)) and not before.endswith(", ")


def _favourite(sentence: str, owner: str, start: int, match: re.Match[str]) -> Iterator[Phrase]:
    """ "her favourite film, Local Hero," and "Local Hero, her favourite film"."""
    noun = match["noun"]
    if match["link"] and (name := _name_at(sentence, match.end())) and _ENDS.match(sentence, name.end):
        yield Phrase(owner, f"favourite:{noun}", name.text, sentence[:start])
    elif sentence[:start].endswith(", ") and _ENDS.match(sentence, match.end("noun")):
        yield from _title_before(sentence, start - 2, owner, noun)


def _title_before(sentence: str, end: int, subject: str, noun: str) -> Iterator[Phrase]:
    """A title that ends where a noun phrase explains it."""
    title = next((name for name in located(sentence) if name.end == end and not name.owner), None)
    if title and noun.split()[-1] not in nouns.NOUNS["kin"]:
        yield Phrase(subject, f"favourite:{noun}", title.text, sentence[: title.start])


def _liked(sentence: str) -> Iterator[Phrase]:
    for match in islice(_BEST.finditer(sentence), _MOST):
        if match["who"] in ("he", "she") or is_full(match["who"]):
            yield from _title_before(sentence, match.start(), match["who"], match["noun"])
