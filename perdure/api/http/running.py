"""Which sessions are in memory, and bringing one there or out of it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from ...memory.inspecting import working
from ...memory.records import Commit
from ...memory.repository import Repository
from .fields import Exact, KeepAlive
from .hub import Hub
from .problems import refusals
from .sessions import must_exist
from .sites import OWN_SITE
from .store import SharedHub, Store, alone
from .warm import Kept

router = APIRouter(prefix="/v1", tags=["operators"])


class LoadRequest(Exact):
    """The body of POST /v1/sessions/{id}/load; without `keep_alive` the server's own holds."""

    keep_alive: KeepAlive = None


@router.get("/ps")
def list_running(hub: SharedHub, store: Store) -> dict[str, Any]:
    """The sessions in memory, those in use among them; the coldest first, which is the next to go."""
    return {
        "object": "list",
        "model": hub.runtime.model.name,
        "capacity": hub.settings.warm_sessions,
        "memory": memory_body(hub),
        "data": [running_body(hub, store, kept) for kept in hub.turns.warm.kept()],
    }


@router.post("/sessions/{name}/load", responses=refusals(403, 404, 409), dependencies=OWN_SITE)
def load_session(name: str, hub: SharedHub, store: Store, body: LoadRequest | None = None) -> dict[str, Any]:
    """Restore a session into memory, so that its next answer need not; it stays until others push it out, or for as long as
    `keep_alive` says.
    """
    must_exist(hub, name)
    with hub.writing(name, None if body is None else body.keep_alive) as session:
        head = session.head
    kept = next((kept for kept in hub.turns.warm.kept() if kept.name == name), Kept(name, None, False, head))
    return running_body(hub, store, kept)


@router.post("/sessions/{name}/unload", responses=refusals(403, 404, 409), dependencies=OWN_SITE)
def unload_session(name: str, hub: SharedHub, store: Store) -> dict[str, Any]:
    """Let go of a session's memory; nothing is lost, since all of it is stored."""
    must_exist(hub, name)
    was = name in hub.turns.warm.names()
    with alone(hub, name):
        return {"id": name, "object": "session.unloaded", "unloaded": was}


def running_body(hub: Hub, store: Repository, kept: Kept) -> dict[str, Any]:
    """A session in memory; `expires_at` is null for one that stays while there is room."""
    return {
        "id": kept.name,
        "object": "session.running",
        "model": hub.runtime.model.name,
        "status": "busy" if kept.busy else "warm" if kept.since is not None else "cold",
        "since": None if kept.since is None else int(kept.since),
        "expires_at": None if kept.expires is None else int(kept.expires),
        "tokens": None if kept.head is None else kept.head.tokens,
        "bytes": None if kept.head is None else state_bytes(store, kept.head),
        "memory_bytes": kept.bytes,
    }


def memory_body(hub: Hub) -> dict[str, Any]:
    """What working states may take together (`budget`; null: any amount), what this tenant's take, and what is in use."""
    kept = hub.turns.warm.kept()
    held, in_use = (sum(each.bytes or 0 for each in some) for some in (kept, [each for each in kept if each.busy]))
    return {"budget": hub.runtime.residence.budget, "held": held, "in_use": in_use}


def state_bytes(store: Repository, head: Commit) -> int:
    """Bytes of the working state that belongs to a commit."""
    return working(head, store.events(head), store.layers(head)).nbytes
