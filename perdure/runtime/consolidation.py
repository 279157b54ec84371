"""Sleep: what a conversation taught is found in its words, written into fast weights, judged, and kept in a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidInput
from ..memory import amending, fastweights
from ..memory.facts import extract
from ..memory.fastweights import Record, Said, standing
from ..memory.records import Commit
from .teaching import Outcome, Sourced, Teacher
from .writers import Progress

if TYPE_CHECKING:
    from .session import Session

AT_ONCE = 10
"""Facts that are written and committed together: what is known by then stays when the rest is cancelled."""

KNOWN = 0.5
"""The share of a fact's wordings that a model answers untaught, from which on the fact is not worth a record."""


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What a consolidation did. `ledger` is the branch that holds the records, `commit` its head afterwards.

    `outcomes` are the facts that were tried, `known` how many others were in the ledger already. `whole`: nothing was left
    out because of a cancel.
    """

    ledger: str
    commit: Commit
    outcomes: tuple[Outcome, ...]
    known: int
    whole: bool

    @property
    def written(self) -> list[Record]:
        return [outcome.record for outcome in self.outcomes if outcome.record is not None]


def consolidate(
    session: Session,
    into: str | None = None,
    *,
    teacher: Teacher | None = None,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Consolidated:
    """Write what the user of a session said into the ledger `into`: a branch, made if it is not there, and mounted here.

    None is the first one that the session mounts, or its own. Facts that are in the ledger already are passed over, so one
    that was cut short goes on where it stopped. Raises InvalidInput for an ephemeral session or one that says nothing that
    can be taught, Conflict for one whose state is another model's.
    """
    _require_own(session)
    said = facts_of(session)
    if not said:
        raise InvalidInput(
            f"Session {session.name!r} says nothing that can be taught. Facts about named people or yourself are found; "
            "'remember: ...' makes any sentence one."
        )
    target = _target(session, into)
    held = _ledger(session, target)
    fresh = list(_fresh(said, held))
    outcomes: list[Outcome] = []
    teacher = teacher or Teacher(session.runtime)
    for first in range(0, len(fresh), AT_ONCE):
        batch = fresh[first : first + AT_ONCE]
        found = teacher.write(batch, progress=_shifted(progress, first, len(batch), len(fresh)), cancelled=cancelled)
        judged = [_judged(outcome, each, held) for outcome, each in zip(found, batch, strict=False)]
        _keep(session, target, [outcome.record for outcome in judged if outcome.record is not None])
        outcomes += judged
        if cancelled():
            break
    commit = session.repository.info(target).head
    return Consolidated(target, commit, tuple(outcomes), len(said) - len(fresh), len(outcomes) == len(fresh))


def facts_of(session: Session) -> list[Sourced]:
    """What the user said that can be taught, oldest first; of several that contradict each other all."""
    turn, found, likeness = 0, [], session.runtime.memories.likeness
    for message in session.messages():
        turn += message.role == "user"
        if message.role == "user":
            said = Said(session.copy.uid, turn, message.start, message.end)
            facts = [(likeness.known(each.fact), each.explicit) for each in extract(message.content)]
            found += [Sourced(fact, said, session.head.digest, explicit) for fact, explicit in facts]
    return found


def _require_own(session: Session) -> None:
    if session.name is None:
        raise InvalidInput("An ephemeral session keeps nothing, so nothing can be written for it; open a named session.")
    if session.stale:
        raise Conflict(
            f"Session {session.name!r} has not been computed anew by {session.model.name} yet; say something first."
        )


def _target(session: Session, into: str | None) -> str:
    """The branch whose ledger is written to, made and mounted where it is not yet."""
    repository = session.repository
    named = session.head.state.mounts if session.head.state else ()
    mounts = [name for name in named if repository.exists(name)]
    target = fastweights.target(session.name or "", mounts, repository.exists, into)
    if not repository.exists(target):
        runtime = session.runtime
        repository.create(target, runtime.recipe, model=runtime.model.name, author=runtime.author)
    if target != session.name and target not in mounts:
        session.mount([*mounts, target])
    return target


def _ledger(session: Session, target: str) -> list[Record]:
    repository = session.repository
    held = repository.ledger(repository.info(target).head)
    return standing(repository.records(each.digest for each in held))


def _fresh(said: Sequence[Sourced], held: Iterable[Record]) -> Iterable[Sourced]:
    """The last word on each thing, where the ledger does not have it."""
    known = {(record.key, record.value.casefold()) for record in held}
    last = {each.fact.key: each for each in said}
    return (each for each in last.values() if (each.fact.key, each.fact.value.casefold()) not in known)


def _judged(outcome: Outcome, each: Sourced, held: Iterable[Record]) -> Outcome:
    """The outcome, with what it contradicts; none for what the model knew without being told to remember it."""
    if outcome.record is not None and outcome.worth is not None and outcome.worth.before >= KNOWN and not each.explicit:
        return replace(outcome, record=None, why="the model knows it already")
    older = next((record.value for record in held if record.key == outcome.fact.key), "")
    return replace(outcome, replaces=older) if outcome.record is not None else outcome


def _keep(session: Session, target: str, records: Sequence[Record]) -> None:
    if not records:
        return
    title = f"teach {records[0].statement}"[:72]
    if target == session.name:
        session.teach(records, (), title)
    else:
        amending.teach(session.repository, target, records, title=title, author=session.runtime.author)


def _shifted(progress: Progress, first: int, count: int, total: int) -> Progress:
    """Progress of a batch as facts done of all."""
    return lambda done, steps: progress(first + done * count // max(1, steps), total)
