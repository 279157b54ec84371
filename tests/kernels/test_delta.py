"""The fast weight that the delta rule writes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from perdure.kernels import delta_update, delta_update_reference
from perdure.kernels.delta.reference import work

ROUNDING = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}


@dataclass(frozen=True)
class Case:
    """The arguments of one call."""

    k: Tensor
    v: Tensor
    beta: Tensor
    state: Tensor
    gate: Tensor | None
    cu_seqlens: Tensor | None
    q: Tensor | None

    @property
    def given(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None, Tensor | None]:
        return self.k, self.v, self.beta, self.state, self.gate, self.cu_seqlens, self.q

    @property
    def expected(self) -> tuple[Tensor, Tensor]:
        """What the reference says of the same numbers, its out not rounded."""
        state, out = delta_update_reference(*replace(self, v=self.v.double()).given)
        assert out is not None
        return state, out

    def tokens(self, first: int, last: int, state: Tensor) -> Case:
        gate, q = (None if x is None else x[:, first:last] for x in (self.gate, self.q))
        k, v, beta = (x[:, first:last] for x in (self.k, self.v, self.beta))
        return replace(self, k=k, v=v, beta=beta, state=state, gate=gate, q=q)


def case(
    batch: int,
    t: int,
    heads: int,
    dim: int,
    width: int,
    dtype: torch.dtype = torch.float32,
    *,
    gated: bool = True,
    lens: list[int] | None = None,
    forgetting: float = 1.0,
) -> Case:
    """Keys and queries of length 1, rates in 0 .. 1, gates about 0.9; sequences of `lens`, which add up to t."""
    generator = torch.Generator().manual_seed(t * 1009 + dim)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    k, q = (functional.normalize(random(batch, t, heads, dim), dim=-1).to(dtype) for _ in range(2))
    v, beta = random(batch, t, heads, width).to(dtype), random(batch, t, heads).sigmoid().to(dtype)
    gate = functional.logsigmoid(2 * random(batch, t, heads) + 3) * forgetting if gated else None
    bounds = None if lens is None else torch.tensor([0, *lens]).cumsum(0).to(torch.int32)
    return Case(k, v, beta, random(len(lens) if lens else batch, heads, dim, width), gate, bounds, q)


def error(found: Tensor | None, expected: Tensor) -> float:
    """Relative error in norm; not a number where anything found is none."""
    assert found is not None
    assert found.shape == expected.shape
    return float((found.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("gated", [False, True], ids=["kept", "gated"])
@pytest.mark.parametrize(
    "shape", [(2, 1, 9, 64, 64), (1, 5, 3, 40, 24), (2, 32, 2, 64, 64), (1, 63, 2, 60, 128), (1, 200, 2, 128, 128)], ids=str
)
def test_it_matches_the_reference(shape: tuple[int, int, int, int, int], gated: bool, dtype: torch.dtype) -> None:
    asked = case(*shape, dtype=dtype, gated=gated)
    (state, out), (expected_state, expected) = delta_update(*asked.given), asked.expected
    assert out is not None
    assert out.dtype is dtype
    assert error(state, expected_state) <= 2e-6
    assert error(out, expected) <= ROUNDING[dtype]


def test_long_sequences_do_not_drift() -> None:
    asked = case(1, 1500, 1, 32, 32)
    state, out = delta_update(*asked.given)
    assert error(state, asked.expected[0]) <= 2e-6
    assert error(out, asked.expected[1]) <= 2e-6


@pytest.mark.parametrize("gated", [False, True], ids=["kept", "gated"])
def test_without_queries_the_state_is_the_same(gated: bool) -> None:
    asked = case(2, 70, 3, 40, 24, gated=gated)
    state, out = delta_update(*replace(asked, q=None).given)
    assert out is None
    assert torch.equal(state, delta_update(*asked.given)[0])


@given(cut=st.integers(0, 90), gated=st.booleans())
@settings(deadline=None, max_examples=30)
def test_a_sequence_can_be_cut_anywhere(cut: int, gated: bool) -> None:
    asked = case(2, 90, 2, 16, 8, gated=gated)
    state, out = delta_update(*asked.given)
    middle, before = delta_update(*asked.tokens(0, cut, asked.state).given)
    after, behind = delta_update(*asked.tokens(cut, 90, middle).given)
    assert before is not None
    assert behind is not None
    assert error(after, state) <= 2e-6
    assert error(torch.cat([before, behind], 1), out if out is not None else before) <= 2e-6


def test_ragged_sequences_are_as_if_each_was_alone() -> None:
    lens = [0, 33, 1, 0, 64, 5]
    asked = case(1, sum(lens), 2, 16, 24, lens=lens)
    state, out = delta_update(*asked.given)
    assert out is not None
    first = 0
    for n, length in enumerate(lens):
        alone = replace(asked.tokens(first, first + length, asked.state[n : n + 1]), cu_seqlens=None)
        expected = delta_update(*alone.given)
        assert torch.equal(state[n : n + 1], expected[0])
        assert expected[1] is not None
        assert torch.equal(out[:, first : first + length], expected[1])
        first += length
    assert torch.equal(state[0], asked.state[0])
    assert error(state, asked.expected[0]) <= 2e-6
    assert error(out, asked.expected[1]) <= 2e-6


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    """beta 1 and a key of length 1: read back exactly, however often it was written before, and others not disturbed."""
    keys = torch.eye(8)[[0, 1, 0, 0]].view(1, 4, 1, 8)
    values = torch.randn(1, 4, 1, 6)
    state, _ = delta_update(keys, values, torch.ones(1, 4, 1), torch.zeros(1, 1, 8, 6))
    assert torch.allclose(state[0, 0, 0], values[0, 3, 0], atol=1e-6)
    assert torch.allclose(state[0, 0, 1], values[0, 1, 0], atol=1e-6)
    assert not state[0, 0, 2:].any()


@pytest.mark.parametrize("closed", [-30.0, -1e4, float("-inf")])
def test_a_closed_gate_forgets_what_was_before(closed: float) -> None:
    asked = case(1, 40, 2, 16, 8)
    assert asked.gate is not None
    asked.gate[:, 20] = closed
    state, out = delta_update(*asked.given)
    fresh = asked.tokens(20, 40, torch.zeros_like(asked.state))
    expected = delta_update(*fresh.given)
    assert error(state, expected[0]) <= 2e-6
    assert expected[1] is not None
    assert out is not None
    assert error(out[:, 20:], expected[1]) <= 2e-6


def test_what_is_given_is_not_changed_and_nothing_around_it_is_read() -> None:
    asked = case(1, 50, 2, 16, 16)
    before = [None if x is None else x.clone() for x in asked.given]
    buffer = torch.full((3, 1, 90, 2, 16), float("nan"))
    slices = [buffer[i, :, 30:80] for i in range(3)]
    for into, x in zip(slices, (asked.k, asked.v, asked.q), strict=True):
        assert x is not None
        into.copy_(x)
    found = delta_update(*replace(asked, k=slices[0], v=slices[1], q=slices[2]).given)
    for a, b in zip(found, delta_update(*asked.given), strict=True):
        assert a is not None
        assert b is not None
        assert error(a, b) <= 2e-6
    for x, y in zip(asked.given, before, strict=True):
        assert (x is None and y is None) or (x is not None and y is not None and torch.equal(x, y))


@pytest.mark.parametrize("function", [delta_update, delta_update_reference], ids=["cpu", "reference"])
def test_no_tokens(function: object) -> None:
    assert callable(function)
    asked = case(2, 0, 3, 16, 8)
    state, out = function(*asked.given)
    assert torch.equal(state, asked.state)
    assert out.shape == (2, 0, 3, 8)


def test_the_work_of_the_named_size() -> None:
    """B8 T8192 H32 128 x 128 in bfloat16: 1.1 GB for the update, 2.2 GB with queries."""
    k, state = (
        torch.empty(8, 8192, 32, 128, dtype=torch.bfloat16, device="meta"),
        torch.empty(8, 32, 128, 128, device="meta"),
    )
    assert work(k, k, state)[0] / 1e6 == pytest.approx(1112, abs=1)
    assert work(k, k, state, read=True)[0] / 1e6 == pytest.approx(2185, abs=1)
    assert work(k, k, state, read=True)[1] == 6 * k.numel() * 128
