"""The Triton path: chunks of tokens as products of matrices (Yang et al. 2024, arXiv 2406.06484, section 3.3).

`_prepare` has a program for each chunk and head, which does not need the state: it inverts I + A (cpu.py says what A is) and
multiplies queries with keys. `_scan` has a program for each sequence, head and some columns of its state, and goes through
the chunks in their order with no more than products. A few tokens at a time are written one by one, by `_steps`.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, dot, padded, rounded
from . import cpu
from .launches import FEW, LAUNCHES, PRECISIONS, STEPPING, Given, owners


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
    keys, values = (x.to(dtype).contiguous() for x in (k, v))
    queries = None if q is None else q.to(dtype).contiguous()
    rates, gates = beta.contiguous(), None if gate is None else gate.contiguous()
    run = _one_by_one if beta.shape[0] * beta.shape[1] <= FEW * state.shape[0] else _in_chunks
    run(Given(keys, values, queries, rates, gates, state.contiguous(), after, out, cu_seqlens))
    return after, out


def _one_by_one(given: Given) -> None:
    keys = given.keys
    count, heads, size, width = given.state.shape
    columns, warps = STEPPING[padded(size, 64)]
    _steps[(count * heads, cdiv(width, columns))](
        *(*given, keys.shape[1], heads),
        SIZE=size,
        WIDTH=width,
        K=padded(size, 64),
        COLUMNS=columns,
        UPCAST=INTERPRET,
        num_warps=warps,
        num_stages=1,
    )


def _in_chunks(given: Given) -> None:
    keys, values, queries, rates, gates, state, after, out, bounds = given
    count, heads, size, width = state.shape
    launch = LAUNCHES[padded(size, 64), keys.element_size()]
    solved = torch.empty(*rates.shape, launch.chunk, dtype=keys.dtype, device=keys.device)
    scores = None if queries is None else torch.empty_like(solved)
    cut = cdiv(keys.shape[1], launch.chunk)
    owner, first = (None, None) if bounds is None else owners(bounds, launch.chunk, cut + count)
    _prepare[(keys.shape[0] * cut if bounds is None else cut + count, heads)](
        *(keys, queries, rates, gates, solved, scores, bounds, owner, first, keys.shape[1], cut, heads),
        SIZE=size,
        K=padded(size, 64),
        CHUNK=launch.chunk,
        LEVELS=launch.chunk.bit_length() - 1,
        PRECISION=PRECISIONS[keys.dtype],
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
        CHUNK=launch.chunk,
        UPCAST=INTERPRET,
        num_warps=launch.warps,
        num_stages=launch.stages,
    )


@triton.jit
def _sequence(n, bounds, tokens):  # type: ignore[no-untyped-def]
    """From which token to which one sequence n goes."""
    if bounds is None:
        begin, end = n * tokens, (n + 1) * tokens
    else:
        begin, end = tl.load(bounds + n).to(tl.int64), tl.load(bounds + n + 1).to(tl.int64)
    return begin, end


@triton.jit
def _tile(base, first, head, heads, inside, d, i, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    """Columns d of one head's vectors [T, heads, SIZE], of tokens i after `first`; only `first` can be large."""
    mask = inside[:, None] & (d < SIZE)[None, :]
    return tl.load(base + (first * heads + head) * SIZE + i[:, None] * (heads * SIZE) + d[None, :], mask=mask, other=0.0)


@triton.jit
def _inverse(a, SIZE: tl.constexpr, LEVELS: tl.constexpr, PRECISION: tl.constexpr):  # type: ignore[no-untyped-def]
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
    SIZE: tl.constexpr,
    K: tl.constexpr,
    CHUNK: tl.constexpr,
    LEVELS: tl.constexpr,
    PRECISION: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """(I + A)^-1 of one chunk and head and, if there are queries, what they find in its keys: [CHUNK, CHUNK] both."""
    chunk, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    if bounds is None:
        n, number = chunk // cut, chunk % cut
    else:
        n = tl.load(owner + chunk)
        number = chunk - tl.load(first + n)
    begin, end = _sequence(n, bounds, tokens)
    i, d = tl.arange(0, CHUNK), tl.arange(0, K)
    begin += number * CHUNK
    inside = begin + i < end
    first_at, at = begin * heads + head, i * heads
    k = _tile(keys, begin, head, heads, inside, d, i, SIZE)
    place = first_at * CHUNK + (at * CHUNK)[:, None] + i[None, :]
    before = i[:, None] > i[None, :]
    if gates is not None:
        g = tl.load(gates + first_at + at, mask=inside, other=0.0).to(tl.float32)
        decay = tl.exp(tl.cumsum(tl.where(before, g[:, None], 0.0), 0))
    if queries is not None:
        q = _tile(queries, begin, head, heads, inside, d, i, SIZE)
        read = dot(q, tl.trans(k), UPCAST)
        if gates is not None:
            read *= decay
        read = tl.where(before | (i[:, None] == i[None, :]), read, 0.0)
        tl.store(scores + place, rounded(read, k.dtype, UPCAST), mask=inside[:, None])
    among = dot(k, tl.trans(k), UPCAST) * tl.load(rates + first_at + at, mask=inside, other=0.0).to(tl.float32)[:, None]
    if gates is not None:
        among *= decay
    found = _inverse(tl.where(before, among, 0.0), CHUNK, LEVELS, PRECISION)
    tl.store(solved + place, rounded(found, k.dtype, UPCAST), mask=inside[:, None])


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
    SIZE: tl.constexpr,
    WIDTH: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    CHUNK: tl.constexpr,
    UPCAST: tl.constexpr,
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
        inside = start + i < end
        first, at = start * heads + head, i * heads
        k = _tile(keys, start, head, heads, inside, d, i, SIZE)
        v = _tile(values, start, head, heads, inside, c, i, WIDTH)
        b = tl.load(rates + first + at, mask=inside, other=0.0).to(tl.float32)
        square = first * CHUNK + (at * CHUNK)[:, None] + i[None, :]
        t = tl.load(solved + square, mask=inside[:, None], other=0.0)
        low = rounded(s, k.dtype, UPCAST)
        known = dot(k, low, UPCAST)
        if gates is not None:
            g = tl.load(gates + first + at, mask=inside, other=0.0).to(tl.float32)
            later = (i + 1 < CHUNK) & (start + i + 1 < end)
            behind = tl.load(gates + first + at + heads, mask=later, other=0.0).to(tl.float32)
            kept = tl.exp(tl.cumsum(g, 0))[:, None]
            known *= kept
        u = dot(t, rounded((v.to(tl.float32) - known) * b[:, None], k.dtype, UPCAST), UPCAST)
        if queries is not None:
            q = _tile(queries, start, head, heads, inside, d, i, SIZE)
            p = tl.load(scores + square, mask=inside[:, None], other=0.0)
            read = dot(q, low, UPCAST)
            if gates is not None:
                read *= kept
            read += dot(p, rounded(u, k.dtype, UPCAST), UPCAST)
            where = first * WIDTH + (at * WIDTH)[:, None] + c[None, :]
            tl.store(out + where, rounded(read, out.dtype.element_ty, UPCAST), mask=inside[:, None] & (c < WIDTH)[None, :])
        if gates is not None:
            u *= tl.exp(tl.cumsum(behind, 0, reverse=True))[:, None]
            s *= tl.exp(tl.sum(g, 0))
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
    SIZE: tl.constexpr,
    WIDTH: tl.constexpr,
    K: tl.constexpr,
    COLUMNS: tl.constexpr,
    UPCAST: tl.constexpr,
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
