"""English verbs, as far as statements need them: the third person, the plain form, and which words are verbs."""

from __future__ import annotations

import re

from .lexicon import words

MODALS = words("will can must shall may might could would should")
BE = words("am are is was were")
HAVE = words("have has had")
DO = words("do does did don't doesn't didn't")

_THIRD = {"be": "is", "have": "has", "do": "does", "go": "goes", "was": "was", "am": "is", "are": "is", "were": "was"}
_SIBILANT = re.compile(r"(?:s|x|z|ch|sh|o)$")

_PASTS = """
    ate:eat became:become began:begin bought:buy brought:bring broke:break built:build came:come caught:catch chose:choose
    did:do drank:drink drew:draw drove:drive fell:fall flew:fly forgot:forget fought:fight found:find gave:give got:get
    grew:grow had:have heard:hear held:hold hid:hide kept:keep knew:know laid:lay learnt:learn left:leave lent:lend
    lost:lose made:make married:marry met:meet moved:move paid:pay planned:plan rode:ride ran:run sang:sing sat:sit
    saw:see sent:send sold:sell slept:sleep spent:spend spoke:speak stole:steal stood:stand studied:study swam:swim
    taught:teach took:take thought:think threw:throw told:tell understood:understand went:go woke:wake won:win wore:wear
    wrote:write used:use lived:live loved:love hated:hate owned:own named:name adopted:adopt inherited:inherit
"""
PASTS = dict(pair.split(":") for pair in _PASTS.split())

_NO_VERBS = words("always sometimes perhaps besides this his its ours yours theirs hers as yes thus news")
_DOUBLED = re.compile(r"([bdgklmnprt])\1ed$(?<!lled)")
_WITH_E = re.compile(r"(?:[^aeiou][aeiouy][bcdgklmnprstvz]|[cgsvuz]|[bcdfgkpstz]l|[aeiou]{2}[sv]|rs|ns|[aeiou]u|i)ed$")
_WITHOUT_E = re.compile(r"(?:\w[^aeiou](?:er|en|it|on|el|al|op)|ss|zz|ff|ll|[aeiou]us|ow|nk|ck)ed$")
_HISSES = re.compile(r"(?:ss|x|[^aeiou]z|ch|sh|o)es$")


def third(verb: str) -> str:
    """The form that stands after "she": "keeps" for "keep". A past or modal form stays as it is."""
    if verb in _THIRD:
        return _THIRD[verb]
    if verb in MODALS or verb in PASTS or verb.endswith("ed"):
        return verb
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if _SIBILANT.search(verb) else "s")


def plain(verb: str) -> tuple[str, str] | None:
    """The auxiliary and the plain form that ask about a verb: ("does", "keep") for "keeps", ("did", "go") for "went".

    None for words that are no verb.
    """
    if is_past(verb):
        return "did", PASTS.get(verb) or _plain_past(verb)
    if verb in ("has", "does"):
        return "does", {"has": "have", "does": "do"}[verb]
    if not is_present(verb):
        return None
    if verb.endswith("ies") and len(verb) > 4:
        return "does", verb[:-3] + "y"
    return "does", verb[:-2] if _HISSES.search(verb) else verb[:-1]


def _plain_past(verb: str) -> str:
    """ "plan" for "planned", "bake" for "baked", "try" for "tried", "visit" for "visited"."""
    if verb.endswith("ied"):
        return verb[:-3] + "y"
    if _DOUBLED.search(verb):
        return verb[:-3]
    return verb[:-1] if _WITH_E.search(verb) and not _WITHOUT_E.search(verb) else verb[:-2]


def is_present(word: str) -> bool:
    """Whether a word looks like a verb after "she": it ends in an s of its own."""
    return (
        word.isalpha()
        and len(word) > 2
        and word.endswith("s")
        and not word.endswith(("ss", "us", "is"))
        and word not in _NO_VERBS
    )


def is_finite(word: str) -> bool:
    """Whether a word right after a subject in the third person looks like its verb."""
    return is_auxiliary(word) or is_present(word) or is_past(word)


def is_auxiliary(word: str) -> bool:
    """Whether a word is a verb that another may follow."""
    plain = word.replace("\u2019", "'")
    return any(plain in forms for forms in (BE, HAVE, MODALS, DO)) or plain.endswith("n't")


def is_past(word: str) -> bool:
    """Whether a word looks like a past form."""
    return word in PASTS or (len(word) > 4 and word.endswith("ed"))
