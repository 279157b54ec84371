"""What a message tells of the one person it speaks of, in no form that is known: its last sentence about them, as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from . import guards
from .base import Fact, Found
from .extraction import extract
from .lexicon import one_of
from .names import located
from .perspective import about_user, to_user
from .referents import is_full
from .sentences import sentences
from .voices import capital

_MOST = 2
"""Gists of one message."""

_LONGEST = 400
"""Characters of the longest sentence that is read."""

_WORDS = 16
"""Words of the longest gist: what an answer can say at once."""

_LONG = 19
"""A sentence of more words loses clauses that only lead to others."""

_FEW = 8
"""A gist of fewer words is told with the one before it."""

_PRONOUN = re.compile(r"\b(?:he|she|him|his|her|hers)\b", re.IGNORECASE)
_CUT = re.compile(
    r"\s*(?:;|:(?=\s)|\s[\u2013\u2014-]+\s)\s*"
    r"|,? (?=(?:because|since|although|though|but|so|while|whereas|until|who|whose|which"
    r"|and (?:he|she|they|it|i|we|his|her|my|our|now|then|the|all|every|only|has|have|had)|as (?:he|she|an?)"
    r"|that['\u2019]s)\b)"
    r"|, (?=(?:he|she|they|it|i|we|his|her|hers|my|our|an?|the|and|please|how|what|who|when|where"
    r"|can|could|would|should)\b)",
    re.IGNORECASE,
)
_JOINT = re.compile(
    r"^(?:(?:because|since|although|though|but|so|while|whereas|until|and|that|then|mind you|turns out|apparently|except"
    r"|no wonder|nobody had told (?:me|us)|(?:it )?turned out)\b(?!['\u2019]),? ?(?:that )?)+",
    re.IGNORECASE,
)
_SPEAKER = re.compile(
    r"(?:(?:and|but|so|when|as|just|by the time) )*"
    r"(?:i|we|my|our|me|us|you|your|let['\u2019]s|ran|bumped|met|got|spent|spoke)\b",
    re.IGNORECASE,
)
_WITH_SPEAKER = re.compile(r"\b(?:I|me|us|we)\b(?!['\u2019]?(?:ve| have)? told)")
_DOUBTS = re.compile(
    r"\b(?:if|unless|whether|maybe|perhaps|might|(?:i|we) wonder|wonder(?:ing|ed)|probably|possibly|suppos(?:e|ing)|imagine"
    r"|dream(?:t|ed)|no idea|not true|sure|barely|as usual|rumou?rs?|deserves?d?|in my opinion|according to"
    r"|(?:don|didn)['\u2019]t know|(?:can|could)n?(?:['\u2019]t|not) (?:remember|imagine|think|agree)"
    r"|(?:ha[sd]|have)(?:n['\u2019]t| not)|never (?:mentioned|told))\b",
    re.IGNORECASE,
)
_OF_NOW = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|this (?:morning|afternoon|evening|week|weekend)|(?:by|at) (?:noon|\w+day)"
    r"|just now|any minute|in a minute)\b",
    re.IGNORECASE,
)
_ONCE = one_of("""
    said, says, told, tells, thinks, thought, reckons, reckoned, recommended, recommends, suggested, suggests, rang,
    rings, asked, asks, replied, replies, claims, claimed, believes, believed, calls, texted, emailed, waved, laughed,
    looked, looks, seemed, seems, closed, flipped, came running, dropped, needs, wants, sent, hung up, owes, owed,
    lent, gave, brought, means, (?:is|was) (?:coming|bringing|helping|leaving|calling|waiting)
""")
"""Verbs of what somebody does once, or says."""
_REPORTED = re.compile(r"\b(?:said|says|pointed out|mentioned|can['\u2019]t|won['\u2019]t|shouldn['\u2019]t)\b")
_RIVAL = re.compile(r"(?:^|[,;:] |\b(?:and|or|with|told|asked|because|while|but|that|than|when) )$", re.IGNORECASE)
_TITLED = re.compile(r"(?:Mr|Mrs|Ms|Miss|Dr|Professor|Prof|Sir|Aunt|Uncle)\b")


class _Told(NamedTuple):
    """A sentence about a person; `said` is the part that tells something ("": none)."""

    person: str
    line: str
    said: str
    start: int
    end: int


def taught(text: str) -> list[Found]:
    """The facts that a user's message teaches, and gists of whoever it tells of without any, where it asks for none."""
    found = extract(text)
    if any(each.explicit for each in found):
        return found
    known = {each.fact.subject for each in found}
    return found + [gist for gist in gists(text) if gist.fact.subject not in known]


def gists(text: str) -> list[Found]:
    """For each person whom a message speaks of and gives with first and last name, the last sentence that tells of them.

    None is made of questions, orders, doubts, of today, or of what the person only said or did to the speaker. Takes time
    linear in the text, and never raises.
    """
    by_person: dict[str, list[_Told]] = {}
    for told in _read(text):
        by_person.setdefault(told.person, []).append(told)
    return [gist for told in by_person.values() if (gist := _gist(told))][:_MOST]


