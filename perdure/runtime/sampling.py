"""Drawing the next token. The draw depends on logits, settings, seed and position alone, so a resume draws the same."""

from __future__ import annotations

import torch
from blake3 import blake3
from torch import Tensor

from ..config import Sampling


def sample(logits: Tensor, settings: Sampling, seed: int, position: int) -> int:
    """The token at `position` from float32 logits [vocab]. Temperature 0 takes the greatest (the first of equals)."""
    if settings.temperature == 0.0:
        return int(logits.argmax())
    scores = logits / settings.temperature
    if settings.top_k:
        scores = _keep_top_k(scores, settings.top_k)
    probabilities = scores.softmax(-1)
    if settings.top_p < 1.0:
        probabilities = _keep_nucleus(probabilities, settings.top_p)
    return _draw(probabilities, _uniform(seed, position))


def _keep_top_k(scores: Tensor, k: int) -> Tensor:
    kth = scores.topk(min(k, scores.numel())).values[-1]
    return scores.masked_fill(scores < kth, float("-inf"))


def _keep_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The smallest set of most probable tokens whose mass reaches top_p (Holtzman et al. 2020)."""
    ordered, order = probabilities.sort(descending=True, stable=True)
    outside = ordered.cumsum(-1) - ordered >= top_p
    kept = probabilities.clone()
    kept[order[outside]] = 0.0
    return kept


def _draw(probabilities: Tensor, u: float) -> int:
    cumulative = probabilities.double().cumsum(-1)
    return int(torch.searchsorted(cumulative, cumulative[-1] * u, right=True).clamp(max=probabilities.numel() - 1))


def _uniform(seed: int, position: int) -> float:
    """A number in [0, 1) that depends on (seed, position) only."""
    digest = blake3(b"perdure/draw/v1\0" + seed.to_bytes(8, "little") + position.to_bytes(8, "little")).digest(8)
    return (int.from_bytes(digest, "little") >> 11) / float(1 << 53)
