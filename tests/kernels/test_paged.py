"""Attention over a cache in blocks against its float64 definition, and that against plain attention."""

from __future__ import annotations

import pytest
import torch

from perdure.kernels import attend_reference, paged_attention, paged_attention_reference
from perdure.kernels.paged import cpu

from .paging import Paged, error, paged, quantised

TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}

LENS = [0, 1, 37, 65, 130, 257]

CASES = [
    pytest.param(LENS, None, 9, 3, 64, True, None, id="decode"),
    pytest.param(LENS, None, 8, 2, 80, True, 50, id="decode in a window"),
    pytest.param([257], None, 32, 8, 128, True, None, id="decode, 32 heads"),
    pytest.param([0, 5, 37, 130], [0, 5, 7, 33], 9, 3, 64, True, None, id="chunks"),
    pytest.param([0, 5, 37, 130], [2, 9, 7, 33], 4, 4, 40, True, 16, id="chunks in a window, more new than cached"),
    pytest.param([0, 5, 37, 130], [1, 5, 7, 33], 4, 2, 40, False, None, id="not causal"),
]


def check(case: Paged, dtype: torch.dtype, **options: object) -> None:
    arguments: dict[str, object] = {"scale": case.query.shape[2] ** -0.5, **options}
    out, lse = paged_attention(*case.tensors, **arguments)  # type: ignore[arg-type]
    expected, expected_lse = paged_attention_reference(*case.tensors, **arguments)  # type: ignore[arg-type]
    assert out.dtype is dtype
    assert lse.dtype is torch.float32
    assert error(out, expected) <= TOLERANCE[dtype]
    assert torch.allclose(lse, expected_lse, atol=1e-5 if dtype is torch.float32 else 2e-2)
    assert torch.equal(lse == float("-inf"), expected_lse == float("-inf"))


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("lens", "queries", "heads", "kv_heads", "dim", "causal", "window"), CASES)
def test_it_matches_the_reference(
    lens: list[int],
    queries: list[int] | None,
    heads: int,
    kv_heads: int,
    dim: int,
    causal: bool,
    window: int | None,
    dtype: torch.dtype,
) -> None:
    check(paged(lens, heads, kv_heads, dim, dtype, queries=queries), dtype, causal=causal, window=window)


@pytest.mark.parametrize("window", [None, 200])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_long_sequences_are_gathered_in_pieces(
    dtype: torch.dtype, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "PIECE", 3 * 16 * 3 * 64 * dtype.itemsize)
    check(paged([257, 48, 49], 9, 3, 64, dtype), dtype, window=window)


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("queries", [None, [0, 1, 6, 40]], ids=["decode", "chunks"])
def test_codes_are_read_like_numbers(queries: list[int] | None, dtype: torch.dtype, bits: int) -> None:
    case, scales = quantised(paged([0, 1, 37, 130], 9, 3, 40, dtype, queries=queries), bits)
    check(case, dtype, scales=scales)


@pytest.mark.parametrize(("bits", "worst"), [(8, 0.01), (4, 0.2)])
def test_quantising_changes_little(bits: int, worst: float) -> None:
    plain = paged([200], 9, 3, 64, torch.float32)
    coded, scales = quantised(plain, bits)
    expected = paged_attention(*plain.tensors, scale=0.125)[0]
    assert error(paged_attention(*coded.tensors, scale=0.125, scales=scales)[0], expected) <= worst


def test_the_reference_is_attention_over_a_contiguous_cache() -> None:
    case = paged([70], 6, 2, 32, torch.float32, queries=[20])
    key, value = (cache[case.block_table[0, :5].long()].flatten(0, 1)[:70] for cache in (case.k_cache, case.v_cache))
    out, lse = paged_attention_reference(*case.tensors, scale=0.25)
    query, keys, values = (x.transpose(0, 1).unsqueeze(0) for x in (case.query, key, value))
    expected, expected_lse = attend_reference(query, keys, values, 0.25)
    assert torch.allclose(out, expected[0].transpose(0, 1), atol=1e-6)
    assert torch.allclose(lse, expected_lse[0].transpose(0, 1), atol=1e-6)


def test_where_the_blocks_lie_changes_no_bit() -> None:
    case = paged([130, 37], 9, 3, 64, torch.bfloat16, size=8)
    order = torch.randperm(len(case.k_cache))
    moved = case.block_table.clone()
    used = moved < len(order)
    moved[used] = order.argsort()[moved[used].long()].int()
    there = Paged(case.query, case.k_cache[order], case.v_cache[order], moved, case.seq_lens, None)
    for found, expected in zip(
        paged_attention(*there.tensors, scale=0.125), paged_attention(*case.tensors, scale=0.125), strict=True
    ):
        assert torch.equal(found, expected)
