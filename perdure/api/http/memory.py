"""What sessions remember: reports of each tier, a search over all of them, and memories read, changed and forgotten."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from ...config import MemoryOptions
from ...errors import Conflict, RevisionNotFound
from ...memory.amending import named
from .. import probes, recalling, reports, taught
from .fields import REVISION
from .hub import Hub, hub
from .mentions import mention
from .preconditions import IfMatch, matches
from .problems import ContentChanged, PreconditionFailed, refusals
from .response_log import RESPONSE, find, located
from .schemas import MemoryPatch, MemorySearch
from .sessions import must_exist
from .store import Store

if TYPE_CHECKING:
    from ...memory.episodes import Episode
    from ...memory.records import Commit
    from ..recalling import Told
    from .ports import SessionPort

At = Annotated[str | None, Query(description="A revision of the session, else where it is now.", json_schema_extra=REVISION)]

router = APIRouter(prefix="/v1", tags=["memory"])

SharedHub = Annotated[Hub, Depends(hub)]

COMMIT = re.compile(r"[0-9a-f]{8,64}")


@router.get("/sessions/{name}/memory", responses=refusals(404))
def get_memory(name: str, hub: SharedHub, at: At = None) -> dict[str, Any]:
    """Every tier of a session's memory, as it is or as it was `at` a revision."""
    commit = commit_at(hub, name, at)
    repository = hub.runtime.repository
    known = taught.tier(repository, taught.ledgers(repository, name, commit))
    return {**head("session.memory", name, commit), **reports.memory(repository.inspect(commit), known)}


@router.get("/sessions/{name}/memory/working", responses=refusals(404))
def get_working(name: str, hub: SharedHub, store: Store, at: At = None) -> dict[str, Any]:
    """The working tier: what is still exact, and what stands before it."""
    commit = commit_at(hub, name, at)
    return {**head("session.memory.working", name, commit), **reports.working(store.working(commit))}


@router.get("/sessions/{name}/memory/summary", responses=refusals(404))
def get_summary(name: str, hub: SharedHub, at: At = None) -> dict[str, Any]:
    """The summary tier: what is kept of the tokens that left the window."""
    commit = commit_at(hub, name, at)
    tier = hub.runtime.repository.bounded(commit).summary
    return {**head("session.memory.summary", name, commit), **reports.summary(tier)}


@router.post("/memory/search", responses=refusals(404))
def search(body: MemorySearch, hub: SharedHub) -> dict[str, Any]:
    """What the sessions remember that a question calls for, best first."""
    found = recalling.search(
        hub.runtime.repository,
        hub.runtime.memories,
        body.query,
        sessions=body.sessions or (),
        k=body.top_k,
        threshold=body.threshold,
        explain=body.explain,
    )
    mention(item.episode.id for item in found)
    names = hub.runtime.repository.uids()
    shown = [sourced(reports.found(item), names) for item in found]
    threshold = MemoryOptions().threshold if body.threshold is None else body.threshold
    return {"object": "list", "query": body.query, "threshold": threshold, "data": shown}


@router.get("/memory/{name}", responses=refusals(404, 409))
def get_episode(name: str, hub: SharedHub, response: Response, session: str | None = None) -> dict[str, Any]:
    """One memory. Where sessions remember different texts under this id, `session` says which is meant."""
    holders = _holders(hub, name, session)
    if len(set(holders.values())) > 1:
        raise _several(name, holders)
    episode = hub.runtime.repository.episodes(list(holders.values())[:1])[0]
    return _answer(hub, episode, list(holders), response)


@router.patch("/memory/{name}", responses=refusals(404, 409, 412))
def change_episode(
    name: str,
    body: MemoryPatch,
    hub: SharedHub,
    response: Response,
    session: str | None = None,
    if_match: IfMatch = None,
) -> dict[str, Any]:
    """Give a memory another text, or have it recalled always; one commit of the session that remembers it."""
    holder = _holder(hub, name, session)
    with hub.writing(holder) as writer:
        _require_same(writer.memory.get(name), body.content_sha256, if_match)
        if body.text is not None:
            writer.memory.edit(name, body.text, body.pinned)
        elif body.pinned is not None:
            writer.memory.pin(name, body.pinned)
        return _answer(hub, writer.memory.get(name), [holder], response)


