"""Forwards over several of one session's next tokens, each with the bits that it has in a forward of its own.

The tokens after the first are drafts: what may be drawn next. Each is a row of a batch, as sessions that share a forward
are (`company`): it attends to its own past in the very call that it would make alone, and layers that add up otherwise in
company take the rows one by one. Which numbers of rows give each the bits of single steps is found out by trial.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import Module

from .company import LONGEST_S, kept_apart

if TYPE_CHECKING:
    from .engine import Engine
    from .forwards import Boundary
    from .state.base import State

SIZES = (2, 4, 8)
"""Rows of such a forward: a token and its drafts."""

TRIAL = 20
"""Forwards of one token that finding out takes as long as, about: 8 of them, those of each size, and the layers' trials."""

SHARE = 0.05
"""Of the forwards so far, how many finding out may cost where nobody has asked for it."""

RECENT = 5
"""Forwards of each size whose times are kept."""

BEGUN = 21
"""Tokens of the trial's state."""


@dataclass(slots=True)
class Ahead:
    """What may be drawn after a token, and what the model says after each of these; nothing where they were not tried."""

    drafts: Sequence[int]
    found: list[Boundary] = field(default_factory=list)


class Lookahead:
    """What is known of such forwards: `sizes` that are exact (None: nobody has tried), layers kept `apart`, times, and
    how many forwards there were, `steps`.
    """

    def __init__(self) -> None:
        self.sizes: tuple[int, ...] | None = None
        self.apart: tuple[Module, ...] = ()
        self._took: dict[int, deque[float]] = {}
        self.steps = self._missed = 0
        self._last: int | None = None

    def note(self, rows: int, seconds: float, state: State) -> None:
        """A forward of so many rows of a state has taken so long."""
        self._last = id(state)
        self._took.setdefault(rows, deque(maxlen=RECENT)).append(seconds)
        self.steps += 1

    def shared(self) -> None:
        """Several sessions are in a forward."""
        self._last = None

    def follows(self, state: State) -> bool:
        """Whether the last forward of a token was this state's alone."""
        return self._last == id(state)

    def missed(self) -> None:
        """A token was guessed and not tried."""
        self._missed += 1

    @property
    def due(self) -> bool:
        """Whether finding out is worth its time: as much could have been saved, and it is a small share of all forwards."""
        return self.sizes is None and self._missed >= TRIAL and self.steps * SHARE >= TRIAL

    def cost(self, rows: int) -> float | None:
        """Seconds that a forward of so many rows takes at best of late; None before the first."""
        took = self._took.get(rows)
        return min(took) if took else None


def find_out(engine: Engine, known: Lookahead) -> None:
    """Try each size on a state against single steps: logits, keys and values have to be the same bits."""
    until = time.monotonic() + LONGEST_S
    apart = kept_apart(engine, max(SIZES))
    if apart is None:
        known.sizes = ()
        return
    known.apart = apart
    state = engine.adapter.new()
    try:
        engine.absorb(state, [3 + (7 * place) % 199 for place in range(BEGUN)])
        known.sizes = _exact(engine, known, state, until)
    finally:
        state.release()


def _exact(engine: Engine, known: Lookahead, state: State, until: float) -> tuple[int, ...]:
    tokens = [5 + 11 * number for number in range(max(SIZES))]
    wanted = [_logits(engine, known, state, [token])[0] for token in tokens]
    kept = {size: _kept(engine, state, size) for size in SIZES}
    found: list[int] = []
    for size in SIZES:
        state.crop(BEGUN)
        try:
            logits = _logits(engine, known, state, tokens[:size])
        except Exception:
            break
        state.seen = BEGUN + size
        if not all(map(torch.equal, [*logits, *_kept(engine, state, size)], [*wanted[:size], *kept[size]])):
            break
        found.append(size)
        if time.monotonic() > until:
            break
    return tuple(found)


def _logits(engine: Engine, known: Lookahead, state: State, tokens: Sequence[int]) -> list[Tensor]:
    """After each of the tokens, of which the state has absorbed the first then."""
    began = time.perf_counter()
    found = engine.decode_ahead(state, tokens, known.apart) if len(tokens) > 1 else [engine.feed(state, tokens)]
    known.note(len(tokens), time.perf_counter() - began, state)
    return [boundary.logits for boundary in found]


def _kept(engine: Engine, state: State, tokens: int) -> list[Tensor]:
    return [state.export(group, BEGUN, BEGUN + tokens) for group in engine.adapter.groups]
