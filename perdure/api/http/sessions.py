"""The sessions of the store: list, read, fork, delete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Response

from ...errors import NotFound, SessionNotFound
from ...memory.records import Commit, Message, SessionInfo
from .hub import Hub, hub
from .preconditions import IfMatch, require_at, tagged
from .problems import refusals
from .schemas import ForkRequest

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

SharedHub = Annotated[Hub, Depends(hub)]
Order = Literal["asc", "desc"]
Limit = Annotated[int, Query(ge=1, le=100)]
LongLimit = Annotated[int, Query(ge=1, le=1000)]


class NoSuchPage(NotFound):
    """`after` names nothing of the list."""

    code = "after_not_found"
    param = "/after"


@router.get("", responses=refusals(404))
def list_sessions(hub: SharedHub, limit: Limit = 20, after: str | None = None, order: Order = "desc") -> dict[str, Any]:
    """The sessions by time of creation, the newest first."""
    return sessions_page(sorted(hub.runtime.sessions(), key=age), limit, after, order)


@router.get("/{name}", responses=refusals(404))
def get_session(name: str, hub: SharedHub, response: Response) -> dict[str, Any]:
    """One session; its ETag is the commit that it is at."""
    info = hub.runtime.repository.info(name)
    tagged(response, info.head)
    return session_body(info)


@router.get("/{name}/messages", responses=refusals(404))
def list_messages(
    name: str, hub: SharedHub, limit: LongLimit = 100, after: str | None = None, order: Order = "asc"
) -> dict[str, Any]:
    """The conversation, its beginning first."""
    must_exist(hub, name)
    messages = hub.runtime.repository.messages(name)
    return page([message_body(number, each) for number, each in enumerate(messages)], limit, after, order)


@router.get("/{name}/commits", responses=refusals(404))
def list_commits(
    name: str,
    hub: SharedHub,
    limit: LongLimit = 100,
    after: str | None = None,
    order: Order = "desc",
    merged: Annotated[bool, Query(description="Those too that were merged in.")] = False,
) -> dict[str, Any]:
    """The snapshots that led to the session's head, the newest first."""
    must_exist(hub, name)
    history = hub.runtime.repository
    found = history.ancestry(name) if merged else history.log(name)
    return page([commit_body(each) for each in reversed(found)], limit, after, order)


@router.post("/{name}/fork", status_code=201, responses=refusals(404, 409))
def fork_session(name: str, body: ForkRequest, hub: SharedHub, response: Response) -> dict[str, Any]:
    """A new session that shares everything up to `at` with this one; nothing is copied."""
    info = hub.runtime.repository.fork(name, body.name, body.at)
    response.headers["Location"] = f"/v1/sessions/{quote(info.name, safe='')}"
    return {**session_body(info), "bytes_copied": 0}


@router.delete("/{name}", responses=refusals(404, 409, 412))
def delete_session(name: str, hub: SharedHub, if_match: IfMatch = None) -> dict[str, Any]:
    """Remove the session; `perdure gc` frees what no other session shares with it."""
    must_exist(hub, name)
    require_at(hub.runtime.repository.info(name).head, if_match, name)
    hub.jobs.make_way(name)
    hub.turns.remove(name)
    return {"id": name, "object": "session.deleted", "deleted": True}


def page(items: Sequence[Mapping[str, Any]], limit: int, after: str | None, order: Order) -> dict[str, Any]:
    """OpenAI's list shape of items that come oldest first; `after` is the id that the previous page ended with."""
    ordered = list(items) if order == "asc" else list(reversed(items))
    ids = [item["id"] for item in ordered]
    if after is not None and after not in ids:
        raise NoSuchPage(f"There is no {after[:80]} in this list to go on from; start again without after.")
    start = 0 if after is None else ids.index(after) + 1
    data = ordered[start : start + limit]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    more = start + limit < len(ordered)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}


def sessions_page(infos: Sequence[SessionInfo], limit: int, after: str | None, order: Order) -> dict[str, Any]:
    """A page of sessions, of which only those on it are told."""
    named = {info.name: info for info in infos}
    listed = page([{"id": name} for name in named], limit, after, order)
    return {**listed, "data": [session_body(named[each["id"]]) for each in listed["data"]]}


def age(info: SessionInfo) -> tuple[int, str]:
    """Puts sessions in the order in which they were made."""
    return info.created_ms, info.name


def session_body(info: SessionInfo) -> dict[str, Any]:
    about = info.head.state.about if info.head.state else {}
    return {
        "id": info.name,
        "object": "session",
        "created_at": info.created_ms // 1000,
        "updated_at": info.updated_ms // 1000,
        "model": info.model,
        "head": info.head.hex,
        "turns": info.head.turn,
        "messages": info.head.messages,
        "tokens": info.head.tokens,
        "kv_bytes": info.kv_bytes,
        "forked_from": info.forked_from,
        "title": about.get("title"),
        "metadata": about.get("metadata", {}),
        "memory": about.get("memory", {}),
    }


def message_body(number: int, message: Message) -> dict[str, Any]:
    return {
        "id": f"msg_{number}",
        "object": "session.message",
        "created_at": message.time_ms // 1000,
        "role": message.role,
        "content": message.content,
        "tokens": {"start": message.start, "end": message.end},
    }


def commit_body(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.hex,
        "object": "session.commit",
        "created_at": commit.time_ms // 1000,
        "parents": [parent.hex() for parent in commit.parents],
        "kind": commit.kind,
        "reason": commit.reason,
        "author": commit.author,
        "title": commit.title,
        "turn": commit.turn,
        "messages": commit.messages,
        "tokens": commit.tokens,
        "metrics": dict(commit.metrics),
    }


def must_exist(hub: Hub, name: str) -> None:
    """A revision may be a tag or a hash as well; here only sessions are meant."""
    if not hub.runtime.repository.exists(name):
        raise SessionNotFound(f"There is no session {name}; GET /v1/sessions lists those that exist.")
