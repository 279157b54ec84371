"""Whom "he" or "she" means: the one person whom the words before name with first and last name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from . import nouns
from .lexicon import TRADE_ENDINGS, TRADES, one_of, words
from .names import Name, located

_NOT_PEOPLE = words("""
    new san los las great north south east west united saint st hong kuala buenos rio costa el puerto cape mount lake
    river visual stack star game lord harry world second first open black white red blue green the big hotel café cafe
    bank university college school museum street road square bridge airport station church tower castle park palace
    company inc ltd corporation gmbh institute hospital theatre theater festival award prize league club union public
    license licence code software version product foundation source work works user users library general initial
    electronic header files combined corresponding covered free internal external project team group department ministry
    government council committee press news times post media network system systems service services act law treaty war
    battle section chapter figure table windows google microsoft apple amazon data model machine deep learning
    artificial island isle avenue beach coast
""")

_SOMEBODY = one_of("""
    man, woman, guy, girl, boy, lady, gentleman, bloke, chap, lad, person, fellow, stranger, host, hostess, guest,
    visitor, customer, client, patient, passenger, owner, member, officer, driver, worker, conductor, player, parent,
    character, hero, heroine, protagonist, villain, narrator, author, star, king, queen, prince, princess, saint, toddler,
    teenager, student, pupil, candidate, applicant, winner, director, singer, leader, captain, inspector, daughter
""")
_TRADE = "|".join(re.escape(trade) for trade in sorted(TRADES, key=len, reverse=True))
_ENDED = "|".join(TRADE_ENDINGS)
_OTHERS = re.compile(
    rf"(?:\b(?:an?|the|my|our|your|this|that|another|some|his|her|their|one|which)|\w['\u2019]s?) (?:[\w-]+ ){{0,2}}?"
    rf"(?:{_SOMEBODY}|{nouns.heads('kin')}|{nouns.heads('animals')}|{_TRADE}|\w*(?:{_ENDED}))(?![\w-])"
    r"|\b(?:(?-i:Mum|Mom|Dad|Mama|Papa|Grandma|Grandpa|Granny)|(?:some|any|every|no)(?:one|body)|whoever|each of)\b",
    re.IGNORECASE,
)
_TOLD = re.compile(
    r"\b(?:novels?|story|stories|tales?|poems?|plot|characters?|heroine?|protagonist|villain|narrator|fiction\w*|role|"
    r"starring|stars|films? about|movies? about|books? (?:about|on)|series about|episodes?|chapters?|scenes?|actor|actress|"
    r"legend|myth|biography|dreams?)\b",
    re.IGNORECASE,
)
_HIM = re.compile(r"\b(?:he|him|his|himself)\b", re.IGNORECASE)
_HER = re.compile(r"\b(?:she|her|hers|herself)\b", re.IGNORECASE)
_MALE = ("he", "his")
_OBJECT = re.compile(r"\b(?:him|her(?= (?:to|for|with|at|in|on|from|by|about|and|that|yesterday|today|again)\b|$))")
_STRETCH = re.compile(r"[,;:.!?]|\b(?:and|but|because|since|so|when|while|who|that|before|after|where)\b")

_IN_PLACE = re.compile(r"\b(?:in|near|around|through|across|on|the|at|into) $", re.IGNORECASE)
_MET = re.compile(r"\b(?:bump|bumps|bumped|bumping|run|runs|ran|running|crash\w*|laid|lay) into $", re.IGNORECASE)
_PLACE_OF = re.compile(
    r"\b(?:city|town|village|port|north|south|east|west|outside|centre|center|capital|state|province|island|isle|bay|gulf"
    r"|university|bank|republic|kingdom|county|region|coast|streets|edge|outskirts|middle|king|queen|king?dom) of $",
    re.IGNORECASE,
)
_TRAVELLED = re.compile(
    r"\b(?:go|goes|going|gone|went|flew|fly|flying|flight|flights|drove|drive|train|bus|trip|travel\w*|move[ds]?|moving|back"
    r"|way|came|come|home|sailed|ferry|over|up|down|return\w*|holiday|postcards?) (?:to|from) $",
    re.IGNORECASE,
)
_OPENS = re.compile(
    r"\w+ing|Lunch|Dinner|Breakfast|Coffee|Drinks|Tea|Party|Work|Home|Dear|Poor|Turns|Luckily|Funnily|Typical|Especially"
    r"|Since|Because|Although|Whereas|Film|Game|Movie|Quick|Great|Lovely|Nice|News|Met|Saw|Ran|Spoke|Got|Spent|Went"
)
"""Words with a capital that open a message and are nobody's name."""
_GROUP = re.compile(
    r"\b(?:and|with|parents|famil(?:y|ies)|kids|children|people|friends|team|band|couple|brothers|sisters|hotel|staff|shop"
    r"|restaurant|company|neighbours|neighbors|dogs|cats|colleagues|students|hospital|café|cafe|bakery|both|they|them)\b",
    re.IGNORECASE,
)


