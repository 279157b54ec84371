"""Repetitions taken in turns, medians, cold files and the bounds that stand beside every number."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Sample = dict[str, float]
Variant = Callable[[], Sample]


class Key(NamedTuple):
    """Who was measured, and whether the files were in the page cache ("warm", "cold") or do not matter ("")."""

    system: str
    cache: str = ""


class Clock:
    """Milliseconds since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    @property
    def ms(self) -> float:
        return (time.perf_counter() - self.start) * 1e3


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one system in one case: median, extremes and the number of repetitions."""

    case: str
    system: str
    cache: str
    tokens: int
    measure: str
    median: float
    low: float
    high: float
    reps: int
    note: str = ""


class Table:
    """All rows of a run."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def add(self, case: str, tokens: int, results: Mapping[Key, list[Sample]], note: str = "") -> None:
        for key, samples in results.items():
            for measure in samples[0]:
                values = [sample[measure] for sample in samples]
                spread = statistics.median(values), min(values), max(values)
                self.rows.append(Row(case, key.system, key.cache, tokens, measure, *spread, len(values), note))

    def find(self, case: str, system: str, measure: str, tokens: int, cache: str = "") -> float | None:
        """The median of one measure, or None where it was not taken."""
        wanted = (case, system, measure, tokens, cache)
        rows = (row for row in self.rows if (row.case, row.system, row.measure, row.tokens, row.cache) == wanted)
        return next((row.median for row in rows), None)

    def to_list(self) -> list[dict[str, Any]]:
        return [asdict(row) for row in self.rows]


def interleave(variants: Mapping[Key, Variant], reps: int, *, discard: int = 0) -> dict[Key, list[Sample]]:
    """A B C, A B C, ...: a drift of the machine reaches all variants alike. The first `discard` rounds do not count."""
    results: dict[Key, list[Sample]] = {key: [] for key in variants}
    for _ in range(discard + reps):
        for key, variant in variants.items():
            results[key].append(variant())
    return {key: samples[discard:] for key, samples in results.items()}


def files_under(path: Path) -> list[Path]:
    return sorted(found for found in path.rglob("*") if found.is_file()) if path.is_dir() else [path]


def sync_file(path: Path) -> float:
    """Make a file durable; returns milliseconds."""
    clock = Clock()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return clock.ms


def drop_cache(path: Path) -> None:
    """Write a file or a folder out and ask the kernel to forget its pages; the host below may still hold them."""
    for found in files_under(path):
        descriptor = os.open(found, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def disk_bytes(path: Path) -> int:
    """Bytes allocated on disk: a sparse file counts what it holds, not what it could."""
    return sum(found.stat().st_blocks * 512 for found in files_under(path))


@contextmanager
def written(sample: Sample, name: str) -> Iterator[None]:
    """Add to a sample the bytes that this process handed to the disk inside the block, as the kernel counts them."""
    before = _write_bytes()
    yield
    sample[name] = float(_write_bytes() - before)


def _write_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))


class Bounds:
    """What no restore of `size` bytes can beat here: a copy in memory, and a plain read of a file."""

    def __init__(self, folder: Path, size: int) -> None:
        self.source = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8)
        self.target = np.zeros_like(self.source)
        self.file = folder / f"bound-{size}.bin"
        self.source.tofile(self.file)
        drop_cache(self.file)

    def memcpy(self) -> Sample:
        clock = Clock()
        np.copyto(self.target, self.source)
        return {"restore_ms": clock.ms, "bytes": float(self.source.nbytes)}

    def read(self, *, cold: bool) -> Sample:
        if cold:
            drop_cache(self.file)
        self.target[:] = 0
        clock = Clock()
        with self.file.open("rb", buffering=0) as file:
            count = _read_into(file.fileno(), self.target.data)
        elapsed = clock.ms
        if count != self.source.nbytes or not np.array_equal(self.source, self.target):
            raise RuntimeError(f"{self.file.name} did not read back as written.")
        return {"restore_ms": elapsed, "bytes": float(count)}

    def variants(self) -> dict[Key, Variant]:
        return {
            Key("memcpy", "warm"): self.memcpy,
            Key("raw read", "warm"): lambda: self.read(cold=False),
            Key("raw read", "cold"): lambda: self.read(cold=True),
        }


def _read_into(descriptor: int, view: memoryview) -> int:
    done = 0
    while done < len(view):
        count = os.preadv(descriptor, [view[done : done + (1 << 20)]], done)
        if not count:
            break
        done += count
    return done
