"""Numeric operations: each has a contract, a readable reference and a fast path."""

from .attention import attend, attend_reference
from .combine import merge, merge_reference, shares, shares_reference
from .rope import rotate, rotate_, rotate_reference
from .segments import attend_segments, attend_segments_reference

__all__ = [
    "attend",
    "attend_reference",
    "attend_segments",
    "attend_segments_reference",
    "merge",
    "merge_reference",
    "rotate",
    "rotate_",
    "rotate_reference",
    "shares",
    "shares_reference",
]
