"""What makes a model run. Importing the room is cheap; its names load torch when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .runtime import Runtime, open  # noqa: A004
    from .session import Session, Stream

__all__ = ["Runtime", "Session", "Stream", "open"]


def __getattr__(name: str) -> Any:
    if name in ("Runtime", "open"):
        from . import runtime

        return getattr(runtime, name)
    if name in ("Session", "Stream"):
        from . import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
