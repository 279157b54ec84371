"""The Triton path: programs of (query tile, KV head, part of the keys), then the parts are combined in order."""

from __future__ import annotations

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..combine.gpu import merge_stacked
from ..tiles import INTERPRET, dot, padded
from .launches import Launch, chosen, multiprocessors, split, tiles
from .scales import Scales


@triton.jit
def _scaled(codes, scale, zero, mask):  # type: ignore[no-untyped-def]
    """Numbers [n, channels] in float32."""
    by, start = tl.load(scale, mask=mask, other=0.0), tl.load(zero, mask=mask, other=0.0)
    return codes.to(tl.float32) * by.to(tl.float32) + start.to(tl.float32)


@triton.jit
def _attend(  # type: ignore[no-untyped-def]
    out,
    lse,
    query,
    keys,
    values,
    table,
    lens,
    cu_q,
    k_scale,
    k_zero,
    v_scale,
    v_zero,
    n_rows,
    sequences,
    table_stride,
    query_row,
    query_head,
    k_block,
    k_slot,
    k_head,
    v_block,
    v_slot,
    v_head,
    scale,
    window,
    SIZE: tl.constexpr,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    DIM: tl.constexpr,
    BITS: tl.constexpr,
    CAUSAL: tl.constexpr,
    WINDOWED: tl.constexpr,
    SEQUENCES: tl.constexpr,
    SPLITS: tl.constexpr,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
    PADDED: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """out [SPLITS, N, Hq, D] and natural-log lse [SPLITS, N, Hq] of one part of the keys of one tile of queries.

    The rows of a tile are ROWS // GROUP query tokens, each with the heads of its group; `scale` has log2(e) in it.
    """
    tile = tl.program_id(0).to(tl.int64)
    kv_head = tl.program_id(1).to(tl.int64)
    split = tl.program_id(2)
    tokens: tl.constexpr = ROWS // GROUP

    if cu_q is None:
        b = tile
        first = tile
        count = 1
        begin = 0
    else:
        # Sequence i has its first tile at cu_q[i] // tokens + i, which leaves each at least as many as it needs.
        i = tl.arange(0, SEQUENCES)
        starts = tl.load(cu_q + i, mask=i < sequences, other=0).to(tl.int64) // tokens + i
        b = tl.sum(((starts <= tile) & (i < sequences)).to(tl.int64)) - 1
        first = tl.load(cu_q + b).to(tl.int64)
        count = (tl.load(cu_q + b + 1) - first).to(tl.int32)
        begin = ((tile - (first // tokens + b)) * tokens).to(tl.int32)
        if begin >= count:
            return

    n = tl.load(lens + b)
    row = tl.arange(0, ROWS)
    token = begin + row // GROUP
    head = kv_head * GROUP + row % GROUP
    valid = (token < count) & (row < tokens * GROUP)
    position = n - count + token

    # Of 4 bits, the two channels of a byte lie side by side here: i and i + D / 2.
    width: tl.constexpr = DIM // 2 if BITS == 4 else DIM
    column = tl.arange(0, PADDED // 2) if BITS == 4 else tl.arange(0, PADDED)
    d = tl.arange(0, PADDED)
    if BITS == 4:
        d = d % 2 * width + d // 2 + (d // 2 >= width) * PADDED
    q_at = query + (first + token)[:, None] * query_row + head[:, None] * query_head + d[None, :]
    q = tl.load(q_at, mask=valid[:, None] & (d < DIM)[None, :], other=0.0)

    low = n * 0
    high = n
    if CAUSAL:
        high = tl.minimum(n, tl.maximum(n - count + tl.minimum(begin + tokens, count), 0))
    if WINDOWED:
        low = tl.maximum(n - count + begin - window + 1, 0)
    part = tl.cdiv(tl.cdiv(tl.maximum(high - low, 0), SPLITS), KEYS) * KEYS
    low += split * part
    high = tl.minimum(high, low + part)

    top = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    acc = tl.zeros([ROWS, PADDED], tl.float32)

    for start in range(low, high, KEYS):
        j = start + tl.arange(0, KEYS)
        inside = j < high
        block = tl.load(table + b * table_stride + j // SIZE, mask=inside, other=0).to(tl.int64)
        slot = (j % SIZE).to(tl.int64)
        mask = inside[:, None] & (column < width)[None, :]
        k_at = keys + (block * k_block + slot * k_slot + kv_head * k_head)[:, None] + column[None, :]
        v_at = values + (block * v_block + slot * v_slot + kv_head * v_head)[:, None] + column[None, :]
        if BITS == 0:
            k = tl.load(k_at, mask=mask, other=0.0)
            v = tl.load(v_at, mask=mask, other=0.0)
        else:
            codes, v = tl.load(k_at, mask=mask, other=0), tl.load(v_at, mask=mask, other=0)
            channel = (block * HEADS + kv_head)[:, None] * DIM + column[None, :]
            if BITS == 4:
                low_half = _scaled(codes & 15, k_scale + channel, k_zero + channel, mask)
                channel += DIM // 2
                k = tl.interleave(low_half, _scaled(codes >> 4, k_scale + channel, k_zero + channel, mask)).to(q.dtype)
                v = tl.interleave(v & 15, v >> 4)
            else:
                k = _scaled(codes, k_scale + channel, k_zero + channel, mask).to(q.dtype)
            of_token = ((block * SIZE + slot) * HEADS + kv_head)[:, None]
            v = _scaled(v, v_scale + of_token, v_zero + of_token, inside[:, None]).to(q.dtype)

        scores = dot(q, tl.trans(k), UPCAST) * scale
        seen = inside[None, :] & valid[:, None]
        if CAUSAL:
            seen &= j[None, :] <= position[:, None]
        if WINDOWED:
            seen &= j[None, :] > position[:, None] - window
        scores = tl.where(seen, scores, float("-inf"))
        higher = tl.maximum(top, tl.max(scores, 1))
        # A row that has seen nothing yet has no largest score to subtract.
        level = tl.where(higher == float("-inf"), 0.0, higher)
        weights = tl.exp2(scores - level[:, None])
        kept = tl.exp2(top - level)
        total = total * kept + tl.sum(weights, 1)
        acc = acc * kept[:, None] + dot(weights.to(q.dtype), v, UPCAST)
        top = higher

    found = total > 0
    some = tl.where(found, total, 1.0)
    result = acc / some[:, None]
    line = (split.to(tl.int64) * n_rows + first + token) * (HEADS * GROUP) + head
    tl.store(
        out + line[:, None] * DIM + d[None, :], result.to(out.dtype.element_ty), mask=valid[:, None] & (d < DIM)[None, :]
    )
    tl.store(lse + line, tl.where(found, (top + tl.log2(some)) * 0.6931471805599453, float("-inf")), mask=valid)


def paged_attention(
    query: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    block_table: Tensor,
    seq_lens: Tensor,
    cu_q: Tensor | None = None,
    *,
    scale: float,
    causal: bool = True,
    window: int | None = None,
    scales: Scales | None = None,
) -> tuple[Tensor, Tensor]:
    """Same contract as `paged_attention_reference`; no value is read back from the GPU to launch it."""
    kv_heads, keys = k_cache.shape[2], block_table.shape[1] * k_cache.shape[1]
    config = chosen(query, kv_heads, scales is not None, cu_q is None or len(query) <= 2 * len(seq_lens))
    programs = tiles(query, kv_heads, seq_lens, cu_q, config) * kv_heads
    splits = split(programs, keys if window is None else min(keys, window), multiprocessors(query.device))
    return launched(
        query, k_cache, v_cache, block_table, seq_lens, cu_q, scale, causal, window, scales, config=config, splits=splits
    )


def launched(
    query: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    block_table: Tensor,
    seq_lens: Tensor,
    cu_q: Tensor | None,
    scale: float,
    causal: bool,
    window: int | None,
    scales: Scales | None,
    *,
    config: Launch,
    splits: int,
) -> tuple[Tensor, Tensor]:
    """`paged_attention` with a given configuration and number of splits."""
    n, heads, dim = query.shape
    size, kv_heads = k_cache.shape[1:3]
    out = query.new_empty((splits, n, heads, dim), dtype=query.dtype if splits == 1 else torch.float32)
    lse = query.new_empty((splits, n, heads), dtype=torch.float32)
    grid = (tiles(query, kv_heads, seq_lens, cu_q, config), kv_heads, splits)
    _attend[grid](
        out,
        lse,
        query,
        k_cache,
        v_cache,
        block_table,
        seq_lens,
        cu_q,
        *(scales or (None, None, None, None)),
        n,
        len(seq_lens),
        block_table.stride(0),
        *query.stride()[:2],
        *k_cache.stride()[:3],
        *v_cache.stride()[:3],
        scale * math.log2(math.e),
        window or 0,
        SIZE=size,
        HEADS=kv_heads,
        GROUP=heads // kv_heads,
        DIM=dim,
        BITS=0 if scales is None else 8 * k_cache.shape[3] // dim,
        CAUSAL=causal,
        WINDOWED=window is not None,
        SEQUENCES=padded(len(seq_lens)),
        SPLITS=splits,
        ROWS=config.rows,
        KEYS=config.keys,
        PADDED=padded(dim),
        UPCAST=INTERPRET,
        num_warps=config.warps,
        num_stages=config.stages,
    )
    return (out[0], lse[0]) if splits == 1 else merge_stacked(out, lse, query.dtype)
