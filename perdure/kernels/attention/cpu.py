"""The CPU path: one flash call per layer, the queries of a KV head's group packed as query rows.

In bfloat16 a call of one row takes 2 to 4 times as long as one of two, and three up to twice as long as four (measured in
docs/decisions/0029), so that a single token's rows are made even.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..dispatch import native_bfloat16
from ..graph import cached

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Same contract as `attend_reference`; relative error of `out` <= 2e-6 in float32, <= 1e-2 in bfloat16.

    Strides of key and value are free, so a slice of a larger cache needs no copy, and do not change the bits.
    """
    batch, heads, t, dim = query.shape
    kv_heads, n = key.shape[1], key.shape[2]
    group = heads // kv_heads
    packed = evened(query.reshape(batch, kv_heads, group * t, dim), t)
    mask = None if t == 1 else _causal_mask(t, n, group, query.dtype, query.device)
    out, lse = cast(tuple[Tensor, Tensor], _flash(packed, key, value, 0.0, False, attn_mask=mask, scale=scale))
    return out[:, :, : group * t].reshape(batch, heads, t, dim), lse[:, :, : group * t].reshape(batch, heads, t)


def attend_each(query: Tensor, keys: Sequence[Tensor], values: Sequence[Tensor], scale: float) -> Tensor:
    """One token each of several sequences, over its own keys and values [1, Hkv, N, D]: query and out [B, Hq, D].

    Each row has the bits that `attend` gives it.
    """
    packed = query.view(len(query), keys[0].shape[1], -1, query.shape[-1])
    rows = evened(packed, 1)[:, None].unbind()
    found = [_flash(*row, 0.0, False, scale=scale)[0] for row in zip(rows, keys, values, strict=True)]
    return torch.cat(found)[:, :, : packed.shape[2]].reshape(query.shape)


def evened(packed: Tensor, t: int) -> Tensor:
    """The rows [B, Hkv, R, D] of `t` tokens, those of one token in bfloat16 with the last one twice where R is odd."""
    if t > 1 or packed.shape[2] % 2 == 0 or packed.dtype != torch.bfloat16 or not native_bfloat16():
        return packed
    return torch.cat([packed, packed[:, :, -1:]], 2)


@cached
def _causal_mask(t: int, n: int, group: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """[1, 1, group * t, n]: minus infinity where a query row must not look. All layers of a forward share one."""
    mask = torch.zeros(t, n, dtype=dtype, device=device)
    mask[:, n - t :] = torch.full((t, t), float("-inf"), dtype=dtype, device=device).triu(1)
    return mask.repeat(group, 1)[None, None]
