"""Attention over biased runs of keys."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import attend, attend_reference, attend_segments, attend_segments_reference, merge, shares

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2}
NEAR = {torch.float32: 1e-5, torch.bfloat16: 1e-4}

Segments = list[tuple[int, int, float]]


def inputs(heads: int, kv_heads: int, t: int, n: int, dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(t * 1009 + n)
    shapes = [(1, heads, t, dim), (1, kv_heads, n, dim), (1, kv_heads, n, dim)]
    query, key, value = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    return query, key, value


def same(got: tuple[Tensor, Tensor, Tensor], expected: tuple[Tensor, Tensor, Tensor], dtype: torch.dtype) -> bool:
    error = (got[0].double() - expected[0].double()).norm() / expected[0].double().norm()
    near = [torch.allclose(a, b, atol=NEAR[dtype]) for a, b in zip(got[1:], expected[1:], strict=True)]
    return bool(error <= TOLERANCE[dtype]) and all(near)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    ("heads", "kv_heads", "t", "n", "dim", "segments"),
    [
        pytest.param(9, 3, 1, 201, 64, [(4, 20, 0.7)], id="decode"),
        pytest.param(9, 3, 32, 201, 64, [(4, 20, 2.5), (20, 52, -1.0), (90, 169, 0.0)], id="chunk, up to the chunk"),
        pytest.param(32, 8, 5, 77, 128, [(0, 1, 4.0), (1, 72, 0.3)], id="every slot before the chunk"),
        pytest.param(4, 4, 3, 40, 16, [(8, 8, 3.0), (9, 12, float("-inf"))], id="empty and shut out"),
        pytest.param(6, 2, 7, 7, 80, [(0, 0, 1.0)], id="nothing before the chunk"),
    ],
)
def test_it_matches_the_reference(
    heads: int, kv_heads: int, t: int, n: int, dim: int, segments: Segments, dtype: torch.dtype
) -> None:
    query, key, value = inputs(heads, kv_heads, t, n, dim, dtype)
    got = attend_segments(query, key, value, dim**-0.5, segments)
    expected = attend_segments_reference(query, key, value, dim**-0.5, segments)
    assert [part.shape for part in got] == [part.shape for part in expected]
    assert [part.dtype for part in got] == [dtype, torch.float32, torch.float32]
    assert same(got, expected, dtype)


@given(
    edges=st.lists(st.integers(0, 60), min_size=2, max_size=8, unique=True),
    biases=st.lists(st.floats(-6, 6), min_size=4, max_size=4),
    t=st.integers(1, 9),
)
@settings(deadline=None, max_examples=40)
def test_any_segments(edges: list[int], biases: list[float], t: int) -> None:
    ends = sorted(edges)
    segments = list(zip(ends[0::2], ends[1::2], biases, strict=False))
    query, key, value = inputs(6, 2, t, 60 + t, 16, torch.float32)
    got = attend_segments(query, key, value, 0.25, segments)
    assert same(got, attend_segments_reference(query, key, value, 0.25, segments), torch.float32)


def test_it_is_a_merge_of_sources() -> None:
    """A bias on all keys of a source shifts the log-sum-exp of that source."""
    query, key, value = inputs(6, 2, 1, 50, 16, torch.float32)
    out, lse = attend(query, key[:, :, 5:15], value[:, :, 5:15], 0.25)
    others = [torch.cat([x[:, :, :5], x[:, :, 15:]], 2) for x in (key, value)]
    rest = attend(query, others[0], others[1], 0.25)
    expected, total = merge([(out, lse + 1.5), rest])
    got = attend_segments(query, key, value, 0.25, [(5, 15, 1.5)])
    assert torch.allclose(got[0], expected, atol=2e-6)
    assert torch.allclose(got[1], total, atol=1e-5)
    assert torch.allclose(got[2], shares([lse + 1.5, rest[1]])[:1], atol=1e-5)


@pytest.mark.parametrize("t", [1, 17])
def test_without_segments_the_bits_are_those_of_plain_attention(t: int) -> None:
    query, key, value = inputs(9, 3, t, 99, 64, torch.bfloat16)
    out, lse, received = attend_segments(query, key, value, 0.125, [])
    expected, expected_lse = attend(query, key, value, 0.125)
    assert torch.equal(out, expected)
    assert torch.equal(lse, expected_lse)
    assert received.shape == (0, 1, 9, t)
    oracle = attend_segments_reference(query, key, value, 0.125, [])
    assert torch.equal(oracle[0], attend_reference(query, key, value, 0.125)[0])
    assert oracle[2].shape == (0, 1, 9, t)


@pytest.mark.parametrize("t", [1, 32])
def test_bits_do_not_depend_on_where_the_cache_lies(t: int) -> None:
    query, key, value = inputs(9, 3, t, 200, 64, torch.bfloat16)
    segments = [(4, 36, 0.5), (100, 116, 1.0)]
    buffer = torch.full((2, 1, 3, 777, 64), float("nan"), dtype=torch.bfloat16)
    buffer[0, :, :, 300:500], buffer[1, :, :, 300:500] = key, value
    sliced = attend_segments(query, buffer[0, :, :, 300:500], buffer[1, :, :, 300:500], 0.125, segments)
    whole = attend_segments(query, key, value, 0.125, segments)
    assert all(torch.equal(a, b) for a, b in zip(sliced, whole, strict=True))


def test_shares_of_the_last_queries_are_those_of_all() -> None:
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(1, 6, 7, 16, generator=generator)
    key = torch.randn(1, 2, 50, 16, generator=generator)
    segments = [(4, 9, 1.0), (20, 31, 2.0)]
    out, lse, every = attend_segments(query, key, key, 0.25, segments)
    again, same, last = attend_segments(query, key, key, 0.25, segments, heard=2)
    assert torch.equal(out, again)
    assert torch.equal(lse, same)
    assert torch.allclose(last, every[..., -2:], atol=1e-6)


@pytest.mark.parametrize("segments", [[], [(40, 50, 1.0)]], ids=["alone", "before others"])
def test_runs_whose_shares_nobody_wants_are_biased_all_the_same(segments: Segments) -> None:
    query, key, value = inputs(6, 2, 5, 60, 16, torch.float32)
    fades = [(4, 20, -0.5), (20, 31, -0.25)]
    got = attend_segments(query, key, value, 0.25, segments, fades)
    assert same(got, attend_segments_reference(query, key, value, 0.25, segments, fades), torch.float32)
    out, lse, received = attend_segments_reference(query, key, value, 0.25, [*fades, *segments])
    assert same(got, (out, lse, received[2:]), torch.float32)
