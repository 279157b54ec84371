"""One forward of several sessions: each row is the next token of another one, over that one's own state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from ..attention import COMPANY, Held, attend_layer, attend_rows
from .layers import KVLayer
from .plan import LayerPlan, Row

if TYPE_CHECKING:
    from .cache import CacheAdapter
    from .cache_state import CacheState

Pairs = Mapping[int, tuple[Tensor, Tensor]]
"""Keys and values by layer."""


class Together:
    """The cache of such a forward, and for its attention what each row attends to, with which listener.

    The states are those of one adapter that `joins`, with room for a token more. Nothing is copied but the new keys and
    values, into the slabs of the state that they belong to. Rows beyond the states are of no meaning.
    """

    def __init__(self, adapter: CacheAdapter, states: Sequence[CacheState]) -> None:
        self._adapter, self._states = adapter, states
        self._mass = [state.mass for state in states]
        self._ears = [state.listen() for state in states]
        self._slots, self._reading = self._cut()
        self.seen = max(state.seen for state in states)
        self.length = max(state.length for state in states)

    def run(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        """The forward: a token for each row. Does not move `seen` of the states."""
        cache = Cache(layers=[_Layer(self, index, plan) for index, plan in enumerate(self._adapter.plans)])
        return model(**inputs, **{COMPANY: self, self._adapter.keyword: cache}, use_cache=True)

    def _cut(self) -> tuple[list[Pairs], list[Pairs]]:
        """Where new keys and values go, and what each row attends to: for all layers at once, which takes less time."""
        return [state.slots(1) for state in self._states], [state.reading(1) for state in self._states]

    def keep(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Hand each state its row of a layer's new keys and values [B, H, 1, D]."""
        for slots, key, value in zip(self._slots, torch.split(keys, 1), torch.split(values, 1), strict=True):
            slots[layer][0].copy_(key)
            slots[layer][1].copy_(value)

    def rows(self, layer: int) -> list[Held]:
        return [Held(*pairs[layer], ear) for pairs, ear in zip(self._reading, self._ears, strict=True)]

    def attended(self, layer: int, query: Tensor, scale: float) -> Tensor:
        """A layer's attention [B, Hq, D] for a query [B, Hq, D] on the CPU, once the new keys and values are kept."""
        return attend_rows(layer, query, self.rows(layer), scale)

    def undo(self) -> None:
        """Forget what a forward that failed has counted; what it wrote lies where the next one writes."""
        for state, mass in zip(self._states, self._mass, strict=True):
            state.mass = mass

    def append(self, row: Row, values: Tensor, window: int | None) -> Tensor:
        raise RuntimeError("a row's keys and values go to its own state")


class Along(Together):
    """The same for the next tokens of a single state: each row attends to what stands before its token, and to that."""

    def __init__(self, adapter: CacheAdapter, state: CacheState, count: int) -> None:
        super().__init__(adapter, [state] * count)
        self.length += count - 1

    def _cut(self) -> tuple[list[Pairs], list[Pairs]]:
        state, count = self._states[0], len(self._states)
        return [state.slots(count)], [state.reading(number + 1) for number in range(count)]

    def keep(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Hand the state all rows of a layer's new keys and values [B, H, 1, D], which are tokens to it."""
        super().keep(layer, keys.transpose(0, 2), values.transpose(0, 2))


class Prompt(Together):
    """The same for the next tokens of a single state, which are attended in one call, as a model does with a prompt."""

    def __init__(self, adapter: CacheAdapter, state: CacheState, count: int) -> None:
        self._count = count
        super().__init__(adapter, [state])

    def _cut(self) -> tuple[list[Pairs], list[Pairs]]:
        return [self._states[0].slots(self._count)], [self._states[0].reading(self._count)]

    def keep(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Hand the state a layer's new keys and values [T, H, 1, D]."""
        super().keep(layer, keys.transpose(0, 2), values.transpose(0, 2))

    def attended(self, layer: int, query: Tensor, scale: float) -> Tensor:
        held = self.rows(layer)[0]
        return attend_layer(layer, query.transpose(0, 1)[None], held.key, held.value, scale, held.ear)[0].transpose(0, 1)


class _Layer(KVLayer):
    """What a layer's attention is given back is of no meaning: it asks for each row's own."""

    def __init__(self, together: Together, index: int, plan: LayerPlan) -> None:
        super().__init__(together, plan)
        self._together, self._index = together, index

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        self._together.keep(self._index, key_states, value_states)
        return key_states, value_states
