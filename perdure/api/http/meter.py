"""What a tenant uses, measured against what it may have."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from ...config import Quota
from ...errors import QuotaExceeded
from .ports import RuntimePort
from .problems import RateExceeded

if TYPE_CHECKING:
    from ...memory.repository import Repository
    from ...memory.usage import Held
    from ...stores.base import Digest

MINUTE = 60.0

FRESH = 10.0
"""Seconds for which the objects of a store are not counted again while no session moves."""


class Stored(NamedTuple):
    """What a store held at a time: `counts` of all objects, and the bytes of the sessions at `heads` by tier."""

    heads: tuple[Digest, ...]
    at: float
    counts: Mapping[str, int]
    tiers: Mapping[str, Held]


class Meter:
    """The tokens that were computed in the last minute, and the bytes that the sessions hold. Thread safe."""

    def __init__(
        self, runtime: RuntimePort, quota: Callable[[], Quota] = Quota, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._runtime = runtime
        self._now = now
        self._lock = threading.Lock()
        self._spent: deque[tuple[float, int]] = deque()
        self._weights: dict[Digest, int] = {}
        self._stored: Stored | None = None
        self.quota = quota

    def spend(self, tokens: int) -> None:
        """So many tokens were computed just now."""
        with self._lock:
            self._spent.append((self._now(), tokens))

    @property
    def tokens(self) -> int:
        """Those of the last minute."""
        with self._lock:
            self._drop()
            return sum(tokens for _, tokens in self._spent)

    def require_tokens(self) -> None:
        """Raises RateExceeded where the minute's tokens are spent, with the seconds until some are free again."""
        most = self.quota().tokens
        if most is None:
            return
        wait = self._wait(most)
        if wait > 0:
            sentence = f"{most} tokens a minute are allowed here, and they are spent; try again later."
            raise RateExceeded(sentence, retry_after=wait)

    def require_bytes(self) -> None:
        """Raises QuotaExceeded where the sessions hold all that they may. Reads the store."""
        most = self.quota().bytes
        if most is not None and self.held() >= most:
            raise QuotaExceeded(f"The sessions hold the {most} bytes that are allowed here; remove or forget something.")

    def held(self) -> int:
        """Bytes of all sessions, each for itself; only the heads that are new are looked at."""
        store = cast("Repository", self._runtime.repository)
        heads = set(store.heads().values())
        fresh = {head: store.usage([head]) for head in heads - self._weights.keys()}
        weights = {head: sum(held.logical for held in tiers.values()) for head, tiers in fresh.items()}
        with self._lock:
            self._weights = {head: weight for head, weight in {**self._weights, **weights}.items() if head in heads}
            return sum(self._weights.get(head, 0) for head in store.heads().values())

    def stored(self) -> Stored:
        """What the store holds; all of it is looked at again when a session has moved, or after some seconds."""
        store = cast("Repository", self._runtime.repository)
        heads, now = tuple(sorted(store.heads().values())), self._now()
        last = self._stored
        if last is None or last.heads != heads:
            last = Stored(heads, now, store.stats(), store.usage())
        elif now - last.at > FRESH:
            last = last._replace(at=now, counts=store.stats())
        self._stored = last
        return last

    def _wait(self, most: int) -> int:
        """Whole seconds until fewer tokens than `most` count."""
        with self._lock:
            self._drop()
            left = sum(tokens for _, tokens in self._spent)
            if left < most:
                return 0
            for at, tokens in self._spent:
                left -= tokens
                if left < most:
                    return max(1, math.ceil(at + MINUTE - self._now()))
            return int(MINUTE)

    def _drop(self) -> None:
        while self._spent and self._spent[0][0] <= self._now() - MINUTE:
            self._spent.popleft()
