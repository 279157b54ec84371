"""The summary tier: what a working set keeps of the tokens that were evicted from it, in constant size."""

from .base import Kept
from .heavy_hitters import choose

__all__ = ["Kept", "choose"]
