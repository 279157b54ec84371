"""What tenants may have, for admins: that of their own, or of all for an admin of the server's own, who may change it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from ...config import Quota
from ...errors import NotFound
from ..access.keys import checked_tenant
from .caller import Sender
from .fields import Exact
from .keys import Kept
from .mentions import mention
from .problems import refusals
from .sessions import LongLimit, Order, page

router = APIRouter(prefix="/v1", tags=["keys"])

MOST = 1 << 53
"""Above any store; the last whole number up to which every reader of JSON holds all of them."""


class QuotaRequest(Exact):
    """All bounds of a tenant; one that is left out, or null, is none."""

    bytes: int | None = Field(None, ge=0, le=MOST, description="What its sessions hold, each for itself.")
    sessions: int | None = Field(None, ge=0, le=MOST)
    tokens: int | None = Field(None, ge=0, le=MOST, description="Those that the model computes for it in a minute.")


@router.get("/quotas", responses=refusals(401, 403, 404))
def list_quotas(
    kept: Kept, caller: Sender, limit: LongLimit = 100, after: str | None = None, order: Order = "asc"
) -> dict[str, Any]:
    """The tenants that have a key or a quota, and what they may have; null is without bound."""
    tenants = [caller.reach] if caller.reach is not None else kept.keyring.tenants()
    return page([shape(tenant, kept.keyring.quota(tenant)) for tenant in tenants], limit, after, order)


@router.put("/quotas/{name}", responses=refusals(401, 403, 404, 422))
async def set_quota(name: str, body: QuotaRequest, kept: Kept, caller: Sender) -> dict[str, Any]:
    """Have a tenant have no more than this from now on; what it has already stays."""
    if caller.reach not in (None, name):
        raise NotFound(f"There is no tenant {name[:40]!r} here.")
    caller.require_operator()
    quota = Quota(**body.model_dump())
    await asyncio.to_thread(kept.keyring.set_quota, checked_tenant(name), quota)
    mention([name])
    return shape(name, quota)


def shape(tenant: str, quota: Quota) -> dict[str, Any]:
    return {"id": tenant, "object": "quota", **asdict(quota)}
