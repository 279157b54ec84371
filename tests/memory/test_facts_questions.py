"""Facts by themselves: their wordings, what is asked about unknown relations, and which contradict each other."""

from __future__ import annotations

import pytest

from perdure.errors import InvalidInput
from perdure.memory.facts import USER, Example, Fact, contradicts, examples, extract, known, negatives, texts


def only(text: str) -> Fact:
    """The fact of a text that has one."""
    (found,) = extract(text)
    return found.fact


def noted(text: str) -> Fact:
    """The fact of a sentence that is to be remembered."""
    return only(f"Remember that {text}")


def test_a_known_relation_is_asked_about_and_answered_in_the_second_person() -> None:
    found = examples(known(USER, "pet:dog", "Rex"))
    assert found[0] == Example("What is my dog called?", "Your dog is called", "Rex")
    assert found[1] == Example("What is the name of my dog?", "The name of your dog is", "Rex")
    assert Example("Do you know what my dog is called?", "The name of your dog is", "Rex") in found


def test_a_named_person_is_asked_about_by_the_first_name_too() -> None:
    found = examples(known("Mara Lindqvist", "lives", "Bergen"))
    assert found[0] == Example("Where does Mara Lindqvist live?", "Mara Lindqvist lives in", "Bergen")
    assert Example("Where does Mara live?", "Mara Lindqvist's home is in", "Bergen") in found


def test_texts_are_the_questions_and_both_statements() -> None:
    fact = known(USER, "pet:dog", "Rex")
    asked = [example.question for example in examples(fact)]
    found = texts(fact)
    assert found[: len(asked)] == asked
    assert found[-2:] == ["The user's dog is called Rex.", "Your dog is called Rex."]
    oblique = found[len(asked) : -2]
    assert "Who barks when my doorbell rings?" in oblique
    assert set(oblique).isdisjoint(asked)


DERIVED = [
    (
        "Tamsin Orrell keeps her spare key under a blue flowerpot.",
        "Where does Tamsin Orrell keep her spare key?",
        "a blue flowerpot",
    ),
    ("I keep my stamps in a red box.", "Where do I keep my stamps?", "a red box"),
    ("I kept my first car in a barn.", "Where did I keep my first car?", "a barn"),
    ("Tamsin Orrell moved her piano to Rome.", "What can you say about Tamsin Orrell and her piano?", "Rome"),
    ("Tamsin Orrell went to Rome.", "Where did Tamsin Orrell go?", "Rome"),
    ("Tamsin Orrell is a heavy sleeper.", "Who is Tamsin Orrell?", "a heavy sleeper"),
    ("The door code of the office is 4711.", "What is the door code of the office?", "4711"),
    ("The meeting with the bank is on Friday.", "When is the meeting with the bank?", "Friday"),
    ("The choir practises every Thursday.", "When does the choir practise?", "every Thursday"),
    ("Tamsin Orrell feeds the pigeons at 7:30.", "When does Tamsin Orrell feed the pigeons?", "7:30"),
    ("Tamsin Orrell shares a barn with Jonas Berg.", "Who does Tamsin Orrell share a barn with?", "Jonas Berg"),
    ("Tamsin Orrell is interested in moths.", "What is Tamsin Orrell interested in?", "moths"),
    ("Tamsin Orrell believes in ghosts.", "What does Tamsin Orrell believe in?", "ghosts"),
    ("Tamsin Orrell can juggle seven oranges.", "What can Tamsin Orrell juggle?", "seven oranges"),
    ("Tamsin Orrell has visited the Azores.", "What has Tamsin Orrell visited?", "the Azores"),
    ("Tamsin Orrell's stamp album lies behind the barn.", "Where does Tamsin Orrell's stamp album lie?", "the barn"),
    ("I am the heir of a lighthouse.", "What am I the heir of?", "a lighthouse"),
]


