"""What a session's user said that could be taught, found in the text alone: no model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..memory import fastweights
from . import taught

if TYPE_CHECKING:
    from ..memory.facts import Fact, Found
    from ..memory.records import Message
    from .taught import Ledgers

State = Literal["new", "known", "said again", "corrected"]


class Lesson(NamedTuple):
    """A fact, the user's turn that told it and the message's tokens, and what a consolidation would do with it.

    `state` "new" would be written; "known" is in the ledger already; "said again" and "corrected" give way to a later
    word on the same thing, of the same value or of another.
    """

    fact: Fact
    turn: int
    start: int
    end: int
    explicit: bool
    state: State


def target(history: Ledgers, session: str, into: str | None) -> str:
    """The branch that a consolidation of a session writes to. Raises SessionNotFound."""
    return fastweights.target(session, taught.mounts(history.info(session).head), history.exists, into)


def lessons(history: Ledgers, session: str, into: str | None = None) -> list[Lesson]:
    """The facts that the user of a session told, oldest first. Raises SessionNotFound."""
    said = _said(history.messages(session)) if history.info(session).head.messages else []
    known = _known(history, target(history, session, into))
    last = {found.fact.key: found for _, _, found in said}
    return [
        Lesson(found.fact, turn, message.start, message.end, found.explicit, _state(found, last[found.fact.key], known))
        for turn, message, found in said
    ]


def _said(messages: Sequence[Message]) -> list[tuple[int, Message, Found]]:
    """(turn, message, fact) for each fact of each of the user's messages."""
    from ..memory import facts

    asked = [message for message in messages if message.role == "user"]
    return [(turn, message, found) for turn, message in enumerate(asked, 1) for found in facts.extract(message.content)]


def _known(history: Ledgers, ledger: str) -> set[tuple[str, str]]:
    """What a ledger holds already, as (key, value) and as ("", statement)."""
    from ..memory.fastweights import standing

    if not history.exists(ledger):
        return set()
    held = history.ledger(history.info(ledger).head)
    records = standing(history.records(each.digest for each in held))
    return {pair for each in records for pair in ((each.key, each.value.casefold()), ("", each.statement))}


def _state(found: Found, last: Found, known: set[tuple[str, str]]) -> State:
    value = found.fact.value.casefold()
    if last is not found:
        return "said again" if last.fact.value.casefold() == value else "corrected"
    return "new" if known.isdisjoint([(found.fact.key, value), ("", found.fact.statement)]) else "known"
