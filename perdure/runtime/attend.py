"""Attention over what a state holds, where it lies: one flash call on the CPU, paged attention or a fused call on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .. import kernels
from ..kernels.dispatch import dispatched

Segment = tuple[int, int, float]


@dispatched("perdure.runtime.attend_gpu")
def attended(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """`kernels.attend` for those who need no log-sum-exp: out [B, Hq, T, D] alone."""
    return kernels.attend(query, key, value, scale)[0]


@dispatched("perdure.runtime.attend_gpu")
def attend_segments(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    segments: Sequence[Segment],
    unheard: Sequence[Segment] = (),
    heard: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """`kernels.attend_segments` of one sequence (B = 1), with its contract and its bounds."""
    return kernels.attend_segments(query, key, value, scale, segments, unheard, heard)
