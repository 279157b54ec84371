"""Commits, which never change, and what sets two of them apart."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from ...errors import RevisionNotFound
from ...memory.graph import Node
from ...memory.records import Commit, Diff
from ...memory.repository import Repository
from .. import views
from .fields import REVISION
from .problems import refusals
from .sessions import LongLimit, Order, commit_body, message_body, page
from .store import Store

router = APIRouter(prefix="/v1", tags=["history"])

FOREVER = "private, max-age=31536000, immutable"
HASH = re.compile(r"[0-9a-f]{8,64}")
WHOLE = 64

Revision = Annotated[
    str,
    Query(
        description="A session, a tag, a commit's hash, or one of these with ~N or @turn:N.",
        json_schema_extra={"pattern": f"^[^~@]{REVISION['pattern'][1:]}"},
    ),
]


@router.get("/commits/{digits}", responses={304: {"description": "Known already"}, **refusals(404, 409)})
def get_commit(digits: str, store: Store, response: Response, if_none_match: Annotated[str | None, Header()] = None) -> Any:
    """One commit by its hash, or the 8 or more digits that it begins with. It never changes; a merge has two parents."""
    commit = by_hash(store, digits)
    headers = {"ETag": f'"{commit.hex}"', "Cache-Control": FOREVER if len(digits) == WHOLE else "no-cache"}
    if if_none_match is not None and commit.hex in if_none_match:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return {**commit_body(commit), "recipe": commit.recipe.hex()}


@router.get("/sessions/{name}/graph", responses=refusals(404))
def get_graph(
    name: str, store: Store, limit: LongLimit = 100, after: str | None = None, order: Order = "desc"
) -> dict[str, Any]:
    """The commits of a session and of all that was forked from it, the newest first and each before its parents.

    Each has the `branches` and `tags` that stand at it, and the bytes that it `added`, by tier.
    """
    found = {commit.hex: commit for commit in reversed(store.family(name))}
    listed = page([{"id": digits} for digits in found], limit, after, order)
    nodes = store.nodes(name, [found[each["id"]] for each in listed["data"]])
    return {**listed, "session": name, "data": [node_body(node) for node in nodes]}


@router.get("/diff", response_class=JSONResponse, responses={200: {"content": {"text/plain": {}}}, **refusals(404, 422)})
def get_diff(base: Revision, head: Revision, store: Store, request: Request) -> Response:
    """What two revisions share, and what each says alone; `Accept: text/plain` gives it as `perdure diff` prints it."""
    found = store.diff(base, head)
    if "text/plain" in request.headers.get("accept", ""):
        from ..cli.render import diff_text

        return PlainTextResponse(f"{diff_text(found, base, head).plain}\n")
    return JSONResponse({**diff_body(found), "tiers": views.tiers(store, store.tiers(found.base, found.head))})


def by_hash(store: Repository, digits: str) -> Commit:
    """A commit by the beginning of its hash alone: sessions and tags may be called alike."""
    missing = RevisionNotFound(f"There is no commit {digits[:80]}; give 8 or more digits of a hash.")
    if not HASH.fullmatch(digits):
        raise missing
    commit = store.resolve(digits)
    if not commit.hex.startswith(digits):
        raise missing
    return commit


def node_body(node: Node) -> dict[str, Any]:
    return {**commit_body(node.commit), **views.node(node)}


def diff_body(found: Diff) -> dict[str, Any]:
    kept = found.common_messages
    return {
        "object": "diff",
        "base": commit_body(found.base),
        "head": commit_body(found.head),
        "ancestor": None if found.ancestor is None else found.ancestor.hex,
        "common_tokens": found.common_tokens,
        "common_messages": kept,
        "base_messages": [message_body(kept + n, each) for n, each in enumerate(found.base_messages)],
        "head_messages": [message_body(kept + n, each) for n, each in enumerate(found.head_messages)],
        "blocks": {"shared": found.shared_blocks, "base": found.base_blocks, "head": found.head_blocks},
    }
