"""The CPU path: one flash call per layer, the queries of a KV head's group packed as query rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..graph import cached

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Same contract as `attend_reference`; relative error of `out` <= 2e-6 in float32, <= 1e-2 in bfloat16.

    Strides of key and value are free, so a slice of a larger cache needs no copy, and do not change the bits.
    """
    batch, heads, t, dim = query.shape
    kv_heads, n = key.shape[1], key.shape[2]
    group = heads // kv_heads
    packed = query.reshape(batch, kv_heads, group * t, dim)
    mask = None if t == 1 else _causal_mask(t, n, group, query.dtype, query.device)
    out, lse = cast(tuple[Tensor, Tensor], _flash(packed, key, value, 0.0, False, attn_mask=mask, scale=scale))
    return out.reshape(batch, heads, t, dim), lse.reshape(batch, kv_heads, group, t).reshape(batch, heads, t)


def attend_each(query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], scale: float) -> Tensor:
    """One token each of several sequences, over its own keys and values [1, Hkv, N, D]: query and out [B, Hq, D].

    Each row has the bits that `attend` gives it.
    """
    rows = query.view(len(query), 1, keys[0].shape[1], -1, query.shape[-1]).unbind()
    found = [_flash(*row, 0.0, False, scale=scale)[0] for row in zip(rows, keys, values, strict=True)]
    return torch.cat(found).reshape(query.shape)


@cached
def _causal_mask(t: int, n: int, group: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[1, 1, group * t, n]: minus infinity where a query row must not look. All layers of a forward share one."""
    mask = torch.zeros(t, n, dtype=dtype, device=device)
    mask[:, n - t :] = torch.full((t, t), float("-inf"), dtype=dtype, device=device).triu(1)
    return mask.repeat(group, 1)[None, None]
