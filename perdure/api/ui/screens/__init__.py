"""The screens, each a module; importing them registers their pages."""

from . import chat, overview, sessions
from .base import NAME

__all__ = ["NAME", "chat", "overview", "sessions"]
