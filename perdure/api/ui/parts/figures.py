"""Numbers, sizes and times as people read them."""

from __future__ import annotations

import time

from ...figures import age, size

__all__ = ["ago", "count", "moment", "reach", "share", "short", "size"]

DIGITS = 8


def count(number: float) -> str:
    """With its thousands apart."""
    return f"{number:,.0f}"


def reach(first: int, behind: int) -> str:
    """Numbers from the first one to the one before `behind`."""
    return count(first) if behind - first == 1 else f"{count(first)} \u2013 {count(behind - 1)}"


def share(part: float, whole: float) -> str:
    """In per cent; of nothing, nothing."""
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def ago(seconds: float) -> str:
    """A time of the interface (seconds since 1970), as how long ago it was."""
    return age(int(seconds * 1000))


def moment(seconds: float) -> str:
    """The same as a date with its time of day."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def short(commit: str) -> str:
    """The digits by which people call a commit."""
    return commit[:DIGITS]
