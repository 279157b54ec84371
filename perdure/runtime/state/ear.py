"""What listens to a forward's attention: scores for recalled keys go in, mass and shares come out, memory is mixed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...kernels import joined, mass
from ...memory.summary import Reader
from ..attend import attend_segments
from .bounded import WorkingSet

if TYPE_CHECKING:
    from .cache import CacheAdapter


class Ear:
    """One forward's listener. `layers` are those whose attention came by.

    `seen` is how many tokens came before. `beside` are keys that stand nowhere and values [H, n, D] by layer, which every
    query attends to as well.
    """

    def __init__(
        self,
        working: WorkingSet,
        adapter: CacheAdapter,
        seen: int,
        beside: Mapping[int, tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        self._set = working
        self._beside = beside or {}
        self._turned: Mapping[int, Tensor] | None = None
        self._tracking = working.listening(seen)
        self._adapter, self._heard = adapter, adapter.heard
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
            out = joined(out, lse, *self._besides(layer, query, scale))
        if self._segments:
            self._shares.append(shares[:, 0])
        tracking = self._tracking
        if tracking is not None:
            window = key[:, :, self._set.place.kept :]
            found = mass(query, window, lse, scale, tracking.stride, 1, tracking.block)
            self._set.note(*self._heard[layer], found[:, : tracking.block])
        return self._mixed(layer, query, out)

    def _besides(self, layer: int, query: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """The scores [B, Hq, T, n] of the keys that stand nowhere, and their values [1, H, n, D]."""
        keys, values = self._standing(query.shape[2])[layer], self._beside[layer][1]
        heads, t, n, dim = keys.shape
        grouped = query[0].float().view(heads, -1, t, dim).transpose(1, 2)
        scores = (grouped @ keys.transpose(2, 3) * scale).transpose(1, 2)
        # Of a single KV head a reshape would be a view, and not contiguous.
        return scores.contiguous().view(1, -1, t, n), values[None]

    def _standing(self, count: int) -> Mapping[int, Tensor]:
        """Those keys where each of `count` queries stands, [H, T, n, D] by layer; of all layers at once."""
        if self._turned is None:
            layers = list(self._beside)
            keys = torch.stack([self._beside[layer][0] for layer in layers]).float()
            spread = keys[:, :, None].expand(-1, -1, count, -1, -1)
            turned = self._set.placed([self._heard[layer] for layer in layers], spread, self._position)
            self._turned = dict(zip(layers, turned, strict=True))
        return self._turned

    def _mixed(self, layer: int, query: Tensor, local: Tensor) -> Tensor:
        """With the memory's share."""
        bank, number = self._heard[layer]
        if self._reader is None or not self._reader.concerns(bank, number):
            return local
        positions = torch.arange(self._position, self._position + query.shape[2], device=query.device)[None]
        free = self._adapter.unplaced(layer, query.float(), positions)[0]
        return self._reader.mix(bank, number, free, local)
