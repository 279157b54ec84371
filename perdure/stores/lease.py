"""Locks between processes, held by an open file: a process that dies gives them back."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from ..errors import SessionBusy, StoreError, StoreUnreadable

_POLL_S = 0.01


class _FileLock:
    """flock(2) on a file that holds the number of the process that last locked it for itself."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._fd = -1

    @property
    def held(self) -> bool:
        return self._fd >= 0

    def release(self) -> None:
        """Give the lock back. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _acquire(self, operation: int, wait_ms: int, busy: str) -> None:
        if self._fd >= 0:
            raise StoreError(f"The lock {self.path} is held already by this object.")
        deadline = time.monotonic() + wait_ms / 1000
        while True:
            fd = self._open()
            try:
                locked = _try_lock(fd, operation)
                if locked and self._same_file(fd):
                    self._enter(fd, operation)
                    return
                holder = "" if locked else _holder(fd)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            if not locked:
                if time.monotonic() >= deadline:
                    raise SessionBusy(busy.format(holder=holder))
                time.sleep(min(_POLL_S, max(0.0, deadline - time.monotonic())))

    def _enter(self, fd: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            _sign(fd)
        self._fd = fd

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnreadable(
                f"Cannot open the lock {self.path}: {error.strerror}. Check the store's permissions."
            ) from error

    def _same_file(self, fd: int) -> bool:
        """Whether the path still leads to the file that was locked; somebody may have removed it meanwhile."""
        try:
            named = os.stat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(fd))


class Lease(_FileLock):
    """The right of one writer to a session. Two Lease objects exclude each other, in one process as between two."""

    def acquire(self, wait_ms: int = 0) -> None:
        """Take the lease. Raises SessionBusy, naming the holder's process, when it is not free within `wait_ms`."""
        self._acquire(
            fcntl.LOCK_EX,
            wait_ms,
            "The session is being written by {holder}. Wait for it to finish, or fork the session.",
        )

    def remove(self) -> None:
        """Delete the file of a lease that is held; who waits for it, or wants it later, makes another."""
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Lease:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.release()


class StoreLock(_FileLock):
    """The lock of a whole store: shared by all who use it, exclusive for who replaces its files."""

    _BUSY = "The store is in use by {holder}. Close it there and retry."

    def acquire(self, *, shared: bool = True, wait_ms: int = 0) -> None:
        """Take the lock. Raises SessionBusy when it is not to be had within `wait_ms`."""
        self._acquire(fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait_ms, self._BUSY)

    @contextmanager
    def shared(self, wait_ms: int = 0) -> Iterator[StoreLock]:
        """Hold the lock together with others for the length of the context."""
        self.acquire(shared=True, wait_ms=wait_ms)
        try:
            yield self
        finally:
            self.release()

    @contextmanager
    def exclusive(self, wait_ms: int = 0) -> Iterator[StoreLock]:
        """Hold the lock alone for the length of the context; afterwards it is as before (shared, or not held)."""
        if not self.held:
            self.acquire(shared=False, wait_ms=wait_ms)
            try:
                yield self
            finally:
                self.release()
            return
        self._upgrade(wait_ms)
        try:
            yield self
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_SH)

    def _upgrade(self, wait_ms: int) -> None:
        """Turn shared into exclusive. A failed attempt lets go of the lock for an instant, so it is taken again."""
        deadline = time.monotonic() + wait_ms / 1000
        while not _try_lock(self._fd, fcntl.LOCK_EX):
            fcntl.flock(self._fd, fcntl.LOCK_SH)
            if time.monotonic() >= deadline:
                raise SessionBusy(self._BUSY.format(holder="another process or thread"))
            time.sleep(_POLL_S)
        _sign(self._fd)


def _try_lock(fd: int, operation: int) -> bool:
    try:
        fcntl.flock(fd, operation | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise StoreError(f"A file lock cannot be taken: {error.strerror}.") from error
    return True


def _sign(fd: int) -> None:
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def _holder(fd: int) -> str:
    text = os.pread(fd, 32, 0).strip()
    return f"process {int(text)}" if text.isdigit() else "another process"
