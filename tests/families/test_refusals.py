"""Snapshots that do not fit are refused by the name of what does not fit, and rounded ones say so."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from perdure.config import CheckpointOptions
from perdure.errors import ObjectCorrupt, RecipeMismatch
from perdure.runtime import Runtime
from perdure.runtime.encoding import pack_snapshot, unpack_snapshot

from .conftest import Bench, few
from .script import FIRST, LAST, NEXT, begun, say

ALL_KINDS = few("llama", "gemma3", "mamba", "jamba", "rwkv")
FEW = few("mamba", "jamba", "rwkv", "xlstm", "minimax", "recurrent_gemma")


def altered(rt: Runtime, **changes: Any) -> Runtime:
    """A runtime whose state adapter is another in some attributes."""
    adapter = copy(rt.engine.adapter)
    for name, value in changes.items():
        setattr(adapter, name, value)
    rt.engine = copy(rt.engine)
    rt.engine.adapter = adapter
    rt.recipe = rt._recipe(rt.loaded)
    return rt


@ALL_KINDS
def test_another_version_of_the_adapter(bench: Bench, tmp_path: Path) -> None:
    """It is named before anything is read; as text the conversation goes on, and nothing old is taken over."""
    with bench.retold(tmp_path / "store") as rt:
        present = rt.engine.adapter.identity
        with pytest.raises(RecipeMismatch, match=f"the state format has changed.*{present}.*/99") as caught:
            altered(rt, version=99).session("s")
        assert caught.value.field == "format"
        reply = rt.session("s", as_text=True).chat(LAST, max_tokens=1)
        assert reply.receipt.restored == reply.receipt.reused == 0
        assert reply.receipt.prefilled > len(bench.story.moments[-1].log)
        assert any("computed again from its text" in note for note in reply.receipt.notes)
        assert rt.session("s").verify() == []


@FEW
@pytest.mark.parametrize(("field", "what"), [("family", "the model family"), ("adapter", "the state adapter")])
def test_another_family_or_adapter_in_the_header(bench: Bench, tmp_path: Path, field: str, what: str) -> None:
    """A snapshot says whose it is, whatever the recipe says."""
    with bench.retold(tmp_path / "store") as rt:
        stored = rt.repository.snapshot(rt.repository.present(rt.repository.info("s").head)[-1].digest)
        assert stored is not None
        meta, payload = stored.meta, stored.payload
        with pytest.raises(RecipeMismatch, match=f"{what} has changed.*somebody else/3") as caught:
            unpack_snapshot({**meta, field: "somebody else/3"}, payload, rt.engine)
        assert caught.value.field == field
        assert caught.value.present == meta[field]


@FEW
def test_another_shape(bench: Bench, tmp_path: Path) -> None:
    """The first tensor that is of another shape or number type is named."""
    with bench.retold(tmp_path / "store") as rt:
        present: Any = rt.engine.adapter
        path, (shape, dtype) = next((path, fit) for path, fit in sorted(present._fit.items()) if fit[0])
        for fit in ((torch.Size([*shape[:-1], shape[-1] + 1]), dtype), (shape, torch.float64)):
            session = altered(rt, _fit={**present._fit, path: fit}).session("s")
            with pytest.raises(RecipeMismatch, match=path) as caught:
                session.logits()
            assert caught.value.field == "shape"
            session.close()


@FEW
def test_a_header_that_claims_too_much(bench: Bench) -> None:
    """More bytes than there are is damage, not another model."""
    engine = bench.engine
    state = engine.adapter.new()
    engine.prefill(state, [1, 2, 3])
    snapshot = state.snapshot()
    assert snapshot is not None
    meta, payload = pack_snapshot(snapshot, engine)
    with pytest.raises(ObjectCorrupt, match="shorter than its header says"):
        unpack_snapshot(meta, payload[:-1], engine)


@FEW
def test_raw_snapshots_keep_every_tensor_as_it_is(bench: Bench) -> None:
    """Number types stand in the header; states in float32 stay so whatever the model's type, and come back bit by bit."""
    engine = bench.engine
    state = engine.adapter.new()
    engine.prefill(state, [1, 2, 3])
    snapshot = state.snapshot()
    assert snapshot is not None
    meta, payload = pack_snapshot(snapshot, engine)
    assert {path: (dtype, shape) for path, dtype, shape, _ in meta["tensors"]} == {
        path: (str(tensor.dtype).removeprefix("torch."), list(tensor.shape)) for path, tensor in snapshot.tensors.items()
    }
    assert "error" not in meta
    back = unpack_snapshot(meta, payload, engine)
    assert back.tensors.keys() == snapshot.tensors.keys()
    assert all(torch.equal(back.tensors[path], tensor) for path, tensor in snapshot.tensors.items())
    assert len(payload) == snapshot.nbytes


@FEW
def test_rounded_snapshots_say_so(bench: Bench, tmp_path: Path) -> None:
    """Smaller, the error that was measured in the header and in the notes, and never mixed with exact ones."""
    rounding = CheckpointOptions(codec="int8")
    with bench.over(tmp_path / "store", checkpoints=rounding) as rt:
        session = begun(rt)
        exact = [say(session, FIRST, 1), say(session, NEXT, 2)][-1].logits
        marks = rt.repository.present(session.head)
        stored = rt.repository.snapshot(marks[-1].digest)
        assert stored is not None
        meta, payload = stored.meta, stored.payload
        assert meta["codec"] == "int8"
        assert isinstance(meta["error"], float)
        assert 0 < meta["error"] < 0.02
        assert len(payload) < marks[-1].nbytes
        assert session.verify() == []
        session.close()
        session = rt.session("s")
        assert torch.equal(session.logits(), exact)
        reply = session.chat(LAST, max_tokens=1)
        assert any("rounded numbers (int8" in note for note in reply.receipt.notes)
    with bench.at(tmp_path / "store") as rt, pytest.raises(RecipeMismatch) as caught:
        rt.session("s")
    assert caught.value.field == "format"
