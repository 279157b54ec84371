"""Conversations that say something once, and questions about it: the same for one seed on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks._recall_words import GENERAL, KIN, NAMES, PLACES, RELATIONS, REPLIES, Ask, KeyWords, Relation


@dataclass(frozen=True)
class Question:
    """What is asked, and how the answer is scored.

    `parts` are pairs of words that the answer is forced to say and words that must then follow; `needs` are the
    numbers of the facts without which nobody can know.
    """

    text: str
    parts: tuple[tuple[str, str], ...]
    needs: tuple[int, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """What a free answer must contain, all of it."""
        return tuple(answer for _, answer in self.parts)

    def holds(self, answer: str) -> bool:
        """Whether a free answer says all that was asked."""
        return all(wanted.lower() in answer.lower() for wanted in self.answers)


@dataclass(frozen=True)
class Person:
    """Somebody the user talks about."""

    name: str
    kin: str
    they: str

    def words(self, value: str) -> dict[str, str]:
        """The fields of a relation's templates."""
        their = {"she": "her", "he": "his"}[self.they]
        kin = self.kin
        return {
            "name": self.name,
            "kin": kin,
            "Kin": kin.capitalize(),
            "they": self.they,
            "They": self.they.capitalize(),
            "their": their,
            "value": value,
        }


@dataclass(frozen=True)
class Fact:
    """One sentence the user says once. `person` is None for a key."""

    number: int
    statement: str
    value: str
    person: Person | None
    relation: Relation | KeyWords
    words: dict[str, str]

    def questions(self) -> list[Question]:
        """The paraphrases."""
        return [self._question(ask) for ask in self.relation.asks]

    def follow_up(self) -> Question:
        """The same asked with a pronoun; only a fact about a person has one."""
        if not isinstance(self.relation, Relation):
            raise TypeError("A key has no pronoun; ask for the follow-up of a fact about a person.")
        return self._question(self.relation.follow)

    def in_two_sentences(self) -> tuple[str, str]:
        """Who it is about, then what is true of them: the second sentence has only a pronoun."""
        if not isinstance(self.relation, Relation):
            raise TypeError("A key has no pronoun; only a fact about a person is told in two sentences.")
        first = "I had dinner with {kin} {name} last week.".format(**self.words)
        return first, f"{self.words['They']} {self.relation.which.format(**self.words)}."

    def _question(self, ask: Ask) -> Question:
        text, prefix = ask
        return Question(text.format(**self.words), ((prefix.format(**self.words), self.value),), (self.number,))


@dataclass(frozen=True)
class Turn:
    """A user message and its answer; `fact` is the number of the fact that it states."""

    user: str
    assistant: str
    fact: int | None = None


@dataclass(frozen=True)
class Conversation:
    """What was said. Facts are numbered over both lists: the facts about people first, then the keys."""

    seed: int
    turns: tuple[Turn, ...]
    facts: tuple[Fact, ...]
    keys: tuple[Fact, ...]

    def fact(self, number: int) -> Fact:
        """The fact or key of this number."""
        return (self.facts + self.keys)[number]


def conversation(
    seed: int,
    filler: Iterator[str],
    turns: int,
    *,
    facts: int = 10,
    people: int = 8,
    keys: int = 10,
    style: int = 0,
    quiet: int = 8,
) -> Conversation:
    """A conversation of `turns` turns, `facts` and `keys` of them stating something once, none of the last `quiet`.

    Where there are fewer people than facts, the first ones have two. `style` picks one of two disjoint sets of
    relations and wordings, so that a recipe chosen on one is tried on the other.
    """
    draw = random.Random(f"recall {style} {seed}")
    said = (*_facts(draw, facts, people, style), *_keys(draw, keys, facts, style))
    places = dict(zip(draw.sample(range(turns - quiet), len(said)), draw.sample(said, len(said)), strict=True))
    found = tuple(_turn(draw, places.get(number), filler) for number in range(turns))
    return Conversation(seed, found, said[:facts], said[facts:])


def single_questions(talk: Conversation) -> list[Question]:
    """Every paraphrase of every fact and key."""
    return [question for fact in talk.facts + talk.keys for question in fact.questions()]


def two_fact_questions(talk: Conversation) -> list[Question]:
    """Two facts about two people, or two keys, in one question; each fact is in two of them."""
    return [_joined(pair) for group in (talk.facts, talk.keys) for pair in _pairs(group)]


def which_questions(talk: Conversation) -> list[Question]:
    """Which of two people it was."""
    return [_which(first, second) for first, second in _pairs(talk.facts)]


def follow_ups(talk: Conversation) -> list[tuple[Question, Question]]:
    """For each person with two facts and either order: a question by name, then one with a pronoun."""
    found = []
    for fact in talk.facts:
        found += [(fact.questions()[0], other.follow_up()) for other in talk.facts if _same_person(fact, other)]
    return found


