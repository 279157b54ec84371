"""The library of relations: what it says of itself, and that its statements are recognised again."""

from __future__ import annotations

import re

import pytest

from perdure.errors import InvalidInput
from perdure.memory.facts import USER, Fact, examples, extract, known, negatives, relations, texts
from perdure.memory.facts.base import fold
from perdure.memory.facts.values import KINDS, fits
from perdure.memory.facts.voices import asking, render

LIBRARY = {relation.key: relation for relation in relations.every()}
SUBJECTS = [USER, "Mara Lindqvist", "\u00c5sa O'Brien", "the user's cousin"]


def facts(key: str) -> list[Fact]:
    """The sample of a relation for every noun and, where they fit, all subjects."""
    relation = LIBRARY[key]
    subjects = SUBJECTS[:1] if relation.user_only else SUBJECTS
    return [known(who, relation.named(noun), relation.sample) for who in subjects for noun in relation.nouns or ("",)]


def test_the_library_is_large_and_its_keys_differ() -> None:
    assert len(LIBRARY) == len(relations.every()) >= 60


@pytest.mark.parametrize("key", LIBRARY)
def test_a_relation_is_whole(key: str) -> None:
    relation = LIBRARY[key]
    assert relation.kind in KINDS
    assert fits(relation.sample, relation.kind, "called ")
    assert len(relation.tells) >= 2 or relation.user_only
    assert all(template.endswith(" V") for template in relation.tells)
    assert len(relation.asks) >= 4
    assert len(relation.clauses) == 2
    assert any(re.search(r"\bN\b", ask) for ask in relation.asks) == bool(relation.nouns)


@pytest.mark.parametrize("key", LIBRARY)
def test_a_relation_is_asked_for_obliquely_too(key: str) -> None:
    relation = LIBRARY[key]
    named = {noun for line in relation.oblique if ": " in line for noun in line.partition(": ")[0].split(", ")}
    assert named <= set(relation.nouns)
    for noun in relation.nouns[:3] or ("",):
        found = [
            render(each, asking(subject), noun) for subject in (USER, "Mara Lindqvist") for each in relation.obliquely(noun)
        ]
        assert len(set(found)) == len(found) >= 10
        assert not any(re.search(r"[*:]| [XNMV]\b", each) for each in found)


@pytest.mark.parametrize("key", LIBRARY)
def test_what_a_relation_states_is_recognised(key: str) -> None:
    relation = LIBRARY[key]
    for fact in facts(key):
        _, noun = relations.find(fact.relation)
        for template in relation.tells:
            said = render(template, asking(fact.subject), noun, relation.sample) + "."
            assert [found.fact for found in extract(said)] == [fact], said


@pytest.mark.parametrize("key", LIBRARY)
def test_its_questions_are_many_and_do_not_give_the_value_away(key: str) -> None:
    for fact in facts(key):
        found = examples(fact)
        assert len(found) == len({example.question for example in found}) >= 8
        assert len({example.prefix for example in found}) >= 2
        for question, prefix, answer in found:
            assert f" {fold(fact.value)} " not in f" {fold(question)} "
            assert question.endswith(("?", "."))
            assert answer == fact.value
            assert prefix == prefix.strip() != ""


@pytest.mark.parametrize("key", LIBRARY)
def test_no_question_of_a_relation_is_taken_for_a_fact(key: str) -> None:
    for fact in facts(key):
        for text in examples(fact):
            assert extract(text.question) == []


@pytest.mark.parametrize("key", LIBRARY)
def test_negatives_ask_for_something_else(key: str) -> None:
    for fact in facts(key):
        same, others, general = negatives(fact)
        assert len(same) == len(set(same)) >= 8
        assert len(set(others)) >= 4
        assert len(general) >= 5
        assert set(texts(fact)).isdisjoint({*same, *others, *general})
        assert negatives(fact) == (same, others, general)


def test_negatives_leave_out_what_means_the_same() -> None:
    mother = known(USER, "kin:mum", "Eva")
    assert not any("mother" in question or "mum" in question for question in negatives(mother).same_subject)
    lives = known("Mara Lindqvist", "lives", "Bergen")
    assert "What is Mara Lindqvist's address?" not in negatives(lives).same_subject


def test_negatives_know_other_nouns_of_the_relation() -> None:
    assert "What is my cat called?" in negatives(known(USER, "pet:dog", "Rex")).same_subject


def test_an_open_relation_takes_any_noun() -> None:
    (found,) = extract("My favourite sourdough bakery is Northwind.")
    assert found.fact == known(USER, "favourite:sourdough bakery", "Northwind")


@pytest.mark.parametrize("name", ["nonsense", "pet", "lives:dog", "", ":"])
def test_an_unknown_relation_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="no relation"):
        relations.find(name)
