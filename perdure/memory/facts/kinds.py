"""The shapes of values: what a name, a place, a trade or a date looks like in a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from . import lexicon
from .lexicon import one_of, words

Fits = Callable[[str, str], bool]
"""Whether a value, given the words before it, is of a kind."""

_MONTH = f"(?:{'|'.join(lexicon.MONTHS)})"
_DAY = r"(?:the )?\d{1,2}(?:st|nd|rd|th)?"
TIME = re.compile(
    r"\d|\b"
    + one_of("""
        (?:mon|tues|wednes|thurs|fri|satur|sun)days?, noon, midday, midnight, tomorrow, today, tonight, week, weekend,
        month, year, morning, evening, afternoon, day, spring, summer, autumn, fall, winter, christmas, easter, hours?,
        o'clock, (?:at|past|to) (?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half)
    """)
    + rf"\b|\b{_MONTH}\b",
    re.IGNORECASE,
)
DATE = re.compile(
    rf"(?:{_DAY}(?: of)? {_MONTH}|{_MONTH} {_DAY})(?:,? \d{{4}})?|\d{{1,4}}[./-]\d{{1,2}}(?:[./-]\d{{1,4}})?\.?"
    rf"|(?:christmas|new year's|leap) (?:eve|day)|(?:the )?[a-z-]+ of {_MONTH}|halloween|midsummer(?: eve| day)?",
    re.IGNORECASE,
)
CLOCK = re.compile(
    r"(?:about |around |half past |quarter (?:to|past) )?(?:\d{1,2}(?:[:.]\d\d)?|[a-z]+)"
    r"(?: ?[ap]\.?m\.?| o'clock| in the (?:morning|evening)| sharp|-thirty| thirty)*|noon|dawn|sunrise",
    re.IGNORECASE,
)
YEAR = re.compile(r"(?:19|20)\d\d")
EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
SCHOOL = re.compile(
    r"\b" + one_of("school, university, college, academy, institute, gymnasium, conservator\\w+, uni, poly\\w+") + r"\b",
    re.IGNORECASE,
)
_ROAD = re.compile(
    r"\d|"
    + one_of("""
        street, road, lane, avenue, square, drive, way, alley, boulevard, terrace, gata\\w*, vei\\w*, straße, strasse,
        gasse, close, crescent, court, hill, row, \\bst, \\brd, \\bave
    """)
    + r"\b",
    re.IGNORECASE,
)
_PLACED = re.compile(
    r"(?:at|in|on|near|behind|next to|inside|above|under|(?:just )?outside|by|opposite|close to|beside|beneath) ",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"(?:a|an|the) ", re.IGNORECASE)
_AGE = re.compile(r"\d{1,3}(?: and a half)?")
_MEASURE = re.compile(r"(?:about |almost |exactly )?\d")
_SOME = re.compile(r"^(?:a little|a bit of|a bit|some|fluent|basic|good|decent|mostly) ")
_LIST = re.compile(r",? and |, | & ")

_PARTICLES = words("van von de der den del della da di du la le bin ibn al el of the af av zu y ten ter dos")
_NAMING = ("called ", "named ", "name is ", "name's ", "is called", "name of ", "answers to ", "goes by ")
_CLAUSAL = lexicon.BLANK - words("""
    a all always an any at both every from her his my no old on our red some such the their two young in between above
    under great good black full free home hard
""")
"""Words with which no value begins."""
_NO_THINGS = words("the a an at from on in her his my our their your all both every any some such")
_NO_SORTS = (lexicon.BLANK | words("bit little pain big true gift present wreck mess joy handful few total")) - {"old"}
_NO_TRADES = words("keen avid passionate good great bad terrible big born natural amateur former would-be hobby decent fan")
_NO_MANNERS = words("and or but at in on every before after so very a too the more when for most is are from better")


def _first(value: str) -> str:
    return value.split()[0].casefold()


def name(value: str, before: str) -> bool:
    """Words that begin with capitals; behind "called", one or two others too."""
    if is_name(value):
        return _first(value) not in lexicon.BLANK | lexicon.DEMONYMS | lexicon.LANGUAGES
    parts = value.split()
    spoken = before.casefold().endswith(_NAMING) and len(parts) <= 2
    return (
        spoken
        and parts[0].isalpha()
        and _first(value) not in lexicon.BLANK
        and not any(one.endswith("ing") for one in parts)
    )


def is_name(value: str) -> bool:
    """Whether every word of a value could be a name's."""
    return value[:1].isupper() and all(word[:1].isupper() or word in _PARTICLES for word in value.split())


def names(value: str, _: str) -> bool:
    """Several names: "Ada and Max"."""
    parts = _LIST.split(value)
    return len(parts) > 1 and all(is_name(part) for part in parts)


