"""Rotary positions moved after the fact: cached keys turned from the positions they were computed at to others."""

from .op import rotate, rotate_
from .reference import rotate_reference

__all__ = ["rotate", "rotate_", "rotate_reference"]
