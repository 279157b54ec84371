"""Who has a store open, and whether somebody went away without closing it."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path


class Presence:
    """A marker file that this process locks for as long as it has the store open.

    A marker whose lock is free was left by a process that died: `unclean` says that one was found (and removed) here.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.unclean = _sweep(directory)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._path = directory / name
        self._fd = os.open(directory / f".{name}", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        # Locked before it has its name, so that nobody takes it for one that was left behind.
        (directory / f".{name}").rename(self._path)

    def close(self) -> None:
        """Remove the marker. Idempotent."""
        if self._fd < 0:
            return
        self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd = -1


def _sweep(directory: Path) -> bool:
    found = False
    for path in directory.iterdir():
        if path.name.startswith("."):
            continue
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
            found = True
        except BlockingIOError:
            pass
        finally:
            os.close(fd)
    return found
