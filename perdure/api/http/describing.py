"""Sessions made and described: POST /v1/sessions, PATCH /v1/sessions/{name}."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, model_validator

from ...memory.names import checked
from .. import wiring
from .fields import Exact, Metadata, NewName, Text, invalid, refuse
from .mounting import at_first
from .preconditions import IfMatch, moved_is_failed, require_at, tagged
from .problems import Unavailable, refusals
from .sessions import must_exist, session_body
from .store import SharedHub, Store, alone

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class SessionMemory(Exact):
    """How a session recalls where it is to be other than the server: not at all, or from another score on."""

    recall: Literal["off"] | None = None
    threshold: float | None = Field(None, ge=0, le=1)


class Description(Exact):
    """What is said of a session. `system` is the system prompt that it begins with."""

    title: Annotated[Text, Field(max_length=200)] | None = None
    metadata: Metadata | None = None
    system: Annotated[Text, Field(min_length=1)] | None = None
    memory: SessionMemory | None = None

    def about(self) -> dict[str, Any]:
        """What was sent, in the form in which it is kept; what is empty is to be taken away."""
        sent = {name: getattr(self, name) for name in self.model_fields_set & set(Description.model_fields)}
        if self.memory is not None:
            sent["memory"] = self.memory.model_dump(exclude_none=True)
        return {name: value or None for name, value in sent.items()}


class SessionRequest(Description):
    """The body of POST /v1/sessions. Without a name it gets one; without `mounts` it mounts the server's profiles."""

    name: NewName | None = None
    model: Text | None = None
    mounts: Annotated[list[NewName] | None, Field(max_length=100)] = None


class SessionPatch(Description):
    """The body of PATCH /v1/sessions/{name}: what it names is replaced as a whole, or taken away by null."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    @model_validator(mode="before")
    @classmethod
    def _keeps_its_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "name" in data:
            raise refuse("A session keeps its name, which others know it by; fork it under another one.", "/name")
        return data

    @model_validator(mode="after")
    def _changes(self) -> SessionPatch:
        if not self.model_fields_set:
            raise invalid("There is nothing to change; send title, metadata, memory or system.")
        return self


@router.post("", status_code=201, responses=refusals(404, 409, 422))
def create_session(hub: SharedHub, response: Response, body: SessionRequest | None = None) -> dict[str, Any]:
    """Make a session, with all that is said of it, or nothing at all."""
    if hub.turns.closing:
        raise Unavailable("The server is stopping; try again when it is back.")
    wanted = body or SessionRequest()
    hub.split_model(wanted.model)
    name = f"session-{secrets.token_hex(8)}" if wanted.name is None else checked(wanted.name)
    mounts = at_first(hub.runtime.repository, name, wanted.mounts, hub.settings.profiles)
    about = {key: value for key, value in wanted.about().items() if value is not None}
    info = hub.runtime.create(name, about=about, mounts=mounts)
    response.headers["Location"] = f"/v1/sessions/{quote(name, safe='')}"
    tagged(response, info.head)
    return session_body(info)


@router.patch("/{name}", responses=refusals(404, 409, 412, 422))
def patch_session(
    name: str, body: SessionPatch, hub: SharedHub, store: Store, response: Response, if_match: IfMatch = None
) -> dict[str, Any]:
    """Change what is said of a session, in a commit of its own."""
    must_exist(hub, name)
    with alone(hub, name), moved_is_failed(if_match):
        head = store.info(name).head
        require_at(head, if_match, name)
        wiring.describe(store, name, body.about(), None if if_match is None else head.digest)
        info = store.info(name)
    tagged(response, info.head)
    return session_body(info)