def phrase(value: str, _: str) -> bool:
    """Any words that name something: not all of them are empty, and the first begins no clause."""
    return _first(value) not in _CLAUSAL and not lexicon.BLANK.issuperset(value.casefold().split())


def trait(value: str, before: str) -> bool:
    """A phrase that does not tell the state of a thing."""
    return phrase(value, before) and _first(value) not in lexicon.STATES


def thing(value: str, before: str) -> bool:
    """A noun phrase that stands alone: "old maps", not "the idea" or "your answer"."""
    return phrase(value, before) and _first(value) not in _NO_THINGS


def doing(value: str, before: str) -> bool:
    """A pastime: "building kites"."""
    return phrase(value, before) and _first(value) not in _NO_THINGS - {"all"}


def place(value: str, _: str) -> bool:
    """A town, a country, "a small village": a capital, an article or a single word."""
    parts = value.casefold().split()
    if parts[0] in _CLAUSAL or parts[-1] in lexicon.ABSTRACT or value.casefold() in lexicon.ABSTRACT or value[0].isdigit():
        return False
    return len(parts) == 1 or _capital(value) or bool(_ARTICLE.match(value))


def organisation(value: str, before: str) -> bool:
    """A firm or the like, by its name or with an article."""
    return (_capital(value) or bool(_ARTICLE.match(value))) and place(value, before) and not TIME.search(value)


def _capital(value: str) -> bool:
    return any(word[0].isupper() for word in value.split())


def address(value: str, before: str) -> bool:
    """A road, or anything with a number."""
    return bool(_ROAD.search(value)) and phrase(value, before)


def trade(value: str, _: str) -> bool:
    """What somebody works as: its head is a trade or ends like one ("a retired piano tuner", "head chef at a hotel")."""
    parts = value.casefold().split()
    if not _NO_TRADES.isdisjoint(parts) or "student at" in value:
        return False
    heads = [parts[-1], *(one for one, link in pairwise(parts) if link in ("of", "in", "at", "for"))]
    return any(head in lexicon.TRADES or head.endswith(lexicon.TRADE_ENDINGS) for head in heads)


def post(value: str, before: str) -> bool:
    """Any other position ("head of sales")."""
    parts = value.casefold().split()
    return phrase(value, before) and len(parts) > 1 and not TIME.search(value) and parts[-1] not in lexicon.BLANK


def when(value: str, _: str) -> bool:
    """A time or a date with its preposition."""
    return bool(TIME.search(value)) and _first(value) not in ("not", "getting", "going")


def where(value: str, _: str) -> bool:
    """A place with its preposition."""
    return bool(_PLACED.match(value)) and not TIME.search(value)


def school(value: str, _: str) -> bool:
    """A school by its name or its sort."""
    return bool(SCHOOL.search(value))


def age(value: str, _: str) -> bool:
    """A number of years."""
    return bool(_AGE.fullmatch(value)) or (_is_number(value) and value.casefold() not in ("no", "one"))


def count(value: str, _: str) -> bool:
    """A number in figures or words."""
    return value.isdecimal() or _is_number(value)


def measure(value: str, _: str) -> bool:
    """Figures with a unit."""
    return bool(_MEASURE.match(value))


def code(value: str, before: str) -> bool:
    """Anything with figures, or a few words that may be a password."""
    if any(char.isdigit() for char in value) or _is_number(value):
        return True
    few = len(value.split()) <= 4 and trait(value, before)
    return few and not value.endswith("ing") and _first(value) not in ("a", "an", "the")


def _is_number(value: str) -> bool:
    return all(word in lexicon.NUMERALS for word in re.split(r"[\s-]+", value.casefold()))


def sort(value: str, _: str) -> bool:
    """A kind of animal or machine with its article: "a border collie", not "a bit shy"."""
    parts = value.casefold().split()
    return parts[0] in ("a", "an") and len(parts) > 1 and _NO_SORTS.isdisjoint(parts[1:]) and parts[-1] != "old"


def title(value: str, _: str) -> bool:
    """What is written with a capital: a book, a club, a product."""
    return value.removeprefix("the ")[0].isupper() and not TIME.fullmatch(value)


def manner(value: str, _: str) -> bool:
    """How something is taken: "black", "with two sugars"."""
    return _first(value) not in _NO_MANNERS


def listed(known: frozenset[str]) -> Fits:
    """Whether a value is one of the words, or several of them."""
    return lambda value, _: known.issuperset(_SOME.sub("", part) for part in _LIST.split(value.casefold()))


def headed(known: frozenset[str]) -> Fits:
    """Whether a value, or each of several, ends in one of the words: "the bass guitar"."""
    return lambda value, _: all(part in known or part.split()[-1] in known for part in _LIST.split(value.casefold()) if part)


def shaped(pattern: re.Pattern[str]) -> Fits:
    """Whether a value is what a pattern describes."""
    return lambda value, _: bool(pattern.fullmatch(value))
