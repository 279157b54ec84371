"""Requests that a page of any site could send here unasked: without JSON a browser asks nobody before it sends them."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import Depends, Request

from .problems import CrossOrigin


async def own_site(request: Request) -> None:
    """Raises CrossOrigin for what a page of another site sends."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise CrossOrigin(f"This is not done for pages of {origin[:80]}; send it from a program on this machine.")


OWN_SITE = [Depends(own_site)]
