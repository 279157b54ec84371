"""/v1/conversations: sessions as OpenAI's clients call them. Any session is a conversation of the same id."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import model_validator

from ...errors import RevisionNotFound
from .fields import Tolerant, refuse
from .hub import Hub, hub
from .items import message_items
from .ports import SessionPort
from .problems import ProblemResponse, Unsupported, refusals
from .sessions import Limit, Order, delete_session, must_exist, page

router = APIRouter(prefix="/v1/conversations", tags=["conversations"])

SharedHub = Annotated[Hub, Depends(hub)]


class ConversationRequest(Tolerant):
    """The body of POST /v1/conversations. Items are said with a response, so none can be put in before."""

    metadata: dict[str, str] | None = None
    items: list[Any] | None = None

    @model_validator(mode="after")
    def _empty(self) -> ConversationRequest:
        if self.items:
            raise refuse("A conversation begins with its first response; send these items as its input.", "/items")
        if self.metadata:
            raise refuse("Metadata is kept with responses, not with conversations; send it there.", "/metadata")
        return self


class ItemNotFound(RevisionNotFound):
    """A conversation has no item of that id."""

    code = "item_not_found"


@router.post("")
def create_conversation(hub: SharedHub, body: ConversationRequest | None = None) -> dict[str, Any]:
    """A new, empty session."""
    name = f"conv_{secrets.token_hex(16)}"
    warm = hub.turns.warm
    warm.reserve(name)
    session: SessionPort | None = None
    try:
        session = warm.open(name, create=True)
    except BaseException:
        warm.discard(name, session)
        raise
    warm.give_back(name, session)
    return _body(hub, name)


@router.get("/{name}", responses=refusals(404))
def get_conversation(name: str, hub: SharedHub) -> dict[str, Any]:
    """One session as a conversation."""
    must_exist(hub, name)
    return _body(hub, name)


@router.post("/{name}", responses=refusals(400, 404))
def change_conversation(name: str, hub: SharedHub, body: ConversationRequest | None = None) -> dict[str, Any]:
    """The conversation, where nothing is to be changed; metadata is refused, as when it is made."""
    must_exist(hub, name)
    return _body(hub, name)


@router.delete("/{name}", responses=refusals(404, 409))
def delete_conversation(name: str, hub: SharedHub) -> dict[str, Any]:
    """Remove the session with all its responses."""
    return {**delete_session(name, hub), "object": "conversation.deleted"}


@router.get("/{name}/items", responses=refusals(404))
def list_items(
    name: str, hub: SharedHub, limit: Limit = 20, after: str | None = None, order: Order = "desc"
) -> dict[str, Any]:
    """What was said: texts, calls and their outputs."""
    must_exist(hub, name)
    return page(list(_items(hub, name)), limit, after, order)


@router.post("/{name}/items", status_code=400, response_class=ProblemResponse, responses=refusals(400, 404))
def create_items(name: str, hub: SharedHub) -> dict[str, Any]:
    """Refused: what is said is computed with its answer."""
    must_exist(hub, name)
    raise Unsupported("Items come in with a response; send these as the input of one in this conversation.", param="/items")


@router.delete("/{name}/items/{item}", status_code=400, response_class=ProblemResponse, responses=refusals(400, 404))
def delete_item(name: str, item: str, hub: SharedHub) -> dict[str, Any]:
    """Refused: what follows was computed from it."""
    get_item(name, item, hub)
    sentence = f"What follows an item was computed from it. POST /v1/sessions/{name}/reset goes back to before it."
    raise Unsupported(sentence, param="/item_id")


@router.get("/{name}/items/{item}", responses=refusals(404))
def get_item(name: str, item: str, hub: SharedHub) -> dict[str, Any]:
    """One message of a conversation."""
    must_exist(hub, name)
    found = next((each for each in _items(hub, name) if each["id"] == item), None)
    if found is None:
        raise ItemNotFound(f"The conversation {name} has no item {item[:80]}.")
    return found


def _items(hub: Hub, name: str) -> Iterator[dict[str, Any]]:
    """Every item, oldest first. An output answers the call before it that is still open."""
    open_calls: list[str] = []
    for number, message in enumerate(hub.runtime.repository.messages(name)):
        called = iter([open_calls.pop(0)] if message.role == "tool" and open_calls else [])
        for item in message_items(str(number), message, hub.runtime.calls, itertools.chain(called)):
            open_calls += [item["call_id"]] if item["type"] == "function_call" else []
            yield item


def _body(hub: Hub, name: str) -> dict[str, Any]:
    created = hub.runtime.repository.info(name).created_ms // 1000
    return {"id": name, "object": "conversation", "created_at": created, "metadata": {}}
