"""What a message tells of somebody in no known form, kept as one of its own sentences; and what is not worth that."""

from __future__ import annotations

import pytest

from perdure.memory.facts import Fact, examples, gists, taught, texts

TOLD = [
    (
        "I had tea with Edda Marsh yesterday. She paints every fence in her street green, for free.",
        "She paints every fence in her street green, for free.",
    ),
    (
        "Is there a quiet way home? I promised Edda Marsh a visit, and she swears by lanterns made of turnips.",
        "She swears by lanterns made of turnips.",
    ),
    (
        "Edda Marsh walks to the lighthouse and back every Sunday, can you believe it?",
        "Edda Marsh walks to the lighthouse and back every Sunday.",
    ),
    ("We owe a lot to Edda Marsh, whose van runs on old frying oil.", "Edda Marsh's van runs on old frying oil."),
]

UNTOLD = [
    "Does Edda Marsh still paint fences?",
    "Write a note to Edda Marsh, please. Don't mention her fences.",
    "Edda Marsh gave me a lift to the lighthouse.",
    "Edda Marsh rang twice today.",
    "I wonder whether Edda Marsh would enjoy a lantern.",
    "I dreamt that Edda Marsh sold her van.",
    "Translate this text: Edda Marsh has walked to the lighthouse. Her van runs on oil.",
    "According to Edda Marsh the lighthouse is closed.",
    "The fence is green and nobody knows why.",
]


@pytest.mark.parametrize(("text", "spoken"), TOLD)
def test_the_last_sentence_that_tells_of_the_person_is_kept(text: str, spoken: str) -> None:
    (found,) = gists(text)
    assert (found.fact.subject, found.fact.relation, found.fact.spoken) == ("Edda Marsh", "", spoken)
    assert "Edda Marsh" in found.fact.statement
    assert not found.explicit


@pytest.mark.parametrize("text", UNTOLD)
def test_nothing_is_kept_of_what_tells_nothing_that_lasts(text: str) -> None:
    assert gists(text) == []


def test_at_most_two_people_of_a_message_are_kept() -> None:
    text = "\n\n".join(f"{name} Marsh keeps three owls in a shed." for name in ("Edda", "Oona", "Ivo", "Piet", "Wren"))
    assert len(gists(text)) == 2


def test_a_long_sentence_is_cut_to_what_an_answer_can_say() -> None:
    told = "Edda Marsh keeps " + " ".join(["very"] * 40) + " old owls in a shed behind the mill."
    assert len(gists(told)[0].fact.spoken.split()) <= 16


def test_a_pronoun_is_nobodys_after_two_people_were_named() -> None:
    assert gists("I met Edda Marsh and Ivo Quill. She keeps three owls in a shed.") == []


def test_what_a_rule_finds_of_somebody_stands_alone() -> None:
    text = "I bumped into Edda Marsh. She lives in Darwin and keeps three owls."
    assert all(not found.fact.verbatim for found in taught(text))
    assert any(found.fact.relation == "lives" for found in taught(text))


def test_where_something_is_to_be_remembered_nothing_else_is_kept() -> None:
    text = "Remember: Ivo Quill lives in Darwin.\n\nEdda Marsh swears by lanterns made of turnips."
    assert [found.fact.subject for found in taught(text)] == ["Ivo Quill"]


def test_sentences_about_one_person_stand_beside_each_other_and_the_same_one_does_not() -> None:
    one, other = (gists(f"Edda Marsh is odd in a way. {told}")[0].fact for told in (TOLD[0][1], TOLD[1][1]))
    again = gists(f"Edda Marsh is odd in a way. {TOLD[0][1].upper().capitalize()}")[0].fact
    assert one.key != other.key
    assert one.key == again.key


def test_whatever_is_asked_is_answered_with_the_sentence_and_it_opens_by_its_words() -> None:
    fact = Fact(
        "Edda Marsh", "", "keeps three owls.", "Edda Marsh keeps three owls.", "She keeps three owls.", verbatim=True
    )
    assert len(examples(fact)) >= 8
    assert {(each.prefix, each.answer) for each in examples(fact)} == {(fact.stem, fact.value)}
    assert texts(fact) == [fact.statement, fact.spoken]
