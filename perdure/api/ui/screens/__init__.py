"""The screens, each a module; importing them registers their pages."""

<<<<<<< HEAD
from . import blocks, context, overview, sessions, states
from .base import NAME

__all__ = ["NAME", "blocks", "context", "overview", "sessions", "states"]
=======
from . import keys, overview, sessions, store, weights
from .base import NAME

__all__ = ["NAME", "keys", "overview", "sessions", "store", "weights"]
>>>>>>> main
