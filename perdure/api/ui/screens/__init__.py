"""The screens, each a module; importing them registers their pages."""

from . import keys, overview, sessions, store, weights
from .base import NAME

__all__ = ["NAME", "keys", "overview", "sessions", "store", "weights"]
