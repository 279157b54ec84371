"""How large the states of recurrent and convolution layers were after each commit: the norms of their stored snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, ReadTxn
from . import commits, native
from .memo import Memo
from .records import Checkpoint, Commit, LayerKind

MASS = "mass"
"""What a bounded working set counted of attention stands in a snapshot too, and is no layer's state."""


class Norm(NamedTuple):
    """The Frobenius norm of a tensor of a layer's state, that of all heads together."""

    layer: int
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    norm: float


_KNOWN: Memo[Digest, tuple[Norm, ...]] = Memo(4096)


class Strip(NamedTuple):
    """The norms after a commit's last token, as its snapshot of `nbytes` bytes has them."""

    commit: Commit
    nbytes: int
    norms: tuple[Norm, ...]


def marked(txn: ReadTxn, start: Commit) -> Iterator[tuple[Commit, Checkpoint]]:
    """The commits of a history that a snapshot of their last token is stored of, newest first.

    Of commits that follow each other with one snapshot, since only the first was a turn, that first one.
    """
    held: tuple[Commit, Checkpoint] | None = None
    for commit in commits.history(txn, start):
        mark = next((each for each in commits.checkpoints(commit) if each.position == commit.tokens), None)
        if held is not None and (mark is None or mark.digest != held[1].digest):
            yield held
        held = None if mark is None or not txn.has(mark.digest) else (commit, mark)
    if held is not None:
        yield held


def strip(txn: ReadTxn, commit: Commit, mark: Checkpoint, layers: Sequence[LayerKind]) -> Strip:
    """The norms of one snapshot; none where it cannot be read."""
    recurrent = {layer.layer for layer in layers if layer.fixed}
    try:
        norms = _KNOWN.of(mark.digest, lambda: _read(txn, mark.digest))
    except (ObjectMissing, ObjectCorrupt):
        norms = ()
    return Strip(commit, mark.nbytes, tuple(each for each in norms if each.layer in recurrent))


def _read(txn: ReadTxn, digest: Digest) -> tuple[Norm, ...]:
    stored = txn.get(digest)
    return tuple(_norms(native.tensors(stored.meta, stored.payload)))


def _norms(tensors: Iterator[native.Tensor]) -> Iterator[Norm]:
    for each in tensors:
        layer = layer_of(each.path)
        if layer is not None and each.dtype in ("float64", "float32", "float16", "bfloat16"):
            yield Norm(layer, each.path, each.shape, each.dtype, each.norm)


def layer_of(path: str) -> int | None:
    """The layer that a tensor of a snapshot belongs to: the first number in its path. None for what is of no layer."""
    if path.partition(".")[0] == MASS:
        return None
    return next((int(step) for step in path.split(".") if step.isdecimal()), None)
