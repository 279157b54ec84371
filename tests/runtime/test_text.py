"""Incremental decoding and stop strings."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models

from perdure.runtime.text import Detokenizer, Screened, StopStrings
from perdure.testing.tiny import tiny_llama


def wrapped(backend: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=backend)


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_llama(tmp_path_factory.mktemp("text")), local_files_only=True)


PIECES = ["\u2581", "\u2581the", "\u2581a", "a", "b", "the", "\u00e9", "\u4e2d", "\ufffd", "."]


@pytest.fixture(scope="module")
def byte_fallback() -> Any:
    """The way of Llama 2 and Gemma: pieces with a visible space, bytes as `<0x41>`, the first space stripped."""
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
    vocab = [(name, -float(i)) for i, name in enumerate(names)]
    backend = Tokenizer(models.Unigram(vocab=vocab, unk_id=0, byte_fallback=True))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    backend.add_special_tokens([AddedToken("<s>", special=True), AddedToken("</s>", special=True)])
    return wrapped(backend)


@pytest.fixture(scope="module")
def word_piece() -> Any:
    vocab = {name: i for i, name in enumerate(["[UNK]", "[SEP]", "play", "##ing", "##ed", "un", ".", "the"])}
    backend = Tokenizer(models.WordPiece(vocab=vocab, unk_token="[UNK]"))
    backend.decoder = decoders.WordPiece(prefix="##", cleanup=False)
    backend.add_special_tokens([AddedToken("[SEP]", special=True)])
    return wrapped(backend)


def check(tokenizer: Any, tokens: list[int]) -> None:
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.push(token) for token in tokens]
    rest = detokenizer.flush()
    whole = tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert "".join(pieces) + rest == whole


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(deadline=None, max_examples=200)
def test_pieces_of_any_text_are_whole_characters(byte_level: Any, text: str) -> None:
    tokens = byte_level.encode(text, add_special_tokens=False)
    detokenizer = Detokenizer(byte_level)
    pieces = [detokenizer.push(token) for token in tokens]
    if "<|" not in text:
        assert "".join(pieces) == text
        assert "\ufffd" in text or not any("\ufffd" in piece for piece in pieces)
    check(byte_level, tokens)


@given(data=st.data())
@settings(deadline=None, max_examples=200)
@pytest.mark.parametrize("kind", ["byte_level", "byte_fallback", "word_piece"])
def test_any_tokens_give_the_decoded_text(kind: str, request: pytest.FixtureRequest, data: st.DataObject) -> None:
    tokenizer = request.getfixturevalue(kind)
    tokens = data.draw(st.lists(st.integers(0, len(tokenizer) + 2), max_size=40))
    check(tokenizer, [token for token in tokens if tokenizer.backend_tokenizer.id_to_token(token) is not None])


@given(data=st.data())
@settings(deadline=None, max_examples=100)
def test_byte_tokens_between_pieces(byte_fallback: Any, data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.sampled_from(["the \u00e9", "\U0001f600", "\u2581 a", "\u20ac\u20ac", "x"]), max_size=6))
    tokens = [token for text in texts for token in byte_fallback.encode(text, add_special_tokens=False)]
    check(byte_fallback, tokens)


def test_a_character_of_several_tokens_comes_with_its_last(byte_level: Any) -> None:
    tokens = byte_level.encode("\U0001f600", add_special_tokens=False)
    detokenizer = Detokenizer(byte_level)
    assert [detokenizer.push(token) for token in tokens] == ["", "", "", "\U0001f600"]
    assert detokenizer.flush() == ""


def test_an_unfinished_character_is_flushed_as_broken(byte_level: Any) -> None:
    detokenizer = Detokenizer(byte_level)
    assert detokenizer.push(byte_level.encode("\U0001f600", add_special_tokens=False)[0]) == ""
    assert detokenizer.flush() == "\ufffd"
    assert detokenizer.push(byte_level.encode("a", add_special_tokens=False)[0]) == "a"


def test_special_and_unknown_tokens_are_silent(byte_level: Any) -> None:
    detokenizer = Detokenizer(byte_level)
    assert [detokenizer.push(token) for token in (0, 1, 2, 10**6)] == [""] * 4


def screen(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    screen = StopStrings(stops)
    shown = ""
    for piece in pieces:
        text, stopped = screen.push(piece)
        shown += text
        if stopped:
            return shown, True
    return shown + screen.flush(), False


def test_text_that_may_begin_a_stop_string_is_held_back() -> None:
    stops = StopStrings(["\nUser:"])
    assert stops.push("Hi\nUs") == Screened("Hi", False)
    assert stops.push("ual") == Screened("\nUsual", False)
    assert stops.push("\nUser: more") == Screened("", True)
    assert stops.push("x") == Screened("", True)
    assert stops.flush() == ""


def test_without_stop_strings_everything_passes() -> None:
    assert screen([], ["a", "", "b"]) == ("ab", False)


@given(
    text=st.text("ab", max_size=24),
    stops=st.lists(st.text("ab", min_size=1, max_size=4), max_size=3),
    cuts=st.lists(st.integers(0, 24)),
)
def test_cutting_does_not_matter(text: str, stops: list[str], cuts: list[int]) -> None:
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert screen(stops, pieces) == screen(stops, list(text))
    shown, stopped = screen(stops, pieces)
    assert stopped == any(stop in text for stop in stops)
    assert text.startswith(shown)
    assert not any(stop in shown for stop in stops)
