"""Tokens that come one by one by the short way have the bits of the model's own forward."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Linear, Module

from perdure.memory.events import Event
from perdure.runtime import products
from perdure.runtime.engine import Engine
from perdure.runtime.forwards import Boundary
from perdure.runtime.products import Products
from perdure.runtime.state.base import State
from perdure.runtime.step import Step, proven

from .test_together import filled, made, require_same

ROWS = 4


def stepping(engine: Engine) -> Step:
    engine.decode(filled(engine, 2), 5)
    found = engine._steps[engine.threads]
    assert found is not None
    return found


def decoded(engine: Engine, states: Sequence[State]) -> list[list[Boundary]]:
    """Some tokens alone, then some together."""
    single = [[engine.feed(state, [9 + n])] for n, state in enumerate(states)]
    together = [engine.decode_together([(state, 31 + 2 * n + step) for n, state in enumerate(states)]) for step in range(2)]
    return single + together


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_the_short_way_leaves_the_same_bits(tmp_path: Path, family: str, dtype: str) -> None:
    engine = made(family, tmp_path, dtype)
    stepping(engine)
    assert engine.together == 8
    states = [filled(engine, 3 + 40 * n, n) for n in range(ROWS)]
    twins = [state.fork() for state in states]
    found = decoded(engine, states)
    engine._steps[engine.threads] = None
    require_same(found, decoded(engine, twins))
    for state, twin in zip(states, twins, strict=True):
        state.check()
        assert state.seen == twin.seen
        group = engine.adapter.groups[0]
        assert torch.equal(state.export(group, 0, state.seen), twin.export(group, 0, twin.seen))


def test_what_listens_to_attention_hears_the_short_way(tmp_path: Path) -> None:
    engine = made("llama", tmp_path)
    stepping(engine)
    state = filled(engine, 90)
    engine.happen(state, Event(90, "track", {"stride": 1, "window": 8, "block": 8}))
    twin = state.fork()
    ours = [engine.feed(state, [11 + step]) for step in range(3)]
    engine._steps[engine.threads] = None
    require_same([ours], [[engine.feed(twin, [11 + step]) for step in range(3)]])
    for mine, other in zip(state.mass, twin.mass, strict=True):
        assert mine.any()
        assert torch.equal(mine, other)


@pytest.mark.parametrize("family", ["qwen3", "granitemoe"])
def test_other_families_have_none(tmp_path: Path, family: str) -> None:
    engine = made(family, tmp_path)
    engine.decode(filled(engine, 2), 5)
    assert engine._steps == {1: None}


def test_a_step_that_gives_other_bits_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made("llama", tmp_path)
    with torch.inference_mode():
        assert proven(engine.model, engine.adapter) is not None
        turned = Step._turned
        monkeypatch.setattr(Step, "_turned", staticmethod(lambda x, cos, signed: turned(x, cos, signed).mul_(1 + 2**-8)))
        assert proven(engine.model, engine.adapter) is None


def linears(*sizes: int, bias: bool = False) -> list[Module]:
    return [Linear(64, size, bias=bias, dtype=torch.bfloat16).requires_grad_(False) for size in sizes]


@pytest.mark.parametrize("room", [0, 1 << 40])
@pytest.mark.parametrize("bias", [False, True])
def test_a_product_has_the_bits_of_its_layers(room: int, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is room for a second copy of the weights or none."""
    monkeypatch.setattr(products, "_free", lambda: room)
    layers = linears(96, 32, bias=bias)
    x = torch.randn(5, 64).bfloat16()
    with torch.inference_mode():
        product = Products(torch.nn.ModuleList(layers)).of(layers)
        wanted = torch.cat([torch.cat([layer(row[None]) for layer in layers], -1) for row in x])
        assert torch.equal(torch.cat([product(row[None]) for row in x]), wanted)


def test_rows_that_would_differ_in_company_go_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_free", lambda: 1 << 40)
    monkeypatch.setattr(products, "_trial", lambda linears: (True, False))
    seen: list[int] = []
    times = products._times

    def counted(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        seen.append(len(x))
        return times(x, *rest)

    monkeypatch.setattr(products, "_times", counted)
    layers = linears(96)
    with torch.inference_mode():
        product = Products(torch.nn.ModuleList(layers)).of(layers)
        assert product(torch.randn(3, 64).bfloat16()).shape == (3, 96)
    assert seen == [1, 1, 1]
