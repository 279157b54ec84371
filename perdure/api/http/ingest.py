"""POST /v1/sessions/{id}/ingest: documents for a session's memory, as JSON or as an uploaded file; /v1/jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from pathlib import PurePath
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from .. import wiring
from .hub import Hub, hub
from .jobs import Cancelled, Done, Job, Progress
from .openapi import REF
from .ports import SessionPort
from .problems import ParameterError, refusals
from .schemas import IngestRequest
from .sessions import Limit, Order, must_exist, page
from .sites import OWN_SITE

router = APIRouter(prefix="/v1", tags=["memory"])

SharedHub = Annotated[Hub, Depends(hub)]

Parts = list[tuple[str, str]]

FORM = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
    "required": ["file"],
}
BODIES = {
    "application/json": {"schema": {"$ref": REF.format(model="IngestRequest")}},
    "multipart/form-data": {"schema": FORM},
}


@router.post(
    "/sessions/{name}/ingest",
    response_class=JSONResponse,
    responses={202: {"description": "A job"}, **refusals(400, 403, 404, 409, 413, 422)},
    dependencies=OWN_SITE,
    openapi_extra={"requestBody": {"content": BODIES, "required": True}},
)
async def ingest(name: str, request: Request, hub: SharedHub, create: bool = False) -> Response:
    """Have a session remember documents. Small ones at once (200); larger ones become a job (202).

    The body is JSON ({"text", "name"} or {"messages", "name"}) or a form with files. With `create` the session may be new.
    While it lasts the session answers nothing else; what was remembered when a job is cancelled stays.
    """
    data, kind = await request.body(), request.headers.get("content-type", "")
    parts = await asyncio.to_thread(documents, data, kind)
    if not create:
        must_exist(hub, name)
    await hub.make_way(name)
    job = hub.jobs.start(ingestion(name, parts, create=create))
    if sum(len(text) for _, text in parts) > hub.settings.ingest_at_once:
        return JSONResponse(job.body(), 202, {"Location": f"/v1/jobs/{job.id}"})
    await asyncio.to_thread(job.ended.wait)
    if job.error is not None:
        raise job.error
    return JSONResponse(job.body())


def ingestion(name: str, parts: Parts, *, create: bool) -> Job:
    """The job that has a session remember documents."""

    def work(session: SessionPort, progress: Progress, cancelled: Cancelled) -> Done:
        added = session.memory.add(parts, progress=progress, cancelled=cancelled)
        return Done({"memories": added.episodes, "tokens": added.tokens, "commit": added.commit.hex}, added.whole)

    return Job("ingest", name, work, create=create)


@router.get("/jobs", responses=refusals(404))
def list_jobs(
    hub: SharedHub,
    limit: Limit = 20,
    after: str | None = None,
    order: Order = "desc",
    running: Annotated[bool, Query(description="Only those that have not ended.")] = False,
) -> dict[str, Any]:
    """The jobs of this process, the newest first."""
    found = [job.body() for job in hub.jobs.all() if not (running and job.ended.is_set())]
    return page(found, limit, after, order)


@router.get("/jobs/{name}", responses=refusals(404))
def get_job(name: str, hub: SharedHub) -> dict[str, Any]:
    """How far a job has come, and at its end what became of it."""
    return hub.jobs.get(name).body()


@router.delete("/jobs/{name}", status_code=202, responses=refusals(404))
def cancel_job(name: str, hub: SharedHub) -> dict[str, Any]:
    """Ask a job to end soon; GET tells when it has. What it has committed stays."""
    job = hub.jobs.get(name)
    job.cancel()
    return job.body()


def documents(data: bytes, kind: str) -> Parts:
    """The documents in a request's body, (title, text) each. Raises InvalidInput naming the one that cannot be read."""
    sort = kind.partition(";")[0].strip().lower()
    if sort == "multipart/form-data":
        parts = [part for title, content in files(data, kind) for part in wiring.parse_document(content, title)]
    elif sort == "application/json":
        parts = _told(data).parts()
    else:
        raise ParameterError("Send JSON (application/json) or a form with files (multipart/form-data).", param="/")
    if not any(text.strip() for _, text in parts):
        raise ParameterError("There is no text to remember; send some.", param="/text")
    return parts


def files(data: bytes, kind: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the files in a form; a field `name` renames a single one."""
    sections = list(_sections(data, kind))
    found = [(title, content) for head, content in sections if (title := head.get_filename())]
    if not found:
        raise ParameterError("The form holds no file; send at least one.", param="/file")
    names = [content.decode("utf-8", "replace").strip() for head, content in sections if _field(head) == "name"]
    for title, content in found:
        yield (names[0] if names and len(found) == 1 else "") or PurePath(title).name, content


def _sections(data: bytes, kind: str) -> Iterator[tuple[Message, bytes]]:
    """The parts of a form (RFC 7578): the headers and the bytes of each, as they were sent."""
    boundary = _head(f"Content-Type: {kind}").get_boundary()
    if not boundary:
        raise ParameterError("The form's Content-Type names no boundary; let your client write that header.", param="/")
    for section in (b"\r\n" + data).split(b"\r\n--" + boundary.encode("utf-8", "replace"))[1:]:
        if section.startswith(b"--"):
            return
        head, _, content = section.lstrip(b" \t").removeprefix(b"\r\n").partition(b"\r\n\r\n")
        yield _head(head.decode("utf-8", "replace")), content
    raise ParameterError("The form is cut short: its last boundary is missing; send all of it.", param="/")


def _head(text: str) -> Message:
    return HeaderParser().parsestr(text)


def _field(head: Message) -> str | None:
    name = head.get_param("name", header="content-disposition")
    return name if isinstance(name, str) and not head.get_filename() else None


def _told(data: bytes) -> IngestRequest:
    try:
        return IngestRequest.model_validate_json(data)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise RequestValidationError(found) from error
