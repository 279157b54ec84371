"""An ear that takes down what a text reads of a summary: attention on its entries, and what its memory gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..attend import attend_segments
from .bounded import WorkingSet
from .ear import Ear

if TYPE_CHECKING:
    from .cache import CacheAdapter


class Notes:
    """What was taken down of some forwards, by layer; `places` are the layers' banks and numbers there.

    `mass` is the attention [Hq, entries] that each kept entry received from all tokens together, `tokens` that of each token
    [T] on all entries but the first `sinks` of them, the mean of the heads; `gate` [Hq] is the memory's share, `read` and
    `local` [Hq, T] are the norms of what it and the rest of attention gave.
    """

    def __init__(self, sinks: int) -> None:
        self.sinks = sinks
        self.places: dict[int, tuple[int, int]] = {}
        self.mass: dict[int, Tensor] = {}
        self.tokens: defaultdict[int, list[Tensor]] = defaultdict(list)
        self.gate: dict[int, Tensor] = {}
        self.read: defaultdict[int, list[Tensor]] = defaultdict(list)
        self.local: defaultdict[int, list[Tensor]] = defaultdict(list)

    def heard(self, layer: int, place: tuple[int, int], shares: Tensor) -> None:
        """`shares` [Hq, T, entries] of the attention of a forward's tokens."""
        self.places[layer] = place
        total = shares.sum(1)
        self.mass[layer] = self.mass[layer] + total if layer in self.mass else total
        self.tokens[layer].append(shares[..., self.sinks :].sum(-1).mean(0))

    def recalled(self, layer: int, gate: Tensor, out: Tensor, local: Tensor) -> None:
        """What the memory `out` and attention `local` [Hq, T, Dv] gave, float32."""
        self.gate[layer] = gate
        self.read[layer].append(out.norm(dim=-1))
        self.local[layer].append(local.norm(dim=-1))


class Probe(Ear):
    """Hears every layer that attends to everything, and changes nothing of what it hears."""

    def __init__(
        self,
        notes: Notes,
        working: WorkingSet,
        adapter: CacheAdapter,
        seen: int,
        beside: Mapping[int, tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        super().__init__(working, adapter, seen, beside)
        self._notes = notes

    def concerns(self, layer: int | None) -> bool:
        return layer is not None and layer in self._heard

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        _, lse, _ = attend_segments(query, key, value, scale, self._segments, self._fades, heard=1)
        entries = key[0, :, : self._set.place.kept].float()
        group = query.shape[1] // key.shape[1]
        scores = query[0].float() @ entries.repeat_interleave(group, 0).transpose(-1, -2) * scale
        for start, end, bias in self._fades:
            scores[..., start:end] += bias
        self._notes.heard(layer, self._heard[layer], (scores - lse[0].float()[..., None]).exp())
        return super().attend(layer, query, key, value, scale)

    def _mixed(self, layer: int, query: Tensor, local: Tensor) -> Tensor:
        bank, number = self._heard[layer]
        if self._reader is not None and self._reader.concerns(bank, number):
            positions = torch.arange(self._position, self._position + query.shape[2], device=query.device)[None]
            free = self._adapter.unplaced(layer, query.float(), positions)[0]
            out, gate = self._reader.read(bank, number, free)
            self._notes.recalled(layer, gate, out, local[0].float())
        return super()._mixed(layer, query, local)
