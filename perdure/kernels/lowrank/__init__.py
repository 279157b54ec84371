"""Low-rank updates beside a linear layer, other ones for each row of a batch."""

from .cpu import strung
from .op import lowrank
from .reference import Pair, lowrank_reference

__all__ = ["Pair", "lowrank", "lowrank_reference", "strung"]
