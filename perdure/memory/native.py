"""Fast weights that a model has by nature: the matrices of delta-rule layers, read from a stored snapshot without torch.

A snapshot names the model's family and the place of each tensor in the state. It does not say how a layer writes to it:
which families' matrices are written by the delta rule (Schlag et al. 2021, arXiv:2102.11174) stands here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Buffer, ReadTxn
from . import commits
from .records import Commit


class Native(NamedTuple):
    """The matrices of one layer after `position` tokens, and their Frobenius norm, that of all heads together.

    `layer` is the module below the base model, `tensor` the matrices' path in the snapshot; `nbytes` are those of `shape`
    in `dtype`, which is what the model keeps.
    """

    layer: str
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    norm: float
    position: int


class _Family(NamedTuple):
    """Which tensors of a family are such matrices, by their paths, and whose they are."""

    path: str
    layer: str


_CACHED = r"(\d+)\.recurrent_states\.0"
_GATED_DELTA = _Family(_CACHED, "layers.{}.linear_attn")
_KIMI_DELTA = _Family(_CACHED, "layers.{}.self_attn")

DELTA_RULE: Mapping[str, _Family] = {
    "rwkv7": _Family(r"value\.(\d+)\.1", "blocks.{}.att"),
    "qwen3_next": _GATED_DELTA,
    "qwen3_5_text": _GATED_DELTA,
    "qwen3_5_moe_text": _GATED_DELTA,
    "qwen4_exp_text": _GATED_DELTA,
    "olmo_hybrid": _GATED_DELTA,
    "kimi_linear": _KIMI_DELTA,
    "bailing_hybrid": _KIMI_DELTA,
}
"""By the family that a snapshot names."""


def natives(txn: ReadTxn, commit: Commit) -> list[Native]:
    """Those of the newest snapshot of a commit that is still stored; none for other families and for empty sessions."""
    for mark in reversed(commits.checkpoints(commit)):
        try:
            stored = txn.get(mark.digest)
        except (ObjectMissing, ObjectCorrupt):
            continue
        return list(_of(stored.meta, stored.payload))
    return []


class Tensor(NamedTuple):
    """One tensor of a snapshot, as it is stored: `rounded` to 8 bits, or in its own type."""

    path: str
    dtype: str
    shape: tuple[int, ...]
    rounded: bool
    data: Buffer

    @property
    def nbytes(self) -> int:
        """Bytes of what the model keeps."""
        return _count(self.shape) * itemsize(self.dtype)

    @property
    def norm(self) -> float:
        """Its Frobenius norm."""
        return float(np.linalg.norm(_values(self.data, self.dtype, self.shape, self.rounded)))


def tensors(meta: Mapping[str, Any], payload: Buffer) -> Iterator[Tensor]:
    """The tensors of a snapshot, in order. Raises ObjectCorrupt where its payload is too short."""
    at = 0
    for path, dtype, shape, rounded in meta["tensors"]:
        size = _stored(dtype, shape, rounded)
        if at + size > len(payload):
            raise ObjectCorrupt(f"The state at token {meta['pos']} is shorter than its header says.")
        yield Tensor(path, dtype, tuple(shape), rounded, payload[at : at + size])
        at += size


def _of(meta: Mapping[str, Any], payload: Buffer) -> Iterator[Native]:
    family = DELTA_RULE.get(meta["family"])
    if family is None:
        return
    for each in tensors(meta, payload):
        found = re.fullmatch(family.path, each.path)
        if found is not None:
            layer = family.layer.format(found[1])
            yield Native(layer, each.path, each.shape, each.dtype, each.nbytes, each.norm, meta["pos"])


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def itemsize(dtype: str) -> int:
    """Bytes of a number of a type by its name in torch, which has one that numpy lacks."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _stored(dtype: str, shape: Sequence[int], rounded: bool) -> int:
    """Bytes of a tensor in a snapshot: a rounded one is bytes, and a float32 for each row."""
    return _count(shape) + 4 * _count(shape[:-1]) if rounded else _count(shape) * itemsize(dtype)


def _values(part: Buffer, dtype: str, shape: Sequence[int], rounded: bool) -> NDArray[np.float64]:
    """A tensor's numbers, [rows, last dimension] if they are rounded, else in one row."""
    if rounded:
        numbers = np.frombuffer(part, "<i1", _count(shape)).reshape(-1, shape[-1])
        factors = np.frombuffer(part, "<f4", offset=numbers.size).reshape(-1, 1)
        rows: NDArray[np.float64] = numbers.astype(np.float64) * factors
        return rows
    if dtype == "bfloat16":
        return (np.frombuffer(part, "<u2").astype("<u4") << 16).view("<f4").astype(np.float64)
    return np.frombuffer(part, dtype).astype(np.float64)
