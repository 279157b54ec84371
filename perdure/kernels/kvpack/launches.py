"""Where the caches of all layers lie, how large the programs of the Triton path are, and by which angles keys are turned."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ..tiles import padded

WORDS = 2048
"""Words that a program of a plain copy moves."""


def warps(tokens: int, dim: int) -> int:
    """Warps a program has: a thread holds 16 entries of keys and as many of values, unless blocks are very large."""
    return min(16, max(4, tokens * dim // 512))


def word(cache: Tensor) -> torch.dtype:
    """The widest integer of which a block, and the way from one to the next, is a whole number."""
    sizes = [step * cache.element_size() for step in (cache[0, 0].numel(), *cache.stride()[:2])]
    kinds = ((8, torch.int64), (4, torch.int32), (2, torch.int16))
    return next(kind for size, kind in kinds if all(at % size == 0 for at in sizes))


def table(caches: Sequence[Tensor]) -> Tensor:
    """Where the layers' caches lie. Raises ValueError where one launch cannot address them."""
    first = caches[0]
    heads, dim = first.shape[3:]
    if first.stride()[2:] != (heads * dim, dim, 1) or any(cache.stride() != first.stride() for cache in caches):
        raise ValueError("the caches of all layers have the same strides, and their blocks are contiguous")
    if any(cache.data_ptr() % 16 for cache in caches):
        raise ValueError("caches begin at multiples of 16 bytes")
    return _addresses(tuple(cache.data_ptr() for cache in caches), first.device)


@lru_cache(maxsize=64)
def _addresses(pointers: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.tensor(pointers, dtype=torch.int64, device=device)


def shape(cache: Tensor) -> dict[str, int]:
    tokens, heads, dim = cache.shape[2:]
    sizes = {"HEADS": heads, "TOKENS": tokens, "DIM": dim}
    return sizes | {"ROWS": padded(tokens, 1), "HALF": padded(dim // 2, 1)}


def launch(cache: Tensor) -> dict[str, int]:
    return {"num_warps": warps(padded(cache.shape[2], 1), padded(cache.shape[4], 1))}


def angles(delta: Tensor | None, inv_freq: Tensor | None, like: Tensor) -> tuple[Tensor, Tensor]:
    if delta is None or inv_freq is None:
        return like, like
    angle = delta.to(like.device, torch.float64).unsqueeze(-1) * inv_freq.to(like.device, torch.float64)
    return angle.cos().float(), angle.sin().float()
