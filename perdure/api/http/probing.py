"""What a summary keeps by layers and heads, and what a question would read of it or open; nothing of it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import APIRouter
from pydantic import Field, field_validator

from ...memory.fastweights import AGAINST, MOST, SURE, THRESHOLD
from .. import probes, taught
from .fields import Exact, Text, invalid
from .memory import At, commit_at, head
from .mentions import mention
from .problems import refusals
from .sessions import must_exist
from .store import SharedHub

if TYPE_CHECKING:
    from ...memory.repository import Repository
    from ...runtime import Runtime, Session
    from ...runtime.gating import Weighed
    from ..taught import Row
    from .hub import Hub

router = APIRouter(prefix="/v1/sessions/{name}/memory", tags=["memory"])

LONGEST = 8000
"""Characters of a probe."""


class ProbeRequest(Exact):
    """The body of a probe: a question as a user might ask it, and how many findings are told."""

    text: Annotated[Text, Field(max_length=LONGEST, json_schema_extra={"pattern": r"\S"})]
    top: int = Field(12, ge=1, le=100)

    @field_validator("text")
    @classmethod
    def _asks(cls, text: str) -> str:
        if not text.strip():
            raise invalid("There is nothing to probe with; give some words.")
        return text


@router.get("/summary/heads", responses=refusals(404))
def get_heads(name: str, hub: SharedHub, at: At = None) -> dict[str, Any]:
    """What the summary keeps in each layer and head: entries and their attention, or gates and norms of its matrices."""
    commit = commit_at(hub, name, at)
    found = cast("Repository", hub.runtime.repository).summary_heads(commit)
    made_with = cast("Runtime", hub.runtime).calibration(found.maker) if found.maker else None
    return {**head("session.memory.summary.heads", name, commit), **probes.heads(found, made_with)}


@router.post("/summary/probe", responses=refusals(400, 404, 409))
def probe_summary(name: str, body: ProbeRequest, hub: SharedHub) -> dict[str, Any]:
    """What a question would read of the summary if it were asked now: attention by layer and head, and on which entries.

    It is computed on a copy of the session's state, with nothing recalled and no fast weights open; nothing is committed.
    """
    must_exist(hub, name)
    with hub.writing(name) as writer:
        session = cast("Session", writer)
        found, commit = session.probe(body.text, body.top), session.head
    hub.meter.spend(len(found.tokens))
    runtime = cast("Runtime", hub.runtime)
    shape = probes.probed(found, runtime.texts(found.tokens), runtime.spelling(commit))
    return {**head("session.memory.summary.probe", name, commit), **shape}


@router.post("/parametric/probe", responses=refusals(404, 409))
def probe_records(name: str, body: ProbeRequest, hub: SharedHub) -> dict[str, Any]:
    """Which fast-weight records a question would open if it were asked now, and why not the others; nothing is committed.

    `data` has the records whose subject it names, as the gate ranks them, then others that count, `top` in all.
    """
    must_exist(hub, name)
    with hub.writing(name) as writer:
        session = cast("Session", writer)
        found, commit = session.weigh(body.text), session.head
    rows = taught.rows(taught.ledgers(hub.runtime.repository, name, commit))
    shown = [probes.weighed(each) for each in found.decisions[: body.top]]
    shown += _others(hub, rows, found, body.top - len(shown))
    mention(each["id"] for each in shown)
    return {
        **head("session.memory.parametric.probe", name, commit),
        "threshold": THRESHOLD,
        "sure": SURE,
        "against": AGAINST,
        "most": MOST,
        "records": len(rows),
        "named": len(found.decisions),
        "opened": sum(each.opened for each in found.decisions),
        "notes": list(found.notes),
        "data": shown,
    }


def _others(hub: Hub, rows: Sequence[Row], found: Weighed, count: int) -> list[dict[str, Any]]:
    """The first `count` records that count and of which nothing was decided."""
    decided = {each.record.digest for each in found.decisions}
    left = [row.held.digest for row in rows if row.held.digest not in decided][:count]
    encoder = hub.runtime.memories.encoder.identity if left else ""
    return [probes.unnamed(record, encoder) for record in hub.runtime.repository.records(left)]
