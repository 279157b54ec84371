"""What was found out about objects, which never change, and of a store as it stands: kept for the next who asks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Latest(Generic[V]):
    """What was found out about a store as a whole, for as long as that stays as it is. Safe for several threads."""

    def __init__(self) -> None:
        self._found: tuple[Hashable, V] | None = None

    def of(self, version: Hashable, make: Callable[[], V]) -> V:
        """The answer for a version that was read before what `make` looks at, so that it is never too old."""
        found = self._found
        if found is None or found[0] != version:
            found = self._found = version, make()
        return found[1]


class Memo(Generic[K, V]):
    """Up to `kept` answers by what they are about, those asked for last. Safe for several threads."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._found: OrderedDict[K, V] = OrderedDict()
        self._lock = Lock()

    def of(self, key: K, make: Callable[[], V]) -> V:
        """The answer, made where it is not known. What `make` raises is raised, and nothing is kept."""
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        made = make()
        with self._lock:
            self._found[key] = made
            while len(self._found) > self._kept:
                self._found.popitem(last=False)
        return made
