"""Answers that are being given to somebody at a page: they go on when the page is left, and are found again there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from nicegui import background_tasks

from ...client import AsyncClient
from ...client.results import Reply
from ...errors import PerdureError

PAUSE_S = 0.1
"""Seconds between two looks at what has come: reading each token as it comes would take from decoding."""
READING_S = 0.005


class Answering:
    """One answer on its way. `pieces` grow; at its end `reply` or `error` is there, or `stopped` is true.

    Whoever looks reads `pieces` as often as it likes: nothing is drawn for each token.
    """

    def __init__(self, session: str, asked: str) -> None:
        self.session = session
        self.asked = asked
        self.pieces: list[str] = []
        self.reply: Reply | None = None
        self.error: PerdureError | None = None
        self.stopped = False
        self._ended = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return self._ended.is_set()

    def start(self, client: AsyncClient, options: Mapping[str, object]) -> None:
        """Ask; the client is closed at the end."""
        self._task = background_tasks.create(self._run(client, options), name=f"answer in {self.session}")

    def stop(self) -> None:
        """End it here; what came so far is committed. Safe to repeat."""
        if self._task is not None and not self.over:
            self.stopped = True
            self._task.cancel()

    async def ended(self) -> None:
        await self._ended.wait()

    async def _run(self, client: AsyncClient, options: Mapping[str, object]) -> None:
        try:
            async with client, await client.stream(self.asked, session=self.session, create=False, **options) as stream:
                rested = 0.0
                async for piece in stream:
                    self.pieces.append(piece.text)
                    if time.monotonic() - rested > READING_S:
                        await asyncio.sleep(PAUSE_S)
                        rested = time.monotonic()
                self.reply = await stream.reply()
        except PerdureError as error:
            self.error = error
        finally:
            self._ended.set()


class Answers:
    """Those of this process, by tenant and session."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Answering] = {}

    def of(self, tenant: str, session: str) -> Answering | None:
        found = self._running.get((tenant, session))
        return None if found is None or found.over else found

    def begin(self, tenant: str, session: str, text: str, client: AsyncClient, options: Mapping[str, object]) -> Answering:
        """Ask in a session. A second one at once is refused as any other client's is."""
        self._running = {place: each for place, each in self._running.items() if not each.over}
        answering = Answering(session, text)
        self._running.setdefault((tenant, session), answering)
        answering.start(client, {"memory": {"input": "delta"}, **options})
        return answering
