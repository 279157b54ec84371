"""How much memory a working state may come to take: what it is given room for, before it is."""

from __future__ import annotations

from ..config import BLOCK_TOKENS
from ..memory.records import LayerKind
from ..memory.working import Budget
from .state.base import StateAdapter
from .state.slabs import grown_capacity, snug_capacity

MASS = 16
"""The attention that is counted of a bounded working set takes at most this fraction of its keys and values."""


def most_bytes(adapter: StateAdapter, tokens: int, fed: int, budget: Budget | None) -> int:
    """Bytes that the state of a session of `tokens` tokens takes at most, of which a turn feeds the last `fed`.

    `budget` bounds the working set (None: it holds every token). Layers that are stored whole are not counted: nothing is
    known of how they grow. Buffers have to come from spares that are snug.
    """
    # A state that is restored is opened with room for one block more.
    return sum(_layer(kind, tokens + BLOCK_TOKENS, fed, budget) for kind in adapter.layers())


def _layer(kind: LayerKind, tokens: int, fed: int, budget: Budget | None) -> int:
    if kind.window is not None:
        # A window begins at a block, keeps what the turn adds until its commit, and takes half of that more when it grows.
        held = min(tokens, kind.window + 2 * BLOCK_TOKENS + fed)
        return snug_capacity(held + held // 2) * kind.per_token + kind.fixed
    if budget is None or tokens <= budget.window:
        return grown_capacity(tokens) * kind.per_token + kind.fixed
    slots = grown_capacity(min(tokens + budget.recall, budget.limit)) + budget.entries
    return slots * kind.per_token * (MASS + 1) // MASS + kind.fixed
