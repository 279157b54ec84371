"""Who read, changed and erased what: one line of JSON each, never the text itself, never a secret."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import NotFound
from ...stores.lines import FILE_BYTES, Line, Lines
from .keyring import FOLDER

SPEAKABLE = re.compile(r"[A-Za-z0-9._:@~-]{1,128}")
PLACE = re.compile(r"aud_(\d{1,9})_(\d{1,12})")
OTHER = "other"
"""What stands for an id that could be none of ours: whatever it is, it may be text."""

MOST_IDS = 100


class Entry(NamedTuple):
    """One line. `key` None: nobody's key was asked for, or the server acted by itself."""

    id: str
    time: str
    tenant: str
    key: str | None
    action: str
    ids: tuple[str, ...]
    outcome: str

    def shape(self) -> dict[str, Any]:
        return {"object": "audit.entry", **self._asdict(), "ids": list(self.ids)}


class NoSuchEntry(NotFound):
    """An entry to go on from is none."""

    code = "after_not_found"


class Audit:
    """The audit log of a store. Thread safe, and several processes may write it."""

    def __init__(self, root: Path, file_bytes: int = FILE_BYTES) -> None:
        self._lines = Lines(root / FOLDER, "audit", file_bytes)

    def note(self, tenant: str, key: str | None, action: str, ids: Iterable[str], outcome: str) -> None:
        """Add an entry. Raises StoreFull, StoreUnreadable."""
        spoken = [each if SPEAKABLE.fullmatch(each) else OTHER for each in dict.fromkeys(ids)]
        line = {"time": _now(), "tenant": tenant, "key": key, "action": action, "ids": spoken[:MOST_IDS], "outcome": outcome}
        self._lines.append(json.dumps(line, separators=(",", ":")).encode())

    def entries(self, tenant: str | None = None, *, newest_first: bool = True, after: str | None = None) -> Iterator[Entry]:
        """The entries, of a tenant or of all; those `after` one of them in that order. What is no entry is passed over."""
        for line in self._lines.read(newest_first=newest_first, beyond=None if after is None else _place(after)):
            entry = _entry(line)
            if entry is not None and tenant in (None, entry.tenant):
                yield entry


def _now() -> str:
    seconds, ms = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ms:03}Z"


def _entry(line: Line) -> Entry | None:
    try:
        read = json.loads(line.data)
        return Entry(f"aud_{line.file}_{line.at}", **{**read, "ids": tuple(read["ids"])})
    except (ValueError, TypeError, KeyError):
        return None


def _place(name: str) -> tuple[int, int]:
    found = PLACE.fullmatch(name)
    if found is None:
        raise NoSuchEntry(f"{name[:40]!r} is no entry of the audit log; start again without it.")
    return int(found[1]), int(found[2])
