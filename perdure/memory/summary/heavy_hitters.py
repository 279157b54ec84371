"""Heavy hitters: of all evicted tokens those keep their KV that received the most attention from far away.

H2O (arXiv 2306.14048, section 4) keeps the entries with the greatest attention mass. Here mass from near queries does
not count, which would favour a token for its neighbours' sake.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .base import Summary

DECAY = 0.9
"""What an older score is worth after one more eviction: a long conversation moves on."""


class HeavyHitters(Summary):
    """Backend "heavy-hitters": real entries, and nothing of the tokens that lost."""

    name = "heavy-hitters"

    def choose(self, old: Tensor, new: Tensor, count: int) -> tuple[Tensor, Tensor]:
        return choose(old, new, count)


def choose(old: Tensor, new: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which `count` of old and new candidates to keep, as `Summary.choose` says; older scores are decayed."""
    scores = torch.cat([old * DECAY, new], dim=-1)
    sinks = int(torch.isinf(scores[0, 0]).sum())
    wanted = min(count + sinks, scores.shape[-1])
    # topk breaks ties as it likes; a stable sort keeps the later one, on every machine
    order = torch.sort(scores.flip(-1), dim=-1, descending=True, stable=True).indices[..., :wanted]
    indices = (scores.shape[-1] - 1 - order).sort(dim=-1).values
    return indices, scores.gather(-1, indices)
