"""What another conversation's linear summary adds to one's own: the sums over tokens that only that one heard.

A linear summary is a sum over tokens (`memory/summary/infini.py`), kept in parts, so parts of two conversations add up. They
are copied as bytes here; no model and no tensors are needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Object, ReadTxn
from . import commits
from .native import itemsize
from .records import Commit

PARTED = ("sums.", "norms.")
"""The tensors of a summary whose first dimension counts its parts."""


class Parts(NamedTuple):
    """Some parts of a summary, as a summary of their own without entries; they are sums over `tokens` tokens."""

    meta: Mapping[str, Any]
    payload: bytes
    tokens: int


def summary_of(txn: ReadTxn, commit: Commit) -> Object | None:
    """The summary that a commit's conversation goes on with; None where it has none, or what is stored of it is lost."""
    marks = [mark for mark in commits.checkpoints(commit) if mark.position == commit.tokens]
    for mark in reversed(marks):
        try:
            refs = txn.get(mark.digest).refs
            return txn.get(refs[0]) if refs else None
        except (ObjectMissing, ObjectCorrupt):
            continue
    return None


def add_up(first: Object | None, second: Object | None) -> bool:
    """Whether parts of the second summary mean the same in the first: both are linear, and made with the same numbers."""
    both = [None if each is None else each.meta.get("memory") for each in (first, second)]
    makers = [about["maker"] for about in both if about is not None and about["rule"] == "linear"]
    return len(makers) == 2 and makers[0] == makers[1]


def folded(summary: Object | None) -> int:
    """Up to which token a summary has parts."""
    about = None if summary is None else summary.meta.get("memory")
    return max((end for _, end in about["spans"]), default=0) if about else 0


def parts(summary: Object, start: int, *, borrowed: bool) -> Parts | None:
    """The parts of tokens from `start` on, with or without those that it has of others (their spans are empty).

    Raises ObjectCorrupt for a summary that is shorter than its header says.
    """
    about = summary.meta["memory"]
    chosen = [i for i, (first, end) in enumerate(about["spans"]) if first >= start and (borrowed or first < end)]
    if not chosen:
        return None
    table: list[list[Any]] = []
    pieces: list[bytes] = []
    at, payload = 0, bytes(summary.payload)
    for path, dtype, shape in summary.meta["tensors"]:
        size = int(np.prod(shape, dtype=np.int64)) * itemsize(dtype)
        if at + size > len(payload):
            what = f"Summary {summary.digest.hex()[:12]} is shorter than its header says."
            raise ObjectCorrupt(what, digest=summary.digest)
        if path.startswith(PARTED):
            table.append([path, dtype, [len(chosen), *shape[1:]]])
            pieces.append(_rows(payload[at : at + size], shape[0], chosen))
        at += size
    spans = [about["spans"][i] for i in chosen]
    meta = {"tensors": table, "folds": 0, "memory": {**about, "spans": spans}}
    return Parts(meta, b"".join(pieces), sum(end - first for first, end in spans))


def _rows(payload: bytes, count: int, chosen: Sequence[int]) -> bytes:
    return np.frombuffer(payload, np.uint8).reshape(count, -1)[list(chosen)].tobytes()
