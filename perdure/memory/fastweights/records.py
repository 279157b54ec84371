"""The record of one fact: factors that act beside frozen weights, the texts that open it, and where it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import ObjectCorrupt
from ...stores.base import Buffer, Digest, Object
from ..facts import holders
from ..tree import Gets, Puts

KIND = "fast-weight"
LOW_RANK, KV = "low-rank", "kv"
FORMS = frozenset({LOW_RANK, KV})

Vectors = NDArray[np.float32]

_META: dict[str, type] = {
    "id": str,
    "form": str,
    "subject": str,
    "relation": str,
    "value": str,
    "statement": str,
    "key": str,
    "places": list,
    "shapes": list,
    "writer": str,
    "weights": str,
    "encoder": str,
    "own": bytes,
    "negative": bytes,
    "sources": list,
    "origin": bytes,
    "time_ms": int,
    "measured": dict,
}


class Said(NamedTuple):
    """Where a fact was said: the session's uid, its turn, tokens [start, end) of its log, and the episode ("": none)."""

    session: str
    turn: int
    start: int
    end: int
    episode: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One fact as fast weights.

    `id` is 16 hex digits. `subject`, `relation`, `value` and `statement` are the fact in words; records with the same `key`
    speak of the same thing, and the later one holds. `form` "low-rank" has for each of `places` (linear layers of the base
    model) factors A [r, d_in] and B [d_out, r], "kv" for each (an attention layer) keys and values [heads, n, d]; `shapes`
    are those of the tensors in `payload`, bfloat16 little-endian, one after the other.

    `own` and `negative` are L2-normalised sentence vectors, float16 [n, d], of what opens it and of what must be further
    from a question than that, made by `encoder`. `writer` made it against the weights whose digest `weights` is;
    `measured` is what it was worth then. `sources` are where it was said, and `origin` is the commit that held that (b"":
    none). `digest` names the stored object; it is b"" before.
    """

    id: str
    form: str
    subject: str
    relation: str
    value: str
    statement: str
    key: str
    places: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    payload: Buffer
    writer: str
    weights: str
    encoder: str
    own: bytes
    negative: bytes
    sources: tuple[Said, ...] = ()
    origin: Digest = b""
    time_ms: int = 0
    measured: Mapping[str, float] = field(default_factory=dict)
    digest: Digest = b""

    @property
    def nbytes(self) -> int:
        """Bytes of its tensors."""
        return len(self.payload)


def put(txn: Puts, record: Record) -> Digest:
    """Store a record (its `digest` is not part of it) and return its digest."""
    meta: dict[str, Any] = {name: getattr(record, name) for name in _META}
    lists = {
        "places": list(record.places),
        "shapes": [list(shape) for shape in record.shapes],
        "sources": [list(said) for said in record.sources],
        "measured": dict(record.measured),
    }
    return txn.put(KIND, record.payload, meta=meta | lists)


def get(txn: Gets, digest: Digest) -> Record:
    """The record stored under a digest. Raises ObjectMissing, or ObjectCorrupt where the object is no record."""
    found = txn.get(digest)
    if not _sound(found):
        raise ObjectCorrupt(f"Object {digest.hex()[:12]} is not a fast-weight record.", digest=digest)
    meta: dict[str, Any] = dict(found.meta)
    meta["places"] = tuple(meta["places"])
    meta["shapes"] = tuple(tuple(shape) for shape in meta["shapes"])
    meta["sources"] = tuple(Said(*said) for said in meta["sources"])
    return Record(payload=bytes(found.payload), digest=digest, **meta)


def _sound(found: Object) -> bool:
    meta = found.meta
    if found.kind != KIND or {name: type(value) for name, value in meta.items()} != _META or meta["form"] not in FORMS:
        return False
    size = sum(2 * int(np.prod(shape)) for shape in meta["shapes"])
    return size == len(found.payload) and len(meta["shapes"]) == 2 * len(meta["places"])


def pack_vectors(values: Vectors) -> bytes:
    """Sentence vectors [n, d] as a record keeps them."""
    return values.astype("<f2").tobytes()


def vectors(packed: bytes, dim: int) -> Vectors:
    """Sentence vectors float32 [n, dim]."""
    return np.frombuffer(packed, dtype="<f2").astype(np.float32).reshape(-1, dim)


def standing(records: Sequence[Record]) -> list[Record]:
    """Those records of a ledger that hold: no later one has taken their place."""
    return [records[place] for place, holder in enumerate(holders([each.key for each in records])) if holder == place]
