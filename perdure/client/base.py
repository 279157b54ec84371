"""What both clients share: their settings, and requests as httpx wants them."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import httpx

from ..errors import InvalidInput, Unreachable
from .failures import body_of, failure
from .results import Job
from .wish import Call, T

URL = "http://127.0.0.1:8400"
"""Where `perdure serve` answers when nobody says otherwise."""

POLL = 0.2
"""Seconds between looks at a job."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the server is and how patient the client: `timeout` seconds without a byte, `retries` further tries."""

    url: str = URL
    api_key: str | None = field(default=None, repr=False)
    timeout: float | None = 600.0
    retries: int = 2

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"The server's address is {self.url[:200]!r}; give one like {URL}.")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidInput(f"timeout is {self.timeout}; give seconds above 0, or None for no end.")
        if self.retries < 0:
            raise InvalidInput(f"retries is {self.retries}; give 0 or more.")

    @property
    def options(self) -> dict[str, Any]:
        """For httpx's clients."""
        key = {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}
        return {
            "base_url": self.url.removesuffix("/").removesuffix("/v1"),
            "headers": {"Accept": "application/json", **key},
            "timeout": httpx.Timeout(self.timeout, connect=min(10.0, self.timeout or 10.0)),
        }


def request_of(call: Call[Any]) -> dict[str, Any]:
    """Keyword arguments for httpx's `build_request`."""
    wish = call.wish
    body: Mapping[str, Any] = {} if wish.body is None else {"json": wish.body}
    if wish.files:
        body = {"files": [("file", each) for each in wish.files]}
    return {"method": call.method, "url": call.path, "params": call.query, "headers": wish.headers, **body}


def answer_of(call: Call[T], response: httpx.Response, url: str) -> T:
    """What a response, read to its end, says. Raises what the server refused it with."""
    if not response.is_success:
        raise failure(response.status_code, response.content)
    plain = response.headers.get("content-type", "").startswith("text/plain")
    return call.wish.read(response.text if plain else body_of(response.content, url))


def require_time(job: Job, deadline: float | None) -> None:
    """Raises Unreachable when a job has been waited for long enough."""
    if deadline is not None and time.monotonic() > deadline:
        raise Unreachable(f"Job {job.id} has not ended in the time it was given; wait longer, or cancel it.")


@contextmanager
def whole(target: Path) -> Iterator[BinaryIO]:
    """A file that is written whole or not at all."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink()
        raise