def is_full(name: str) -> bool:
    """Whether a name looks like the first and last name of a person."""
    parts = name.split()
    return 2 <= len(parts) <= 4 and parts[0][0].isupper() and _NOT_PEOPLE.isdisjoint(word.casefold() for word in parts)


def meant(pronoun: str, before: str, full_names: dict[str, str]) -> str:
    """Whom "he", "she", "his" or "her" means behind some words; "" where it may be anybody but one named person.

    Nobody's gender is known from a name: a pronoun of the other gender, an animal or a nameless person among the words, or
    a pronoun before the name, leaves it open.
    """
    if is_open(before):
        return ""
    named = list(_people(before, full_names))
    if len({name for name, _ in named}) != 1 or not is_full(named[0][0]):
        return ""
    first = (_HIM if pronoun.casefold() in _MALE else _HER).search(before)
    early = first is not None and first.start() < named[0][1]
    return "" if early or of_both(pronoun, before) or _beside_another(before) else named[0][0]


def of_both(pronoun: str, text: str) -> bool:
    """Whether a text has pronouns of the other gender than one."""
    return bool((_HER if pronoun.casefold() in _MALE else _HIM).search(text))


def is_open(before: str) -> bool:
    """Whether the words before a pronoun speak of a nameless person, of an animal, or of a tale."""
    return bool(_OTHERS.search(before)) or is_tale(before)


def is_tale(before: str) -> bool:
    """Whether words speak of a book, a film or a dream, whose people are none."""
    return bool(_TOLD.search(before))


def may_be_group(before: str) -> bool:
    """Whether "they" behind a sentence may mean several people, or the people of a place."""
    return bool(_GROUP.search(before))


def _people(text: str, full_names: dict[str, str]) -> Iterator[tuple[str, int]]:
    """The people in a text, by full name where it is known, and where each is named."""
    whole = {part: name.text for name in located(text) if is_full(name.text) for part in name.text.split()}
    for name in located(text):
        if not (_OPENS.fullmatch(name.text) or _is_place(name, text[max(0, name.start - 40) : name.start])):
            yield whole.get(name.text) or full_names.get(name.text, name.text), name.start


def _is_place(name: Name, before: str) -> bool:
    if name.owner and is_full(name.text):
        return False
    if _IN_PLACE.search(before) and not (is_full(name.text) and before.endswith(" on ")):
        return not (name.owner or _MET.search(before))
    return bool(_PLACE_OF.search(before)) or (" " not in name.text and bool(_TRAVELLED.search(before)))


def _beside_another(before: str) -> bool:
    """Whether "him" stands in one clause with the name, so that it means somebody else."""
    return any(_OBJECT.search(part.strip()) and any(is_full(name.text) for name in located(part)) for part in _parts(before))


def _parts(before: str) -> list[str]:
    return _STRETCH.split(before) if _OBJECT.search(before) else []
