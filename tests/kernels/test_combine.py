"""Attention over disjoint sources, merged."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import (
    attend,
    attend_reference,
    joined,
    joined_reference,
    merge,
    merge_reference,
    shares,
    shares_reference,
)

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 4e-3}
INFINITY = float("inf")

Part = tuple[Tensor, Tensor]


def parts_of(n: int, *shape: int, dtype: torch.dtype = torch.float32, spread: float = 3.0) -> list[Part]:
    generator = torch.Generator().manual_seed(n + sum(shape))
    return [
        (torch.randn(shape, generator=generator).to(dtype), torch.randn(shape[:3], generator=generator) * spread)
        for _ in range(n)
    ]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("n", "shape"), [(1, (1, 9, 1, 64)), (2, (2, 3, 37, 80)), (5, (1, 32, 7, 128))], ids=str)
def test_it_matches_the_reference(n: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    parts = parts_of(n, *shape, dtype=dtype)
    (out, lse), (expected, expected_lse) = merge(parts), merge_reference(parts)
    assert out.dtype is dtype
    assert (out.double() - expected.double()).norm() / expected.double().norm() <= TOLERANCE[dtype]
    assert torch.allclose(lse, expected_lse, atol=1e-6)
    lses = [lse for _, lse in parts]
    assert torch.allclose(shares(lses), shares_reference(lses), atol=1e-6)


@given(cuts=st.sets(st.integers(1, 69), min_size=1, max_size=5))
@settings(deadline=None, max_examples=30)
def test_any_partition_of_the_keys_gives_attention_over_all(cuts: set[int]) -> None:
    """Parts of 70 keys that one query sees, cut anywhere, each attended to alone."""
    generator = torch.Generator().manual_seed(9)
    query, key, value = (torch.randn(1, heads, n, 16, generator=generator) for heads, n in [(6, 1), (2, 70), (2, 70)])
    edges = [0, *sorted(cuts), 70]
    runs = [slice(edges[i], edges[i + 1]) for i in range(len(edges) - 1)]
    out, lse = merge([attend(query, key[:, :, run], value[:, :, run], 0.25) for run in runs])
    expected, expected_lse = attend_reference(query, key, value, 0.25)
    assert torch.allclose(out, expected, atol=2e-6)
    assert torch.allclose(lse, expected_lse, atol=1e-5)


def test_it_is_associative() -> None:
    a, b, c = parts_of(3, 1, 4, 9, 32)
    left, right = merge([merge([a, b]), c]), merge([a, merge([b, c])])
    assert torch.allclose(left[0], right[0], atol=1e-6)
    assert torch.allclose(left[1], right[1], atol=1e-6)


def test_one_source_keeps_its_bits() -> None:
    ((out, lse),) = parts = parts_of(1, 1, 9, 5, 64, dtype=torch.bfloat16)
    merged, total = merge(parts)
    assert torch.equal(merged, out)
    assert torch.equal(total, lse)


@pytest.mark.parametrize("function", [merge, merge_reference], ids=["cpu", "reference"])
def test_an_empty_source_is_not_read(function: object) -> None:
    assert callable(function)
    (out, lse), (poison, nothing) = parts_of(2, 1, 2, 3, 8)
    poison.fill_(float("nan"))
    nothing.fill_(-INFINITY)
    merged, total = function([(poison, nothing), (out, lse)])
    assert torch.equal(merged, out)
    assert torch.equal(total, lse)
    merged, total = function([(poison, nothing), (poison, nothing)])
    assert torch.equal(merged, torch.zeros_like(out))
    assert torch.equal(total, nothing)


def test_shares_of_large_scores_add_up() -> None:
    lses = [lse * 100 for _, lse in parts_of(4, 2, 3, 5, 8)]
    assert torch.allclose(shares(lses).sum(0), torch.ones(2, 3, 5))
    empty = [torch.full((1, 2, 3), -INFINITY)] * 2
    assert torch.equal(shares(empty), torch.zeros(2, 1, 2, 3))
    assert torch.equal(shares_reference(empty), torch.zeros(2, 1, 2, 3))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("t", "n"), [(1, 2), (7, 6), (32, 1)])
def test_more_keys_whose_scores_are_known_join_in(t: int, n: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(t + n)
    query, key, value = (torch.randn(1, heads, size, 16, generator=generator) for heads, size in [(6, t), (2, 40), (2, 40)])
    more_keys, more_values = (torch.randn(1, 2, n, 16, generator=generator) for _ in range(2))
    out, lse = attend(query.to(dtype), key.to(dtype), value.to(dtype), 0.25)
    scores = query @ more_keys.repeat_interleave(3, dim=1).transpose(2, 3) * 0.25
    found = joined(out, lse, scores, more_values.to(dtype))
    expected = joined_reference(out, lse, scores, more_values.to(dtype))
    assert found.dtype is dtype
    assert (found.double() - expected.double()).norm() / expected.double().norm() <= TOLERANCE[dtype]


def test_joined_keys_count_as_if_they_had_been_there() -> None:
    generator = torch.Generator().manual_seed(3)
    query, key, value = (torch.randn(1, heads, n, 16, generator=generator) for heads, n in [(6, 1), (2, 30), (2, 30)])
    out, lse = attend(query, key[:, :, :25], value[:, :, :25], 0.25)
    scores = query @ key[:, :, 25:].repeat_interleave(3, dim=1).transpose(2, 3) * 0.25
    assert torch.allclose(joined(out, lse, scores, value[:, :, 25:]), attend(query, key, value, 0.25)[0], atol=1e-5)
