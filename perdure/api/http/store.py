"""The store behind a server's runtime, for endpoints that need no model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, cast

from fastapi import Depends

from ...memory.repository import Repository
from .hub import Hub, hub
from .problems import Unavailable

SharedHub = Annotated[Hub, Depends(hub)]


async def store(hub: SharedHub) -> Repository:
    """The store of the application that a request came to."""
    return cast(Repository, hub.runtime.repository)


Store = Annotated[Repository, Depends(store)]


@contextmanager
def alone(hub: Hub, name: str) -> Iterator[None]:
    """A session that no request uses and that is not warm. Raises SessionBusy at once if another request uses it."""
    if hub.turns.closing:
        raise Unavailable("The server is stopping; try again when it is back.")
    hub.jobs.make_way(name)
    hub.turns.warm.reserve(name)
    try:
        hub.turns.warm.cool(name)
        yield
    finally:
        hub.turns.warm.discard(name)
