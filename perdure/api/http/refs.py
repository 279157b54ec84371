"""Where sessions stand: a session is a branch of commits, its branches are its forks, and tags name commits for good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Response
from pydantic import Field

from ...errors import Conflict, RevisionNotFound, SessionExists, SessionNotFound
from ...memory.records import SessionInfo, Tag
from ...memory.repository import Repository
from .fields import NAME, Exact, Revision
from .hub import Hub
from .preconditions import IfMatch, moved_is_failed, require_at, tagged
from .problems import PreconditionFailed, refusals
from .sessions import LongLimit, Order, age, commit_body, page, session_body, sessions_page
from .store import SharedHub, Store, alone

router = APIRouter(prefix="/v1", tags=["history"])

NewName = Annotated[str, Path(json_schema_extra=NAME)]
IfNoneMatch = Annotated[str | None, Header(description="`*`: only if there is none of this name yet.")]


class Target(Exact):
    """Where something is to stand: `at` a revision, of the session itself where it begins with HEAD, ~ or @turn:."""

    at: Revision = "HEAD"


class Place(Target):
    """The body of PUT /v1/sessions/{id}/branches/{name}; `force` lets a branch leave commits that only it leads to."""

    force: bool = False


class ResetRequest(Exact):
    """The body of POST /v1/sessions/{id}/reset."""

    to: Revision = Field(min_length=1)


class NotAhead(Conflict):
    """A branch would leave commits behind that the new place does not go back to."""

    code = "not_fast_forward"


@router.post("/sessions/{name}/reset", responses=refusals(404, 409, 412, 422))
def reset_session(
    name: str, body: ResetRequest, hub: SharedHub, store: Store, response: Response, if_match: IfMatch = None
) -> dict[str, Any]:
    """Move a session `to` another revision; nothing is lost, and `previous` takes it back."""
    before = store.info(name).head
    info = moved(hub, store, name, body.to, if_match)
    tagged(response, info.head)
    return {**session_body(info), "previous": before.hex}


@router.get("/sessions/{name}/branches", responses=refusals(404))
def list_branches(
    name: str, store: Store, limit: LongLimit = 100, after: str | None = None, order: Order = "asc"
) -> dict[str, Any]:
    """The session and those that were forked from it, in the order in which they were made."""
    own = store.info(name)
    forks = [info for info in store.sessions() if info.forked_from == name]
    return sessions_page([own, *sorted(forks, key=age)], limit, after, order)


@router.get("/sessions/{name}/branches/{branch}", responses=refusals(404))
def get_branch(name: str, branch: str, store: Store, response: Response) -> dict[str, Any]:
    """One of them, which is a session like any other."""
    info = branch_of(store, name, branch)
    tagged(response, info.head)
    return session_body(info)


@router.put("/sessions/{name}/branches/{branch}", responses={201: {"description": "Made"}, **refusals(404, 409, 412)})
def put_branch(
    name: str,
    branch: NewName,
    hub: SharedHub,
    store: Store,
    response: Response,
    body: Place | None = None,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> dict[str, Any]:
    """Fork the session under this name (201), or move the fork that has it. Nothing is copied.

    A branch is moved only to where its own commits are among those that led there, unless `force` says so.
    """
    place = body or Place()
    if not store.exists(branch):
        if if_match is not None:
            raise PreconditionFailed(f"There is no session {branch}, so it is at no commit.")
        info = store.fork(name, branch, None if place.at == "HEAD" else place.at)
        response.status_code = 201
        response.headers["Location"] = f"/v1/sessions/{quote(branch, safe='')}"
    elif if_none_match == "*":
        raise PreconditionFailed(f"Session {branch} is there already.")
    else:
        info = _moved_branch(hub, store, name, branch, place, if_match)
    tagged(response, info.head)
    return session_body(info)


@router.delete("/sessions/{name}/branches/{branch}", responses=refusals(404, 409, 412))
def delete_branch(name: str, branch: str, hub: SharedHub, store: Store, if_match: IfMatch = None) -> dict[str, Any]:
    """Remove a fork of the session; `perdure gc` frees what no other session shares with it."""
    require_at(branch_of(store, name, branch).head, if_match, branch)
    hub.jobs.make_way(branch)
    hub.turns.remove(branch)
    return {"id": branch, "object": "session.deleted", "deleted": True}


@router.get("/sessions/{name}/tags", responses=refusals(404))
def list_tags(
    name: str, store: Store, limit: LongLimit = 100, after: str | None = None, order: Order = "asc"
) -> dict[str, Any]:
    """The tags that were given in this session."""
    store.info(name)
    return page([tag_body(each) for each in _tags(store, name)], limit, after, order)


@router.get("/sessions/{name}/tags/{tag}", responses=refusals(404))
def get_tag(name: str, tag: str, store: Store, response: Response) -> dict[str, Any]:
    """One tag of the session, with its commit."""
    found = _tag(store, name, tag)
    tagged(response, found.commit)
    return tag_body(found)


@router.put("/sessions/{name}/tags/{tag}", responses={201: {"description": "Made"}, **refusals(404, 409)})
def put_tag(name: str, tag: NewName, store: Store, response: Response, body: Target | None = None) -> dict[str, Any]:
    """Name a commit for good: gc keeps it. Names are the store's; one that stands elsewhere is deleted first."""
    store.info(name)
    known = any(each.name == tag for each in store.tags())
    made = store.tag(tag, (body or Target()).at, name)
    response.status_code = 200 if known else 201
    tagged(response, made.commit)
    return tag_body(made)


