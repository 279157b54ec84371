"""The Triton path: one launch takes blocks out of all layers, which it finds through a table of pointers, and packs them.

A program has the keys and the values of one head in one block of one layer, as two halves of D: the halves are what a byte
of two codes holds, and what a rotary shift turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..tiles import INTERPRET, cdiv, rounded
from .launches import WORDS, angles, launch, shape, table, word
from .reference import Packed, require_packable, require_turn, share


@triton.jit
def tile(TOKENS: tl.constexpr, DIM: tl.constexpr, ROWS: tl.constexpr, HALF: tl.constexpr):  # type: ignore[no-untyped-def]
    """Tokens [ROWS, 1] and pairs [1, HALF] of a block of one head, and where they are."""
    token = tl.arange(0, ROWS)[:, None]
    pair = tl.arange(0, HALF)[None, :]
    return token, pair, (token < TOKENS) & (pair < DIM // 2)


@triton.jit
def grid_of(low, high, kind: tl.constexpr, SHARE: tl.constexpr, UPCAST: tl.constexpr):  # type: ignore[no-untyped-def]
    """Zero and scale as they are kept, half a step below the zero, and steps per unit."""
    zero = low.to(kind)
    scale = rounded((high - low) * SHARE, kind, UPCAST)
    step = scale.to(tl.float32)
    varies = step > 1.2e-38
    inverse = tl.where(varies, 1.0 / tl.where(varies, step, 1.0), 0.0)
    return zero, scale, low - 0.5 * step, inverse


@triton.jit
def code(entry, base, inverse, TOP: tl.constexpr):  # type: ignore[no-untyped-def]
    return tl.minimum(((entry - base) * inverse).to(tl.int32), TOP)


@triton.jit
def put_codes(codes, at, pair, here, low, high, BITS: tl.constexpr, DIM: tl.constexpr):  # type: ignore[no-untyped-def]
    if BITS == 4:
        tl.store(codes + at * (DIM // 2) + pair, (low | (high << 4)).to(tl.uint8), mask=here)
    else:
        tl.store(codes + at * DIM + pair, low.to(tl.uint8), mask=here)
        tl.store(codes + at * DIM + pair + DIM // 2, high.to(tl.uint8), mask=here)


@triton.jit
def pack_kernel(  # type: ignore[no-untyped-def]
    layers,
    blocks,
    codes,
    k_scale,
    k_zero,
    v_scale,
    v_zero,
    n,
    side_stride,
    block_stride,
    HEADS: tl.constexpr,
    TOKENS: tl.constexpr,
    DIM: tl.constexpr,
    ROWS: tl.constexpr,
    HALF: tl.constexpr,
    BITS: tl.constexpr,
    SHARE: tl.constexpr,
    UPCAST: tl.constexpr,
):
    TOP: tl.constexpr = 2**BITS - 1
    kind: tl.constexpr = k_zero.dtype.element_ty
    place, head = tl.program_id(0).to(tl.int64) // HEADS, tl.program_id(0).to(tl.int64) % HEADS
    layer = tl.program_id(1).to(tl.int64)
    token, pair, here = tile(TOKENS, DIM, ROWS, HALF)
    cache = tl.multiple_of(tl.load(layers + layer).to(k_zero.dtype), 16)
    block = tl.load(blocks + place).to(tl.int64)
    keys = cache + block * block_stride + (token * HEADS + head) * DIM + pair
    values = keys + side_stride
    k_low = tl.load(keys, mask=here, other=0.0).to(tl.float32)
    k_high = tl.load(keys + DIM // 2, mask=here, other=0.0).to(tl.float32)
    v_low = tl.load(values, mask=here, other=0.0).to(tl.float32)
    v_high = tl.load(values + DIM // 2, mask=here, other=0.0).to(tl.float32)
    packed = (layer * 2 * n + place) * TOKENS * HEADS + token * HEADS + head
    channel = ((layer * n + place) * HEADS + head) * DIM + tl.arange(0, HALF)
    exists = tl.arange(0, HALF) < DIM // 2

    lo_zero, lo_scale, lo_base, lo_inverse = grid_of(
        tl.min(tl.where(token < TOKENS, k_low, float("inf")), 0),
        tl.max(tl.where(token < TOKENS, k_low, float("-inf")), 0),
        kind,
        SHARE,
        UPCAST,
    )
    hi_zero, hi_scale, hi_base, hi_inverse = grid_of(
        tl.min(tl.where(token < TOKENS, k_high, float("inf")), 0),
        tl.max(tl.where(token < TOKENS, k_high, float("-inf")), 0),
        kind,
        SHARE,
        UPCAST,
    )
    tl.store(k_zero + channel, lo_zero, mask=exists)
    tl.store(k_zero + channel + DIM // 2, hi_zero, mask=exists)
    tl.store(k_scale + channel, lo_scale, mask=exists)
    tl.store(k_scale + channel + DIM // 2, hi_scale, mask=exists)
    low = code(k_low, lo_base[None, :], lo_inverse[None, :], TOP)
    high = code(k_high, hi_base[None, :], hi_inverse[None, :], TOP)
    put_codes(codes, packed, pair, here, low, high, BITS, DIM)

    least = tl.min(tl.where(pair < DIM // 2, tl.minimum(v_low, v_high), float("inf")), 1)
    most = tl.max(tl.where(pair < DIM // 2, tl.maximum(v_low, v_high), float("-inf")), 1)
    zero, scale, base, inverse = grid_of(least, most, kind, SHARE, UPCAST)
    row = tl.arange(0, ROWS)
    entry = ((layer * n + place) * TOKENS + row) * HEADS + head
    tl.store(v_zero + entry, zero, mask=row < TOKENS)
    tl.store(v_scale + entry, scale, mask=row < TOKENS)
    low = code(v_low, base[:, None], inverse[:, None], TOP)
    high = code(v_high, base[:, None], inverse[:, None], TOP)
    put_codes(codes, packed + tl.cast(n, tl.int64) * TOKENS * HEADS, pair, here, low, high, BITS, DIM)


@triton.jit
def taken(codes, at, pair, here, BITS: tl.constexpr, DIM: tl.constexpr):  # type: ignore[no-untyped-def]
    """The two halves of codes, in float32."""
    if BITS == 4:
        both = tl.load(codes + at * (DIM // 2) + pair, mask=here, other=0).to(tl.int32)
        low, high = (both & 15).to(tl.float32), (both >> 4).to(tl.float32)
    else:
        low = tl.load(codes + at * DIM + pair, mask=here, other=0).to(tl.float32)
        high = tl.load(codes + at * DIM + pair + DIM // 2, mask=here, other=0).to(tl.float32)
    return low, high


@triton.jit
def unpack_kernel(  # type: ignore[no-untyped-def]
    layers,
    blocks,
    codes,
    k_scale,
    k_zero,
    v_scale,
    v_zero,
    cosines,
    sines,
    n,
    side_stride,
    block_stride,
    HEADS: tl.constexpr,
    TOKENS: tl.constexpr,
    DIM: tl.constexpr,
    ROWS: tl.constexpr,
    HALF: tl.constexpr,
    BITS: tl.constexpr,
    TURN: tl.constexpr,
    UPCAST: tl.constexpr,
):
    kind: tl.constexpr = k_zero.dtype.element_ty
    place, head = tl.program_id(0).to(tl.int64) // HEADS, tl.program_id(0).to(tl.int64) % HEADS
    layer = tl.program_id(1).to(tl.int64)
    token, pair, here = tile(TOKENS, DIM, ROWS, HALF)
    packed = (layer * 2 * n + place) * TOKENS * HEADS + token * HEADS + head
    k_low, k_high = taken(codes, packed, pair, here, BITS, DIM)
    v_low, v_high = taken(codes, packed + tl.cast(n, tl.int64) * TOKENS * HEADS, pair, here, BITS, DIM)
    exists = pair < DIM // 2
    if BITS < 16:
        channel = ((layer * n + place) * HEADS + head) * DIM + pair
        k_low *= tl.load(k_scale + channel, mask=exists, other=0.0).to(tl.float32)
        k_low += tl.load(k_zero + channel, mask=exists, other=0.0).to(tl.float32)
        k_high *= tl.load(k_scale + channel + DIM // 2, mask=exists, other=0.0).to(tl.float32)
        k_high += tl.load(k_zero + channel + DIM // 2, mask=exists, other=0.0).to(tl.float32)
        entry = ((layer * n + place) * TOKENS + token) * HEADS + head
        scale = tl.load(v_scale + entry, mask=token < TOKENS, other=0.0).to(tl.float32)
        zero = tl.load(v_zero + entry, mask=token < TOKENS, other=0.0).to(tl.float32)
        v_low = v_low * scale + zero
        v_high = v_high * scale + zero
    if TURN:
        cosine = tl.load(cosines + place * (DIM // 2) + pair, mask=exists, other=1.0)
        sine = tl.load(sines + place * (DIM // 2) + pair, mask=exists, other=0.0)
        turned = k_low * cosine - k_high * sine
        k_high = k_high * cosine + k_low * sine
        k_low = turned
    cache = tl.multiple_of(tl.load(layers + layer).to(k_zero.dtype), 16)
    block = tl.load(blocks + place).to(tl.int64)
    keys = cache + block * block_stride + (token * HEADS + head) * DIM + pair
    values = keys + side_stride
    tl.store(keys, rounded(k_low, kind, UPCAST), mask=here)
    tl.store(keys + DIM // 2, rounded(k_high, kind, UPCAST), mask=here)
    tl.store(values, rounded(v_low, kind, UPCAST), mask=here)
    tl.store(values + DIM // 2, rounded(v_high, kind, UPCAST), mask=here)


@triton.jit
def move_kernel(  # type: ignore[no-untyped-def]
    layers,
    blocks,
    codes,
    n,
    side_stride,
    block_stride,
    size,
    BACK: tl.constexpr,
    WORDS: tl.constexpr,
):
    """Words of one block and side: out of the cache, or `BACK` into it."""
    place, part = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    layer, side = tl.program_id(2).to(tl.int64) // 2, tl.program_id(2).to(tl.int64) % 2
    word = part * WORDS + tl.arange(0, WORDS)
    cache = tl.multiple_of(tl.load(layers + layer).to(codes.dtype), 16)
    there = cache + side * side_stride + tl.load(blocks + place).to(tl.int64) * block_stride + word
    here = codes + ((layer * 2 + side) * n + place) * size + word
    if BACK:
        tl.store(there, tl.load(here, mask=word < size), mask=word < size)
    else:
        tl.store(here, tl.load(there, mask=word < size), mask=word < size)


def pack(caches: Sequence[Tensor], block_ids: Tensor, bits: int = 8) -> Packed:
    """Same contract as `pack_reference` and the same bounds as the CPU path; ids on the caches' device, not checked.

    The caches have the same strides in all layers, tokens, heads and dims of a block contiguous.
    """
    require_packable(caches, bits)
    first, n = caches[0], block_ids.numel()
    tokens, heads, dim = first.shape[2:]
    room = partial(torch.empty, dtype=first.dtype, device=first.device)
    if bits == 16:
        codes = room(len(caches), 2, n, tokens, heads, dim)
        _move(caches, block_ids, codes, back=False)
        return Packed(codes, *(codes.new_empty(0) for _ in range(4)))
    codes = torch.empty(len(caches), 2, n, tokens, heads, dim * bits // 8, dtype=torch.uint8, device=first.device)
    k_scale, k_zero = (room(len(caches), n, heads, dim) for _ in range(2))
    v_scale, v_zero = (room(len(caches), n, tokens, heads) for _ in range(2))
    packed = Packed(codes, k_scale, k_zero, v_scale, v_zero)
    if n:
        pack_kernel[n * heads, len(caches)](
            table(caches),
            block_ids,
            *packed,
            n,
            *first.stride()[:2],
            **shape(first),
            BITS=bits,
            SHARE=share(first.dtype, 2**bits - 1),
            UPCAST=INTERPRET,
            **launch(first),
        )
    return packed


def unpack_(
    caches: Sequence[Tensor],
    block_ids: Tensor,
    packed: Packed,
    *,
    delta: Tensor | None = None,
    inv_freq: Tensor | None = None,
) -> None:
    """Same contract as the CPU path; the caches as `pack` takes them."""
    first, n = caches[0], block_ids.numel()
    require_packable(caches, 16)
    require_turn(delta, inv_freq, first.shape[-1])
    if n == 0:
        return
    plain = packed.codes.dtype is not torch.uint8
    if plain and delta is None:
        _move(caches, block_ids, packed.codes, back=True)
        return
    bits = 16 if plain else 8 * packed.codes.shape[-1] // first.shape[-1]
    whole = packed if not plain else Packed(packed.codes, *[packed.codes] * 4)
    turn = angles(delta, inv_freq, first)
    unpack_kernel[n * first.shape[3], len(caches)](
        table(caches),
        block_ids,
        *(part.contiguous() for part in whole),
        *turn,
        n,
        *first.stride()[:2],
        **shape(first),
        BITS=bits,
        TURN=delta is not None,
        UPCAST=INTERPRET,
        **launch(first),
    )


def _move(caches: Sequence[Tensor], block_ids: Tensor, codes: Tensor, back: bool) -> None:
    if not codes.numel():
        return
    words = [cache.flatten(2).view(word(caches[0])) for cache in caches]
    staged = codes.contiguous().flatten(3).view(words[0].dtype)
    n, size = staged.shape[2:]
    grid = n, cdiv(size, WORDS), 2 * len(caches)
    strides = words[0].stride()[:2]
    move_kernel[grid](table(caches), block_ids, staged, n, *strides, size, BACK=back, WORDS=WORDS, num_warps=4)
