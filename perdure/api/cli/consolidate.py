"""`perdure consolidate`: what a session's user said, written into fast weights."""

from __future__ import annotations

from contextlib import closing
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from ...config import CHOSEN_WRITERS, WRITERS, known_writer
from ...memory.names import checked
from .. import lessons, reports, wiring
from .boundary import INTERRUPTED, say
from .history import repository
from .machine import running
from .options import DEFAULT_SESSION, EMBEDDED_MODEL, STORED, Debug, Json, Model, Store, Weights
from .output import Step, print_json, print_table
from .record_render import lesson_table, outcome_table
from .turn import cancelled_by_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ...memory import Repository
    from ...runtime.consolidation import Consolidated
    from ..lessons import Lesson

NOTHING = "says nothing that can be taught. Facts about named people or yourself are found; 'remember: ...' makes any one."


def consolidate(
    session: Annotated[
        str, typer.Argument(metavar="SESSION", help="The session whose user taught something.")
    ] = DEFAULT_SESSION,
    into: Annotated[
        str | None,
        typer.Option(
            "--into",
            metavar="NAME",
            show_default=False,
            help="The profile to write to, made if it is not there; else the first one that the session mounts, or itself.",
        ),
    ] = None,
    writer: Annotated[
        str | None,
        typer.Option(
            "--writer",
            metavar="NAME",
            show_default=False,
            help=f"What writes the records: {', '.join(WRITERS)}; else the first of them that the model can take.",
        ),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Try what this writer could not write before once more.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the facts that are found; loads no model.")] = False,
    model: Model = EMBEDDED_MODEL,
    weights: Weights = STORED,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write what the user told a session into fast weights: one small record for each fact, opened by what asks for it.

    The facts are found in the user's messages, written, tested on wordings that they were not written from, and kept where
    they pass; those that do not are refused at once the next time. Ctrl-C keeps what was written by then; the same command
    goes on from there.
    """
    if into is not None:
        checked(into, "profile")
    if writer is not None:
        known_writer(writer)
    with repository(store) as history:
        history.info(session)
        if dry_run:
            _list(history, session, into, () if again else [writer] if writer else CHOSEN_WRITERS, json=json)
            return
    done = _consolidated(session, into, model, store, weights=weights, writer=writer, again=again)
    if json:
        print_json({"session": session, **reports.consolidated(done)})
    else:
        _tell(session, done)
    if not done.whole:
        raise typer.Exit(INTERRUPTED)


def _consolidated(
    session: str, into: str | None, model: str, store: Path | None, *, weights: str, writer: str | None, again: bool
) -> Consolidated:
    enough = Event()
    with (
        running(model, store, weights=weights) as runtime,
        closing(runtime.session(session, create=False)) as opened,
        Step(f"consolidating {session}") as progress,
        cancelled_by_ctrl_c(enough.set),
    ):
        return wiring.consolidate(opened, into, writer=writer, again=again, progress=progress, cancelled=enough.is_set)


def _tell(session: str, done: Consolidated) -> None:
    if done.commit is None or done.why:
        say(done.why)
        return
    if done.outcomes or done.refused:
        print_table(outcome_table(done.outcomes, done.refused))
    if done.known:
        say(f"{_facts(done.known)} of {session} are in {done.ledger} already.")
    if done.refused:
        say(f"Refused before: {_facts(len(done.refused))}. --again tries once more, --writer another way.")
    if not done.whole:
        say("Interrupted. The same command goes on from there.")
    tried = len(done.outcomes)
    kept = f"{len(done.written)} of {_facts(tried)} kept." if tried else "Nothing was left to write."
    typer.echo(f"{kept} {done.ledger} is at {done.commit.short}; use it with: perdure chat -s NEW --profile {done.ledger}")


def _list(history: Repository, session: str, into: str | None, writers: Sequence[str], *, json: bool) -> None:
    found = lessons.lessons(history, session, into, writers)
    ledger = lessons.target(history, session, into)
    if json:
        print_json({"session": session, "ledger": ledger, "facts": [_shape(each) for each in found]})
        return
    if not found:
        say(f"{session} {NOTHING}")
        return
    print_table(lesson_table(found))
    new = sum(each.state == "new" for each in found)
    typer.echo(f"{_facts(new)} would be written into {ledger}; nothing was changed.")


def _shape(each: Lesson) -> dict[str, object]:
    fact = each.fact
    words = {"statement": fact.statement, "subject": fact.subject, "relation": fact.relation, "value": fact.value}
    span = {"start": each.start, "end": each.end}
    state = {"explicit": each.explicit, "state": each.state, "why": each.why or None}
    return {**words, "turn": each.turn, "span": span, **state}


def _facts(count: int) -> str:
    return f"{count} fact{'' if count == 1 else 's'}"
