"""Small file operations of the journals: whole replacement, durable names, appending with a way back, late syncs."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import StoreError, StoreFull, StoreUnreadable
from . import faults
from .base import Buffer

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Appender:
    """A file that only grows, and can be cut back to a good end."""

    def __init__(self, path: Path) -> None:
        with translating(path):
            self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self.end = os.fstat(self.fd).st_size

    def write(self, data: bytes) -> None:
        if faults.active():
            write_all(self.fd, data[: len(data) // 2])
            faults.point("journal.append.torn")
            write_all(self.fd, data[len(data) // 2 :])
        else:
            write_all(self.fd, data)
        self.end += len(data)

    def cut(self, end: int) -> None:
        os.ftruncate(self.fd, end)
        self.end = end

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Syncer:
    """Runs a sync at once or, in a thread that starts when first needed, a little later. Keeps the first failure."""

    def __init__(self, sync: Callable[[], None], delay: float) -> None:
        self._sync = sync
        self._delay = delay
        self._wake = threading.Condition()
        self._due: float | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def now(self, *, only_if_due: bool = False) -> None:
        with self._wake:
            if only_if_due and self._due is None:
                return
            self._due = None
        self._run()
        self.raise_failure()

    def later(self) -> None:
        with self._wake:
            if self._due is not None:
                return
            self._due = time.monotonic() + self._delay
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="perdure-journal", daemon=True)
                self._thread.start()
            self._wake.notify()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
        if self._due is not None:
            self.now()
        self.raise_failure()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise StoreError(f"{self._failure} What was written last may not be durable; open the journal again.")

    def _loop(self) -> None:
        while True:
            with self._wake:
                while not self._stopping and (self._due is None or self._due > time.monotonic()):
                    self._wake.wait(None if self._due is None else max(0.0, self._due - time.monotonic()))
                if self._stopping:
                    return
                self._due = None
            self._run()

    def _run(self) -> None:
        try:
            self._sync()
        except StoreError as error:
            self._failure = self._failure or error


def write_all(fd: int, data: Buffer) -> None:
    """write(2) until everything is written."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def read_file(path: Path) -> bytes:
    """A file's content; empty when it does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def replace(path: Path, *parts: Buffer) -> None:
    """Give a file new content, the parts one after the other, all or nothing, durably."""
    temporary = path.with_name(path.name + ".new")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for part in parts:
                write_all(fd, part)
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make names that were added to or removed from a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextlib.contextmanager
def translating(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull(f"No space is left for the journal {path}. Free some and retry.") from error
        if error.errno in _DENIED:
            raise StoreUnreadable(f"The journal {path} cannot be used: {error.strerror}. Check permissions.") from error
        raise StoreError(f"The journal {path} failed: {error.strerror}.") from error
