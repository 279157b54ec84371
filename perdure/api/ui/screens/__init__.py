"""The screens, each a module; importing them registers their pages."""

from . import episodes, keys, overview, sessions, store, summary, trace, weights
from .base import NAME

__all__ = ["NAME", "episodes", "keys", "overview", "sessions", "store", "summary", "trace", "weights"]
