"""`/mcp`: an agent's tools over streamable HTTP, by the server's own model and under its sessions' reservations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from .hub import Hub
from .jobs import Cancelled, Done, Job, Progress
from .ports import SessionPort
from .problems import Unavailable
from .sites import own_site

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from ...memory import Repository
    from ...memory.episodes import Episode
    from ...runtime.session_memory import Added
    from ..mcp.desk import Watch
    from ..recalling import Searched

PATH = "/mcp"


class HubDesk:
    """What the tools work on here: the server's store and model."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    @property
    def history(self) -> Repository:
        return cast("Repository", self._hub.runtime.repository)

    @property
    def memories(self) -> Searched:
        return self._hub.runtime.memories

    def add(self, session: str, title: str, text: str, watch: Watch) -> Added:
        """As a job in this thread, which others see and can cancel as well."""
        kept: list[Added] = []

        def work(writer: SessionPort, progress: Progress, cancelled: Cancelled) -> Done:
            def told(done: int, total: int) -> None:
                progress(done, total)
                watch.progress(done, total)

            added = writer.memory.add([(title, text)], progress=told, cancelled=lambda: cancelled() or watch.cancelled())
            kept.append(added)
            return Done({"memories": added.episodes, "tokens": added.tokens, "commit": added.commit.hex}, added.whole)

        self._hub.jobs.make_way(session)
        job = self._hub.jobs.run(Job("ingest", session, work, create=True))
        if job.error is not None:
            raise job.error
        return kept[0]

    def forget(self, session: str, name: str) -> Episode:
        with self._hub.writing(session) as writer:
            return writer.memory.remove(name)


class Mounted:
    """The ASGI endpoint. The protocol's library is loaded by the first request, since most servers see none."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._starting = asyncio.Lock()
        self._over = asyncio.Event()
        self._manager: StreamableHTTPSessionManager | None = None
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await own_site(Request(scope))
        manager = await self._started()
        await manager.handle_request(scope, receive, send)

    def leave(self) -> None:
        """End the streams of all clients."""
        self._over.set()

    async def close(self) -> None:
        """The same, and wait for it. Safe to repeat."""
        self.leave()
        if self._task is not None:
            await self._task

    async def _started(self) -> StreamableHTTPSessionManager:
        async with self._starting:
            if self._over.is_set():
                raise Unavailable("The server is stopping; try again when it is back.")
            if self._manager is None:
                manager, ready = await asyncio.to_thread(_manager, self._hub), asyncio.Event()
                self._task = asyncio.create_task(self._run(manager, ready))
                await ready.wait()
                self._manager = manager
            return self._manager

    async def _run(self, manager: StreamableHTTPSessionManager, ready: asyncio.Event) -> None:
        async with manager.run():
            ready.set()
            await self._over.wait()


def _manager(hub: Hub) -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from ..mcp.server import make_server

    return StreamableHTTPSessionManager(make_server(HubDesk(hub)), max_request_body_size=hub.settings.body_limit)
