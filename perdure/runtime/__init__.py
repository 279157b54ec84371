"""What makes a model run. Importing the room is cheap; its names load torch when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .runtime import Runtime, open  # noqa: A004
    from .session import Session
    from .stream import Stream

__all__ = ["Runtime", "Session", "Stream", "open"]


def __getattr__(name: str) -> Any:
    if name in ("Runtime", "open"):
        from . import runtime

        return getattr(runtime, name)
    if name == "Session":
        from . import session

        return session.Session
    if name == "Stream":
        from . import stream

        return stream.Stream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