@router.delete("/sessions/{name}/tags/{tag}", responses=refusals(404, 412))
def delete_tag(name: str, tag: str, store: Store, if_match: IfMatch = None) -> dict[str, Any]:
    """Delete a tag; its commit stays as long as something else leads to it."""
    require_at(_tag(store, name, tag).commit, if_match, name)
    store.untag(tag)
    return {"id": tag, "object": "tag.deleted", "deleted": True}


def moved(hub: Hub, store: Repository, name: str, to: str, if_match: str | None) -> SessionInfo:
    """A session after it was moved to a revision."""
    store.info(name)
    with alone(hub, name), moved_is_failed(if_match):
        head = store.info(name).head
        require_at(head, if_match, name)
        return store.reset(name, to, expected=head.digest if if_match is not None else None)


def branch_of(store: Repository, name: str, branch: str) -> SessionInfo:
    """A session itself or a fork of it."""
    store.info(name)
    info = store.info(branch) if store.exists(branch) else None
    if info is None or (branch != name and info.forked_from != name):
        raise SessionNotFound(f"Session {name} has no branch {branch[:80]}; GET /v1/sessions/{name}/branches lists them.")
    return info


def tag_body(tag: Tag) -> dict[str, Any]:
    return {"id": tag.name, "object": "tag", "session": tag.session or None, "commit": commit_body(tag.commit)}


def _moved_branch(hub: Hub, store: Repository, name: str, branch: str, place: Place, if_match: str | None) -> SessionInfo:
    present = store.info(branch)
    if branch != name and present.forked_from != name:
        raise SessionExists(f"A session called {branch!r} exists already and is no fork of {name}; choose another name.")
    target = store.resolve(place.at, name)
    if not place.force and not store.leads_to(present.head, target):
        raise NotAhead(
            f"{branch} is at {present.head.short}, which {target.short} does not go back to; send force to leave it."
        )
    return moved(hub, store, branch, target.hex, if_match)


def _tags(store: Repository, name: str) -> Sequence[Tag]:
    return [each for each in store.tags() if each.session == name]


def _tag(store: Repository, name: str, tag: str) -> Tag:
    store.info(name)
    found = next((each for each in _tags(store, name) if each.name == tag), None)
    if found is None:
        raise RevisionNotFound(f"Session {name} has no tag {tag[:80]!r}; GET /v1/sessions/{name}/tags lists them.")
    return found
