"""What sessions know by fast weights: consolidated, listed, forgotten, and mounted from other branches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from ...config import known_writer
from ...errors import Conflict, RevisionNotFound
from ...memory.amending import SHORTEST
from ...memory.names import checked
from .. import lessons, reports, taught, wiring
from ..origins import origins
from .hub import Hub, hub
from .jobs import Cancelled, Done, Job, Progress
from .memory import At, commit_at, head
from .mounting import require
from .preconditions import IfMatch, matches, require_at
from .problems import PreconditionFailed, refusals
from .schemas import ConsolidateRequest, MountsRequest
from .sessions import LongLimit, Order, must_exist, page

if TYPE_CHECKING:
    from ...memory.records import Commit
    from ...runtime import Session
    from ..taught import Known, Ledger, Row
    from .ports import SessionPort

router = APIRouter(prefix="/v1/sessions/{name}", tags=["memory"])

SharedHub = Annotated[Hub, Depends(hub)]


@router.post("/consolidate", status_code=202, response_class=JSONResponse, responses=refusals(404, 409))
def consolidate(name: str, body: ConsolidateRequest, hub: SharedHub) -> Response:
    """Write what the user said into fast weights, as a job; at its end `result` tells what became of each fact.

    They go `into` a profile, made if it is not there and mounted here; without it into the first one that the session
    mounts, or its own ledger. What was written when a job is cancelled stays.
    """
    must_exist(hub, name)
    into = lessons.target(hub.runtime.repository, name, None if body.into is None else checked(body.into, "profile"))
    writer = body.writer if body.writer is None else known_writer(body.writer)
    for wanted in (name, into):
        hub.jobs.make_way(wanted)
    job = hub.jobs.start(consolidation(name, into, writer=writer, again=body.again))
    return JSONResponse(job.body(), 202, {"Location": f"/v1/jobs/{job.id}"})


def consolidation(name: str, into: str, *, writer: str | None = None, again: bool = False, yields: bool = False) -> Job:
    """The job that consolidates a session."""

    def work(session: SessionPort, progress: Progress, cancelled: Cancelled) -> Done:
        own = cast("Session", session)
        done = wiring.consolidate(own, into, writer=writer, again=again, progress=progress, cancelled=cancelled)
        return Done(reports.consolidated(done), done.whole)

    return Job("consolidate", name, work, beside=into, yields=yields)


@router.get("/memory/fast-weights", responses=refusals(404))
def get_fast_weights(name: str, hub: SharedHub, at: At = None) -> dict[str, Any]:
    """The tier of fast weights: how many records count, of how many the source is deleted, and what is mounted."""
    commit = commit_at(hub, name, at)
    tier = taught.tier(hub.runtime.repository, _ledgers(hub, name, commit))
    return {**head("session.memory.fast-weights", name, commit), **reports.fast_weights(tier)}


@router.get("/memory/parametric", responses=refusals(404))
def list_records(
    name: str,
    hub: SharedHub,
    at: At = None,
    limit: LongLimit = 100,
    after: str | None = None,
    order: Order = "asc",
) -> dict[str, Any]:
    """The records that count in a session, of what it mounts and its own, each with the branches that hold it.

    Then the layers whose states are fast weights by nature, for models that have such.
    """
    commit = commit_at(hub, name, at)
    rows = [{"id": row.held.id, "row": row} for row in taught.rows(_ledgers(hub, name, commit))]
    listed = page([*rows, *_natives(hub, commit)], limit, after, order)
    shapes = iter(_shapes(hub, name, [item["row"] for item in listed["data"] if "row" in item]))
    return {**listed, "data": [next(shapes) if "row" in item else item for item in listed["data"]]}


@router.get("/memory/parametric/{record}", responses=refusals(404))
def get_record(name: str, record: str, hub: SharedHub, response: Response) -> dict[str, Any]:
    """One of them, by its id or the 4 or more digits it begins with; a layer by its name."""
    commit = commit_at(hub, name, None)
    # The state is read only for what cannot be a record's digits.
    for native in _natives(hub, commit) if "." in record else ():
        if native["id"] == record:
            return native
    row = _named(taught.rows(_ledgers(hub, name, commit)), record, name)
    response.headers["ETag"] = f'"{row.held.digest.hex()}"'
    return _shapes(hub, name, [row])[0]


@router.delete("/memory/parametric/{record}", responses=refusals(404, 409, 412))
def forget_record(name: str, record: str, hub: SharedHub, if_match: IfMatch = None) -> dict[str, Any]:
    """Take a record out of the session's own ledger. One that a profile holds is forgotten there."""
    must_exist(hub, name)
    with hub.writing(name) as writer:
        found = _ledgers(hub, name, writer.head)
        row = _named(taught.rows(found), record, name)
        gone = [held.digest for held in found[-1].held if held.id == row.held.id]
        if not gone:
            raise _elsewhere(row)
        if not matches(if_match, gone[0].hex()):
            raise PreconditionFailed(f"Record {row.held.id} is another by now, {gone[0].hex()}; read it again.")
        statement = hub.runtime.repository.records(gone[:1])[0].statement
        commit = writer.teach((), gone, f"unteach {statement}"[:72])
        return {**head("memory.record.deleted", name, commit), "id": row.held.id, "deleted": True}


