"""The Triton path: chunks of 64 tokens as products of matrices (Yang et al. 2024, arXiv 2406.06484, section 3.3).

`_prepare` has a program for each chunk and head, which does not need the state: it inverts I + A (cpu.py says what A is) and
multiplies queries with keys. `_scan` has a program for each sequence, head and some columns of its state, and goes through
the chunks in their order with no more than products. A few tokens at a time are written one by one, by `_steps`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, dot, padded, rounded
from . import cpu

CHUNK = 64
FEW = 8
"""Sequences of no more tokens than this, on average, are written token by token."""


@dataclass(frozen=True)
class Launch:
    """The columns of a state that a program has, its warps and pipeline stages, and the warps of one that prepares."""

    columns: int
    warps: int
    stages: int
    preparing: int


LAUNCHES = {
    (64, 2): Launch(32, 4, 2, 4),
    (128, 2): Launch(32, 4, 2, 4),
    (256, 2): Launch(32, 8, 1, 8),
    (64, 4): Launch(32, 8, 1, 8),
    (128, 4): Launch(16, 8, 1, 8),
}
"""By the padded size of a key and the bytes of its numbers."""

STEPPING = {64: (32, 4), 128: (16, 4), 256: (8, 4)}
"""Columns and warps of `_steps`, by the padded size of a key."""


def delta_update(
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    gate: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    q: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Same contract as `delta_update_reference`; relative error <= 2e-6 in float32, 1e-3 in float16, 1e-2 in bfloat16."""
    dtype = torch.promote_types(k.dtype, v.dtype)
    if (padded(k.shape[3], 64), dtype.itemsize) not in LAUNCHES:
        return cpu.delta_update(k, v, beta, state, gate, cu_seqlens, q)
    after = torch.empty(state.shape, dtype=torch.float32, device=state.device)
    out = None if q is None else torch.empty(v.shape, dtype=v.dtype, device=v.device)
    keys, values, queries = (None if x is None else x.to(dtype).contiguous() for x in (k, v, q))
    rates, gates = beta.contiguous(), None if gate is None else gate.contiguous()
    run = _one_by_one if beta.shape[0] * beta.shape[1] <= FEW * state.shape[0] else _in_chunks
    run(keys, values, queries, rates, gates, state.contiguous(), after, out, cu_seqlens)
    return after, out


def _one_by_one(
    keys: Tensor,
    values: Tensor,
    queries: Tensor | None,
    rates: Tensor,
    gates: Tensor | None,
    state: Tensor,
    after: Tensor,
    out: Tensor | None,
    bounds: Tensor | None,
) -> None:
    count, heads, size, width = state.shape
    columns, warps = STEPPING[padded(size, 64)]
    _steps[(count * heads, cdiv(width, columns))](
        *(keys, values, queries, rates, gates, state, after, out, bounds, keys.shape[1], heads),
        SIZE=size,
        WIDTH=width,
        K=padded(size, 64),
        COLUMNS=columns,
        UPCAST=INTERPRET,
        num_warps=warps,
        num_stages=1,
    )


