"""Lines that are only ever appended, in files of bounded size. Several processes may write; readers see whole lines only."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ..errors import InvalidInput
from .files import translating, write_all

FILE_BYTES = 16 << 20
"""A file that has reached this size is left as it is, and the next one begun."""

TAIL = 1 << 16


class Line(NamedTuple):
    """A line and where it stands: the number of its file and the byte at which it begins."""

    file: int
    at: int
    data: bytes


class Lines:
    """The files `<stem>-<number>.jsonl` of a folder; the highest number is the one that grows.

    A line is there for every later reader once `append` has returned, also when the process is killed right then. What a
    process that died in the middle of a line left of it is cut off by the next writer.
    """

    def __init__(self, folder: Path, stem: str, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._stem = stem
        self._file_bytes = file_bytes

    def append(self, data: bytes) -> None:
        """Add a line, all of it or nothing. Raises StoreFull, StoreUnreadable."""
        if b"\n" in data:
            raise InvalidInput("A line cannot hold a line break.")
        with translating(self._folder), self._alone(), self._open() as fd:
            end = _mend(fd)
            try:
                write_all(fd, data + b"\n")
            except BaseException:
                os.ftruncate(fd, end)
                raise

    def read(self, *, newest_first: bool = False, beyond: tuple[int, int] | None = None) -> Iterator[Line]:
        """The lines, oldest first or the other way round; those `beyond` a place in that order."""
        for number in sorted(self._numbers(), reverse=newest_first):
            if beyond is None or (number <= beyond[0] if newest_first else number >= beyond[0]):
                for line in self._of_file(number, newest_first):
                    place = (line.file, line.at)
                    if beyond is None or (place < beyond if newest_first else place > beyond):
                        yield line

    def _of_file(self, number: int, newest_first: bool) -> Iterator[Line]:
        at, found = 0, []
        with translating(self._folder):
            whole = self._path(number).read_bytes().split(b"\n")[:-1]
        for data in whole:
            found.append(Line(number, at, data))
            at += len(data) + 1
        yield from reversed(found) if newest_first else found

    def _numbers(self) -> list[int]:
        names = [path.stem.removeprefix(f"{self._stem}-") for path in self._folder.glob(f"{self._stem}-*.jsonl")]
        return [int(name) for name in names if name.isascii() and name.isdecimal()]

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._stem}-{number}.jsonl"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread and no other process appends."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._folder / f"{self._stem}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def _open(self) -> Iterator[int]:
        number = max(self._numbers(), default=1)
        path = self._path(number)
        if path.exists() and path.stat().st_size >= self._file_bytes:
            path = self._path(number + 1)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            yield fd
        finally:
            os.close(fd)


def _mend(fd: int) -> int:
    """Cut off a line that has no end; returns where the next one begins."""
    end = at = os.fstat(fd).st_size
    while at:
        start = max(0, at - TAIL)
        found = bytes(os.pread(fd, at - start, start)).rfind(b"\n")
        at = start
        if found >= 0:
            at = start + found + 1
            break
    if at < end:
        os.ftruncate(fd, at)
    return at
