"""What a screen is given: who looks, a client that asks in their name, and a place on the page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import nicegui
from fastapi import Request
from nicegui import Client, background_tasks, ui

from ...client import AsyncClient
from ...client.results import Event
from ...errors import PerdureError
from . import links
from .answering import Answering, Answers
from .door import PATH, VISITOR
from .visitors import Visitor

SETTLE_S = 0.5
"""Seconds after an event in which further ones are waited for, so that many of them redraw a page once."""
AGAIN_S = 3.0
"""Seconds until events are asked for again when they broke off."""

QUIET = frozenset({"job.progress"})
"""Events that come many times a second and change nothing but a bar."""


@dataclass(slots=True)
class View:
    """One page of one visitor. `query` is what its address says after the question mark."""

    visitor: Visitor
    client: AsyncClient
    page: Client
    path: str
    query: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> View:
        """For a page that was asked for; its client is closed when the page is."""
        visitor: Visitor = request.scope[VISITOR]
        transport = nicegui.app.state.inspector.transport
        client = AsyncClient(str(request.base_url.replace(path="/")), api_key=visitor.secret, retries=0, transport=transport)
        page = ui.context.client
        page.on_delete(client.close)
        return cls(visitor, client, page, request.url.path.removeprefix(PATH), dict(request.query_params))

    def lasting(self) -> AsyncClient:
        """A client like the page's for what goes on when the page is left; whoever asks for it closes it."""
        settings = self.client.settings
        transport = nicegui.app.state.inspector.transport
        return AsyncClient(settings.url, api_key=settings.api_key, retries=0, transport=transport)

    def answering(self, session: str) -> Answering | None:
        """The answer that somebody of the visitor's tenant is getting in a session at the moment, on any page."""
        return self._answers.of(self.visitor.caller.tenant, session)

    def ask(self, session: str, text: str, **options: object) -> Answering:
        """Begin an answer in a session; it goes on when the page is left."""
        return self._answers.begin(self.visitor.caller.tenant, session, text, self.lasting(), options)

    @property
    def _answers(self) -> Answers:
        answers: Answers = nicegui.app.state.inspector.answers
        return answers

    def may(self, scope: str) -> bool:
        """Whether the visitor's key has a scope ("read", "write", "admin")."""
        return self.visitor.may(scope)

    def go(self, address: str) -> None:
        """Leave for another page."""
        ui.navigate.to(address)

    def keep(self, **query: str | int | None) -> None:
        """Have the page's address say so, too, so that it can be passed on; None takes it out."""
        said = {**self.query, **{name: None if value is None else str(value) for name, value in query.items()}}
        self.query = {name: value for name, value in said.items() if value}
        address = links.whole(links.with_query(self.path, self.query))
        self.page.run_javascript(f"history.replaceState(history.state, '', {json.dumps(address)})")

    @asynccontextmanager
    async def told(self, done: str = "") -> AsyncIterator[None]:
        """What is done within says on the page how it ended; a refusal is shown in its own words and goes no further."""
        try:
            yield
        except PerdureError as error:
            with self.page:
                ui.notify(str(error), type="negative", multi_line=True, timeout=8000, close_button="Close")
        else:
            if done:
                with self.page:
                    ui.notify(done, type="positive")

    def follow(
        self,
        session: str | None,
        changed: Callable[[], Awaitable[None]],
        *,
        progress: bool = False,
        wanted: Callable[[Event], bool] = lambda event: True,
    ) -> None:
        """Call `changed` after something happened, to a session or to any, for as long as the page is open.

        `wanted` tells of an event whether it matters; how far jobs have come only does with `progress`.
        """

        def matters(event: Event) -> bool:
            return (progress or event.kind not in QUIET) and wanted(event)

        async def watch() -> None:
            while True:
                with suppress(PerdureError):
                    await self._watch(session, changed, matters)
                await asyncio.sleep(AGAIN_S)

        self.background(watch())

    def background(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Work that ends with the page."""
        task = background_tasks.create(work, name=f"page {self.path}")
        self.page.on_delete(lambda: task.cancel() and None)
        return task

    async def _watch(
        self, session: str | None, changed: Callable[[], Awaitable[None]], matters: Callable[[Event], bool]
    ) -> None:
        fresh = asyncio.Event()

        async def redraw() -> None:
            while True:
                await fresh.wait()
                await asyncio.sleep(SETTLE_S)
                fresh.clear()
                with self.page, suppress(PerdureError):
                    await changed()

        drawing = asyncio.create_task(redraw())
        try:
            async with await self.client.events(session) as events:
                async for event in events:
                    if matters(event):
                        fresh.set()
        finally:
            drawing.cancel()
