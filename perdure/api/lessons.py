"""What a session's user said that could be taught, found in the text alone: no model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..config import CHOSEN_WRITERS
from ..memory import fastweights
from . import taught

if TYPE_CHECKING:
    from ..memory.facts import Fact, Found
    from ..memory.fastweights import Refusal
    from ..memory.records import Message
    from .taught import Ledgers

State = Literal["new", "known", "refused", "said again", "corrected"]


class Lesson(NamedTuple):
    """A fact, the user's turn that told it and the message's tokens, and what a consolidation would do with it.

    `state` "new" would be written; "known" is in the ledger already; "refused" was not worth a record before, and `why`
    says why; "said again" and "corrected" give way to a later word on the same thing, of the same value or of another.
    """

    fact: Fact
    turn: int
    start: int
    end: int
    explicit: bool
    state: State
    why: str = ""


def target(history: Ledgers, session: str, into: str | None) -> str:
    """The branch that a consolidation of a session writes to. Raises SessionNotFound."""
    return fastweights.target(session, taught.mounts(history.info(session).head), history.exists, into)


def lessons(
    history: Ledgers, session: str, into: str | None = None, writers: Sequence[str] = CHOSEN_WRITERS
) -> list[Lesson]:
    """The facts that the user of a session told, oldest first; `writers` are those whose refusals count.

    Raises SessionNotFound.
    """
    from ..memory import facts

    said = _said(history.messages(session)) if history.info(session).head.messages else []
    ledger = target(history, session, into)
    known, refused = _known(history, ledger), _refused(history, ledger, writers)
    last = [said[place][2] for place in facts.holders([found.fact.key for _, _, found in said])]
    return [
        Lesson(found.fact, turn, message.start, message.end, found.explicit, *_state(found, final, known, refused))
        for (turn, message, found), final in zip(said, last, strict=True)
    ]


def _said(messages: Sequence[Message]) -> list[tuple[int, Message, Found]]:
    """(turn, message, fact) for each fact of each of the user's messages."""
    from ..memory import facts

    asked = [message for message in messages if message.role == "user"]
    return [(turn, message, found) for turn, message in enumerate(asked, 1) for found in facts.taught(message.content)]


def _known(history: Ledgers, ledger: str) -> set[tuple[str, str]]:
    """What a ledger holds already, as (key, value) and as ("", statement)."""
    from ..memory.fastweights import standing

    if not history.exists(ledger):
        return set()
    held = history.ledger(history.info(ledger).head)
    records = standing(history.records(each.digest for each in held))
    return {pair for each in records for pair in ((each.key, each.value.casefold()), ("", each.statement))}


def _refused(history: Ledgers, ledger: str, writers: Sequence[str]) -> list[Refusal]:
    """What these writers have failed at, for whichever model."""
    found = history.refusals(history.info(ledger).head) if history.exists(ledger) else []
    return [each for each in found if each.writer.partition("/")[0] in writers]


def _state(found: Found, final: Found, known: set[tuple[str, str]], refused: Sequence[Refusal]) -> tuple[State, str]:
    """The state of a fact, and why it was refused if it was."""
    fact, value = found.fact, found.fact.value.casefold()
    if final is not found:
        return ("said again" if final.fact.value.casefold() == value else "corrected"), ""
    if not known.isdisjoint([(fact.key, value), ("", fact.statement)]):
        return "known", ""
    why = next((each.why for each in refused if each.holds(fact, found.explicit)), "")
    return ("refused" if why else "new"), why
