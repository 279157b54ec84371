"""Facts as sentences: made from a relation and its value, or from a sentence of no known relation."""

from __future__ import annotations

import re
from typing import NamedTuple

from . import verbs
from .base import Fact
from .lexicon import words as _words
from .patterns import Heard
from .perspective import about_user, from_user, to_user
from .relations import find
from .voices import USER, answering, asking, capital, recording, render

_PREPOSITIONS = _words("""
    in on at under behind near beside above below over to into onto from with without by for about inside outside
    through around between against across along until since before after during towards as via beneath among
""")
_TIMES = _words("every each last next yesterday tomorrow today tonight")
_DETERMINERS = _words("a an the my your his her its our their this that these those some two three four five")
ADVERBS = _words("""
    always usually never often sometimes also only really still just now currently mostly normally rarely not recently
    secretly once even already probably regularly actually finally
""")
_PARTICIPLE = re.compile(r"\w{2,}(?:ed|en|ing)|been")
_JOINTS = _words("of and or the a an")
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


def known(subject: str, relation: str, value: str) -> Fact:
    """A fact of a relation of the library, with `value` as the user says it. Raises InvalidInput for unknown relations."""
    found, noun = find(relation)
    statement = render(found.tells[0], recording(subject), about_user(noun, True), about_user(value, subject == USER)) + "."
    spoken = to_user(value)
    return Fact(subject, relation, spoken, statement, told(subject, found.tells[0], noun, spoken))


def told(subject: str, template: str, noun: str, value: str) -> str:
    """A statement to the user from a template of the library."""
    return render(template, answering(subject), noun, value) + "."


def heard_as(subject: str, heard: Heard) -> Fact:
    """The fact that a recognised clause states."""
    return known(subject, heard.relation.named(heard.noun), heard.value)


def unknown(subject: str, sentence: str) -> Fact | None:
    """A fact of no known relation from a sentence as the user says it; None where it has fewer than two words."""
    said = " ".join(sentence.split())
    spoken, statement = capital(to_user(said)), capital(about_user(said))
    value = parsed(subject, spoken).value if " " in spoken else ""
    return Fact(subject, "", value, statement + ".", spoken + ".") if value else None


def parsed(subject: str, spoken: str) -> Parsed:
    """A spoken statement of at least two words taken apart at its verb and at the last border before its end."""
    words = spoken.removesuffix(".").split()
    end, at = _verb(subject, words)
    rest = words[at + 1 :] if 0 <= at < len(words) - 1 else words[1:]
    start, border = _border(rest, words[at] if at >= 0 else "")
    value = _shortened(rest[start:])
    middle = rest[: start - 1] if border else rest[:start]
    found = 0 <= at < len(words) - 1
    return Parsed(
        " ".join(words[:end]) if found else words[0],
        words[at] if found else "",
        " ".join(middle),
        border,
        " ".join(value),
        " ".join(rest[start:]),
    )


def _verb(subject: str, words: list[str]) -> tuple[int, int]:
    """Where the subject ends and where the verb is, or -1: behind a subject named at the beginning, else the likeliest."""
    name = answering(subject).name.split()
    if name and [word.casefold() for word in words[: len(name)]] == [word.casefold() for word in name]:
        at = len(name)
        while at < len(words) - 1 and words[at] in ADVERBS:
            at += 1
        return len(name), at if at < len(words) and (subject == USER or verbs.is_finite(words[at])) else -1
    candidates = [at for at, word in enumerate(words[1:-1], 1) if verbs.is_auxiliary(word)]
    candidates += [at for at, word in enumerate(words[2:-1], 2) if verbs.is_present(word) and word.islower()]
    first = candidates[0] if candidates else -1
    return first, first


def _border(rest: list[str], verb: str) -> tuple[int, str]:
    """Where the value begins in the words after the verb, and the preposition before it, if one is."""
    folded = [word.casefold() for word in rest]
    time = next((at for at, word in enumerate(folded) if word in _TIMES), None)
    if time is not None and time > 0 and len(rest) - time <= _MOST:
        return time, ""
    places = [at for at, word in enumerate(folded[:-1]) if word in _PREPOSITIONS]
    if not places and len(rest) > _MOST:
        places = [at for at, word in enumerate(folded[:-1]) if word == "of"]
    if places:
        return places[-1] + 1, folded[places[-1]]
    start = _adverbs(folded)
    another = len(folded) - start > 1 and (
        verb in verbs.DO | verbs.MODALS or (verbs.is_auxiliary(verb) and _PARTICIPLE.fullmatch(folded[start]))
    )
    return start + bool(another), ""


def _adverbs(words: list[str]) -> int:
    at = 0
    while at < len(words) - 1 and words[at] in ADVERBS:
        at += 1
    return at


def _shortened(words: list[str]) -> list[str]:
    """The last words, beginning with an article where one is among them."""
    if len(words) <= _MOST:
        return words
    last = words[-_MOST:]
    start = next((at for at, word in enumerate(last[:-1]) if word.casefold() in _DETERMINERS), 0)
    while start < len(last) - 1 and start == 0 and last[0].casefold() in _JOINTS - _DETERMINERS:
        last = last[1:]
    return last[start:]


def asked_subject(subject: str, parts: Parsed) -> str:
    """The subject of a parsed statement as the user names it in a question."""
    if parts.subject.casefold() == answering(subject).name.casefold():
        return asking(subject).name
    first = parts.subject[:1].lower() if parts.subject.split()[0].casefold() in _DETERMINERS else parts.subject[:1]
    return from_user(first + parts.subject[1:])
