"""What each layer of a model keeps, read off a cache after a trial forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from transformers.cache_utils import (
    DummyLayer,
    DynamicIndexedLayer,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionAndSlidingWindowAttentionLayer,
    LinearAttentionCacheLayerMixin,
    LinearAttentionLayer,
)

from .base import Group
from .slabs import SlabShape, group_of

KNOWN = frozenset(
    {
        DummyLayer,
        DynamicLayer,
        DynamicIndexedLayer,
        DynamicSlidingWindowLayer,
        LinearAttentionLayer,
        LinearAttentionAndFullAttentionLayer,
        LinearAttentionAndSlidingWindowAttentionLayer,
    }
)
"""Layers whose parts are known one by one."""


class Row(NamedTuple):
    """Where one tensor per token of a layer is: its slab and the row in it."""

    slab: int
    row: int


class LayerPlan(NamedTuple):
    """One layer: the class transformers made for it, its window, and the rows of what it keeps per token.

    `index_keys` are those of a sparse-attention indexer. An `opaque` layer is of a kind that is stored whole, as it is.
    """

    made: type
    window: int | None
    opaque: bool
    keys: Row | None = None
    values: Row | None = None
    index_keys: Row | None = None

    @property
    def linear(self) -> bool:
        return not self.opaque and issubclass(self.made, LinearAttentionCacheLayerMixin)

    @property
    def rows(self) -> list[Row]:
        return [row for row in (self.keys, self.values, self.index_keys) if row is not None]


def plan_layers(layers: Sequence[Any]) -> tuple[list[LayerPlan], list[SlabShape]]:
    """Give every layer that kept keys its rows, and say which slabs that makes."""
    bare = [LayerPlan(type(layer), _window(layer), _opaque(layer)) for layer in layers]
    windows = [plan.window for plan in bare if plan.window is not None]
    rows: dict[SlabShape, int] = {}
    plans = []
    for plan, layer in zip(bare, layers, strict=True):
        if plan.opaque or getattr(layer, "keys", None) is None:
            plans.append(plan)
            continue
        group = group_of(None if plan.window is None else max(windows))
        plan = plan._replace(keys=_row(group, layer.keys, rows), values=_row(group, layer.values, rows))
        if getattr(layer, "indexer_keys", None) is not None:
            plan = plan._replace(index_keys=_row(group, layer.indexer_keys[:, None], rows))
        plans.append(plan)
    return plans, [shape._replace(rows=count) for shape, count in rows.items()]


def _row(group: Group, tensor: Tensor, rows: dict[SlabShape, int]) -> Row:
    shape = SlabShape(group, 0, tensor.shape[1], tensor.shape[3], tensor.dtype)
    row = rows.setdefault(shape, 0)
    rows[shape] += 1
    return Row(list(rows).index(shape), row)


def _window(layer: Any) -> int | None:
    return int(layer.sliding_window) if isinstance(layer, DynamicSlidingWindowLayer) else None


def _opaque(layer: Any) -> bool:
    """Subclasses keep more than their bases, in ways of their own."""
    return type(layer) not in KNOWN or getattr(layer, "indexer_position_ids", None) is not None


def name_of(plan: LayerPlan, per_token: int, fixed: int) -> str:
    if plan.opaque:
        return f"whole ({plan.made.__name__})"
    attention = "" if not per_token else "sliding attention" if plan.window is not None else "attention"
    recurrent = "recurrent" if fixed else ""
    return " + ".join(part for part in (recurrent, attention) if part) or "nothing"
