"""The adapter of every family whose model takes a transformers cache, told by a trial what the layers keep."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache

from ...memory.events import TRACK, Event
from ...memory.records import LayerKind
from .banks import FAR, NEAR, Turn, banks_of, key_turns, learn_turns, owners
from .base import Snapshot, StateAdapter
from .bounded import turned_rows
from .cache_state import CacheState
from .fixed import require_fit
from .paging import Staging
from .plan import Row, name_of, plan_layers
from .slabs import ROOM, BufferPool
from .spares import Spares
from .together import Along, Prompt, Together

TRIAL_TOKENS = (1, 2, 3)


class CacheAdapter(StateAdapter):
    """Made by a trial forward of three tokens, which shows what each layer keeps and in which shapes."""

    name = "transformers-cache"
    state_class: type[CacheState] = CacheState

    def __init__(self, model: Any) -> None:
        self._config = model.config
        self.staging = Staging(model.device)
        self.dtype = model.dtype
        self.keyword = keyword_of(model)
        trial = self._trial(model)
        self.plans, shapes = plan_layers(trial.layers)
        self.spares = Spares()
        self.pools = [BufferPool(shape, self.staging, self.spares) for shape in shapes]
        self.groups = tuple(sorted({shape.group for shape in shapes}))
        self.device = model.device
        self.banks = banks_of(self.plans, shapes)
        self.owners = owners(self.banks, shapes)
        self.turned: list[list[tuple[list[int], Turn]]] = [[] for _ in shapes]
        self.key_turns = key_turns(self.banks, self.turned)
        self.heard: dict[int, tuple[int, int]] = {}
        self.kept_layers = [i for i, plan in enumerate(self.plans) if plan.linear or plan.opaque]
        self.fixed = bool(self.kept_layers) or self._keeps_extra
        self.batch_select = all(hasattr(layer, "batch_select_indices") for layer in trial.layers)
        self._fit: dict[str, tuple[torch.Size, torch.dtype]] = {}
        self._learn(model)
        self._learn_to_move(model)
        self.heard = self._listen(model) if self.movable else {}
        self.hears = bool(self.heard)
        windows = any(plan.window is not None for plan in self.plans)
        self.joins = self.hears and not self.fixed and not windows and not stretches(model)

    _keeps_extra = False
    """Whether states keep something outside the layers of their cache (`CacheState._extra`)."""

    def unplaced(self, layer: int, turned: Tensor, positions: Tensor) -> Tensor:
        bank, number = self.heard[layer]
        turn = self.key_turns[bank][number]
        return turned if turn is None else turn.move(turned, -positions[:, None])

    def container(self, layers: list[Any]) -> Any:
        """The cache object of the family around its layers."""
        return Cache(layers=layers)

    def natives(self) -> list[Any]:
        """Fresh layers as transformers makes them."""
        return list(DynamicCache(config=self._config).layers)

    def new(self, capacity: int = 0, *, whole: bool = False) -> CacheState:
        return self.state_class(self, capacity, whole=whole)

    def together(self, states: Sequence[CacheState]) -> Together:
        return Together(self, states)

    def ahead(self, state: CacheState, count: int) -> Together:
        return Along(self, state, count)

    def prompt(self, state: CacheState, count: int) -> Together:
        return Prompt(self, state, count)

    def warm(self, tokens: int) -> None:
        """Have buffers ready for one session of up to `tokens` tokens; a window's is twice what it holds."""
        for pool in self.pools:
            window = pool.shape.group.window
            pool.warm(tokens if window is None else min(tokens, 2 * window + ROOM))

    def require_fit(self, snapshot: Snapshot) -> None:
        """Raises RecipeMismatch where a snapshot's tensors are not those of this model."""
        own = {path: tensor for path, tensor in snapshot.tensors.items() if not path.startswith("mass.")}
        require_fit(self._fit, replace(snapshot, tensors=own))

    def layers(self) -> list[LayerKind]:
        return [self._kind(index) for index in range(len(self.plans))]

    def _kind(self, index: int) -> LayerKind:
        plan = self.plans[index]
        per_token = sum(self._row_bytes(row) for row in plan.rows)
        mine = (f"{index}.", f"extra.{index}.")
        fixed = sum(
            size.numel() * dtype.itemsize for path, (size, dtype) in self._fit.items() if f"{path}.".startswith(mine)
        )
        return LayerKind(index, name_of(plan, per_token, fixed), per_token, plan.window, fixed)

    def _row_bytes(self, row: Row) -> int:
        shape = self.pools[row.slab].shape
        return shape.per_token // shape.rows

    def _trial(self, model: Any) -> Any:
        cache = self.container(self.natives())
        with torch.inference_mode():
            model(**inputs_of(model, TRIAL_TOKENS, 0), **{self.keyword: cache}, use_cache=True)
        return cache

    def _learn(self, model: Any) -> None:
        """The shapes that a snapshot of this model has. Growing (opaque) layers have none that stay."""
        if not self.fixed:
            return
        state = self.new()
        with torch.inference_mode():
            state.reserve(len(TRIAL_TOKENS))
            state.run(model, inputs_of(model, TRIAL_TOKENS, 0))
        found = state.snapshot()
        if found is not None and not any(plan.opaque for plan in self.plans):
            self._fit = {path: (tensor.shape, tensor.dtype) for path, tensor in found.tensors.items()}
        state.release()

    def _learn_to_move(self, model: Any) -> None:
        """How keys are turned to other positions, if every layer keeps such as can be."""
        plain = not any(plan.opaque or plan.index_keys is not None for plan in self.plans)
        if not plain or not self.banks or "position_ids" not in inspect.signature(model.forward).parameters:
            return
        turns = learn_turns(model, self._one_token(model, NEAR), self._one_token(model, FAR))
        if turns is not None:
            self.turned, self.movable = turned_rows(turns), True
            self.key_turns = key_turns(self.banks, self.turned)

    def _one_token(self, model: Any, position: int) -> list[Tensor]:
        """What a token without a past leaves in each slab when it stands at `position`, [rows, H, D]."""
        state = self.new(1)
        with torch.inference_mode():
            state.run(model, inputs_of(model, TRIAL_TOKENS[:1], position))
        rows = state.first()
        state.release()
        return rows

    def _listen(self, model: Any) -> dict[int, tuple[int, int]]:
        """Which layers' attention comes by our ear: all that attend to everything, or it is of no use."""
        places = {index: (b, i) for b, bank in enumerate(self.banks) for i, index in enumerate(bank.layers)}
        state = self.new(len(TRIAL_TOKENS))
        state.apply(Event(0, TRACK, {"stride": 1, "window": 0, "block": 1}))
        self.heard = places
        with torch.inference_mode():
            state.reserve(len(TRIAL_TOKENS))
            try:
                state.run(model, inputs_of(model, TRIAL_TOKENS, 0))
            except (ImportError, RuntimeError, TypeError, ValueError):
                # An ImportError is a GPU without Triton.
                return {}
            finally:
                heard = state.heard
                state.release()
        return places if heard == places.keys() else {}


