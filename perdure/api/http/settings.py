"""How the server behaves. Frozen; only `perdure.api` reads the environment to fill it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ...errors import InvalidInput

ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?")

PAGES = "/ui/"
"""Below it are pages, which have a door of their own."""

QUEUE = 256
"""Requests that may wait for a worker."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`workers` requests run at once and `queue` wait for that; more are refused. At most `warm_sessions` stay open
    between requests, as far as the runtime's memory budget lets them; `keep_alive` is for how many seconds (None: until
    others need the room).

    `alias_headers` name a session like X-Session-ID does, for clients that resend their whole history. `allowed_hosts`
    are the Host names that are answered; empty answers all. A stopping server gives its answers `grace_seconds`.

    Bodies have at most `body_limit` bytes, documents that are to be remembered `ingest_limit`, bundles `bundle_limit`;
    documents of more than `ingest_at_once` characters become a job.

    A session that was spoken to and then left alone for `consolidate_idle` seconds is consolidated; None: none is.

    Sessions that requests make mount `profiles`, unless they say otherwise.

    Pages of `cors_origins` may read what is answered; without any, only pages of this server may.

    With `inspector` the pages at /ui are there, which are one application's in a process.
    """

    body_limit: int = 32 << 20
    workers: int = 16
    queue: int = QUEUE
    warm_sessions: int = 1024
    keep_alive: float | None = None
    alias_headers: tuple[str, ...] = ("X-OpenWebUI-Chat-Id", "ChatUI-Conversation-ID")
    allowed_hosts: tuple[str, ...] = ()
    grace_seconds: int = 5
    ingest_limit: int = 64 << 20
    ingest_at_once: int = 32_000
    bundle_limit: int = 64 << 30
    consolidate_idle: float | None = None
    profiles: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    inspector: bool = False

    def without_profiles(self) -> HttpSettings:
        """The same for sessions that mount nothing of themselves."""
        return replace(self, profiles=())

    def __post_init__(self) -> None:
        if min(self.body_limit, self.ingest_limit, self.bundle_limit, self.workers) < 1:
            raise InvalidInput("body_limit, ingest_limit, bundle_limit and workers must be at least 1.")
        if min(self.queue, self.warm_sessions, self.grace_seconds, self.ingest_at_once) < 0:
            raise InvalidInput("queue, warm_sessions, grace_seconds and ingest_at_once must be at least 0.")
        if self.keep_alive is not None and not 0 <= self.keep_alive < float("inf"):
            raise InvalidInput("keep_alive must be a number of seconds, at least 0.")
        if self.consolidate_idle is not None and not 0 <= self.consolidate_idle < float("inf"):
            raise InvalidInput("consolidate_idle must be a number of seconds, at least 0.")
        for origin in self.cors_origins:
            if not ORIGIN.fullmatch(origin):
                raise InvalidInput(f"{origin[:80]!r} is no origin of pages; give one like https://app.example:8443.")
