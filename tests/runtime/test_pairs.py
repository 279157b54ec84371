"""Linear layers that take a row alone as two give each row the same bits in any company, and a recipe says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import Linear, Module, ModuleList
from transformers import PretrainedConfig

from perdure.errors import RecipeMismatch
from perdure.kernels.dispatch import native_bfloat16
from perdure.runtime import models, pairs
from perdure.runtime.company import MOST, cancelling
from perdure.runtime.engine import Engine
from perdure.runtime.pairs import MANY, SCHEME, PairedLinear, pair, paired_linear
from perdure.runtime.products import Products
from perdure.runtime.runtime import load_model, make_engine
from perdure.runtime.step import TRIALS
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens
from .test_together import filled, require_same

gains = pytest.mark.skipif(not native_bfloat16(), reason="this processor has no instructions for bfloat16")
"""Elsewhere nothing is paired, and sessions go as they go in float32 (test_together.py)."""


class OnCpu(ModuleList):
    """What `pair` is to look at."""

    device, dtype = torch.device("cpu"), torch.bfloat16

    def __init__(self, layers: Sequence[Module], **heads: Any) -> None:
        super().__init__(layers)
        self.config = PretrainedConfig(**heads)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a layer of 1,536 inputs."""
    return tiny_llama(tmp_path_factory.mktemp("wide") / "model", hidden=768, heads=12, dtype="bfloat16")


@pytest.fixture(scope="module")
def engine(wide: Path) -> Engine:
    return make_engine(load_model(wide, "wide", threads=1))[0]


@gains
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("inputs", "outputs"), [(1088, 96), (1536, 576), (2048, 256), (4864, 64)])
def test_a_row_has_the_same_bits_alone_and_in_any_company(inputs: int, outputs: int, bias: bool) -> None:
    """Sums that cancel show every other order of additions."""
    x, weight = cancelling(torch.zeros(outputs, inputs, dtype=torch.bfloat16), MOST)
    shift = torch.randn(outputs).bfloat16() if bias else None
    alone = torch.cat([paired_linear(row.clone(), weight, shift) for row in x])
    rows = x[:, 0]
    for size in range(2, MOST + 1):
        assert torch.equal(paired_linear(rows[:size], weight, shift), alone[:size])
        assert torch.equal(paired_linear(rows[-size:].clone(), weight, shift), alone[-size:])


@pytest.mark.parametrize("shape", [(1536,), (1, 1536), (1, 1, 1536), (2, 1536), (2, 3, 1536)])
def test_shapes_and_gradients_are_those_of_a_linear_layer(shape: tuple[int, ...]) -> None:
    layer = Linear(1536, 32)
    paired = Linear(1536, 32)
    paired.load_state_dict(layer.state_dict())
    paired.__class__ = PairedLinear
    given = [torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_() for _ in range(2)]
    wanted, found = layer(given[0]), paired(given[1])
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted)
    wanted.sum().backward()
    found.sum().backward()
    torch.testing.assert_close(given[1].grad, given[0].grad)
    assert paired.weight.grad is not None


@gains
def test_layers_of_many_inputs_in_bfloat16_are_paired_and_no_others() -> None:
    few, many, wide = Linear(MANY, 8).bfloat16(), Linear(MANY + 64, 8).bfloat16(), Linear(MANY + 64, 8)

    class Own(Linear):
        """Of a class of its own, of which nothing is known."""

    own = Own(MANY + 64, 8).bfloat16()
    assert pair(OnCpu([few, many, wide, own]))
    assert [type(module) for module in (few, many, wide, own)] == [Linear, PairedLinear, Linear, Own]
    assert not pair(OnCpu([few, wide, own]))


def test_nothing_is_paired_where_bfloat16_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "native_bfloat16", lambda: False)
    layer = Linear(MANY + 64, 8).bfloat16()
    assert not pair(OnCpu([layer], num_attention_heads=9, num_key_value_heads=3))
    assert type(layer) is Linear


@gains
@pytest.mark.parametrize(
    ("heads", "odd"),
    [
        ({"num_attention_heads": 4}, True),
        ({"num_attention_heads": 4, "num_key_value_heads": 4}, True),
        ({"num_attention_heads": 9, "num_key_value_heads": 3}, True),
        ({"num_attention_heads": [12, 8], "num_key_value_heads": [3, 4]}, True),
        ({"num_attention_heads": 8, "num_key_value_heads": 2}, False),
        ({}, False),
    ],
)
def test_attention_of_an_odd_number_of_heads_to_a_key_is_in_the_recipe_too(heads: dict[str, Any], odd: bool) -> None:
    """Whatever a family attends with: memory that listens to it attends in its place."""
    assert pair(OnCpu([], **heads)) is odd


@gains
@pytest.mark.parametrize("room", [0, 1 << 40])
def test_products_of_paired_layers_have_their_bits(room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.runtime.products._free", lambda: room)
    layers: list[Module] = [Linear(1536, size, bias=False).bfloat16().requires_grad_(False) for size in (96, 32)]
    pair(OnCpu(layers))
    x = torch.randn(MOST, 1536, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.inference_mode():
        product = Products(ModuleList(layers)).of(layers)
        wanted = torch.cat([torch.cat([layer(row[None]) for layer in layers], -1) for row in x])
        assert torch.equal(product(x), wanted)
        assert torch.equal(torch.cat([product(row[None]) for row in x]), wanted)


@gains
def test_sessions_of_a_wide_model_share_all_products(engine: Engine) -> None:
    assert engine.together == MOST
    assert engine._companies[1].apart == ()
    states = [filled(engine, 3 + 7 * n, n) for n in range(MOST)]
    twins = [state.fork() for state in states]
    together = engine.decode_together([(state, 9 + n) for n, state in enumerate(states)])
    require_same([together], [[engine.feed(twin, [9 + n]) for n, twin in enumerate(twins)]])
    assert engine._steps[1] is not None


@gains
def test_the_short_way_of_a_wide_model_is_that_of_its_layers(engine: Engine) -> None:
    engine.decode(filled(engine, 2), 5)
    state = filled(engine, len(TRIALS[-1]))
    twin = state.fork()
    ours = [engine.feed(state, [11 + step]) for step in range(3)]
    step = engine._steps[1]
    engine._steps[1] = None
    try:
        require_same([ours], [[engine.feed(twin, [11 + step]) for step in range(3)]])
    finally:
        engine._steps[1] = step


@gains
def test_a_recipe_says_so_and_a_session_computed_otherwise_is_refused(
    wide: Path, opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(models, "pair", lambda model: False)
        with opens(model=str(wide)) as old:
            assert "rows" not in old.recipe.to_meta()
            old.session("s").chat("Hello", max_tokens=3)
    with opens(model=str(wide)) as runtime:
        assert runtime.recipe["rows"] == SCHEME
        with pytest.raises(RecipeMismatch, match="the way of single rows through the model has changed"):
            runtime.session("s").chat("Go on.", max_tokens=1)
        assert runtime.session("s", as_text=True).chat("Go on.", max_tokens=1)


def test_a_recipe_of_a_narrow_model_is_what_it_was(tmp_path: Path) -> None:
    narrow = load_model(tiny_llama(tmp_path / "model", dtype="bfloat16"), "narrow", threads=1)
    assert "rows" not in narrow.recipe.to_meta()
