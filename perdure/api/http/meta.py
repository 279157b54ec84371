"""What runs here and whether it is well."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from ... import __version__
from .hub import Hub, hub
from .problems import Unavailable, refusals

router = APIRouter(tags=["server"])

SharedHub = Annotated[Hub, Depends(hub)]


@router.get("/v1/models")
def list_models(hub: SharedHub) -> dict[str, Any]:
    """The one model of this server."""
    body = model_body(hub)
    return {"object": "list", "data": [body], "first_id": body["id"], "last_id": body["id"], "has_more": False}


@router.get("/v1/models/{name:path}", responses=refusals(404))
def get_model(name: str, hub: SharedHub) -> dict[str, Any]:
    """The model, by its name or as model@session."""
    hub.split_model(name)
    return {**model_body(hub), "id": name}


@router.get("/version")
async def version() -> dict[str, str]:
    """Which Perdure this is."""
    return {"version": __version__}


@router.get("/health")
async def health() -> dict[str, str]:
    """Answers as long as the process does."""
    return {"status": "ok"}


@router.get("/health/ready", responses=refusals(503))
def ready(hub: SharedHub) -> dict[str, str]:
    """Answers 200 while requests are taken and the store can be read."""
    if hub.turns.closing:
        raise Unavailable("The server is stopping; try again when it is back.")
    hub.runtime.repository.exists("ready")
    return {"status": "ready", "model": hub.runtime.model.name}


def model_body(hub: Hub) -> dict[str, Any]:
    model = hub.runtime.model
    return {
        "id": model.name,
        "object": "model",
        "created": hub.started,
        "owned_by": "perdure",
        "context_length": model.context_length,
        "architecture": model.architecture,
        "dtype": model.dtype,
        "parameters": model.parameters,
        "fingerprint": model.fingerprint,
    }
