"""The outermost layer: names each request, turns away what no endpoint should see, hides what none foresaw."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable
from contextlib import suppress

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import Unavailable, problem, unexpected
from .settings import HttpSettings

log = logging.getLogger("perdure.http")

# As nginx does it (lingering_time): who reads an answer only after sending all of a body that is too large still finds it.
LINGER = 30.0


STILL_ANSWERED = frozenset({"/health", "/health/ready", "/metrics", "/v1/ps", "/version"})
"""What operators ask of a server that is stopping."""


class Boundary:
    """ASGI middleware: X-Request-ID, the body limit, the Host check, the refusals of a server that is `stopping`, and the
    last resort for exceptions.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings, stopping: Callable[[], bool]) -> None:
        self._app = app
        self._settings = settings
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, request_id(Headers(scope=scope)))
        refusal = self._refusal(scope)
        if refusal is not None:
            await answered_before_the_body(refusal, scope, receive, answer)
            return
        try:
            await self._app(scope, _limited(receive, self._limit(scope)), answer)
        except Exception:
            log.exception("request %s: %s %s failed", answer.request_id, scope["method"], scope["path"])
            if answer.started:
                raise
            await unexpected(scope["path"])(scope, receive, answer)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        allowed = self._settings.allowed_hosts
        host = headers.get("host", "")
        if allowed and hostname(host) not in allowed:
            detail = f"Requests for host {host} are not answered; use one of: {', '.join(allowed)}."
            return problem(scope["path"], 403, "host_not_allowed", detail)
        if self._stopping() and scope["path"] not in STILL_ANSWERED:
            later = {"Retry-After": str(self._settings.grace_seconds + 1), "Connection": "close"}
            detail = "The server is stopping; try again when it is back."
            return problem(scope["path"], 503, Unavailable.code, detail, headers=later)
        length, limit = headers.get("content-length", "0"), self._limit(scope)
        if length.isdecimal() and int(length) > limit:
            detail = f"The body has {length} bytes; this server accepts {limit}."
            return problem(scope["path"], 413, "body_too_large", detail, headers={"Connection": "close"})
        return None

    def _limit(self, scope: Scope) -> int:
        limits = {"/ingest": self._settings.ingest_limit, "/v1/sessions/import": self._settings.bundle_limit}
        return next((limit for end, limit in limits.items() if scope["path"].endswith(end)), self._settings.body_limit)


async def answered_before_the_body(refusal: Response, scope: Scope, receive: Receive, answer: Send) -> None:
    """Closing a connection while its client still sends would reset it, and the client would lose the answer."""

    async def lingering(message: Message) -> None:
        if message["type"] != "http.response.body":
            await answer(message)
            return
        await answer({**message, "more_body": True})
        with anyio.move_on_after(LINGER), suppress(HTTPException):
            while (await receive()).get("more_body", False):
                pass
        await answer({"type": "http.response.body", "body": b""})

    await refusal(scope, receive, lingering)


class _Answer:
    """Sends on, marks the response with the request's id and remembers that it began.

    After each part of a body the event loop has its turn, which alone can find that the client is gone: a stream whose parts
    are all there already would be written to the end into a closed connection.
    """

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.request_id = request_id
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            MutableHeaders(scope=message)["X-Request-ID"] = self.request_id
        await self._send(message)
        if message.get("more_body", False):
            await asyncio.sleep(0)


def request_id(headers: Headers) -> str:
    """The client's own id where it sent a sensible one."""
    given = headers.get("x-request-id", "")
    return given if 0 < len(given) <= 128 and given.isascii() and given.isprintable() else f"req_{uuid.uuid4().hex}"


def hostname(host: str) -> str:
    """A Host header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _limited(receive: Receive, limit: int) -> Receive:
    left = limit

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413)
        return message

    return counted
