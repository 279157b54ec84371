"""Which blocks of a cache to look at: what stands for a block's keys, and how well queries could match it."""

from .op import block_score, block_summary
from .reference import Summary, block_score_reference, block_summary_reference

__all__ = ["Summary", "block_score", "block_score_reference", "block_summary", "block_summary_reference"]
