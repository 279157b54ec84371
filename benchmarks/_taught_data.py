"""Facts about invented people, taught once and asked for in fresh conversations: the same for one seed everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import NamedTuple

from benchmarks._recall_data import Question, Turn, general_questions
from benchmarks._taught_words import (
    FIRST_ENDS,
    FIRST_STARTS,
    LAST_ENDS,
    LAST_STARTS,
    MENTIONS,
    RELATIONS,
    SMALL_TALK,
    Ask,
    Relation,
)

__all__ = [
    "PEOPLE",
    "Leaks",
    "Person",
    "Question",
    "Taught",
    "Turn",
    "Update",
    "conversation_text",
    "general_questions",
    "other_relations",
    "pairs",
    "people",
    "taught",
    "untaught",
]

PEOPLE = 40
"""So many people have facts at most; with more facts than that, everybody has several."""

_PRONOUNS = {"she": ("her", "her"), "he": ("his", "him")}
_BY_KEY = {relation.key: relation for relation in RELATIONS}


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist: a first name, a surname, and `she` or `he`."""

    name: str
    they: str

    def words(self, value: str) -> dict[str, str]:
        """The fields of a relation's templates."""
        their, them = _PRONOUNS[self.they]
        return {
            "name": self.name,
            "they": self.they,
            "They": self.they.capitalize(),
            "their": their,
            "Their": their.capitalize(),
            "them": them,
            "value": value,
        }


class Update(NamedTuple):
    """What a fact becomes, and how that is said."""

    value: str
    statement: str


@dataclass(frozen=True)
class Taught:
    """One fact: how it is told, how it is asked for, and what it becomes later.

    `chat` is a message that mentions the fact in passing. `mention` speaks of the person and says nothing about them:
    after it, or after any other turn about them, `follow_up` can be asked. `relation` is the key, for the report.
    """

    number: int
    person: Person
    relation: str
    value: str
    statement: str
    chat: str
    update: Update
    questions: tuple[Question, Question, Question]
    follow_up: Question
    mention: str

    def updated_questions(self) -> tuple[Question, ...]:
        """The same questions after the update: the new value is the answer."""
        words = self.person.words(self.update.value)
        return tuple(_question(ask, words, self.number) for ask in _BY_KEY[self.relation].asks)


class Leaks(NamedTuple):
    """Questions that nobody can answer, and the taught values that must not be said in reply.

    The questions have the beginnings of an answer and empty texts for answers, so do not score them with `holds`.
    """

    questions: list[Question]
    values: list[str]


def people(seed: int, n: int) -> list[Person]:
    """People of whom no two share a first name or a surname; fewer of them are the first of more."""
    return _people(random.Random(f"people {seed}"), n, ())


def taught(seed: int, n: int) -> list[Taught]:
    """`n` facts, dealt out so that nobody has two before everybody has one; fewer of them are the first of more.

    Relations are equally frequent as far as possible. A value, old or new, appears once before any appears twice.
    """
    if n > PEOPLE * len(RELATIONS):
        raise ValueError(f"There are {PEOPLE * len(RELATIONS)} facts at most, so {n} cannot be taught; ask for fewer.")
    draw = random.Random(f"taught {seed}")
    everybody = people(seed, min(n, PEOPLE))
    deal = _Deal(draw)
    found = []
    for number in range(n):
        turn, who = divmod(number, PEOPLE)
        relation = deal.relation(who, turn)
        found.append(_taught(draw, number, everybody[who], relation, deal.values(relation)))
    return found


def untaught(seed: int, facts: Sequence[Taught]) -> Leaks:
    """The questions about the facts, each asked about a stranger: one for every person, who shares no name with any."""
    known = list(dict.fromkeys(fact.person for fact in facts))
    strangers = _people(random.Random(f"untaught {seed}"), len(known), known)
    instead = dict(zip(known, strangers, strict=True))
    questions = [each for fact in facts for each in _unanswered(instead[fact.person], _BY_KEY[fact.relation])]
    return Leaks(questions, _values(facts))


def other_relations(seed: int, facts: Sequence[Taught]) -> Leaks:
    """For every fact all questions about something else, never said of the same person, while there is such a thing."""
    draw = random.Random(f"other relations {seed}")
    questions = []
    for person, told in _by_person(facts).items():
        taken = {fact.relation for fact in told}
        others = [relation for relation in RELATIONS if relation.key not in taken]
        for relation in draw.sample(others, min(len(told), len(others))):
            questions += _unanswered(person, relation)
    return Leaks(questions, _values(facts))


