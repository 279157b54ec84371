"""Nothing is made on the default device: what a model needs is made where the model is.

The default is a device whose tensors have no numbers, so that whatever does not say where it belongs fails at its first use.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from perdure.config import WRITERS, MemoryOptions
from perdure.memory.fastweights import KV, LOW_RANK
from perdure.runtime import Runtime
from perdure.runtime.residence import Residence
from perdure.runtime.runtime import make_engine
from perdure.runtime.writers import Lesson, judge, writer_for
from perdure.runtime.writers.distill import Distilled
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of

from ..conftest import Opens
from .gates import made_up, put_in_force
from .test_fastweights import ASK
from .test_fastweights import FACT as TAUGHT
from .test_writers import LESSONS

FACT = "My cousin Tamsin keeps a pangolin called Biscuit."
FILLER = "the quick brown fox jumps over the lazy dog while seven wizards judge my vow "
BOUNDED = MemoryOptions(window=64, block=64, sinks=4, summary=16, recall_tokens=64)


@contextmanager
def nowhere() -> Iterator[None]:
    with torch.device("meta"):
        yield


def test_it_notices_what_has_no_place() -> None:
    with nowhere(), pytest.raises((RuntimeError, NotImplementedError)):
        torch.ones(2, device="cpu") * torch.arange(2)


def test_an_engine_is_made_and_tested(runtime: Runtime) -> None:
    with nowhere():
        engine, _ = make_engine(runtime.loaded)
    assert engine.adapter.hears


def test_a_long_conversation_with_recall(opens: Opens) -> None:
    with opens(memory=BOUNDED, encoder=HashedWords()) as runtime, nowhere():
        session = runtime.session("s")
        for text in (FACT, FILLER, FILLER):
            session.chat(text, max_tokens=3)
        assert session.chat("What pangolin does my cousin Tamsin keep, and what is Biscuit?", max_tokens=3).receipt.recalled
        before = session.logits()
        session.close()
        again = runtime.session("s", create=False)
        assert torch.equal(again.logits(), before)
        runtime.residence = Residence(0)
        again.rest()
        again.chat("And then?", max_tokens=3)
        assert again.verify() == []


@pytest.mark.parametrize("form", [LOW_RANK, KV])
def test_fast_weights_open(opens: Opens, form: str) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = runtime.session("s")
        session.teach((record_of(runtime, TAUGHT, (ASK,), form=form),), (), "teach a fact")
        with nowhere():
            assert session.chat(ASK, max_tokens=3).receipt.opened == 1


@pytest.mark.parametrize("rule", ["linear", "delta"])
def test_an_infini_memory_folds_and_is_read(opens: Opens, rule: str, tmp_path: Path) -> None:
    options = MemoryOptions(window=128, block=128, sinks=4, summary=48, recall="off", backend="infini")
    with opens(memory=replace(options, backend="none")) as runtime:
        put_in_force(runtime, tmp_path / "cache", made_up(rule, maps=True))
    with opens(memory=options) as runtime, nowhere():
        session = runtime.session("s")
        for turn in range(4):
            session.chat(f"{turn} {FILLER * 2}", max_tokens=3)
        assert session.warm.state.place.oldest > 0


@pytest.mark.parametrize("name", WRITERS)
def test_writers_write(runtime: Runtime, name: str) -> None:
    engine, chat = runtime.engine, runtime.loaded.chat
    writer = writer_for(engine, chat, name)
    if isinstance(writer, Distilled):
        writer = type(writer)(engine, chat, replace(writer.settings(), steps=2))
    with nowhere():
        written = writer.write(LESSONS)
        worth = [judge(engine, chat, [lesson], [each]) for lesson, each in zip(LESSONS, written, strict=True)]
    assert len(worth) == len(written) == len(LESSONS)
    assert isinstance(LESSONS[0], Lesson)
