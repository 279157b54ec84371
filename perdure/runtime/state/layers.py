"""Layers of a transformers cache whose keys and values lie in the rows of a state's slabs."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor
from transformers.cache_utils import CacheLayerMixin, LinearAttentionAndFullAttentionLayer, LinearAttentionLayer

from .plan import LayerPlan, Row


class Slots(Protocol):
    """The state behind the layers."""

    seen: int

    @property
    def length(self) -> int:
        """How many entries a layer reads that attends to everything."""

    def append(self, row: Row, values: Tensor, window: int | None) -> Tensor:
        """Write new values [1, H, T, D] after `seen`; gives all that a layer with this window reads, [1, H, N, D]."""


class KVLayer(CacheLayerMixin):  # type: ignore[misc]
    """One attention layer's view of its rows: new keys and values go to the slots after `seen`."""

    def __init__(self, state: Slots, plan: LayerPlan) -> None:
        super().__init__()
        self._bind(state, plan)

    def _bind(self, state: Slots, plan: LayerPlan) -> None:
        self._state, self._plan = state, plan
        self.is_initialized = True
        self.is_sliding = plan.window is not None

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor | None = None) -> None: ...

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        plan, state = self._plan, self._state
        if plan.keys is None or plan.values is None:
            raise RuntimeError("a layer that kept no keys in its trial was given some")
        return state.append(plan.keys, key_states, plan.window), state.append(plan.values, value_states, plan.window)

    def _past(self) -> int:
        window = self._plan.window
        return self._state.length if window is None else min(self._state.seen, window - 1)

    def get_seq_length(self) -> int:
        return self._state.length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._past() + query_length, self._state.length - self._past()

    def get_max_length(self) -> int:
        return -1


class IndexedLayer(KVLayer):
    """A sparse-attention layer (DeepSeek-V3.2, section 2.1), whose indexer keeps a key [1, T, D] for each token too."""

    indexer_position_ids = None

    def update_indexer(self, indexer_key_states: Tensor) -> Tensor:
        if self._plan.index_keys is None:
            raise RuntimeError("a layer that kept no index in its trial was given one")
        return self._state.append(self._plan.index_keys, indexer_key_states[:, None], None)[:, 0]


class HybridLayer(KVLayer, LinearAttentionAndFullAttentionLayer):  # type: ignore[misc]
    """A layer with keys and values in rows and linear-attention states of its own."""

    def __init__(self, state: Slots, plan: LayerPlan, number_of_states: int) -> None:
        LinearAttentionAndFullAttentionLayer.__init__(self, number_of_states=number_of_states)
        self._bind(state, plan)

    def lazy_initialization(self, *args: Any, **kwargs: Any) -> None:
        if not args:
            LinearAttentionLayer.lazy_initialization(self, **kwargs)
