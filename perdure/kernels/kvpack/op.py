"""Packing on the path that its tensors ask for, and as operators of a compiled graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu
from .reference import Packed

_pack = dispatched("perdure.kernels.kvpack.gpu")(cpu.pack)
_unpack_ = dispatched("perdure.kernels.kvpack.gpu")(cpu.unpack_)


def _packed(caches: Sequence[Tensor], block_ids: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    return _pack(caches, block_ids, bits)


def _fake_packed(caches: Sequence[Tensor], block_ids: Tensor, bits: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    first, layers, n = caches[0], len(caches), block_ids.numel()
    tokens, heads, dim = first.shape[2:]
    if bits == 16:
        codes = first.new_empty(layers, 2, n, tokens, heads, dim)
        return codes, first.new_empty(0), first.new_empty(0), first.new_empty(0), first.new_empty(0)
    codes = first.new_empty(layers, 2, n, tokens, heads, dim * bits // 8, dtype=torch.uint8)
    k_scale, k_zero = (first.new_empty(layers, n, heads, dim) for _ in range(2))
    v_scale, v_zero = (first.new_empty(layers, n, tokens, heads) for _ in range(2))
    return codes, k_scale, k_zero, v_scale, v_zero


def _put(
    caches: Sequence[Tensor], block_ids: Tensor, packed: Sequence[Tensor], delta: Tensor | None, inv_freq: Tensor | None
) -> None:
    _unpack_(caches, block_ids, Packed(*packed), delta=delta, inv_freq=inv_freq)


def _fake_put(
    caches: Sequence[Tensor], block_ids: Tensor, packed: Sequence[Tensor], delta: Tensor | None, inv_freq: Tensor | None
) -> None:
    return None


_PACK = operator("kv_pack", _packed, _fake_packed)
_UNPACK = operator("kv_unpack_", _put, _fake_put, changes=["caches"])


def _pack_node(caches: Sequence[Tensor], block_ids: Tensor, bits: int = 8) -> Packed:
    return Packed(*_PACK(list(caches), block_ids, bits))


def _unpack_node(
    caches: Sequence[Tensor],
    block_ids: Tensor,
    packed: Packed,
    *,
    delta: Tensor | None = None,
    inv_freq: Tensor | None = None,
) -> None:
    _UNPACK(list(caches), block_ids, list(packed), delta, inv_freq)


pack = traced(_pack, _pack_node)
unpack_ = traced(_unpack_, _unpack_node)
