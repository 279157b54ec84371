"""Responses under way: their events as far as they have come, for whoever follows them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from .chat import memory
from .problems import error_object
from .response_events import Body, Teller
from .turns import Called, Finished, Piece, Spoken, Turn


class Live:
    """Drives one turn and keeps its events. `wait` gives the final body, or raises what ended the turn."""

    def __init__(self, name: str, note: Any, turn: Turn, ended: Callable[[Live], None]) -> None:
        self.name = name
        self.turn = turn
        self.background = bool(note["echo"]["background"])
        self._teller = Teller(name, note)
        self._ended = ended
        self._events: list[Body] = list(self._teller.begin())
        self._more = asyncio.Condition()
        self._failure: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def body(self) -> Body:
        """The response as it is now."""
        return {**self._teller.body, "output": list(self._teller.output)}

    def start(self, first: Spoken | None = None) -> None:
        """Begin to read the turn; `first` is what was read of it already."""
        self._task = asyncio.create_task(self._drive(first))

    async def wait(self) -> Body:
        if self._task is not None:
            await asyncio.shield(self._task)
        if self._failure is not None:
            raise self._failure
        return self._teller.body

    async def follow(self, after: int = -1) -> AsyncIterator[Body]:
        """The events numbered above `after`, as they come."""
        at, over = after + 1, False
        while not over:
            async with self._more:
                while at >= len(self._events) and not self._over:
                    await self._more.wait()
                fresh, over = self._events[at:], self._over
            for event in fresh:
                yield event
            at += len(fresh)

    @property
    def _over(self) -> bool:
        return bool(self._teller.body["status"] != "in_progress")

    async def _drive(self, first: Spoken | None) -> None:
        try:
            event = first or await self.turn.next()
            while not isinstance(event, Finished):
                await self._add(self._told(event))
                event = await self.turn.next()
            told = memory(self.turn.attached, event.receipt)
            await self._add(list(self._teller.end(event.receipt, memory=told)))
        except Exception as error:
            self._failure = error
            await self._add(list(self._teller.fail(error_object(error))))
        finally:
            self._ended(self)

    def _told(self, event: Piece | Called) -> list[Body]:
        return list(self._teller.part(event.call if isinstance(event, Called) else event.text))

    async def _add(self, events: list[Body]) -> None:
        async with self._more:
            self._events += events
            self._more.notify_all()
