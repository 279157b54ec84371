"""What a sentence tells in passing: clauses behind "because" and the like, relative clauses, whatever follows a report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from .base import Fact
from .kinds import TIME, is_name
from .lexicon import one_of, words
from .names import located
from .referents import is_full
from .relations import find
from .sentences import first_clause

_MOST = 5
"""Clauses of one sentence that are read."""

_FULL = r"[A-Z\u00c0-\u00de][\w'\u2019-]+ (?:[a-z]{2,3} ){0,2}[A-Z\u00c0-\u00de]"
_SUBJECT = rf"(?=(?:[Hh]e|[Ss]he)(?:['\u2019]s)? |(?:[Hh]is|[Hh]er) [\w-]|{_FULL})"
_CAUSE = one_of("""
    because, 'cause, since, although, though, even though, given that, seeing that, seeing as, considering that, considering,
    whereas, now that
""")
_JOINT = (
    rf"(?:,? (?:and |but )?(?:especially |particularly |mainly |mostly |partly |only |simply |just )?{_CAUSE}|,? and|,? but"
    r"|, (?:as|so|while|yet|plus|especially as)|[;:,]| [\u2013\u2014-]+"
    r"|^(?:Because|Since|As|Although|Though|Even though|Now that))"
    r"(?: that['\u2019]s (?:when|why|how|because))?"
)
_KNOWN = one_of("""
    forgot, forget, forgotten, didn't know, knew, found out, learned, learnt, discovered, noticed, realised, realized,
    no idea, glad, happy, surprised, impressed, amazed, jealous, pleased, delighted, lucky, love, loved
