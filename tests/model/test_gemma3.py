"""A real sliding-window model, on request only: `pytest tests/model/test_gemma3.py --gemma`, once it has been pulled.

Nothing here pulls it: whoever runs this has read its terms and given `perdure pull gemma3-270m --accept-terms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

import perdure
from perdure.errors import ModelNotFound
from perdure.memory.records import Message
from perdure.places import default_cache
from perdure.runtime.models import resolve

pytestmark = pytest.mark.model

MODEL = "gemma3-270m"
WINDOW = 512
BLOCK = 128
STORY = "".join(f"On day {day} the keeper of the light noted the wind, the tide and the ships. " for day in range(36))
OTHER = "Which of these days was the calmest?"

LLAMA_CPP = {
    "The capital of France is": 506,
    "Water boils at a temperature of": 236743,
    "The opposite of hot is": 7445,
    "def fibonacci(n):\n    if n <": 236743,
    "2 + 2 =": 236743,
    "To be or not to be, that is the": 2934,
    "My name is John and I live in": 506,
}
"""The next token by llama.cpp on the same GGUF."""


class Told(NamedTuple):
    """A conversation of two turns past the window, as branch `bob`; what `alice` answered next, and its logits [vocab]."""

    store: Path
    tokens: int
    answer: tuple[int, ...]
    logits: Tensor
    messages: list[Message]


@pytest.fixture(scope="module", autouse=True)
def _asked_for(request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--gemma"):
        pytest.skip("the real sliding-window model runs only with --gemma")
    try:
        resolve(MODEL, default_cache())
    except ModelNotFound as missing:
        pytest.skip(f"{missing} --accept-terms, once you have read its terms")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    store = tmp_path_factory.mktemp("gemma") / "store"
    with perdure.open(MODEL, store, threads=1) as runtime:
        alice = runtime.session("alice")
        for said in (STORY, "Go on."):
            alice.chat(said, max_tokens=12, temperature=0.0)
        tokens, messages = alice.head.tokens, alice.messages()
        alice.fork("bob")
        answer = alice.chat("And then?", max_tokens=12, temperature=0.0)
        return Told(store, tokens, answer.tokens, alice.logits(), messages)


@pytest.fixture(scope="module")
def resumed(told: Told) -> Iterator[perdure.Runtime]:
    with perdure.open(MODEL, told.store, threads=1) as runtime:
        yield runtime


def test_the_window_is_the_models_and_was_passed(told: Told, resumed: perdure.Runtime) -> None:
    config = resumed.loaded.config
    assert config.sliding_window == WINDOW
    assert [layer for layer, kind in enumerate(config.layer_types) if kind == "full_attention"] == [5, 11, 17]
    assert told.tokens > WINDOW + 100


def test_resume_is_bit_identical_past_the_window(told: Told, resumed: perdure.Runtime) -> None:
    with resumed.session("bob") as bob:
        reply = bob.chat("And then?", max_tokens=12, temperature=0.0)
        assert reply.receipt.restored == told.tokens
        assert (reply.receipt.reused, reply.receipt.replayed) == (0, 0)
        assert reply.tokens == told.answer
        assert torch.equal(bob.logits(), told.logits)
        assert bob.verify() == []


def test_another_last_message_keeps_what_came_before(told: Told, resumed: perdure.Runtime) -> None:
    with resumed.session("alice") as alice, alice.fork("eve", "alice@turn:2") as eve:
        receipt = eve.chat(OTHER, max_tokens=4, temperature=0.0).receipt
        assert receipt.restored >= 0.95 * told.tokens
        assert receipt.replayed == 0
        assert eve.verify() == []


def test_another_session_takes_over_every_whole_block(told: Told, resumed: perdure.Runtime) -> None:
    longer = Message("user", f"{STORY} {OTHER}")
    chat = resumed.loaded.chat
    ours, theirs = chat.prompt([longer]), chat.prompt(told.messages[:1])
    common = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    with resumed.session("fresh") as fresh:
        receipt = fresh.chat([longer], max_tokens=4, temperature=0.0).receipt
        assert receipt.reused == common // BLOCK * BLOCK > WINDOW
        assert receipt.prefilled == len(ours) - receipt.reused
        assert fresh.verify() == []


def test_the_conversion_says_what_llama_cpp_says(resumed: perdure.Runtime) -> None:
    model, tokenizer = resumed.loaded.model, resumed.loaded.tokenizer

    def following(prompt: str) -> int:
        return int(model(tokenizer(prompt, return_tensors="pt").input_ids, logits_to_keep=1).logits[0, -1].argmax())

    assert {prompt: following(prompt) for prompt in LLAMA_CPP} == LLAMA_CPP
