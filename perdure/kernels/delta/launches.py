"""How large the programs of the Triton path are, what they are given, and which sequence each chunk belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

FEW = 8
"""Sequences of no more tokens than this, on average, are written token by token."""


@dataclass(frozen=True)
class Launch:
    """The tokens of a chunk, the columns of a state that a program has, its warps and stages, and the warps that prepare."""

    chunk: int
    columns: int
    warps: int
    stages: int
    preparing: int


LAUNCHES = {
    (64, 2): Launch(32, 32, 4, 2, 4),
    (128, 2): Launch(32, 32, 4, 2, 4),
    (256, 2): Launch(32, 16, 8, 1, 8),
    (64, 4): Launch(16, 16, 4, 1, 4),
    (128, 4): Launch(16, 16, 8, 1, 4),
}
"""By the padded size of a key and the bytes of its numbers."""

PRECISIONS = {torch.bfloat16: "tf32", torch.float16: "tf32x3", torch.float32: "ieee"}
"""How a chunk's triangle is inverted: tf32 alone is off by up to 6e-4 of it, for rates of 1, which only a bfloat16 hides."""

STEPPING = {64: (32, 4), 128: (32, 8), 256: (8, 4)}
"""Columns and warps of `_steps`, by the padded size of a key."""


class Given(NamedTuple):
    """What both ways are given, contiguous, and where they write, in the order that their kernels have."""

    keys: Tensor
    values: Tensor
    queries: Tensor | None
    rates: Tensor
    gates: Tensor | None
    state: Tensor
    after: Tensor
    out: Tensor | None
    bounds: Tensor | None


def owners(bounds: Tensor, chunk: int, most: int) -> tuple[Tensor, Tensor]:
    """Of each of `most` chunks its sequence, and of each sequence its first chunk.

    They are more than there are, since only the GPU knows the lengths; those beyond the last are the last sequence's.
    """
    counts = (bounds.diff() + chunk - 1) // chunk
    ends = counts.cumsum(0)
    chunks = torch.arange(most, device=bounds.device)
    return torch.searchsorted(ends, chunks, right=True).clamp_(max=len(counts) - 1), ends - counts
