"""What is sent again, and when: only what the server has not done, or does once however often it is asked."""

from __future__ import annotations

import httpx

from .wish import Call

LONGEST = 30.0
"""Seconds that a Retry-After is followed; who is to wait longer is told."""

FIRST = 0.25
"""Seconds before the first try after a broken connection; each further one takes twice as long."""

REFUSED = frozenset({409, 429, 503})


def after_refusal(response: httpx.Response, tries: int) -> float | None:
    """Seconds until a refused request is sent again; None: not at all. The server says when it has done nothing."""
    wait = response.headers.get("retry-after", "")
    if tries < 1 or response.status_code not in REFUSED or response.headers.get("x-should-retry") == "false":
        return None
    return float(wait) if wait.isascii() and wait.isdecimal() and float(wait) <= LONGEST else None


def after_break(error: httpx.TransportError, call: Call[object], tries: int, made: int) -> float | None:
    """The same after a connection that broke; what may have been done already is sent again only where that is harmless."""
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    broke = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
    harmless = call.method == "GET" or "Idempotency-Key" in call.wish.headers
    return FIRST * 2**made if tries > 0 and (never_sent or (broke and harmless)) else None
