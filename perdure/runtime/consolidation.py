"""Sleep: what a conversation taught is found in its words, written into fast weights, judged, and kept in a ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import Conflict, InvalidInput
from ..memory import amending, fastweights
from ..memory.draft import now_ms
from ..memory.facts import Fact, ends, holders, masked, taught
from ..memory.fastweights import Record, Refusal, Said, standing, vectors
from ..memory.records import Commit
from .teaching import Outcome, Sourced, Teacher
from .writers import Progress, writer_for

if TYPE_CHECKING:
    from .session import Session

AT_ONCE = 10
"""Facts that are written and committed together: what is known by then stays when the rest is cancelled."""

ALIKE = 0.4
"""Least cosine of a statement that tells a change to a text of the record whose place it takes."""

KNOWN = 0.5
"""The share of a fact's wordings that a model answers untaught, from which on the fact is not worth a record."""


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What a consolidation did. `ledger` is the branch that holds the records, `commit` its head afterwards (None: nothing
    was found to be taught, and no profile made for it; `why` says so).

    `outcomes` are the facts that were tried, `refused` those that this writer had tried before in vain, `known` how many
    others were in the ledger already. `whole`: nothing was left out because of a cancel.
    """

    ledger: str
    commit: Commit | None
    outcomes: tuple[Outcome, ...]
    known: int
    whole: bool
    refused: tuple[Refusal, ...] = ()
    why: str = ""

    @property
    def written(self) -> list[Record]:
        return [outcome.record for outcome in self.outcomes if outcome.record is not None]


def consolidate(
    session: Session,
    into: str | None = None,
    *,
    writer: str | None = None,
    again: bool = False,
    teacher: Teacher | None = None,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Consolidated:
    """Write what the user of a session said into the ledger `into`: a branch, made if it is not there, and mounted here.

    None is the first one that the session mounts, or its own. Facts that are in the ledger already are passed over, so one
    that was cut short goes on where it stopped, and without `again` those that the same writer has failed at. `writer` is
    one of `WRITERS`, None the best for the model; a `teacher` has its own. A session that says nothing that can be taught
    changes nothing. Raises InvalidInput for an ephemeral session or a writer that the model cannot take, Conflict for a
    session whose state is another model's.
    """
    _require_own(session)
    said = facts_of(session)
    if not said:
        return _nothing(session, into)
    teacher = teacher or teacher_for(session, writer)
    return keep(session, said, into, teacher, again=again, progress=progress, cancelled=cancelled)


def _nothing(session: Session, into: str | None) -> Consolidated:
    why = (
        f"Session {session.name!r} says nothing that can be taught. Facts about named people or yourself are found; "
        "'remember: ...' makes any sentence one."
    )
    repository = session.repository
    ledger = fastweights.target(session.name or "", _mounted(session), repository.exists, into)
    commit = repository.info(ledger).head if repository.exists(ledger) else None
    return Consolidated(ledger, commit, (), 0, True, why=why)


def teacher_for(session: Session, writer: str | None) -> Teacher:
    """A teacher with the writer of this name, or the best for the model. Raises InvalidInput."""
    runtime = session.runtime
    return Teacher(runtime, writer_for(runtime.engine, runtime.loaded.chat, writer))


def keep(
    session: Session,
    said: Sequence[Sourced],
    into: str | None,
    teacher: Teacher,
    *,
    again: bool = False,
    progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Consolidated:
    """Write facts that a session's user said into a ledger, as `consolidate` does with all of them."""
    target = _target(session, into)
    held = _ledger(session, target)
    said = [each._replace(fact=_correcting(session, each.fact, held)) for each in said]
    fresh = list(_fresh(said, held))
    passed = {} if again else _refused(session, target, fresh, teacher)
    left = sorted((each for each in fresh if each not in passed), key=lambda each: each.fact.verbatim)
    outcomes = tuple(_tried(session, target, left, held, teacher, progress, cancelled))
    commit = session.repository.info(target).head
    whole = len(outcomes) == len(left)
    return Consolidated(target, commit, outcomes, len(said) - len(fresh), whole, tuple(passed.values()))


def facts_of(session: Session, since: int = 0) -> list[Sourced]:
    """What the user said that can be taught, from message number `since` on, oldest first; of contradicting facts all."""
    turn, found = 0, []
    for number, message in enumerate(session.messages()):
        turn += message.role == "user"
        if message.role == "user" and number >= since:
            said = Said(session.copy.uid, turn, message.start, message.end)
            found += [Sourced(each.fact, said, session.head.digest, each.explicit) for each in taught(message.content)]
    # The encoder behind this is loaded for facts only.
    return [each._replace(fact=session.runtime.memories.likeness.known(each.fact)) for each in found]


def _require_own(session: Session) -> None:
    if session.name is None:
        raise InvalidInput("An ephemeral session keeps nothing, so nothing can be written for it; open a named session.")
    if session.stale:
        raise Conflict(
            f"Session {session.name!r} has not been computed anew by {session.model.name} yet; say something first."
        )


