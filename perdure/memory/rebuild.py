"""Bringing a lost database back from the journals. KV is left out: it is computed again when a session is next opened."""

from __future__ import annotations

import time
from pathlib import Path

from ..stores.journal import Journal
from . import sessionlog


def set_aside(root: Path) -> str:
    """Rename the database's files so that a new one can take their place; returns the new name of data.mdb."""
    stamp = time.strftime("%Y%m%d-%H%M%S") + f"-{time.time_ns() % 1_000_000:06d}"
    kept = f"damaged-{stamp}-data.mdb"
    for name, new in (("data.mdb", kept), ("lock.mdb", f"damaged-{stamp}-lock.mdb")):
        if (root / name).exists():
            (root / name).rename(root / new)
    return kept


def has_journals(root: Path) -> bool:
    """Whether there is anything to rebuild from."""
    return bool(Journal.list(root / "journals"))


def note(root: Path, why: str, kept: str) -> str:
    """What a user is told about a rebuild."""
    sessions = sum(1 for uid in Journal.list(root / "journals") if uid != sessionlog.STORE_UID)
    return f"{why} It was set aside as {kept} and rebuilt from {sessions} journals; KV is computed again when needed."
