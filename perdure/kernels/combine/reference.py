"""The readable definition of merging attention over disjoint sources."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def merge_reference(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Attention over the union of sources that have no token in common.

    Each part is (out [B, H, T, D], lse [B, H, T]) as `attend` returns it, lse the natural log of the sum of
    exponentiated scores; adding a bias to all keys of a source is adding it to its lse. An empty source has lse minus
    infinity and its out is not read. Computed in float64. Returns out in the parts' dtype and lse in float32; where all
    sources are empty they are 0 and minus infinity (Milakov and Gimelshein 2018; Ye et al. 2024, "Cascade Inference").
    """
    outs = torch.stack([out.double() for out, _ in parts])
    lses = torch.stack([lse.double() for _, lse in parts])
    weights = _weights(lses).unsqueeze(-1)
    merged = torch.where(weights > 0, weights * outs, 0).sum(0)
    return merged.to(parts[0][0].dtype), lses.logsumexp(0).float()


def joined_reference(out: Tensor, lse: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    """Attention over the keys that gave `out` [B, Hq, T, D] and `lse` [B, Hq, T], and over n more of which scores are known.

    `scores` [B, Hq, T, n] are scaled already, `values` are [B, Hkv, n, D]. Computed in float64, returned in out's dtype.
    """
    group = out.shape[1] // values.shape[1]
    weights = scores.double().softmax(-1)
    more = weights @ values.double().repeat_interleave(group, dim=1)
    return merge_reference([(out.double(), lse), (more, scores.double().logsumexp(-1))])[0].to(out.dtype)


def shares_reference(lses: Sequence[Tensor]) -> Tensor:
    """The part of a query's attention that falls on each of n sources, lse [B, H, T] each: [n, B, H, T] in float32.

    The shares of a query add up to 1, or to 0 where all sources are empty.
    """
    return _weights(torch.stack([lse.double() for lse in lses])).float()


def work(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[int, int]:
    """(bytes, floating point operations) of one merge: every source read once, the result written once."""
    out, lse = parts[0]
    sizes = [out.element_size() * out.numel(), 4 * lse.numel()]
    return sum(sizes) * (len(parts) + 1), 3 * len(parts) * out.numel()


def _weights(lses: Tensor) -> Tensor:
    return (lses - lses.amax(0)).softmax(0).nan_to_num(0.0)
