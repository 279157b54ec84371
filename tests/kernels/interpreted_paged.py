"""Attention over a cache in blocks on the Triton path, interpreted; without TRITON_INTERPRET=1, on the GPU that is there."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import Scales, dispatch, paged_attention, paged_attention_reference
from perdure.kernels.paged import gpu, launches

from .paging import Paged, error, paged, quantised
from .poisoning import poisoned  # noqa: F401

TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}

CODED_LSE = {torch.float32: 1e-5, torch.float16: 1e-3, torch.bfloat16: 1e-2}
"""Keys that come from codes are rounded to the query's dtype before they are multiplied; the reference's are not."""

dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)

CASES = [
    pytest.param([0, 1, 257], None, 9, 3, 64, True, None, 1, id="decode"),
    pytest.param([0, 37, 130], None, 9, 3, 64, True, None, 5, id="decode in parts"),
    pytest.param([65], None, 32, 8, 128, True, None, 2, id="decode, 32 heads"),
    pytest.param([130, 37], None, 4, 2, 40, True, 50, 2, id="decode in a window"),
    pytest.param([0, 5, 37, 70], [0, 5, 7, 33], 9, 3, 64, True, None, 1, id="chunks"),
    pytest.param([0, 5, 67], [2, 9, 33], 4, 2, 40, True, 16, 2, id="chunks in a window, more new than cached"),
    pytest.param([0, 5, 37], [1, 5, 7], 4, 2, 40, False, None, 2, id="not causal"),
]


def launched(
    case: Paged, splits: int, causal: bool = True, window: int | None = None, scales: Scales | None = None
) -> tuple[Tensor, Tensor]:
    config = launches.chosen(case.query, case.k_cache.shape[2], scales is not None, case.cu_q is None)
    scale = case.query.shape[2] ** -0.5
    return gpu.launched(*case.tensors, scale, causal, window, scales, config=config, splits=splits)


def check(found: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor], lse_within: float = 1e-5) -> None:
    (out, lse), (expected_out, expected_lse) = found, expected
    empty = expected_lse == float("-inf")
    lse_error = (lse - expected_lse)[~empty].abs().max()
    print(f"error {error(out, expected_out):.1e}, of lse {lse_error:.1e}")
    assert out.dtype is expected_out.dtype
    assert error(out, expected_out) <= TOLERANCE[out.dtype]
    assert lse_error <= lse_within
    assert torch.equal(lse == float("-inf"), empty)
    assert (out[empty] == 0).all()


@dtypes
@pytest.mark.parametrize(("lens", "queries", "heads", "kv_heads", "dim", "causal", "window", "splits"), CASES)
def test_it_matches_the_reference(
    lens: list[int],
    queries: list[int] | None,
    heads: int,
    kv_heads: int,
    dim: int,
    causal: bool,
    window: int | None,
    splits: int,
    dtype: torch.dtype,
) -> None:
    case = paged(lens, heads, kv_heads, dim, dtype, queries=queries)
    expected = paged_attention_reference(*case.tensors, scale=dim**-0.5, causal=causal, window=window)
    check(launched(case, splits, causal, window), expected)


@dtypes
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(("queries", "dim", "splits"), [(None, 64, 2), ([0, 1, 20], 40, 1)], ids=["decode", "chunks"])
def test_codes_are_read_like_numbers(
    queries: list[int] | None, dim: int, splits: int, bits: int, dtype: torch.dtype
) -> None:
    case, scales = quantised(paged([0, 1, 70], 9, 3, dim, dtype, queries=queries), bits)
    expected = paged_attention_reference(*case.tensors, scale=dim**-0.5, scales=scales)
    check(launched(case, splits, scales=scales), expected, CODED_LSE[dtype])


def test_blocks_of_any_size_and_caches_that_are_slices() -> None:
    case = paged([50, 7], 4, 2, 64, torch.float32, size=12)
    both = torch.stack([case.k_cache, case.v_cache], 1)
    sliced = Paged(case.query, both[:, 0], both[:, 1], case.block_table, case.seq_lens, None)
    check(launched(sliced, 2), paged_attention_reference(*case.tensors, scale=0.125))


def test_equal_calls_give_equal_bits() -> None:
    case = paged([130, 37], 9, 3, 64, torch.bfloat16)
    for first, second in zip(launched(case, 3), launched(case, 3), strict=True):
        assert torch.equal(first, second)


def test_caches_of_more_than_two_gigabytes() -> None:
    """Addresses need 64 bits; of the memory only the blocks that are used are ever touched."""
    case = paged([37, 5], 4, 2, 64, torch.float16)
    near = Paged(case.query, case.k_cache, case.k_cache, case.block_table, case.seq_lens, None)
    blocks = 2**31 // case.k_cache[0].numel() + 8
    try:
        large = torch.empty_strided((blocks, *near.k_cache.shape[1:]), near.k_cache.stride(), dtype=torch.float16)
    except RuntimeError:
        pytest.skip("this machine promises no 4 GB of memory")
    table, n = case.block_table.clone(), len(case.k_cache)
    large[-n:] = case.k_cache
    table[table < n] += blocks - n
    far = Paged(case.query, large, large, table, case.seq_lens, None)
    for found, expected in zip(launched(far, 2), launched(near, 2), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("queries", [None, [9, 2]], ids=["decode", "chunks"])
def test_the_public_function_comes_here_when_it_is_told_to(
    queries: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = paged([300, 37], 4, 2, 64, torch.float32, queries=queries)
    monkeypatch.setattr(dispatch, "override", lambda: "triton")
    check(paged_attention(*case.tensors, scale=0.125), paged_attention_reference(*case.tensors, scale=0.125))


def test_keys_are_split_where_the_gpu_has_room() -> None:
    assert launches.split(programs=8, keys=32768, multiprocessors=132) == 33
    assert launches.split(programs=8, keys=500, multiprocessors=132) == 2
    assert launches.split(programs=4096, keys=32768, multiprocessors=132) == 1
    assert launches.split(programs=1, keys=10**6, multiprocessors=132) == 64
