"""What listens to a forward's attention: scores for recalled keys go in, mass and shares come out."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...kernels import attend_segments, mass
from .bounded import WorkingSet


class Ear:
    """One forward's listener. `layers` are those whose attention came by.

    `heard` maps a layer to (bank, number in it).
    """

    def __init__(self, working: WorkingSet, heard: Mapping[int, tuple[int, int]], seen: int) -> None:
        self._set = working
        self._tracking = working.listening(seen)
        self._heard = heard
        first = working.place.first
        self._segments = [(start - first, end - first, bias) for start, end, bias in working.segments]
        self.layers: set[int] = set()
        self._shares: list[Tensor] = []

    @property
    def shares(self) -> Tensor | None:
        """The attention that each pasted chunk received from the last token, [chunks, layers, heads, 1]; None without."""
        return torch.stack(self._shares, dim=1) if self._shares else None

    def concerns(self, layer: int | None) -> bool:
        """Whether a layer attends to everything, so that memory concerns it."""
        return layer in self._heard

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """The layer's attention [B, Hq, T, Dv], recalled keys scored higher; its mass is noted."""
        self.layers.add(layer)
        out, lse, shares = attend_segments(query, key, value, scale, self._segments, heard=1)
        if self._segments:
            self._shares.append(shares[:, 0])
        tracking = self._tracking
        if tracking is not None:
            window = key[:, :, self._set.place.kept :]
            found = mass(query, window, lse, scale, tracking.stride, 1, tracking.block)
            self._set.note(*self._heard[layer], found[:, : tracking.block])
        return out
