"""The Triton path: two launches for the updates of all rows, whatever their number and ranks.

The updates' ranks are cut in slices of 16. The first launch multiplies x by each slice's share of the down factors, a part
of d_in to a program; the second goes through a row's slices, adds up the parts and multiplies by the up factors. A slice
finds its factors through a table of pointers, so that they are neither copied nor padded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, dot, rounded
from .cpu import strung
from .reference import Pair

__all__ = ["lowrank", "strung"]

SLICE = 16
"""Ranks of a slice: the least that there is a matrix product of."""

DEPTH = 64
"""Inputs that are multiplied at a time."""

PART = 1024
"""Inputs of which one program of the first launch makes a sum."""


class Table(NamedTuple):
    """Where the slices lie: down and up [slices] int64 addresses of their first number, row and ranks [slices] int32 whose
    and how wide they are, stride [slices] int32 from one output's up factors to the next, first [B + 1] int64 where a row's
    slices begin."""

    down: Tensor
    up: Tensor
    row: Tensor
    ranks: Tensor
    stride: Tensor
    first: Tensor


@triton.jit
def down_kernel(  # type: ignore[no-untyped-def]
    x,
    hidden,
    downs,
    rows,
    ranks,
    tokens,
    inputs,
    TOKENS: tl.constexpr,
    SLICE: tl.constexpr,
    DEPTH: tl.constexpr,
    PART: tl.constexpr,
    ALIGNED: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """hidden [slices, parts, T, SLICE] in float32: a part of the sum over the inputs."""
    piece, part = tl.program_id(0).to(tl.int64), tl.program_id(2).to(tl.int64)
    token = tl.program_id(1).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    rank, depth = tl.arange(0, SLICE), tl.arange(0, DEPTH)
    down = tl.load(downs + piece).to(x.dtype)
    if ALIGNED:
        down = tl.multiple_of(down, 16)
    wide = tl.load(ranks + piece)
    source = x + tl.load(rows + piece).to(tl.int64) * tokens * inputs
    total = tl.zeros((TOKENS, SLICE), tl.float32)
    for at in range(0, PART, DEPTH):
        place = part * PART + at + depth
        given = tl.load(
            source + token[:, None] * inputs + place[None, :],
            mask=(token < tokens)[:, None] & (place < inputs)[None, :],
            other=0.0,
        )
        factor = tl.load(
            down + rank[None, :].to(tl.int64) * inputs + place[:, None],
            mask=(rank < wide)[None, :] & (place < inputs)[:, None],
            other=0.0,
        )
        total += dot(given, factor, UPCAST)
    out = hidden + ((piece * tl.num_programs(2) + part) * tokens + token[:, None]) * SLICE + rank[None, :]
    tl.store(out, total, mask=(token < tokens)[:, None])


@triton.jit
def up_kernel(  # type: ignore[no-untyped-def]
    before,
    out,
    hidden,
    ups,
    ranks,
    strides,
    first,
    tokens,
    outputs,
    parts,
    TOKENS: tl.constexpr,
    SLICE: tl.constexpr,
    OUTPUTS: tl.constexpr,
    ALIGNED: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """out = before + hidden up, for one row; a row without slices keeps its bits."""
    kind: tl.constexpr = out.dtype.element_ty
    row = tl.program_id(0).to(tl.int64)
    token = tl.program_id(1).to(tl.int64) * TOKENS + tl.arange(0, TOKENS)
    output = tl.program_id(2).to(tl.int64) * OUTPUTS + tl.arange(0, OUTPUTS)
    rank = tl.arange(0, SLICE)
    here = (token < tokens)[:, None] & (output < outputs)[None, :]
    place = (row * tokens + token[:, None]) * outputs + output[None, :]
    start, stop = tl.load(first + row), tl.load(first + row + 1)
    there = tl.load(before + place, mask=here, other=0.0)
    if start == stop:
        tl.store(out + place, there, mask=here)
    else:
        total = there.to(tl.float32)
        for piece in range(start, stop):
            inner = tl.zeros((TOKENS, SLICE), tl.float32)
            at = hidden + (piece * parts * tokens + token[:, None]) * SLICE + rank[None, :]
            for _ in range(parts):
                inner += tl.load(at, mask=(token < tokens)[:, None], other=0.0)
                at += tokens * SLICE
            up = tl.load(ups + piece).to(out.dtype)
            if ALIGNED:
                up = tl.multiple_of(up, 16)
            stride = tl.load(strides + piece).to(tl.int64)
            if ALIGNED:
                stride = tl.multiple_of(stride, 8)
            factor = tl.load(
                up + output[None, :] * stride + rank[:, None],
                mask=(rank < tl.load(ranks + piece))[:, None] & (output < outputs)[None, :],
                other=0.0,
            )
            total += dot(rounded(inner, kind, UPCAST), factor, UPCAST)
        tl.store(out + place, rounded(total, kind, UPCAST), mask=here)


def lowrank(x: Tensor, out: Tensor, factors: Sequence[Sequence[Pair]]) -> Tensor:
    """Same contract as `lowrank_reference`; relative error <= 2e-6 in float32, <= 1e-3 in float16, <= 8e-3 in bfloat16.

    A row's result depends on its own updates alone, whoever else is in the batch; it may differ in the last place from that
    of the same updates `strung`. x, out and factors have one dtype.
    """
    batch, tokens, inputs = x.shape
    outputs = out.shape[-1]
    x, out = x.contiguous(), out.contiguous()
    pairs = [[(down.contiguous(), up.contiguous()) for down, up in row if len(down)] for row in factors]
    result = torch.empty_like(out)
    table, aligned = _table(pairs, x.element_size(), x.device)
    shape, parts, pieces = launch(tokens), cdiv(inputs, PART), len(table.row)
    hidden = torch.empty(pieces, parts, tokens, SLICE, dtype=torch.float32, device=x.device)
    common: dict[str, Any] = {"SLICE": SLICE, "ALIGNED": aligned, "UPCAST": INTERPRET, "num_stages": 2}
    if hidden.numel():
        grid = pieces, cdiv(tokens, shape["TOKENS"]), parts
        where = table.down, table.row, table.ranks
        fixed = {"TOKENS": shape["TOKENS"], "DEPTH": DEPTH, "PART": PART, **common}
        down_kernel[grid](x, hidden, *where, tokens, inputs, **fixed, num_warps=4)
    if result.numel():
        grid = batch, cdiv(tokens, shape["TOKENS"]), cdiv(outputs, shape["OUTPUTS"])
        slices = table.up, table.ranks, table.stride, table.first
        up_kernel[grid](out, result, hidden, *slices, tokens, outputs, parts, **shape, **common, num_warps=4)
    return result


def launch(tokens: int) -> dict[str, int]:
    """Tokens and outputs of a program: few tokens, as when one is generated, leave room for more outputs."""
    return {"TOKENS": 16, "OUTPUTS": 128} if tokens <= 16 else {"TOKENS": 64, "OUTPUTS": 64}


def _table(pairs: Sequence[Sequence[Pair]], size: int, device: torch.device) -> tuple[Table, bool]:
    """The slices of all rows, and whether they begin at multiples of 16 bytes."""
    slices: list[tuple[int, int, int, int, int]] = []
    first = [0]
    for row, updates in enumerate(pairs):
        for down, up in updates:
            rank, inputs = down.shape
            for at in range(0, rank, SLICE):
                addresses = down.data_ptr() + at * inputs * size, up.data_ptr() + at * size
                slices.append((*addresses, row, min(SLICE, rank - at), rank))
        first.append(len(slices))
    aligned = all(down % 16 == 0 and up % 16 == 0 and rank % 8 == 0 for down, up, _, _, rank in slices)
    return _on_device(tuple(slices), tuple(first), device), aligned


@lru_cache(maxsize=1024)
def _on_device(slices: tuple[tuple[int, int, int, int, int], ...], first: tuple[int, ...], device: torch.device) -> Table:
    with torch.inference_mode(mode=False):
        columns = torch.tensor(slices, dtype=torch.int64).view(-1, 5).T.contiguous().to(device)
        down, up = columns[:2]
        row, ranks, stride = columns[2:].int()
        return Table(down, up, row, ranks, stride, torch.tensor(first, device=device))
