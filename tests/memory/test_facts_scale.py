"""Any text at all: nothing is raised, places lie inside, and time grows with the length."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.memory.facts import asks_about, contradicts, examples, extract, known, names_in, negatives, texts

WORDS = [
    *("I", "I'm", "I've", "My", "our", "me", "we", "you", "your", "he", "She", "his", "Her", "they", "It", "i", "myself"),
    *("Mara", "Lindqvist", "Tamsin", "\u00c5sa", "O'Brien's", "Jonas'", "Rex", "Bergen", "May", "Dr.", "I.", "A."),
    *(
        "is",
        "are",
        "am",
        "was",
        "has",
        "have",
        "live",
        "lives",
        "works",
        "keeps",
        "keep",
        "called",
        "named",
        "don't",
        "not",
        "if",
    ),
    *("a", "an", "the", "of", "in", "at", "under", "on", "to", "with", "from", "by", "and", "but", "that", "every", "way"),
    *(
        "dog",
        "cat",
        "name",
        "sister",
        "cousin",
        "key",
        "code",
        "colour",
        "favourite",
        "green",
        "4711",
        "1990",
        "Friday",
        "p.m.",
    ),
    *(
        "remember",
        "remember:",
        "note",
        ":",
        ".",
        "!",
        "?",
        ",",
        ";",
        "...",
        "e.g.",
        "\n",
        "\n\n",
        "\n-",
        "-",
        "1.",
        '"',
        "'",
        "(",
        ")",
    ),
    *(
        "\u201c",
        "\u201d",
        "\u2019",
        ">",
        "```",
        "`",
        "\ue000",
        "\ue001",
        "\ue002",
        "\u2003",
        "\U0001f600",
        "\u00df",
        "\u0130",
        "\u01c5",
    ),
]

TEXTS = st.text(max_size=300) | st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_nothing_is_raised_and_places_lie_inside(text: str) -> None:
    before = 0
    for fact, start, end, _ in extract(text):
        assert 0 <= start < end <= len(text)
        assert end >= before
        before = end
        assert fact.spoken.removesuffix(".").endswith(fact.value)
        assert contradicts(fact, fact) is False
        assert examples(fact)
        assert texts(fact)
        assert negatives(fact).general
        asks_about(fact, text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_names_stand_in_the_text(text: str) -> None:
    assert all(name and name in text for name in names_in(text))
    asks_about(known("Mara Lindqvist", "lives", "Bergen"), text)


CHAT = (
    "By the way, my dog is called Rex and I live in Bergen with my wife. What is the capital of France? I was thinking that "
    "we could go there in spring, if the weather allows it. Tamsin Orrell keeps bees behind the barn. Thanks a lot!\n\n"
)
HOSTILE = [
    *(
        "." * 40 + "x ",
        "I am. ",
        "I have a ",
        "\u201ca b c d e ",
        '"a b c d e ',
        "Al Bo ",
        "A.",
        "Remember: ",
        "please ",
        "\n ",
        " ",
        "`",
    ),
    *(
        "```",
        "a",
        "?",
        "oh, ",
        "my dog's ",
        "Bo's ",
        "A-",
        "my sister Anna's ",
        "I also live in ",
        ".])",
        "the of my is ",
        "and I am, ",
    ),
    *(
        "My dog is called Rex" + ", by the way" * 20 + ". ",
        "x" * 399 + ". ",
        "the code of the " * 20 + ". ",
        "> a b c d e\n",
        "\ue001 N is ",
    ),
]


def spent(text: str) -> float:
    start = time.process_time()
    extract(text)
    names_in(text)
    return time.process_time() - start


def test_a_long_chat_is_read_within_a_second() -> None:
    extract(CHAT)
    assert min(spent((CHAT * 1000)[:100_000]) for _ in range(3)) < 1


@pytest.mark.parametrize("part", HOSTILE)
def test_hostile_texts_take_time_in_proportion(part: str) -> None:
    extract(CHAT)
    short, long = ((part * 100_000)[:size] for size in (10_000, 100_000))
    assert min(spent(long) for _ in range(2)) < 0.1 + 40 * min(spent(short) for _ in range(3))
