"""Named points at each step of writing, where tests kill the process or let the disk fail. Free of cost until armed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

POINTS = (
    "journal.create.before",
    "journal.create.written",
    "journal.create.after",
    "journal.append.before",
    "journal.append.torn",
    "journal.append.half",
    "journal.append.written",
    "journal.append.after",
    "journal.sync.before",
    "journal.sync.after",
    "journal.settle.before",
    "journal.settle.emptied",
    "journal.settle.after",
    "journal.rewrite.before",
    "journal.rewrite.written",
    "journal.rewrite.after",
    "lmdb.create.before",
    "lmdb.create.written",
    "lmdb.create.after",
    "lmdb.begin.after",
    "lmdb.put.before",
    "lmdb.put.after",
    "lmdb.commit.before",
    "lmdb.commit.after",
)

Hook = Callable[[str], None]

_hooks: list[Hook] = []


def point(name: str) -> None:
    """Pass a point. Does nothing unless a hook is armed."""
    if _hooks:
        if name not in POINTS:
            raise KeyError(name)
        for hook in tuple(_hooks):
            hook(name)


def active() -> bool:
    """Whether any hook is armed."""
    return bool(_hooks)


def names() -> list[str]:
    """All points, in the order in which a life of a store passes them."""
    return list(POINTS)


def arm(where: str | Hook, *, error: BaseException | None = None, after: int = 0) -> None:
    """Let a point strike at its `after`-th later passing: raise `error`, or kill this process when there is none.

    A callable is called with the name of every point that is passed.
    """
    if not isinstance(where, str):
        _hooks.append(where)
    elif where not in POINTS:
        raise KeyError(where)
    else:
        _hooks.append(_strike(where, error, after))


def disarm() -> None:
    """Remove all hooks."""
    _hooks.clear()


def _strike(where: str, error: BaseException | None, after: int) -> Hook:
    left = after

    def hook(name: str) -> None:
        nonlocal left
        if name != where:
            return
        left -= 1
        if left >= 0:
            return
        if error is None:
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise error

    return hook
