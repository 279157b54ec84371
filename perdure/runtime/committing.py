"""What a finished turn gives the working copy to commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..memory.checkpoints import TURN
from ..memory.draft import Draft
from ..memory.records import Message
from .archive import archived
from .carrying import carried
from .encoding import pack_boundary
from .turn import Turn
from .warm import additions

if TYPE_CHECKING:
    from .session import Session

COUNTED = ("restored", "reused", "recalled", "opened", "prefilled", "replayed", "generated")


def draft_of(session: Session, kind: str, said: list[Message], turn: Turn) -> Draft:
    """The turn's messages, tokens, blocks, snapshots and boundary, on top of the session's head or of a part of it."""
    warm = session.warm
    remembered = [*(carried(session) if session.stale else ()), *archived(session, said)]
    session.mark(TURN)
    added = additions(warm, session.origin, session.engine, session.checkpoints.codec)
    boundary = warm.boundary
    cost = turn.cost
    replaces = turn.rewrites or session.stale
    return Draft(
        kind=kind,
        recipe=session.recipe.to_meta(),
        runs=warm.new_runs(),
        blocks=added.blocks,
        windows=added.windows,
        snapshots=added.snapshots,
        keep=session.checkpoints,
        layout=session.runtime.layout,
        messages=[*warm.messages, *said] if replaces else said,
        boundary=None if boundary is None else pack_boundary(boundary, warm.state.seen),
        logits=b"" if boundary is None else boundary.digest,
        pending=() if turn.answer.ended_with is None else (turn.answer.ended_with,),
        lineage=added.tip,
        seed=session.seed,
        reason=turn.answer.reason,
        author=session.runtime.author,
        title=next((m.content for m in said if m.role == "user"), "")[:72].split("\n")[0],
        answers=1,
        metrics={name: getattr(cost, name) for name in COUNTED},
        base_tokens=warm.committed if replaces else None,
        events=warm.events if replaces else warm.events[warm.told :],
        episodes=remembered,
        archived=warm.archived,
        trace=turn.trace,
        request=turn.request,
    )
