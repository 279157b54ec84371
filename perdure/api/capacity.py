"""How much of this machine's memory a server may take."""

from __future__ import annotations

import os
from pathlib import Path

SHARE = 0.5
"""Of the memory that is free once the model is loaded, what working states may take."""

UNKNOWN = 8 << 30
"""Bytes that are taken to be free where the system does not tell."""


def spare_bytes(root: Path = Path("/")) -> int:
    """Bytes of memory that this process could still take: what the machine, and its container if there is one, have free."""
    found = [_available(root), _within_container(root)]
    return min((size for size in found if size is not None), default=UNKNOWN)


def hot_bytes(device: int | None, root: Path = Path("/")) -> int:
    """What working states may take if nobody says so: half of what is spare, beside what they may take of a GPU."""
    return int(SHARE * spare_bytes(root)) + (device or 0)


def sentence(workers: int, queue: int, together: int, hot: int) -> str:
    """What may run at once, for whoever starts a server."""
    shared = f"up to {together} sessions share a forward" if together > 1 else "sessions take turns on the model"
    return (
        f"{workers} requests are answered at once and {queue} more may wait; {shared}; "
        f"working states may take {hot / 2**30:.1f} GiB of memory."
    )


def _available(root: Path) -> int | None:
    try:
        lines = (root / "proc/meminfo").read_text().splitlines()
        return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)
    except (OSError, ValueError):
        return _physical()


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _within_container(root: Path) -> int | None:
    """What the control group (version 2) leaves."""
    group = root / "sys/fs/cgroup"
    try:
        return max(0, int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        return None
