"""What is said without being claimed: questions, orders, suppositions, denials, hearsay, and the small talk before."""

from __future__ import annotations

import re

from . import lexicon, verbs
from .lexicon import one_of, words

_ASIDES = one_of("""
    by the way, btw, oh, ah, aha, hey, hi, hello, hi there, hello there, well, okay, ok, anyway, anyways, you know what,
    you know, fun fact, random fact, just so you know, so you know, fyi, just fyi, for your information, to be honest,
    tbh, honestly, as you know, as you may know, as i said, as i mentioned, like i said, one more thing, another thing,
    in fact, yes, yeah, yep, yup, nope, no, sure, thanks, thank you, thanks a lot, thank you so much, great, cool, nice,
    lol, haha, hmm, hm, guess what, actually, personally, luckily, fortunately, sadly, unfortunately, for the record,
    for context, some context, context, for future reference, for reference, a bit about me, a little about me, about
    me, ps, p\\.s, finally, first, firstly, second, secondly, third, also, besides, incidentally, these days, nowadays,
    at the moment, currently, right now, at present, of course, good morning, good evening, good afternoon, funny
    enough, interestingly, off topic, on another note, on a different note, that reminds me, speaking of which, quick
    note, sorry, look, listen, so, and, but, oh and, ah and, plus, right, today, for starters, to start with, in case
    you wonder, in case you're wondering, in case you need it, before i forget, since you asked, since you ask, believe
    it or not, update, correction
""")
_OPENERS = one_of("""
    oh, and, but, so, also, well, plus, okay, ok, yes, yeah, actually, anyway, hey, hi, btw, by the way, you know, these
    days, nowadays, currently, today
""")
_LEADS = one_of("""
    (?:did|have) i (?:ever |already )?(?:tell|told) you, (?:did|have) i (?:ever |already )?mention(?:ed)?, (?:i
    )?(?:just |also )?(?:want(?:ed)?|would like|'d like) to (?:say|mention|tell you|add|let you know), i
    (?:should|must|have to|might) (?:say|mention|add|tell you), i forgot to (?:say|mention|tell you), let me (?:tell
    you|mention|add), (?:just )?(?:letting you|to let you|so you) know, you (?:should|might|may|ought to|need to|must)
    know, (?:as )?it turn(?:s|ed) out, turn(?:s|ed) out, the thing is, the fact is, did you know, i can tell you, i'm
    happy to say, i'm telling you, speaking of \\w+(?: \\w+)?(?: \\w+)?
""")
_PREAMBLE = re.compile(
    rf"(?:{_ASIDES}(?:[,:;!.\u2026]+| [\u2013\u2014-]+)\s+|{_OPENERS}\s+|{_LEADS}(?: that)?[,:]?\s+)", re.IGNORECASE
)
_ASIDE = re.compile(
    ", ?"
    + one_of("""
        by the way, btw, you know, of course, actually, incidentally, as you know, as i said, in fact, fyi, in case you
        wonder, in case you're wondering
    """)
    + "(?:,|$)",
    re.IGNORECASE,
)

