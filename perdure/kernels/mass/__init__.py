"""How much attention each key drew from sampled queries: what tells a heavy hitter."""

from .cpu import mass
from .reference import mass_reference

__all__ = ["mass", "mass_reference"]
