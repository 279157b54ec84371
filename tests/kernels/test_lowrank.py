"""Low-rank updates beside a linear layer."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import Pair, lowrank, lowrank_reference, strung

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 8e-3}


def case(
    ranks: list[list[int]], dtype: torch.dtype, d_in: int = 48, d_out: int = 20
) -> tuple[Tensor, Tensor, list[list[Pair]]]:
    generator = torch.Generator().manual_seed(sum(map(sum, ranks)) + len(ranks))

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    factors = [[(random(r, d_in) / d_in**0.5, random(d_out, r)) for r in row] for row in ranks]
    return random(len(ranks), 5, d_in), random(len(ranks), 5, d_out), factors


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("ranks", [[[4]], [[1, 3], []], [[2, 2, 2], [4], [], [1, 7]]], ids=str)
def test_it_matches_the_reference(ranks: list[list[int]], dtype: torch.dtype) -> None:
    x, out, factors = case(ranks, dtype)
    found, expected = lowrank(x, out, factors), lowrank_reference(x, out, factors)
    assert found.dtype is dtype
    assert (found.double() - expected.double()).norm() / expected.double().norm() <= TOLERANCE[dtype]


@given(st.lists(st.lists(st.integers(1, 4), max_size=3), min_size=1, max_size=4))
@settings(deadline=None, max_examples=30)
def test_a_row_does_not_depend_on_the_others(ranks: list[list[int]]) -> None:
    x, out, factors = case(ranks, torch.bfloat16)
    together = lowrank(x, out, factors)
    for row, pairs in enumerate(factors):
        assert torch.equal(together[row], lowrank(x[row : row + 1], out[row : row + 1], [pairs])[0])


def test_a_row_without_updates_keeps_its_bits() -> None:
    x, out, factors = case([[], [3]], torch.bfloat16)
    x[0] = torch.nan
    assert torch.equal(lowrank(x, out, factors)[0], out[0])


def test_the_input_is_not_changed() -> None:
    x, out, factors = case([[2], [1]], torch.float32)
    before = out.clone()
    lowrank(x, out, factors)
    assert torch.equal(out, before)


def test_strung_together_they_are_one_update() -> None:
    x, out, factors = case([[2, 3, 1]], torch.float32)
    one = strung(factors[0])
    assert one[0].shape == (6, 48)
    assert one[1].shape == (20, 6)
    assert torch.equal(lowrank(x, out, factors), lowrank(x, out, [[one]]))
