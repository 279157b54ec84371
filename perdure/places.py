"""Where Perdure keeps things, and for whom it works, when nobody says otherwise."""

from __future__ import annotations

import getpass
from pathlib import Path

import platformdirs


def default_store() -> Path:
    """The store in the user's data folder."""
    return platformdirs.user_data_path("perdure", appauthor=False) / "store"


def default_cache() -> Path:
    """Pulled models and what is derived from them, in the user's cache folder."""
    return platformdirs.user_cache_path("perdure", appauthor=False)


def user() -> str:
    """Who is at work: the author of commits. Empty where the machine does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
