"""The readable definition of block summaries and block scores."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Summary(NamedTuple):
    """Of the keys of n blocks, per channel: mean, minimum and maximum, [n, Hkv, D] each, in the keys' dtype."""

    mean: Tensor
    least: Tensor
    most: Tensor


def block_summary_reference(k_cache: Tensor, block_ids: Tensor, lengths: Tensor | None = None) -> Summary:
    """What stands for blocks `block_ids` [n] of k_cache [NB, BS, Hkv, D].

    Of block i the first `lengths[i]` keys count (None: all), and one without keys has zeros. The mean is computed in float64
    and rounded once.
    """
    keys = k_cache[block_ids.long()].double()
    counts = torch.full_like(block_ids, keys.shape[1]) if lengths is None else lengths
    there = (torch.arange(keys.shape[1], device=keys.device) < counts.unsqueeze(-1))[..., None, None]
    mean = keys.masked_fill(~there, 0.0).sum(1) / counts.clamp(min=1).view(-1, 1, 1)
    least, most = keys.masked_fill(~there, torch.inf).amin(1), keys.masked_fill(~there, -torch.inf).amax(1)
    empty = (counts == 0).view(-1, 1, 1)
    return Summary(*(part.masked_fill(empty, 0.0).to(k_cache.dtype) for part in (mean, least, most)))


def block_score_reference(
    query: Tensor, reps: Tensor | tuple[Tensor, Tensor], valid: Tensor | None = None, shared: bool = False
) -> Tensor:
    """How well the best query head of each KV head's group could match each block: [B, Hkv, NB] in float32.

    query [B, Hq, D]. With reps [NB, Hkv, D], means, a head's score is the dot product q.mean. With reps a pair (least, most)
    it is the sum over channels i of max(q_i least_i, q_i most_i), which no key of the block exceeds (Tang et al. 2024,
    "Quest", arXiv 2406.10774, algorithm 1). A group's score is the maximum over its query heads. `shared` sums the KV heads'
    scores, for one choice for all of them: [B, 1, NB]. Blocks that are not `valid` ([NB] or [B, NB], bool) score minus
    infinity. Scores are not scaled by the root of D. Computed in float64.
    """
    least, most = reps if isinstance(reps, tuple) else (reps, reps)
    kv_heads, dim = least.shape[1:]
    grouped = query.double().view(len(query), kv_heads, query.shape[1] // kv_heads, dim)
    scores = torch.einsum("bhgd,nhd->bhgn", grouped.clamp(min=0), most.double())
    scores = scores + torch.einsum("bhgd,nhd->bhgn", grouped.clamp(max=0), least.double())
    best = scores.amax(2)
    best = best.sum(1, keepdim=True) if shared else best
    if valid is not None:
        best = best.masked_fill(~valid.view(-1, 1, valid.shape[-1]), -torch.inf)
    return best.float()


def work_summary(blocks: int, tokens: int, heads: int, dim: int, itemsize: int) -> tuple[int, int]:
    """Bytes of keys read and summaries written, and operations: a sum and two comparisons a number."""
    return (tokens + 3) * blocks * heads * dim * itemsize, 3 * blocks * tokens * heads * dim


def work_score(
    batch: int, heads: int, kv_heads: int, blocks: int, dim: int, itemsize: int, bounds: bool = False
) -> tuple[int, int]:
    """Bytes of representatives read once and scores written, and operations of the products."""
    sides = 2 if bounds else 1
    read = blocks * kv_heads * dim * sides * itemsize + batch * heads * dim * itemsize
    return read + 4 * batch * kv_heads * blocks, 2 * batch * heads * blocks * dim * sides
