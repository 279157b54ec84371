"""The application: the endpoints, the error bodies and the life of the worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ... import __version__
from ...errors import PerdureError
from . import (
    bundles,
    chat,
    commits,
    completions,
    conversations,
    embeddings,
    events,
    ingest,
    memory,
    merging,
    meta,
    metrics,
    parametric,
    refs,
    response_input,
    responses,
    running,
    sessions,
    stored_chats,
    upkeep,
)
from .boundary import Boundary
from .counting import Counted
from .hub import Hub
from .idempotency import Idempotent
from .idle import Idle
from .openapi import ANY_ERROR, Application
from .ports import RuntimePort
from .problems import on_http_exception, on_perdure_error, on_validation_error
from .settings import HttpSettings


def create_app(runtime: RuntimePort, *, settings: HttpSettings | None = None) -> FastAPI:
    """An ASGI application over a runtime, which stays the caller's to close.

    At shutdown the answers under way are cut short and committed, and the sessions the application opened are closed.
    """
    settings = settings or HttpSettings()
    hub = Hub(runtime, settings)
    idle = None if settings.consolidate_idle is None else Idle(runtime, hub.jobs, settings.consolidate_idle)
    if idle is not None:
        hub.turns.spoken = idle.spoken

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if idle is not None:
            idle.start()
        hub.watcher.start()
        yield
        hub.cancel()
        if idle is not None:
            await asyncio.to_thread(idle.close)
        await asyncio.to_thread(hub.close)

    app = Application(
        title="Perdure", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None, responses=ANY_ERROR
    )
    app.state.hub = hub
    for part in (
        chat,
        stored_chats,
        response_input,
        responses,
        conversations,
        completions,
        embeddings,
        sessions,
        commits,
        refs,
        merging,
        bundles,
        memory,
        parametric,
        ingest,
        running,
        upkeep,
        events,
        metrics,
        meta,
    ):
        app.include_router(part.router)
    app.add_exception_handler(PerdureError, on_perdure_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_middleware(Idempotent)
    app.add_middleware(Boundary, settings=settings)
    app.add_middleware(Counted, counts=hub.counts)
    return app
