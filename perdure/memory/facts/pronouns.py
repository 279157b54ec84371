"""Questions with a pronoun in the place of a name, asked with the name."""

from __future__ import annotations

import re

_PRONOUN = re.compile(r"\b(?P<own>his|their|its)\b|\b(?P<her>her)\b|\b(?:he|she|they|him|them|it)\b", re.IGNORECASE)
_POSSESSED = re.compile(r" (?!(?:to|for|with|at|in|on|from|by|about|a|an|the|and|or|that|this|there|now|today)\b)[a-z]")


def with_name(text: str, name: str) -> str:
    """The text with its first pronoun of the third person replaced by a name ("her dog": "Ann's dog"); unchanged without.

    "her" is the possessive where a noun can follow.
    """
    found = _PRONOUN.search(text)
    if found is None:
        return text
    possessive = found["own"] or (found["her"] and _POSSESSED.match(text, found.end()))
    ending = "'s" if possessive else ""
    return f"{text[: found.start()]}{name}{ending}{text[found.end() :]}"
