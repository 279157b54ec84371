"""Sizes and ages as people read them, the same in the terminal and on the pages."""

from __future__ import annotations

import time


def size(count: int) -> str:
    """Bytes as people read them."""
    if count < 1000:
        return f"{count} B"
    amount = float(count)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 1000:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:.1f} TB"


def age(time_ms: int, now_ms: int | None = None) -> str:
    """How long ago, or the date where it is more than four weeks."""
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    seconds = max(0, now - time_ms) // 1000
    for limit, length, unit in ((60, 1, "s"), (3600, 60, "min"), (86_400, 3600, "h"), (28 * 86_400, 86_400, "d")):
        if seconds < limit:
            return f"{seconds // length} {unit} ago"
    return time.strftime("%Y-%m-%d", time.localtime(time_ms / 1000))
