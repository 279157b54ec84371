"""The memories of a session, or of all, as a list: in pages, searched and sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from fastapi import APIRouter, Query

from .. import recalling, reports
from .memory import At, commit_at, sourced
from .mentions import mention
from .orders import Wanted
from .problems import refusals
from .sessions import LongLimit, Order, page
from .store import SharedHub

if TYPE_CHECKING:
    from ...memory.episodes import Episode
    from ...memory.remembering import Entry
    from ...memory.repository import Repository
    from ...stores.base import Digest

router = APIRouter(prefix="/v1", tags=["memory"])

Containing = Annotated[str | None, Query(max_length=400, description="Only those whose text or source contains this.")]
Pinned = Annotated[bool | None, Query(description="Only those that are pinned, or only the others.")]
Sort = Literal["made", "created", "tokens", "text", "source"]
SORTS: Mapping[str, Callable[[Episode], Any]] = {
    "made": lambda each: 0,
    "created": lambda each: each.time_ms,
    "tokens": lambda each: len(each.tokens),
    "text": lambda each: each.text.casefold(),
    "source": lambda each: (each.source, each.turn, each.start, each.part),
}
"""By what a list may be ordered; those that are alike stay in the order in which they were made."""


@router.get("/sessions/{name}/memory/episodic", responses=refusals(404))
def list_episodes(
    name: str,
    hub: SharedHub,
    at: At = None,
    limit: LongLimit = 100,
    after: str | None = None,
    order: Order = "asc",
    q: Containing = None,
    pinned: Pinned = None,
    sort: Sort = "made",
) -> dict[str, Any]:
    """The memories of a session in the order in which they were made, or another; `total` counts those that fit.

    Where texts are searched or sorted by, all of the session's memories are read for the first page.
    """
    repository, commit = cast("Repository", hub.runtime.repository), commit_at(hub, name, at)
    entries = [each for each in repository.remembered(commit) if pinned in (None, each.pinned)]
    ids = {each.digest: each.id for each in entries}
    digests: Sequence[Digest] = list(ids)
    if q or sort != "made":
        wanted = Wanted(commit.state.episodes if commit.state else None, (q or "").casefold(), pinned, sort)
        digests = hub.orders.get(wanted, lambda: _ordered(repository, entries, wanted))
    listed = page([{"id": ids[digest], "digest": digest} for digest in digests], limit, after, order)
    found, names = repository.episodes([item["digest"] for item in listed["data"]]), repository.uids()
    shown = [sourced(reports.episode(each, [name]), names) for each in found]
    return {**listed, "data": shown, "total": len(digests)}


@router.get("/memory", responses=refusals(404))
def list_everything(
    hub: SharedHub,
    limit: LongLimit = 100,
    after: str | None = None,
    order: Order = "asc",
    q: Containing = None,
    pinned: Pinned = None,
    sort: Sort = "made",
) -> dict[str, Any]:
    """What all sessions remember, each memory once with the sessions that do: session by session, or in another order.

    `last_id` is a digest, since sessions may remember different texts under the same id.
    """
    repository = cast("Repository", hub.runtime.repository)
    infos = hub.runtime.sessions()
    holders = recalling.holding(repository, infos)
    digests: Sequence[Digest] = list(holders)
    if q or pinned is not None or sort != "made":
        heads = b"".join(sorted(info.head.digest for info in infos))
        wanted = Wanted(heads, (q or "").casefold(), pinned, sort)
        digests = hub.orders.get(wanted, lambda: _fitting(repository.episodes(holders), wanted))
    listed = page([{"id": digest.hex(), "digest": digest} for digest in digests], limit, after, order)
    found, names = repository.episodes([item["digest"] for item in listed["data"]]), repository.uids()
    mention(each.id for each in found)
    shown = [sourced(reports.episode(each, holders[each.digest]), names) for each in found]
    return {**listed, "data": shown, "total": len(digests)}


def _ordered(repository: Repository, entries: Sequence[Entry], wanted: Wanted) -> list[Digest]:
    return _fitting(repository.episodes([each.digest for each in entries]), wanted)


def _fitting(episodes: Sequence[Episode], wanted: Wanted) -> list[Digest]:
    """Those that are asked for, in their order."""
    every, part = [each for each in episodes if wanted.pinned in (None, each.pinned)], wanted.part
    fitting = [each for each in every if part in each.text.casefold() or part in each.source.casefold()]
    return [each.digest for each in sorted(fitting, key=SORTS[wanted.sort])]
