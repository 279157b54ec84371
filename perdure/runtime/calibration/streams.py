"""A text run through a model whose working set is bounded, as in a session, and how well each token was foretold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ...memory.events import EVICT, TRACK, Event
from ...memory.summary import Summary
from ...memory.working import Budget
from ..state.base import Summaries
from ..state.cache import CacheAdapter, inputs_of
from ..state.cache_state import CacheState
from ..state.plan import Row

STEP = 256
"""Tokens of a forward."""


class Setting(NamedTuple):
    """The working set: at least `window` tokens stay, `block` leave at once, `sinks` (and `entries`) are kept of them."""

    window: int = 512
    block: int = 256
    sinks: int = 4
    entries: int = 0

    def budget(self, context: int) -> Budget:
        return Budget(self.window, self.block, self.sinks, self.entries, 0, context)

    @property
    def first(self) -> int:
        """The first token that a forward of STEP tokens may foretell with a memory."""
        return (self.window + self.block) // STEP * STEP


class Step(NamedTuple):
    """One forward: the number of its first token, the logits [T, vocab] float32 and -log p [T] of the tokens that came."""

    start: int
    logits: Tensor
    losses: Tensor


class OneSummary(Summaries):
    """Finds one backend, whatever is asked for."""

    def __init__(self, summary: Summary) -> None:
        self._summary = summary

    def find(self, detail: Mapping[str, Any]) -> Summary:
        return self._summary

    def made(self, memory: Any) -> Summary:
        return self._summary


class _Differentiable(CacheState):
    """A state whose forwards can be differentiated: what it holds is constant, what a forward adds is not.

    So a gradient reaches back through one forward, as in truncated back-propagation through time.
    """

    def append(self, row: Row, values: Tensor, window: int | None) -> Tensor:
        with torch.no_grad():
            every = super().append(row, values.detach(), window)
        if not values.requires_grad:
            return every
        return torch.cat([every[:, :, : every.shape[2] - values.shape[2]], values], dim=2)


class Streams:
    """Runs texts over one model. `summary` None is full attention: nothing is ever evicted."""

    def __init__(self, model: Any, adapter: CacheAdapter, context: int, setting: Setting) -> None:
        self._model = model
        self._adapter = adapter
        self._budget = setting.budget(context)

    def losses(self, tokens: Sequence[int], summary: Summary | None) -> Tensor:
        """-log p of tokens[1:], [len - 1] float32."""
        with torch.no_grad():
            return torch.cat([step.losses for step in self.steps(tokens, summary)])

    def steps(self, tokens: Sequence[int], summary: Summary | None, grad_from: int | None = None) -> Iterator[Step]:
        """Forward after forward; those from token `grad_from` on can be differentiated, and must be before the next."""
        with self._using(summary) as state:
            last = len(tokens) - 1
            for start in range(0, last, STEP):
                part = tokens[start : min(start + STEP, last)]
                with torch.no_grad():
                    self._make_room(state, len(part), summary)
                    state.reserve(state.seen + len(part))
                with torch.set_grad_enabled(grad_from is not None and start >= grad_from):
                    out = state.run(self._model, inputs_of(self._model, part, state.position))
                    targets = torch.tensor(tokens[start + 1 : start + 1 + len(part)], device=out.logits.device)
                    logits = out.logits[0].float()
                    step = Step(start, logits, functional.cross_entropy(logits, targets, reduction="none"))
                state.seen += len(part)
                yield step

    @contextmanager
    def _using(self, summary: Summary | None) -> Iterator[CacheState]:
        adapter, before = self._adapter, self._adapter.summaries
        if summary is not None:
            adapter.summaries = OneSummary(summary)
        state = type("Differentiable", (_Differentiable, adapter.state_class), {})(adapter)
        try:
            yield state
        finally:
            state.release()
            if summary is not None:
                adapter.summaries = before

    def _make_room(self, state: CacheState, incoming: int, summary: Summary | None) -> None:
        """What `room.make_room` does, without a session."""
        budget = self._budget
        if summary is None:
            return
        if budget.entries and not state.tracks and state.place.entries(state.seen) + incoming > budget.window:
            state.apply(Event(state.seen, TRACK, {"stride": 4, "window": budget.window, "block": budget.block}))
        upto = budget.due(state.place, state.seen, incoming)
        if upto is not None:
            shift = budget.shift(state.place, state.seen, upto, incoming)
            detail = {"upto": upto, "sinks": budget.sinks, "entries": budget.entries, "shift": shift}
            state.apply(Event(state.seen, EVICT, detail))
