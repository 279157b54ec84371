"""Families that do not keep their state in a plain transformers cache, and the choice of the adapter for a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from ...errors import InvalidInput
from .base import StateAdapter
from .cache import TRIAL_TOKENS, CacheAdapter, inputs_of
from .cache_state import CacheState
from .fixed import FixedAdapter


class RwkvAdapter(FixedAdapter):
    """RWKV-4: five tensors [B, H, L], made by the model's first forward and changed in place by each one."""

    name = "rwkv"
    keyword = "state"

    def __init__(self, model: Any) -> None:
        super().__init__(model, model.config.num_hidden_layers)

    def fresh(self) -> None:
        return None


class Rwkv7Adapter(RwkvAdapter):
    """RWKV-7 (`runtime.rwkv7`): three tensors a layer, made anew by each forward."""

    name = "rwkv7"


class XlstmAdapter(FixedAdapter):
    """xLSTM: three tensors a layer and a counter in a cache object of its own."""

    name = "xlstm"
    keyword = "cache_params"

    def __init__(self, model: Any) -> None:
        super().__init__(model, model.config.num_hidden_layers)

    def fresh(self) -> Any:
        from transformers.models.xlstm.modeling_xlstm import xLSTMCache

        return xLSTMCache(self.config, 1, dtype=self.dtype, device=self.device)

    def read(self, value: Any) -> dict[str, Any]:
        return {name: item for name, item in vars(value).items() if name != "config"}

    def made_of(self, stored: Any) -> Any:
        made = self.fresh()
        vars(made).update(stored)
        return made


class MiniMaxState(CacheState):
    def _extra(self) -> Any:
        return list(self.container.linear_cache)

    def _take_extra(self, extra: Any) -> None:
        self.container.linear_cache = extra


class MiniMaxAdapter(CacheAdapter):
    """MiniMax: its cache keeps the linear-attention states [B, H, D, D] in a list beside the layers.

    It takes its mask from layer 0, which may be a linear one and then has no length of its own: several tokens after a
    stored state see a wrong mask. Layers that all know the session's position, like ours, repair that.
    """

    name = "minimax"
    state_class = MiniMaxState
    _keeps_extra = True

    def container(self, layers: list[Any]) -> Any:
        from transformers.models.minimax.modeling_minimax import MiniMaxCache

        cache = MiniMaxCache()
        cache.layer_class_to_replicate = None
        cache.layers = layers
        cache.linear_cache = [None] * len(layers)
        return cache

    def natives(self) -> list[Any]:
        from transformers.cache_utils import DynamicLayer

        return [DynamicLayer() for _ in range(self._config.num_hidden_layers)]


class RecurrentGemmaState(CacheState):
    """The states of the recurrent blocks lie in the model's modules; they are lent to them for one forward."""

    _lent: dict[int, tuple[Any, Any]]

    def _renew(self) -> None:
        super()._renew()
        self._lent = {}

    def run(self, model: Any, inputs: Mapping[str, Any]) -> Any:
        blocks = recurrent_blocks(model)
        for index, block in blocks.items():
            block.conv1d_state, block.rg_lru.recurrent_states = self._lent.get(index, (None, None))
        try:
            out = super().run(model, inputs)
            self._lent = {i: (block.conv1d_state, block.rg_lru.recurrent_states) for i, block in blocks.items()}
        finally:
            for block in blocks.values():
                block.conv1d_state = block.rg_lru.recurrent_states = None
        return out

    def _extra(self) -> Any:
        return self._lent

    def _take_extra(self, extra: Any) -> None:
        self._lent = extra


class RecurrentGemmaAdapter(CacheAdapter):
    """RecurrentGemma (Griffin): sliding attention in the cache, recurrent states in the modules."""

    name = "recurrent-gemma"
    state_class = RecurrentGemmaState
    _keeps_extra = True


def recurrent_blocks(model: Any) -> dict[int, Any]:
    """RecurrentGemma's recurrent blocks by layer."""
    layers = getattr(model, "model", model).layers
    return {i: layer.temporal_block for i, layer in enumerate(layers) if hasattr(layer.temporal_block, "rg_lru")}


OWN: dict[str, Callable[[Any], StateAdapter]] = {
    "rwkv": RwkvAdapter,
    "rwkv7": Rwkv7Adapter,
    "xlstm": XlstmAdapter,
    "minimax": MiniMaxAdapter,
    "recurrent_gemma": RecurrentGemmaAdapter,
}


def adapter_for(model: Any) -> StateAdapter:
    """The adapter of a loaded model. Raises InvalidInput, naming the family, where none can hold its state."""
    kind = model.config.get_text_config(decoder=True).model_type
    chosen: Callable[[Any], StateAdapter] = OWN.get(kind, CacheAdapter)
    try:
        made = chosen(model)
        if isinstance(made, FixedAdapter):
            _learn(made, model)
    except Exception as error:
        raise InvalidInput(
            f"Models of type {kind!r} cannot be run: a trial forward failed ({type(error).__name__}: {error})."
        ) from error
    return made


def _learn(adapter: FixedAdapter, model: Any) -> None:
    state = adapter.new()
    with torch.inference_mode():
        state.run(model, inputs_of(model, TRIAL_TOKENS, 0))
    snapshot = state.snapshot()
    if snapshot is not None:
        adapter.learn(snapshot)
