"""Block summaries and scores in Triton's interpreter (see test_triton.py)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import block_score_reference, block_summary_reference
from perdure.kernels.selection.gpu import block_score, block_summary

from .poisoning import poisoned  # noqa: F401
from .test_selection import MEAN, error, random


@pytest.mark.parametrize("dtype", MEAN, ids=str)
@pytest.mark.parametrize("lengths", [None, [16, 1, 0, 7]], ids=str)
@pytest.mark.parametrize("shape", [(9, 16, 3, 64), (9, 19, 1, 40)], ids=str)
def test_summaries_match_the_reference(shape: tuple[int, ...], lengths: list[int] | None, dtype: torch.dtype) -> None:
    keys, ids = random(*shape, dtype=dtype), torch.tensor([8, 0, 3, 5], dtype=torch.int32)
    counts = None if lengths is None else torch.tensor(lengths, dtype=torch.int32)
    if counts is not None:
        keys[8, 16:], keys[0, 1:], keys[3], keys[5, 7:] = torch.nan, torch.nan, torch.nan, torch.nan
    got, expected = block_summary(keys, ids, counts), block_summary_reference(keys, ids, counts)
    assert error(got.mean, expected.mean) <= MEAN[dtype]
    assert torch.equal(got.least, expected.least)
    assert torch.equal(got.most, expected.most)


@pytest.mark.parametrize("dtype", MEAN, ids=str)
@pytest.mark.parametrize("bounds", [False, True], ids=["mean", "bounds"])
@pytest.mark.parametrize(
    ("batch", "heads", "kv_heads", "dim", "blocks"),
    [(7, 9, 3, 64, 200), (2, 32, 8, 128, 70), (1, 20, 1, 40, 5), (18, 2, 2, 64, 1)],
)
def test_scores_match_the_reference(
    batch: int, heads: int, kv_heads: int, dim: int, blocks: int, bounds: bool, dtype: torch.dtype
) -> None:
    query, keys = random(batch, heads, dim, dtype=dtype), random(blocks, 4, kv_heads, dim, dtype=dtype)
    mean, least, most = block_summary_reference(keys, torch.arange(blocks))
    reps: Tensor | tuple[Tensor, Tensor] = (least, most) if bounds else mean
    assert error(block_score(query, reps), block_score_reference(query, reps)) <= 2e-6


@pytest.mark.parametrize("shared", [False, True], ids=["per head", "shared"])
@pytest.mark.parametrize("rows", [1, 3])
def test_blocks_that_are_not_valid(rows: int, shared: bool) -> None:
    query, mean = random(3, 9, 64), random(70, 3, 64)
    valid = torch.rand(rows, 70, generator=torch.Generator().manual_seed(0)) < 0.8
    got, expected = block_score(query, mean, valid, shared), block_score_reference(query, mean, valid, shared)
    assert torch.equal(got.isinf(), expected.isinf())
    assert error(got[got.isfinite()], expected[expected.isfinite()]) <= 2e-6


def test_no_blocks() -> None:
    none = block_summary(random(5, 4, 3, 32), torch.empty(0, dtype=torch.int32))
    assert block_score(random(2, 3, 32), none.mean).shape == (2, 3, 0)
