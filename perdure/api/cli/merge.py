"""`perdure merge`: what one branch remembers and knows, taken into another. No model is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput, MergeConflict
from .. import reports, wiring
from .boundary import say
from .history import SessionName, repository
from .options import REVISION_HELP, Debug, Json, Store
from .output import print_json

if TYPE_CHECKING:
    from ...memory.amending import Merged

SIDES = ("ours", "theirs")
ONE = {"memories": "memory", "records": "record"}


def merge(
    into: SessionName,
    from_: Annotated[str, typer.Argument(metavar="FROM", help=f"What it takes in. {REVISION_HELP}")],
    theirs: Annotated[
        bool, typer.Option("--theirs/--ours", help="Whose conversation goes on: FROM's, or that of SESSION.")
    ] = False,
    prefer: Annotated[
        str | None,
        typer.Option("--prefer", metavar="SIDE", help="Who is right where both changed the same: ours or theirs."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take what another branch remembers and knows into a session, in a commit with two parents.

    Memories and fast-weight records are united, as far as neither side has forgotten them since both parted. Of the two
    conversations one goes on; a linear summary of it takes in the other's sums.
    """
    if prefer not in (None, *SIDES):
        raise InvalidInput(f"--prefer is {prefer!r}; give ours (what {into} says) or theirs (what {from_} says).")
    with repository(store) as history:
        try:
            found = wiring.merge_branch(history, into, from_, theirs=theirs, prefer=prefer, dry_run=dry_run)
        except MergeConflict as error:
            for each in error.clashes:
                say(f"{each.tier} {each.name}: {into} {_made(each.ours)}, {from_} {_made(each.theirs)}.")
            raise
    if json:
        print_json({"session": into, "from": from_, **reports.merged(found)})
        return
    for note in found.plan.notes if found.plan else ():
        say(note)
    typer.echo(_sentence(found, into, from_, dry_run=dry_run))


def _count(tier: str, count: int) -> str:
    return f"{count} {ONE[tier] if count == 1 else tier}"


def _made(text: str | None) -> str:
    return "forgot it" if text is None else f"has {text!r}"


def _sentence(found: Merged, into: str, other: str, *, dry_run: bool) -> str:
    plan = found.plan
    if plan is None:
        return f"{into} has all of {other} already; nothing was changed."
    gained = " and ".join(_count(tier, count) for tier, count in plan.gained.items())
    lost = " and ".join(_count(tier, count) for tier, count in plan.lost.items() if count)
    what = f"{gained} of {other}" + (f", and lost {lost}" if lost else "")
    if dry_run:
        return f"{into} would take in {what}. Nothing was changed."
    return f"{into} took in {what}. `perdure reset {into} {found.before.short}` takes it back."
