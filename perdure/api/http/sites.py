"""Requests that a page of any site could send here unasked: without JSON a browser asks nobody before it sends them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, Request

from .problems import METHODS, CrossOrigin


async def own_site(request: Request) -> None:
    """Raises CrossOrigin for what a page of another site sends."""
    origin = request.headers.get("origin")
    named = origin in request.app.state.tenants.default.settings.cors_origins
    if origin is not None and not named and urlsplit(origin).netloc != request.headers.get("host"):
        raise CrossOrigin(f"This is not done for pages of {origin[:80]}; send it from a program on this machine.")


OWN_SITE = [Depends(own_site)]


def cors(origins: tuple[str, ...]) -> dict[str, Any]:
    """What pages of these origins may ask for and read; they bring a key, and no cookies."""
    return {
        "allow_origins": origins,
        "allow_methods": METHODS,
        "allow_headers": ["*"],
        "expose_headers": ["ETag", "Location", "Retry-After", "X-Memory-Commit", "X-Request-ID", "X-Session-ID"],
        "max_age": 600,
    }
