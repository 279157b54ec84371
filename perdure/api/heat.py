"""How much a summary holds in each layer and head, as numbers: read from its snapshot without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..memory.native import itemsize

if TYPE_CHECKING:
    from ..memory.reading import StoredSnapshot
    from ..memory.records import Checkpoint, Commit, LayerKind
    from ..stores.base import Digest

Kind = Literal["mass", "norm"]


class History(Protocol):
    """What is read of a store."""

    def present(self, commit: Commit) -> list[Checkpoint]: ...

    def snapshot(self, digest: Digest) -> StoredSnapshot | None: ...

    def layers(self, commit: Commit) -> list[LayerKind]: ...


class Heat(NamedTuple):
    """One number for each layer and KV head, `values[layer][head]`.

    "mass": the attention that the kept entries had drawn when they were chosen, sinks left out. "norm": the Frobenius norm
    of a memory of fixed size. `layers` are the model's numbers of the rows, None where the snapshot does not tell them.
    """

    kind: Kind
    layers: tuple[int | None, ...]
    values: tuple[tuple[float, ...], ...]


def heat(history: History, commit: Commit) -> list[Heat]:
    """One map for each group of layers of the newest snapshot that has a summary; empty where there is none."""
    for mark in reversed(history.present(commit)):
        stored = history.snapshot(mark.digest)
        if stored is not None and stored.summary is not None:
            whole = [layer.layer for layer in history.layers(commit) if layer.per_token and layer.window is None]
            return list(_maps(*stored.summary, whole))
    return []


def _maps(meta: Mapping[str, Any], payload: bytes, whole: Sequence[int]) -> Iterator[Heat]:
    for name, numbers in _floats(meta["tensors"], payload):
        if name.startswith("scores.") and numbers.size:
            yield _heat("mass", np.where(np.isfinite(numbers), numbers, 0).sum(-1), whole)
        elif name.startswith("sums.") and numbers.size:
            yield _heat("norm", np.linalg.norm(numbers.sum(0), axis=(-2, -1)), whole)


def _heat(kind: Kind, values: NDArray[np.float64], whole: Sequence[int]) -> Heat:
    rows = tuple(tuple(round(float(number), 6) for number in row) for row in values)
    return Heat(kind, tuple(whole) if len(whole) == len(rows) else (None,) * len(rows), rows)


def _floats(tensors: Sequence[tuple[str, str, list[int]]], payload: bytes) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """The tensors of 32-bit floats by name."""
    at = 0
    for name, dtype, shape in tensors:
        count = int(np.prod(shape, dtype=np.int64))
        if dtype == "float32" and at + 4 * count <= len(payload):
            yield name, np.frombuffer(payload, "<f4", count, at).reshape(shape).astype(np.float64)
        at += count * itemsize(dtype)


def shape(found: Heat) -> dict[str, Any]:
    """The same as JSON."""
    return {"kind": found.kind, "layers": list(found.layers), "values": [list(row) for row in found.values]}
