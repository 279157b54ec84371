"""Where Perdure keeps things when nobody says otherwise."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def default_store() -> Path:
    """The store in the user's data folder."""
    return platformdirs.user_data_path("perdure", appauthor=False) / "store"


def default_cache() -> Path:
    """Pulled models and what is derived from them, in the user's cache folder."""
    return platformdirs.user_cache_path("perdure", appauthor=False)
