"""The Triton path: each row is folded over its sources in their order, so that every source is read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, dot, padded

ROWS = {64: 32, 128: 16, 256: 8}
"""Rows that a program of four warps holds, by padded head size."""

AT_ONCE = 4
"""Sources that one launch reads; of more, the first ones are merged first."""

JOINED_ROWS, JOINED_KEYS = 16, 32


@triton.jit
def _fold(acc, top, total, out, lse, row, inside, DIM: tl.constexpr, PADDED: tl.constexpr):  # type: ignore[no-untyped-def]
    """One more source in what is known of each row; where it is empty its out is not read."""
    d = tl.arange(0, PADDED)
    more = tl.load(lse + row, mask=inside, other=float("-inf"))
    some = (more > float("-inf"))[:, None] & (d < DIM)[None, :]
    x = tl.load(out + row[:, None] * DIM + d[None, :], mask=some, other=0.0).to(tl.float32)
    higher = tl.maximum(top, more)
    level = tl.where(higher == float("-inf"), 0.0, higher)
    kept, new = tl.exp(top - level), tl.exp(more - level)
    return acc * kept[:, None] + x * new[:, None], higher, total * kept + new


@triton.jit
def _finish(out, lse, acc, top, total, row, inside, DIM: tl.constexpr, PADDED: tl.constexpr):  # type: ignore[no-untyped-def]
    d = tl.arange(0, PADDED)
    some = tl.where(total > 0, total, 1.0)
    merged = (acc / some[:, None]).to(out.dtype.element_ty)
    tl.store(out + row[:, None] * DIM + d[None, :], merged, mask=inside[:, None] & (d < DIM)[None, :])
    tl.store(lse + row, top + tl.log(some), mask=inside)


@triton.jit
def _merge_parts(  # type: ignore[no-untyped-def]
    out,
    lse,
    out_a,
    lse_a,
    out_b,
    lse_b,
    out_c,
    lse_c,
    out_d,
    lse_d,
    n,
    DIM: tl.constexpr,
    PADDED: tl.constexpr,
    ROWS: tl.constexpr,
):
    """n rows of up to four sources that lie apart."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = row < n
    acc = tl.zeros([ROWS, PADDED], tl.float32)
    top = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    acc, top, total = _fold(acc, top, total, out_a, lse_a, row, inside, DIM, PADDED)
    if out_b is not None:
        acc, top, total = _fold(acc, top, total, out_b, lse_b, row, inside, DIM, PADDED)
    if out_c is not None:
        acc, top, total = _fold(acc, top, total, out_c, lse_c, row, inside, DIM, PADDED)
    if out_d is not None:
        acc, top, total = _fold(acc, top, total, out_d, lse_d, row, inside, DIM, PADDED)
    _finish(out, lse, acc, top, total, row, inside, DIM, PADDED)


@triton.jit
def _merge_stacked(  # type: ignore[no-untyped-def]
    out, lse, outs, lses, n, sources, DIM: tl.constexpr, PADDED: tl.constexpr, ROWS: tl.constexpr
):
    """n rows of any number of sources that lie one after the other."""
    row = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = row < n
    acc = tl.zeros([ROWS, PADDED], tl.float32)
    top = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    for source in range(sources):
        at = tl.cast(source, tl.int64) * n
        acc, top, total = _fold(acc, top, total, outs + at * DIM, lses + at, row, inside, DIM, PADDED)
    _finish(out, lse, acc, top, total, row, inside, DIM, PADDED)


@triton.jit
def _join(  # type: ignore[no-untyped-def]
    joined,
    out,
    lse,
    scores,
    values,
    rows,
    n,
    DIM: tl.constexpr,
    PADDED: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """The rows of one KV head and n more keys, whose scores are known."""
    pair = tl.program_id(1).to(tl.int64)
    mine = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    inside = mine < rows
    row = pair * rows + mine
    d = tl.arange(0, PADDED)
    acc = tl.zeros([ROWS, PADDED], tl.float32)
    top = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    acc, top, total = _fold(acc, top, total, out, lse, row, inside, DIM, PADDED)
    for start in range(0, n, KEYS):
        j = start + tl.arange(0, KEYS)
        known = inside[:, None] & (j < n)[None, :]
        s = tl.load(scores + row[:, None] * n + j[None, :], mask=known, other=float("-inf")).to(tl.float32)
        v_at = values + (pair * n + j)[:, None] * DIM + d[None, :]
        v = tl.load(v_at, mask=(j < n)[:, None] & (d < DIM)[None, :], other=0.0)
        higher = tl.maximum(top, tl.max(s, 1))
        level = tl.where(higher == float("-inf"), 0.0, higher)
        weights, kept = tl.exp(s - level[:, None]), tl.exp(top - level)
        acc = acc * kept[:, None] + dot(weights.to(v.dtype), v, UPCAST)
        top, total = higher, total * kept + tl.sum(weights, 1)
    result = acc / tl.where(total > 0, total, 1.0)[:, None]
    at = joined + row[:, None] * DIM + d[None, :]
    tl.store(at, result.to(joined.dtype.element_ty), mask=inside[:, None] & (d < DIM)[None, :])


def merge(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Same contract as `merge_reference`; one launch reads up to four sources."""
    dtype, left = parts[0][0].dtype, list(parts)
    while len(left) > AT_ONCE:
        left = [_merged(left[:AT_ONCE], torch.float32), *left[AT_ONCE:]]
    return _merged(left, dtype)


def merge_stacked(outs: Tensor, lses: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The same of sources in one tensor: outs [S, ..., D] and lses [S, ...], contiguous; out comes back in `dtype`."""
    dim = outs.shape[-1]
    out, lse = outs.new_empty(outs.shape[1:], dtype=dtype), torch.empty_like(lses[0])
    n, rows = lse.numel(), rows_of(dim)
    _merge_stacked[(cdiv(n, rows),)](out, lse, outs, lses, n, len(outs), DIM=dim, PADDED=padded(dim), ROWS=rows)
    return out, lse


def joined(out: Tensor, lse: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    """Same contract as `joined_reference`."""
    batch, heads, t, dim = out.shape
    kv_heads, n = values.shape[1:3]
    out, lse, scores, values = out.contiguous(), lse.float().contiguous(), scores.contiguous(), values.contiguous()
    result, rows = torch.empty_like(out), heads // kv_heads * t
    sizes: dict[str, Any] = {"DIM": dim, "PADDED": padded(dim), "ROWS": JOINED_ROWS, "KEYS": JOINED_KEYS}
    grid = (cdiv(rows, JOINED_ROWS), batch * kv_heads)
    _join[grid](result, out, lse, scores, values, rows, n, **sizes, UPCAST=INTERPRET)
    return result


def rows_of(dim: int) -> int:
    return ROWS[max(64, padded(dim))]


def _merged(parts: Sequence[tuple[Tensor, Tensor]], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    dim = parts[0][0].shape[-1]
    pairs = [tensor for out, lse in parts for tensor in (out.contiguous(), lse.float().contiguous())]
    out, lse = torch.empty_like(pairs[0], dtype=dtype), torch.empty_like(pairs[1])
    absent = [None] * (2 * AT_ONCE - len(pairs))
    n, rows = lse.numel(), rows_of(dim)
    _merge_parts[(cdiv(n, rows),)](out, lse, *pairs, *absent, n, DIM=dim, PADDED=padded(dim), ROWS=rows)
    return out, lse
