"""The screens, each a module; importing them registers their pages."""

from . import blocks, context, keys, overview, sessions, states, store, weights
from .base import NAME

__all__ = ["NAME", "blocks", "context", "keys", "overview", "sessions", "states", "store", "weights"]
