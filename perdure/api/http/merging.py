"""POST /v1/sessions/{id}/merge: what another branch remembers and knows, taken into a session."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from pydantic import Field

from ...memory.merging import Side
from .. import reports, wiring
from .fields import Exact, Revision
from .preconditions import IfMatch, moved_is_failed, require_at, tagged
from .problems import refusals
from .sessions import commit_body
from .store import SharedHub, Store, alone

router = APIRouter(prefix="/v1/sessions", tags=["history"])


class MergeRequest(Exact):
    """The body of POST /v1/sessions/{id}/merge.

    `from` is a revision. Whose `conversation` goes on, and whom to `prefer` where both changed the same: `ours`, the
    session's, or `theirs`. With `dry_run` nothing is changed.
    """

    other: Revision = Field(alias="from", min_length=1)
    conversation: Side = "ours"
    prefer: Side | None = None
    dry_run: bool = False


@router.post(
    "/{name}/merge", status_code=201, responses={200: {"description": "Nothing to merge"}, **refusals(404, 409, 412)}
)
def merge_session(
    name: str, body: MergeRequest, hub: SharedHub, store: Store, response: Response, if_match: IfMatch = None
) -> dict[str, Any]:
    """Unite what two branches remember and know, in a commit with two parents; one of both conversations goes on.

    200 where there is nothing to merge. What both sides changed is refused (409 `merge_conflict`, with `conflicts`) until
    `prefer` says who is right; nothing has changed then.
    """
    store.info(name)
    with alone(hub, name), moved_is_failed(if_match):
        head = store.info(name).head
        require_at(head, if_match, name)
        found = wiring.merge_branch(
            store,
            name,
            body.other,
            theirs=body.conversation == "theirs",
            prefer=body.prefer,
            dry_run=body.dry_run,
            expected=None if if_match is None else head.digest,
        )
    if found.commit == found.before:
        response.status_code = 200
    tagged(response, found.commit)
    return {"object": "session.merge", "session": name, **reports.merged(found), "head": commit_body(found.commit)}
