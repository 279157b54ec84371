"""State adapters: how the state of a model family is made, filled, read out and shared.

An adapter knows the shape of one family's state and hides everything else about it. The engine runs forwards through
`cache()`, the session stores and restores through `export` and `load`.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicCache, DynamicLayer

from ..errors import InvalidInput


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
    def release(self) -> None:
        """Give the memory back; the state is empty afterwards."""

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


ROOM = 256
"""Tokens that a newly made buffer has room for beyond what was asked, so that a short turn needs no larger one."""


class BufferPool:
    """KV buffers [L, 2, Hkv, capacity, D] whose pages are in memory already.

    A first write to fresh memory costs more than the copy it is for (17 ms against 2.5 ms for 47 MB, page faults), so a
    released buffer is kept for the next session, up to `bound` bytes of them; `warm` makes one ahead of time.
    """

    def __init__(self, layers: int, heads: int, dim: int, dtype: torch.dtype, device: str, bound: int = 256 << 20) -> None:
        self._shape = (layers, 2, heads, dim)
        self._dtype = dtype
        self._device = device
        self._bound = bound
        self._free: list[Tensor] = []
        self._lock = threading.Lock()

    def take(self, capacity: int) -> Tensor:
        """A buffer with room for at least `capacity` tokens; what is in it is of no meaning."""
        with self._lock:
            fits = [buffer for buffer in self._free if buffer.shape[3] >= capacity > 0]
            if fits:
                found = min(fits, key=lambda buffer: buffer.shape[3])
                self._free = [buffer for buffer in self._free if buffer is not found]
                return found
        return self._new(capacity + ROOM if capacity else 0)

    def give(self, buffer: Tensor) -> None:
        """Keep a buffer for the next one who asks, if the bound allows."""
        with self._lock:
            if buffer.numel() and sum(kept.nbytes for kept in self._free) + buffer.nbytes <= self._bound:
                self._free.append(buffer)

    def warm(self, tokens: int) -> None:
        """Have a buffer of up to `tokens` tokens ready, as large as the bound allows, its pages touched."""
        layers, two, heads, dim = self._shape
        per_token = layers * two * heads * dim * self._dtype.itemsize
        self.give(self._new(min(tokens, self._bound // per_token)).zero_())

    def _new(self, capacity: int) -> Tensor:
        layers, two, heads, dim = self._shape
        # A buffer outlives the forward that asked for it, so it must not be an inference tensor.
        with torch.inference_mode(mode=False):
            return torch.empty(layers, two, heads, capacity, dim, dtype=self._dtype, device=self._device)


class KVState(State):
    """Keys and values of every layer in one buffer [L, 2, Hkv, capacity, D] (2: keys, values), post-RoPE."""

    def __init__(self, pool: BufferPool, capacity: int = 0) -> None:
        self.seen = 0
        self._pool = pool
        self.buffer = pool.take(capacity)
        self._cache = Cache(layers=[KVLayer(self, index) for index in range(len(self.buffer))])

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
        grown = self._pool.take(max(tokens, min(2 * self.capacity, self.capacity + 4096)))
        grown[:, :, :, : self.seen] = self.buffer[:, :, :, : self.seen]
        self._pool.give(self.buffer)
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

    def release(self) -> None:
        self.seen = 0
        self._pool.give(self.buffer)
        self.buffer = self._pool.take(0)

    def fork(self) -> KVState:
        twin = KVState(self._pool, self.seen)
        twin.buffer[:, :, :, : self.seen] = self.buffer[:, :, :, : self.seen]
        twin.seen = self.seen
        return twin


class KVAdapter(StateAdapter):
    """Models whose every layer is full attention with keys and values per KV head (Llama and its kin).

    Raises InvalidInput for any other: its layers keep a state that this adapter would lose.
    """

    def __init__(self, config: Any, dtype: torch.dtype, device: str = "cpu") -> None:
        text = config.get_text_config(decoder=True)
        kinds = {type(layer) for layer in DynamicCache(config=config).layers}
        if kinds != {DynamicLayer} or not getattr(text, "num_key_value_heads", None):
            names = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing that it tells"
            raise InvalidInput(
                f"Models of type {text.model_type!r} are not supported yet: their layers keep {names}, and this version "
                "keeps plain keys and values only (Llama, Qwen2, Qwen3, SmolLM and their kin)."
            )
        dim: int = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        self.pool = BufferPool(text.num_hidden_layers, text.num_key_value_heads, dim, dtype, device)

    def new(self, capacity: int = 0) -> KVState:
        return KVState(self.pool, capacity)
