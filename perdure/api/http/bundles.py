"""Sessions carried between machines: a bundle given out, and one taken in."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TypeVar, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from ...errors import MalformedBundle
from ...memory.opening import EXPORT, IMPORT
from ...memory.recipe import Recipe
from ...memory.records import Commit, SessionInfo
from ...memory.repository import Repository
from .fields import NAME
from .hub import Hub
from .jobs import Cancelled, Chore, Done, Progress
from .memory import At
from .preconditions import tagged
from .problems import refusals
from .sessions import must_exist, session_body
from .sites import OWN_SITE
from .store import SharedHub, Store

if TYPE_CHECKING:
    from ...runtime import Runtime

T = TypeVar("T")

router = APIRouter(prefix="/v1/sessions", tags=["bundles"])

BUNDLE = "application/vnd.perdure.bundle"
CHUNK = 1 << 20
BODY = {"content": {BUNDLE: {"schema": {"type": "string", "format": "binary"}}}}


@router.get("/{name}/export", response_class=Response, responses={200: BODY, **refusals(404, 507)})
def export_session(name: str, hub: SharedHub, store: Store, at: At = None) -> Response:
    """The session with its history and its memory as one file, which POST /v1/sessions/import takes in."""
    must_exist(hub, name)
    commit = store.resolve(name) if at is None else store.resolve(at, name)
    file, size = _as_job(hub, "export", name, lambda progress: _written(store, name if at is None else commit.hex, progress))
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}.bundle",
        "ETag": f'"{commit.hex}"',
    }
    return StreamingResponse(_pieces(file), media_type=BUNDLE, headers=headers)


@router.post(
    "/import",
    status_code=201,
    response_class=JSONResponse,
    responses=refusals(403, 409, 413, 422, 507),
    dependencies=OWN_SITE,
    openapi_extra={"requestBody": {**BODY, "required": True}},
)
async def import_session(
    request: Request,
    hub: SharedHub,
    store: Store,
    name: Annotated[str | None, Query(description="What to call it, else as in the bundle.", json_schema_extra=NAME)] = None,
) -> Response:
    """Bring in a session from a bundle: all of it is checked before any is stored, and nothing stays where it is refused.

    One that another model computed is refused (409 `recipe_mismatch`); `perdure import` takes it in all the same, for
    `perdure chat --as-text` to go on from its text.
    """
    with tempfile.TemporaryDirectory(prefix=IMPORT, dir=store.path) as folder:
        file = Path(folder) / "bundle"
        with file.open("wb") as out:
            async for piece in request.stream():
                await asyncio.to_thread(out.write, piece)
        info = await asyncio.to_thread(_taken_in, hub, store, file, name)
    response = JSONResponse(session_body(info), 201, {"Location": f"/v1/sessions/{quote(info.name, safe='')}"})
    tagged(response, info.head)
    return response


def _as_job(hub: Hub, kind: str, name: str | None, work: Callable[[Progress], T]) -> T:
    """Work that a request waits for, as a job that others can follow. Raises what it raises."""
    found: list[T] = []

    def chore(progress: Progress, cancelled: Cancelled) -> Done:
        found.append(work(progress))
        return Done({}, True)

    job = hub.jobs.run(Chore(kind, chore, about=name))
    if job.error is not None:
        raise job.error
    return found[0]


def _written(store: Repository, rev: str, progress: Progress) -> tuple[BinaryIO, int]:
    """An open bundle that has no name any more, so that nothing of it stays however the response ends; its bytes."""
    with tempfile.TemporaryDirectory(prefix=EXPORT, dir=store.path) as folder:
        file = Path(folder) / "bundle"
        size = store.export(rev, file, progress)
        return file.open("rb"), size


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(CHUNK):
            yield piece


def _taken_in(hub: Hub, store: Repository, file: Path, name: str | None) -> SessionInfo:
    try:
        return _as_job(hub, "import", name, lambda progress: store.import_bundle(file, name, progress, accepting(hub)))
    except MalformedBundle as error:
        raise MalformedBundle(str(error).replace(str(file), "The body")) from error


def accepting(hub: Hub) -> Callable[[Commit, Recipe], None]:
    """Raises RecipeMismatch for what this server's model cannot go on with."""
    runtime = cast("Runtime", hub.runtime)

    def accept(head: Commit, stored: Recipe) -> None:
        present = runtime.recipe.replace(threads=stored["threads"]) if runtime.threads_are_free else runtime.recipe
        if head.tokens:
            stored.require_same(present)

    return accept
