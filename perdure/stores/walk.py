from __future__ import annotations
from pathlib import Path
from typing import NamedTuple


class WalkReport(NamedTuple):
    ok: bool
    objects: int
    bytes: int
    corrupt: list[str]
    crashed: str | None


def walk(path: Path, *, deep: bool, progress: object = None) -> WalkReport:
    return WalkReport(True, 0, 0, [], None)
