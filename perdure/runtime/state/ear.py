"""What listens to a forward's attention: scores for recalled keys go in, mass and shares come out, memory is mixed in."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...kernels import attend_segments, mass, merge
from ...memory.summary import Reader
from .bounded import WorkingSet


class Ear:
    """One forward's listener. `layers` are those whose attention came by.

    `heard` maps a layer to (bank, number in it); `seen` is how many tokens came before. `beside` are keys that stand nowhere
    and values [H, n, D] by layer, which every query attends to as well.
    """

    def __init__(
        self,
        working: WorkingSet,
        heard: Mapping[int, tuple[int, int]],
        seen: int,
        beside: Mapping[int, tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        self._set = working
        self._beside = beside or {}
        self._tracking = working.listening(seen)
        self._heard = heard
        self._position = working.place.slot(seen)
        first = working.place.first
        self._segments = [(start - first, end - first, bias) for start, end, bias in working.segments]
        self._fades = working.fades()
        self._reader: Reader | None = working.reader()
        self.layers: set[int] = set()
        self._shares: list[Tensor] = []

    @property
    def shares(self) -> Tensor | None:
        """The attention that each pasted chunk received from the last token, [chunks, layers, heads, 1]; None without."""
        return torch.stack(self._shares, dim=1) if self._shares else None

    def concerns(self, layer: int | None) -> bool:
        """Whether a layer attends to everything, so that memory concerns it."""
        if layer is None or layer not in self._heard:
            return False
        return bool(self._segments or self._fades or self._tracking or layer in self._beside) or (
            self._reader is not None and self._reader.concerns(*self._heard[layer])
        )

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        """The layer's attention [B, Hq, T, Dv], recalled keys scored higher, old ones lower, the memory mixed in.

        The mass of what leaves next is noted.
        """
        self.layers.add(layer)
        out, lse, shares = attend_segments(query, key, value, scale, self._segments, self._fades, heard=1)
        if layer in self._beside:
            out, lse = merge([(out, lse), self._besides(layer, query, scale)])
        if self._segments:
            self._shares.append(shares[:, 0])
        tracking = self._tracking
        if tracking is not None:
            window = key[:, :, self._set.place.kept :]
            found = mass(query, window, lse, scale, tracking.stride, 1, tracking.block)
            self._set.note(*self._heard[layer], found[:, : tracking.block])
        return self._mixed(layer, query, out)

    def _besides(self, layer: int, query: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """Attention [B, Hq, T, Dv] to the keys that stand nowhere, and its log-sum-exp [B, Hq, T]."""
        keys, values = (part.float() for part in self._beside[layer])
        free = self._set.unplaced(*self._heard[layer], query[0].float(), self._position)
        scores = (free.view(keys.shape[0], -1, free.shape[-1]) @ keys.transpose(1, 2) * scale).view(*free.shape[:2], -1)
        out = scores.softmax(-1).view(keys.shape[0], -1, keys.shape[1]) @ values
        return out.view(1, *free.shape[:2], -1).to(query.dtype), scores.logsumexp(-1)[None]

    def _mixed(self, layer: int, query: Tensor, local: Tensor) -> Tensor:
        """With the memory's share."""
        bank, number = self._heard[layer]
        if self._reader is None or not self._reader.concerns(bank, number):
            return local
        return self._reader.mix(bank, number, self._set.unplaced(bank, number, query[0].float(), self._position), local)
