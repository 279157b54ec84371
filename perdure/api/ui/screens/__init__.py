"""The screens, each a module; importing them registers their pages."""

from . import chat, diff, graph, keys, overview, sessions, store, weights
from .base import NAME

__all__ = ["NAME", "chat", "diff", "graph", "keys", "overview", "sessions", "store", "weights"]
