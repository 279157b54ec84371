"""The screens, each a module; importing them registers their pages."""

from . import blocks, context, overview, sessions, states
from .base import NAME

__all__ = ["NAME", "blocks", "context", "overview", "sessions", "states"]
