"""Questions that follow from a sentence by its grammar: "Where does Mara keep her key?"."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import lexicon, nouns, verbs
from .base import fold
from .lexicon import one_of, words
from .parsing import DETERMINERS, PREPOSITIONS, Parsed, asked_subject
from .perspective import from_user
from .voices import asking

_PLACES = words("""
    in on at under behind near beside above below over inside outside into onto through around between against across
    along beneath among
""")
_MOMENTS = words("on at in since until before after during for") | {""}
_LEANING = words("believe depend work rely specialise specialize invest consist focus insist succeed participate trust")
_MOTION = words("go move travel fly drive walk cycle commute sail run swim ride come return")
_HOURS = one_of("one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve")
_TIME = re.compile(
    r"\b"
    + one_of("""
        every, each, last, next, yesterday, tomorrow, today, tonight, noon, midnight, morning, evening, afternoon,
        night, week, weekend, month, spring, summer, autumn, winter, christmas, easter,
        (?:mon|tues|wednes|thurs|fri|satur|sun)days?
    """)
    + rf"\b|\b(?:{'|'.join(lexicon.MONTHS)})\b|^(?:about |around |half past )?{_HOURS}$"
    + r"|^\d{1,2}(?:[:.]\d\d)?(?: ?[ap]\.?m\.?| o'clock)?$|^(?:19|20)\d\d$",
    re.IGNORECASE,
)


def derived(subject: str, parts: Parsed) -> Iterator[str]:
    """The questions that ask for the value of a parsed statement, and one for its object, where both are there."""
    inverted = _inverted(subject, parts)
    if inverted:
        yield from _direct(subject, parts, *inverted)
    plain = parts.verb and not verbs.is_auxiliary(parts.verb)
    if plain and parts.border and parts.middle and parts.middle.split()[0] not in PREPOSITIONS:
        yield f"What can you say about {asking(subject).object} and {from_user(parts.middle)}?"


def _inverted(subject: str, parts: Parsed) -> tuple[str, str] | None:
    """ "does Mara" and "keep her key" for "Mara keeps her key"; None where the verb cannot be taken apart."""
    name, middle = asked_subject(subject, parts), from_user(parts.middle)
    verb = _agreeing(name, parts.verb)
    perfect = parts.verb in verbs.HAVE and re.match(r"\w+(?:ed|en)\b|been\b", middle)
    if verb in verbs.BE or verb in verbs.MODALS or perfect:
        return f"{verb} {name}", middle
    if parts.verb.endswith(("n't", "n\u2019t")):
        return None
    apart = ("do", verb) if name in ("I", "you") and not verbs.is_past(verb) else verbs.plain(verb)
    return (f"{apart[0]} {name}", f"{apart[1]} {middle}".strip()) if apart else None


def _agreeing(name: str, verb: str) -> str:
    """The verb for a subject that was "you" and is "I", or the other way round."""
    return {("I", "are"): "am", ("you", "am"): "are"}.get((name, verb), verb)


def _direct(subject: str, parts: Parsed, opening: str, rest: str) -> Iterator[str]:
    word, stranded = _question_word(subject, parts, rest)
    if word:
        name = asked_subject(subject, parts)
        straight = f"{name} {_agreeing(name, parts.verb)} {from_user(parts.middle)}"
        yield " ".join(f"{word} {opening} {rest} {stranded}".split()) + "?"
        yield " ".join(f"Do you remember {word.lower()} {straight} {stranded}".split()) + "?"


def _question_word(subject: str, parts: Parsed, rest: str) -> tuple[str, str]:
    """The word that asks for the value, and the preposition that stays behind; ("", "") where neither is sure."""
    if parts.border in _MOMENTS and _TIME.search(parts.shown):
        return {"since": "Since when", "until": "Until when", "for": "For how long"}.get(parts.border, "When"), ""
    if not parts.border:
        return ("Who" if _is_who(subject, parts) else "What"), ""
    verb = rest.split()[0] if rest else ""
    if parts.border in _PLACES and _is_place(parts, verb):
        return "Where", ""
    if parts.border in ("to", "by", "through"):
        return ("Where", "") if rest in _MOTION and parts.border == "to" else ("", "")
    return ("Who" if parts.border in ("with", "from", "for") and _is_person(parts.value) else "What"), parts.border


def _is_place(parts: Parsed, verb: str) -> bool:
    """Whether a border leads to a place: "in the cellar", not "in green ink", "interested in" or "believes in"."""
    known = parts.border != "in" or parts.value[0].isupper() or parts.value.split()[0] in DETERMINERS
    return known and verb not in _LEANING and not (parts.verb in verbs.BE and parts.middle)


def _is_person(value: str) -> bool:
    return value[0].isupper() or value.split()[-1] in nouns.NOUNS["kin"]


def _is_who(subject: str, parts: Parsed) -> bool:
    return parts.verb in verbs.BE and subject[0].isupper() and fold(parts.subject) == fold(subject)
