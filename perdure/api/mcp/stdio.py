"""The tools over standard input and output, on a store of this machine; no model until something is to be remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from mcp.server.stdio import stdio_server

from .. import wiring
from .desk import Watch
from .server import make_server

if TYPE_CHECKING:
    from ...memory import Repository
    from ...memory.episodes import Episode
    from ...runtime import Runtime
    from ...runtime.memories import Memories
    from ...runtime.session_memory import Added


class OwnDesk:
    """A store of its own, made where there is none; `load` gives a model over it when one is first needed."""

    def __init__(self, store: Path | None, load: Callable[[], Runtime]) -> None:
        self.history: Repository = wiring.open_repository(store, create=True)
        self.memories: Memories = wiring.open_memories(self.history)
        self._load = load
        self._runtime: Runtime | None = None
        self._loading = threading.Lock()

    def admit(self, tool: str, asker: object) -> None: ...

    def note(self, tool: str, asker: object, ids: Iterable[str], outcome: str) -> None: ...

    def add(self, session: str, title: str, text: str, watch: Watch) -> Added:
        with closing(self._model().session(session, create=True)) as opened:
            opened.acquire()
            return opened.memory.add([(title, text)], progress=watch.progress, cancelled=watch.cancelled)

    def forget(self, session: str, name: str) -> Episode:
        return wiring.amend(self.history, session, name, "forget")

    def _model(self) -> Runtime:
        with self._loading:
            if self._runtime is None:
                self._runtime = self._load()
            return self._runtime

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._runtime is not None:
            self._runtime.close()
        self.memories.close()
        self.history.close()


def serve(store: Path | None, load: Callable[[], Runtime]) -> None:
    """Answer the client on standard input until it goes. Standard output carries the protocol and nothing else."""
    with OwnDesk(store, load) as desk:
        anyio.run(_served, desk)


async def _served(desk: OwnDesk) -> None:
    server = make_server(desk)
    async with stdio_server() as (incoming, outgoing):
        await server.run(incoming, outgoing, server.create_initialization_options())
