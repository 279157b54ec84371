"""`perdure keys`: who may use the HTTP server, and how much; `perdure audit`: what they did. No model is loaded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput, PerdureError
from .. import wiring
from ..figures import age, size
from .boundary import say
from .options import Debug, Json, Store, Yes
from .output import confirm, print_json, print_table, styled
from .render import plain_table

if TYPE_CHECKING:
    from ...config import Quota
    from ..access.audit import Audit
    from ..access.keyring import Keyring
    from ..access.keys import Key, Minted

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_ and 16 digits.")]
Tenant = Annotated[
    str, typer.Option("--tenant", metavar="TENANT", help="Whose store it opens; default is the server's own.")
]
DAY_MS = 86_400_000

app = typer.Typer(
    rich_markup_mode=None,
    help="Keys of the HTTP server: each opens the store of one tenant.\n\n"
    "Without any key the server asks for none and listens on this machine only. Once a key was made nobody comes in without "
    "one, and a change counts at once, also for a server that is running.",
)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@contextmanager
def _access(store: Path | None) -> Iterator[tuple[Keyring, Audit]]:
    keyring, audit = wiring.open_access(store)
    try:
        yield keyring, audit
    finally:
        keyring.close()


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it: who uses it, and for what.")],
    tenant: Tenant = "default",
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            show_default=False,
            help="read, write or admin, each with those before it; without it write. May be given again.",
        ),
    ] = None,
    expires: Annotated[
        float | None, typer.Option("--expires", metavar="DAYS", min=0, help="Days until it opens nothing any more.")
    ] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a key and print its token, which is kept nowhere and cannot be shown again."""
    until = None if expires is None else time.time_ns() // 1_000_000 + int(expires * DAY_MS)
    with _access(store) as (keyring, audit):
        minted = keyring.create(name, tenant, tuple(scope or ["read", "write"]), until)
        _noted(audit, "key.create", minted.key)
    _tell_token(minted, json=json)


@app.command(name="list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Only this tenant's.")] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the keys, those too that open nothing any more."""
    with _access(store) as (keyring, _):
        found = keyring.keys(tenant)
    if json:
        print_json({"keys": [key.shape() for key in found]})
    elif found:
        _print_keys(found)
    else:
        say("There are no keys; `perdure keys create NAME` makes the first one.")


@app.command()
def rotate(key: KeyId, store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """Give a key another secret and print its token; the one before opens nothing from now on."""
    with _access(store) as (keyring, audit):
        minted = keyring.rotate(key)
        _noted(audit, "key.rotate", minted.key)
    _tell_token(minted, json=json)


@app.command()
def revoke(key: KeyId, yes: Yes = False, store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """Have a key open nothing from now on. It stays in the list."""
    with _access(store) as (keyring, audit):
        found = keyring.get(key)
        confirm(f"Revoke {found.id} ({found.name}, tenant {found.tenant})?", yes=yes)
        found = keyring.revoke(key)
        _noted(audit, "key.revoke", found)
    print_json(found.shape()) if json else typer.echo(f"{found.id} opens nothing any more.")


@app.command()
def quota(
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="Whose.")],
    most_bytes: Annotated[
        str | None,
        typer.Option("--bytes", metavar="BYTES", help="Bytes that its sessions may hold, each counted for itself."),
    ] = None,
    sessions: Annotated[str | None, typer.Option("--sessions", metavar="N", help="Sessions that it may have.")] = None,
    tokens: Annotated[
        str | None, typer.Option("--tokens", metavar="N", help="Tokens a minute that are computed for it.")
    ] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what a tenant may have, or change those bounds that are given; none takes one away."""
    with _access(store) as (keyring, audit):
        given = {"bytes": most_bytes, "sessions": sessions, "tokens": tokens}
        changes = {name: _bound(name, value) for name, value in given.items() if value is not None}
        bounds = wiring.quota_of(keyring, tenant, changes)
        if changes:
            audit.note(tenant, None, "quota.set", [], "done")
    print_json({"tenant": tenant, **asdict(bounds)}) if json else typer.echo(_bounds(tenant, bounds))


def audit(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Only this tenant's.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="So many, the latest first.")] = 50,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show who read, changed and erased what over HTTP, and who changed keys."""
    with _access(store) as (_, log):
        found = list(islice(log.entries(tenant), limit))
    if json:
        print_json({"entries": [entry.shape() for entry in found]})
        return
    if not found:
        say("The audit log is empty: nothing was asked of a server of this store.")
        return
    table = plain_table("TIME", "TENANT", "KEY", "ACTION", "OUTCOME", "IDS")
    for entry in found:
        cells = entry.time, entry.tenant, entry.key or "-", entry.action, entry.outcome, " ".join(entry.ids)
        table.add_row(*(styled(cell) for cell in cells))
    print_table(table)


def _noted(audit: Audit, action: str, key: Key) -> None:
    """The change counts already; that it could not be noted is said."""
    try:
        audit.note(key.tenant, None, action, [key.id], "done")
    except PerdureError as error:
        say(f"{error} The change counts, but is not in the audit log.")


def _tell_token(minted: Minted, *, json: bool) -> None:
    if json:
        print_json({**minted.key.shape(), "token": minted.token})
        return
    say(f"{minted.key.id} opens the store of tenant {minted.key.tenant}; its token is shown this once:")
    typer.echo(minted.token)


def _print_keys(found: list[Key]) -> None:
    table = plain_table("ID", "NAME", "TENANT", "SCOPES", "STATE", "CREATED", "USED")
    for key in found:
        shape = key.shape()
        used = "never" if key.used is None else age(key.used)
        cells = key.id, key.name, key.tenant, ",".join(key.scopes), shape["state"], age(key.created), used
        table.add_row(*(styled(cell) for cell in cells))
    print_table(table)


def _bound(name: str, value: str) -> int | None:
    if value.casefold() == "none":
        return None
    if not (value.isascii() and value.isdecimal()):
        raise InvalidInput(f"--{name} is {value[:40]!r}; give a whole number, or none.")
    return int(value)


def _bounds(tenant: str, bounds: Quota) -> str:
    held = "any bytes" if bounds.bytes is None else size(bounds.bytes)
    sessions = "any number of sessions" if bounds.sessions is None else f"{bounds.sessions} sessions"
    tokens = "any tokens" if bounds.tokens is None else f"{bounds.tokens} tokens"
    return f"{tenant} may have {held}, {sessions} and {tokens} a minute."
