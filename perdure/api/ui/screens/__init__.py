"""The screens, each a module; importing them registers their pages."""

from . import overview, sessions
from .base import NAME

__all__ = ["NAME", "overview", "sessions"]
