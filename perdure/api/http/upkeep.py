"""Work on the store itself: proving a session, counting what is stored, dropping what nothing leads to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from ...memory.records import Problem
from .. import reports
from .caller import Sender
from .fields import Exact
from .hub import Hub
from .jobs import Cancelled, Chore, Done, Job, Progress
from .problems import refusals
from .running import memory_body
from .sessions import must_exist
from .sites import OWN_SITE
from .store import SharedHub, Store
from .tenants import Tenants

if TYPE_CHECKING:
    from ...memory.repository import Repository
    from ...runtime import Session
    from .ports import SessionPort

router = APIRouter(prefix="/v1", tags=["operators"])


class VerifyRequest(Exact):
    """The body of POST /v1/sessions/{id}/verify; with `hashes_only` nothing is replayed."""

    hashes_only: bool = False


class GcRequest(Exact):
    """The body of POST /v1/gc; with `dry_run` it is only counted. Reflogs keep what they name for `expire_days`."""

    dry_run: bool = False
    expire_days: float = Field(default=30.0, ge=0, allow_inf_nan=False)


class FsckRequest(Exact):
    """The body of POST /v1/fsck; what is broken is mended only with `repair`."""

    repair: bool = False


@router.post(
    "/sessions/{name}/verify",
    status_code=202,
    response_class=JSONResponse,
    responses=refusals(403, 404, 409),
    dependencies=OWN_SITE,
)
def verify_session(name: str, hub: SharedHub, store: Store, body: VerifyRequest | None = None) -> Response:
    """Re-hash a session, replay it from its tokens and compare KV and logits bit by bit, as a job.

    At its end `result` has `ok` and `problems`. The session answers nothing meanwhile, unless only hashes are compared.
    """
    must_exist(hub, name)
    hub.jobs.make_way(name)
    job: Job = rehashing(store, name) if body is not None and body.hashes_only else replaying(name)
    return started(hub.jobs.start(job))


@router.post("/gc", status_code=202, response_class=JSONResponse, responses=refusals(403, 422), dependencies=OWN_SITE)
def collect_garbage(hub: SharedHub, store: Store, body: GcRequest | None = None) -> Response:
    """Delete what no session, tag or recent reflog entry leads to, as a job; it is one transaction, so writers wait."""
    wanted = body or GcRequest()

    def work(progress: Progress, cancelled: Cancelled) -> Done:
        report = store.gc(dry_run=wanted.dry_run, expire_days=wanted.expire_days)
        if not wanted.dry_run:
            hub.runtime.memories.forget()
        return Done(
            {"objects": report.objects, "bytes": report.bytes, "kept": report.kept, "journals": report.journals}, True
        )

    return started(hub.jobs.start(Chore("gc", work)))


@router.post("/fsck", status_code=202, response_class=JSONResponse, responses=refusals(403, 422), dependencies=OWN_SITE)
def examine(hub: SharedHub, store: Store, body: FsckRequest | None = None) -> Response:
    """Examine the whole store in a process of its own, as a job; with `repair` mend what another copy can bring back.

    At its end `result` has `ok`, `objects`, `bytes`, `journals`, `problems`, and `lost`: what no copy could bring back.
    """
    repair = body is not None and body.repair

    def work(progress: Progress, cancelled: Cancelled) -> Done:
        return Done(reports.fsck(store.fsck(repair=repair, progress=progress)), True)

    return started(hub.jobs.start(Chore("fsck", work)))


@router.get("/stats")
def get_stats(request: Request, hub: SharedHub, caller: Sender) -> dict[str, Any]:
    """What the tenant's store holds: by tier, for each session that holds it (`logical`) and as it is stored (`unique`).

    `memory` is what working states take, and may take; `quota` what the tenant may have (null: without bound),
    `tokens_last_minute` what its model has computed, `tokens` what became of all tokens `since` a time. An admin of the
    server sees the same of all `tenants`.
    """
    every: Tenants = request.app.state.tenants
    house = {"object": "stats", **stats_body(hub), "memory": memory_body(hub)}
    if not caller.operator:
        return house
    asleep = [{"tenant": name, "at_work": False} for name in every.asleep]
    return {**house, "tenants": [*({**stats_body(each), "at_work": True} for each in every.hubs), *asleep]}


def stats_body(hub: Hub) -> dict[str, Any]:
    """What one tenant has and did."""
    _, _, counts, tiers = hub.meter.stored()
    logical, unique = (sum(getattr(held, kind) for held in tiers.values()) for kind in ("logical", "unique"))
    return {
        "tenant": hub.tenant,
        "quota": asdict(hub.meter.quota()),
        "since": hub.started,
        "tokens": hub.own.told(),
        "tokens_last_minute": hub.meter.tokens,
        "turns_running": hub.turns.under_way,
        "jobs_running": hub.jobs.running,
        "sessions": counts["sessions"],
        "objects": counts["objects"],
        "bytes": {
            "logical": logical,
            "unique": unique,
            "objects": counts["object_bytes"],
            "disk": counts["disk_bytes"],
            "journals": counts["journal_bytes"],
        },
        "dedup_ratio": round(logical / unique, 3) if unique else 1.0,
        "tiers": {tier: held._asdict() for tier, held in tiers.items()},
    }


def rehashing(store: Repository, name: str) -> Chore:
    """The job that reads all that a session refers to."""
    return Chore("verify", lambda progress, cancelled: verdict(store.verify(name, progress)), about=name)


def replaying(name: str) -> Job:
    """The job that computes a session again."""

    def work(session: SessionPort, progress: Progress, cancelled: Cancelled) -> Done:
        return verdict(cast("Session", session).verify(progress))

    return Job("verify", name, work)


def verdict(problems: Sequence[Problem]) -> Done:
    """What became of a verification."""
    ok = all(problem.mended for problem in problems)
    return Done({"ok": ok, "problems": reports.problems(problems)}, True)


def started(job: Job) -> JSONResponse:
    """The answer to a request that became a job."""
    return JSONResponse(job.body(), 202, {"Location": f"/v1/jobs/{job.id}"})
