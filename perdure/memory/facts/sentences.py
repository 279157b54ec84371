"""A message cut into sentences with their places, and sentences into clauses that may each state something."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from .lexicon import one_of

_BORDER = re.compile(
    r"(?P<stop>(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\]*]*+(?=\s|$))|(?P<gap>\n[ \t\r]*+\n\s*+)|(?P<line>\n)"
)
_ABBREVIATED = re.compile(
    r"(?:\b(?:dr|mr|mrs|ms|prof|st|jr|sr|vs|e\.g|i\.e|approx|ca|no|inc|ltd|co|mt|ft|dept)|\b[^\W\d_])$", re.I
)
_HOURS = re.compile(r"\b[ap]\.m$", re.IGNORECASE)
_BULLET = re.compile(r"(?:[-*\u2022\u2013]|\d{1,3}[.)])[ \t]+")
_QUOTES = re.compile(
    '\u201c[^\u201c\u201d]*+\u201d|\u00ab[^\u00ab\u00bb]*+\u00bb|"[^"\n]*+"|```[^`]*+```|(?:^|\n)[ \t]*+>[^\n]*+|`[^`\n]*+`'
)
_WRAPPED = 60
"""Characters of a line that may be one of several into which a paragraph was cut."""
_QUOTED_WORDS = 4
"""So many words between quotation marks are somebody's speech; fewer are a name or a title."""

_VERBS = one_of("""
    is, are, was, has, have, lives, works, likes, loves, plays, comes, takes place, starts, begins, speaks, studies,
    collects, drives, goes, keeps
""")
_SUBJECT = (
    rf"(?:(?:i|we|he|she|they)(?:['\u2019]\w+)? \w|(?:my|our|his|her|their|the) (?:[\w'\u2019-]+ ){{1,4}}{_VERBS}\b|"
    rf"(?:my|our|his|her|their) \w+['\u2019]s (?:called|named)\b)"
)
_ITS_NAME = r"(?!(?:his|her|its|their) name\b)"
_JOINT = re.compile(
    rf"(?:,? (?:and|but|while|whereas|so(?! that))|[;:,]| [\u2013\u2014-]+) (?:that )?{_ITS_NAME}(?={_SUBJECT})",
    re.IGNORECASE,
)
_PREDICATES = one_of("""
    am, is, are, was, has, have, lives?, works?, plays?, speaks?, study, studies, collects?, drives?, loves?, likes?,
    hates?, owns?, supports?, comes?, drinks?, teaches, teach, weighs?, wears?, keeps?, goes, go, runs?, enjoys?,
    prefers?, uses?
""")
_PREDICATE = re.compile(rf",? (?:and|but) (?:also |now |currently |still )?(?={_PREDICATES} )")
_OWNED = re.compile(
    rf"(?:my|our|(?:[\w-]+ ){{0,3}}[\w-]+['\u2019]s) (?:[\w-]+ ){{0,2}}[\w-]+(?= {_PREDICATES} )", re.IGNORECASE
)
_SPEAKER = re.compile(r"(?:i|we)\b", re.IGNORECASE)


class Sentence(NamedTuple):
    """A sentence text[start:end], the number of its paragraph, and whether it is somebody else's words or code."""

    text: str
    start: int
    end: int
    paragraph: int
    quoted: bool


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text: they end at stops, at line ends that no line goes on behind, and at blank lines."""
    quoted = _quoted(text)
    start = paragraph = 0
    for match in _BORDER.finditer(text):
        if _ends(text, match):
            yield from _between(text, start, match.end(), paragraph, quoted)
            start = match.end()
        paragraph += bool(match["gap"])
    yield from _between(text, start, len(text), paragraph, quoted)


def _ends(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 12) : match.start()]
    after = text[match.end() : match.end() + 3].lstrip()
    if match["line"]:
        wrapped = after[:1].islower() or match.start() - text.rfind("\n", 0, match.start()) > _WRAPPED
        return not wrapped or before[-1:] in ".:;!?" or not before.strip() or bool(_BULLET.match(after))
    if match["stop"] == "." and _HOURS.search(before):
        return not after[:1].islower()
    if match["stop"] == "." and _ABBREVIATED.search(before):
        return before[-1:] == "I" and before[-2:-1] in ("", " ")
    return True


def _between(text: str, start: int, end: int, paragraph: int, quoted: tuple[list[int], list[int]]) -> Iterator[Sentence]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    bullet = _BULLET.match(text, start, end)
    if bullet:
        start = bullet.end()
    if start < end:
        starts, ends = quoted
        at = bisect_right(starts, start) - 1
        yield Sentence(text[start:end], start, end, paragraph, at >= 0 and start < ends[at])


def _quoted(text: str) -> tuple[list[int], list[int]]:
    """Where speech, code and quoted lines begin and end."""
    spans = [
        (match.start() + (match[0][0] == "\n"), match.end()) for match in _QUOTES.finditer(text) if _is_speech(match[0])
    ]
    return [start for start, _ in spans], [end for _, end in spans]


def _is_speech(quote: str) -> bool:
    return quote.lstrip()[0] in ">`" or len(quote.split(None, _QUOTED_WORDS)) >= _QUOTED_WORDS


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence that claim something each, without their joints and the final stop.

    Where two verbs share a subject, the second part begins with "I", with what somebody has ("Mara's bicycle"), or, for
    anybody else, with "she".
    """
    parts = [part for part in (_stopped(part) for part in _JOINT.split(sentence)) if part]
    return [clause for part in parts for clause in _predicates(part)]


def first_clause(sentence: str) -> list[str]:
    """The first clause of a sentence, and after it what else is said of its subject, beginning with "she" or "I"."""
    return list(_predicates(_stopped(_JOINT.split(sentence, maxsplit=1)[0])))


def _predicates(clause: str) -> Iterator[str]:
    first, *others = _PREDICATE.split(clause)
    yield first
    owned = _OWNED.match(first) if others else None
    subject = owned[0] if owned else "I" if _SPEAKER.match(first) else "she"
    yield from (f"{subject} {other}" for other in others)


def _stopped(text: str) -> str:
    return text.strip().rstrip(".!?\u2026 ")
