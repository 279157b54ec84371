"""/v1/responses: an answer with an id that a later request can go on from, which makes any answer a place to branch."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from .chat import EventStream, cancelled_on_disconnect, cancelled_on_error
from .hub import Hub, hub
from .live import Live
from .mentions import mention
from .openapi import STREAM
from .problems import Unsupported, refusals
from .response_events import Body
from .response_log import ResponseInUse, Stored, events, find, input_items, take_back
from .response_seat import Place, ResponseSeating
from .responses_schemas import ResponseRequest
from .sessions import Limit, Order, page
from .turns import Turn

router = APIRouter(prefix="/v1/responses", tags=["responses"])

SharedHub = Annotated[Hub, Depends(hub)]


@router.post("", response_class=JSONResponse, responses={200: STREAM, **refusals(404, 409)})
async def create(body: ResponseRequest, request: Request, hub: SharedHub) -> Response:
    """Answer the input, after another response, in a conversation, or in a session of its own."""
    hub.split_model(body.model)
    place = await asyncio.to_thread(place_of, hub, body)
    asked = await asyncio.to_thread(body.asked, hub.runtime.calls)
    seating = ResponseSeating(hub.runtime, hub.turns.warm, body, place, hub.jobs)
    turn = hub.turns.begin(seating, asked)
    with cancelled_on_error(turn):
        if body.background:
            await turn.begun()
            return _background(_live(hub, turn), body.stream)
        async with cancelled_on_disconnect(request, turn):
            # Whatever fails before the first piece is an error response and not half a stream.
            first = await turn.next()
            live = _live(hub, turn)
            live.start(first)
            if not body.stream:
                return JSONResponse(await live.wait())
        return EventStream(_frames(live.follow()), turn, headers={})


@router.get("/{name}", response_class=JSONResponse, responses={200: STREAM, **refusals(404)})
async def get_response(
    name: str, hub: SharedHub, stream: bool = False, starting_after: Annotated[int, Query(ge=-1)] = -1
) -> Response:
    """A response as it is now, or with `stream` its events from the one after `starting_after`."""
    live = hub.live.get(name)
    if live is not None:
        return (
            StreamingResponse(_frames(live.follow(starting_after)), media_type="text/event-stream")
            if stream
            else (JSONResponse(live.body))
        )
    told, body = await asyncio.to_thread(_stored, hub, name)
    if not stream:
        return JSONResponse(body)
    return StreamingResponse(_frames(_again(told[starting_after + 1 :])), media_type="text/event-stream")


@router.delete("/{name}", responses=refusals(404, 409))
def delete_response(name: str, hub: SharedHub) -> Body:
    """Take an answer back that nothing follows: its session stands before it again, and is gone if that was all of it."""
    if name in hub.live:
        raise ResponseInUse(f"The response {name} is still being given; cancel it first.")
    stored = find(hub, name)
    take_back(hub, stored)
    empty = hub.runtime.repository.info(stored.session).head.turn == 0
    if empty and stored.session.startswith("resp-"):
        hub.turns.remove(stored.session)
    return {"id": name, "object": "response.deleted", "deleted": True}


@router.post("/{name}/cancel", responses=refusals(400, 404))
async def cancel_response(name: str, hub: SharedHub) -> Body:
    """End a response in the background; what was said of it is kept."""
    live = hub.live.get(name)
    if live is None:
        _, body = await asyncio.to_thread(_stored, hub, name)
        if body["status"] == "cancelled":
            return body
        raise Unsupported(f"The response {name} is over, so it cannot be cancelled.", param="/response_id")
    if not live.background:
        raise Unsupported("Only a response in the background can be cancelled; close the connection.", param="/response_id")
    live.turn.cancel()
    return await live.wait()


@router.get("/{name}/input_items", responses=refusals(404))
def list_input_items(
    name: str, hub: SharedHub, limit: Limit = 20, after: str | None = None, order: Order = "desc"
) -> dict[str, Any]:
    """What a response answers."""
    stored, repository = find(hub, name), hub.runtime.repository
    before = repository.resolve(stored.commit.parents[0].hex()).messages
    items = input_items(stored, hub.runtime.calls, repository.messages(stored.commit.hex), before)
    return page(items, limit, after, order)


def place_of(hub: Hub, body: ResponseRequest) -> Place:
    """Raises ResponseNotFound for a previous response that is not there or not over."""
    previous = body.previous_response_id
    if previous in hub.live:
        raise ResponseInUse(f"The response {previous} is still being given; wait for its end.")
    after: Stored | None = None if previous is None else find(hub, previous, "/previous_response_id")
    return Place(after, body.conversation, body.stored)


def _live(hub: Hub, turn: Turn) -> Live:
    note = turn.attached.note or {}
    live = Live(note["response"], note, turn, partial(_over, hub))
    if turn.attached.session is not None:
        hub.live[live.name] = live
        mention([live.name, turn.attached.session])
    return live


def _over(hub: Hub, ended: Live) -> None:
    hub.live.pop(ended.name, None)


def _background(live: Live, stream: bool | None) -> Response:
    live.start()
    if stream:
        return StreamingResponse(_frames(live.follow()), media_type="text/event-stream")
    return JSONResponse(live.body)


def _stored(hub: Hub, name: str) -> tuple[list[Body], Body]:
    stored = find(hub, name)
    return events(stored, hub.runtime.calls, hub.runtime.repository.messages(stored.commit.hex))


async def _again(told: list[Body]) -> AsyncIterator[Body]:
    for event in told:
        yield event


async def _frames(told: AsyncIterator[Body]) -> AsyncIterator[bytes]:
    """Named events, as clients of Responses read them."""
    async for event in told:
        data = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
        yield b"event: " + event["type"].encode() + b"\ndata: " + data + b"\n\n"
