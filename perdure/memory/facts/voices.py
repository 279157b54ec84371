"""How a subject is named by whom: the speaker is "I" in a question, "you" in an answer and "the user" in a record."""

from __future__ import annotations

import re
from typing import NamedTuple

from .verbs import third

USER = "the user"
"""The subject of facts about the person who speaks; "the user's sister" is the subject of facts about theirs."""

_OWNED = "the user's "
_BE = {"first": "am", "second": "are", "third": "is"}
_WAS = {"first": "was", "second": "were", "third": "was"}
_SLOTS = re.compile(r"\b(?:a (?=N\b)|X's|[XMNV]\b)|\b(\w+)\*")
_VOWEL = re.compile(r"(?!uni|use|eu|one\b)[aeiou]|hour|honest", re.IGNORECASE)


class Voice(NamedTuple):
    """The words that stand for a subject: as subject, as owner, as object, and the person of its verbs."""

    name: str
    owner: str
    object: str
    person: str


def asking(subject: str) -> Voice:
    """The subject as the speaker names it in a question: "I", "my sister", "Mara"."""
    if subject == USER:
        return Voice("I", "my", "me", "first")
    return _third(subject.replace(_OWNED, "my ", 1) if subject.startswith(_OWNED) else subject)


def answering(subject: str) -> Voice:
    """The subject as it is named in an answer to the speaker: "you", "your sister", "Mara"."""
    if subject == USER:
        return Voice("you", "your", "you", "second")
    return _third(subject.replace(_OWNED, "your ", 1) if subject.startswith(_OWNED) else subject)


def recording(subject: str) -> Voice:
    """The subject as it is named to anybody else: "the user", "the user's sister", "Mara"."""
    return _third(subject)


def _third(name: str) -> Voice:
    return Voice(name, name + "'s", name, "third")


def render(template: str, voice: Voice, noun: str = "", value: str = "") -> str:
    """A template with its slots filled, beginning with a capital letter.

    X is the subject, X's the owner, M the object ("me"), N the noun, V the value; a verb with * agrees with the subject.
    """
    filled = {"X": voice.name, "X's": voice.owner, "M": voice.object, "N": noun, "V": value}

    def slot(match: re.Match[str]) -> str:
        if match[1]:
            return agreeing(match[1], voice.person)
        return ("an " if _VOWEL.match(noun) else "a ") if match[0] == "a " else filled[match[0]]

    return capital(_SLOTS.sub(slot, template))


def agreeing(verb: str, person: str) -> str:
    """A plain verb in the form that its subject's person asks for; "was" stands for the past of "be"."""
    if verb in ("be", "was"):
        return (_BE if verb == "be" else _WAS)[person]
    return third(verb) if person == "third" else verb


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
