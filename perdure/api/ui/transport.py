"""The application asked within its own process: httpx's requests become calls, and answers stream as they are given."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
from starlette.types import ASGIApp, Message, Scope

WAITING = 256
"""Pieces of an answer that may wait for a slow reader, who then gets them as one."""


class InProcess(httpx.AsyncBaseTransport):
    """Unlike httpx's own ASGITransport it gives pieces of a body when they come, and says so when a reader has left."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange(self._app, request)
        status, headers = await exchange.begin()
        return httpx.Response(status, headers=headers, stream=exchange)


class _Exchange(httpx.AsyncByteStream):
    """One request and its answer. Raises httpx.RemoteProtocolError where the application fails in between."""

    def __init__(self, app: ASGIApp, request: httpx.Request) -> None:
        self._request = request
        assert isinstance(request.stream, httpx.AsyncByteStream)
        self._body = aiter(request.stream)
        self._sent = False
        self._left = asyncio.Event()
        self._told: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=WAITING)
        self._task = asyncio.create_task(self._run(app))

    async def begin(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        try:
            start = await self._told.get()
        except BaseException:
            await self.aclose()
            raise
        if start is None:
            raise httpx.RemoteProtocolError("The server failed before it answered.", request=self._request)
        return start["status"], start["headers"]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            waiting = [await self._told.get()]
            while not self._told.empty():
                waiting.append(self._told.get_nowait())
            body = b"".join(message.get("body", b"") for message in waiting if message is not None)
            if body:
                yield body
            if waiting[-1] is None:
                raise httpx.RemoteProtocolError("The answer broke off.", request=self._request)
            more = waiting[-1].get("more_body", False)

    async def aclose(self) -> None:
        """Who closes before the end is a client that went away: the application is told, and waited for."""
        self._left.set()
        while not self._task.done():
            with suppress(asyncio.QueueEmpty):
                self._told.get_nowait()
            await asyncio.wait((self._task,), timeout=0.01)

    async def _run(self, app: ASGIApp) -> None:
        try:
            await app(_scope(self._request), self._receive, self._send)
        except Exception:
            # The boundary has logged it; the reader sees an answer that ends too early.
            if not self._left.is_set():
                await self._told.put(None)

    async def _receive(self) -> Message:
        if self._sent:
            await self._left.wait()
            return {"type": "http.disconnect"}
        try:
            return {"type": "http.request", "body": await anext(self._body), "more_body": True}
        except StopAsyncIteration:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        if not self._left.is_set():
            await self._told.put(message)


def _scope(request: httpx.Request) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "root_path": "",
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "state": {},
    }
