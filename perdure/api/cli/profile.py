"""`perdure profile`: ledgers of fast weights, listed, mounted, compared and merged. No command here loads a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput, SessionNotFound
from .. import reports, taught, wiring
from ..origins import origins
from . import mounting, shapes
from .boundary import say
from .history import repository
from .memory_render import facts
from .options import REVISION_HELP, Debug, Json, Store
from .output import print_json, print_table, stdout
from .record_render import comparison_text, conflict_lines, profile_table, record_table, records, weights_facts

if TYPE_CHECKING:
    from ...memory import Repository
    from ...memory.fastweights import Comparison, Record

Name = Annotated[str, typer.Argument(metavar="NAME", help="The profile: a branch that holds records.")]

app = typer.Typer(
    rich_markup_mode=None,
    help="Profiles: what was taught once and can be known in any session.\n\n"
    "A profile is a branch whose ledger holds fast-weight records; each session is one as soon as something was "
    "consolidated into it. So fork, log, diff, tag, reset, export, import and rm work on profiles as on sessions.",
)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def ls(store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """List the branches that hold records."""
    found = []
    if wiring.store_path(store).exists():
        with repository(store) as history:
            found = taught.profiles(history)
    if json:
        print_json({"profiles": [reports.profile(each) for each in found]})
    elif found:
        print_table(profile_table(found))
    else:
        say("No branch holds records yet; `perdure consolidate` writes what the user of a session said into one.")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"The profile, or any revision. {REVISION_HELP}")],
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the records of a profile: what each says, what it is worth, whether it holds, and where it was said.

    A source that was deleted is marked so; the record works on.
    """
    with repository(store) as history:
        commit = history.resolve(name)
        ledger = taught.Ledger(name, commit, tuple(history.ledger(commit)))
        known, tier = taught.opened(history, taught.rows([ledger])), taught.tier(history, [ledger])
        left = origins(history, [each.record for each in known])
    if json:
        listed = [reports.known(each, left) for each in known]
        print_json({"profile": name, **shapes.commit(commit), "fast-weights": reports.fast_weights(tier), "records": listed})
        return
    stdout().print(facts(commit, weights_facts(tier)))
    if known:
        print_table(record_table(known, left))


app.command()(mounting.mount)
app.command()(mounting.unmount)


@app.command()
def diff(
    base: Annotated[str, typer.Argument(metavar="A", help=f"A profile, or any revision. {REVISION_HELP}")],
    head: Annotated[str, typer.Argument(metavar="B", help="The one to compare with A.")],
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two profiles: the records that each holds alone, and where their last words contradict each other."""
    with repository(store) as history:
        found = taught.compared(history, history.resolve(base), history.resolve(head))
        left = origins(history, found.records)
    if json:
        print_json({"base": base, "head": head, **reports.comparison(found, left)})
    else:
        stdout().print(comparison_text(found, base, head))


@app.command()
def merge(
    into: Annotated[str, typer.Argument(metavar="INTO", help="The profile that takes the records in.")],
    other: Annotated[str, typer.Argument(metavar="OTHER", help="The profile whose records it takes in; it stays as it is.")],
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring the records of one profile into another. Of two that contradict each other the later word holds."""
    if into == other:
        raise InvalidInput(f"{into} and {other} are the same profile; name two.")
    with repository(store) as history:
        history.info(other)
        if not history.exists(into):
            raise SessionNotFound(f"There is no profile {into[:80]!r}; `perdure fork {other} {into}` makes it of {other}.")
        found = wiring.merge(history, into, other)
        commit, left = history.info(into).head, origins(history, found.records)
    if json:
        print_json({"profile": into, "other": other, "commit": commit.hex, **reports.comparison(found, left)})
        return
    for line in conflict_lines(found.conflicts, into, other):
        stdout().print(line)
    typer.echo(_merged(into, other, found))


def _merged(into: str, other: str, found: Comparison) -> str:
    if not found.theirs:
        return f"{into} holds all of {other} already; nothing was changed."
    return f"{into} took in {records(len(found.theirs))} of {other}. `perdure reset {into} HEAD~1` takes it back."


@app.command()
def forget(
    name: Name,
    record: Annotated[
        str, typer.Argument(metavar="RECORD", help="The record's id, or the 4 or more digits it begins with.")
    ],
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take a record out of a profile: from now on it is as if that had never been written."""
    with repository(store) as history:
        gone = wiring.unteach(history, name, record)
        again = _holds_again(history, name, gone)
        commit, left = history.info(name).head, origins(history, [gone])
    if again is not None:
        say(f"{again.id} holds again: {again.statement}")
    if json:
        print_json({"profile": name, "commit": commit.hex, "record": reports.record(gone, left)})
    else:
        typer.echo(f"{name} forgot {gone.id}: {gone.statement} `perdure reset {name} HEAD~1` takes it back.")


def _holds_again(history: Repository, name: str, gone: Record) -> Record | None:
    """What the profile says of the same thing now."""
    from ...memory.facts import ends
    from ...memory.fastweights import standing

    left = standing(history.records(held.digest for held in history.ledger(history.info(name).head)))
    return next((record for record in reversed(left) if ends(gone.key, record.key)), None)
