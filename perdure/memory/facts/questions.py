"""The questions that a fact answers, each with its answer up to the value."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from .base import Example, Fact, fold
from .parsing import Parsed, asked_subject, parsed
from .relations import Relation, every, find
from .statements import told
from .voices import USER, Voice, asking, render
from .wording import derived

ABOUT = (
    "What do you know about {}?",
    "What do you remember about {}?",
    "What can you say about {}?",
    "What did I tell you about {}?",
)
"""What is asked about a subject as a whole."""

_WRAPPERS = (
    "Do you know {}?",
    "Can you tell me {}?",
    "Do you remember {}?",
    "Please remind me {}.",
    "I forgot {}.",
    "Tell me {}.",
)
_NOUN_WRAPPERS = (*_WRAPPERS[:3], "Please remind me of {}.", *_WRAPPERS[4:])
_NOUN = re.compile(r"(?:the|my) |\S+ ?\S*'s ")
_ANYTHING = 4
"""Questions of any kind that a fact of no known form is taught with, beside those about its subject as a whole."""

_SHORT = 2
"""Questions that call a person by the first name alone."""


def examples(fact: Fact) -> list[Example]:
    """Questions that the fact answers, with their answers: at least eight for a known relation, five for an unknown one.

    A question that gives the value away is left out, unless all of them do.
    """
    if fact.verbatim:
        return [Example(question, fact.stem, fact.value) for question in _anything(fact)]
    found = list({example.question: example for example in (_known(fact) if fact.relation else _unknown(fact))}.values())
    value = f" {fold(fact.value)} "
    return [example for example in found if value not in f" {fold(example.question)} "] or found


def about(fact: Fact) -> list[str]:
    """Questions about the fact's subject as a whole."""
    topic = asking(fact.subject).object
    return [question.format(topic) for question in ABOUT]


def texts(fact: Fact) -> list[str]:
    """What a gate for the fact opens on: its questions, and the statement as it is recorded and as it is said."""
    if fact.verbatim:
        return list(dict.fromkeys([fact.statement, fact.spoken]))
    asked = [example.question for example in examples(fact)]
    return list(dict.fromkeys([*asked, *_obliquely(fact), fact.statement, fact.spoken]))


def _known(fact: Fact) -> Iterator[Example]:
    relation, noun = find(fact.relation)
    for number, question in enumerate(_asked(fact.subject, relation, noun)):
        template = relation.tells[number % len(relation.tells)]
        answer = told(fact.subject, template, noun, fact.value)
        yield Example(question, answer.removesuffix(f" {fact.value}."), fact.value)


def _asked(subject: str, relation: Relation, noun: str) -> Iterator[str]:
    voice = asking(subject)
    yield from (render(ask, voice, noun) for ask in relation.asks)
    yield from _wrapped(relation, voice, noun)
    if subject[0].isupper() and " " in subject:
        first = subject.split()[0]
        yield from (render(ask, Voice(first, f"{first}'s", first, "third"), noun) for ask in relation.asks[:_SHORT])


def _obliquely(fact: Fact) -> list[str]:
    if not fact.relation:
        return []
    relation, noun = find(fact.relation)
    return [render(ask, asking(fact.subject), noun) for ask in relation.obliquely(noun)]


def _wrapped(relation: Relation, voice: Voice, noun: str) -> Iterator[str]:
    """Indirect questions: each clause in every other wrapper."""
    for number, clause in enumerate(relation.clauses):
        inner = render(clause, voice, noun)
        named = inner.startswith(voice.name) and voice.name[0].isupper() and voice.name != "I"
        inner = inner if named else inner[0].lower() + inner[1:]
        for wrapper in (_NOUN_WRAPPERS if _NOUN.match(inner) else _WRAPPERS)[number % 2 :: 2]:
            yield wrapper.format(inner)


def _anything(fact: Fact) -> list[str]:
    """Questions of all kinds about a subject, always the same for the same words."""
    each = sorted(every(), key=lambda relation: zlib.crc32(f"{fact.spoken} {relation.key}".encode()))
    people = [relation for relation in each if not relation.user_only][:_ANYTHING]
    asked = [render(one.asks[0], asking(fact.subject), one.nouns[0] if one.nouns else "") for one in people]
    return [*about(fact), *asked]


def _unknown(fact: Fact) -> Iterator[Example]:
    parts = parsed(fact.subject, fact.spoken)
    for question in [*derived(fact.subject, parts), *_about(fact.subject, parts)]:
        yield Example(question, fact.stem, fact.value)


def _about(subject: str, parts: Parsed) -> Iterator[str]:
    topic = asking(subject).object
    yield f"Tell me what you know about {topic}." if subject == USER else f"Tell me about {topic}."
    yield from (question.format(topic) for question in ABOUT)
    if parts.verb and fold(asked_subject(subject, parts)) != fold(asking(subject).name):
        yield f"What do you know about {asked_subject(subject, parts)}?"
