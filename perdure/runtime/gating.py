"""Which fast weights a turn opens, and why."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ModelNotFound, SessionNotFound
from ..memory.events import OPEN, Event
from ..memory.facts import masked, names_in, with_name
from ..memory.fastweights import Decision, Gains, Gate
from ..memory.records import Commit, Message
from ..memory.repository import Repository
from ..stores.base import Digest
from .relevance import Relevance

if TYPE_CHECKING:
    from .session import Session

LOOKED_AT = 8
"""Closed records that a trace tells of, beside those that were opened."""

KEPT = 8
"""Gates of ledgers that are kept in memory."""


class Opening(NamedTuple):
    """The records that a turn opens, in the order in which they were written, and an account of the choice."""

    records: tuple[Digest, ...]
    trace: Sequence[Mapping[str, Any]]

    def event(self, position: int) -> Event:
        return Event(position, OPEN, {"records": list(self.records)})

    def to_record(self) -> dict[str, Any]:
        """What the journal keeps of it, so that a turn that was cut off can be finished."""
        return {"records": list(self.records), "trace": [dict(item) for item in self.trace]}

    @classmethod
    def from_record(cls, stored: Mapping[str, Any]) -> Opening:
        return cls(tuple(stored["records"]), stored["trace"])


class Weighed(NamedTuple):
    """What the gate decides of the records whose subject a message names, best first, and what a user should know of it."""

    decisions: Sequence[Decision]
    notes: Sequence[str]


class Gates:
    """The gates of a store's ledgers. Thread safe."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._lock = threading.Lock()
        self._gates: OrderedDict[tuple[Any, ...], Gate] = OrderedDict()

    def gate(self, commits: Sequence[Commit], encoder: str, dim: int) -> Gate:
        """The gate over the ledgers of some commits, one after the other."""
        roots = tuple(commit.state.ledger for commit in commits if commit.state is not None)
        key = (roots, encoder)
        with self._lock:
            if key not in self._gates:
                held = [each for commit in commits for each in self._repository.ledger(commit)]
                records = self._repository.records(dict.fromkeys(each.digest for each in held))
                self._gates[key] = Gate([r for r in records if r.encoder == encoder], dim, masked)
            self._gates.move_to_end(key)
            while len(self._gates) > KEPT:
                self._gates.popitem(last=False)
            return self._gates[key]


def gate(session: Session, said: Sequence[Message]) -> Opening | None:
    """What the last message opens; None where nothing is taught or nothing of it is asked for."""
    try:
        return _opening(decided(session, said))
    except ModelNotFound as error:
        session.notes.append(f"No fast weights could be opened. {error}")
        return None


def decided(session: Session, said: Sequence[Message]) -> list[Decision]:
    """What becomes of each record whose subject the last message names, best first.

    Raises ModelNotFound where there is no sentence encoder.
    """
    ledgers = _ledgers(session)
    if session.stale or not ledgers or said[-1].role != "user":
        return []
    encoder = session.runtime.memories.encoder
    found = session.runtime.gates.gate(ledgers, encoder.identity, encoder.dim)
    decisions = found.decide(_wordings(session, said), encoder.encode, _opinion(session))
    return [_of_this_model(session, decision) for decision in decisions]


def weighed(session: Session, said: Sequence[Message]) -> Weighed:
    """The same for those who only ask: what is to be said of it is no note of the session's. Raises ModelNotFound."""
    before = len(session.notes)
    try:
        decisions = decided(session, said)
        again = ["The next turn computes the session anew from its text; it opens nothing."] if session.stale else []
        return Weighed(decisions, [*session.notes[before:], *again])
    finally:
        del session.notes[before:]


def _opinion(session: Session) -> Gains | None:
    """The session's model, where it can be asked what it thinks."""
    relevance = Relevance(session.engine, session.loaded.chat)
    return relevance.gains if relevance.able else None


def _ledgers(session: Session) -> list[Commit]:
    """The commits whose ledgers count: of what is mounted, then the session's own."""
    found = []
    for name in session.head.state.mounts if session.head.state else ():
        try:
            found.append(session.repository.info(name).head)
        except SessionNotFound:
            session.notes.append(f"The profile {name!r} that this session mounts is not there any more.")
    return [commit for commit in (*found, session.head) if commit.state is not None and commit.state.ledger is not None]


def _wordings(session: Session, said: Sequence[Message]) -> list[str]:
    """The question as it was asked and, where it names nobody, as it would be with the name that was spoken of before."""
    question = said[-1].content
    if names_in(question):
        return [question]
    before = [*session.warm.messages[-2:], *said[:-1]]
    name = next((names[-1] for message in reversed(before) if (names := names_in(message.content))), None)
    return [question] if name is None else list(dict.fromkeys([question, with_name(question, name)]))


def _of_this_model(session: Session, decision: Decision) -> Decision:
    if decision.opened and decision.record.weights != session.recipe["weights"]:
        return decision._replace(why="it was written for another model")
    return decision


def _opening(decisions: Sequence[Decision]) -> Opening | None:
    opened = [decision.record for decision in decisions if decision.opened]
    if not opened:
        return None
    closed = [decision for decision in decisions if not decision.opened][:LOOKED_AT]
    order = {decision.record.digest: decision.record.time_ms for decision in decisions}
    records = sorted((record.digest for record in opened), key=lambda digest: (order[digest], digest))
    trace = [_account(decision) for decision in decisions if decision.opened or decision in closed]
    return Opening(tuple(records), trace)


def _account(decision: Decision) -> dict[str, Any]:
    """What a trace says of a record that was looked at."""
    return {
        "record": decision.record.digest,
        "id": decision.record.id,
        "statement": decision.record.statement,
        "score": round(decision.score, 6),
        "against": round(decision.against, 6),
        "gain": None if decision.gain is None else round(decision.gain, 6),
        "closed": decision.why,
    }
