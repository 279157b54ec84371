"""The CPU path: float32, one source after the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def merge(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Same contract as `merge_reference`; relative error of `out` <= 1e-6 in float32, <= 4e-3 in bfloat16.

    One source alone comes back with the bits it came with.
    """
    weights, lse = _weights(torch.stack([lse for _, lse in parts]))
    merged = torch.zeros(parts[0][0].shape, dtype=torch.float32, device=lse.device)
    for (out, _), weight in zip(parts, weights.unsqueeze(-1), strict=True):
        merged += (out * weight).masked_fill_(weight == 0, 0.0)
    return merged.to(parts[0][0].dtype), lse


def joined(out: Tensor, lse: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    """Same contract as `joined_reference`; relative error <= 1e-6 in float32, <= 4e-3 in bfloat16."""
    batch, heads, t, n = scores.shape
    scores, lse = scores.float(), lse.float()
    total = torch.logaddexp(lse, scores.logsumexp(-1))
    weights = (scores - total.unsqueeze(-1)).exp().view(batch, values.shape[1], -1, n)
    more = (weights @ values.float()).view(batch, heads, t, -1)
    return (out * (lse - total).exp().unsqueeze(-1) + more).to(out.dtype)


def shares(lses: Sequence[Tensor]) -> Tensor:
    """Same contract as `shares_reference`; absolute error <= 1e-6."""
    return _weights(torch.stack(list(lses)))[0]


def _weights(lses: Tensor) -> tuple[Tensor, Tensor]:
    """Each source's share, and the lse of all of them together."""
    lses = lses.float()
    lse = lses.logsumexp(0)
    return (lses - lse.masked_fill(lse == float("-inf"), 0.0)).exp(), lse
