"""A sentence taken apart by simple grammar: its subject, its verb, and the words at its end that make its value."""

from __future__ import annotations

import re
from typing import NamedTuple

from . import verbs
from .lexicon import words
from .perspective import from_user
from .voices import USER, answering, asking

PREPOSITIONS = words("""
    in on at under behind near beside above below over to into onto from with without by for about inside outside through
    around between against across along until since before after during towards as via beneath among
""")
_MOVES = words("go come move travel be been gone moved back drive walk ride fly write talk speak listen belong")
_TIMES = words("every each last next yesterday tomorrow today tonight")
_PERSONS = words("me you him us them")
ADVERBS = words("""
    always usually never often sometimes also only really still just now currently mostly normally rarely not recently
    secretly once even already probably regularly actually finally
""")
"""Words that may stand between a subject and its verb."""

DETERMINERS = words("a an the my your his her its our their this that these those some two three four five")
_PARTICIPLE = re.compile(r"\w{2,}(?:ed|en|ing)|been")
_MOST = 4
"""Words of the longest value of an unknown relation."""


class Parsed(NamedTuple):
    """A sentence "Mara keeps her key under a pot": subject, verb, middle ("her key"), border ("under"), value ("a pot").

    `verb` is "" where none was found. The border is "" where the value is the object; `shown` is all that follows it.
    """

    subject: str
    verb: str
    middle: str
    border: str
    value: str
    shown: str


def parsed(subject: str, spoken: str) -> Parsed:
    """A spoken statement of at least two words taken apart at its verb and at the last border before its end."""
    parts = spoken.removesuffix(".").split()
    end, at = _verb(subject, parts)
    if not 0 < at < len(parts) - 1:
        end, verb, rest = 1, "", parts[1:]
    else:
        verb, rest = parts[at], parts[at + 1 :]
    start, border = _border([word.casefold() for word in rest], verb)
    shown = rest[start:]
    middle = rest[: start - 1] if border else rest[:start]
    return Parsed(" ".join(parts[:end]), verb, " ".join(middle), border, " ".join(_shortened(shown)), " ".join(shown))


def _verb(subject: str, parts: list[str]) -> tuple[int, int]:
    """Where the subject ends and where the verb is, or -1: behind a subject named at the beginning, else the likeliest."""
    voice = answering(subject)
    name, owner = voice.name.split(), voice.owner.split()
    if name and _begins(parts, name):
        at = len(name) + _adverbs(parts[len(name) :])
        return len(name), at if subject == USER or verbs.is_finite(parts[at]) else -1
    if (said := _said_of(parts, name)) > 0:
        return said, said
    first = len(owner) + 1 if _begins(parts, owner) else 1
    candidates = [at for at, word in enumerate(parts[first:-1], first) if verbs.is_auxiliary(word)]
    candidates += [at for at, word in enumerate(parts[first + 1 : -1], first + 1) if _looks_present(word)]
    if first > 1 and subject != USER:
        candidates += [at for at, word in enumerate(parts[first:-1], first) if verbs.is_finite(word)]
    return (candidates[0], candidates[0]) if candidates else (-1, -1)


def _said_of(parts: list[str], name: list[str]) -> int:
    """Where the verb of "The language that Mara is learning is Norse" is: behind a clause about a subject; else -1."""
    inside = next((at for at in range(1, len(parts)) if name and _begins(parts[at:], name)), -1)
    if inside < 0:
        return -1
    behind = inside + len(name)
    found = [at for at in range(behind, len(parts) - 1) if parts[at] in verbs.BE]
    own = found[1:] if found[:1] == [behind] else found
    return next(iter(own or found), -1)


def _begins(parts: list[str], name: list[str]) -> bool:
    return len(parts) > len(name) and [word.casefold() for word in parts[: len(name)]] == [word.casefold() for word in name]


def _looks_present(word: str) -> bool:
    return verbs.is_present(word) and word.islower()


def _border(rest: list[str], verb: str) -> tuple[int, str]:
    """Where the value begins in the words after the verb, and the preposition before it, if one is."""
    time = next((at for at, word in enumerate(rest) if word in _TIMES), 0)
    if time and len(rest) - time <= _MOST:
        return time, ""
    places = [at for at, word in enumerate(rest[:-1]) if word in PREPOSITIONS]
    if not places and len(rest) > _MOST:
        places = [at for at, word in enumerate(rest[:-1]) if word == "of"]
    if places and not _is_infinitive(rest, places[-1], verb):
        return places[-1] + 1, rest[places[-1]]
    return (places[-1] + 2 if places else _object(rest, verb)), ""


def _is_infinitive(rest: list[str], at: int, verb: str) -> bool:
    """Whether a "to" belongs to a verb and not to a place: "wants to climb the hill"."""
    if rest[at] != "to" or len(rest) - at < 3 or rest[at + 1] in DETERMINERS:
        return False
    moves = {*(verbs.plain(verb) or ()), *rest[at - 1 : at]}
    return moves.isdisjoint(_MOVES)


def _object(rest: list[str], verb: str) -> int:
    """Where the object begins: behind adverbs, a second verb, and the person to whom something is given."""
    start = _adverbs(rest)
    if len(rest) - start > 1 and (
        verb in verbs.DO | verbs.MODALS or (verbs.is_auxiliary(verb) and _PARTICIPLE.fullmatch(rest[start]))
    ):
        start += 1
    return start + (len(rest) - start > 1 and rest[start] in _PERSONS)


def _adverbs(parts: list[str]) -> int:
    at = 0
    while at < len(parts) - 1 and parts[at] in ADVERBS:
        at += 1
    return at


def _shortened(shown: list[str]) -> list[str]:
    """The last words, beginning with an article where one is among them."""
    if len(shown) <= _MOST:
        return shown
    last = shown[-_MOST:]
    start = next((at for at, word in enumerate(last[:-1]) if word.casefold() in DETERMINERS), None)
    if start is not None:
        return last[start:]
    while len(last) > 1 and last[0].casefold() in ("of", "and", "or"):
        last = last[1:]
    return last


def asked_subject(subject: str, parts: Parsed) -> str:
    """The subject of a parsed statement as the user names it in a question; the listener's "I" is their "you"."""
    if parts.subject.casefold() == answering(subject).name.casefold():
        return asking(subject).name
    if parts.subject == "I":
        return "you"
    first = parts.subject[:1].lower() if parts.subject.split()[0].casefold() in DETERMINERS else parts.subject[:1]
    return from_user(first + parts.subject[1:])
