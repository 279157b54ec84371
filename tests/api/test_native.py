"""Models whose layers are fast weights by nature: what both interfaces show of them, without a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from perdure.api.cli.app import app
from perdure.config import CheckpointOptions
from perdure.memory import commits
from perdure.memory.native import DELTA_RULE, Native
from perdure.testing.families import tiny_model
from perdure.testing.rwkv7 import tiny_rwkv7

from ..conftest import Opens
from .http_server import serving
from .remembering import without_a_model

SHAPES = {"rwkv7": [2, 64, 64], "olmo_hybrid": [1, 2, 16, 16]}
FAMILIES = [family.removesuffix("_text") for family in DELTA_RULE]


def written(family: str, folder: Path, **options: Any) -> Path:
    return tiny_rwkv7(folder, **options) if family == "rwkv7" else tiny_model(family, folder, **options)


def matrices(session: Any) -> dict[str, torch.Tensor]:
    """The matrices of a state, as the session that has just spoken holds them, by path."""
    found = session.warm.state.snapshot()
    assert found is not None
    others = ("conv", "keys", "values", "position_ids")
    return {path: each for path, each in found.tensors.items() if each.ndim >= 3 and not any(o in path for o in others)}


def inspected(store: Path, *words: str) -> Any:
    result = CliRunner().invoke(app, ["inspect", "s", "--tier", "fast-weights", *words, "--store", str(store)])
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout) if "--json" in words else result.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_each_delta_rule_layer_is_shown(opens: Opens, tmp_path: Path, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opens(model=str(written(family, tmp_path / "model"))) as runtime:
        session = runtime.session("s")
        session.chat("Hello there.", max_tokens=4)
        kept, tokens = runtime.repository.natives(session.head), session.head.tokens
        state = matrices(session)
        for each in kept:
            assert each.norm == pytest.approx(float(state[each.tensor].double().norm()), rel=1e-6)
            assert (each.shape, each.nbytes) == (tuple(state[each.tensor].shape), state[each.tensor].nbytes)
            runtime.engine.model.base_model.get_submodule(each.layer)
    assert [each.tensor for each in kept] == list(state)
    without_a_model(monkeypatch)
    listed = inspected(tmp_path / "store", "--json")["listed"]
    assert [(each["kind"], each["layer"], each["norm"]) for each in listed] == [("native", e.layer, e.norm) for e in kept]
    assert {each["position"] for each in listed} == {tokens}
    assert listed[0]["dtype"] == "float32"
    assert listed[0]["shape"] == SHAPES.get(family, [1, 4, 16, 16])
    assert kept[0].layer in inspected(tmp_path / "store")


@pytest.mark.parametrize("family", ["llama", "mamba2", "minimax", "xlstm"])
def test_other_families_have_none(opens: Opens, tmp_path: Path, family: str) -> None:
    with opens(model=str(tiny_model(family, tmp_path / "model"))) as runtime:
        runtime.session("s").chat("Hello there.", max_tokens=4)
    assert inspected(tmp_path / "store", "--json")["listed"] == []
    assert "native" not in inspected(tmp_path / "store")


@pytest.mark.parametrize(("dtype", "codec"), [("bfloat16", "raw"), ("float32", "int8")])
def test_other_numbers_are_read_too(opens: Opens, tmp_path: Path, dtype: str, codec: str) -> None:
    model = tiny_model("qwen3_next", tmp_path / "model", dtype=dtype)  # type: ignore[arg-type]
    with opens(model=str(model), checkpoints=CheckpointOptions(codec=codec)) as runtime:
        session = runtime.session("s")
        session.chat("Hello there.", max_tokens=4)
        state = matrices(session)
        for each in runtime.repository.natives(session.head):
            whole = state[each.tensor]
            assert (each.dtype, each.nbytes) == (str(whole.dtype).removeprefix("torch."), whole.nbytes)
            assert each.norm == pytest.approx(float(whole.double().norm()), rel=1e-2)


def test_an_earlier_snapshot_stands_in_for_one_that_is_gone(opens: Opens, tmp_path: Path) -> None:
    with opens(model=str(tiny_model("qwen3_next", tmp_path / "model"))) as runtime:
        session = runtime.session("s")
        assert runtime.repository.natives(session.head) == []
        session.chat("Hello there.", max_tokens=4)
        before, last = commits.checkpoints(session.head)[-2:]
        with runtime.repository.store.write() as txn:
            txn.delete(last.digest)
        found: list[Native] = runtime.repository.natives(session.head)
        assert {each.position for each in found} == {before.position}


def test_they_are_listed_over_http_behind_the_records(opens: Opens, tmp_path: Path) -> None:
    with opens(model=str(tiny_model("qwen3_next", tmp_path / "model"))) as runtime, serving(runtime) as api:
        api.remember("Hello there.", session="s", max_tokens=4)
        url = "/v1/sessions/s/memory/parametric"
        page = api.get(url).json()
        assert [each["id"] for each in page["data"]] == ["layers.0.linear_attn", "layers.2.linear_attn"]
        first = page["data"][0]
        assert (first["kind"], first["object"], first["own"], first["bytes"]) == ("native", "memory.native", True, 4096)
        assert api.get(f"{url}?limit=1&after={first['id']}").json()["data"] == page["data"][1:]
        assert api.get(f"{url}/{first['id']}").json() == first
        assert api.delete(f"{url}/{first['id']}").status_code == 404
        assert api.get(f"{url}?at=@turn:0").json()["data"] == []
