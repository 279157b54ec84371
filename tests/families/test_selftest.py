"""What a model must prove when it is loaded, and what becomes of one that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import perdure.runtime.runtime
from perdure.errors import InvalidInput, RecipeMismatch
from perdure.runtime.state.fixed import FixedState
from perdure.runtime.state.layers import KVLayer

from .conftest import Bench, few
from .script import FIRST, NEXT, Moment, begun, beside, loaded_from, runtime, say


@pytest.fixture
def unrepaired(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Families stay as transformers left them, but for what was loaded before."""
    assert bench.story.moments
    monkeypatch.setattr(perdure.runtime.runtime, "repair", lambda model: [])


@few("mamba", "jamba", "zamba", "recurrent_gemma")
@pytest.mark.usefixtures("unrepaired")
def test_a_family_that_cannot_take_several_tokens_is_given_one(bench: Bench, tmp_path: Path) -> None:
    """The runtime says so; a session resumes bit by bit, knows how it was fed, and shares its beginning."""
    with runtime(loaded_from(bench.model), tmp_path / "unused") as rt:
        assert any("one token at a time" in note and "go on wrongly" in note for note in rt.notes)
    with beside(rt, tmp_path / "a") as never_stopped:
        session = begun(never_stopped)
        wanted = [say(session, FIRST, 1), say(session, NEXT, 2)]
        reply = begun(never_stopped, "shares").chat(FIRST, max_tokens=1)
        assert reply.receipt.reused >= 128
        assert session.verify() == []
        assert never_stopped.repository.recipe(session.head)["grid"] == "1"
    assert _stopped(bench, tmp_path / "b", FIRST) == [_plain(wanted[0])]
    assert _stopped(bench, tmp_path / "b", NEXT) == [_plain(wanted[1])]
    with bench.at(tmp_path / "b") as mended, pytest.raises(RecipeMismatch, match="prefill grid"):
        mended.session("s")


def _stopped(bench: Bench, store: Path, text: str) -> list[tuple[Any, ...]]:
    """One turn by a runtime that loads the model for it."""
    with runtime(loaded_from(bench.model), store) as rt:
        session = rt.session("s") if rt.repository.exists("s") else begun(rt)
        return [_plain(say(session, text, 1 if text == FIRST else 2))]


def _plain(found: Moment) -> tuple[Any, ...]:
    return (*found[:2], found.logits.tolist(), *found[3:])


@few("mamba", "recurrent_gemma")
def test_a_repair_is_made_once(bench: Bench, tmp_path: Path) -> None:
    """A second runtime over a loaded model finds it mended, and computes the same."""
    loaded = loaded_from(bench.model)
    for name in ("one", "two"):
        with runtime(loaded, tmp_path / name) as rt:
            assert rt.notes == []
            assert torch.equal(say(begun(rt), FIRST, 1).logits, bench.story.moments[0].logits)


@few("llama", "gemma3", "jamba")
def test_a_model_that_forgets_is_refused_by_name(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose attention sees the new tokens only."""

    update = KVLayer.update

    def forgetful(self: KVLayer, keys: Tensor, values: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        whole = update(self, keys, values)
        for tensor in whole:
            tensor[:, :, : -keys.shape[2]] = 0
        return whole

    monkeypatch.setattr(KVLayer, "update", forgetful)
    with pytest.raises(InvalidInput, match=rf"'{bench.case.family}\w*' do not continue correctly"):
        runtime(loaded_from(bench.model), tmp_path / "store")


@few("rwkv", "xlstm")
def test_a_recurrent_model_that_forgets_is_refused_by_name(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose state is lost between forwards."""
    run = FixedState.run

    def forgetful(self: FixedState, model: Any, inputs: Any) -> Any:
        self._value = self._adapter.fresh()
        return run(self, model, inputs)

    monkeypatch.setattr(FixedState, "run", forgetful)
    with pytest.raises(InvalidInput, match=f"'{bench.case.family}' do not continue correctly"):
        runtime(loaded_from(bench.model), tmp_path / "store")


@few("llama", "gemma3", "mamba", "jamba", "rwkv", dtypes=("float32",))
def test_what_a_family_supports(bench: Bench) -> None:
    """Every one takes several tokens at once; only what is all per token can be cut."""
    supports = bench.engine.adapter.supports
    assert supports.multi_token
    assert supports.crop == supports.batch_select == (bench.case.family in ("llama", "gemma3"))
