"""The screens, each a module; importing them registers their pages."""

from . import blocks, chat, context, diff, episodes, graph, keys, overview, sessions, states, store, summary, trace, weights
from .base import NAME

__all__ = [
    "NAME",
    "blocks",
    "chat",
    "context",
    "diff",
    "episodes",
    "graph",
    "keys",
    "overview",
    "sessions",
    "states",
    "store",
    "summary",
    "trace",
    "weights",
]
