"""What a server has done since it started, counted; told to Prometheus by `metrics`."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import CODE

if TYPE_CHECKING:
    from ...runtime.records import Receipt

FIRST = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
EACH = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
TOKENS = ("prefilled", "generated", "restored", "reused", "recalled", "replayed")


class Histogram:
    """Seconds, counted in buckets up to each of `bounds` and beyond."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


class Clock:
    """When a turn was asked for and when its pieces were told, in seconds of the monotonic clock."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.asked = now()
        self.first: float | None = None
        self.last: float | None = None
        self.receipt: Receipt | None = None

    def told(self, receipt: Receipt | None) -> None:
        """A piece of text, or with a receipt the end of the answer."""
        self.last = self._now()
        if receipt is not None:
            self.receipt = receipt
        elif self.first is None:
            self.first = self.last


class Counts:
    """Counters of one application. Names of sessions are in none of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.refusals: Counter[str] = Counter()
        self.tokens: Counter[str] = Counter(dict.fromkeys(TOKENS, 0))
        self.turns: Counter[str] = Counter()
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.first_token = Histogram(FIRST)
        self.per_token = Histogram(EACH)

    @property
    def lock(self) -> AbstractContextManager[bool]:
        """Held while the counters are read together."""
        return self._lock

    def request(self, method: str, route: str, status: int, code: str | None) -> None:
        with self._lock:
            self.requests[method, route, status] += 1
            if code is not None:
                self.refusals[code] += 1

    def turn(self, clock: Clock) -> None:
        """A turn that has ended, be it without an answer."""
        with self._lock:
            receipt = clock.receipt
            self.turns["failed" if receipt is None else receipt.finish_reason] += 1
            if receipt is None:
                return
            self.tokens.update({kind: getattr(receipt, kind) for kind in TOKENS})
            if clock.first is not None and clock.last is not None:
                self.first_token.note(clock.first - clock.asked)
                if receipt.generated > 1:
                    self.per_token.note((clock.last - clock.first) / (receipt.generated - 1))

    def told(self) -> dict[str, int]:
        """The tokens so far, by what became of them."""
        with self._lock:
            return dict(self.tokens)

    def job(self, kind: str, status: str) -> None:
        """A job that has ended."""
        with self._lock:
            self.jobs[kind, status] += 1


class Counted:
    """ASGI middleware that counts requests by method, route and status. What no route takes is counted as one route."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._counts.request(scope["method"], route, status, scope.get(CODE))
