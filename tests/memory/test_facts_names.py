"""Names in texts, and turns that speak of a fact's subject."""

from __future__ import annotations

import pytest

from perdure.memory.facts import USER, Fact, asks_about, known, names_in

NAMES = [
    ("I met Tamsin Orrell in Bergen.", ["Tamsin Orrell", "Bergen"]),
    ("Where does Mara live?", ["Mara"]),
    ("Does Tamsin Orrell have a dog?", ["Tamsin Orrell"]),
    ("What is Mara's dog called?", ["Mara"]),
    ("Jonas' cat and O'Brien's boat.", ["Jonas", "O'Brien"]),
    ("O\u2019Brien\u2019s boat.", ["O\u2019Brien"]),
    ("\u00c5sa Lindqvist and Jean-Luc met \u0160imon.", ["\u00c5sa Lindqvist", "Jean-Luc", "\u0160imon"]),
    ("Ludwig van der Berg met Dr. Hansen and J. Berg.", ["Ludwig van der Berg", "Dr. Hansen", "J. Berg"]),
    ("I speak Welsh on Mondays in May.", []),
    ("The USB port is broken.", []),
    ("the dog of mara", []),
    ("Please tell me. Thanks!", []),
    ("Mara, Mara and Jonas.", ["Mara", "Jonas"]),
    (
        "\u0391\u03bd\u03bd\u03b1 met \u041b\u0435\u0432 \u0422\u043e\u043b\u0441\u0442\u043e\u0439.",
        ["\u0391\u03bd\u03bd\u03b1", "\u041b\u0435\u0432 \u0422\u043e\u043b\u0441\u0442\u043e\u0439"],
    ),
    ("", []),
]


@pytest.mark.parametrize(("text", "names"), NAMES)
def test_names_are_runs_of_capitals(text: str, names: list[str]) -> None:
    assert names_in(text) == names


def about(subject: str) -> Fact:
    return known(subject, "lives", "Bergen")


ASKED = [
    ("Mara Lindqvist", "Where does Mara Lindqvist live?"),
    ("Mara Lindqvist", "Where does Mara live?"),
    ("Mara Lindqvist", "where does mara live?"),
    ("Mara Lindqvist", "Where do the Lindqvists live, I mean Mrs Lindqvist?"),
    ("Mara Lindqvist", "MARA LINDQVIST lives where?"),
    ("\u00c5sa O'Brien", "where does asa live?"),
    ("\u00c5sa O'Brien", "Where is O\u2019Brien's home?"),
    ("Jean-Luc Moreau", "Where does Jean-Luc live?"),
    ("Will Brook", "Where does Will live?"),
    ("Rose Ekdahl", "Where does Rose live?"),
    ("Dr. Hansen", "where does hansen live"),
    (USER, "Where do I live?"),
    (USER, "what's MY address?"),
    (USER, "Tell me where I'm at home."),
    ("the user's sister", "Where does my sister live?"),
    ("the door code of the office", "What is the office door code?"),
]


@pytest.mark.parametrize(("subject", "text"), ASKED)
def test_a_turn_that_names_the_subject(subject: str, text: str) -> None:
    assert asks_about(about(subject), text)


NOT_ASKED = [
    ("Mara Lindqvist", "Where does Jonas live?"),
    ("Mara Lindqvist", "Where does Mara Olsen live?"),
    ("Mara Lindqvist", "Where does Jonas Lindqvist live?"),
    ("Mara Lindqvist", "Where is the marathon?"),
    ("Mara Lindqvist", "Where do I live?"),
    ("Will Brook", "Will it rain near the brook?"),
    ("Rose Ekdahl", "How do I water a rose?"),
    ("Dr. Hansen", "Is the dr in?"),
    (USER, "Where does Mara live?"),
    (USER, "Where do you live?"),
    (USER, "Who has the dog? The US?"),
    ("the user's sister", "Where does her sister live?"),
    ("the user's sister", "Where does my brother live?"),
    ("the door code of the office", "Where is the office?"),
    ("Mara Lindqvist", ""),
]


@pytest.mark.parametrize(("subject", "text"), NOT_ASKED)
def test_a_turn_that_does_not(subject: str, text: str) -> None:
    assert not asks_about(about(subject), text)
