"""The HTTP server: OpenAI-compatible chat with sessions that remember."""

from .app import create_app
from .serve import serve
from .settings import HttpSettings

__all__ = ["HttpSettings", "create_app", "serve"]