""")
_TELLING = one_of("tell, told, telling, remind, reminded, warn, warned, inform, informed, warning, reminding")
_REPORT = (
    rf"\b(?:[Ii]|[Ww]e)(?:['\u2019]\w+)? (?:[\w'\u2019]+ ){{0,9}}?"
    rf"(?:{_KNOWN}|{_TELLING} (?:them|everyone|everybody|people|you))(?: that)?|\b[Tt]urns out(?: that)?"
)
_TOLD_TO = re.compile(r" (?:everyone|everybody|people|you)(?: that)? $")
_START = re.compile(rf"(?:{_JOINT}|{_REPORT}) {_SUBJECT}|^{_SUBJECT}")
_NOT = re.compile(r"(?:\b(?:not|nor|neither|either|than|whether|if|only)|n['\u2019]t)$", re.IGNORECASE)
_RELATIVE = re.compile(r"(?:, | \()(?P<who>who|whose) (?P<rest>[^,;()]+)")
_REST = re.compile(
    r",? (?:and|but|or) (?:(?:also|then|already|still|just|often|always|usually|even|now|sometimes|really) )?"
    r"(?:(?<!but )(?:never|not)|\w+n['\u2019]t|says|said|tells?|told|has|had|was|were|went|will|would"
    r"|could|might|may|can|did|got|\w+ed)\b.*$"
    r"|,? (?:because|although|though|even though|whereas|which)\b.*$"
)
_OVER = re.compile(
    r"\b(?:until|till|formerly|previously|back then|in those days|at (?:that|the) time|as a (?:child|kid|boy|girl|student)"
    r"|when (?:he|she|i|we|they)|for (?:the|a|one) (?:day|night|week|weekend)|temporarily|tonight)\b",
    re.IGNORECASE,
)
_ENDED = re.compile(
    r"\b(?:quit|left|sold|lost|gave|given|retire[sd]|resigned|sacked|fired|died|dead|passed away|split up|divorced|stopped"
    r"|broke up|no longer|any ?more|moved (?:out|away|back)|came back|back (?:now|again|home)|returned|over now)\b"
)
"""What says of anything before it that it is no more."""
_BEGAN = re.compile(r"\S+(?: \S+){0,3}? (?:moved|relocated|joined|became|started|named|called|took|founded|built|ran|led)\b")
_LATELY = re.compile(r"\b(?:has|['\u2019]s|have) |\b(?:just|recently|now|finally|lately)\b")
_HAS_WORKED = re.compile(
    r"(?:\bhas|['\u2019]s) (?:worked|lived|played)\b(?!.*\b(?:for|since) (?:\w+ ){0,4}(?:years|months|decades|ages|\d{4})\b)"
)

_MOMENTARY = words("project prefers workplace member")
"""Relations that a clause of reason states of the moment more often than for good ("as she's working on Sunday")."""
_FIGURES = words("number trait")
_VAGUE = words("same next other way own middle shifts town peace right left whole weekend time")
_TIMED = words("thing phrase subject choice doing place sort org")


class Piece(NamedTuple):
    """A clause, its beginning if that is a pronoun ("he", "his") or a full name, and the words of its sentence before it."""

    subject: str
    clause: str
    before: str


def pieces(sentence: str) -> Iterator[Piece]:
    """The clauses of a sentence that begin with a pronoun of one person or with a full name."""
    yield from islice(_clauses(sentence), _MOST)
    yield from islice(_relatives(sentence), _MOST)


def _clauses(sentence: str) -> Iterator[Piece]:
    for match in _START.finditer(sentence):
        before = sentence[: match.start()]
        if not (_NOT.search(before) or _in_quotes(before) or _ENDED.search(sentence, match.end())):
            yield from _parts(sentence[match.end() :], _TOLD_TO.sub(" ", sentence[: match.end()]))


def _parts(rest: str, before: str) -> Iterator[Piece]:
    """The first clause of what follows, and for a subject with several verbs a clause for each."""
    first, *others = first_clause(rest)
    subject = _subject(first)
    if subject:
        yield Piece(subject, _REST.sub("", first), before)
    if subject not in ("", "his", "her"):
        yield from (Piece(subject, _REST.sub("", subject + other[other.index(" ") :]), before) for other in others)


def _subject(clause: str) -> str:
    word = clause.split(" ", 1)[0].replace("\u2019", "'").removesuffix("'s").casefold()
    if word in ("he", "she", "his", "her"):
        return word
    name = next(iter(located(clause)), None)
    return name.text if name and name.start == 0 and is_full(name.text) else ""


def _relatives(sentence: str) -> Iterator[Piece]:
    """ "Ada Berg lives in Truro" for "Ada Berg, who lives in Truro, ..."."""
    ends = {name.end: name for name in located(sentence) if is_full(name.text)}
    for match in _RELATIVE.finditer(sentence):
        name = ends.get(match.start())
        if name and not (_in_quotes(sentence[: match.start()]) or _ENDED.search(match["rest"])):
            link = "'s " if match["who"] == "whose" else " "
            clause = first_clause(name.text + link + match["rest"])[0]
            yield Piece(name.text, _REST.sub("", clause), sentence[: name.start])


def _in_quotes(before: str) -> bool:
    return before.count('"') % 2 == 1 or before.count("\u201c") > before.count("\u201d")


def holds(clause: str) -> bool:
    """Whether a clause tells of what lasts: not of what was, of a single night, or of a beginning long ago."""
    begun = _BEGAN.match(clause) and not _LATELY.search(clause)
    return not (begun or _OVER.search(clause) or _HAS_WORKED.search(clause))


def lasts(fact: Fact) -> bool:
    """Whether what is told in passing is worth to be known for good: a value of its own, of no single day."""
    relation, _ = find(fact.relation)
    spoken = fact.value.casefold().split()
    if relation.key in _MOMENTARY or not _VAGUE.isdisjoint(spoken) or (relation.kind in _TIMED and TIME.search(fact.value)):
        return False
    if relation.key in _FIGURES:
        return is_name(fact.value) or any(char.isdigit() for char in fact.value)
    return not (relation.key == "fear" and spoken[0].endswith("ing") and len(spoken) > 1)
