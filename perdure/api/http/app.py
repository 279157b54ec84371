"""The application: the endpoints, the error bodies and the life of the worker threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from ... import __version__
from ...errors import PerdureError
from . import (
    bundles,
    chat,
    commits,
    completions,
    conversations,
    describing,
    embeddings,
    episodes,
    events,
    ingest,
    keys,
    memory,
    merging,
    meta,
    metrics,
    parametric,
    probing,
    quotas,
    refs,
    response_input,
    responses,
    running,
    sessions,
    stored_chats,
    upkeep,
    viewing,
)
from .boundary import Boundary
from .counting import Counted
from .gate import Gate
from .idempotency import Idempotent
from .mcp import PATH, Mounted
from .openapi import ANY_ERROR, Application
from .ports import RuntimePort
from .problems import on_http_exception, on_perdure_error, on_validation_error
from .rules import permitted
from .settings import HttpSettings
from .sites import cors
from .tenants import Tenants


def create_app(runtime: RuntimePort, *, settings: HttpSettings | None = None) -> FastAPI:
    """An ASGI application over a runtime, which stays the caller's to close.

    At shutdown the answers under way are cut short and committed, and the sessions the application opened are closed.
    """
    settings = settings or HttpSettings()
    tenants = Tenants(runtime, settings)
    tools = Mounted(tenants)
    tenants.left = tools.leave

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tenants.start()
        yield
        tenants.cancel()
        await tools.close()
        await asyncio.to_thread(tenants.close)

    app = Application(
        title="Perdure",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=ANY_ERROR,
        dependencies=[Depends(permitted)],
    )
    app.state.tenants = tenants
    for part in (
        chat,
        stored_chats,
        response_input,
        responses,
        conversations,
        completions,
        embeddings,
        sessions,
        describing,
        commits,
        refs,
        merging,
        bundles,
        memory,
        episodes,
        parametric,
        probing,
        viewing,
        ingest,
        running,
        upkeep,
        events,
        metrics,
        keys,
        quotas,
        meta,
    ):
        app.include_router(part.router)
    app.router.routes.append(Route(PATH, tools))
    if settings.inspector:
        from ..ui import mount

        mount(app, tenants, settings.allowed_hosts)
    app.add_exception_handler(PerdureError, on_perdure_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)
    app.add_middleware(Idempotent)
    app.add_middleware(Gate, tenants=tenants)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **cors(settings.cors_origins))
    app.add_middleware(Boundary, settings=settings, stopping=lambda: tenants.closing)
    app.add_middleware(Counted, counts=tenants.counts)
    return app
