"""Numeric operations: each has a contract, a readable reference and a fast path."""

from .attention import attend, attend_reference
from .combine import joined, joined_reference, merge, merge_reference, shares, shares_reference
from .delta import delta_update, delta_update_reference
from .infini import (
    Features,
    elu_plus_one,
    gate,
    retrieve,
    retrieve_reference,
    retrieve_weighed,
    retrieve_weighed_reference,
    update,
    update_reference,
)
from .lowrank import Pair, lowrank, lowrank_reference, strung
from .mass import mass, mass_reference
from .paged import Scales, paged_attention, paged_attention_reference
from .rope import rotate, rotate_, rotate_reference
from .segments import attend_segments, attend_segments_reference

__all__ = [
    "Features",
    "attend",
    "attend_reference",
    "attend_segments",
    "attend_segments_reference",
    "delta_update",
    "delta_update_reference",
    "elu_plus_one",
    "gate",
    "Pair",
    "Scales",
    "joined",
    "joined_reference",
    "lowrank",
    "lowrank_reference",
    "mass",
    "mass_reference",
    "merge",
    "merge_reference",
    "paged_attention",
    "paged_attention_reference",
    "retrieve",
    "retrieve_reference",
    "retrieve_weighed",
    "retrieve_weighed_reference",
    "rotate",
    "rotate_",
    "rotate_reference",
    "shares",
    "shares_reference",
    "strung",
    "update",
    "update_reference",
]
