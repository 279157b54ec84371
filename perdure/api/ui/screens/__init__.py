"""The screens, each a module; importing them registers their pages."""

from . import chat, diff, graph, overview, sessions
from .base import NAME

__all__ = ["NAME", "chat", "diff", "graph", "overview", "sessions"]
