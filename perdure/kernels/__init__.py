"""Numeric operations: each has a contract, a readable reference and a fast path."""

from .attention import attend, attend_reference

__all__ = ["attend", "attend_reference"]