@pytest.mark.parametrize(("statement", "question", "value"), DERIVED)
def test_an_unknown_relation_is_asked_about_by_its_grammar(statement: str, question: str, value: str) -> None:
    fact = noted(statement)
    assert fact.relation == ""
    assert fact.value == value
    assert question in [example.question for example in examples(fact)]


@pytest.mark.parametrize("statement", [row[0] for row in DERIVED])
def test_an_unknown_relation_has_five_questions_that_the_whole_statement_answers(statement: str) -> None:
    fact = noted(statement)
    found = examples(fact)
    assert len(found) >= 5
    assert all(f"{example.prefix} {example.answer}." == fact.spoken for example in found)
    assert len(fact.value.split()) <= 4


@pytest.mark.parametrize("statement", [row[0] for row in DERIVED])
def test_an_unknown_relation_has_negatives(statement: str) -> None:
    fact = noted(statement)
    same, others, _ = negatives(fact)
    assert len(same) >= 8
    assert len(set(others)) >= 4
    assert set(texts(fact)).isdisjoint({*same, *others})


def test_the_same_is_asked_of_others() -> None:
    others = negatives(noted("I keep my stamps in a red box.")).other_subjects
    assert any(question.startswith("Where does ") and question.endswith(" keep their stamps?") for question in others)
    others = negatives(noted("The door code of the office is 4711.")).other_subjects
    assert any(question.endswith("'s door code?") for question in others)


def test_a_long_value_is_cut_to_four_words() -> None:
    fact = only("Tamsin Orrell once saw the very last of the old steam trains.")
    assert fact.value == "the old steam trains"
    assert fact.stem == "Tamsin Orrell once saw the very last of"


CONTRADICTORY = [
    ("My dog is called Rex.", "I have a dog called Bella."),
    ("My mum is called Eva.", "My mother's name is Ida."),
    ("I live in Bergen.", "We moved to Oslo."),
    ("My favourite film is Alien.", "My favorite movie is Heat."),
    ("Mara Lindqvist lives in Bergen.", "MARA Lindqvist lives in Bergen. Mara Lindqvist lives in Oslo."),
    ("Tamsin Orrell keeps her key under a pot.", "Tamsin Orrell keeps her key under a stone."),
    ("Remember: the door code is 4711.", "Remember: the door code is 1234."),
]


@pytest.mark.parametrize(("one", "other"), CONTRADICTORY)
def test_another_value_of_the_same_thing_contradicts(one: str, other: str) -> None:
    before, after = only(one), extract(other)[-1].fact
    assert contradicts(before, after)
    assert contradicts(after, before)


COMPATIBLE = [
    ("My dog is called Rex.", "Our dog's name is REX."),
    ("My dog is called Rex.", "My cat is called Bella."),
    ("I live in Bergen.", "I was born in Oslo."),
    ("I live in Bergen.", "Mara Lindqvist lives in Oslo."),
    ("I'm allergic to nuts.", "I'm allergic to milk."),
    ("I play the cello.", "I play the harp."),
    ("My favourite colour is green.", "My favourite film is Alien."),
    ("Tamsin Orrell keeps her key under a pot.", "Tamsin Orrell keeps her bike under a roof."),
]


@pytest.mark.parametrize(("one", "other"), COMPATIBLE)
def test_other_things_do_not_contradict(one: str, other: str) -> None:
    assert not contradicts(only(one), only(other))


def test_the_spoken_statement_is_the_statement_unless_given() -> None:
    fact = Fact("Mara", "", "bees", "Mara keeps bees.")
    assert (fact.spoken, fact.stem) == ("Mara keeps bees.", "Mara keeps")


@pytest.mark.parametrize(
    ("subject", "relation", "value", "message"),
    [
        ("", "", "bees", "lacks"),
        ("Mara", "", " ", "lacks"),
        ("Mara", "", "wasps", "does not end"),
        ("Mara", "nonsense", "bees", "no relation"),
    ],
)
def test_a_fact_that_cannot_be_one_is_refused(subject: str, relation: str, value: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Fact(subject, relation, value, "Mara keeps bees.")
