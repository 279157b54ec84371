"""GET /v1/events: what happens, as server-sent events that can be taken up again where they broke off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import StreamingResponse

from .feed import Feed, Happening
from .hub import Hub
from .openapi import STREAM
from .problems import refusals
from .sessions import must_exist
from .store import SharedHub

router = APIRouter(prefix="/v1", tags=["events"])

PING = 15.0
"""Seconds of silence after which a comment is sent, so that proxies keep the connection and a dead one is noticed."""

LOST = "events.lost"

LastEventId = Annotated[str | None, Header(description="The id of the last event that was seen; without it, from now on.")]


@router.get("/events", response_class=Response, responses={200: STREAM})
async def stream_events(hub: SharedHub, last_event_id: LastEventId = None) -> Response:
    """Everything that happens to sessions and jobs, as long as the client listens."""
    return _streamed(hub, None, last_event_id)


@router.get("/sessions/{name}/events", response_class=Response, responses={200: STREAM, **refusals(404)})
async def stream_session_events(name: str, hub: SharedHub, last_event_id: LastEventId = None) -> Response:
    """What happens to one session."""
    must_exist(hub, name)
    return _streamed(hub, name, last_event_id)


def _streamed(hub: Hub, session: str | None, last: str | None) -> Response:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames(hub.feed, session, last), media_type="text/event-stream", headers=headers)


async def frames(feed: Feed, session: str | None, last: str | None, ping: float = PING) -> AsyncIterator[bytes]:
    """The events after the one whose id is `last`, of one session or of all, until the feed is closed.

    The client's pace decides how soon the next ones are taken from the feed; what that no longer has by then is lost, and
    an event says so.
    """
    loop, woken = asyncio.get_running_loop(), asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # a loop that is closed has nobody to wake
            loop.call_soon_threadsafe(woken.set)

    with feed.listening(wake):
        known = feed.last if last is None else feed.number(last)
        at = 0 if known is None else known
        yield b": listening\n\n"
        if known is None:
            yield frame(feed, at, LOST, {"lost": None})
        while not feed.closed:
            woken.clear()
            found, lost = feed.after(at)
            if lost:
                at += lost
                yield frame(feed, at, LOST, {"lost": lost})
            for happening in found:
                at = happening.number
                if session is None or happening.session == session:
                    yield told(feed, happening)
            if not found and not await _woken(woken, ping):
                yield b": ping\n\n"


async def _woken(woken: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(woken.wait(), seconds)
    except TimeoutError:
        return False
    return True


def told(feed: Feed, happening: Happening) -> bytes:
    """One happening as a server-sent event."""
    body = {"object": "event", "created_at": happening.time_ms // 1000, "session": happening.session, **happening.data}
    return frame(feed, happening.number, happening.kind, body)


def frame(feed: Feed, number: int, kind: str, body: dict[str, Any]) -> bytes:
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {feed.name(number)}\nevent: {kind}\ndata: {data}\n\n".encode()
