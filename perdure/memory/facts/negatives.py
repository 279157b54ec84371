"""Questions that a fact must leave alone: what its gate has to stay closed on."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import islice

from . import nouns
from .base import Fact, Negatives, fold
from .lexicon import words
from .perspective import from_user
from .questions import ABOUT, examples
from .relations import Known, every, find, near
from .statements import unknown
from .voices import USER, Voice, asking, render

_SIBLINGS, _RELATIONS, _OTHERS = 3, 9, 5
_ASSISTANT = Voice("you", "your", "you", "second")
_STRANGERS = (
    "Ottilie Brandvold",
    "Casimir Ployart",
    "Henrietta Quist",
    "Barnaby Okonjo",
    "Fleur Dassler",
    "Tobias Ekdahl",
    "Leocadia Finch",
    "Rurik Valmont",
    "Imogen Sarkany",
    "Dagny Pelletier",
)
_GENERAL = (
    "What is the capital of Portugal?",
    "How many legs does a spider have?",
    "Can you help me write an email to a customer?",
    "Why is the sky blue?",
    "Write a short poem about the sea.",
    "How do I boil an egg?",
    "What should I cook tonight?",
    "Explain what a prime number is.",
    "Thanks, that helps me a lot.",
    "Who wrote Don Quixote?",
)
_TOPICS = (
    "Who came up with {}?",
    "How much does {} cost?",
    "Who told you about {}?",
    "Why is {} important?",
    "Who else knows of {}?",
    "How long does {} last?",
    "Who is responsible for {}?",
    "Whose idea was {}?",
    "What happened to {} last year?",
    "Can you write a joke about {}?",
)
_EMPTY = words("and what who where when which how does did are was can you the for with your")


def negatives(fact: Fact) -> Negatives:
    """Questions that the fact does not answer; always the same for the same fact.

    At least eight are about the same subject and none of those asks for the fact's relation or one like it; the next are
    the fact's own questions about at least three other people and about the listener; the last are about the world.
    """
    return Negatives(tuple(_of_subject(fact)), tuple(_of_others(fact)), _GENERAL)


def ordinary() -> list[str]:
    """Questions of every kind about people who do not exist, and about the world."""
    voices = [asking(name) for name in _STRANGERS]
    each = [(relation, relation.nouns[0] if relation.nouns else "") for relation in every()]
    asked = [
        render(ask, voices[i % len(voices)], noun) for i, (relation, noun) in enumerate(each) for ask in relation.asks[:2]
    ]
    return [*dict.fromkeys(asked), *_GENERAL]


def stranger(fact: Fact) -> str:
    """A name that has nothing to do with a fact."""
    parts = frozenset(fold(fact.subject).split())
    return next(name for name in _STRANGERS if parts.isdisjoint(fold(name).split()))


def _of_subject(fact: Fact) -> Iterator[str]:
    """Questions about the fact's subject for other relations: first the likest, then some from all over the library."""
    if not (fact.subject[0].isupper() or fact.subject.startswith(USER)):
        yield from (question.format(from_user(fact.subject)) for question in _TOPICS)
        return
    own = find(fact.relation) if fact.relation else None
    voice, said = asking(fact.subject), _said(fact)
    others = (known for known in [*_siblings(own), *_shuffled(fact)] if _apt(fact, known) and not (own and near(own, known)))
    questions = dict.fromkeys(render(known.relation.asks[0], voice, known.noun) for known in others)
    yield from islice((one for one in questions if own or said.isdisjoint(fold(one).split())), _SIBLINGS + _RELATIONS)


def _said(fact: Fact) -> frozenset[str]:
    """The words of a statement that a question about something else has no reason to use."""
    long = frozenset(word for word in fold(f"{fact.stem} {fact.value}").split() if len(word) > 2)
    return long - _EMPTY - frozenset(fold(fact.subject).split())


def _apt(fact: Fact, known: Known) -> bool:
    return fact.subject == USER or not known.relation.user_only


def _siblings(own: Known | None) -> list[Known]:
    """The same relation of other nouns."""
    if own is None or not own.noun:
        return []
    others = [noun for noun in own.relation.nouns if nouns.same(noun) != nouns.same(own.noun)]
    return [Known(own.relation, noun) for noun in others[:_SIBLINGS]]


def _shuffled(fact: Fact) -> list[Known]:
    """One of each relation, in an order that only the fact decides."""
    each = [Known(relation, relation.nouns[0] if relation.nouns else "") for relation in every()]
    return sorted(each, key=lambda known: zlib.crc32(f"{fact.key} {known.relation.key}".encode()))


def _of_others(fact: Fact) -> Iterator[str]:
    """The fact's own questions about people who have nothing to do with it, and about the listener."""
    parts = frozenset(fold(fact.subject).split())
    strangers = [name for name in _STRANGERS if parts.isdisjoint(fold(name).split())]
    start = zlib.crc32(fact.key.encode()) % len(strangers)
    for number, name in enumerate((strangers * 2)[start : start + _OTHERS]):
        yield _about(fact, asking(name), number)
    yield _about(fact, _ASSISTANT, 0)
    if fact.subject != USER:
        yield _about(fact, asking(USER), 0)


def _about(fact: Fact, voice: Voice, number: int) -> str:
    if fact.relation:
        relation, noun = find(fact.relation)
        return render(relation.asks[number % len(relation.asks)], voice, noun)
    other = unknown(voice.name, _renamed(fact, voice.name)) if voice.person == "third" else None
    questions = [example.question for example in examples(other)] if other else []
    return questions[number] if number < len(questions) else ABOUT[number % 2].format(voice.object)


def _renamed(fact: Fact, name: str) -> str:
    """The statement of an unknown relation as one about somebody else."""
    statement = fact.statement.removesuffix(".")
    if fact.subject.startswith(USER) or fact.subject[0].isupper():
        return re.sub(re.escape(fact.subject), lambda _: name, statement, count=1, flags=re.IGNORECASE)
    head = re.split(r" (?:of|for|in|at|to|on|with|from) ", re.sub(r"^(?:the|a|an) ", "", fact.subject))[0]
    return f"{name}'s {head}{statement[len(fact.subject) :]}"
