"""Buffers that nobody uses now, kept for the next who asks."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from torch import Tensor


class Spares:
    """The free buffers of all pools of an adapter, up to `bound` bytes of each kind. Thread safe.

    A first write to fresh memory costs more than the copy it is for (17 ms against 2.5 ms for 47 MB, page faults), so what
    is released is kept. Where `snug` is set, bytes are counted: a buffer is hardly larger than what it is taken for, and
    fresh memory takes the place of spare memory, so that both together do not grow while there is any.
    """

    def __init__(self, bound: int = 256 << 20) -> None:
        self.bound = bound
        self.snug = False
        self._free: list[tuple[Hashable, Tensor]] = []
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        with self._lock:
            return sum(buffer.nbytes for _, buffer in self._free)

    def take(self, kind: Hashable, least: int, most: float) -> Tensor | None:
        """The smallest buffer of a kind with room for `least` tokens and not for more than `most`, if there is one."""
        with self._lock:
            fits = [buffer for own, buffer in self._free if own == kind and least <= buffer.shape[2] <= most]
            found = min(fits, key=lambda buffer: buffer.shape[2], default=None)
            self._free = [(own, buffer) for own, buffer in self._free if buffer is not found]
            return found

    def give(self, kind: Hashable, buffer: Tensor) -> None:
        """Keep a buffer, if the bound allows."""
        with self._lock:
            held = sum(kept.nbytes for own, kept in self._free if own == kind)
            if buffer.numel() and held + buffer.nbytes <= self.bound:
                self._free.append((kind, buffer))

    def make_way(self, size: int) -> None:
        """Let go of so many bytes, if there are, for as many that are made anew."""
        with self._lock:
            self._let_go(size)

    def trim(self, most: int) -> None:
        """Keep at most so many bytes."""
        with self._lock:
            self._let_go(sum(buffer.nbytes for _, buffer in self._free) - most)

    def _let_go(self, size: int) -> None:
        """The oldest go first."""
        while size > 0 and self._free:
            size -= self._free.pop(0)[1].nbytes
