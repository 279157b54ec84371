"""What listens to a forward's attention: scores for recalled keys go in, mass and shares come out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...kernels import attend_segments
from .bounded import WorkingSet


class Ear:
    """One forward's listener. `layers` are those whose attention came by.

    `heard` maps a layer to (bank, number in it).
    """

    def __init__(self, working: WorkingSet, heard: Mapping[int, tuple[int, int]]) -> None:
        self._set = working
        self._heard = heard
        first = working.place.first
        self._segments = [(start - first, end - first, bias) for start, end, bias in working.segments]
        self.layers: set[int] = set()
        self._shares: list[Tensor] = []

    @property
    def shares(self) -> Tensor | None:
        """The attention that each pasted chunk received, [chunks, layers, heads, T]; None where nothing was pasted."""
        return torch.stack(self._shares, dim=1) if self._shares else None

    def concerns(self, layer: int | None) -> bool:
        """Whether a layer attends to everything, so that memory concerns it."""
        return layer in self._heard

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """The layer's attention [B, Hq, T, Dv], recalled keys scored higher; its mass is noted."""
        self.layers.add(layer)
        out, lse, shares = attend_segments(query, key, value, scale, self._segments)
        if self._segments:
            self._shares.append(shares[:, 0])
        tracking = self._set.tracking
        if tracking is not None:
            found = mass(query, key, lse, scale, stride=tracking.stride, gap=tracking.gap)
            self._set.note(*self._heard[layer], found)
        return out


def mass(query: Tensor, key: Tensor, lse: Tensor, scale: float, *, stride: int, gap: int) -> Tensor:
    n, t, group = key.shape[2], query.shape[2], query.shape[1] // key.shape[1]
    rows = [r for r in range(t) if (n - t + r) % stride == 0]
    if not rows:
        return torch.zeros(key.shape[1], n)
    q = query[0, :, rows].view(key.shape[1], group * len(rows), -1)
    scores = (q @ key[0].transpose(-1, -2)).float() * scale - lse[0, :, rows].view(key.shape[1], -1, 1)
    at = torch.tensor(rows) + n - t
    near = (at[:, None] - torch.arange(n)[None] < gap).repeat(group, 1)
    return scores.exp().masked_fill(near, 0).sum(1)