@router.get("/mounts", responses=refusals(404))
def get_mounts(name: str, hub: SharedHub) -> dict[str, Any]:
    """The profiles that the session mounts: `names`, and what each comes to."""
    return _mounts(hub, name, commit_at(hub, name, None))


@router.put("/mounts", responses=refusals(404, 409, 412))
def set_mounts(name: str, body: MountsRequest, hub: SharedHub, if_match: IfMatch = None) -> dict[str, Any]:
    """Have the session know what these profiles know, and no others."""
    must_exist(hub, name)
    require(hub.runtime.repository, name, body.names)
    with hub.writing(name) as writer:
        require_at(writer.head, if_match, name)
        return _mounts(hub, name, writer.mount(list(dict.fromkeys(body.names))))


def _mounts(hub: Hub, name: str, commit: Commit) -> dict[str, Any]:
    mounted = taught.mounted(_ledgers(hub, name, commit))
    shown = {"names": list(taught.mounts(commit)), "data": [reports.mounted(each) for each in mounted]}
    return {**head("session.mounts", name, commit), **shown}


def _ledgers(hub: Hub, name: str, commit: Commit) -> list[Ledger]:
    return taught.ledgers(hub.runtime.repository, name, commit)


def _shapes(hub: Hub, name: str, listed: Sequence[Row]) -> list[dict[str, Any]]:
    repository = hub.runtime.repository
    known = taught.opened(repository, listed)
    left = origins(repository, [each.record for each in known])
    return [_shape(each, name, reports.known(each, left)) for each in known]


def _shape(each: Known, name: str, shape: dict[str, Any]) -> dict[str, Any]:
    return {**shape, "own": name in each.branches}


def _natives(hub: Hub, commit: Commit) -> list[dict[str, Any]]:
    return [{**reports.native(each), "own": True} for each in hub.runtime.repository.natives(commit)]


def _named(listed: Sequence[Row], record: str, name: str) -> Row:
    """The record whose id is or begins so. Raises RevisionNotFound."""
    found = [row for row in listed if row.held.id.startswith(record.lower())] if len(record) >= SHORTEST else []
    if len(found) != 1:
        count = "no record" if not found else f"{len(found)} records"
        raise RevisionNotFound(
            f"{record[:40]!r} names {count} of session {name}; give {SHORTEST} or more digits of an id as "
            f"GET /v1/sessions/{name}/memory/parametric lists them."
        )
    return found[0]


def _elsewhere(row: Row) -> Conflict:
    branch = row.branches[0]
    return Conflict(
        f"Record {row.held.id} belongs to the profile {branch}, which this session mounts. Forget it there with "
        f"DELETE /v1/sessions/{branch}/memory/parametric/{row.held.id}, or mount that profile no longer."
    )
