"""Causal attention in which runs of keys carry a bias, and what of the attention each run received."""

from .cpu import attend_segments
from .reference import attend_segments_reference

__all__ = ["attend_segments", "attend_segments_reference"]
