"""State adapters: how the state of a model family is made, filled, read out and shared.

An adapter knows the shape of one family's state and hides everything else about it. The engine runs forwards through
`cache()`, the session stores and restores through `export` and `load`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


class State(ABC):
    """The working state of one session: everything the model remembers of the first `seen` tokens.

    `seen` counts tokens that the state has absorbed and is moved only by the engine (forwards) and by `crop`.
    """

    seen: int

    @abstractmethod
    def cache(self) -> Cache:
        """The object to hand to the model as `past_key_values`; it writes through to this state."""

    @abstractmethod
    def reserve(self, tokens: int) -> None:
        """Make room for `tokens` in total; what was absorbed stays. Raises nothing but MemoryError."""

    @abstractmethod
    def export(self, start: int, end: int) -> Tensor:
        """A contiguous copy of what tokens [start, end) left in the state, in the shape `shape(end - start)`."""

    @abstractmethod
    def load(self, start: int, tokens: int, payload: memoryview) -> None:
        """Put back what `export` gave for [start, start + tokens). Does not move `seen`."""

    @abstractmethod
    def shape(self, tokens: int) -> tuple[int, ...]:
        """Shape of the exported tensor of so many tokens."""

    @abstractmethod
    def crop(self, tokens: int) -> None:
        """Forget all but the first `tokens` tokens. Exact, because later tokens never touch what earlier ones left."""

    @abstractmethod
    def fork(self) -> State:
        """An independent state with the same contents."""

    @property
    @abstractmethod
    def dtype(self) -> torch.dtype: ...

    def nbytes(self, tokens: int) -> int:
        """Bytes of the exported tensor of so many tokens."""
        return math.prod(self.shape(tokens)) * self.dtype.itemsize


class StateAdapter(ABC):
    """Makes states for one model. `supports_crop`: any prefix can be kept exactly."""

    supports_multi_token: bool = True
    supports_crop: bool = True

    @abstractmethod
    def new(self, capacity: int = 0) -> State:
        """An empty state with room for `capacity` tokens."""


class KVLayer(CacheLayerMixin):  # type: ignore[misc]
    """One attention layer's view of a KVState: new keys and values go to the slots after `seen`."""

    def __init__(self, state: KVState, index: int) -> None:
        super().__init__()
        self._state = state
        self._index = index
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor | None = None) -> None: ...

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        start = self._state.seen
        end = start + key_states.shape[-2]
        slots = self._state.buffer[self._index]
        slots[0, :, start:end] = key_states[0]
        slots[1, :, start:end] = value_states[0]
        return slots[0:1, :, :end], slots[1:2, :, :end]

    def get_seq_length(self) -> int:
        return self._state.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self._state.seen + query_length, 0

    def get_max_cache_shape(self) -> int:
        return -1

    def get_max_length(self) -> int:
        return -1


class KVState(State):
    """Keys and values of every layer in one buffer [L, 2, Hkv, capacity, D] (2: keys, values), post-RoPE."""

    def __init__(
        self, layers: int, heads: int, dim: int, dtype: torch.dtype, capacity: int = 0, device: str = "cpu"
    ) -> None:
        self.seen = 0
        self.buffer = torch.empty(layers, 2, heads, capacity, dim, dtype=dtype, device=device)
        self._cache = Cache(layers=[KVLayer(self, index) for index in range(layers)])

    @property
    def dtype(self) -> torch.dtype:
        return self.buffer.dtype

    @property
    def capacity(self) -> int:
        return self.buffer.shape[3]

    def cache(self) -> Cache:
        return self._cache

    def reserve(self, tokens: int) -> None:
        if tokens <= self.capacity:
            return
        layers, two, heads, capacity, dim = self.buffer.shape
        room = max(tokens, min(2 * capacity, capacity + 4096))
        grown = self.buffer.new_empty(layers, two, heads, room, dim)
        grown[:, :, :, :capacity] = self.buffer
        self.buffer = grown

    def shape(self, tokens: int) -> tuple[int, ...]:
        layers, two, heads, _, dim = self.buffer.shape
        return layers, two, heads, tokens, dim

    def export(self, start: int, end: int) -> Tensor:
        return self.buffer[:, :, :, start:end].contiguous()

    def load(self, start: int, tokens: int, payload: memoryview) -> None:
        target = self.buffer[:, :, :, start : start + tokens].view(torch.uint8)
        # numpy copies straight out of the read-only map; torch would want a writable buffer first
        source = np.frombuffer(payload, dtype=np.uint8).reshape(target.shape)
        if target.device.type == "cpu":
            target.numpy()[...] = source
        else:
            target.copy_(torch.from_numpy(source.copy()))

    def crop(self, tokens: int) -> None:
        self.seen = min(self.seen, tokens)

    def fork(self) -> KVState:
        layers, _, heads, capacity, dim = self.buffer.shape
        twin = KVState(layers, heads, dim, self.dtype, capacity, str(self.buffer.device))
        twin.buffer[:, :, :, : self.seen] = self.buffer[:, :, :, : self.seen]
        twin.seen = self.seen
        return twin


class KVAdapter(StateAdapter):
    """Models whose every layer is full attention with keys and values per KV head (Llama and its kin)."""

    def __init__(self, config: Any, dtype: torch.dtype, device: str = "cpu") -> None:
        text = config.get_text_config(decoder=True)
        self._layers: int = text.num_hidden_layers
        self._heads: int = text.num_key_value_heads
        self._dim: int = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self._dtype = dtype
        self._device = device

    def new(self, capacity: int = 0) -> KVState:
        return KVState(self._layers, self._heads, self._dim, self._dtype, capacity, self._device)
