"""The readable definition of packed KV blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..rope.reference import rotate_reference


class Packed(NamedTuple):
    """n blocks of L layers. With 16 bits the scales and zeros are empty, else an entry is code * scale + zero.

    codes [L, 2, n, BS, H, W], keys before values: 16 bits the entries as they are, W = D; 8 bits uint8, W = D; 4 bits uint8,
    W = D / 2, dim i in the low and dim i + D / 2 in the high half of byte i. k_scale and k_zero [L, n, H, D], v_scale and
    v_zero [L, n, BS, H] have the cache's dtype, in which a minimum is exact.
    """

    codes: Tensor
    k_scale: Tensor
    k_zero: Tensor
    v_scale: Tensor
    v_zero: Tensor


def pack_reference(caches: Sequence[Tensor], block_ids: Tensor, bits: int = 8) -> Packed:
    """Blocks `block_ids` [n] of every layer's cache [2, NB, BS, H, D], keys in [0] and values in [1], in 16, 8 or 4 bits.

    zero is the minimum and scale the range over 2^bits - 1 of a key channel over the block's tokens and of a value token
    over its channels (Liu et al. 2024, "KIVI", arXiv 2402.02750, section 3; their group is our block). The scale is rounded
    to the cache's dtype, and up, so that the maximum has a code too; of what is constant it is 0. code =
    floor((x - zero) / scale + 1/2), at most 2^bits - 1. Computed in float64.
    Entries must be finite, D even. An entry is off by at most scale / 2, and 2^-17 more in float16 where scale < 2^-14.
    """
    require_packable(caches, bits)
    blocks = torch.stack([cache[:, block_ids.long()] for cache in caches])
    if bits == 16:
        return Packed(blocks, *(blocks.new_empty(0) for _ in range(4)))
    top = 2**bits - 1
    k_scale, k_zero = _grid(blocks[:, 0], 2, top)
    v_scale, v_zero = _grid(blocks[:, 1], 4, top)
    codes = torch.stack([_codes(blocks[:, 0], k_scale, k_zero, top), _codes(blocks[:, 1], v_scale, v_zero, top)], 1)
    if bits == 4:
        low, high = codes.chunk(2, -1)
        codes = low + 16 * high
    return Packed(codes, k_scale.squeeze(2), k_zero.squeeze(2), v_scale.squeeze(4), v_zero.squeeze(4))


def unpack_reference(packed: Packed, *, delta: Tensor | None = None, inv_freq: Tensor | None = None) -> Tensor:
    """The blocks [L, 2, n, BS, H, D] in float64, the keys of block i moved by `delta` [n] positions if it is given.

    inv_freq [D / 2] are the frequencies of `rotate_reference`, whose halves are turned.
    """
    blocks = packed.codes.double()
    if packed.codes.dtype is torch.uint8:
        scale, zero = (part.double() for part in (packed.k_scale, packed.k_zero))
        if blocks.shape[-1] < scale.shape[-1]:
            blocks = torch.cat([blocks % 16, blocks // 16], -1)
        keys = blocks[:, 0] * scale.unsqueeze(2) + zero.unsqueeze(2)
        values = blocks[:, 1] * packed.v_scale.double().unsqueeze(-1) + packed.v_zero.double().unsqueeze(-1)
        blocks = torch.stack([keys, values], 1)
    if delta is not None and inv_freq is not None:
        blocks[:, 0] = rotate_reference(blocks[:, 0], delta.view(-1, 1, 1), inv_freq)
    return blocks


def require_packable(caches: Sequence[Tensor], bits: int) -> None:
    """Raises ValueError on another number of bits than 16, 8 and 4, and on caches that are not of one kind or of odd D."""
    if bits not in (16, 8, 4):
        raise ValueError(f"blocks are packed in 16, 8 or 4 bits, not in {bits}")
    first = caches[0]
    if first.dim() != 5 or first.shape[0] != 2 or first.shape[-1] % 2:
        raise ValueError(f"a cache is [2, NB, BS, H, D] with D even, not {tuple(first.shape)}")
    if any(cache.shape != first.shape or cache.dtype is not first.dtype for cache in caches):
        raise ValueError("the caches of all layers have one shape and one dtype")


def require_turn(delta: Tensor | None, inv_freq: Tensor | None, dim: int) -> None:
    """Raises ValueError unless both or neither are given, with a frequency for each pair of `dim` dims."""
    if (delta is None) != (inv_freq is None):
        raise ValueError("delta and inv_freq are given together")
    if inv_freq is not None and 2 * inv_freq.numel() != dim:
        raise ValueError(f"all {dim} dims are turned, or none: {dim // 2} frequencies are needed, not {inv_freq.numel()}")


def work(layers: int, blocks: int, tokens: int, heads: int, dim: int, itemsize: int, bits: int) -> tuple[int, int]:
    """Bytes that packing, or unpacking, must at least read and write, and its operations (6 an entry, 0 with 16 bits)."""
    entries = 2 * layers * blocks * tokens * heads * dim
    codes = entries * itemsize if bits == 16 else entries * bits // 8
    groups = 0 if bits == 16 else layers * blocks * heads * (dim + tokens)
    return entries * itemsize + codes + 2 * groups * itemsize, 0 if bits == 16 else 6 * entries


def share(dtype: torch.dtype, top: int) -> float:
    """Part of a range that a scale is, of `top` steps: enough more for rounding to nearest to round no scale down."""
    return (1 + torch.finfo(dtype).eps / 2) / top


def _grid(values: Tensor, over: int, top: int) -> tuple[Tensor, Tensor]:
    zero = values.amin(over, keepdim=True)
    step = (values.amax(over, keepdim=True).double() - zero.double()) * share(values.dtype, top)
    return step.to(values.dtype), zero


def _codes(values: Tensor, scale: Tensor, zero: Tensor, top: int) -> Tensor:
    steps = (values.double() - zero.double()) / torch.where(scale > 0, scale, 1).double()
    return (steps + 0.5).floor().masked_fill(scale == 0, 0).clamp(max=top).to(torch.uint8)
