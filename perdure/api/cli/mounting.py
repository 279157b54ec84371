"""`perdure profile mount` and `unmount`, and what `--profile` of `perdure chat` and `perdure serve` does of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import SessionNotFound
from .. import reports, taught, wiring
from .boundary import say
from .history import SessionName, repository
from .options import Debug, Json, Store
from .output import print_json

if TYPE_CHECKING:
    from ...memory import Repository
    from ...runtime import Runtime, Session

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Profiles: branches that hold records.")]


def mount(session: SessionName, names: Names, store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """Have a session know what these profiles know, beside those it mounts already. No model is loaded."""
    with repository(store) as history:
        present = taught.mounts(history.info(session).head)
        require(history, session, names)
        _change(history, session, [*present, *names], json=json)


def unmount(session: SessionName, names: Names, store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """Have a session no longer know what these profiles know. The profiles stay as they are."""
    with repository(store) as history:
        present = taught.mounts(history.info(session).head)
        for name in names:
            if name not in present:
                mounted = ", ".join(present) or "nothing"
                raise SessionNotFound(f"{session} does not mount {name[:80]!r}; it mounts {mounted}.")
        _change(history, session, [name for name in present if name not in names], json=json)


def _change(history: Repository, session: str, names: Sequence[str], *, json: bool) -> None:
    """Mount these and no others, and tell what is mounted then. One that is gone cannot be mounted again."""
    wanted = _still_there(history, names)
    if tuple(wanted) != taught.mounts(history.info(session).head):
        wiring.mount(history, session, wanted)
    head = history.info(session).head
    if json:
        mounts = [reports.mounted(each) for each in taught.mounted(taught.ledgers(history, session, head))]
        print_json({"session": session, "commit": head.hex, "mounts": mounts})
    else:
        typer.echo(f"{session} mounts {', '.join(wanted) or 'nothing'}; commit {head.short}.")


def _still_there(history: Repository, names: Sequence[str]) -> list[str]:
    found = []
    for name in dict.fromkeys(names):
        if history.exists(name):
            found.append(name)
        else:
            say(f"The profile {name} is not there any more, so it is mounted no longer.")
    return found


def require(history: Repository, session: str | None, names: Sequence[str]) -> None:
    """That a session, or whichever is made later (None), can mount these profiles."""
    taught.require(history, session, names, hint=_hint)


def require_profiles(store: Path | None, session: str | None, names: Sequence[str]) -> None:
    """The same before any model is loaded, for a store that may not be there yet."""
    if not names:
        return
    if not wiring.store_path(store).exists():
        raise SessionNotFound(f"There is no profile {names[0][:80]!r}. {_hint(names[0])}")
    with repository(store) as history:
        require(history, session, names)


def mount_all(session: Session, names: Sequence[str]) -> None:
    """Mount profiles beside those that an open session mounts, and say which of them are another model's."""
    if not names:
        return
    history = session.repository
    session.mount(_still_there(history, [*taught.mounts(session.head), *names]))
    tell_foreign(session, names)


def tell_foreign(of: Session | Runtime, names: Sequence[str]) -> None:
    """Say which profiles are another model's than that of a session or runtime."""
    for name in names:
        if taught.foreign(of.repository, name, of.recipe["weights"]):
            say(f"{name} was taught to another model; what it knows stays closed to {of.model.name}.")


def _hint(name: str) -> str:
    return f"`perdure consolidate SESSION --into {name}` makes it of a session; `perdure profile ls` lists those there are."
