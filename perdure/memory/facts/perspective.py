"""Sentences of the speaker turned to other mouths: "my dog" is "your dog" in an answer and "the user's dog" elsewhere."""

from __future__ import annotations

import re

from .lexicon import one_of, words
from .verbs import BE, HAVE, MODALS, third
from .voices import agreeing, capital

_SECOND = {
    "i": "you", "me": "you", "my": "your", "mine": "yours", "myself": "yourself", "we": "you", "us": "you", "our": "your",
    "ours": "yours", "ourselves": "yourselves", "your": "my", "yours": "mine", "yourself": "myself", "i am": "you are",
    "i was": "you were", "you are": "I am", "you were": "I was",
}  # fmt: skip
_FIRST = {
    "your": "my",
    "you": "me",
    "yours": "mine",
    "yourself": "myself",
    "yourselves": "ourselves",
    "my": "your",
    "me": "you",
}
_SHORT = {"m": "am", "re": "are", "ve": "have", "d": "would", "ll": "will"}
_NEGATED = {"don't": "doesn't", "haven't": "hasn't", "am not": "is not", "aren't": "isn't", "weren't": "wasn't"}
_ADVERBS = one_of(
    "always, usually, never, often, sometimes, also, only, really, still, just, now, currently, mostly, normally, rarely"
)

_SHORTENED = re.compile(r"\b([Ii]|[Ww]e|[Yy]ou)['\u2019](m|re|ve|d|ll)\b")
_ANYBODY = re.compile(
    r"\b(?:(?:[Ii]|[Yy]ou) (?:am|was|are|were)|[Ii]|[Ww]e|[Yy]ou|[Mm]e|us|[Mm]y|[Oo]ur|[Yy]our|[Mm]ine|[Oo]urs|[Yy]ours"
    r"|[Mm]yself|[Oo]urselves|[Yy]ourself)\b(?!['\u2019-]\w)"
)
_SPEAKER = re.compile(
    rf"\b(?:(?P<subject>[Ii]|[Ww]e)\b(?P<adverb>(?: {_ADVERBS})*)(?: (?P<verb>[\w'\u2019]+))?|"
    r"(?P<owner>[Mm]y|[Oo]ur|[Mm]ine|[Oo]urs)|(?P<self>[Mm]yself|[Oo]urselves)|(?P<object>[Mm]e|us)|"
    r"(?P<listener>[Yy]our|[Yy]ou))\b(?!-\w)"
)
_BEFORE_SUBJECT = words("that because if when and but what where while since")


def lengthened(text: str) -> str:
    """The text with "I'm" and the like in full."""
    return _SHORTENED.sub(lambda match: f"{match[1]} {_SHORT[match[2]]}", text)


def to_user(text: str) -> str:
    """A text of the user's as it is said back to them: "my" becomes "your", and "you" becomes "I" or "me"."""
    full = lengthened(text)

    def turned(match: re.Match[str]) -> str:
        word = match[0].casefold()
        return _cased(match[0], _SECOND[word] if word in _SECOND else _listener(full, match.start()))

    return _ANYBODY.sub(turned, full)


def _listener(text: str, at: int) -> str:
    before = text[:at].split()[-1:]
    return "I" if not before or before[0].casefold() in _BEFORE_SUBJECT else "me"


def from_user(text: str) -> str:
    """Part of a sentence that was said to the user, as the user says it in a question: "your" becomes "my"."""
    return re.sub(r"\b(?:your|you|yours|yourself|yourselves|my|me)\b", lambda match: _FIRST[match[0]], text)


def about_user(text: str, known: bool = False) -> str:
    """A text of the user's as it is told to anybody else: "I keep my key" becomes "The user keeps their key".

    `known` says that the user was named before, so that "their" needs no explanation.
    """
    named = known

    def told(match: re.Match[str]) -> str:
        nonlocal named
        first, named = not named, named or not match["listener"]
        return _cased(match[0], _told(match, first))

    return _SPEAKER.sub(told, lengthened(text))


def _told(match: re.Match[str], first: bool) -> str:
    if match["listener"]:
        return "the assistant's" if match["listener"].casefold() == "your" else "the assistant"
    if match["owner"]:
        return "the user's" if first else "theirs" if match["owner"].casefold() in ("mine", "ours") else "their"
    if match["subject"]:
        return _subject(match["adverb"] or "", match["verb"] or "", first)
    if match["self"]:
        return "themselves"
    return "the user" if first else "them"


def _subject(adverb: str, verb: str, first: bool) -> str:
    if not verb:
        return "the user" if first else "they"
    plain = "be" if verb in ("am", "are") else verb.replace("\u2019", "'")
    if not first:
        return f"they{adverb} {agreeing(plain, 'second')}"
    return f"the user{adverb} {'was' if verb in ('was', 'were') else _NEGATED.get(plain) or _third(plain)}"


def _third(verb: str) -> str:
    fixed = verb in MODALS or "'" in verb or not verb.isalpha() or not verb.islower()
    return third(verb) if verb in BE | HAVE or not fixed else verb


def _cased(old: str, new: str) -> str:
    """A replacement with a capital where one stood; "I" had its own."""
    proper = old[:1].isupper() and not old.startswith(("I ", "I'")) and old != "I"
    return capital(new) if proper else new
