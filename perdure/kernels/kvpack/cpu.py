"""The CPU path: as many blocks at once as the cache of one core holds, in float32, from one preallocated buffer to the next.

The passes over an entry, and not the memory, are what takes the time. Of what was tried, this is the fastest: minimum and
maximum each on its own (aminmax along a dim uses no vector instructions and takes 15 times as long), a subtraction and a
product (addcmul with two numbers a row takes 4 times as long), and from float to bytes by way of 16-bit integers (directly
it takes 4 times as long). Arithmetic in bfloat16 is slower than in float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..rope.cpu import rotate_
from .reference import Packed, require_packable, require_turn, share

_CHUNK = 1 << 19  # numbers worked on at once: with fewer the calls show, with more the cache does not hold them
_TINY = torch.finfo(torch.float32).tiny  # of a scale below this, all codes are 0
_RUN = 1 << 13  # numbers from which on a block is copied by a call of its own


def pack(caches: Sequence[Tensor], block_ids: Tensor, bits: int = 8) -> Packed:
    """Same contract as `pack_reference`, in float32: few codes differ by one from the reference's, at what is almost a tie.

    The error of an entry has the same bound, and half a unit in the last place more in float32.
    """
    require_packable(caches, bits)
    tokens, heads, dim = caches[0].shape[2:]
    layers, n, ids = len(caches), block_ids.numel(), block_ids.long()
    if bits == 16:
        return _plain(caches, ids)
    codes = torch.empty(layers, 2, n, tokens, heads, dim * bits // 8, dtype=torch.uint8)
    k_scale, k_zero = (caches[0].new_empty(layers, n, 1, heads, dim) for _ in range(2))
    v_scale, v_zero = (caches[0].new_empty(layers, n, tokens, heads, 1) for _ in range(2))
    numbers, shorts, room = (_room(caches[0], n, kind) for kind in (torch.float32, torch.int16, caches[0].dtype))
    for layer, cache in enumerate(caches):
        for part in _parts(n, len(numbers)):
            for side, over, scale, zero in ((0, 1, k_scale, k_zero), (1, -1, v_scale, v_zero)):
                entries = numbers[: part.stop - part.start].copy_(_taken(cache[side], ids[part], room))
                _quantise(
                    entries, over, scale[layer, part], zero[layer, part], shorts, codes[layer, side, part], 2**bits - 1
                )
    return Packed(codes, k_scale.squeeze(2), k_zero.squeeze(2), v_scale.squeeze(4), v_zero.squeeze(4))


def unpack_(
    caches: Sequence[Tensor],
    block_ids: Tensor,
    packed: Packed,
    *,
    delta: Tensor | None = None,
    inv_freq: Tensor | None = None,
) -> None:
    """Put what `unpack_reference` gives into blocks `block_ids` [n] of every layer's cache, rounded once to its dtype.

    Computed in float32; relative error <= 1e-6 in float32, <= 4e-3 in bfloat16. No other block is touched. The ids must
    differ from one another.
    """
    dim = caches[0].shape[-1]
    require_packable(caches, 16)
    require_turn(delta, inv_freq, dim)
    n, ids = block_ids.numel(), block_ids.long()
    numbers = _room(caches[0], n, torch.float32)
    for layer, cache in enumerate(caches):
        for part in _parts(n, len(numbers)):
            for side in (0, 1):
                entries = _entries(packed, layer, side, part, numbers)
                if side == 0 and delta is not None and inv_freq is not None:
                    entries = numbers[: len(entries)].copy_(entries)
                    rotate_(entries, delta[part].view(-1, 1, 1), inv_freq)
                _put(cache[side], ids[part], entries)


def _plain(caches: Sequence[Tensor], ids: Tensor) -> Packed:
    codes = caches[0].new_empty(len(caches), 2, len(ids), *caches[0].shape[2:])
    for cache, layer in zip(caches, codes, strict=True):
        for side in (0, 1):
            torch.index_select(cache[side], 0, ids, out=layer[side])
    return Packed(codes, *(codes.new_empty(0) for _ in range(4)))


def _room(cache: Tensor, n: int, dtype: torch.dtype) -> Tensor:
    return torch.empty(max(1, min(n, _CHUNK // max(1, cache[0, 0].numel()))), *cache.shape[2:], dtype=dtype)


def _parts(n: int, step: int) -> Iterator[slice]:
    return (slice(at, min(at + step, n)) for at in range(0, n, step))


def _quantise(
    entries: Tensor, over: int, scale_out: Tensor, zero_out: Tensor, shorts: Tensor, codes: Tensor, top: int
) -> None:
    """Codes of `entries` [blocks, BS, H, D], which are lost."""
    low, step = entries.amin(over, keepdim=True), entries.amax(over, keepdim=True)
    zero_out.copy_(low)
    scale_out.copy_(step.sub_(low).mul_(share(scale_out.dtype, top)))
    scale = step.copy_(scale_out)
    entries.sub_(low.sub_(scale, alpha=0.5)).mul_(torch.threshold_(scale, _TINY, torch.inf).reciprocal_())
    whole = shorts[: len(entries)].copy_(entries)
    if scale_out.dtype is torch.float16:
        whole.clamp_max_(top)  # the rounding of a scale below 2^-14 may leave the maximum without a code
    half = codes.shape[-1]
    if half < entries.shape[-1]:
        whole = whole[..., :half].add_(whole[..., half:], alpha=16)
    codes.copy_(whole)


def _entries(packed: Packed, layer: int, side: int, part: slice, numbers: Tensor) -> Tensor:
    codes = packed.codes[layer, side, part]
    if codes.dtype is not torch.uint8:
        return codes
    entries, half = numbers[: len(codes)], codes.shape[-1]
    if half < entries.shape[-1]:
        entries[..., :half].copy_(codes & 15)
        entries[..., half:].copy_(codes >> 4)
    else:
        entries.copy_(codes)
    if side == 0:
        scale, zero = packed.k_scale[layer, part].unsqueeze(1), packed.k_zero[layer, part].unsqueeze(1)
    else:
        scale, zero = packed.v_scale[layer, part].unsqueeze(-1), packed.v_zero[layer, part].unsqueeze(-1)
    return entries.mul_(scale.float()).add_(zero.float())


def _taken(cache: Tensor, ids: Tensor, room: Tensor) -> Tensor:
    """Blocks of a cache, where they lie if they follow one another, else in `room`."""
    runs, found = _runs(ids), room[: len(ids)]
    if len(runs) == 1:
        return cache[runs[0]]
    torch.index_select(_words(cache), 0, ids, out=_words(found, like=cache))
    return found


def _put(cache: Tensor, ids: Tensor, entries: Tensor) -> None:
    runs, at = _runs(ids), 0
    if entries.numel() < _RUN * len(runs):
        _words(cache).index_copy_(0, ids, _words(entries.to(cache.dtype), like=cache))
        return
    for run in runs:
        size = run.stop - run.start
        cache[run].copy_(entries[at : at + size])
        at += size


def _words(blocks: Tensor, like: Tensor | None = None) -> Tensor:
    """Blocks as 64-bit words, of which copies by index are faster, if those that they are copied with allow it."""
    cache = blocks if like is None else like
    whole = cache.is_contiguous() and cache.shape[-1] * cache.element_size() % 8 == cache.data_ptr() % 8 == 0
    return blocks.view(torch.int64) if whole else blocks


def _runs(ids: Tensor) -> list[slice]:
    """The ids as slices, each of those that follow one another."""
    runs: list[slice] = []
    for block in ids.tolist():
        if runs and runs[-1].stop == block:
            runs[-1] = slice(runs[-1].start, block + 1)
        else:
            runs.append(slice(block, block + 1))
    return runs
