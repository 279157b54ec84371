"""Statements compared with the library: which relation a clause states, of which noun, with which value.

A clause comes with its subject replaced by a mark. Patterns are kept by the word that follows the mark, so that a clause
meets few of them, and each is tried from the clause's beginning only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

from . import nouns, values, voices
from .lexicon import one_of
from .relations import Relation, every

THIRD, OWNER, PLURAL = "\ue000", "\ue001", "\ue002"
"""What stands for the subject: with a verb in the third person, as owner, with a plain verb ("I", "they")."""

_ANY = f"[{THIRD}{PLURAL}]"
_FEWEST = 2
"""Spaces of the shortest statement: "I'm Jonas" with its verb set apart."""
_PARTS = re.compile(
    r"X (?P<verb>\w+)\*|(?P<owner>X's)|\b(?P<subject>[XM])\b|(?P<noun>\bN\b)|(?P<any>\bV\b)|(?P<be> is )|(?P<one>\ba N\b)"
    r"|(?P<mark>')|%(?P<macro>[a-z]+)"
)
_FIRMS = one_of("""
    bank, insurance, airlines?, airways, bakery, brewery, logistics, company, firm, group, police, army, navy, railways?,
    council, university, hospital, orchestra, agency, ltd, inc, gmbh, solutions, systems, consulting, consultants,
    partners, industries, media, press, motors, foods, foundation, institute, ministry, museum, library, theatre, studios?,
    shipping, energy, electric, software, engineering, post office, fire brigade
""")
"""How the names of employers end."""
_MACROS = {
    "own": r"(?:my|our|his|her|their|the)",
    "a": r"(?:an?|one)",
    "some": r".{1,50}",
    "cap": r"(?-i:(?=[A-Z\u00c0-\u00de]))",
    "has": r"(?:have|has|own|owns|got|bought|adopted|keep|keeps|have got|has got|have bought|has bought)",
    "called": r"(?:called|named|whose name is|by the name of)",
    "firm": rf"(?=(?:[\w&'\u2019.-]+ ){{0,4}}?{_FIRMS}\b)",
    "word": r"[\w'\u2019-]+",
}


class Heard(NamedTuple):
    """What a clause states of its subject."""

    relation: Relation
    noun: str
    value: str


class _Pattern(NamedTuple):
    relation: Relation
    regex: re.Pattern[str]


def heard(clause: str, of_user: bool) -> Heard | None:
    """What a clause with a marked subject states, or None. `of_user` says that the subject is the speaker."""
    if clause.count(" ") < _FEWEST:
        return None
    return next((found for pattern in _candidates(clause) if (found := _tried(pattern, clause, of_user))), None)


def _tried(pattern: _Pattern, clause: str, of_user: bool) -> Heard | None:
    match = pattern.regex.fullmatch(clause)
    if match is None or (pattern.relation.user_only and not of_user):
        return None
    relation, start = pattern.relation, match.start("v")
    noun = nouns.bare(match.groupdict().get("n") or relation.nouns[0]) if relation.nouns else ""
    if not nouns.is_plain(noun):
        return None
    value = values.tidy(match["v"], relation.kind)
    return Heard(relation, noun, value) if values.fits(value, relation.kind, clause[:start]) else None


def _candidates(clause: str) -> Iterator[_Pattern]:
    mark, _, rest = clause.partition(" ")
    index = _index()
    if mark in (THIRD, OWNER, PLURAL):
        keys = [(mark, rest.split(" ", 1)[0].casefold()), (mark, "")]
    else:
        keys = [("", mark.casefold()), ("", "")]
    found = [numbered for key in keys for numbered in index.get(key, ())]
    for _, pattern in sorted(found, key=lambda numbered: numbered[0]):
        yield pattern


@cache
def _index() -> dict[tuple[str, str], list[tuple[int, _Pattern]]]:
    """Numbered patterns by mark and first word; "" stands for any word."""
    index: dict[tuple[str, str], list[tuple[int, _Pattern]]] = {}
    templates = [(relation, template) for relation in every() for template in (*relation.tells, *relation.hears)]
    for number, (relation, template) in enumerate(templates):
        pattern = _Pattern(relation, re.compile(_regex(template, relation), re.IGNORECASE))
        for key in _keys(template):
            index.setdefault(key, []).append((number, pattern))
    return index


def _keys(template: str) -> Iterator[tuple[str, str]]:
    mark, _, rest = template.partition(" ")
    word = rest.split(" ", 1)[0]
    if mark == "X" and word.endswith("*"):
        yield THIRD, voices.agreeing(word[:-1], "third")
        yield from ((PLURAL, voices.agreeing(word[:-1], person)) for person in ("first", "second"))
    elif mark == "X":
        yield from ((sort, word if word.isalpha() else "") for sort in (THIRD, PLURAL))
    elif mark == "X's":
        yield OWNER, word if word.isalpha() and word != "N" else ""
    else:
        yield "", mark.casefold() if mark.isalpha() and mark != "V" else ""


def _regex(template: str, relation: Relation) -> str:
    def part(match: re.Match[str]) -> str:
        if match["verb"]:
            return _agreeing(match["verb"])
        if match["macro"]:
            return _MACROS[match["macro"]]
        if match["one"]:
            return rf"(?:an?|one) (?:[\w-]+ ){{0,2}}?(?P<n>{_nouns(relation, nouns.heads)})"
        return f"(?P<n>{_nouns(relation, nouns.pattern)})" if match["noun"] else _SLOTS[match.lastgroup or ""]

    return _PARTS.sub(part, template)


_SLOTS = {
    "owner": OWNER,
    "subject": _ANY,
    "any": "(?P<v>.+)",
    "be": r"(?: is|['\u2019]s(?!.* (?:is|are|was|has)\b)| are|:) ",
    "mark": "['\u2019]",
}


def _nouns(relation: Relation, of_list: Callable[[str], str]) -> str:
    if relation.open:
        return r"[\w'\u2019-]+(?: [\w'\u2019-]+){0,3}?"
    return "|".join(of_list(name) for name in relation.lists)


def _agreeing(verb: str) -> str:
    plural = {voices.agreeing(verb, person) for person in ("first", "second")}
    return f"(?:{THIRD} {voices.agreeing(verb, 'third')}|{PLURAL} (?:{'|'.join(sorted(plural))}))"