def _read(text: str) -> Iterator[_Told]:
    """The sentences that are about one person, until something is handed over to be worked on."""
    person, near = "", False
    for sentence in sentences(text):
        line = " ".join(sentence.text.split())
        if len(line) > _LONGEST or sentence.quoted:
            person = ""
            continue
        if guards.gives_material(guards.unprefaced(line)):
            return
        person = _whom(line, person)
        named = person in line
        told = bool(person) and (named or bool(_PRONOUN.search(line)))
        if person and (told or near):
            yield _Told(person, line, _told(line, person), sentence.start, sentence.end)
        near = told


def _whom(line: str, person: str) -> str:
    """Whom a sentence speaks of: the first full name, or the person before if it has none; "" where two may be meant."""
    people = [name for name in located(line) if is_full(name.text) and not _TITLED.match(name.text)]
    if not people:
        return person
    rivals = {name.text for name in people if _RIVAL.search(line[: name.start])}
    if person and not any(name.text == person for name in people):
        return "" if rivals else person if _PRONOUN.search(line) else people[0].text
    whom = person or people[0].text
    return whom if rivals <= {whom} else ""


def _gist(told: list[_Told]) -> Found | None:
    person = told[0].person
    worth = [each for each in told if each.said]
    if not worth:
        return None
    at = max((i for i, each in enumerate(worth) if _speaks_of(each.said, person)), default=len(worth) - 1)
    said = worth[at].said
    if at and len(said.split()) < _FEW:
        said = f"{worth[at - 1].said}. {capital(said)}"
    spoken = capital(to_user(_shortened(said, person))) + "."
    passage = " ".join(each.line for each in told if not guards.is_question(each.line) or each.said)
    statement = about_user(passage if person in passage else f"About {person}: {passage}")
    _, _, value = spoken.removesuffix(".").partition(" ")
    if not value:
        return None
    return Found(Fact(person, "", value, statement, spoken, verbatim=True), worth[at].start, worth[at].end, False)


def _shortened(said: str, person: str) -> str:
    """A long sentence from a later clause about the person on, since what comes first leads to it; its first words."""
    parts = _clauses(said)
    while len(parts) > 1 and len(said.split()) > _LONG and _speaks_of(parts[1], person) and _tells(parts[1], person):
        parts = parts[1:]
        said = said[said.index(parts[0]) :]
    return " ".join(_JOINT.sub("", said).split()[:_WORDS]).rstrip(" ,;:.")


def _speaks_of(text: str, person: str) -> bool:
    return person in text or bool(_PRONOUN.search(text))


def _told(line: str, person: str) -> str:
    """What a sentence tells: from its first clause of worth to its last, as it is; "" where it tells nothing."""
    said = guards.unprefaced(line)
    if guards.is_order(said) or re.match(r"(?:don['\u2019]t|do not) ", said, re.IGNORECASE):
        return ""
    parts = _clauses(said)
    if said.rstrip("\"'\u201d)! ").endswith("?"):
        parts = parts[:-1]
    while parts and (_is_own(parts[-1], person) or _asks(parts[-1]) or guards.is_order(parts[-1])):
        parts = parts[:-1]
    while len(parts) > 1 and _leads_in(parts, person):
        parts = parts[1:]
    if not any(_tells(part, person) for part in parts):
        return ""
    found = said[said.index(parts[0]) : said.rindex(parts[-1]) + len(parts[-1])]
    found = re.sub(r"^who(?:se)?\b", lambda match: person + "'s" * (match[0] == "whose"), _JOINT.sub("", found))
    return "" if _OF_NOW.search(found) or _DOUBTS.search(found) else found


def _leads_in(parts: list[str], person: str) -> bool:
    """Whether the first clause only leads to what the next ones tell of the person."""
    more = any(_tells(part, person) for part in parts[1:])
    return more and bool((_is_own(parts[0], person) and person in parts[0]) or _REPORTED.search(parts[0]))


def _is_own(part: str, person: str) -> bool:
    """Whether a clause is about the speaker: not where "my neighbour" is the person."""
    introduced = re.match(rf"(?:my|our) (?:[\w-]+ ){{1,3}}{re.escape(person)}", part, re.IGNORECASE)
    return bool(_SPEAKER.match(part)) and not introduced


def _asks(part: str) -> bool:
    return guards.is_question(part) and not re.match(r"(?:who|whose|which|where|when)\b", part)


def _clauses(line: str) -> list[str]:
    """A sentence cut into pieces of at least three words, in their order."""
    found: list[str] = []
    start = 0
    for end in [*(match.start() for match in _CUT.finditer(line)), len(line)]:
        part = line[start:end].strip(" ,.;:!?\u2026")
        if len(part.split()) >= 3 or end == len(line):
            found += [part] if part else []
            start = end
    return found


def _tells(part: str, person: str) -> bool:
    """Whether a clause tells more than what the speaker did, or what the person said or did just once."""
    bare = _JOINT.sub("", part)
    if _is_own(bare, person) or _WITH_SPEAKER.search(bare) or len(bare.split()) < 3 or _asks(bare):
        return False
    acted = rf"(?:{re.escape(person)}|[Hh]e|[Ss]he)(?: \w+ly| only| just| once| has| had)? (?:{_ONCE})\b"
    return not (guards.is_order(bare) or re.match(acted, bare))
