"""Statements of no known form, and the relations that they are likest to."""

from __future__ import annotations

import pytest

from perdure.memory.facts import USER, Fact, Likeness, extract
from perdure.testing.encoder import HashedWords

LIKENESS = Likeness(HashedWords().encode)


def noted(sentence: str) -> Fact:
    (found,) = extract(f"Remember: {sentence}")
    return found.fact


@pytest.mark.parametrize(
    ("sentence", "relation", "key"),
    [
        ("The film Mara Lindqvist likes best is Vertigo.", "favourite:film", "mara lindqvist|favourite:film"),
        ("The film I like best is Vertigo.", "favourite:film", "the user|favourite:film"),
    ],
)
def test_a_statement_takes_the_relation_that_it_is_likest_to(sentence: str, relation: str, key: str) -> None:
    fact = noted(sentence)
    found = LIKENESS.known(fact)
    assert fact.relation == ""
    assert (found.relation, found.key) == (relation, key)
    assert (found.statement, found.value) == (fact.statement, fact.value)


@pytest.mark.parametrize(
    "sentence",
    [
        "Mara Lindqvist once met the king of Spain.",
        "Mara Lindqvist's horse won in Ascot.",
        "Mara Lindqvist keeps her key under a pot.",
        "The key of the cellar hangs behind the door.",
    ],
)
def test_what_is_like_no_relation_stays_as_it_was(sentence: str) -> None:
    fact = noted(sentence)
    assert LIKENESS.known(fact) is fact


def test_a_fact_with_a_relation_keeps_it() -> None:
    fact = noted("Mara Lindqvist lives in Tromso.")
    assert LIKENESS.known(fact) is fact


def test_a_value_of_another_kind_keeps_a_relation_away() -> None:
    spoken = "The film you like best is because."
    fact = Fact(USER, "", "because", "The film the user likes best is because.", spoken)
    assert LIKENESS.known(fact) is fact
