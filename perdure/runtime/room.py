"""Making room in a working set before more tokens come: what the budget says becomes events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..memory.events import EVICT, TRACK, WITHDRAW, Event
from ..memory.workingcopy import WorkingCopy
from .warm import captured

if TYPE_CHECKING:
    from .session import Session

SPILL = 64 << 20
"""Bytes of evicted blocks that a turn holds in memory before it writes them ahead of its commit."""

STRIDE = 4
"""Attention mass is counted of every fourth query."""


def make_room(session: Session, incoming: int) -> None:
    """Evict what must leave the window before `incoming` tokens are fed, and have attention mass counted in time."""
    budget, warm = session.budget, session.warm
    if budget is None:
        return
    state, engine = warm.state, session.engine
    wants_mass = budget.entries and engine.adapter.hears
    if wants_mass and not state.tracks and state.place.entries(state.seen) + incoming > budget.window:
        warm.happen(Event(state.seen, TRACK, {"stride": STRIDE, "window": budget.window, "block": budget.block}), engine)
    upto = budget.due(state.place, state.seen, incoming)
    if upto is None:
        return
    if state.place.recalled:
        warm.happen(Event(state.seen, WITHDRAW, {}), engine)
    shift = budget.shift(state.place, state.seen, upto, incoming)
    warm.capture(state.seen if shift else upto, engine)
    spill(session)
    entries = budget.entries if engine.adapter.hears else 0
    named = session.summary.detail
    detail = {"upto": upto, "sinks": budget.sinks, "entries": entries, "shift": shift, **named}
    warm.happen(Event(state.seen, EVICT, detail), engine)


def spill(session: Session) -> None:
    """Write captured blocks before the turn's commit where they would fill the memory: a prompt may be a whole book."""
    warm, copy = session.warm, session.copy
    if not isinstance(copy, WorkingCopy) or warm.held_bytes <= SPILL:
        return
    found = captured(warm, session.origin, session.engine)
    fresh = [block for block in (*found.blocks, *(found.windows or ())) if block.digest is None]
    written = dict(zip((block.lineage for block in fresh), copy.ahead(fresh), strict=True))
    warm.spilled(found, written)