def pairs(seed: int, facts: Sequence[Taught]) -> list[Question]:
    """Questions for two facts at once: each fact with one about somebody else, then two about everybody who has two."""
    draw = random.Random(f"pairs {seed}")
    order = draw.sample(facts, len(facts))
    ring = zip(order, order[1:] + order[:1], strict=True)
    found = [_joined(first, second, second.questions[0]) for first, second in ring if first.person != second.person]
    for told in _by_person(facts).values():
        if len(told) > 1:
            first, second = draw.sample(told, 2)
            found.append(_joined(first, second, second.follow_up))
    return found


def conversation_text(seed: int, words: int) -> list[Turn]:
    """Everyday turns of at least so many words together, none of them twice before all have been taken."""
    draw = random.Random(f"small talk {seed}")
    found: list[Turn] = []
    have = 0
    while have < words:
        for user, assistant in draw.sample(SMALL_TALK, len(SMALL_TALK)):
            if have >= words:
                break
            found.append(Turn(user, assistant))
            have += len(user.split()) + len(assistant.split())
    return found


class _Deal:
    """Who gets which relation, and which values are next."""

    def __init__(self, draw: random.Random) -> None:
        size = len(RELATIONS)
        self._order = draw.sample(RELATIONS, size)
        # One row for each group of as many people as there are relations, so that no two groups are told alike.
        self._shifts = [draw.sample(range(size), size) for _ in range(0, PEOPLE, size)]
        self._queues = {each.key: draw.sample(each.values, len(each.values)) for each in RELATIONS}
        self._next = {each.key: count() for each in RELATIONS}

    def relation(self, who: int, turn: int) -> Relation:
        """What a person is told to have in this turn: something else in each."""
        size = len(self._order)
        return self._order[(who + self._shifts[who // size][turn]) % size]

    def values(self, relation: Relation) -> tuple[str, str]:
        """The value that is taught and the one it becomes: half a queue further, so never the same."""
        queue, place = self._queues[relation.key], next(self._next[relation.key])
        return queue[place % len(queue)], queue[(place + len(queue) // 2) % len(queue)]


def _taught(draw: random.Random, number: int, person: Person, relation: Relation, values: tuple[str, str]) -> Taught:
    value, later = values
    words = person.words(value)
    first, second, third = (_question(ask, words, number) for ask in relation.asks)
    return Taught(
        number,
        person,
        relation.key,
        value,
        relation.statement.format(**words),
        draw.choice(relation.chats).format(**words),
        Update(later, relation.update.format(**person.words(later))),
        (first, second, third),
        _question(relation.follow, words, number),
        draw.choice(MENTIONS).format(**words),
    )


def _people(draw: random.Random, n: int, known: Sequence[Person]) -> list[Person]:
    """People whose names begin like nobody's among those who are known."""
    firsts = [(start, they) for they, starts in FIRST_STARTS.items() for start in starts]
    firsts = [each for each in firsts if not any(person.name.startswith(each[0]) for person in known)]
    surnames = [person.name.split()[1] for person in known]
    lasts = [start for start in LAST_STARTS if not any(surname.startswith(start) for surname in surnames)]
    if n > min(len(firsts), len(lasts)):
        raise ValueError(f"There are not enough names for {n} people; ask for fewer.")
    ordered = zip(draw.sample(firsts, len(firsts)), draw.sample(lasts, len(lasts)), strict=False)
    found = []
    for (first, they), last in list(ordered)[:n]:
        found.append(Person(f"{first}{draw.choice(FIRST_ENDS[they])} {last}{draw.choice(LAST_ENDS)}", they))
    return found


def _question(ask: Ask, words: dict[str, str], number: int) -> Question:
    text, beginning = ask
    return Question(text.format(**words), ((beginning.format(**words), words["value"]),), (number,))


def _unanswered(person: Person, relation: Relation) -> list[Question]:
    words = person.words("")
    return [Question(text.format(**words), ((beginning.format(**words), ""),)) for text, beginning in relation.asks]


def _joined(first: Taught, second: Taught, asked: Question) -> Question:
    """The first question about the first fact, and `asked` about the second one."""
    question = first.questions[0]
    (beginning, value) = asked.parts[0]
    text = f"{question.text.removesuffix('?')}, and {_lowered(asked.text.removeprefix('And '), second.person)}"
    answer = (f", and {_lowered(beginning, second.person)}", value)
    return Question(text, (*question.parts, answer), question.needs + asked.needs)


def _lowered(text: str, person: Person) -> str:
    """The first letter small, unless the first word is the name."""
    return text if text.startswith(person.name) else text[0].lower() + text[1:]


def _by_person(facts: Sequence[Taught]) -> dict[Person, list[Taught]]:
    found: dict[Person, list[Taught]] = {}
    for fact in facts:
        found.setdefault(fact.person, []).append(fact)
    return found


def _values(facts: Sequence[Taught]) -> list[str]:
    """Without repetitions, in the order of the facts."""
    return list(dict.fromkeys(fact.value for fact in facts))
