"""The client that waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
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


class Part:
    """A group of verbs of one client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def _send(self, call: Call[T]) -> T:
        return self._client._send(call)


class Sessions(Part, SessionVerbs):
    def export(self, name: str, file: str | Path, *, at: str | None = None) -> int:
        """Write a session, or a revision of it, into a bundle file, whole or not at all; its bytes."""
        with (
            closing(self._client._open(EXPORT.call(name, at=at))) as response,
            translated(self._client.settings.url),
            whole(Path(file)) as out,
        ):
            return sum(out.write(piece) for piece in response.iter_bytes())

    def import_(self, file: str | Path, *, name: str | None = None) -> Session:
        """Bring in a bundle. Raises MalformedBundle, SessionExists or RecipeMismatch."""
        with Path(file).open("rb") as content:
            return self._client._send(IMPORT.call(name=name), content=content)


class Memories(Part, MemoryVerbs):
    pass


class Profiles(Part, ProfileVerbs):
    pass


class Keys(Part, KeyVerbs):
    pass


class Jobs(Part, JobVerbs):
    def wait(
        self, job: Job, *, timeout: float | None = None, progress: Callable[[int, int | None], None] | None = None
    ) -> Job:
        """Wait for a job's end; `progress` is called with what is done and the total. Raises Unreachable after `timeout`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not job.ended:
            require_time(job, deadline)
            time.sleep(POLL)
            job = self.get(job.id)
            if progress is not None:
                progress(job.done, job.total)
        return job


class Client(ServerVerbs):
    """A client of one server. Safe to use from several threads; close it, or use it as a context manager.

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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.settings = Settings(url, api_key, timeout, retries)
        self._http = httpx.Client(**self.settings.options, transport=transport)
        self.sessions = Sessions(self)
        self.memory = Memories(self)
        self.profiles = Profiles(self)
        self.keys = Keys(self)
        self.jobs = Jobs(self)

    def stream(self, messages: Told, **options: Any) -> ChatStream:
        """An answer while it is given; takes what `chat` takes."""
        call = CHAT.call(messages, stream=True, stream_options={"include_usage": True}, **options)
        return ChatStream(self._open(call), self.settings.url)

    def events(self, session: str | None = None, *, last_event_id: str | None = None) -> EventStream:
        """What happens, to one session or to all, as long as it is read; from now on, or after an event."""
        after = {"last_event_id": last_event_id}
        call = EVENTS.call(**after) if session is None else SESSION_EVENTS.call(session, **after)
        return EventStream(self._open(call, forever=True), self.settings.url)

    def close(self) -> None:
        """Let go of the connections. Safe to repeat."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _send(self, call: Call[T], content: Any = None) -> T:
        with closing(self._open(call, content=content)) as response, translated(self.settings.url):
            response.read()
            return answer_of(call, response, self.settings.url)

    def _open(self, call: Call[Any], *, content: Any = None, forever: bool = False) -> httpx.Response:
        """A response whose body is still to be read. Raises what the server refused it with."""
        made = 0
        while True:
            tries = self.settings.retries - made if content is None else 0
            try:
                response = self._once(call, content, forever)
                wait = after_refusal(response, tries)
                if wait is None:
                    return self._accepted(response)
                response.close()
            except httpx.TransportError as error:
                wait = after_break(error, call, tries, made)
                if wait is None:
                    with translated(self.settings.url):
                        raise
            made += 1
            time.sleep(wait)

    def _once(self, call: Call[Any], content: Any, forever: bool) -> httpx.Response:
        body: dict[str, Any] = {} if content is None else {"content": content}
        patience: dict[str, Any] = {"timeout": httpx.Timeout(None, connect=10.0)} if forever else {}
        return self._http.send(self._http.build_request(**request_of(call), **body, **patience), stream=True)

    def _accepted(self, response: httpx.Response) -> httpx.Response:
        if response.is_success:
            return response
        with translated(self.settings.url):
            try:
                raise failure(response.status_code, response.read())
            finally:
                response.close()


class ChatStream:
    """Pieces of an answer as they come. Who stops reading, or closes it, cancels the answer; what was sent is committed."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url
        self._answer = Answer()
        self._begun = False

    def __iter__(self) -> Iterator[Piece]:
        frames = Frames()
        self._begun = True
        try:
            with translated(self._url):
                for data in self._response.iter_bytes():
                    for frame in frames.feed(data):
                        piece = self._answer.take(frame)
                        if piece is not None:
                            yield piece
        finally:
            self.close()

    @property
    def text(self) -> str:
        """What has come so far."""
        return self._answer.text

    def reply(self) -> Reply:
        """The whole answer, read to its end. Raises Unreachable where it broke off."""
        if not self._begun:
            for _ in self:
                pass
        if not self._answer.whole:
            raise Unreachable("The answer broke off before its end; what came of it is in text.")
        return self._answer.reply()

    def close(self) -> None:
        with suppress(httpx.TransportError):
            self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class EventStream:
    """Events as they happen, without end. Who stops reading, or closes it, leaves."""

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url

    def __iter__(self) -> Iterator[Event]:
        frames = Frames()
        try:
            with translated(self._url):
                for data in self._response.iter_bytes():
                    yield from map(event, frames.feed(data))
        finally:
            self.close()

    def close(self) -> None:
        with suppress(httpx.TransportError):
            self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
