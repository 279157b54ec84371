"""What stands for blocks, and how queries score them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import block_score, block_score_reference, block_summary, block_summary_reference
from perdure.kernels.selection import cpu

MEAN = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 4e-3}
SCORE = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def random(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", MEAN, ids=str)
@pytest.mark.parametrize("lengths", [None, [16, 1, 0, 7]], ids=str)
@pytest.mark.parametrize("chunk", [1, 1 << 19])
def test_summaries_match_the_reference(
    lengths: list[int] | None, dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_CHUNK", chunk)
    keys, ids = random(9, 16, 3, 64, dtype=dtype), torch.tensor([8, 0, 3, 5], dtype=torch.int32)
    counts = None if lengths is None else torch.tensor(lengths, dtype=torch.int32)
    if counts is not None:
        keys[8, 16:], keys[0, 1:], keys[3], keys[5, 7:] = torch.nan, torch.nan, torch.nan, torch.nan
    got, expected = block_summary(keys, ids, counts), block_summary_reference(keys, ids, counts)
    assert got.mean.dtype is dtype
    assert error(got.mean, expected.mean) <= MEAN[dtype]
    assert torch.equal(got.least, expected.least)
    assert torch.equal(got.most, expected.most)


@pytest.mark.parametrize("dtype", SCORE, ids=str)
@pytest.mark.parametrize("shared", [False, True], ids=["per head", "shared"])
@pytest.mark.parametrize("bounds", [False, True], ids=["mean", "bounds"])
@pytest.mark.parametrize(("heads", "kv_heads"), [(9, 3), (32, 8), (4, 4)])
def test_scores_match_the_reference(heads: int, kv_heads: int, bounds: bool, shared: bool, dtype: torch.dtype) -> None:
    query, keys = random(2, heads, 64, dtype=dtype), random(70, 16, kv_heads, 64, dtype=dtype)
    mean, least, most = block_summary(keys, torch.arange(70))
    reps = (least, most) if bounds else mean
    valid = torch.rand(2, 70, generator=torch.Generator().manual_seed(0)) < 0.8
    got, expected = block_score(query, reps, valid, shared), block_score_reference(query, reps, valid, shared)
    assert got.dtype is torch.float32
    assert got.shape == (2, 1 if shared else kv_heads, 70)
    shown = valid.unsqueeze(1).expand(got.shape)
    assert (got[~shown] == -torch.inf).all()
    assert error(got[shown], expected[shown]) <= SCORE[dtype]


def test_no_key_of_a_block_scores_above_its_bound() -> None:
    query, keys = random(3, 9, 32).double(), random(20, 16, 3, 32).double()
    _, least, most = block_summary_reference(keys, torch.arange(20))
    bound = block_score_reference(query, (least, most)).double()
    scores = torch.einsum("bhgd,nthd->bhgnt", query.view(3, 3, 3, 32), keys).amax((2, 4))
    assert (scores <= bound + 1e-5).all()


def test_a_block_of_one_key_scores_as_that_key() -> None:
    query, keys = random(1, 3, 32), random(20, 1, 3, 32)
    mean, least, most = block_summary(keys, torch.arange(20))
    alone = torch.einsum("bhd,nhd->bhn", query, keys[:, 0])
    assert torch.allclose(block_score(query, mean), alone, atol=1e-5)
    assert torch.allclose(block_score(query, (least, most)), alone, atol=1e-5)


def test_one_mask_for_all_sequences_and_no_blocks() -> None:
    query, keys = random(2, 3, 32), random(5, 4, 3, 32)
    valid = torch.tensor([True, False, True, True, False])
    scores = block_score(query, block_summary(keys, torch.arange(5)).mean, valid)
    assert (scores.isinf() == ~valid).all()
    none = block_summary(keys, torch.empty(0, dtype=torch.int32))
    assert block_score(query, none.mean).shape == (2, 3, 0)
