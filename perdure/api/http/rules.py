"""What each endpoint asks of a key, and what the audit log calls it. An endpoint that is not here is for admins."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, NamedTuple

from fastapi import Depends, Request

from ..access.keys import ADMIN, READ, WRITE
from .caller import Caller, caller
from .hub import Hub, hub

RULE = "perdure.rule"


class Rule(NamedTuple):
    """`action` None: nothing of anybody's memory is read or changed.

    What `grows` is refused when the tenant's bytes are used up, what `computes` when its tokens of this minute are.
    """

    scope: str
    action: str | None = None
    grows: bool = False
    computes: bool = False


OPEN = frozenset({"/health", "/health/ready", "/version"})
"""Answered without a key."""

PLAIN = {"/openapi.json": READ, "/metrics": ADMIN, "/mcp": READ}
"""What is not below /v1; what is neither here nor there is for admins."""

SESSION = "/v1/sessions/{name}"
MEMORY = f"{SESSION}/memory"

RULES: Mapping[str, Rule] = {
    "POST /v1/chat/completions": Rule(WRITE, "session.answer", grows=True, computes=True),
    "GET /v1/chat/completions": Rule(READ, "response.read"),
    "GET /v1/chat/completions/{name}": Rule(READ, "response.read"),
    "GET /v1/chat/completions/{name}/messages": Rule(READ, "response.read"),
    "POST /v1/chat/completions/{name}": Rule(WRITE),
    "DELETE /v1/chat/completions/{name}": Rule(WRITE, "response.erase"),
    "POST /v1/responses/compact": Rule(READ, "response.read"),
    "POST /v1/responses/input_tokens": Rule(READ, "response.read"),
    "POST /v1/responses": Rule(WRITE, "session.answer", grows=True, computes=True),
    "GET /v1/responses/{name}": Rule(READ, "response.read"),
    "DELETE /v1/responses/{name}": Rule(WRITE, "response.erase"),
    "POST /v1/responses/{name}/cancel": Rule(WRITE, "response.cancel"),
    "GET /v1/responses/{name}/input_items": Rule(READ, "response.read"),
    "GET /v1/responses/{name}/trace": Rule(READ, "trace.read"),
    "POST /v1/conversations": Rule(WRITE, "session.create", grows=True),
    "POST /v1/conversations/{name}": Rule(READ, "session.read"),
    "POST /v1/conversations/{name}/items": Rule(READ),
    "DELETE /v1/conversations/{name}/items/{item}": Rule(WRITE),
    "GET /v1/conversations/{name}": Rule(READ, "session.read"),
    "DELETE /v1/conversations/{name}": Rule(WRITE, "session.erase"),
    "GET /v1/conversations/{name}/items": Rule(READ, "messages.read"),
    "GET /v1/conversations/{name}/items/{item}": Rule(READ, "messages.read"),
    "POST /v1/completions": Rule(WRITE, None, computes=True),
    "POST /v1/embeddings": Rule(READ, None, computes=True),
    "GET /v1/sessions": Rule(READ),
    "POST /v1/sessions": Rule(WRITE, "session.create", grows=True),
    f"GET {SESSION}": Rule(READ, "session.read"),
    f"PATCH {SESSION}": Rule(WRITE, "session.describe"),
    f"DELETE {SESSION}": Rule(WRITE, "session.erase"),
    f"GET {SESSION}/messages": Rule(READ, "messages.read"),
    f"GET {SESSION}/commits": Rule(READ, "commits.read"),
    f"GET {SESSION}/graph": Rule(READ, "commits.read"),
    f"POST {SESSION}/fork": Rule(WRITE, "session.fork", grows=True),
    "GET /v1/commits/{digits}": Rule(READ, "commits.read"),
    "GET /v1/diff": Rule(READ, "messages.read"),
    f"POST {SESSION}/reset": Rule(WRITE, "session.reset"),
    f"GET {SESSION}/branches": Rule(READ, "session.read"),
    f"GET {SESSION}/branches/{{branch}}": Rule(READ, "session.read"),
    f"PUT {SESSION}/branches/{{branch}}": Rule(WRITE, "session.fork", grows=True),
    f"DELETE {SESSION}/branches/{{branch}}": Rule(WRITE, "session.erase"),
    f"GET {SESSION}/tags": Rule(READ, "session.read"),
    f"GET {SESSION}/tags/{{tag}}": Rule(READ, "session.read"),
    f"PUT {SESSION}/tags/{{tag}}": Rule(WRITE, "session.tag"),
    f"DELETE {SESSION}/tags/{{tag}}": Rule(WRITE, "session.untag"),
    f"POST {SESSION}/merge": Rule(WRITE, "session.merge", grows=True),
    f"GET {SESSION}/export": Rule(READ, "session.export"),
    "POST /v1/sessions/import": Rule(WRITE, "session.import", grows=True),
    f"POST {SESSION}/verify": Rule(WRITE, None, computes=True),
    f"GET {MEMORY}": Rule(READ, "memory.read"),
    f"GET {MEMORY}/working": Rule(READ, "memory.read"),
    f"GET {MEMORY}/context": Rule(READ, "memory.read"),
    f"GET {SESSION}/blocks": Rule(READ, "memory.read"),
    f"GET {SESSION}/blocks/{{index}}": Rule(READ, "memory.read"),
    f"GET {SESSION}/states": Rule(READ, "memory.read"),
    f"GET {MEMORY}/summary": Rule(READ, "memory.read"),
    f"GET {MEMORY}/summary/heads": Rule(READ, "memory.read"),
    f"POST {MEMORY}/summary/probe": Rule(WRITE, "memory.probe", computes=True),
    f"GET {MEMORY}/episodic": Rule(READ, "memory.read"),
    f"GET {MEMORY}/fast-weights": Rule(READ, "memory.read"),
    f"GET {MEMORY}/parametric": Rule(READ, "memory.read"),
    f"POST {MEMORY}/parametric/probe": Rule(WRITE, "memory.probe", computes=True),
    f"GET {MEMORY}/parametric/{{record}}": Rule(READ, "memory.read"),
    f"DELETE {MEMORY}/parametric/{{record}}": Rule(WRITE, "memory.erase"),
    f"POST {SESSION}/consolidate": Rule(WRITE, "memory.consolidate", grows=True, computes=True),
    f"GET {SESSION}/mounts": Rule(READ, "memory.read"),
    f"PUT {SESSION}/mounts": Rule(WRITE, "memory.mount"),
    f"POST {SESSION}/ingest": Rule(WRITE, "memory.ingest", grows=True, computes=True),
    "GET /v1/memory": Rule(READ, "memory.read"),
    "POST /v1/memory/search": Rule(READ, "memory.search"),
    "GET /v1/memory/{name}": Rule(READ, "memory.read"),
    "PATCH /v1/memory/{name}": Rule(WRITE, "memory.edit", grows=True),
    "DELETE /v1/memory/{name}": Rule(WRITE, "memory.erase"),
    "GET /v1/events": Rule(READ, "events.read"),
    f"GET {SESSION}/events": Rule(READ, "events.read"),
    f"POST {SESSION}/load": Rule(WRITE),
    f"POST {SESSION}/unload": Rule(WRITE),
    "GET /v1/jobs": Rule(READ),
    "GET /v1/jobs/{name}": Rule(READ),
    "DELETE /v1/jobs/{name}": Rule(WRITE, "job.cancel"),
    "GET /v1/ps": Rule(READ),
    "GET /v1/stats": Rule(READ),
    "POST /v1/gc": Rule(ADMIN, "store.gc"),
    "POST /v1/fsck": Rule(ADMIN, "store.fsck"),
    "GET /v1/keys": Rule(ADMIN),
    "POST /v1/keys": Rule(ADMIN, "key.create"),
    "POST /v1/keys/{name}/rotate": Rule(ADMIN, "key.rotate"),
    "DELETE /v1/keys/{name}": Rule(ADMIN, "key.revoke"),
    "GET /v1/quotas": Rule(ADMIN),
    "PUT /v1/quotas/{name}": Rule(ADMIN, "quota.set"),
    "GET /v1/audit": Rule(ADMIN),
    "GET /metrics": Rule(ADMIN),
    "GET /v1/models": Rule(READ),
    "GET /v1/models/{name}": Rule(READ),
    "GET /version": Rule(READ),
    "GET /health": Rule(READ),
    "GET /health/ready": Rule(READ),
}

TOOLS: Mapping[str, Rule] = {
    "memory_search": Rule(READ, "memory.search"),
    "memory_add": Rule(WRITE, "memory.ingest", grows=True, computes=True),
    "memory_forget": Rule(WRITE, "memory.erase"),
    "session_list": Rule(READ),
    "session_fork": Rule(WRITE, "session.fork", grows=True),
    "session_diff": Rule(READ, "messages.read"),
}
"""The same for an agent's tools, each of which is asked for by a POST to /mcp."""

UNKNOWN = Rule(ADMIN, "unknown")


async def permitted(request: Request, caller: Annotated[Caller, Depends(caller)], hub: Annotated[Hub, Depends(hub)]) -> None:
    """Before every endpoint. Raises ScopeMissing, RateExceeded, QuotaExceeded."""
    route = getattr(request.scope.get("route"), "path", "").replace(":path}", "}")
    rule = request.scope[RULE] = RULES.get(f"{request.method} {route}", UNKNOWN)
    if request.url.path in OPEN:
        return
    caller.require(rule.scope)
    if rule.computes:
        hub.meter.require_tokens()
    if rule.grows and hub.meter.quota().bytes is not None:
        await asyncio.to_thread(hub.meter.require_bytes)


def require(rule: Rule, caller: Caller, hub: Hub) -> None:
    """The same in a worker thread."""
    caller.require(rule.scope)
    if rule.computes:
        hub.meter.require_tokens()
    if rule.grows:
        hub.meter.require_bytes()
