"""The screens, each a module; importing them registers their pages."""

from . import blocks, chat, context, diff, graph, keys, overview, sessions, states, store, weights
from .base import NAME

__all__ = [
    "NAME",
    "blocks",
    "chat",
    "context",
    "diff",
    "graph",
    "keys",
    "overview",
    "sessions",
    "states",
    "store",
    "weights",
]
