"""The client that is awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from ..errors import Unreachable
from .base import POLL, URL, Settings, answer_of, request_of, require_time, whole
from .failures import failure, translated
from .frames import Answer, Frames, event
from .parts import (
    CHAT,
    EVENTS,
    EXPORT,
    IMPORT,
    SESSION_EVENTS,
    JobVerbs,
    KeyVerbs,
    MemoryVerbs,
    ProfileVerbs,
    ServerVerbs,
    SessionVerbs,
)
from .results import Event, Job, Piece, Reply, Session
from .retrying import after_break, after_refusal
from .verbs import Told
from .wish import Call, T


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as content:
        while piece := content.read(1 << 20):
            yield piece


class AsyncPart:
    """A group of verbs of one client."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def _send_async(self, call: Call[T]) -> T:
        return await self._client._send_async(call)


class AsyncSessions(AsyncPart, SessionVerbs):
    async def export(self, name: str, file: str | Path, *, at: str | None = None) -> int:
        """Write a session, or a revision of it, into a bundle file, whole or not at all; its bytes."""
        async with aclosing(await self._client._open(EXPORT.call(name, at=at))) as response:
            with whole(Path(file)) as out, translated(self._client.settings.url):
                return sum([out.write(piece) async for piece in response.aiter_bytes()])

    async def import_(self, file: str | Path, *, name: str | None = None) -> Session:
        """Bring in a bundle. Raises MalformedBundle, SessionExists or RecipeMismatch."""
        return await self._client._send_async(IMPORT.call(name=name), content=_pieces(Path(file)))


class AsyncMemories(AsyncPart, MemoryVerbs):
    pass


class AsyncProfiles(AsyncPart, ProfileVerbs):
    pass


class AsyncKeys(AsyncPart, KeyVerbs):
    pass


class AsyncJobs(AsyncPart, JobVerbs):
    async def wait(
        self, job: Job, *, timeout: float | None = None, progress: Callable[[int, int | None], None] | None = None
    ) -> Job:
        """Wait for a job's end; `progress` is called with what is done and the total. Raises Unreachable after `timeout`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not job.ended:
            require_time(job, deadline)
            await asyncio.sleep(POLL)
            job = await self.get(job.id)
            if progress is not None:
                progress(job.done, job.total)
        return job


class AsyncClient(ServerVerbs):
    """A client of one server. For one event loop; close it, or use it as a context manager.

    `api_key` is sent as a bearer token. `timeout` is in seconds between bytes of an answer, `retries` counts further tries
    of what is safe to send again. `transport` is httpx's, for tests. Raises the errors of `perdure.errors`.
    """

    def __init__(
        self,
        url: str = URL,
        *,
        api_key: str | None = None,
        timeout: float | None = 600.0,
        retries: int = 2,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = Settings(url, api_key, timeout, retries)
        self._http = httpx.AsyncClient(**self.settings.options, transport=transport)
        self.sessions = AsyncSessions(self)
        self.memory = AsyncMemories(self)
        self.profiles = AsyncProfiles(self)
        self.keys = AsyncKeys(self)
        self.jobs = AsyncJobs(self)

    async def stream(self, messages: Told, **options: Any) -> AsyncChatStream:
        """An answer while it is given; takes what `chat` takes."""
        call = CHAT.call(messages, stream=True, stream_options={"include_usage": True}, **options)
        return AsyncChatStream(await self._open(call), self.settings.url)

    async def events(self, session: str | None = None, *, last_event_id: str | None = None) -> AsyncEventStream:
        """What happens, to one session or to all, as long as it is read; from now on, or after an event."""
        after = {"last_event_id": last_event_id}
        call = EVENTS.call(**after) if session is None else SESSION_EVENTS.call(session, **after)
        return AsyncEventStream(await self._open(call, forever=True), self.settings.url)

    async def close(self) -> None:
        """Let go of the connections. Safe to repeat."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send_async(self, call: Call[T], content: Any = None) -> T:
        async with aclosing(await self._open(call, content=content)) as response:
            with translated(self.settings.url):
                await response.aread()
                return answer_of(call, response, self.settings.url)

    async def _open(self, call: Call[Any], *, content: Any = None, forever: bool = False) -> httpx.Response:
        """A response whose body is still to be read. Raises what the server refused it with."""
        made = 0
        while True:
            tries = self.settings.retries - made if content is None else 0
            try:
                response = await self._once(call, content, forever)
                wait = after_refusal(response, tries)
                if wait is None:
                    return await self._accepted(response)
                await response.aclose()
            except httpx.TransportError as error:
                wait = after_break(error, call, tries, made)
                if wait is None:
                    with translated(self.settings.url):
                        raise
            made += 1
            await asyncio.sleep(wait)

    async def _once(self, call: Call[Any], content: Any, forever: bool) -> httpx.Response:
        body: dict[str, Any] = {} if content is None else {"content": content}
        patience: dict[str, Any] = {"timeout": httpx.Timeout(None, connect=10.0)} if forever else {}
        return await self._http.send(self._http.build_request(**request_of(call), **body, **patience), stream=True)

    async def _accepted(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        with translated(self.settings.url):
            try:
                raise failure(response.status_code, await response.aread())
            finally:
                await response.aclose()


class AsyncChatStream:
    """Pieces of an answer as they come. Who stops reading, or closes it, cancels the answer; what was sent is committed."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url
        self._answer = Answer()
        self._begun = False

    async def __aiter__(self) -> AsyncIterator[Piece]:
        frames = Frames()
        self._begun = True
        try:
            with translated(self._url):
                async for data in self._response.aiter_bytes():
                    for frame in frames.feed(data):
                        piece = self._answer.take(frame)
                        if piece is not None:
                            yield piece
        finally:
            await self.close()

    @property
    def text(self) -> str:
        """What has come so far."""
        return self._answer.text

    async def reply(self) -> Reply:
        """The whole answer, read to its end. Raises Unreachable where it broke off."""
        if not self._begun:
            async for _ in self:
                pass
        if not self._answer.whole:
            raise Unreachable("The answer broke off before its end; what came of it is in text.")
        return self._answer.reply()

    async def close(self) -> None:
        with suppress(httpx.TransportError):
            await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class AsyncEventStream:
    """Events as they happen, without end. Who stops reading, or closes it, leaves."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url

    async def __aiter__(self) -> AsyncIterator[Event]:
        frames = Frames()
        try:
            with translated(self._url):
                async for data in self._response.aiter_bytes():
                    for frame in frames.feed(data):
                        yield event(frame)
        finally:
            await self.close()

    async def close(self) -> None:
        with suppress(httpx.TransportError):
            await self._response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
