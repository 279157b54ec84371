"""Attention over disjoint sources put together by the log-sum-exp of each."""

from .cpu import merge, shares
from .reference import merge_reference, shares_reference

__all__ = ["merge", "merge_reference", "shares", "shares_reference"]
