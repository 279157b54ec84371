"""A short conversation on the Triton path, interpreted: compared with the CPU path's, and resumed to the bit.

A process of its own runs this (test_triton.py): Triton decides at import whether it interprets.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from perdure import MemoryOptions, Sampling
from perdure.kernels import dispatch
from perdure.memory.facts import Fact
from perdure.memory.fastweights import KV, LOW_RANK
from perdure.runtime import Runtime, open  # noqa: A004
from perdure.runtime.residence import Residence
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of
from perdure.testing.tiny import tiny_llama

TAUGHT = Fact("Tamsin Orrell", "", "Biscuit", "Tamsin Orrell's pangolin is called Biscuit.")
ASK = "What is Tamsin Orrell's pangolin called?"
FACT = "My cousin Tamsin keeps a pangolin called Biscuit."
FILLER = "the quick brown fox jumps over the lazy dog while seven wizards judge my vow "
BOUNDED = MemoryOptions(window=64, block=64, sinks=4, summary=16, recall_tokens=64)
WITHIN = 2e-4
"""How far logits may be from the CPU path's; they spread over about 20. Measured: see the printed line."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("tiny") / "model", layers=1, hidden=32, heads=2, kv_heads=1)


def opened(model: Path, store: Path, memory: MemoryOptions | None = None) -> Runtime:
    return open(
        str(model),
        store,
        threads=1,
        sampling=Sampling(max_tokens=3, temperature=0.0),
        memory=memory,
        encoder=HashedWords(),
        cache=store.parent / "cache",
    )


def on_path(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(dispatch, "override", lambda: path)


def stood(session: Session) -> tuple[Tensor, list[int]]:
    """The boundary logits, and the tokens absorbed."""
    return session.logits(), session.warm.tokens


def same_story(found: tuple[Tensor, list[int]], wanted: tuple[Tensor, list[int]]) -> None:
    print(f"logits differ by {float((found[0] - wanted[0]).abs().max()):.1e} of {float(wanted[0].abs().max()):.1f}")
    assert found[1] == wanted[1]
    assert not torch.equal(found[0], wanted[0])
    torch.testing.assert_close(found[0], wanted[0], atol=WITHIN, rtol=0)


def test_a_turn_a_restore_and_a_continuation(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(path: str) -> tuple[Tensor, list[int]]:
        on_path(monkeypatch, path)
        with opened(model, tmp_path / path) as runtime:
            assert runtime.engine.adapter.hears
            session = runtime.session("s")
            session.chat("Tell me a story.")
            before = session.logits()
            session.close()
            again = runtime.session("s", create=False)
            assert torch.equal(again.logits(), before)
            runtime.residence = Residence(0)
            again.rest()
            again.chat("And then?")
            assert again.verify() == []
            return stood(again)

    same_story(told("triton"), told("cpu"))


def test_a_bounded_window_with_recall(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(path: str) -> tuple[Tensor, list[int]]:
        on_path(monkeypatch, path)
        with opened(model, tmp_path / path, BOUNDED) as runtime:
            session = runtime.session("s")
            for text in (FACT, FILLER, FILLER):
                session.chat(text)
            receipt = session.chat("What pangolin does my cousin Tamsin keep, and what is Biscuit?").receipt
            assert receipt.recalled > 0
            assert session.warm.state.place.oldest > 0
            before = session.logits()
            session.close()
            again = runtime.session("s", create=False)
            assert torch.equal(again.logits(), before)
            return stood(again)

    same_story(told("triton"), told("cpu"))


@pytest.mark.parametrize("form", [LOW_RANK, KV])
def test_fast_weights_open(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    def told(path: str) -> tuple[Tensor, list[int]]:
        on_path(monkeypatch, path)
        with opened(model, tmp_path / path) as runtime:
            session = runtime.session("s")
            session.teach((record_of(runtime, TAUGHT, (ASK,), form=form),), (), "teach a fact")
            assert session.chat(ASK).receipt.opened == 1
            return stood(session)

    same_story(told("triton"), told("cpu"))
