"""Freed memory goes back to the system while a server runs."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import threading

import pytest

from perdure.api.http import trimming

GLIBC = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")
FRAGMENTED = """
from pathlib import Path
from perdure.api.http import trimming

SIZE, COUNT, KEPT = 2000, 60_000, 16

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))

pieces = [bytes([n % 255 + 1]) * SIZE for n in range(COUNT)]
for at in range(COUNT):
    if at % KEPT:
        pieces[at] = None
before = anonymous()
assert trimming.trim()
given = before - anonymous()
assert given > SIZE * COUNT // 2, given
assert all(piece is None or piece == bytes([at % 255 + 1]) * SIZE for at, piece in enumerate(pieces))
"""
"""In a process of its own: what other tests have left of the heap would be filled first."""

THREADED = """
import ctypes, sys, threading
from perdure.api.http import trimming

THREADS, HEAP, NON_MAIN_ARENA = 24, 64 << 20, 4
malloc, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free
malloc.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]

def arenas():
    together, found = threading.Barrier(THREADS), []

    def take():
        together.wait()
        piece = malloc(1000)
        elsewhere = ctypes.c_size_t.from_address(piece - 8).value & NON_MAIN_ARENA
        found.append(piece // HEAP if elsewhere else 0)
        together.wait()
        free(piece)

    threads = [threading.Thread(target=take) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(set(found))

if sys.argv[1] == "one":
    assert trimming.one_arena()
print(arenas())
"""
"""In how many arenas lies what threads take at the same time. In a process of its own: the option holds for good."""


@pytest.mark.skipif(not GLIBC, reason="only glibc has malloc_trim")
def test_what_lies_between_pieces_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", FRAGMENTED], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not GLIBC, reason="only glibc has arenas")
def test_threads_share_one_arena() -> None:
    def arenas(wanted: str) -> int:
        command = [sys.executable, "-c", THREADED, wanted]
        return int(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)

    assert arenas("one") == 1 < arenas("many")


def test_it_is_done_now_and_then_until_the_server_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    thrice = threading.Semaphore(0)

    def trim() -> bool:
        thrice.release()
        return True

    monkeypatch.setattr(trimming, "trim", trim)
    with trimming.trimming(0.001):
        assert all(thrice.acquire(timeout=10) for _ in range(3))
    assert "perdure-trimming" not in {thread.name for thread in threading.enumerate()}


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not trimming.trim()
    assert not trimming.one_arena()
    with trimming.trimming(0.001):
        pass
