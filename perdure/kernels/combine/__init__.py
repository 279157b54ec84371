"""Attention over disjoint sources put together by the log-sum-exp of each."""

from .cpu import shares
from .op import joined, merge
from .reference import joined_reference, merge_reference, shares_reference

__all__ = ["joined", "joined_reference", "merge", "merge_reference", "shares", "shares_reference"]
