"""Attention as the runtime calls it on a GPU. Its parts have CPU paths, which say whether it is put together rightly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import attend, attend_reference, attend_segments_reference
from perdure.runtime import attend as on_any
from perdure.runtime import attend_gpu

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2}
NEAR = {torch.float32: 1e-5, torch.bfloat16: 1e-4}

Segments = list[tuple[int, int, float]]

dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def inputs(heads: int, kv_heads: int, t: int, n: int, dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """A query as models give it, and keys and values as they lie in a slab with room behind them."""
    generator = torch.Generator().manual_seed(t * 1009 + n)
    query = torch.randn(1, t, heads, dim, generator=generator).to(dtype).transpose(1, 2)
    slab = torch.randn(2, kv_heads, n + 7, dim, generator=generator).to(dtype)
    return query, slab[:1, :, 3 : n + 3], slab[1:, :, 3 : n + 3]


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@dtypes
@pytest.mark.parametrize("t", [1, 2, attend_gpu.FEW, attend_gpu.FEW + 1, 40])
def test_few_queries_and_many(t: int, dtype: torch.dtype) -> None:
    query, key, value = inputs(6, 2, t, 90, 16, dtype)
    found = attend_gpu.attended(query, key, value, 0.25)
    expected, _ = attend_reference(query, key, value, 0.25)
    assert found.shape == expected.shape
    assert found.dtype is dtype
    assert error(found, expected) <= TOLERANCE[dtype]


def test_only_new_tokens() -> None:
    query, key, value = inputs(4, 2, 33, 33, 16, torch.float32)
    assert error(attend_gpu.attended(query, key, value, 0.25), attend_reference(query, key, value, 0.25)[0]) <= 2e-6


def test_several_sequences() -> None:
    """Rows of a batch, as calibration has them, are nothing for a table of one sequence's slots."""
    query, key, value = (torch.randn(3, heads, 8, 16, generator=torch.Generator().manual_seed(1)) for heads in (4, 2, 2))
    assert error(attend_gpu.attended(query, key, value, 0.25), attend_reference(query, key, value, 0.25)[0]) <= 2e-6


def test_it_can_be_differentiated() -> None:
    query, key, value = inputs(4, 2, 3, 20, 16, torch.float32)
    query = query.clone().requires_grad_()
    (slope,) = torch.autograd.grad(attend_gpu.attended(query, key, value, 0.25).sum(), query)
    assert slope.shape == query.shape


@dtypes
@pytest.mark.parametrize("heard", [None, 1])
@pytest.mark.parametrize(
    ("heads", "kv_heads", "t", "n", "dim", "segments", "unheard"),
    [
        pytest.param(9, 3, 1, 201, 64, [(4, 20, 0.7)], [], id="decode"),
        pytest.param(9, 3, 1, 201, 64, [(40, 60, 0.7), (60, 70, 0.2)], [(2, 12, -1.5)], id="decode, old ones fade"),
        pytest.param(9, 3, 32, 201, 64, [(4, 20, 2.5), (20, 52, -1.0), (90, 169, 0.0)], [], id="chunk, up to the chunk"),
        pytest.param(32, 8, 5, 77, 128, [(0, 1, 4.0), (1, 72, 0.3)], [], id="every slot before the chunk"),
        pytest.param(4, 4, 3, 40, 16, [(8, 8, 3.0), (9, 12, float("-inf"))], [], id="empty and shut out"),
        pytest.param(6, 2, 7, 7, 80, [(0, 0, 1.0)], [], id="nothing before the chunk"),
        pytest.param(6, 2, 7, 60, 80, [], [(0, 5, -2.0)], id="faded alone"),
        pytest.param(6, 2, 7, 60, 80, [], [], id="plain"),
    ],
)
def test_segments(
    heads: int,
    kv_heads: int,
    t: int,
    n: int,
    dim: int,
    segments: Segments,
    unheard: Segments,
    heard: int | None,
    dtype: torch.dtype,
) -> None:
    query, key, value = inputs(heads, kv_heads, t, n, dim, dtype)
    out, lse, shares = attend_gpu.attend_segments(query, key, value, dim**-0.5, segments, unheard, heard)
    wanted_out, wanted_lse, wanted_shares = attend_segments_reference(query, key, value, dim**-0.5, segments, unheard)
    wanted_shares = wanted_shares[..., t - (heard or t) :]
    assert (out.shape, lse.shape, shares.shape) == (wanted_out.shape, wanted_lse.shape, wanted_shares.shape)
    assert (out.dtype, lse.dtype, shares.dtype) == (dtype, torch.float32, torch.float32)
    assert error(out, wanted_out) <= TOLERANCE[dtype]
    torch.testing.assert_close(lse, wanted_lse, atol=NEAR[dtype], rtol=0)
    torch.testing.assert_close(shares, wanted_shares, atol=NEAR[dtype], rtol=0)


def test_heads_that_no_launch_takes_are_refused() -> None:
    query, key, value = inputs(4, 2, 1, 20, 16, torch.float32)
    with pytest.raises(ValueError, match="keys of 16 and values of 8 numbers"):
        attend_gpu.attend_segments(query, key, value[..., :8], 0.25, [(0, 3, 1.0)])


@dtypes
@pytest.mark.parametrize("t", [1, 9])
def test_on_the_cpu_the_bits_are_those_of_the_kernel(t: int, dtype: torch.dtype) -> None:
    query, key, value = inputs(6, 2, t, 50, 16, dtype)
    expected, expected_lse = attend(query, key, value, 0.25)
    out, lse, _ = on_any.attend_segments(query, key, value, 0.25, [])
    assert torch.equal(on_any.attended(query, key, value, 0.25), expected)
    assert torch.equal(out, expected)
    assert torch.equal(lse, expected_lse)
