"""Cutting: nothing is lost, nothing is too long, borders are natural, and the work grows with the text only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.memory.chunking import split


def words(text: str) -> int:
    """About what a tokenizer counts: words, and one for each four characters of a long one."""
    return sum(1 + len(word) // 4 for word in text.split())


def joined_cost_more(text: str) -> int:
    """A count that grows faster than the text."""
    return len(text) + len(text) // 7


COUNTS: list[Callable[[str], int]] = [words, len, lambda text: len(text.encode()), joined_cost_more]

alphabet = st.sampled_from([*"ab .!?\n#\t\f;。、「」車", "\n\n", "\r\n", "## ", "word ", "\U0001f600"])
texts = st.lists(alphabet, max_size=200).map("".join) | st.text(max_size=200)


@settings(max_examples=300, deadline=None)
@given(texts, st.sampled_from(COUNTS), st.integers(1, 40))
def test_pieces_join_to_the_text_and_fit(text: str, count: Callable[[str], int], limit: int) -> None:
    pieces = split(text, count, limit)
    assert "".join(pieces) == text
    assert all(pieces)
    assert all(count(piece) <= limit or len(piece) == 1 for piece in pieces)
    if text and count(text) <= limit:
        assert pieces == [text]


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("One two. Three four. Five six.", 4, ["One two. Three four.", " Five six."]),
        ("# A\n\nx y z\n\n# B\n\nu v w", 5, ["# A\n\nx y z\n", "\n# B\n\nu v w"]),
        ("a b\n\nc d\n\ne f", 4, ["a b\n\nc d", "\n\ne f"]),
        ("def f():\n  return 1\ndef g():\n  return 2", 4, ["def f():\n  return 1", "\ndef g():\n  return 2"]),
        ("a b c d e", 2, ["a b", " c d", " e"]),
    ],
)
def test_it_cuts_at_natural_borders(text: str, limit: int, expected: list[str]) -> None:
    def count(piece: str) -> int:
        return len(piece.split())

    assert split(text, count, limit) == expected


def test_sentences_of_scripts_without_spaces() -> None:
    assert split("今日は。明日は？昨日、雨。", len, 6) == ["今日は。", "明日は？", "昨日、雨。"]  # noqa: RUF001


@pytest.mark.parametrize(
    "text",
    ["word " * 40_000, "x" * 200_000, "One sentence here. " * 10_000, "\n" * 100_000, "a\n\n" * 60_000, " " * 200_000 + "x"],
    ids=["words", "one word", "sentences", "lines", "paragraphs", "spaces"],
)
def test_counting_is_linear(text: str) -> None:
    seen = 0

    def count(piece: str) -> int:
        nonlocal seen
        seen += len(piece)
        return len(piece) // 4 + 1

    assert "".join(split(text, count)) == text
    assert seen <= 9 * len(text)
