"""Fast weights: small trained records, one per fact, that are opened by a gate and never touch the model's own weights."""

from .comparing import Comparison, Conflict, compare, union
from .gate import AGAINST, MOST, SURE, THRESHOLD, Decision, Doubt, Gains, Gate
from .ledger import Held, append, read, target, without
from .records import KV, LOW_RANK, Record, Said, get, pack_vectors, put, standing, vectors
from .refusals import Refusal, refusals, settled

__all__ = [
    "AGAINST",
    "Comparison",
    "Conflict",
    "KV",
    "LOW_RANK",
    "MOST",
    "SURE",
    "THRESHOLD",
    "Decision",
    "Doubt",
    "Gains",
    "Gate",
    "Held",
    "Record",
    "Refusal",
    "Said",
    "append",
    "compare",
    "get",
    "pack_vectors",
    "put",
    "read",
    "refusals",
    "settled",
    "standing",
    "target",
    "union",
    "vectors",
    "without",
]
