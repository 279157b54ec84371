"""The Triton path: representatives are read once, whatever the number of sequences and query heads."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, dot, padded, rounded
from .reference import Summary

SCORED = {64: 128, 128: 64, 256: 32}
"""Blocks that a program scores, by the padded head size: its tiles of representatives have 16 KB each in bfloat16."""

ROWS = 16
"""Queries that a program multiplies at once: the least that there is a matrix product of."""


@triton.jit
def summary_kernel(  # type: ignore[no-untyped-def]
    keys,
    blocks,
    lengths,
    mean,
    least,
    most,
    block_stride,
    token_stride,
    head_stride,
    HEADS: tl.constexpr,
    TOKENS: tl.constexpr,
    DIM: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    UPCAST: tl.constexpr,
):
    kind: tl.constexpr = mean.dtype.element_ty
    place, head = tl.program_id(0).to(tl.int64) // HEADS, tl.program_id(0).to(tl.int64) % HEADS
    block = tl.load(blocks + place).to(tl.int64)
    count = TOKENS if lengths is None else tl.load(lengths + place).to(tl.int32)
    token, dim = tl.arange(0, ROWS)[:, None], tl.arange(0, COLUMNS)[None, :]
    counted = token < count
    here = counted & (token < TOKENS) & (dim < DIM)
    at = keys + block * block_stride + token.to(tl.int64) * token_stride + head * head_stride + dim
    part = tl.load(at, mask=here, other=0.0).to(tl.float32)
    total = tl.sum(part, 0)
    lowest = tl.min(tl.where(counted, part, float("inf")), 0)
    highest = tl.max(tl.where(counted, part, float("-inf")), 0)
    out = (place * HEADS + head) * DIM + tl.arange(0, COLUMNS)
    exists = tl.arange(0, COLUMNS) < DIM
    average = total / tl.maximum(count, 1).to(tl.float32)
    tl.store(mean + out, rounded(average, kind, UPCAST), mask=exists)
    tl.store(least + out, tl.where(count > 0, lowest, 0.0).to(kind), mask=exists)
    tl.store(most + out, tl.where(count > 0, highest, 0.0).to(kind), mask=exists)


@triton.jit
def score_kernel(  # type: ignore[no-untyped-def]
    queries,
    least,
    most,
    valid,
    scores,
    batch,
    blocks,
    valid_stride,
    HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    DIM: tl.constexpr,
    GROUPED: tl.constexpr,
    COLUMNS: tl.constexpr,
    BLOCKS: tl.constexpr,
    SEQUENCES: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """Scores of BLOCKS blocks for one KV head; rows are SEQUENCES sequences x GROUPED query heads, of which GROUP exist."""
    block = tl.program_id(0).to(tl.int64) * BLOCKS + tl.arange(0, BLOCKS)
    head = tl.program_id(1).to(tl.int64)
    dim = tl.arange(0, COLUMNS)
    known = (block < blocks)[None, :] & (dim < DIM)[:, None]
    at = (block * HEADS + head)[None, :] * DIM + dim[:, None]
    high = tl.load(most + at, mask=known, other=0.0)
    if least is not None:
        low = tl.load(least + at, mask=known, other=0.0)
    row = tl.arange(0, SEQUENCES * GROUPED)
    for first in range(0, batch, SEQUENCES):
        sequence, member = first + row // GROUPED, row % GROUPED
        asked = (sequence < batch) & (member < GROUP)
        place = ((sequence.to(tl.int64) * HEADS + head) * GROUP + member)[:, None] * DIM + dim[None, :]
        query = tl.load(queries + place, mask=asked[:, None] & (dim < DIM)[None, :], other=0.0)
        if least is None:
            found = dot(query, high, UPCAST)
        else:
            kind: tl.constexpr = query.dtype
            whole = query.to(tl.float32)
            found = dot(tl.maximum(whole, 0.0).to(kind), high, UPCAST) + dot(tl.minimum(whole, 0.0).to(kind), low, UPCAST)
        found = tl.where(asked[:, None], found, float("-inf"))
        best = tl.max(tl.reshape(found, (SEQUENCES, GROUPED, BLOCKS)), 1)
        whose = first + tl.arange(0, SEQUENCES).to(tl.int64)
        here = (whose < batch)[:, None] & (block < blocks)[None, :]
        if valid is not None:
            shown = tl.load(valid + whose[:, None] * valid_stride + block[None, :], mask=here, other=0)
            best = tl.where(shown != 0, best, float("-inf"))
        tl.store(scores + (whose[:, None] * HEADS + head) * blocks + block[None, :], best, mask=here)


def block_summary(k_cache: Tensor, block_ids: Tensor, lengths: Tensor | None = None) -> Summary:
    """Same contract and error as the CPU path; the dims of a key are contiguous, and ids are not checked."""
    tokens, heads, dim = k_cache.shape[1:]
    if k_cache.stride(-1) != 1:
        raise ValueError("the dims of a key are contiguous")
    room = partial(torch.empty, dtype=k_cache.dtype, device=k_cache.device)
    out = Summary(*(room(block_ids.numel(), heads, dim) for _ in range(3)))
    if block_ids.numel():
        shape = {"HEADS": heads, "TOKENS": tokens, "DIM": dim, "ROWS": padded(tokens, 1), "COLUMNS": padded(dim, 1)}
        grid = (block_ids.numel() * heads,)
        summary_kernel[grid](
            k_cache, block_ids, lengths, *out, *k_cache.stride()[:3], **shape, UPCAST=INTERPRET, num_warps=4
        )
    return out


def block_score(
    query: Tensor, reps: Tensor | tuple[Tensor, Tensor], valid: Tensor | None = None, shared: bool = False
) -> Tensor:
    """Same contract as `block_score_reference`; products are summed in float32 and not rounded: relative error <= 2e-6."""
    least, most = reps if isinstance(reps, tuple) else (None, reps)
    batch, heads, dim = query.shape
    blocks, kv_heads = most.shape[:2]
    scores = torch.empty(batch, kv_heads, blocks, dtype=torch.float32, device=query.device)
    if scores.numel():
        shown = None if valid is None else valid.view(-1, blocks).view(torch.uint8)
        stride = 0 if shown is None or len(shown) == 1 else blocks
        shape = launch(heads // kv_heads, dim)
        grid = cdiv(blocks, shape["BLOCKS"]), kv_heads
        score_kernel[grid](
            query.contiguous(),
            None if least is None else least.contiguous(),
            most.contiguous(),
            shown,
            scores,
            batch,
            blocks,
            stride,
            HEADS=kv_heads,
            **shape,
            UPCAST=INTERPRET,
            num_warps=4,
            num_stages=2,
        )
    return scores.sum(1, keepdim=True) if shared else scores


def launch(group: int, dim: int) -> dict[str, Any]:
    """The sizes of a program for `group` query heads to a KV head."""
    grouped, columns = padded(group, 1), padded(dim)
    sizes = {"GROUP": group, "DIM": dim, "GROUPED": grouped, "COLUMNS": columns}
    return sizes | {"BLOCKS": SCORED.get(columns, 32 if columns > 256 else 128), "SEQUENCES": max(1, ROWS // grouped)}
