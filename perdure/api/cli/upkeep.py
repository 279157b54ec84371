"""Commands that move, examine and clean a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import reports
from ..figures import size
from . import shapes
from .boundary import DEFECT
from .history import SessionName, repository
from .machine import running
from .options import EMBEDDED_MODEL, STORED, Debug, Json, Model, Store, Weights, Yes
from .output import Step, confirm, print_json, stdout, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...memory.records import FsckReport, GcReport, Problem


def export(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="A session, or any revision.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle to write.")],
    yes: Yes = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a session with its history and its memory into one file."""
    with repository(store) as history:
        if file.exists():
            confirm(f"Overwrite {file}?", yes=yes)
        with Step(f"exporting {session}") as progress:
            written = history.export(session, file, progress)
    if json:
        print_json({"session": session, "file": str(file), "bytes": written})
    else:
        typer.echo(f"Wrote {size(written)} to {file}.")


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle to read.")],
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="Name the session so.")] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring in a session from a bundle. All of it is checked before any is stored."""
    with repository(store, create=True) as history, Step(f"importing {file.name}") as progress:
        info = history.import_bundle(file, name, progress)
    if json:
        print_json(shapes.session(info))
    else:
        typer.echo(f"{info.name} is at {info.head.short} (turn {info.head.turn}, {info.head.tokens} tokens).")


def verify(
    session: SessionName,
    hashes_only: Annotated[bool, typer.Option("--hashes-only", help="Do not replay: needs no model.")] = False,
    model: Model = EMBEDDED_MODEL,
    weights: Weights = STORED,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Re-hash a session, replay it from its tokens and compare KV and boundary logits bit by bit.

    Exit code 1 when something does not match.
    """
    with repository(store) as history, Step(f"hashing {session}") as progress:
        problems = history.verify(session, progress)
    if not hashes_only and not problems:
        with running(model, store, weights=weights) as runtime, Step(f"replaying {session}") as progress:
            problems = runtime.session(session, create=False).verify(progress)
    ok = all(problem.mended for problem in problems)
    if json:
        print_json({"session": session, "ok": ok, "problems": reports.problems(problems)})
    else:
        _print_problems(problems)
        typer.echo(f"{session}: {'sound.' if ok else 'damaged; `perdure fsck --repair` mends what it can.'}")
    if not ok:
        raise typer.Exit(DEFECT)


def fsck(
    repair: Annotated[bool, typer.Option("--repair", help="Mend what another copy can bring back.")] = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Examine the whole store. Exit code 1 when something is broken and not mended."""
    with repository(store) as history, Step("examining the store") as progress:
        report = history.fsck(repair=repair, progress=progress)
    print_json(reports.fsck(report)) if json else _print_fsck(report)
    if not report.ok:
        raise typer.Exit(DEFECT)


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    expire_days: Annotated[
        float, typer.Option("--expire-days", metavar="DAYS", min=0, help="How long the reflog keeps what it names.")
    ] = 30.0,
    compact: Annotated[bool, typer.Option("--compact", help="Give the freed space back to the disk.")] = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete what no session, tag or recent reflog entry reaches."""
    with repository(store) as history, Step("collecting garbage"):
        report = history.gc(dry_run=dry_run, expire_days=expire_days, compact=compact)
    print_json(shapes.gc(report)) if json else typer.echo(_gc_sentence(report))


def _print_problems(problems: Sequence[Problem]) -> None:
    for problem in problems:
        mark = ("mended", "green") if problem.mended else ("broken", "red")
        stdout().print(styled(mark[0], mark[1]), styled(f"{problem.subject}: {problem.sentence}"))


def _print_fsck(report: FsckReport) -> None:
    _print_problems(report.problems)
    for name in report.lost:
        stdout().print(styled("lost", "bold red"), styled(name))
    verdict = "Sound." if report.ok else "Damaged; `perdure fsck --repair` mends what it can."
    typer.echo(f"{report.objects} objects, {size(report.bytes)}, {report.journals} journals. {verdict}")


def _gc_sentence(report: GcReport) -> str:
    verb = "Would delete" if report.dry_run else "Deleted"
    sentence = f"{verb} {report.objects} objects ({size(report.bytes)}) and {report.journals} journals; kept {report.kept}."
    if report.compacted_bytes:
        sentence += f" The store is {size(report.compacted_bytes)} smaller."
    return sentence
