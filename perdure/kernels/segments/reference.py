"""The readable definition of attention over biased segments."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def attend_segments_reference(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    segments: Sequence[tuple[int, int, float]],
    unheard: Sequence[tuple[int, int, float]] = (),
) -> tuple[Tensor, Tensor, Tensor]:
    """`attend_reference` with a number added to the scores of some runs of keys.

    query [B, Hq, T, D], key and value [B, Hkv, N, D]; segments are (start, end, bias), sorted, disjoint, end <= N - T:
    slots start .. end - 1 score `bias` more for every query. `unheard` are segments too, whose shares nobody wants; none
    overlaps another. Computed in float64 as one softmax over all slots with an additive bias row. Returns out [B, Hq, T, D]
    in query's dtype, lse [B, Hq, T] and shares [segments, B, Hq, T] in float32: the sum of the attention probabilities
    within each segment.
    """
    group = query.shape[1] // key.shape[1]
    k = key.double().repeat_interleave(group, 1)
    v = value.double().repeat_interleave(group, 1)
    t, n = query.shape[2], key.shape[2]
    bias = torch.zeros(t, n, dtype=torch.float64, device=query.device)
    for start, end, added in (*unheard, *segments):
        bias[:, start:end] = added
    bias.masked_fill_(torch.ones_like(bias, dtype=torch.bool).triu(n - t + 1), float("-inf"))
    scores = query.double() @ k.transpose(-1, -2) * scale + bias
    probabilities = scores.softmax(-1)
    shares = [probabilities[..., start:end].sum(-1) for start, end, _ in segments]
    received = torch.stack(shares) if shares else probabilities.new_zeros(0, *query.shape[:3])
    return (probabilities @ v).to(query.dtype), scores.logsumexp(-1).float(), received.float()
