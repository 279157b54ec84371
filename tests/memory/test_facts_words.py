"""Verbs and sentences in other mouths."""

from __future__ import annotations

import pytest

from perdure.memory.facts.nouns import bare, same
from perdure.memory.facts.perspective import about_user, from_user, to_user
from perdure.memory.facts.verbs import plain, third
from perdure.memory.facts.voices import USER, answering, asking, recording, render

FORMS = "keep:keeps pass:passes try:tries play:plays have:has be:is do:does go:goes watch:watches will:will kept:kept"
PRESENTS = "keeps:keep passes:pass uses:use tries:try lies:lie has:have goes:go watches:watch fixes:fix"
PASTS = (
    "planned:plan baked:bake parked:park tried:try visited:visit opened:open called:call passed:pass buzzed:buzz hoped:hope "
    "retired:retire developed:develop danced:dance rowed:row helped:help went:go kept:keep bought:buy"
)


def pairs(text: str) -> list[list[str]]:
    return [pair.split(":") for pair in text.split()]


@pytest.mark.parametrize(("verb", "form"), pairs(FORMS))
def test_the_third_person(verb: str, form: str) -> None:
    assert third(verb) == form


@pytest.mark.parametrize(("form", "verb"), pairs(PRESENTS))
def test_the_plain_form_of_a_present(form: str, verb: str) -> None:
    assert plain(form) == ("does", verb)


@pytest.mark.parametrize(("form", "verb"), pairs(PASTS))
def test_the_plain_form_of_a_past(form: str, verb: str) -> None:
    assert plain(form) == ("did", verb)


@pytest.mark.parametrize("word", ["this", "always", "bus", "glass", "key"])
def test_other_words_have_no_plain_form(word: str) -> None:
    assert plain(word) is None


TURNED = [
    ("I keep my key here", "You keep your key here", "The user keeps their key here"),
    ("I'm tired", "You are tired", "The user is tired"),
    ("I\u2019ve seen it and I was glad", "You have seen it and you were glad", "The user has seen it and they were glad"),
    ("I don't know", "You don't know", "The user doesn't know"),
    ("I always walk", "You always walk", "The user always walks"),
    ("my dog bit me", "Your dog bit you", "The user's dog bit them"),
    ("the dog is mine", "The dog is yours", "The dog is the user's"),
    ("we left", "You left", "The user left"),
    ("you should call me Jo", "I should call you Jo", "The assistant should call the user Jo"),
    ("I like your answers", "You like my answers", "The user likes the assistant's answers"),
    ("Mara teaches me", "Mara teaches you", "Mara teaches the user"),
    ("I will hurt myself", "You will hurt yourself", "The user will hurt themselves"),
]


@pytest.mark.parametrize(("said", "back", "told"), TURNED)
def test_a_sentence_is_turned_to_the_user_and_to_others(said: str, back: str, told: str) -> None:
    assert to_user(said)[0].upper() + to_user(said)[1:] == back
    assert about_user(said)[0].upper() + about_user(said)[1:] == told


def test_what_was_said_to_the_user_is_asked_by_them() -> None:
    assert from_user("your key and you") == "my key and me"


def test_a_subject_has_three_voices() -> None:
    template = "X live* with X's N and was* glad of M"
    assert render(template, asking(USER), "dog") == "I live with my dog and was glad of me"
    assert render(template, answering(USER), "dog") == "You live with your dog and were glad of you"
    assert render(template, recording(USER), "dog") == "The user lives with the user's dog and was glad of the user"
    sister = "the user's sister"
    assert render("X's N", asking(sister), "dog") == "My sister's dog"
    assert render("X's N", answering(sister), "dog") == "Your sister's dog"


def test_the_article_fits_its_noun() -> None:
    assert [render("a N", asking(USER), noun) for noun in ("owl", "dog", "unicorn", "hour")] == [
        "An owl",
        "A dog",
        "A unicorn",
        "An hour",
    ]


def test_nouns_of_one_meaning_are_the_same() -> None:
    assert [same(noun) for noun in ("mum", "Movie", "older mum", "PIN", "kite")] == [
        "mother",
        "film",
        "older mother",
        "PIN",
        "kite",
    ]
    assert [bare(noun) for noun in ("lovely new dog", "dog", "new")] == ["dog", "dog", "new"]
