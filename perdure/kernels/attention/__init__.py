"""Causal attention over a contiguous KV cache, with the log-sum-exp of its scores."""

from .cpu import attend, attend_each, evened
from .reference import attend_reference

__all__ = ["attend", "attend_each", "attend_reference", "evened"]
