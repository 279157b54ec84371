"""The attention that each key drew from sampled queries."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import attend, attend_reference, mass, mass_reference

DTYPES = [torch.float32, torch.bfloat16]


def inputs(heads: int, kv_heads: int, t: int, n: int, dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(t * 1009 + n)
    query = torch.randn(1, heads, t, dim, generator=generator).to(dtype)
    key = torch.randn(1, kv_heads, n, dim, generator=generator).to(dtype)
    return query, key, attend(query, key, key, dim**-0.5)[1]


def near(got: Tensor, expected: Tensor) -> bool:
    return float((got.double() - expected.double()).norm()) <= 2e-6 * float(expected.double().norm())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("heads", "kv_heads", "t", "n", "dim", "stride", "gap"),
    [
        pytest.param(9, 3, 128, 331, 64, 8, 64, id="chunk off the stride"),
        pytest.param(32, 8, 37, 165, 128, 4, 64, id="ragged chunk"),
        pytest.param(9, 3, 128, 128, 64, 16, 64, id="first chunk"),
        pytest.param(9, 3, 1, 257, 64, 8, 64, id="a sampled token"),
        pytest.param(9, 3, 1, 256, 64, 8, 64, id="a token that is not sampled"),
        pytest.param(6, 6, 5, 9, 16, 1, 0, id="all of it"),
        pytest.param(4, 2, 20, 20, 16, 1, 19, id="one key"),
        pytest.param(4, 2, 20, 20, 16, 1, 20, id="no key"),
        pytest.param(4, 2, 3, 50, 16, 64, 4, id="no row"),
    ],
)
def test_it_matches_the_reference(
    heads: int, kv_heads: int, t: int, n: int, dim: int, stride: int, gap: int, dtype: torch.dtype
) -> None:
    query, key, lse = inputs(heads, kv_heads, t, n, dim, dtype)
    got = mass(query, key, lse, dim**-0.5, stride, gap)
    assert got.shape == (kv_heads, n)
    assert got.dtype is torch.float32
    assert near(got, mass_reference(query, key, lse, dim**-0.5, stride, gap))


@given(t=st.integers(1, 40), before=st.integers(0, 40), stride=st.integers(1, 20), gap=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_any_shape(t: int, before: int, stride: int, gap: int) -> None:
    query, key, lse = inputs(4, 2, t, before + t, 16, torch.float32)
    assert near(mass(query, key, lse, 0.25, stride, gap), mass_reference(query, key, lse, 0.25, stride, gap))


def test_the_whole_mass_is_one_for_each_query() -> None:
    query, key, lse = inputs(9, 3, 21, 50, 64, torch.float32)
    assert torch.allclose(mass(query, key, lse, 64**-0.5, 1, 0).sum(1), torch.full((3,), 3.0 * 21))


def test_tokens_one_by_one_draw_the_mass_of_the_chunk() -> None:
    query, key, lse = inputs(6, 2, 24, 90, 16, torch.float32)
    total = torch.zeros(2, 90)
    for i in range(24):
        n = 67 + i
        total[:, :n] += mass(query[:, :, i : i + 1], key[:, :, :n], lse[:, :, i : i + 1], 0.25, 4, 16)
    assert torch.allclose(total, mass(query, key, lse, 0.25, 4, 16), atol=1e-6)


def test_what_is_not_counted_is_not_read() -> None:
    """NaN in the rows between the sampled ones, in keys too near to any of them, and around the slice."""
    query, key, _ = inputs(6, 2, 16, 80, 16, torch.float32)
    lse = attend_reference(query, key, key, 0.25)[1]
    expected = mass(query, key, lse, 0.25, 8, 12)
    buffer = torch.full((1, 2, 200, 16), float("nan"))
    buffer[:, :, 100:180] = key
    sliced = buffer[:, :, 100:180]
    sliced[:, :, 72 - 12 + 1 :] = float("nan")
    skipped = torch.arange(64, 80) % 8 != 0
    query[:, :, skipped], lse[:, :, skipped] = float("nan"), float("nan")
    assert torch.equal(mass(query, sliced, lse, 0.25, 8, 12), expected)


@pytest.mark.parametrize("upto", [1, 40, 64, 200, 500])
def test_of_the_oldest_only(upto: int) -> None:
    query, key, lse = inputs(9, 3, 32, 160, 64, torch.float32)
    found = mass(query, key, lse, 0.125, 2, 1, upto)
    assert near(found, mass_reference(query, key, lse, 0.125, 2, 1, upto))
    assert not found[:, upto:].any()
