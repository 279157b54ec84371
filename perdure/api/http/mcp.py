"""`/mcp`: an agent's tools over streamable HTTP, by the server's own model and under its sessions' reservations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from .caller import CALLER, Caller
from .hub import HUB, Hub
from .jobs import Cancelled, Done, Job, Progress
from .ports import SessionPort
from .problems import Unavailable
from .rules import TOOLS, UNKNOWN, require
from .sites import own_site
from .tenants import Tenants

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

    def __init__(self, hub: Hub, tenants: Tenants) -> None:
        self._hub = hub
        self._tenants = tenants

    def admit(self, tool: str, asker: object) -> None:
        require(TOOLS.get(tool, UNKNOWN), _caller(asker), self._hub)

    def note(self, tool: str, asker: object, ids: Iterable[str], outcome: str) -> None:
        action, key = TOOLS.get(tool, UNKNOWN).action, _caller(asker).key
        if action is not None:
            self._tenants.note(self._hub.tenant, None if key is None else key.id, action, ids, outcome)

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
    """The ASGI endpoint. The protocol's library is loaded by the first request, since most servers see none.

    A tenant's agents have a protocol server of their own, so that nobody goes on with another's protocol session.
    """

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._starting = asyncio.Lock()
        self._over = asyncio.Event()
        self._managers: dict[str, StreamableHTTPSessionManager] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await own_site(Request(scope))
        manager = await self._started(scope[HUB])
        await manager.handle_request(scope, receive, send)

    def leave(self) -> None:
        """End the streams of all clients."""
        self._over.set()

    async def close(self) -> None:
        """The same, and wait for it. Safe to repeat."""
        self.leave()
        await asyncio.gather(*self._tasks)

    async def _started(self, hub: Hub) -> StreamableHTTPSessionManager:
        async with self._starting:
            if self._over.is_set():
                raise Unavailable("The server is stopping; try again when it is back.")
            if hub.tenant not in self._managers:
                desk = HubDesk(hub, self._tenants)
                manager, ready = await asyncio.to_thread(_manager, desk, hub.settings.body_limit), asyncio.Event()
                self._tasks.append(asyncio.create_task(self._run(manager, ready)))
                await ready.wait()
                self._managers[hub.tenant] = manager
            return self._managers[hub.tenant]

    async def _run(self, manager: StreamableHTTPSessionManager, ready: asyncio.Event) -> None:
        async with manager.run():
            ready.set()
            await self._over.wait()


def _manager(desk: HubDesk, limit: int) -> StreamableHTTPSessionManager:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from ..mcp.server import make_server

    return StreamableHTTPSessionManager(make_server(desk), max_request_body_size=limit)


def _caller(asker: object) -> Caller:
    return cast("Caller", asker.scope[CALLER]) if isinstance(asker, Request) else Caller()
