"""The readable definition of a key's attention mass."""

from __future__ import annotations

import torch
from torch import Tensor


def mass_reference(
    query: Tensor, key: Tensor, lse: Tensor, scale: float, stride: int, gap: int, upto: int | None = None
) -> Tensor:
    """Attention probabilities summed over the queries of a KV head's group, for keys well before the query.

    query [1, Hq, T, D] and key [1, Hkv, N, D] as `attend` takes them, lse [1, Hq, T] as it returns it. Query t lies in
    slot N - T + t; only those in slots that `stride` divides are counted, and of each only keys at least `gap` >= 0 slots
    before it that lie before slot `upto` (None: all). Computed in float64. Returns [Hkv, N] in float32: the sum of
    exp(scale q.k - lse) (Zhang et al. 2023, "H2O", without the mass that a key draws from its own neighbourhood).
    """
    kv_heads, t, n = key.shape[1], query.shape[2], key.shape[2]
    k = key[0].double().repeat_interleave(query.shape[1] // kv_heads, 0)
    scores = query[0].double() @ k.transpose(-1, -2) * scale
    slots = torch.arange(n - t, n, device=query.device).unsqueeze(-1)
    counted = (slots % stride == 0) & (slots - torch.arange(n, device=query.device) >= gap)
    counted = counted & (torch.arange(n, device=query.device) < (n if upto is None else upto))
    probabilities = (scores - lse[0].double().unsqueeze(-1)).exp().masked_fill(~counted, 0.0)
    return probabilities.reshape(kv_heads, -1, n).sum(1).float()