_POLITE = one_of("""
    please, kindly, and, also, now, just, always, do, so, ok, okay, hey, hi, then, (?:can|could|would|will) you, i(?:'d|
    would) like you to, i (?:want|need) you to, you (?:should|must|can), make sure to, try to
""")
_REQUEST = rf"(?:{_POLITE}[, ]+)*"
_KEEP = one_of("""
    remember, note, keep in mind, bear in mind, don'?t (?:ever )?forget, do not (?:ever )?forget, never forget, make a
    (?:mental )?note, take (?:a )?note, memori[sz]e, note to self, save to memory, add to (?:your )?memory, learn,
    store, save, a (?:fact|thing|few things|few facts) to remember, things to remember, facts to remember, to remember
""")
_EXPLICIT = re.compile(
    rf"{_REQUEST}{_KEEP}(?: (?:this|these|the following|for me|for later|well|down|fact|facts|things?|about me|of this"
    r"|please|also))*(?:,? (?P<that>that)\b,?|\s*(?:[:\u2013\u2014]|-(?=\s)|\.{1,3}$|!$|$))\s*",
    re.IGNORECASE,
)
_BARE = re.compile(
    rf"(?i:{_REQUEST}(?:remember|note|don['\u2019]?t forget)),? "
    r"(?=(?:my|our|I|we|the|[A-Z])\b.* (?:is|are|has|have|was|am|lives?|works?)\b)"
)
_BACKWARD = re.compile(
    rf"{_REQUEST}(?:remember|note|keep|don['\u2019]?t forget|do not forget|memori[sz]e|save|store)"
    r"(?: (?:that|this|it|in mind|for me|please|for later|down|well|in memory))+[.!]*",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:, (?:so )?|[,;]? and )(?:please )?(?:(?:remember|note|don['\u2019]?t forget|save|store) (?:that|this|it)"
    r"|keep (?:that|this|it) in mind)(?: please)?[.! ]*$",
    re.IGNORECASE,
)

_ASKS = re.compile(
    one_of("""
        what, who, whom, whose, where, when, why, how, which, is, are, am, was, were, do, does, did, can, could, would,
        should, shall, have, has, had, isn't, aren't, don't, doesn't, didn't, won't, wouldn't, can't, couldn't, wasn't,
        haven't, hasn't
    """)
    + r"\b",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"\b"
    + one_of("""
        now, instead, no longer, (?:not|\\w+n't) .* (?:any ?(?:more|longer)|but), these days, nowadays, from now on, by now,
        meanwhile, since then, switched, changed, renamed, repainted, swapped, traded, replaced, gave up, given up, stopped,
        used to, new, correction, rather than, turned out, turns out, wrong, mistaken, mistake,
        misremembered, actually, in fact
    """)
    + r"\b",
    re.IGNORECASE,
)
_ADDS = re.compile(r"\b(?:also|too|as well|another|besides|in addition|additionally)\b", re.IGNORECASE)
_FORBIDS = re.compile(r"don['\u2019]t (?!you|i|we|they|people|any|some|all|the|my|our|his|her|their)[a-z]", re.IGNORECASE)
_CLEFT = re.compile(r"[Ww]hat(?:ever)? (?:I|[Mm]y|we|our|he|she|[A-Z]\w+)\b.* (?:is|are|was|were) \w")
_ORDERS = re.compile(
    one_of("""
        please, tell, write, give, show, explain, translate, summari[sz]e, list, help, make, let, let's, find, create,
        generate, describe, compare, suggest, recommend, read, correct, proofread, rewrite, fix, edit, improve, compose,
        draft, complete, continue, finish, calculate, convert, check, imagine, pretend, suppose, assume, say, ask, call
        him, call her, add, remove, use, try, go, stop, wish, forget, repeat, act, play the role, roleplay, role-play,
        classify, extract, analy[sz]e, paraphrase, rephrase, answer, consider, think, look, see, name
    """)
    + r"\b",
    re.IGNORECASE,
)
_BELIEFS = one_of("""
    if, unless, whether, maybe, perhaps, wish, wishes, wished, probably, possibly, presumably, supposedly, suppose,
    imagine, pretend, pretended, hypothetically, guess, hopefully, hope, hopes, hoping, apparently, allegedly, rumou?rs?,
    seems?, supposed, (?:am|'m) (?:thinking|considering|wondering), used to, dreamt, dreamed, likely, think, thought,
    thinks, believe, believes, assume, assumes, reckon, wonder, wonders, joking, kidding, in my dream, next life, as
    though, let's say
""")
_MODALS = one_of("""
    would, could, might, should, almost, nearly, (?:was|were) going to, about to, consider, considering,
    may(?= (?:be|have|become|get|move|not|or)\\b), (?:[Ii]|[Hh]e|[Ss]he|[Tt]hey|[Ww]e|[Yy]ou)'d
""")
_HEDGES = re.compile(
    rf"\b(?:{_BELIEFS}|{_MODALS})\b"
    r"|^(?:If|Unless|Maybe|Perhaps|Probably|Hopefully|Apparently|Suppose|Supposing|Assuming|When|Once|Whenever|Had)\b"
)
_DOUBTS = re.compile(rf"\b(?:{_BELIEFS}|doubt(?:s|ed)?|den(?:y|ies|ied)|pretends|lied|make-believe)\b", re.IGNORECASE)
_DENIALS = re.compile(
    r"\b(?:not|never|no longer|nobody|none|neither|nor|cannot|hardly|barely|no more|any ?more)\b|n['\u2019]t\b"
    r"|\bno (?!\.?\d)"
)
_ALLOWED_DENIAL = re.compile(r"\b(?:can['\u2019]?t|cannot) stand\b")
_HEARSAY = re.compile(
    r"\b"
    + one_of("""
        said, says, saying, told, tells, asked, asks, claims, claimed, replied, according to, heard, quote, quoted,
        mentioned, insists, insisted, shouted, answered, explained, swears, swore
    """)
    + r"\b"
)
_ALSO_SAYS = re.compile(r",? and (?:also |always |often |now )?(?:says|said|tells|told|claims)\b.*$")
_OWN_WORDS = re.compile(r"\bI(?:['\u2019]ve| have)? (?:ever |already |just )?(?:said|told|mentioned|asked)\b")
_TALES = re.compile(
    r"\bin (?:the|this|my|a) (?:story|novel|book|film|movie|game|dream|scenario|series|show|play|poem)\b", re.IGNORECASE
)

_WORKS_ON_TEXT = re.compile(
    one_of("""
        translate, proofread, correct, rewrite, rephrase, summari[sz]e, edit, improve, fix, continue, complete, finish,
        analy[sz]e, classify, paraphrase, extract, check, parse, grade, explain, spell-?check, shorten, expand, review,
        convert, repeat, say, turn, read, respond, reply, answer
    """)
    + r"\b.*(?::|\b(?:following|below|text|sentences?|paragraph|email|e-mail|letter|message|passage|essay|this|bio)\b)",
    re.IGNORECASE | re.DOTALL,
)
_PRETENDS = re.compile(
    one_of(
        "imagine, pretend, suppose, let'?s (?:say|pretend|imagine|play|assume), act as, role-?play, assume, hypothetically"
    )
    + r"\b",
    re.IGNORECASE,
)
_INVENTS = re.compile(
    r"(?:write|tell|compose|create|generate|draft|invent|make up|continue|finish)\b.*\b"
    + one_of("""
        story, stories, novel, poem, character, scene, dialogue, tale, fiction, screenplay, script, essay, example,
        biography, bio, limerick, song, fable, chapter
    """)
    + r"\b",
    re.IGNORECASE | re.DOTALL,
)
_POLITELY = re.compile(rf"{_POLITE}[, ]+", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|unless|supposing|assuming|[Ff]or example|e\.g\.)|^(?:If|Unless|Example)\b")


_OF_NOW = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|(?:this|last|next) (?:\w+ )?(?:morning|afternoon|evening|weekend|week|month|year"
    r"|spring|summer|autumn|winter|\w+day)|by (?:noon|\w+day|spring|summer|autumn|winter)|at the moment|just now|again"
    r"|(?:for|over) (?:breakfast|lunch|dinner|supper))\b",
    re.IGNORECASE,
)
_TO_SPEAKER = re.compile(r"\b(?:me|us|myself|ourselves)\b")
_ADVERB = re.compile(r"(?:\w+ly|also|always|often|never|still|even|now|only|usually) ")
_SOMETHING = re.compile(
    r"(?:an?|the|one|two|three|four|five|six|seven|eight|nine|ten|\d+|his|her|their|no) \w", re.IGNORECASE
)
_PASSING = words("""
    needs wants owes looks seems feels sounds appears thinks reckons believes hopes wonders says asks tells claims insists
    swears arrives leaves returns waits calls rings texts emails sends brings gets means suggests recommends offers promises
    agrees complains moans apologises apologizes deserves happens finds sees hears
""")
"""Verbs of what somebody does once, or thinks just now."""
_DEEDS = words("""
    bought built founded wrote won married inherited designed invented composed discovered climbed crossed adopted opened
    published graduated emigrated retired
""")
"""Verbs of what is told of somebody for good once it is done."""


def unprefaced(sentence: str) -> str:
    """A sentence without the small talk that opens it and the asides within; "Did I tell you that X?" asks nothing."""
    rest = sentence
    for _ in range(5):
        match = _PREAMBLE.match(rest)
        if match is None:
            break
        rest = rest[match.end() :]
        if match[0][:4].casefold() in ("did ", "have"):
            rest = rest.rstrip("?")
    return _ASIDE.sub(lambda match: "" if match.end() == len(match.string) else " ", rest).replace("  ", " ")


def explicit(sentence: str) -> tuple[str, bool] | None:
    """What a sentence asks to remember, and whether that goes on to the paragraph's end; None where it asks nothing."""
    match = _EXPLICIT.match(sentence)
    if match:
        rest = sentence[match.end() :]
        return None if match["that"] and not rest else (_ordered(rest), match["that"] is None)
    match = _BARE.match(sentence)
    return (_ordered(sentence[match.end() :]), False) if match and not sentence.endswith("?") else None


def _ordered(text: str) -> str:
    """What is to be remembered; "Can you remember that X?" is an order, and its question mark is dropped."""
    shorter = text.rstrip("? ")
    return text if is_question(shorter) else shorter


def points_back(sentence: str) -> bool:
    """Whether a sentence asks to remember the one before it ("Please remember that.")."""
    return bool(_BACKWARD.fullmatch(sentence))


def without_request(sentence: str) -> tuple[str, bool]:
    """A sentence without a request to remember at its end, and whether it had one."""
    shorter = _BEFORE.sub("", sentence)
    return shorter, shorter != sentence


def is_question(sentence: str) -> bool:
    """Whether a sentence asks. "What she likes best is rain" does not."""
    marked = sentence.rstrip("\"'\u201d)! ").endswith("?")
    return marked or (bool(_ASKS.match(sentence)) and not (_CLEFT.match(sentence) or _FORBIDS.match(sentence)))


def tells_change(sentence: str) -> bool:
    """Whether a sentence says that something was otherwise before: "now", "instead", but not "now also"."""
    return bool(_CHANGES.search(sentence)) and not _ADDS.search(sentence)


def is_claim(clause: str) -> bool:
    """Whether a clause claims what it says: it is no order, supposition, denial, hearsay or tale."""
    unsure = _HEDGES.search(clause) or _DENIALS.search(_ALLOWED_DENIAL.sub("", clause))
    return not (is_order(clause) or unsure or is_hearsay(clause) or _TALES.search(clause))


def is_certain(sentence: str) -> bool:
    """Whether what a sentence tells in passing may count: nothing in it is hearsay, a guess or a tale."""
    own = _ALSO_SAYS.sub("", sentence)
    return not (is_hearsay(own) or _DOUBTS.search(own) or _TALES.search(own))


def is_order(clause: str) -> bool:
    """Whether a clause tells somebody to do something."""
    return bool(_ORDERS.match(clause))


def is_hearsay(sentence: str) -> bool:
    """Whether a sentence reports somebody else's words."""
    return bool(_HEARSAY.search(_OWN_WORDS.sub("", sentence)))


def is_conditional(sentence: str) -> bool:
    """Whether a sentence as a whole hangs on a condition."""
    return bool(_CONDITION.search(sentence))


def gives_material(sentence: str) -> str:
    """What follows a sentence: "all" if it is text to be worked on or a game, "others" if it is a tale, else ""."""
    order = sentence
    while match := _POLITELY.match(order):
        order = order[match.end() :]
    if _PRETENDS.match(order) or _WORKS_ON_TEXT.match(order):
        return "all"
    return "others" if _INVENTS.match(order) else ""


def lasts(told: str) -> bool:
    """Whether what is told of somebody, in no known form, is worth to be known for good.

    That is what they are, have or do as a rule, and what they once did: no mood, nothing of today or done to the speaker.
    """
    if _OF_NOW.search(told) or _TO_SPEAKER.search(told):
        return False
    if told.startswith(("'s", "\u2019s")):
        return not any(verbs.is_past(word) for word in told.split()[1:5])
    verb, _, rest = _ADVERB.sub("", told).partition(" ")
    if verb in _DEEDS or told.startswith("once "):
        return True
    if verbs.is_auxiliary(verb):
        return verb in ("is", "has") and bool(_SOMETHING.match(rest))
    return verbs.is_present(verb) and verb not in _PASSING


def is_idle(said: list[str]) -> bool:
    """Whether words say nothing of their own ("Thanks so much")."""
    return all(word.casefold().strip(".,!?") in lexicon.BLANK for word in said)
