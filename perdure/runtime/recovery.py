"""Finishing a turn that a dead process began: what its clients were told is fed to the model again and committed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..memory.records import Message
from ..memory.sessionlog import UnfinishedTurn
from .gating import Opening
from .planning import Plan, moved_spans, plan
from .recollection import Recollection
from .turn import PLAINLY, Cost, Turn, settings_from

if TYPE_CHECKING:
    from .session import Session

EXACT_REPLAY = 1024
"""Streamed tokens that are replayed one by one, so that bits agree with the lost process; beyond it they are prefilled."""


def recover(session: Session, unfinished: UnfinishedTurn) -> None:
    """Replay an unfinished turn and commit it with reason "interrupted" (or what had already ended it)."""
    messages = [Message(role, content, time_ms=time_ms) for role, content, time_ms in unfinished.messages]
    # Where what the turn was begun on is lost, its words and tokens are not.
    intact = unfinished.parent == session.head.digest
    request = unfinished.request or PLAINLY
    session.offer(request["tools"])
    made = _plan_again(session, unfinished, messages) if intact else plan(session, messages)
    turn = Turn(session, made, messages, settings_from(unfinished.sampling), Cost(), request)
    turn.prefill()
    how = _replay(session, turn, list(unfinished.tokens))
    turn.answer.reason = turn.answer.reason or "interrupted"
    cost = turn.cost
    cost.replayed, cost.prefilled, cost.generated = cost.prefilled + cost.generated, 0, 0
    session.notes.append(
        f"An interrupted answer was recovered: {len(unfinished.feed)} prompt tokens and {len(unfinished.tokens)} "
        f"answer tokens were replayed {how}."
    )
    notes = list(session.notes)
    turn.finish("recover")
    session.notes = notes


def _plan_again(session: Session, unfinished: UnfinishedTurn, messages: list[Message]) -> Plan:
    """What the dead process meant to feed; older messages that its template wrote again stand at new places."""
    warm, keep, feed = session.warm, unfinished.keep, unfinished.feed
    wrote_again = bool(warm.messages) and keep < warm.messages[-1].end
    spans = moved_spans(session, messages, [*warm.tokens[:keep], *feed], keep) if wrote_again else ()
    stored = unfinished.recall
    recall = None if stored is None else Recollection.from_record(stored)
    at = 0 if stored is None else stored["at"]
    opened = unfinished.opening
    opening = None if opened is None else Opening.from_record(opened)
    return Plan(keep, feed, keep < warm.state.seen, spans, recall, at, opening, 0 if opened is None else opened["last"])


def _replay(session: Session, turn: Turn, tokens: list[int]) -> str:
    exact = len(tokens) <= EXACT_REPLAY
    fed = []
    for token in tokens:
        if turn.answer.reason:
            break
        turn.take(token)
        if exact:
            turn.feed_last()
        elif turn.answer.ended_with is None:
            fed.append(token)
            turn.forget_last()
    if fed:
        warm = session.warm
        warm.boundary = session.engine.prefill(warm.state, fed)
        warm.fed(session.engine.feeding, fed)
    return "step by step" if exact else "by prefill"
