"""`perdure show` over a real store: the state of each layer, and an answer that no commit holds yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perdure.api.cli.app import app
from perdure.testing.families import tiny_model

from ..conftest import Opens


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["show", *arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    ("family", "kinds", "growth"),
    [
        ("llama", {"attention"}, {"per token"}),
        ("gemma3", {"attention", "sliding attention"}, {"per token", "capped"}),
        ("mamba", {"recurrent"}, {"fixed"}),
        ("jamba", {"attention", "recurrent"}, {"per token", "fixed"}),
        ("rwkv", {"recurrent"}, {"fixed"}),
        ("falcon_h1", {"recurrent + attention"}, {"per token + fixed"}),
    ],
)
def test_what_each_layer_keeps(opens: Opens, tmp_path: Path, family: str, kinds: set[str], growth: set[str]) -> None:
    with opens(model=str(tiny_model(family, tmp_path / family))) as runtime:
        session = runtime.session("s")
        session.chat("Tell me about the sea.")
        bound = {layer.layer: layer.nbytes(session.head.tokens) for layer in runtime.engine.adapter.layers()}
    state = json.loads(shown("s", "--state", "--json", "--store", str(tmp_path / "store")))["state"]
    assert {layer["kind"] for layer in state["layers"]} == kinds
    assert {layer["growth"] for layer in state["layers"]} == growth
    assert {layer["layer"]: layer["bytes"] for layer in state["layers"]} == bound
    assert bool(state["snapshots"]) == any(layer["fixed"] for layer in state["layers"])
    text = shown("s", "--state", "--store", str(tmp_path / "store"))
    assert all(kind in text for kind in kinds)


def test_an_empty_session_holds_no_state(opens: Opens, tmp_path: Path) -> None:
    with opens() as runtime:
        runtime.session("s")
    result = CliRunner().invoke(app, ["show", "s", "--state", "--store", str(tmp_path / "store")])
    assert result.exit_code == 0
    assert "holds no state yet" in result.stderr


def test_an_answer_that_is_not_committed_is_told_of(opens: Opens, tmp_path: Path) -> None:
    with opens() as runtime:
        session = runtime.session("s")
        session.chat("Hello.")
        stream = session.stream("And then what happened?", max_tokens=8)
        next(stream)
        result = CliRunner().invoke(app, ["show", "s", "--store", str(tmp_path / "store")])
        assert "1 tokens, to 'And then what happened?'" in result.stderr
        stream.close()
    assert "not committed" not in CliRunner().invoke(app, ["show", "s", "--store", str(tmp_path / "store")]).stderr
