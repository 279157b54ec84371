"""Tokens that come one by one by the short way have the bits of the model's own forward."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Linear, Module

from perdure.config import PREFILL_GRID
from perdure.memory.events import Event
from perdure.runtime import products
from perdure.runtime.engine import Engine
from perdure.runtime.forwards import Boundary
from perdure.runtime.products import Found, Products
from perdure.runtime.state.base import State
from perdure.runtime.state.cache_state import CacheState
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


def prompted(engine: Engine, *, listens: bool = False) -> CacheState:
    """A state with a prompt of two whole chunks and more."""
    state = engine.adapter.new()
    assert isinstance(state, CacheState)
    if listens:
        engine.happen(state, Event(0, "track", {"stride": 1, "window": 8, "block": 8}))
    engine.prefill(state, [3 + (7 * place) % 199 for place in range(2 * PREFILL_GRID + 50)])
    return state


@pytest.mark.parametrize("listens", [False, True])
@pytest.mark.parametrize(("family", "dtype"), [("llama", "bfloat16"), ("llama", "float32"), ("qwen2", "bfloat16")])
def test_whole_chunks_of_a_prompt_leave_the_same_bits(
    tmp_path: Path, family: str, dtype: str, listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = made(family, tmp_path, dtype)
    step = stepping(engine)
    chunks: list[int] = []
    run = Step.run

    def counted(self: Step, forward: Any, tokens: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        chunks.append(len(tokens))
        return run(self, forward, tokens, positions)

    monkeypatch.setattr(Step, "run", counted)
    state = prompted(engine, listens=listens)
    # Three: the first one is tried before it is trusted.
    assert chunks == ([PREFILL_GRID] * 3 if step.takes(PREFILL_GRID, engine.adapter) else [])
    assert chunks or dtype == "float32"
    engine._steps[engine.threads] = None
    twin = prompted(engine, listens=listens)
    require_same([[engine.feed(state, [11])]], [[engine.feed(twin, [11])]])
    group = engine.adapter.groups[0]
    assert torch.equal(state.export(group, 0, state.seen), twin.export(group, 0, twin.seen))
    for mine, other in zip(state.mass, twin.mass, strict=True):
        assert torch.equal(mine, other)


def test_chunks_that_would_differ_go_the_way_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made("llama", tmp_path)
    step = stepping(engine)
    monkeypatch.setattr("perdure.runtime.step._alike", lambda *_: False)
    assert not step.takes(PREFILL_GRID, engine.adapter)
    assert step.takes(1, engine.adapter)
    assert not step.takes(PREFILL_GRID - 1, engine.adapter)


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
    monkeypatch.setattr(products, "_trial", lambda linears: Found(True, False, True))
    seen: list[int] = []
    times = products._Packed._times

    def counted(self: products._Packed, x: torch.Tensor) -> torch.Tensor:
        seen.append(len(x))
        return times(self, x)

    monkeypatch.setattr(products._Packed, "_times", counted)
    layers = linears(96)
    with torch.inference_mode():
        product = Products(torch.nn.ModuleList(layers)).of(layers)
        assert product(torch.randn(3, 64).bfloat16()).shape == (3, 96)
        assert product(torch.randn(PREFILL_GRID, 64).bfloat16()).shape == (PREFILL_GRID, 96)
    assert seen == [1, 1, 1, PREFILL_GRID]
