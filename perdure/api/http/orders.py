"""In which order lists of memories were told of late."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...stores.base import Digest

KEPT = 16
"""Lists that are kept for their next pages."""


class Wanted(NamedTuple):
    """Which memories of a list, by what no other list has (its root, or the heads of all sessions), and in which order."""

    root: Digest | None
    part: str
    pinned: bool | None
    sort: str


class Orders:
    """Lists of memories that were searched or sorted of late, so that a page reads them no second time. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: OrderedDict[Wanted, Sequence[Digest]] = OrderedDict()

    def get(self, wanted: Wanted, read: Callable[[], Sequence[Digest]]) -> Sequence[Digest]:
        """The memories in their order; `read` is asked where that is not known."""
        with self._lock:
            found = self._found.get(wanted)
        found = read() if found is None else found
        with self._lock:
            self._found[wanted] = found
            self._found.move_to_end(wanted)
            while len(self._found) > KEPT:
                self._found.popitem(last=False)
        return found
