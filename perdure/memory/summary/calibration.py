"""The learned numbers of an Infini memory: gates, and perhaps maps before its features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from blake3 import blake3
from torch import Tensor

from ...kernels import Features, elu_plus_one

RULES = ("linear", "delta")


@dataclass(frozen=True, eq=False)
class Calibration:
    """By bank: `gates` [L, Hq] float32 in 0 .. 1, and maps `keys` [L, H, D, F] and `queries` [L, Hq, D, F] or nothing.

    A gate is the memory's share of a query head's attention. Features are ELU + 1 of a key or query, times its map.
    """

    rule: str
    gates: tuple[Tensor, ...]
    keys: tuple[Tensor, ...] = ()
    queries: tuple[Tensor, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Names these numbers: BLAKE3 of the rule and of every tensor's name, shape and bytes."""
        hasher = blake3(f"perdure calibration 1 {self.rule}".encode())
        for name, tensor in self.named():
            hasher.update(f" {name} {list(tensor.shape)} ".encode())
            hasher.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return hasher.hexdigest(length=16)

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor by name."""
        for name, group in (("gates", self.gates), ("keys", self.keys), ("queries", self.queries)):
            yield from ((f"{name}.{bank}", tensor) for bank, tensor in enumerate(group))

    @cached_property
    def layers(self) -> tuple[tuple[int, ...], ...]:
        """By bank, the layers that have an open gate: only they have a memory."""
        return tuple(tuple(torch.nonzero((gates > 0).any(1)).flatten().tolist()) for gates in self.gates)

    @property
    def closed(self) -> bool:
        return not any(self.layers)

    def key_features(self, bank: int, heads: int) -> Features:
        """For keys [L' * H, n, D], all layers with a memory at once."""
        return self._features(self.keys, bank, list(self.layers[bank]), heads)

    def query_features(self, bank: int, layer: int, heads: int) -> Features:
        """For a layer's queries [H, G * T, D], packed as `kernels.retrieve` packs them; `heads` are its Hq."""
        return self._features(self.queries, bank, [layer], heads)

    def _features(self, maps: tuple[Tensor, ...], bank: int, layers: list[int], heads: int) -> Features:
        if not maps:
            return elu_plus_one
        chosen = maps[bank][layers].flatten(0, 1)

        def mapped(x: Tensor) -> Tensor:
            by_head = x.reshape(len(layers) * heads, -1, x.shape[-1])
            return elu_plus_one(torch.bmm(by_head, chosen.to(x.dtype))).reshape(*x.shape[:-1], -1)

        return mapped