def _in_chunks(
    keys: Tensor,
    values: Tensor,
    queries: Tensor | None,
    rates: Tensor,
    gates: Tensor | None,
    state: Tensor,
    after: Tensor,
    out: Tensor | None,
    bounds: Tensor | None,
) -> None:
    count, heads, size, width = state.shape
    launch = LAUNCHES[padded(size, 64), keys.element_size()]
    solved = torch.empty(*rates.shape, CHUNK, dtype=keys.dtype, device=keys.device)
    scores = None if queries is None else torch.empty_like(solved)
    cut = cdiv(keys.shape[1], CHUNK)
    owner, first = (None, None) if bounds is None else _owners(bounds, cut + count)
    _prepare[(keys.shape[0] * cut if bounds is None else cut + count, heads)](
        *(keys, queries, rates, gates, solved, scores, bounds, owner, first, keys.shape[1], cut, heads),
        SIZE=size,
        K=padded(size, 64),
        HALF=CHUNK // 2,
        LEVELS=(CHUNK // 2).bit_length() - 1,
        PRECISION="ieee" if keys.dtype is torch.float32 else "tf32",
        UPCAST=INTERPRET,
        num_warps=launch.preparing,
        num_stages=1,
    )
    _scan[(count * heads, cdiv(width, launch.columns))](
        *(keys, values, queries, rates, gates, solved, scores, state, after, out, bounds, keys.shape[1], heads),
        SIZE=size,
        WIDTH=width,
        K=padded(size, 64),
        COLUMNS=launch.columns,
        CHUNK=CHUNK,
        UPCAST=INTERPRET,
        num_warps=launch.warps,
        num_stages=launch.stages,
    )


def _owners(bounds: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Of each of `most` chunks its sequence, and of each sequence its first chunk.

    They are more than there are, since only the GPU knows the lengths; those beyond the last are the last sequence's.
    """
    counts = (bounds.diff() + CHUNK - 1) // CHUNK
    ends = counts.cumsum(0)
    chunks = torch.arange(most, device=bounds.device)
    return torch.searchsorted(ends, chunks, right=True).clamp_(max=len(counts) - 1), ends - counts


@triton.jit
def _sequence(n, bounds, tokens):  # type: ignore[no-untyped-def]
    """From which token to which one sequence n goes."""
    if bounds is None:
        return n * tokens, (n + 1) * tokens
    return tl.load(bounds + n).to(tl.int64), tl.load(bounds + n + 1).to(tl.int64)


@triton.jit
def _tile(base, row, inside, d, HEADS, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    """Some columns d of some tokens' vectors of one head."""
    mask = inside[:, None] & (d < SIZE)[None, :]
    return tl.load(base + (row * HEADS * SIZE)[:, None] + d[None, :], mask=mask, other=0.0)


@triton.jit
def _inverse(a, SIZE: tl.constexpr, LEVELS: tl.constexpr, PRECISION: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    """(I + a)^-1 for a strictly lower triangular a [SIZE, SIZE], SIZE = 2^LEVELS.

    The inverse of [[P, 0], [L, Q]] is [[P^-1, 0], [-Q^-1 L P^-1, Q^-1]]: from blocks of one number, whose inverse is 1, to
    blocks twice as large, all of a size at once, and with sums no larger than forward substitution has.
    """
    i, j = tl.arange(0, SIZE)[:, None], tl.arange(0, SIZE)[None, :]
    found = tl.where(i == j, 1.0, 0.0) - tl.where(i // 2 == j // 2, a, 0.0)
    for level in tl.static_range(1, LEVELS):
        between = tl.where((i >> level != j >> level) & (i >> (level + 1) == j >> (level + 1)), a, 0.0)
        left = tl.dot(found, between, input_precision=PRECISION)
        found -= tl.dot(left, found, input_precision=PRECISION)
    return found


@triton.jit(do_not_specialize=["tokens", "cut"])
def _prepare(  # type: ignore[no-untyped-def]
    keys,
    queries,
    rates,
    gates,
    solved,
    scores,
    bounds,
    owner,
    first,
    tokens,
    cut,
    heads,
    SIZE: tl.constexpr,  # noqa: N803
    K: tl.constexpr,  # noqa: N803
    HALF: tl.constexpr,  # noqa: N803
    LEVELS: tl.constexpr,  # noqa: N803
    PRECISION: tl.constexpr,  # noqa: N803
    UPCAST: tl.constexpr,  # noqa: N803
):
    """(I + A)^-1 of a chunk and, if there are queries, what they find in its keys; what is above the diagonal is not written.

    Both are made of three blocks, since what lies between the halves of a chunk is a product with no triangle in it.
    """
    chunk, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    if bounds is None:
        n, number = chunk // cut, chunk % cut
    else:
        n = tl.load(owner + chunk)
        number = chunk - tl.load(first + n)
    begin, end = _sequence(n, bounds, tokens)
    begin += number * 2 * HALF
    if begin < end:
        i, d = tl.arange(0, HALF), tl.arange(0, K)
        row0, row1 = begin + i, begin + HALF + i
        in0, in1 = row0 < end, row1 < end
        keys += head * SIZE
        k0, k1 = _tile(keys, row0, in0, d, heads, SIZE), _tile(keys, row1, in1, d, heads, SIZE)
        at0, at1 = row0 * heads + head, row1 * heads + head
        if gates is None:
            within0, within1, across = 1.0, 1.0, 1.0
        else:
            g0 = tl.load(gates + at0, mask=in0, other=0.0).to(tl.float32)
            c0, c1 = tl.cumsum(g0, 0), tl.cumsum(tl.load(gates + at1, mask=in1, other=0.0).to(tl.float32), 0)
            within0 = tl.exp(tl.minimum(c0[:, None] - c0[None, :], 0.0))
            within1 = tl.exp(tl.minimum(c1[:, None] - c1[None, :], 0.0))
            across = tl.exp(c1[:, None] + (tl.sum(g0, 0) - c0)[None, :])
        b0 = tl.load(rates + at0, mask=in0, other=0.0).to(tl.float32)[:, None]
        b1 = tl.load(rates + at1, mask=in1, other=0.0).to(tl.float32)[:, None]
        before = i[:, None] > i[None, :]
        a0 = tl.where(before, dot(k0, tl.trans(k0), UPCAST) * within0 * b0, 0.0)
        a1 = tl.where(before, dot(k1, tl.trans(k1), UPCAST) * within1 * b1, 0.0)
        between = dot(k1, tl.trans(k0), UPCAST) * across * b1
        t0, t1 = _inverse(a0, HALF, LEVELS, PRECISION), _inverse(a1, HALF, LEVELS, PRECISION)
        left = tl.dot(t1, between, input_precision=PRECISION)
        t10 = -tl.dot(left, t0, input_precision=PRECISION)
        _store(solved, t0, t10, t1, at0, at1, in0, in1, i, HALF, UPCAST)
        if queries is not None:
            queries += head * SIZE
            q0, q1 = _tile(queries, row0, in0, d, heads, SIZE), _tile(queries, row1, in1, d, heads, SIZE)
            p0, p1 = dot(q0, tl.trans(k0), UPCAST) * within0, dot(q1, tl.trans(k1), UPCAST) * within1
            p10 = dot(q1, tl.trans(k0), UPCAST) * across
            _store(scores, p0, p10, p1, at0, at1, in0, in1, i, HALF, UPCAST)


@triton.jit
def _store(base, x0, x10, x1, at0, at1, in0, in1, j, HALF: tl.constexpr, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    top, bottom = base + (at0 * 2 * HALF)[:, None] + j[None, :], base + (at1 * 2 * HALF)[:, None] + j[None, :]
    tl.store(top, rounded(x0, base.dtype.element_ty, UPCAST), mask=in0[:, None])
    tl.store(bottom, rounded(x10, base.dtype.element_ty, UPCAST), mask=in1[:, None])
    tl.store(bottom + HALF, rounded(x1, base.dtype.element_ty, UPCAST), mask=in1[:, None])


@triton.jit(do_not_specialize=["tokens"])
def _scan(  # type: ignore[no-untyped-def]
    keys,
    values,
    queries,
    rates,
    gates,
    solved,
    scores,
    state,
    after,
    out,
    bounds,
    tokens,
    heads,
    SIZE: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    K: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    CHUNK: tl.constexpr,  # noqa: N803
    UPCAST: tl.constexpr,  # noqa: N803
):
    """Some columns of one head's state, [K, COLUMNS], which stay in registers while the chunks pass."""
    program, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n, head = program // heads, program % heads
    i, d, c = tl.arange(0, CHUNK), tl.arange(0, K), block * COLUMNS + tl.arange(0, COLUMNS)
    place = program * SIZE * WIDTH + d[:, None] * WIDTH + c[None, :]
    has = (d < SIZE)[:, None] & (c < WIDTH)[None, :]
    s = tl.load(state + place, mask=has, other=0.0)
    begin, end = _sequence(n, bounds, tokens)
    for start in range(begin, end, CHUNK):
        row = start + i
        inside, at = row < end, row * heads + head
        k = _tile(keys + head * SIZE, row, inside, d, heads, SIZE)
        v = _tile(values + head * WIDTH, row, inside, c, heads, WIDTH)
        b = tl.load(rates + at, mask=inside, other=0.0).to(tl.float32)
        lower = inside[:, None] & (i[:, None] >= i[None, :])
        t = tl.load(solved + (at * CHUNK)[:, None] + i[None, :], mask=lower, other=0.0)
        low = rounded(s, k.dtype, UPCAST)
        known = dot(k, low, UPCAST)
        if gates is not None:
            g = tl.load(gates + at, mask=inside, other=0.0).to(tl.float32)
            kept, whole = tl.cumsum(g, 0), tl.sum(g, 0)
            known *= tl.exp(kept)[:, None]
        u = dot(t, rounded((v.to(tl.float32) - known) * b[:, None], k.dtype, UPCAST), UPCAST)
        if queries is not None:
            q = _tile(queries + head * SIZE, row, inside, d, heads, SIZE)
            p = tl.load(scores + (at * CHUNK)[:, None] + i[None, :], mask=lower, other=0.0)
            read = dot(q, low, UPCAST)
            if gates is not None:
                read *= tl.exp(kept)[:, None]
            read += dot(p, rounded(u, k.dtype, UPCAST), UPCAST)
            where = (at * WIDTH)[:, None] + c[None, :]
            tl.store(out + where, rounded(read, out.dtype.element_ty, UPCAST), mask=inside[:, None] & (c < WIDTH)[None, :])
        if gates is not None:
            u *= tl.exp(whole - kept)[:, None]
            s *= tl.exp(whole)
        s += dot(tl.trans(k), rounded(u, k.dtype, UPCAST), UPCAST)
    tl.store(after + place, s, mask=has)


@triton.jit(do_not_specialize=["tokens"])
def _steps(  # type: ignore[no-untyped-def]
    keys,
    values,
    queries,
    rates,
    gates,
    state,
    after,
    out,
    bounds,
    tokens,
    heads,
    SIZE: tl.constexpr,  # noqa: N803
    WIDTH: tl.constexpr,  # noqa: N803
    K: tl.constexpr,  # noqa: N803
    COLUMNS: tl.constexpr,  # noqa: N803
    UPCAST: tl.constexpr,  # noqa: N803
):
    """The recurrence itself, in float32, for some columns of one head's state."""
    program, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    n, head = program // heads, program % heads
    d, c = tl.arange(0, K), block * COLUMNS + tl.arange(0, COLUMNS)
    has_d, has_c = d < SIZE, c < WIDTH
    place = program * SIZE * WIDTH + d[:, None] * WIDTH + c[None, :]
    s = tl.load(state + place, mask=has_d[:, None] & has_c[None, :], other=0.0)
    begin, end = _sequence(n, bounds, tokens)
    for t in range(begin, end):
        at = t * heads + head
        k = tl.load(keys + at * SIZE + d, mask=has_d, other=0.0).to(tl.float32)
        v = tl.load(values + at * WIDTH + c, mask=has_c, other=0.0).to(tl.float32)
        if gates is not None:
            s *= tl.exp(tl.load(gates + at).to(tl.float32))
        u = (v - tl.sum(k[:, None] * s, 0)) * tl.load(rates + at).to(tl.float32)
        s += k[:, None] * u[None, :]
        if queries is not None:
            q = tl.load(queries + at * SIZE + d, mask=has_d, other=0.0).to(tl.float32)
            tl.store(out + at * WIDTH + c, rounded(tl.sum(q[:, None] * s, 0), out.dtype.element_ty, UPCAST), mask=has_c)
    tl.store(after + place, s, mask=has_d[:, None] & has_c[None, :])
