"""Who a clause may be about: each way to take one of its words for the subject, with that word replaced by a mark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from . import nouns
from .lexicon import one_of
from .names import Name, located
from .patterns import OWNER, PLURAL, THIRD
from .verbs import third
from .voices import USER, asking

_MOST = 6
"""Mentions of one clause that are tried."""

_SPEAKER = re.compile(
    r"\b(?:(?P<subject>[Ii]|[Ww]e)(?P<short>['\u2019](?:m|re|ve))?(?= )|(?P<owner>[Mm]y|[Oo]ur)(?= )|(?P<object>me|us)\b)"
)
_PRONOUN = re.compile(
    r"(?:(?P<subject>he|she)(?P<short>['\u2019]s)?|(?P<plural>they)(?P<shorts>['\u2019](?:re|ve))?"
    r"|(?P<owner>his|her|their)) ",
    re.IGNORECASE,
)
_KNOWN = rf"(?:{nouns.heads('kin')}|(?P<animal>{nouns.heads('animals')}))"
_KIN = re.compile(rf"\b(?:my|our) (?P<noun>(?:[\w-]+ )?{_KNOWN})(?![\w-])(?P<own>['\u2019]s?)?", re.IGNORECASE)
_APPOSITION = re.compile(r", [^,]{1,60},(?= [a-z'])| \([^()]{1,60}\)")
_PLACED = re.compile(r"\b(?:in|at|near|around|into|through|across|on|of|the) $", re.IGNORECASE)

_ADVERB = one_of("""
    currently, actually, really, also, still, always, just, now, recently, originally, usually, mostly, mainly, only,
    finally, even, both, all
