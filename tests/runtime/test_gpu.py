"""The runtime on a CUDA GPU: what is stored there comes back to the bit, and says what the CPU says but for rounding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from perdure.config import MemoryOptions, PagingOptions
from perdure.kernels import attend_segments_reference
from perdure.memory.fastweights import KV, LOW_RANK
from perdure.runtime import Runtime, attend_gpu
from perdure.runtime.attend import attend_segments, attended
from perdure.runtime.attention import NAME
from perdure.runtime.residence import Residence, bound
from perdure.runtime.state.paging import Staging
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of

from ..conftest import Opens
from .test_attend import NEAR, TOLERANCE, dtypes, error, inputs
from .test_devices import BOUNDED, FACT, FILLER
from .test_fastweights import ASK
from .test_fastweights import FACT as TAUGHT

pytestmark = pytest.mark.gpu

QUESTION = "What pangolin does my cousin Tamsin keep, and what is Biscuit?"


@pytest.fixture
def on_gpu(opens: Opens) -> Iterator[Runtime]:
    with opens(encoder=HashedWords()) as runtime:
        yield runtime


@dtypes
@pytest.mark.parametrize("t", [1, attend_gpu.FEW, attend_gpu.FEW + 1, 128])
def test_attention(t: int, dtype: torch.dtype) -> None:
    query, key, value = inputs(8, 2, t, 700, 64, dtype)
    expected = attend_segments_reference(query, key, value, 0.125, [(4, 40, 0.7), (90, 91, -1.0)], [(50, 80, -2.0)])
    there = (query.cuda(), key.cuda(), value.cuda())
    out, lse, shares = attend_segments(*there, 0.125, [(4, 40, 0.7), (90, 91, -1.0)], [(50, 80, -2.0)])
    assert error(out.cpu(), expected[0]) <= TOLERANCE[dtype]
    torch.testing.assert_close(lse.cpu(), expected[1], atol=NEAR[dtype], rtol=0)
    torch.testing.assert_close(shares.cpu(), expected[2], atol=NEAR[dtype], rtol=0)
    plain, _, _ = attend_segments_reference(query, key, value, 0.125, [])
    assert error(attended(*there, 0.125).cpu(), plain) <= TOLERANCE[dtype]


def test_a_model_is_loaded_there_with_our_attention(on_gpu: Runtime) -> None:
    assert on_gpu.engine.device.type == "cuda"
    assert on_gpu.loaded.config.get_text_config()._attn_implementation == NAME
    assert on_gpu.engine.adapter.hears
    assert bound(PagingOptions(), on_gpu.engine.device)


def test_a_turn_a_cold_restore_and_a_replay(on_gpu: Runtime) -> None:
    session = on_gpu.session("s")
    session.chat("Tell me a story. " * 40, max_tokens=8)
    before = session.logits()
    session.close()
    again = on_gpu.session("s", create=False)
    assert torch.equal(again.logits(), before)
    again.chat("And then?", max_tokens=8)
    assert again.verify() == []


def test_it_goes_on_after_a_restore_as_if_it_had_never_stopped(on_gpu: Runtime) -> None:
    found = []
    for name, stops in (("one", False), ("two", True)):
        on_gpu.repository.create(name, on_gpu.recipe, model=on_gpu.model.name, seed=3)
        session = on_gpu.session(name)
        session.chat("Tell me a story.", max_tokens=8)
        if stops:
            session.close()
            session = on_gpu.session(name)
        reply = session.chat("And then?", max_tokens=8)
        found.append((reply.tokens, session.logits()))
    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


def test_it_says_what_the_cpu_says(on_gpu: Runtime, monkeypatch: pytest.MonkeyPatch, opens: Opens, tmp_path: Path) -> None:
    tokens = range(300, 360)
    state = on_gpu.engine.adapter.new()
    there = on_gpu.engine.prefill(state, tokens)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with opens(tmp_path / "other") as runtime:
        here = runtime.engine.prefill(runtime.engine.adapter.new(), tokens)
    assert there is not None
    assert here is not None
    assert error(there.logits, here.logits) <= 3e-2


@pytest.mark.parametrize("memory", [None, BOUNDED], ids=["whole", "bounded"])
def test_a_state_that_left_comes_back_to_the_bit(opens: Opens, memory: MemoryOptions | None) -> None:
    with opens(memory=memory, encoder=HashedWords()) as runtime:
        session = runtime.session("s")
        for _ in range(3):
            session.chat(FILLER, max_tokens=4)
        before, place = session.logits(), session.warm.state.place
        runtime.residence = Residence(0)
        session.rest()
        (state,) = session.states()
        assert state.away
        assert not state.resident
        reply = session.chat("And then?", max_tokens=4, temperature=0.0)
        assert session.verify() == []
        session.undo()
        assert torch.equal(session.logits(), before)
        assert session.warm.state.place == place
        assert session.chat("And then?", max_tokens=4, temperature=0.0).tokens == reply.tokens


@pytest.mark.parametrize("form", [LOW_RANK, KV])
def test_fast_weights_open(on_gpu: Runtime, form: str) -> None:
    session, plain = on_gpu.session("s"), on_gpu.session("plain")
    session.teach((record_of(on_gpu, TAUGHT, (ASK,), form=form),), (), "teach a fact")
    assert session.chat(ASK, max_tokens=4, temperature=0.0).receipt.opened == 1
    plain.chat(ASK, max_tokens=4, temperature=0.0)
    assert not torch.equal(session.logits(), plain.logits())
    assert session.verify() == []


def test_a_bounded_window_with_recall(opens: Opens) -> None:
    with opens(memory=BOUNDED, encoder=HashedWords()) as runtime:
        session = runtime.session("s")
        for text in (FACT, FILLER, FILLER):
            session.chat(text, max_tokens=4)
        assert session.chat(QUESTION, max_tokens=4).receipt.recalled
        before = session.logits()
        session.close()
        again = runtime.session("s", create=False)
        assert torch.equal(again.logits(), before)
        assert again.verify() == []


def test_bytes_through_the_pinned_buffer() -> None:
    staging = Staging("cuda", 1 << 16)
    given = {str(size): torch.randn(size, 8).bfloat16() for size in (1, 100, 4000, 9000)}
    there = staging.placed(given)
    assert all(tensor.is_cuda for tensor in there.values())
    back = staging.to_host(list(there.values()))
    parked = staging.parked(list(there.values()))
    assert all(tensor.is_pinned() for tensor in parked)
    for each in (back, parked):
        assert all(torch.equal(tensor, wanted) for tensor, wanted in zip(each, given.values(), strict=True))
