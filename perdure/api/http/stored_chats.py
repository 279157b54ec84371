"""Answers of /v1/chat/completions that were asked for with `store`: found again in the commits that keep their ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from ...errors import NotFound
from .chat import Shape
from .hub import Hub, hub
from .items import read
from .problems import ProblemResponse, Unsupported, refusals
from .response_log import COMPLETION, Stored, located, noted, take_back
from .sessions import Limit, Order, page
from .turns import Called, Piece

router = APIRouter(prefix="/v1/chat/completions", tags=["chat"])

SharedHub = Annotated[Hub, Depends(hub)]
ASKED = re.compile(r"metadata\[(.{1,64})\]")


class CompletionNotFound(NotFound):
    """No session of this store holds an answer of that id."""

    code = "completion_not_found"


@router.get("", responses=refusals(404))
def list_completions(
    request: Request,
    hub: SharedHub,
    model: str | None = None,
    limit: Limit = 20,
    after: str | None = None,
    order: Order = "asc",
) -> dict[str, Any]:
    """The answers that are stored under an id, by time; `metadata[KEY]=VALUE` in the query picks some."""
    wanted = {found[1]: value for key, value in request.query_params.items() if (found := ASKED.fullmatch(key))}
    served = model in (None, hub.runtime.model.name)
    kept = [each for each in _all(hub) if wanted.items() <= _metadata(each).items()] if served else []
    kept.sort(key=lambda each: (each.commit.time_ms, each.name))
    listed = page([{"id": each.name, "stored": each} for each in kept], limit, after, order)
    return {**listed, "data": [_body(hub, item["stored"]) for item in listed["data"]]}


@router.get("/{name}", responses=refusals(404))
def get_completion(name: str, hub: SharedHub) -> dict[str, Any]:
    """One of them, as it was given."""
    return _body(hub, _stored(hub, name))


@router.post("/{name}", status_code=400, response_class=ProblemResponse, responses=refusals(400, 404))
def change_completion(name: str, hub: SharedHub) -> dict[str, Any]:
    """Refused: an answer and its metadata are a commit, which never changes."""
    _stored(hub, name)
    raise Unsupported("An answer is kept as a commit, so its metadata cannot be changed later.", param="/metadata")


@router.delete("/{name}", responses=refusals(404, 409))
def delete_completion(name: str, hub: SharedHub) -> dict[str, Any]:
    """Take an answer back that nothing follows: its session stands before it again."""
    take_back(hub, _stored(hub, name))
    return {"id": name, "object": "chat.completion.deleted", "deleted": True}


@router.get("/{name}/messages", responses=refusals(404))
def list_stored_messages(
    name: str, hub: SharedHub, limit: Limit = 20, after: str | None = None, order: Order = "asc"
) -> dict[str, Any]:
    """The conversation that an answer follows."""
    stored = _stored(hub, name)
    said = hub.runtime.repository.messages(stored.commit.hex)[:-1]
    told = [{"id": f"{name}-{n}", "role": each.role, "content": each.content} for n, each in enumerate(said)]
    return page([{**each, "content_parts": None, "name": None} for each in told], limit, after, order)


def _all(hub: Hub) -> Iterator[Stored]:
    """Every answer once, in the session that it was given in; forks have the same commits."""
    repository = hub.runtime.repository
    for info in repository.sessions():
        own = f"{COMPLETION}{info.uid}_"
        yield from (each for each in noted(repository, info.name, COMPLETION) if each.name.startswith(own))


def _stored(hub: Hub, name: str) -> Stored:
    found = located(hub, name) if name.startswith(COMPLETION) else None
    if found is None:
        raise CompletionNotFound(
            f"There is no stored answer {name[:80]}; only those of a session are kept that were asked for with store."
        )
    return found


def _body(hub: Hub, stored: Stored) -> dict[str, Any]:
    runtime, receipt = hub.runtime, stored.receipt
    names = [tool["function"]["name"] for tool in stored.request["tools"]]
    text = runtime.repository.messages(stored.commit.hex)[-1].content
    parts = read(runtime.calls if names else None, text, names)
    said = [Piece(part) if isinstance(part, str) else Called(part) for part in parts]
    memory = {"session": stored.session, "parent": receipt.parent, "commit": receipt.commit}
    answer = Shape(runtime.model, hub.answers, stored.note).answer(receipt, said)
    return {**answer, "metadata": _metadata(stored), "memory": memory}


def _metadata(stored: Stored) -> Mapping[str, str]:
    metadata: Mapping[str, str] = stored.note["metadata"]
    return metadata
