"""Merging on the Triton path, interpreted; without TRITON_INTERPRET=1, on the GPU that is there."""

from __future__ import annotations

import pytest
import torch

from perdure.kernels import dispatch, joined_reference, merge, merge_reference
from perdure.kernels.combine import gpu

from .paging import error
from .poisoning import poisoned  # noqa: F401
from .test_combine import parts_of

TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}

NOTHING = float("-inf")


dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


@dtypes
@pytest.mark.parametrize(
    ("n", "shape"), [(1, (1, 9, 1, 64)), (2, (2, 3, 37, 80)), (4, (1, 5, 7, 40)), (9, (1, 32, 3, 128))], ids=str
)
def test_it_matches_the_reference(n: int, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    parts = parts_of(n, *shape, dtype=dtype)
    (out, lse), (expected, expected_lse) = gpu.merge(parts), merge_reference(parts)
    assert out.dtype is dtype
    print(f"error {error(out, expected):.1e}, of lse {(lse - expected_lse).abs().max():.1e}")
    assert error(out, expected) <= TOLERANCE[dtype]
    assert torch.allclose(lse, expected_lse, atol=1e-5, rtol=0)


@dtypes
def test_stacked_sources_are_the_same_ones(dtype: torch.dtype) -> None:
    parts = parts_of(4, 1, 9, 5, 64, dtype=dtype)
    stacked = gpu.merge_stacked(torch.stack([out for out, _ in parts]), torch.stack([lse for _, lse in parts]), dtype)
    for found, expected in zip(stacked, gpu.merge(parts), strict=True):
        assert torch.equal(found, expected)


def test_one_source_keeps_its_bits() -> None:
    ((out, lse),) = parts = parts_of(1, 1, 9, 5, 64, dtype=torch.bfloat16)
    merged, total = gpu.merge(parts)
    assert torch.equal(merged, out)
    assert torch.equal(total, lse)


def test_an_empty_source_is_not_read() -> None:
    (out, lse), (poison, nothing) = parts_of(2, 1, 2, 3, 40)
    poison.fill_(float("nan"))
    nothing.fill_(NOTHING)
    for parts in ([(poison, nothing), (out, lse)], [(out, lse), (poison, nothing)]):
        merged, total = gpu.merge(parts)
        assert torch.equal(merged, out)
        assert torch.equal(total, lse)
    merged, total = gpu.merge([(poison, nothing), (poison, nothing)])
    assert torch.equal(merged, torch.zeros_like(out))
    assert torch.equal(total, nothing)


def test_sources_need_not_be_contiguous() -> None:
    parts = parts_of(2, 1, 9, 5, 64)
    apart = [(out.transpose(1, 2).contiguous().transpose(1, 2), lse.double()) for out, lse in parts]
    assert torch.equal(gpu.merge(apart)[0], gpu.merge(parts)[0])


@dtypes
@pytest.mark.parametrize(("t", "n", "dim"), [(1, 2, 64), (7, 37, 40), (5, 1, 128)])
def test_more_keys_whose_scores_are_known_join_in(t: int, n: int, dim: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(t + n)
    out, values = (torch.randn(2, heads, size, dim, generator=generator).to(dtype) for heads, size in [(9, t), (3, n)])
    lse, scores = (torch.randn(shape, generator=generator) for shape in [(2, 9, t), (2, 9, t, n)])
    lse[0, 0] = NOTHING
    found, expected = gpu.joined(out, lse, scores, values), joined_reference(out, lse, scores, values)
    assert found.dtype is dtype
    print(f"error {error(found, expected):.1e}")
    assert error(found, expected) <= TOLERANCE[dtype]


def test_the_public_function_comes_here_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = parts_of(2, 1, 9, 5, 64)
    monkeypatch.setattr(dispatch, "override", lambda: "triton")
    assert torch.equal(merge(parts)[0], gpu.merge(parts)[0])
