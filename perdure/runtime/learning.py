"""Facts learned as they are said: after a turn's commit, by the writer that `MemoryOptions.learn` names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..config import LEARN_OFF
from ..errors import PerdureError
from .consolidation import Consolidated, facts_of, keep, teacher_for

if TYPE_CHECKING:
    from .session import Session

FAILED = "Nothing was learned of this turn: "
LATER = "it was cancelled. `perdure consolidate` finds what it told."


def learn(session: Session, messages: int, cancelled: Callable[[], bool]) -> list[str]:
    """Write what the user said in the session's last `messages` messages where `consolidate` would write it.

    Gives sentences that tell what became of each fact; none where there are none, and in an ephemeral session. Whatever
    fails becomes a sentence too: the turn is committed, and its caller gets its answer.
    """
    if session.runtime.memory.learn == LEARN_OFF or session.name is None:
        return []
    try:
        return _learned(session, messages, cancelled)
    except PerdureError as error:
        return [f"{FAILED}{error}"]
    except Exception as error:
        return [f"{FAILED}{type(error).__name__}: {error}"]


def _learned(session: Session, messages: int, cancelled: Callable[[], bool]) -> list[str]:
    said = facts_of(session, len(session.messages()) - messages)
    if not said:
        return []
    if cancelled():
        return [f"{FAILED}{LATER}"]
    teacher = teacher_for(session, session.runtime.memory.learn)
    said = [each for each in said if teacher.learns(each.fact)]
    return list(_sentences(keep(session, said, None, teacher, cancelled=cancelled)))


def _sentences(done: Consolidated) -> Iterator[str]:
    for each in done.outcomes:
        statement = each.fact.statement
        yield f"learned: {statement}" if each.record is not None else _not_kept(statement, each.why)
    for refusal in done.refused:
        yield _not_kept(refusal.statement, f"refused before: {refusal.why}")
    if done.known:
        yield f"already known: {done.known} of what was told."
    if not done.whole:
        yield f"Not all of this turn was learned: {LATER}"


def _not_kept(statement: str, why: str) -> str:
    return f"not kept: {statement.rstrip('.')} ({why})."
