"""Low-rank updates in Triton's interpreter (see test_triton.py)."""

from __future__ import annotations

import pytest
import torch

from perdure.kernels import lowrank_reference
from perdure.kernels.lowrank.gpu import lowrank, strung

from .poisoning import poisoned  # noqa: F401
from .test_lowrank import case

TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("ranks", [[[4]], [[1, 3], []], [[2, 40, 2], [4], [], [1, 7]], [[16, 32]]], ids=str)
def test_it_matches_the_reference(ranks: list[list[int]], dtype: torch.dtype) -> None:
    x, out, factors = case(ranks, dtype)
    found, expected = lowrank(x, out, factors), lowrank_reference(x, out, factors)
    assert found.dtype is dtype
    assert (found.double() - expected.double()).norm() / expected.double().norm() <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("tokens", "d_in", "d_out"), [(1, 1100, 150), (70, 40, 65)])
def test_other_sizes(tokens: int, d_in: int, d_out: int, dtype: torch.dtype) -> None:
    _, _, factors = case([[3], [20]], dtype, d_in, d_out)
    generator = torch.Generator().manual_seed(tokens)
    x = torch.randn(2, tokens, d_in, generator=generator).to(dtype)
    out = torch.randn(2, tokens, d_out, generator=generator).to(dtype)
    found, expected = lowrank(x, out, factors), lowrank_reference(x, out, factors)
    assert (found.double() - expected.double()).norm() / expected.double().norm() <= TOLERANCE[dtype]


def test_a_row_does_not_depend_on_the_others() -> None:
    x, out, factors = case([[2, 20], [], [7], [33]], torch.bfloat16)
    together = lowrank(x, out, factors)
    for row, pairs in enumerate(factors):
        assert torch.equal(together[row], lowrank(x[row : row + 1], out[row : row + 1], [pairs])[0])


def test_a_row_without_updates_keeps_its_bits() -> None:
    x, out, factors = case([[], [3]], torch.bfloat16)
    x[0] = torch.nan
    out[0, 0, 0] = -0.0
    assert torch.equal(lowrank(x, out, factors)[0].view(torch.int16), out[0].view(torch.int16))
    assert torch.equal(lowrank(x[:1], out[:1], [[]]), out[:1])


def test_factors_that_begin_anywhere() -> None:
    """The third and later ranks of a larger update, whose addresses are no multiples of 16 bytes."""
    x, out, factors = case([[16]], torch.float32, 50)
    down, up = factors[0][0]
    part = [[(down[3:], up[:, 3:])]]
    error = lowrank(x, out, part).double() - lowrank_reference(x, out, part).double()
    assert error.norm() <= 2e-6 * out.double().norm()


def test_strung_together_they_are_one_update() -> None:
    x, out, factors = case([[2, 3, 1]], torch.float32)
    assert torch.allclose(lowrank(x, out, factors), lowrank(x, out, [[strung(factors[0])]]), atol=1e-5)


def test_no_tokens_and_no_ranks() -> None:
    x, out, factors = case([[2]], torch.float32)
    assert lowrank(x[:, :0], out[:, :0], factors).shape == (1, 0, 20)
    assert torch.equal(lowrank(x, out, [[(factors[0][0][0][:0], factors[0][0][1][:, :0])]]), out)
