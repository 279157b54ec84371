"""Products with weights in 8 bits."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import codes_of, int8_linear, int8_linear_reference, packed8, quantised

BOUNDS = {torch.float32: 1e-5, torch.bfloat16: 4e-3}


def weight_of(out: int, size: int) -> tuple[Tensor, Tensor]:
    return quantised(torch.randn(out, size, generator=torch.Generator().manual_seed(out)))


def rows_of(count: int, size: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(count)).to(dtype)


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
@pytest.mark.parametrize(("rows", "size", "out"), [(1, 576, 192), (8, 1536, 64), (37, 33, 7), (2, 1, 1)])
def test_agrees_with_the_reference(rows: int, size: int, out: int, dtype: torch.dtype) -> None:
    codes, scale = weight_of(out, size)
    bias = torch.randn(out)
    x = rows_of(rows, size, dtype)
    found = int8_linear(x, packed8(codes, scale, bias))
    wanted = int8_linear_reference(x, codes, scale, bias)
    assert found.dtype == dtype
    assert float((found.double() - wanted.double()).norm()) <= BOUNDS[dtype] * float(wanted.double().norm())


@pytest.mark.parametrize("dtype", BOUNDS, ids=str)
def test_a_row_has_the_same_bits_in_any_company(dtype: torch.dtype) -> None:
    weight = packed8(*weight_of(96, 2048))
    x = rows_of(130, 2048, dtype)
    x[1] *= 1e4
    alone = torch.cat([int8_linear(row[None].clone(), weight) for row in x])
    for size in (2, 3, 8, 130):
        assert torch.equal(int8_linear(x[:size], weight), alone[:size])


def test_the_largest_sums_are_exact() -> None:
    codes = torch.full((16, 4096), 127, dtype=torch.int8)
    codes[8:] = -127
    found = int8_linear(torch.full((3, 4096), -2.0), packed8(codes, torch.ones(16)))
    assert torch.equal(found, (-2.0 * 4096 * codes[:, 0].float()).repeat(3, 1))


def test_nothing_comes_of_nothing() -> None:
    codes, scale = quantised(torch.zeros(4, 8))
    assert not codes.any()
    assert torch.equal(int8_linear(torch.zeros(2, 8), packed8(*weight_of(4, 8))), torch.zeros(2, 4))
    assert torch.equal(int8_linear(torch.ones(2, 8), packed8(codes, scale)), torch.zeros(2, 4))


def test_codes_come_out_as_they_went_in() -> None:
    codes, scale = weight_of(33, 70)
    assert torch.equal(codes_of(packed8(codes, scale)), codes)


def test_a_weight_is_rounded_to_the_nearest_step_of_its_channel() -> None:
    weight = torch.randn(5, 40) * torch.tensor([1e-3, 1.0, 7.0, 1e3, 1e-8])[:, None]
    codes, scale = quantised(weight)
    assert torch.equal(codes.abs().amax(1), torch.full((5,), 127, dtype=torch.int8))
    error = (codes.double() * scale.double()[:, None] - weight.double()).abs()
    assert bool((error <= 0.5001 * scale.double()[:, None]).all())