""")
_ADVERBS = re.compile(rf"^(.(?: (?:am|is|are|have|has|was))?) {_ADVERB} (?=[\w])")
_OWNED_ADVERBS = re.compile(rf"^({OWNER} (?:[\w-]+ ){{1,3}}is) (?:also|currently|actually|now|still|just|simply) ")
_NEW = re.compile(rf"^({OWNER}) new (?=(?:[\w-]+ ){{1,2}}is )")
_OF = re.compile(
    rf"the (?P<noun>[\w-]+(?: [\w-]+)?) (?:of|for|to|on) {OWNER} (?P<owner>[\w-]+(?: [\w-]+)?) (?P<rest>(?:is|are) .+)",
    re.IGNORECASE,
)
_SIZED = re.compile(
    rf"[{THIRD}{PLURAL}] (?:takes?|wears?|has|have|needs?|is|am) (?:an? )?size (?P<size>[\w.\u00bd/]+) (?:in )?"
    r"(?:shoe|boot)s?\b.*"
)
_GOT = re.compile(rf"^([{THIRD}{PLURAL}] (?:have|has)) got (?=an? |one |two )")
_ARTICLE = re.compile(r" (?:an?|the) ")
_SHORT = {"m": " am", "re": " are", "ve": " have", "s": " is"}


class Mention(NamedTuple):
    """A subject, the clause with a mark in its place, and, if the clause begins with it, the clause with it written out."""

    subject: str
    marked: str
    opening: str


def mentions(clause: str, person: str, full_names: dict[str, str]) -> list[Mention]:
    """The ways to read a clause, likeliest first. `person` is whom a pronoun at its beginning means ("": nobody)."""
    found = [*_pronoun(clause, person), *_people(clause, full_names), *_speaker(clause), *_kin(clause)]
    read = [Mention(one.subject, _plainly(one.marked), one.opening) for one in islice(sorted(found, key=_later), _MOST)]
    return [*read, *(one._replace(marked=turned) for one in read if (turned := _turned(one.marked)))]


def _turned(marked: str) -> str:
    """ "My locker code is 4711" for "The code of my locker is 4711" and the like; "" where a clause has not that form."""
    if sized := _SIZED.match(marked):
        return f"{OWNER} shoe size is {sized['size']}"
    match = _OF.match(marked)
    return f"{OWNER} {match['owner']} {match['noun']} {match['rest']}" if match else ""


def _later(mention: Mention) -> int:
    return min(at for mark in (THIRD, OWNER, PLURAL) if (at := mention.marked.find(mark)) >= 0)


def _speaker(clause: str) -> Iterator[Mention]:
    for match in _SPEAKER.finditer(clause):
        mark = OWNER if match["owner"] else PLURAL
        short = _SHORT[match["short"][1:]] if match["short"] else ""
        if not (match["owner"] and _introduces(clause, match.start())):
            marked = clause[: match.start()] + mark + short + clause[match.end() :]
            yield Mention(USER, marked, "" if match.start() else clause)


def _introduces(clause: str, at: int) -> bool:
    """Whether "my" at a place belongs to a name ("my cousin Tamsin")."""
    match = _KIN.match(clause, at)
    return match is not None and not match["own"] and any(_follows(clause, match, name) for name in located(clause[at:]))


def _follows(clause: str, kin: re.Match[str], name: Name) -> bool:
    gap = clause[kin.end() : kin.start() + name.start]
    return gap == " " or (gap == ", " and clause[kin.start() + name.end :][:1] in (",", ""))


def _kin(clause: str) -> Iterator[Mention]:
    for match in _KIN.finditer(clause):
        if not (match["animal"] or _introduces(clause, match.start())):
            marked = clause[: match.start()] + (OWNER if match["own"] else THIRD) + _unspoken(clause[match.end() :])
            subject = f"{USER}'s {nouns.bare(match['noun'])}"
            yield Mention(subject, marked, "" if match.start() else clause)
            if match["own"] and match.start() == 0:
                yield Mention(subject, f"{THIRD} is{clause[match.end() :]}", "")


def _people(clause: str, full_names: dict[str, str]) -> Iterator[Mention]:
    for name in located(clause):
        start, subject = _introduced(clause, name), full_names.get(name.text, name.text)
        rest = clause[name.end :]
        if name.owner:
            rest = re.sub(r"^['\u2019]s?", "", rest)
            yield Mention(subject, clause[:start] + OWNER + rest, f"{subject}'s{rest}" if start == 0 else "")
            if start == 0:
                yield Mention(subject, f"{THIRD} is{rest}", f"{subject} is{rest}" if _ARTICLE.match(rest) else "")
        else:
            rest = _unspoken(rest) if start == name.start else rest.removeprefix(",")
            yield Mention(subject, clause[:start] + THIRD + rest, subject + rest if start == 0 else "")


def _introduced(clause: str, name: Name) -> int:
    """Where a name begins, with the words that introduce it."""
    for match in _KIN.finditer(clause, 0, name.start):
        if not match["own"] and clause[match.end() : name.start] in (" ", ", "):
            return match.start()
    return name.start


def _unspoken(rest: str) -> str:
    """What follows a subject, without an apposition ("Mara, a friend of mine, keeps bees")."""
    match = _APPOSITION.match(rest)
    return rest[match.end() :] if match else rest


def _pronoun(clause: str, person: str) -> Iterator[Mention]:
    match = _PRONOUN.match(clause) if person else None
    if match is None:
        return
    voice, rest = asking(person), clause[match.end() - 1 :]
    if match["owner"]:
        yield Mention(person, OWNER + rest, voice.owner + rest)
    elif match["plural"]:
        short = _SHORT[match["shorts"][1:]] if match["shorts"] else ""
        verb, _, more = (short + rest).strip().partition(" ")
        yield Mention(person, PLURAL + short + rest, f"{voice.name} {third(verb)} {more}")
    else:
        verb = (" has" if re.match(r" (?:got|been|lived|worked)\b", rest) else " is") if match["short"] else ""
        yield Mention(person, THIRD + verb + rest, voice.name + verb + rest)


def _plainly(marked: str) -> str:
    """A marked clause without the adverbs that patterns do not know, and without "new" before what somebody has."""
    shorter = _NEW.sub(r"\1 ", _ADVERBS.sub(r"\1 ", _ADVERBS.sub(r"\1 ", marked)))
    return _GOT.sub(r"\1 ", _OWNED_ADVERBS.sub(r"\1 ", shorter))


def persons(clause: str) -> list[str]:
    """The people whom a clause names, each once; names of places by their preposition are none."""
    named = [name for name in located(clause) if not _PLACED.search(clause[: name.start])]
    kin = [mention.subject for mention in _kin(clause)]
    return list(dict.fromkeys([*(name.text for name in named), *kin]))
