"""The screens, each a module; importing them registers their pages."""

from . import episodes, overview, sessions, summary, trace
from .base import NAME

__all__ = ["NAME", "episodes", "overview", "sessions", "summary", "trace"]