def topic_changes(talk: Conversation) -> list[tuple[Question, Question]]:
    """A question about one fact, then one about something else."""
    return [(first.questions()[0], second.questions()[-1]) for first, second in _pairs(talk.facts + talk.keys)]


def general_questions() -> list[Question]:
    """What a small model knows without being told."""
    return [Question(text, ((prefix, answer),)) for text, prefix, answer in GENERAL]


def overview_question(talk: Conversation) -> Question:
    """Asks for all facts about people at once; `answers` are their values, to be counted one by one."""
    parts = tuple(("", fact.value) for fact in talk.facts)
    return Question(
        "Tell me everything you know about my family and friends.", parts, tuple(fact.number for fact in talk.facts)
    )


def buried(statement: str, filler: Iterator[str], words: int, place: float) -> str:
    """A message of about `words` words with the statement among its sentences, at 0 the first, at 1 the last."""
    sentences: list[str] = []
    while sum(len(each.split()) for each in sentences) < words - len(statement.split()):
        sentences += split_sentences(next(filler))
    while len(sentences) > 1 and sum(len(each.split()) for each in sentences[:-1]) >= words - len(statement.split()):
        sentences.pop()
    sentences.insert(round(place * len(sentences)), statement)
    return " ".join(sentences)


def split_sentences(text: str) -> list[str]:
    """At a full stop, a question mark or an exclamation mark with a blank behind it."""
    found, start = [], 0
    for index in range(len(text) - 1):
        if text[index] in ".!?" and text[index + 1] == " ":
            found.append(text[start : index + 1].strip())
            start = index + 1
    return [each for each in (*found, text[start:].strip()) if each]


def pieces(text: str, words: int = 60) -> Iterator[str]:
    """A text in pieces of whole sentences with at least this many words, over and over."""
    sentences = split_sentences(" ".join(text.split()))
    while True:
        piece: list[str] = []
        for sentence in sentences:
            piece += sentence.split()
            if len(piece) >= words:
                yield " ".join(piece)
                piece = []


def _facts(draw: random.Random, count: int, people: int, style: int) -> list[Fact]:
    everybody = _people(draw, people)
    # Each person once before anybody has a second fact, and never the same relation for one person.
    owners = [everybody[number % people] for number in range(count)]
    relations = RELATIONS[style]
    order = draw.sample(relations, len(relations))
    values = {relation.statement: draw.sample(relation.values, len(relation.values)) for relation in relations}
    shift = 1 if people % len(order) == 0 else 0
    found = []
    for number, person in enumerate(owners):
        relation = order[(number + shift * (number // people)) % len(order)]
        value = values[relation.statement].pop()
        words = person.words(value)
        found.append(Fact(number, relation.statement.format(**words), value, person, relation, words))
    return found


def _people(draw: random.Random, count: int) -> list[Person]:
    names = draw.sample(NAMES, count)
    return [Person(name, draw.choice(KIN[they]), they) for name, they in names]


def _keys(draw: random.Random, count: int, first: int, style: int) -> list[Fact]:
    relation = PLACES[style]
    found = []
    for number, place in enumerate(draw.sample(relation.values, count)):
        value = str(draw.randrange(10000, 100000))
        words = {"place": place, "value": value}
        found.append(Fact(first + number, relation.statement.format(**words), value, None, relation, words))
    return found


def _turn(draw: random.Random, fact: Fact | None, filler: Iterator[str]) -> Turn:
    reply = draw.choice(REPLIES)
    return Turn(next(filler), reply) if fact is None else Turn(fact.statement, reply, fact.number)


def _pairs(facts: Sequence[Fact]) -> list[tuple[Fact, Fact]]:
    """Each fact with the next one."""
    return list(zip(facts, (*facts[1:], facts[0]), strict=True))


def _joined(pair: tuple[Fact, Fact]) -> Question:
    first, second = (fact.questions()[0] for fact in pair)
    text = f"{first.text.removesuffix('?')}, and {_lowered(second.text)}"
    (opening, answer), (middle, other) = first.parts[0], second.parts[0]
    return Question(text, ((opening, answer), (f", and {_lowered(middle)}", other)), first.needs + second.needs)


def _lowered(text: str) -> str:
    """The first letter small, unless the first word is a name."""
    name = text.split()[0].removesuffix("'s")
    return text if name in {each for each, _ in NAMES} else text[0].lower() + text[1:]


def _which(first: Fact, second: Fact) -> Question:
    if not (first.person and second.person and isinstance(first.relation, Relation)):
        raise TypeError("Only people can be told apart by name.")
    names = sorted((first.person.name, second.person.name))
    trait = first.relation.which.format(**first.words)
    return Question(f"Which of {names[0]} and {names[1]} {trait}?", (("The answer is", first.person.name),), (first.number,))


def _same_person(fact: Fact, other: Fact) -> bool:
    return fact.person == other.person and fact.number != other.number
