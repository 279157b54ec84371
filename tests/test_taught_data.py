"""The facts that are taught in the benchmark of facts: sound English templates, no value that gives another one away."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations, product
from pathlib import Path

import pytest

from benchmarks._recall_words import GENERAL, NAMES
from benchmarks._taught_data import (
    PEOPLE,
    Person,
    Question,
    Taught,
    conversation_text,
    general_questions,
    other_relations,
    pairs,
    people,
    taught,
    untaught,
)
from benchmarks._taught_words import (
    FIRST_ENDS,
    FIRST_STARTS,
    LAST_ENDS,
    LAST_STARTS,
    MENTIONS,
    RELATIONS,
    SMALL_TALK,
    Relation,
)

SEEDS = range(5)
SIZES = (10, 40, 200)
CASES = list(product(SEEDS, SIZES))
VALUES = [value for relation in RELATIONS for value in relation.values]
KEYS = {relation.key: relation for relation in RELATIONS}


def templates(relation: Relation) -> list[str]:
    asked = [text for ask in (*relation.asks, relation.follow) for text in ask]
    return [relation.statement, *relation.chats, relation.update, *asked]


def found_in(text: str) -> list[str]:
    return [value for value in VALUES if value.lower() in text.lower()]


def first_names() -> list[str]:
    return [start + end for they, starts in FIRST_STARTS.items() for start in starts for end in FIRST_ENDS[they]]


def surnames() -> list[str]:
    return [start + end for start in LAST_STARTS for end in LAST_ENDS]


def parts(persons: list[Person]) -> list[str]:
    return [part for person in persons for part in person.name.split()]


def test_there_are_enough_relations_and_values() -> None:
    assert len(KEYS) == len(RELATIONS) >= 16
    # Two hundred facts need ten old and ten new values of each relation, and a queue of even length.
    assert {len(relation.values) for relation in RELATIONS} == {20}
    assert all(1 <= len(value.split()) <= 3 for value in VALUES)


def test_no_value_is_part_of_another_one() -> None:
    assert [pair for pair in combinations(VALUES, 2) if pair[0].lower() in pair[1].lower()] == []
    assert [pair for pair in combinations(VALUES, 2) if pair[1].lower() in pair[0].lower()] == []


def test_no_template_and_no_name_has_a_value_in_it() -> None:
    said = [text for relation in RELATIONS for text in templates(relation)]
    assert [(text, found_in(text)) for text in (*said, *MENTIONS) if found_in(text)] == []
    assert [(name, found_in(name)) for name in first_names() + surnames() if found_in(name)] == []


def test_small_talk_and_general_knowledge_have_no_value_in_them() -> None:
    said = [text for turn in SMALL_TALK for text in turn] + [text for line in GENERAL for text in line]
    assert [(text, found_in(text)) for text in said if found_in(text)] == []
    assert len(general_questions()) == len(GENERAL)


def test_no_invented_name_is_one_of_the_others() -> None:
    invented = first_names() + surnames()
    assert len(set(invented)) == len(invented)
    assert not set(invented) & {name for name, _ in NAMES}
    firsts = [start for starts in FIRST_STARTS.values() for start in starts]
    for starts in (firsts, list(LAST_STARTS)):
        assert [pair for pair in product(starts, starts) if pair[0] != pair[1] and pair[1].startswith(pair[0])] == []


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.key)
def test_a_relation_is_asked_for_in_words_of_its_own(relation: Relation) -> None:
    asks = (*relation.asks, relation.follow)
    assert len({text for text, _ in asks}) == len({beginning for _, beginning in asks}) == 4
    # Nobody gets the answer by going on with the statement as it was taught.
    assert relation.statement.split("{value}")[0].strip() not in {beginning for _, beginning in asks}
    assert all(text.endswith("?") and "{value}" not in text + beginning for text, beginning in asks)
    assert all("{name}" in text for text, _ in relation.asks)
    assert relation.asks[0][0].count("?") == 1
    assert "." not in relation.asks[0][0]
    assert relation.follow[0].startswith("And ")
    assert not re.search(r"\{name\}", "".join(relation.follow))
    assert all(not beginning.endswith((" ", ".", ",")) for _, beginning in asks)


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.key)
def test_articles_fit_the_values(relation: Relation) -> None:
    before = {text.split("{value}")[0].split()[-1] for text in templates(relation) if "{value}" in text}
    if before & {"a"}:
        assert [value for value in relation.values if value[0].lower() in "aeiou"] == []
    assert "an" not in before


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_a_seed_gives_the_same(seed: int, n: int) -> None:
    facts = taught(seed, n)
    assert facts == taught(seed, n) == taught(seed, 200)[:n]
    assert facts != taught(seed + 100, n)
    assert untaught(seed, facts) == untaught(seed, facts)
    assert other_relations(seed, facts) == other_relations(seed, facts)
    assert pairs(seed, facts) == pairs(seed, facts)
    assert conversation_text(seed, n) == conversation_text(seed, n)


def test_another_process_gives_the_same() -> None:
    code = (
        "from benchmarks._taught_data import *; facts = taught(3, 40); "
        "print(facts, untaught(3, facts), other_relations(3, facts), pairs(3, facts), conversation_text(3, 500))"
    )
    root = Path(__file__).parents[1]
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": str(root)},
            cwd=root,
            capture_output=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_people_share_no_part_of_a_name(seed: int) -> None:
    everybody = people(seed, 2 * PEOPLE)
    assert everybody[:10] == people(seed, 10)
    assert len(set(parts(everybody))) == 4 * PEOPLE
    assert not set(parts(everybody)) & {name for name, _ in NAMES}
    assert {person.they for person in everybody[:10]} == {"she", "he"}
    with pytest.raises(ValueError, match="enough names"):
        people(seed, 1000)


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_facts_are_dealt_out_evenly(seed: int, n: int) -> None:
    facts = taught(seed, n)
    assert [fact.number for fact in facts] == list(range(n))
    each = Counter(fact.person for fact in facts)
    assert set(each.values()) == {max(1, n // PEOPLE)}
    assert len(each) == min(n, PEOPLE)
    assert len({(fact.person, fact.relation) for fact in facts}) == n
    assert max(Counter(fact.relation for fact in facts).values()) <= max(1, n // len(RELATIONS))
    said = [value for fact in facts for value in (fact.value, fact.update.value)]
    assert len(set(said)) == 2 * n


def test_more_facts_than_relations_are_refused() -> None:
    assert len(taught(0, PEOPLE * len(RELATIONS))) == 800
    with pytest.raises(ValueError, match="800 facts at most"):
        taught(0, 801)


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_a_fact_is_told_with_its_name_and_its_value_and_no_other(seed: int, n: int) -> None:
    for fact in taught(seed, n):
        for text in (fact.statement, fact.chat):
            assert fact.person.name in text
            assert found_in(text) == [fact.value]
        assert fact.person.name in fact.update.statement
        assert found_in(fact.update.statement) == [fact.update.value]
        assert fact.update.value in KEYS[fact.relation].values
        assert fact.person.name in fact.mention
        assert 1 <= len(re.findall(r"[.!?](?: |$)", fact.chat)) <= 3
        assert len(fact.chat) > len(fact.statement)
        assert not any("{" in text for text in (fact.statement, fact.chat, fact.update.statement, fact.mention))


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_a_question_is_answered_by_its_beginning_and_the_value(seed: int, n: int) -> None:
    for fact in taught(seed, n):
        for question in (*fact.questions, fact.follow_up):
            ((beginning, answer),) = question.parts
            assert answer == fact.value
            assert question.answers == (fact.value,)
            assert question.needs == (fact.number,)
            assert found_in(question.text + beginning) == []
            assert question.holds(f"{beginning} {answer}.")
            assert not question.holds(f"{beginning} {fact.update.value}.")
        assert all(fact.person.name in question.text for question in fact.questions)
        assert not set(fact.person.name.split()) & set(re.findall(r"\w+", fact.follow_up.text + fact.follow_up.parts[0][0]))


@pytest.mark.parametrize("seed", SEEDS)
def test_after_the_update_the_same_is_asked(seed: int) -> None:
    for fact in taught(seed, 40):
        updated = fact.updated_questions()
        assert [question.text for question in updated] == [question.text for question in fact.questions]
        assert all(question.answers == (fact.update.value,) for question in updated)


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_strangers_share_no_name_with_anybody(seed: int, n: int) -> None:
    facts = taught(seed, n)
    for other in (seed, seed + 1):
        leaks = untaught(other, facts)
        known = set(parts([fact.person for fact in facts]))
        assert len(leaks.questions) == 3 * n
        assert leaks.values == [fact.value for fact in facts]
        for question in leaks.questions:
            assert not set(re.findall(r"\w+", question.text)) & known
            assert question.answers == ("",)
            assert question.needs == ()
            assert found_in(question.text + question.parts[0][0]) == []


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_what_was_never_said_is_asked_of_people_who_are_known(seed: int, n: int) -> None:
    facts = taught(seed, n)
    leaks = other_relations(seed, facts)
    asked = {question.text for fact in facts for question in fact.questions}
    known = [fact.person.name for fact in facts]
    assert len({question.text for question in leaks.questions}) == 3 * n
    for question in leaks.questions:
        assert question.text not in asked
        assert any(name in question.text for name in known)
        assert question.answers == ("",)


@pytest.mark.parametrize(("seed", "n"), CASES)
def test_pairs_need_two_facts(seed: int, n: int) -> None:
    facts = taught(seed, n)
    found = pairs(seed, facts)
    both = [check_pair(question, *(facts[number] for number in question.needs)) for question in found]
    assert both.count(True) >= n - n // 20
    assert both.count(False) == (PEOPLE if n > PEOPLE else 0)


def check_pair(question: Question, first: Taught, second: Taught) -> bool:
    """Whether it is about two people."""
    text, parts = question.text, question.parts
    assert first.number != second.number
    assert [value for _, value in parts] == [first.value, second.value]
    assert text.count("?") == 1
    assert ", and " in text
    assert ", and and" not in text
    assert parts[1][0].startswith(", and ")
    assert first.person.name in text
    assert (second.person.name in text.split(", and ")[1]) == (first.person != second.person)
    assert found_in(text) == []
    return first.person != second.person


def test_everyday_talk_is_as_long_as_asked() -> None:
    assert len(SMALL_TALK) == len({user for user, _ in SMALL_TALK}) >= 60
    for words in (1, 500, 2000):
        turns = conversation_text(1, words)
        sizes = [len(turn.user.split()) + len(turn.assistant.split()) for turn in turns]
        assert sum(sizes[:-1]) < words <= sum(sizes)
        assert len({turn.user for turn in turns}) == len(turns)
    assert conversation_text(1, 500) != conversation_text(2, 500)
    assert len(conversation_text(1, 10_000)) > len(SMALL_TALK)
