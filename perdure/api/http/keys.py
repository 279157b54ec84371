"""Keys and the audit log, for admins: those of their tenant, or of all for an admin of the server's own."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from ..access.keyring import Keyring
from ..access.keys import DEFAULT, READ, WRITE, Minted, now_ms
from .caller import Sender
from .fields import Exact
from .mentions import mention
from .problems import FirstKeyElsewhere, Unavailable, refusals
from .sessions import LongLimit, Order, page
from .tenants import Access, Tenants

router = APIRouter(prefix="/v1", tags=["keys"])


async def access(request: Request) -> Access:
    """What the application keeps of keys and audits. Raises Unavailable where it has no store on disk."""
    tenants: Tenants = request.app.state.tenants
    if tenants.access is None:
        raise Unavailable("This server has no store on disk, and so neither keys nor an audit log.")
    return tenants.access


Kept = Annotated[Access, Depends(access)]


class KeyRequest(Exact):
    """The body of POST /v1/keys; `tenant` is the caller's own unless the caller looks after all of them."""

    name: str = Field(min_length=1, max_length=100)
    tenant: str | None = None
    scopes: list[str] = Field([READ, WRITE], min_length=1, max_length=3)
    expires_in: float | None = Field(None, gt=0, le=100 * 366 * 86_400, description="Seconds.")


@router.get("/keys", responses=refusals(401, 403, 404))
def list_keys(
    kept: Kept, caller: Sender, limit: LongLimit = 100, after: str | None = None, order: Order = "desc"
) -> dict[str, Any]:
    """The keys, without their secrets."""
    return page([key.shape() for key in kept.keyring.keys(caller.reach)], limit, after, order)


@router.post("/keys", status_code=201, responses=refusals(401, 403, 422))
def create_key(body: KeyRequest, kept: Kept, caller: Sender, response: Response) -> dict[str, Any]:
    """A new key; `token` opens the server and is told this once. The first one is made by `perdure keys create`."""
    _require_keyed(kept.keyring)
    tenant = body.tenant or caller.tenant
    if tenant != caller.tenant:
        caller.require_operator()
    expires = None if body.expires_in is None else now_ms() + int(body.expires_in * 1000)
    return _told(kept.keyring.create(body.name, tenant, tuple(body.scopes), expires), response)


@router.post("/keys/{name}/rotate", responses=refusals(401, 403, 404, 409))
def rotate_key(name: str, kept: Kept, caller: Sender, response: Response) -> dict[str, Any]:
    """Another secret for a key; the one before opens nothing from now on."""
    return _told(kept.keyring.rotate(name, caller.reach), response)


@router.delete("/keys/{name}", responses=refusals(401, 403, 404))
def revoke_key(name: str, kept: Kept, caller: Sender) -> dict[str, Any]:
    """Have a key open nothing from now on; it stays in the list."""
    return kept.keyring.revoke(name, caller.reach).shape()


@router.get("/audit", responses=refusals(401, 403, 404, 422))
def list_audit(
    kept: Kept,
    caller: Sender,
    limit: LongLimit = 100,
    after: Annotated[str | None, Query(description="The id that the page before ended with.")] = None,
    order: Order = "desc",
) -> dict[str, Any]:
    """Who read, changed and erased what, the latest first."""
    found = kept.audit.entries(caller.reach, newest_first=order == "desc", after=after)
    entries = [entry.shape() for entry in islice(found, limit + 1)]
    data = entries[:limit]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": len(entries) > limit}


def _told(minted: Minted, response: Response) -> dict[str, Any]:
    mention([minted.key.id])
    response.headers["Cache-Control"] = "no-store"
    return {**minted.key.shape(), "token": minted.token}


def _require_keyed(keyring: Keyring) -> None:
    """Otherwise any program on this machine could lock all others out."""
    if not keyring.keyed:
        raise FirstKeyElsewhere(f"Make the first key with `perdure keys create NAME --tenant {DEFAULT} --scope admin`.")
