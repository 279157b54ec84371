"""The CPU path: the updates of a row strung together along the rank, so that each row takes two products."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .reference import Pair


def lowrank(x: Tensor, out: Tensor, factors: Sequence[Sequence[Pair]]) -> Tensor:
    """Same contract as `lowrank_reference`; relative error <= 1e-6 in float32, <= 8e-3 in bfloat16.

    A row's result depends on its own updates alone, whoever else is in the batch. Callers that keep a row's updates keep
    them `strung`, and pay for that once.
    """
    return torch.stack([_row(x[row], out[row], pairs) for row, pairs in enumerate(factors)])


def strung(pairs: Sequence[Pair]) -> Pair:
    """Several updates as one: their ranks one after the other."""
    if len(pairs) == 1:
        return pairs[0]
    return torch.cat([down for down, _ in pairs]), torch.cat([up for _, up in pairs], dim=1)


def _row(x: Tensor, out: Tensor, pairs: Sequence[Pair]) -> Tensor:
    if not pairs:
        return out
    down, up = strung(pairs)
    return torch.addmm(out, x @ down.T, up.T)
