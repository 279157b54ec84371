"""How much likelier a statement makes a question, by the model that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from perdure.memory.fastweights import Doubt
from perdure.runtime import Runtime
from perdure.runtime.relevance import Relevance
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens

ANN = Doubt("Ann", "Ann's dog is called Rex.", "What is the dog of Ann called?")
BOB = Doubt("Bob", "Bob lives in a town that is called Aalborg.", "Where does Bob live?")


@pytest.fixture
def runtime(opens: Opens, tmp_path: Path) -> Iterator[Runtime]:
    with opens(model=str(tiny_llama(tmp_path / "exact", dtype="float32"))) as opened:
        yield opened


def likelihood(runtime: Runtime, doubt: Doubt, statement: str) -> float:
    """log p of the question's tokens after the statement, by one forward of the whole text."""
    tokens, start, end = Relevance(runtime.engine, runtime.loaded.chat)._row(doubt.question, statement)
    with torch.no_grad():
        scores = runtime.engine.model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].float().log_softmax(-1)
    return float(sum(scores[place - 1, tokens[place]] for place in range(start, end)))


def test_a_gain_is_the_difference_of_two_likelihoods(runtime: Runtime) -> None:
    found = Relevance(runtime.engine, runtime.loaded.chat).gains([ANN, BOB])
    for gain, doubt in zip(found, (ANN, BOB), strict=True):
        bare = likelihood(runtime, doubt, f"{doubt.subject} is a person.")
        assert gain == pytest.approx(likelihood(runtime, doubt, doubt.statement) - bare, abs=1e-4)
    assert abs(found[0] - found[1]) > 1e-3


def test_only_the_questions_own_tokens_count(runtime: Runtime) -> None:
    tokens, start, end = Relevance(runtime.engine, runtime.loaded.chat)._row(ANN.question, ANN.statement)
    assert runtime.loaded.tokenizer.decode(tokens[start:end]).strip() == ANN.question
    assert ANN.statement in runtime.loaded.tokenizer.decode(tokens[:start])


def test_asking_leaves_a_session_as_it_was(runtime: Runtime) -> None:
    with runtime.session("s") as asked, runtime.session("t") as other:
        for session in (asked, other):
            session.chat("Hello there", max_tokens=3, temperature=0.0)
        Relevance(runtime.engine, runtime.loaded.chat).gains([ANN])
        assert torch.equal(asked.logits(), other.logits())
        asked.chat("And now?", max_tokens=3, temperature=0.0)
        other.chat("And now?", max_tokens=3, temperature=0.0)
        assert torch.equal(asked.logits(), other.logits())
