"""Sentences that tell what changed, said as what holds now."""

from __future__ import annotations

import re

from .lexicon import one_of
from .verbs import third

_INSTEAD = re.compile(
    r",? (?:and |but )?(?:not(?! only)|no longer|instead of|rather than|in place of) [^,;]+?[.!]?$", re.IGNORECASE
)
_NOT_BUT = re.compile(
    r"\b(?P<no>(?:does|do)(?:n['\u2019]t| not| no longer)|(?P<be>is|are)n['\u2019]t|no longer|not(?! only))(?P<old> [^,;]+?)"
    r"(?: any ?(?:more|longer))?,? but (?:rather |now |instead )?"
    r"(?P<new>(?!(?:i|my|we|our|he|she|it|they|you|that|this|there)\b|.*\b(?:is|are|was|were|has|have)\b)[^,;]+)$",
    re.IGNORECASE,
)
_FROM_TO = re.compile(
    r"\b(?:has |have |was |were |is )?(?:just |now |recently )?(?:been )?"
    + one_of("changed, switched, renamed, repainted, swapped, gone, went, replaced, moved on, turned")
    + r" from (?P<old>[^,;]+?) (?:to|into) (?P<new>[^,;]+)$",
    re.IGNORECASE,
)
_BY = re.compile(
    r"\b(?:has |have |was |were )?(?:just |now |recently )?(?:been )?"
    r"(?:replaced (?:by|with)|renamed(?: to)?|changed (?:in)?to|swapped for) (?P<new>[^,;]+)$",
    re.IGNORECASE,
)
_OWNED = re.compile(r"(?:\bmy|\bour|['\u2019]s) (?:[\w-]+ ){0,2}[\w-]+ $", re.IGNORECASE)
_KEPT = re.compile(r"(?: [a-z]{2,}s(?= ))?(?: (?:called|named|in|at|as|on|for|with|to|by|an?|the)(?= ))*")


def renewed(sentence: str) -> str:
    """ "Mara's dog is called Moss" for "Mara's dog is no longer called Rex but Moss"; other sentences as they are."""
    for pattern in (_FROM_TO, _BY):
        match = pattern.search(sentence)
        if match and _OWNED.search(sentence[: match.start()]):
            is_now = "is called" if "renamed" in match[0] else "is"
            return f"{sentence[: match.start()]}{is_now} {match['new']}"
    match = _NOT_BUT.search(sentence)
    if match:
        return _joined(f"{sentence[: match.start()]}{match['be'] or ''}".rstrip(), _plain(match), match["new"])
    return _INSTEAD.sub("", sentence)


def _plain(match: re.Match[str]) -> str:
    """What was negated, as it would stand without that: " works as a baker" for "doesn't work as a baker"."""
    if not match["no"].casefold().startswith("do"):
        return match["old"]
    verb, _, rest = match["old"].strip().partition(" ")
    return f" {third(verb) if match['no'].casefold().startswith('does') else verb} {rest}"


def _joined(before: str, old: str, new: str) -> str:
    """What stands before the negation, with what of the old part the new one needs."""
    first = new.split()[0]
    again = old.rfind(f" {first} ")
    kept = _KEPT.match(f"{old} ")
    shared = old[:again] if again >= 0 else kept[0] if kept else ""
    return " ".join(f"{before}{shared} {new}".split())
