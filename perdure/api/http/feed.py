"""What happened lately, numbered, for whoever listens. Nobody can hold it up: who is too slow is told what is lost."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

KEPT = 4096
"""Happenings that can still be asked for."""


class Happening(NamedTuple):
    """Something that happened, to a session or (None) to the server; `data` is plain JSON."""

    number: int
    kind: str
    session: str | None
    time_ms: int
    data: Mapping[str, Any]


class Missed(NamedTuple):
    """What happened after a place in the feed, and how much of that is no longer kept."""

    found: list[Happening]
    lost: int


class Feed:
    """A ring of happenings, safe for all threads. Ids hold a word of this feed's own, so that another server's are known."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[Happening] = deque(maxlen=kept)
        self._word = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._listeners: set[Callable[[], None]] = set()
        self.last = 0
        self.closed = False

    def tell(self, kind: str, session: str | None = None, /, **data: Any) -> None:
        """Something has happened."""
        with self._lock:
            self.last = next(self._numbers)
            self._ring.append(Happening(self.last, kind, session, time.time_ns() // 1_000_000, data))
            listeners = list(self._listeners)
        for wake in listeners:
            wake()

    def after(self, number: int) -> Missed:
        """What has happened since the one of this number."""
        with self._lock:
            first = self._ring[0].number if self._ring else self.last + 1
            found = list(itertools.islice(self._ring, max(0, number + 1 - first), None))
            return Missed(found, max(0, first - number - 1))

    def name(self, number: int) -> str:
        """The id of a happening."""
        return f"{self._word}-{number}"

    def number(self, name: str) -> int | None:
        """The number that an id stands for; None for one that this feed has not given."""
        word, _, digits = name.partition("-")
        known = word == self._word and digits.isascii() and digits.isdecimal() and len(digits) < 20
        return int(digits) if known and int(digits) <= self.last else None

    @contextmanager
    def listening(self, wake: Callable[[], None]) -> Iterator[None]:
        """`wake` is called, from any thread, whenever something has happened and at the end."""
        with self._lock:
            self._listeners.add(wake)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.discard(wake)

    @property
    def listeners(self) -> int:
        with self._lock:
            return len(self._listeners)

    def close(self) -> None:
        """Nothing more will happen: whoever listens is to leave."""
        self.closed = True
        with self._lock:
            listeners = list(self._listeners)
        for wake in listeners:
            wake()
