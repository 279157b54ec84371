"""The summary tier: what a working set keeps of the tokens that were evicted from it, in constant size."""

from .base import Gone, Kept, Memory, Reader, SinksOnly, Summary
from .calibration import RULES, Calibration
from .heavy_hitters import HeavyHitters, choose
from .infini import PARTS, Infini, MemoryReader, joined, without

__all__ = [
    "PARTS",
    "RULES",
    "Calibration",
    "Gone",
    "HeavyHitters",
    "Infini",
    "Kept",
    "Memory",
    "MemoryReader",
    "Reader",
    "SinksOnly",
    "Summary",
    "choose",
    "joined",
    "without",
]
