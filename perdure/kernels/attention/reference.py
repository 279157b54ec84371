"""The readable definition of causal grouped-query attention."""

from __future__ import annotations

import torch
from torch import Tensor


def attend_reference(query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Attention of T new tokens over N cached ones, of which the last T are the new tokens themselves.

    query [B, Hq, T, D], key and value [B, Hkv, N, D] with Hq a multiple of Hkv and N >= T; query t sees keys
    0 .. N - T + t. Computed in float64. Returns out [B, Hq, T, D] in query's dtype and lse [B, Hq, T] in float32, the
    natural log of the sum of exponentiated scores (Vaswani et al. 2017, eq. 1; Ainslie et al. 2023 for the grouping).
    """
    group = query.shape[1] // key.shape[1]
    k = key.double().repeat_interleave(group, 1)
    v = value.double().repeat_interleave(group, 1)
    scores = query.double() @ k.transpose(-1, -2) * scale
    t, n = scores.shape[-2:]
    future = torch.ones(t, n, dtype=torch.bool, device=query.device).triu(n - t + 1)
    scores = scores.masked_fill(future, float("-inf"))
    lse = scores.logsumexp(-1)
    out = (scores - lse.unsqueeze(-1)).exp() @ v
    return out.to(query.dtype), lse.float()
