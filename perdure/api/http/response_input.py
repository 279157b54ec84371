"""What a response would read, before it is given: its tokens, and all that led to another response as one item."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import model_validator

from .fields import Text, Tolerant, refuse
from .hub import Hub, hub
from .items import message_items
from .problems import refusals
from .response_log import find
from .response_seat import instructed
from .responses import place_of
from .responses_schemas import ResponseRequest

router = APIRouter(prefix="/v1/responses", tags=["responses"])

SharedHub = Annotated[Hub, Depends(hub)]


class CompactRequest(Tolerant):
    """The body of POST /v1/responses/compact. Only what is stored can be compacted, for its state is what stays."""

    model: Text | None = None
    previous_response_id: Text | None = None

    @model_validator(mode="after")
    def _stored(self) -> CompactRequest:
        if self.previous_response_id is None or (self.model_extra or {}).get("input"):
            raise refuse("Only what is stored can be compacted; send previous_response_id, and no input.", "/input")
        return self


@router.post("/input_tokens", responses=refusals(404, 409))
def count_input(body: ResponseRequest, hub: SharedHub) -> dict[str, Any]:
    """How many tokens a response to this would read, with all that it follows. Nothing is computed or kept."""
    hub.split_model(body.model)
    place = place_of(hub, body)
    repository = hub.runtime.repository
    rev = place.conversation if place.after is None else place.after.commit.hex
    stored = [] if rev is None else repository.messages(rev)
    said = instructed(body.instructions, stored, body.records(hub.runtime.calls))
    count = hub.runtime.count([*stored, *said], body.asked(hub.runtime.calls).tools)
    return {"object": "response.input_tokens", "input_tokens": count}


@router.post("/compact", responses=refusals(404))
def compact(body: CompactRequest, hub: SharedHub) -> dict[str, Any]:
    """What users said until a response, and one item that stands for all of it when it is sent as input again.

    Nothing is summarised: the item names the response, whose state is stored, so nothing is computed for it either.
    """
    hub.split_model(body.model)
    stored = find(hub, str(body.previous_response_id), "/previous_response_id")
    stem = stored.name.removeprefix("resp_")
    users = [each for each in hub.runtime.repository.messages(stored.commit.hex) if each.role == "user"]
    shown = [item for n, each in enumerate(users) for item in message_items(f"{stem}_u{n}", each, None, iter(()))]
    item = {"id": f"cmp_{stem}", "type": "compaction", "encrypted_content": stored.name}
    return {
        "id": f"cmp_{stem}",
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*shown, item],
        "usage": NOTHING,
        "prompt_cache_retention": None,
        "service_tier": None,
    }


NOTHING = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}
