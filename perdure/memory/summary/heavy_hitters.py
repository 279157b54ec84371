"""Heavy hitters: of all evicted tokens those keep their KV that received the most attention from far away.

H2O (arXiv 2306.14048, section 4) keeps the entries with the greatest attention mass. Here only mass counts that a token
receives while it is among the next to leave, from the newest ones: what a token was to its neighbours says nothing of
what it is from afar. Entries are heard less the older they are (docs/decisions/0012).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .base import Summary

DECAY, PER = 0.8, 256
"""What an older score is worth after so many more tokens were evicted: a conversation moves on."""

FADE = 0.1
"""Taken off an entry's attention scores for each 256 tokens of age."""


class HeavyHitters(Summary):
    """Backend "heavy-hitters": real entries, and nothing of the tokens that lost."""

    name = "heavy-hitters"

    @property
    def detail(self) -> Mapping[str, Any]:
        return {"backend": self.name, "fade": FADE}

    def choose(self, old: Tensor, new: Tensor, count: int) -> tuple[Tensor, Tensor]:
        return choose(old, new, count)


def choose(old: Tensor, new: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Which `count` of old and new candidates to keep, as `Summary.choose` says; older scores are decayed."""
    scores = torch.cat([old * DECAY ** (new.shape[-1] / PER), new], dim=-1)
    sinks = int(torch.isinf(scores[0, 0]).sum())
    wanted = min(count + sinks, scores.shape[-1])
    # Marked and counted off, which is a tenth of sorting the chosen ones. Ties fall as topk has them: on one build alike.
    chosen = torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, scores.topk(wanted, dim=-1, sorted=False).indices, True)
    indices = chosen.nonzero()[:, -1].view(*scores.shape[:-1], wanted)
    return indices, scores.gather(-1, indices)
