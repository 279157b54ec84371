"""Names in a text, as far as capitals tell them, and whether a turn speaks of a fact's subject."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from . import lexicon
from .base import USER, Fact, fold

_WORD = re.compile(r"[^\W\d_]++(?:['\u2019-][^\W\d_]++)*+")
_PARTICLES = lexicon.words("van von de der den del della da di du la le bin ibn al el af av zu ter ten")
_TITLES = lexicon.words("dr mr mrs ms miss prof professor sir")
_OWNED = re.compile(r"['\u2019]s$")
_INSIDE = re.compile(r"[^\W\d_],? $")
_LONGEST = 4

_STARTERS = lexicon.BLANK | lexicon.words("""
    i'm i've i'd i'll it's that's there's what's who's where's how's let's don't here's he's she's we're they're you're
    does do did can could should may might must shall am was were let tell remember note please give show explain write
    find translate describe list help make say said think know believe guess hope wish hi hello hey thanks thank yes yep
    yeah yesterday today tomorrow tonight last next once since until unless although though despite during before
    however meanwhile maybe perhaps probably actually anyway besides finally first second third then therefore thus
    though through well oh ah wow lol ok whose whom whenever wherever whatever whoever whether dear regards cheers
    sincerely best fun fact by btw fyi never ever even every few several under between within without according
    apparently honestly personally recently currently originally usually sometimes often later earlier speaking did does
    mum mom dad mama papa grandma grandpa granny mother father aunt uncle summer winter spring autumn christmas easter
    english internet god mr mrs ms things people someone two three four five six seven eight nine ten one hundred twenty
    remind use using try keep except considering given thinking going looking hmm um er ugh ps
""")
_DAYS = lexicon.WEEKDAYS | {f"{day}s" for day in lexicon.WEEKDAYS}
_NEVER = _STARTERS | lexicon.MONTHS | _DAYS | lexicon.DEMONYMS | lexicon.LANGUAGES | _TITLES
_ALSO_NAMES = lexicon.words("may april june august will mark carol")
_NOT_FIRST = lexicon.words("will mark")
"""Words that are names where they are written with a capital inside a sentence."""

_ORDINARY = lexicon.words("""
    will mark may april june august rose grace hope faith joy dawn bill rob jack sue pat art guy dean dale glen heath
    brook ivy lily iris daisy violet hazel olive ruby pearl amber crystal robin jay drew chase chance miles max ray rich
    frank ernest earnest young long short small little green brown black white gray grey stone wood woods field hill
    rivers lake king price cook baker smith bishop page love day may summer winter snow frost storm bell bush rice bean
    berry banks holiday law lane street church park house west east north south major gold silver english french holland
    penny sandy rusty dusty sunny melody harmony destiny angel patience constance prudence charity mercy
""")
"""Parts of names that are common words too: they only count where they are written as names."""

_FIRST_PERSON = lexicon.words("i my me mine our ours myself")


class Name(NamedTuple):
    """A name and where it stands. `owner` if an apostrophe s follows, which is not part of it."""

    text: str
    start: int
    end: int
    owner: bool


def names_in(text: str) -> list[str]:
    """The names in a text, each once, in order: runs of up to four capitalised words without those that begin sentences.

    Titles stay with their names. Days, months, languages, nationalities and words all in capitals are no names.
    """
    return list(dict.fromkeys(name.text for name in located(text)))


@lru_cache(maxsize=16)
def located(text: str) -> tuple[Name, ...]:
    """The names in a text with their places. The last few are kept, since a clause is looked at from several sides."""
    return tuple(_located(text))


def _located(text: str) -> Iterator[Name]:
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        if run and not _continues(text, run, match):
            yield from _named(text, run)
            run = []
        if run or _proper(match[0]):
            run.append(match)
    yield from _named(text, run)


def _proper(word: str) -> bool:
    return word[0].isupper() and not (len(word) > 1 and word.isupper())


def _continues(text: str, run: list[re.Match[str]], match: re.Match[str]) -> bool:
    last = run[-1]
    if _is_owner(text, last) or not (_proper(match[0]) or match[0] in _PARTICLES):
        return False
    gap = text[last.end() : match.start()]
    dotted = gap == ". " and (len(last[0]) == 1 or last[0].casefold() in _TITLES)
    return gap == " " or dotted


def _is_owner(text: str, match: re.Match[str]) -> bool:
    """Whether a word owns what follows: "Mara's", "Jonas'"."""
    return bool(_OWNED.search(match[0])) or (
        match[0].endswith("s") and text[match.end() : match.end() + 2] in ("' ", "\u2019 ")
    )


def _named(text: str, run: list[re.Match[str]]) -> Iterator[Name]:
    while run and (_skipped(text, run[0]) or run[0][0] in _PARTICLES):
        run = run[1:]
    while run and (run[-1][0] in _PARTICLES or _bare(run[-1]).casefold() in _NEVER - _ALSO_NAMES):
        run = run[:-1]
    capitals = sum(_proper(match[0]) for match in run)
    if 0 < capitals <= _LONGEST and not (capitals == 1 and _bare(run[0]).casefold() in _NEVER - _NOT_FIRST):
        owner = _is_owner(text, run[-1])
        end = run[-1].start() + len(_bare(run[-1]))
        yield Name(text[run[0].start() : end], run[0].start(), end, owner)


def _bare(match: re.Match[str]) -> str:
    return _OWNED.sub("", match[0])


def _skipped(text: str, match: re.Match[str]) -> bool:
    word = match[0].casefold()
    if _bare(match).casefold() in _NOT_FIRST and _INSIDE.search(text, max(0, match.start() - 3), match.start()):
        return False
    return (word in _NEVER and word not in _TITLES) or _bare(match).casefold() in _STARTERS


def asks_about(fact: Fact, text: str) -> bool:
    """Whether a turn names the fact's subject; see `speaks_of`."""
    return speaks_of(fact.subject, text)


def speaks_of(subject: str, text: str) -> bool:
    """Whether a text names the subject of a fact.

    For a fact about the user that is a word of the first person. For a named person it is the name or a part of it, in any
    case, unless the text gives that part to somebody else ("Mara Olsen" for "Mara Lindqvist"); a part that is a common
    word ("Will", "Rose") has to be written as a name. For other subjects most of their words must be there.
    """
    words = frozenset(fold(text).split())
    if subject == USER:
        return not words.isdisjoint(_FIRST_PERSON)
    if not subject[:1].isupper():
        return _has_words(subject, words)
    return _names(subject, text, words)


def _has_words(subject: str, words: frozenset[str]) -> bool:
    """Whether the words of a subject that is no name are there; the user's sister is theirs only in the first person."""
    if subject.startswith(USER + "'s ") and words.isdisjoint(_FIRST_PERSON):
        return False
    wanted = {word for word in fold(subject.removeprefix(USER + "'s ")).split() if word not in lexicon.BLANK}
    return bool(wanted) and 2 * len(wanted & words) > len(wanted)


def _names(subject: str, text: str, words: frozenset[str]) -> bool:
    if f" {fold(subject)} " in f" {fold(text)} ":
        return True
    every = frozenset(fold(subject).split())
    parts = {word for word in every if len(word) > 1} - _PARTICLES - _TITLES
    written = [frozenset(fold(name).split()) for name in names_in(text)]
    if any(parts & name and name <= every | _TITLES for name in written):
        return True
    taken = frozenset().union(*written)
    return not words.isdisjoint(parts - taken - _ORDINARY)
