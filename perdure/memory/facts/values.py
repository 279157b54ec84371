"""Where a value ends in a sentence, and whether it is of the kind that its relation asks for."""

from __future__ import annotations

import re
from typing import NamedTuple

from . import kinds, lexicon
from .lexicon import one_of

_LONGEST = 80
"""Characters of the longest value."""

_BREAK = re.compile(
    ",? "
    + one_of("""
        because, although, though, but, which, who, whom, whose, while, whereas, unless, where, until, so that, even if
    """)
    + r"\b|, "
    + one_of("""
        and, or, so, he, she, it, they, i, we, my, his, her, a, an, the, not, with, from, if, that, since, as, just,
        please, what, how
    """)
    + r"\b| (?:and|so|as) "
    + one_of("""
        i, he, she, it, they, we, is, was, has, have, will, would, that, am, are, then, works?, lives?, loves?, likes?,
        plays?, now, also, currently, already, often, always, usually
    """)
    + r"\b|; | [\u2013\u2014-]+ | \(|: |[\u2014\n]"
)
_TAIL = re.compile(
    "(?:[,;]? "
    + one_of("""
        now, too, as well, by the way, btw, actually, these days, at the moment, right now, currently, though, haha,
        lol, you know, already, again, instead, of course, obviously, anyway, nowadays, by now, so far, for now, at present,
        please, thanks, thank you, and so on, at last, finally, in case you wondered, in case you need it, if you
        wondered, in case you forgot
    """)
    + ")+$",
    re.IGNORECASE,
)
_EDGES = " .,;:!?\u2026\"'\u201c\u201d\u2018\u2019\u00ab\u00bb*_`"


class Kind(NamedTuple):
    """The most words a value of a kind has, whether one fits, and what ends it early."""

    words: int
    fits: kinds.Fits
    stop: re.Pattern[str] | None = None


def tidy(text: str, kind: str) -> str:
    """The value at the beginning of a text: without what follows it, without quotation marks and asides."""
    stop = KINDS[kind].stop
    cut = _BREAK.split(text, maxsplit=1)[0]
    if stop:
        cut = stop.sub("", cut)
    return " ".join(_TAIL.sub("", cut).split()).strip(_EDGES)


def without_tail(sentence: str) -> str:
    """A sentence without what adds nothing at its end: "now", "by the way"."""
    return _TAIL.sub("", sentence)


def fits(value: str, kind: str, before: str = "") -> bool:
    """Whether a tidied value is of a kind, given the words before it."""
    wanted = KINDS[kind]
    return bool(value) and len(value) <= _LONGEST and len(value.split()) <= wanted.words and wanted.fits(value, before)


def _before(text: str) -> re.Pattern[str]:
    """What ends a value: any of the words that a text lists, and all that follows."""
    return re.compile(rf",? {one_of(text)}\b.*$")


_MONTHS = "|".join(month.capitalize() for month in lexicon.MONTHS)
_SINCE = _before(f"""
    with, since, for, together, because, last, next, when, as, in (?:19|20)\\d\\d, during, every, after, before, once, this,
    and,
    \\w+ (?:years?|months?|weeks?|days?) ago, on weekends, on weekdays, all my life,
    (?:back )?in (?:the (?:spring|summer|autumn|winter)|{_MONTHS})
""")
_JOB = _before("""
    and, since, during, who, but, for ages, for (?:the (?:last|past) |about |over |almost )?[\\w-]+
    (?:years|months|decades)
""")
_OLD = re.compile(
    r"(?:[ -](?:years?|months?|weeks?)(?:[ -](?:old|of age))?|,? (?:last|this|in|on|yesterday|today|and)\b).*$"
)
_AT = _before("at, in, with, for, on, since, here, there, by, from, full time, part time, and, right")
_OFTEN = _before("""
    since, for, in, every, and, on, at, all, most, when, with, so much, a lot, very much, the most, more than
""")

KINDS: dict[str, Kind] = {
    "name": Kind(4, kinds.name, re.compile(r",.*$| (?:and|after|from|who|is|since|for|in|or) .*$")),
    "names": Kind(9, kinds.names),
    "place": Kind(7, kinds.place, _SINCE),
    "org": Kind(7, kinds.organisation, _SINCE),
    "school": Kind(7, kinds.school, _SINCE),
    "address": Kind(8, kinds.address, _SINCE),
    "trade": Kind(7, kinds.trade, _JOB),
    "post": Kind(7, kinds.post, _JOB),
    "year": Kind(1, kinds.shaped(kinds.YEAR)),
    "date": Kind(6, kinds.shaped(kinds.DATE), re.compile(r"^on (?:the )?| and .*$| in [A-Z][a-z]+$")),
    "when": Kind(9, kinds.when),
    "where": Kind(7, kinds.where, _before("and, since")),
    "age": Kind(3, kinds.age, _OLD),
    "count": Kind(2, kinds.count),
    "measure": Kind(6, kinds.measure),
    "clock": Kind(6, kinds.shaped(kinds.CLOCK), _before("every, on, and, most, each")),
    "code": Kind(6, kinds.code, _before("and, in case")),
    "email": Kind(1, kinds.shaped(kinds.EMAIL)),
    "colour": Kind(4, kinds.headed(lexicon.COLOURS)),
    "demonym": Kind(3, kinds.listed(lexicon.DEMONYMS)),
    "language": Kind(6, kinds.listed(lexicon.LANGUAGES), _before("at, in, fluently, with, for, well, since, every, on")),
    "instrument": Kind(6, kinds.headed(lexicon.INSTRUMENTS), _AT),
    "sport": Kind(5, kinds.listed(lexicon.SPORTS), _OFTEN),
    "condition": Kind(5, kinds.listed(lexicon.CONDITIONS)),
    "diet": Kind(3, kinds.listed(lexicon.DIETS), _before("food, and")),
    "hand": Kind(2, kinds.listed(lexicon.HANDS)),
    "sign": Kind(2, kinds.listed(lexicon.SIGNS)),
    "status": Kind(3, kinds.listed(lexicon.STATUSES), _before("to, with, for, since")),
    "subject": Kind(5, kinds.thing, _AT),
    "sort": Kind(6, kinds.sort, _before("and, from, that, with")),
    "title": Kind(8, kinds.title, _OFTEN),
    "thing": Kind(6, kinds.thing, _OFTEN),
    "choice": Kind(6, kinds.thing, _before("to, over, rather than, instead of, than, when, for, in")),
    "doing": Kind(7, kinds.doing, _before("since, because, whenever, when")),
    "manner": Kind(5, kinds.manner),
    "trait": Kind(8, kinds.trait),
    "phrase": Kind(8, kinds.phrase),
}
"""By name; a relation names the kind of its value."""