@router.delete("/memory/{name}", responses=refusals(404, 409, 412))
def forget_episode(name: str, hub: SharedHub, session: str | None = None, if_match: IfMatch = None) -> dict[str, Any]:
    """Have the session forget a memory; its commits before still have it."""
    holder = _holder(hub, name, session)
    with hub.writing(holder) as writer:
        _require_same(writer.memory.get(name), None, if_match)
        gone = writer.memory.remove(name)
        return {"id": gone.id, "object": "memory.episode.deleted", "deleted": True, "session": holder, **_at(writer)}


@router.get("/responses/{name}/trace", responses=refusals(404))
def get_trace(name: str, hub: SharedHub) -> dict[str, Any]:
    """What an answer recalled and knew, and why; `name` is its commit, a response's id, or the id of a chat's answer."""
    commit = _answered(hub, name)
    story = recalling.told(hub.runtime.repository, commit)
    return {
        "object": "response.trace",
        "commit": commit.hex,
        "recalled": story is not None and story.recalled,
        "opened": 0 if story is None else len(story.opened),
        **({} if story is None else reports.trace(story)),
        **({} if story is None or not story.recalled else _spelled(hub, story)),
    }


def _spelled(hub: Hub, story: Told) -> dict[str, Any]:
    """The answer's tokens, in the order of `by_token`, and the words between which memories were put."""
    spelling, commit = hub.runtime.spelling(story.commit), story.commit
    answer = hub.runtime.repository.messages(commit.hex)[-1]
    place = None
    if story.position is not None:
        place = {"position": story.position, **probes.around(spelling, story.position, story.position)}
    return {"tokens": spelling(answer.start, answer.end), "place": place}


def _answered(hub: Hub, name: str) -> Commit:
    if name.startswith(RESPONSE):
        return find(hub, name).commit
    stored = located(hub, name)
    if stored is not None:
        return stored.commit
    digits = hub.answers.get(name, name)
    missing = RevisionNotFound(
        f"There is no response {name[:80]}; give the commit of an answer, or an id that this server gave since it started."
    )
    if not COMMIT.fullmatch(digits):
        raise missing
    commit = hub.runtime.repository.resolve(digits)
    if not commit.hex.startswith(digits):
        raise missing
    return commit


def sourced(shape: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """With the present name of the session whose conversation a memory is from; null for documents, and where it is gone."""
    return {**shape, "source_session": names.get(shape["source"])}


def commit_at(hub: Hub, name: str, at: str | None) -> Commit:
    """A session's head, or where it was at a revision."""
    must_exist(hub, name)
    return hub.runtime.repository.resolve(name) if at is None else hub.runtime.repository.resolve(at, name)


def head(kind: str, name: str, commit: Commit) -> dict[str, Any]:
    """How the body of a report on a session begins."""
    return {"object": kind, "session": name, "commit": commit.hex}


def _at(session: SessionPort) -> dict[str, Any]:
    return {"commit": session.head.hex}


def _answer(hub: Hub, episode: Episode, sessions: Sequence[str], response: Response) -> dict[str, Any]:
    shape = sourced(reports.episode(episode, sessions), hub.runtime.repository.uids())
    response.headers["ETag"] = f'"{shape["content_sha256"]}"'
    return shape


def _holders(hub: Hub, name: str, session: str | None) -> dict[str, bytes]:
    """The sessions that remember something under this id, each with the object. Raises NotFound where none does."""
    held = recalling.beginning(hub.runtime.repository, name, session)
    found = {holder: named(entries, name, f"session {holder!r}").digest for holder, entries in held.items()}
    if not found:
        where = "" if session is None else f" in session {session}"
        raise RevisionNotFound(f"There is no memory {name[:40]!r}{where}; POST /v1/memory/search finds them.")
    return found


def _holder(hub: Hub, name: str, session: str | None) -> str:
    """The one session that is to be changed."""
    holders = _holders(hub, name, session)
    if len(holders) > 1:
        raise _several(name, holders)
    return next(iter(holders))


def _several(name: str, holders: Mapping[str, bytes]) -> Conflict:
    names = ", ".join(sorted(holders))
    return Conflict(f"Several sessions remember {name}: {names}. Say which one with ?session=.")


def _require_same(episode: Episode, wanted: str | None, if_match: str | None) -> None:
    """Raises where the text is not the one that the client has seen."""
    present = reports.content_sha256(episode.text)
    if not matches(if_match, present):
        raise PreconditionFailed(f"Memory {episode.id} has another text by now, {present}; read it again.")
    if wanted is not None and wanted != present:
        raise ContentChanged(f"Memory {episode.id} has another text by now, {present}; read it again.")
