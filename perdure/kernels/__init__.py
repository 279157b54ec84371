"""Numeric operations: each has a contract, a readable reference and a fast path."""

from .attention import attend, attend_each, attend_reference
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
from .int8 import STEPS as INT8_STEPS
from .int8 import Packed8, codes_of, int8_linear, int8_linear_reference, packed8, quantised
from .kvpack import Packed, pack, pack_reference, unpack_, unpack_reference
from .lowrank import Pair, lowrank, lowrank_reference, strung
from .mass import mass, mass_reference
from .paged import Scales, paged_attention, paged_attention_reference
from .rope import rotate, rotate_, rotate_reference
from .segments import attend_segments, attend_segments_reference
from .selection import Summary, block_score, block_score_reference, block_summary, block_summary_reference

__all__ = [
    "INT8_STEPS",
    "Features",
    "attend",
    "attend_each",
    "attend_reference",
    "attend_segments",
    "attend_segments_reference",
    "delta_update",
    "delta_update_reference",
    "block_score",
    "block_score_reference",
    "block_summary",
    "block_summary_reference",
    "elu_plus_one",
    "gate",
    "Summary",
    "Packed",
    "Packed8",
    "Pair",
    "Scales",
    "codes_of",
    "int8_linear",
    "int8_linear_reference",
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
    "pack",
    "packed8",
    "pack_reference",
    "quantised",
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
    "unpack_",
    "unpack_reference",
    "update",
    "update_reference",
]