def _target(session: Session, into: str | None) -> str:
    """The branch whose ledger is written to, made and mounted where it is not yet."""
    repository, mounts = session.repository, _mounted(session)
    target = fastweights.target(session.name or "", mounts, repository.exists, into)
    if not repository.exists(target):
        runtime = session.runtime
        repository.create(target, runtime.recipe, model=runtime.model.name, author=runtime.author)
    if target != session.name and target not in mounts:
        session.mount([*mounts, target])
    return target


def _mounted(session: Session) -> list[str]:
    """The profiles that a session mounts and that are there."""
    named = session.head.state.mounts if session.head.state else ()
    return [name for name in named if session.repository.exists(name)]


def _ledger(session: Session, target: str) -> list[Record]:
    repository = session.repository
    held = repository.ledger(repository.info(target).head)
    return repository.records(each.digest for each in held)


def _correcting(session: Session, fact: Fact, held: Sequence[Record]) -> Fact:
    """A fact that tells a change, as the one of the thing that it is likest to of what is known of its subject."""
    known = [record for record in standing(held) if record.subject == fact.subject]
    if not (fact.changed and known) or any(ends(fact.key, record.key) for record in known):
        return fact
    encoder = session.runtime.memories.encoder
    own = encoder.encode([masked(fact.subject, fact.statement) or fact.statement])[0]
    alike = {record.key: float((vectors(record.own, encoder.dim) @ own).max()) for record in known}
    best = max(alike, key=lambda key: alike[key])
    return replace(fact, same=best) if alike[best] >= ALIKE else fact


def _fresh(said: Sequence[Sourced], held: Sequence[Record]) -> Iterator[Sourced]:
    """The last word on each thing, where the ledger does not have it, nor had it of the same turn before a correction."""
    known = {(record.key, record.value.casefold()) for record in standing(held)}
    read = {(record.key, said.session, said.turn) for record in held for said in record.sources}
    for place, holder in enumerate(holders([each.fact.key for each in said])):
        each = said[place]
        key = each.fact.key
        if place == holder and (key, each.fact.value.casefold()) not in known and (key, *each.said[:2]) not in read:
            yield each


def _refused(session: Session, target: str, fresh: Sequence[Sourced], teacher: Teacher) -> dict[Sourced, Refusal]:
    """Those of the facts that this teacher's writer has failed at before, for the model that runs."""
    weights = session.recipe["weights"]
    listed = session.repository.refusals(session.repository.info(target).head)
    own = [each for each in listed if (each.writer, each.weights) == (teacher.writer, weights)]
    return {each: refusal for each in fresh for refusal in own if refusal.holds(each.fact, each.explicit)}


def _tried(
    session: Session,
    target: str,
    facts: Sequence[Sourced],
    held: Sequence[Record],
    teacher: Teacher,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Iterator[Outcome]:
    """Write, judge and commit facts, some at once."""
    for first in range(0, len(facts), AT_ONCE):
        batch = facts[first : first + AT_ONCE]
        found = teacher.write(batch, progress=_shifted(progress, first, len(batch), len(facts)), cancelled=cancelled)
        judged = [_judged(outcome, each, held) for outcome, each in zip(found, batch, strict=False)]
        records = [outcome.record for outcome in judged if outcome.record is not None]
        pairs = zip(judged, batch, strict=False)
        _commit(session, target, records, [_refusal(*pair, session, teacher) for pair in pairs if pair[0].record is None])
        yield from judged
        if cancelled():
            return


def _judged(outcome: Outcome, each: Sourced, held: Sequence[Record]) -> Outcome:
    """The outcome, with what it contradicts; none for what the model knew without being told to remember it."""
    if outcome.record is not None and outcome.worth is not None and outcome.worth.before >= KNOWN and not each.explicit:
        return replace(outcome, record=None, why="the model knows it already")
    older = ", ".join(record.value for record in standing(held) if ends(outcome.fact.key, record.key))
    return replace(outcome, replaces=older) if outcome.record is not None else outcome


def _refusal(outcome: Outcome, each: Sourced, session: Session, teacher: Teacher) -> Refusal:
    fact, weights = each.fact, session.recipe["weights"]
    return Refusal(fact.key, fact.value, fact.statement, each.explicit, teacher.writer, weights, outcome.why, now_ms())


def _commit(session: Session, target: str, records: Sequence[Record], refused: Sequence[Refusal]) -> None:
    if not records and not refused:
        return
    title = (f"teach {records[0].statement}" if records else f"refuse {refused[0].statement}")[:72]
    if target == session.name:
        session.teach(records, (), title, refused)
    else:
        author = session.runtime.author
        amending.teach(session.repository, target, records, (), refused, title=title, author=author)


def _shifted(progress: Progress, first: int, count: int, total: int) -> Progress:
    """Progress of a batch as facts done of all."""
    return lambda done, steps: progress(first + done * count // max(1, steps), total)
