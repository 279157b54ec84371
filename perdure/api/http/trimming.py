"""Memory that was freed goes back to the system.

glibc keeps what lies between pieces that are still in use, and a server with many sessions leaves more and more of it: 97 of
the 500 MB that one held after half an hour. Its `malloc_trim` gives back every whole page of it, in some milliseconds. And
threads have arenas of their own, up to eight for each core, which all come to hold the most that a thread ever needed:
after an hour 17 of them had 163 of 530 MB. One is enough where threads mostly take turns.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 60.0

M_ARENA_MAX = -8
"""glibc's number of that option (malloc.h)."""


@contextmanager
def trimming(every_s: float = EVERY_S) -> Iterator[None]:
    """Trim now and then, in a thread of its own, until the block is left."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s) and trim():
            pass

    thread = threading.Thread(target=run, name="perdure-trimming", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def one_arena() -> bool:
    """Have threads that are yet to begin share the main arena, for good; False where the C library has none.

    That is for a process of one's own to do, before anything has begun: those that have begun keep theirs.
    """
    option = _of_glibc("mallopt")
    return option is not None and option(M_ARENA_MAX, 1) == 1


def trim() -> bool:
    """Give back what is free, which whoever allocates meanwhile waits for; False where the C library has no way to."""
    trims = _of_glibc("malloc_trim")
    if trims is not None:
        trims(ctypes.c_size_t(0))
    return trims is not None


def _of_glibc(name: str) -> Callable[..., int] | None:
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    return found
