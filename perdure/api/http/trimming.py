"""Memory that was freed goes back to the system.

glibc keeps what lies between pieces that are still in use, and a server with many sessions leaves more and more of it: 97 of
the 500 MB that one held after half an hour. Its `malloc_trim` gives back every whole page of it, in some milliseconds.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

EVERY_S = 60.0


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


def trim() -> bool:
    """Give back what is free, which whoever allocates meanwhile waits for; False where the C library has no way to."""
    trims = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trims is not None:
        trims(ctypes.c_size_t(0))
    return trims is not None