def stretches(model: Any) -> bool:
    """Whether the longest sequence of a batch decides how all of it is rotated (dynamic NTK, LongRoPE)."""
    kinds = [getattr(module, "rope_type", "") for module in model.modules()]
    names = [name for kind in kinds for name in (kind.values() if isinstance(kind, Mapping) else [kind])]
    return any("dynamic" in str(name) or name == "longrope" for name in names)


def keyword_of(model: Any) -> str:
    """The name under which a model takes its cache."""
    names = inspect.signature(model.forward).parameters
    return next(name for name in ("past_key_values", "cache_params", "state") if name in names)


def inputs_of(model: Any, tokens: Sequence[int], start: int) -> dict[str, Any]:
    """Token ids, and explicit positions for models that take them: some families guess wrongly without."""
    return rows_of(model, [tokens], [start])


def rows_of(model: Any, rows: Sequence[Sequence[int]], starts: Sequence[int]) -> dict[str, Any]:
    """The same for several rows of equally many tokens, each with its own position."""
    inputs: dict[str, Any] = {"input_ids": torch.tensor([list(row) for row in rows], device=model.device)}
    if "position_ids" in inspect.signature(model.forward).parameters:
        places = torch.tensor(list(starts), device=model.device)[:, None]
        inputs["position_ids"] = places + torch.arange(len(rows[0]), device=model.device)
    return inputs
