"""Computed numbers as stored objects: KV blocks, snapshots and boundaries, to bytes and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ObjectCorrupt, RecipeMismatch
from ..memory.commits import BLOCK, SNAPSHOT, SUMMARY
from ..memory.draft import NewSummary
from ..memory.reading import StoredSnapshot
from ..memory.summary import Kept
from ..memory.working import Placement
from ..stores import codec
from ..stores.base import Digest
from .engine import Engine
from .forwards import Boundary
from .state.base import Group, Snapshot, State

LAYOUT = "NHTD"


def raw(tensor: Tensor) -> memoryview:
    """A tensor's bytes, without a copy where it is contiguous on the CPU."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def block_meta(state: State, group: Group, start: int, tokens: int) -> dict[str, Any]:
    """The header of a KV block: its place, and the shapes of the tensors strung together in it."""
    shapes = state.shapes(group, tokens)
    return {"group": group.name, "start": start, "tokens": tokens, "shapes": shapes, "layout": LAYOUT, "codec": "raw"}


def block_digest(state: State, group: Group, start: int, tokens: int) -> Digest:
    """The digest that the KV of tokens [start, start + tokens) has as a stored block."""
    payload = raw(state.export(group, start, start + tokens))
    return codec.encode(BLOCK, (), block_meta(state, group, start, tokens), payload)[0]


def load_block(state: State, group: Group, start: int, tokens: int, payload: memoryview, shifts: Sequence[int] = ()) -> None:
    """Put a stored block's bytes into a state, moved as they were since. Raises ObjectCorrupt for a wrong number."""
    if len(payload) != state.nbytes(group, tokens):
        wanted = state.nbytes(group, tokens)
        raise ObjectCorrupt(f"A KV block of {tokens} tokens has {len(payload)} bytes instead of {wanted}.")
    state.load(group, start, tokens, payload, shifts)


def pack_boundary(boundary: Boundary, position: int) -> tuple[Mapping[str, Any], bytes]:
    """(meta, payload) of the stored boundary: the hidden state where the logits are a plain function of it, else they."""
    tensor = boundary.logits if boundary.hidden is None else boundary.hidden
    return {
        "pos": position,
        "codec": "logits" if boundary.hidden is None else "hidden",
        "dtype": _name(tensor.dtype),
        "shape": list(tensor.shape),
    }, bytes(raw(tensor))


def unpack_boundary(engine: Engine, meta: Mapping[str, Any], payload: bytes) -> Boundary:
    """The boundary that `pack_boundary` wrote. A hidden state costs one projection, never a forward pass."""
    tensor = _tensor(payload, meta["dtype"], meta["shape"])
    return engine.project(tensor) if meta["codec"] == "hidden" else Boundary(None, tensor)


def pack_snapshot(snapshot: Snapshot, engine: Engine, how: str = "raw") -> tuple[dict[str, Any], bytes]:
    """(meta, payload) of a stored snapshot. "int8" rounds each row to 8 bits and writes down the error it measured."""
    tensors = {path: tensor.cpu() for path, tensor in snapshot.tensors.items()}
    rounded = {path for path, tensor in tensors.items() if how == "int8" and _worth_rounding(tensor)}
    parts: dict[str, tuple[Tensor, ...]] = {
        path: _round(tensor) if path in rounded else (tensor,) for path, tensor in tensors.items()
    }
    table = [[path, _name(t.dtype), list(t.shape), path in rounded] for path, t in tensors.items()]
    meta: dict[str, Any] = {
        "pos": snapshot.position,
        "adapter": engine.adapter.identity,
        "family": engine.family,
        "codec": how,
        "tensors": table,
        "values": dict(snapshot.meta),
    }
    if not snapshot.place.whole:
        place = snapshot.place
        meta["place"] = [place.first, place.kept, place.oldest]
    if rounded:
        meta["error"] = max(_error(tensors[path], _restored(parts[path], tensors[path].dtype)) for path in rounded)
    return meta, b"".join(bytes(raw(piece)) for pieces in parts.values() for piece in pieces)


def pack_summary(kept: Kept) -> NewSummary:
    """What a state keeps of evicted tokens as an object of its own: many snapshots share it."""
    tensors = {path: tensor.cpu() for path, tensor in kept.to_tensors().items()}
    table = [[path, _name(t.dtype), list(t.shape)] for path, t in tensors.items()]
    return NewSummary({"tensors": table, **kept.to_meta()}, b"".join(bytes(raw(t)) for t in tensors.values()))


def unpack_summary(meta: Mapping[str, Any], payload: bytes, device: Any = "cpu") -> Kept:
    """What `pack_summary` packed. Raises ObjectCorrupt where its length is wrong."""
    at, tensors = 0, {}
    for path, dtype, shape in meta["tensors"]:
        size = int(np.prod(shape, dtype=np.int64)) * getattr(torch, dtype).itemsize
        if at + size > len(payload):
            raise ObjectCorrupt("A summary is shorter than its header says.")
        tensors[path] = _tensor(payload[at : at + size], dtype, shape).to(device)
        at += size
    return Kept.from_parts(tensors, meta)


def unpack_snapshot(meta: Mapping[str, Any], payload: bytes, engine: Engine, summary: Kept | None = None) -> Snapshot:
    """The snapshot that `pack_snapshot` wrote. Raises RecipeMismatch for another family's or adapter's, by name."""
    _require(meta, "family", "the model family", engine.family)
    _require(meta, "adapter", "the state adapter", engine.adapter.identity)
    at = 0

    def piece(dtype: str, shape: list[int]) -> Tensor:
        nonlocal at
        size = int(np.prod(shape, dtype=np.int64)) * getattr(torch, dtype).itemsize
        if at + size > len(payload):
            raise ObjectCorrupt(f"The state at token {meta['pos']} is shorter than its header says.")
        found = _tensor(payload[at : at + size], dtype, shape)
        at += size
        return found

    tensors: dict[str, Tensor] = {}
    for path, dtype, shape, is_rounded in meta["tensors"]:
        if is_rounded:
            pieces = (piece("int8", shape), piece("float32", [*shape[:-1], 1]))
            tensors[path] = _restored(pieces, getattr(torch, dtype))
        else:
            tensors[path] = piece(dtype, shape)
    there = engine.adapter.staging.placed(tensors)
    return Snapshot(meta["pos"], there, meta["values"], Placement(*meta.get("place", ())), summary)


def opened(stored: StoredSnapshot, engine: Engine) -> Snapshot:
    """A stored snapshot, with the summary that belongs to it."""
    kept = None if stored.summary is None else unpack_summary(*stored.summary, engine.device)
    return unpack_snapshot(stored.meta, stored.payload, engine, kept)


def snapshot_digest(snapshot: Snapshot, engine: Engine, how: str) -> Digest:
    """The digest that a snapshot has as a stored object."""
    meta, payload = pack_snapshot(snapshot, engine, how)
    refs = []
    if snapshot.summary is not None:
        packed = pack_summary(snapshot.summary)
        refs = [codec.encode(SUMMARY, (), packed.meta, packed.payload)[0]]
    return codec.encode(SNAPSHOT, refs, meta, payload)[0]


def _require(meta: Mapping[str, Any], field: str, what: str, present: str) -> None:
    stored = str(meta.get(field))
    if stored != present:
        raise RecipeMismatch(
            f"The stored state cannot be continued: {what} has changed. It was kept by {stored}, the present one is "
            f"{present}. Open the session with --as-text, which computes the conversation again.",
            field=field,
            stored=stored,
            present=present,
        )


def _worth_rounding(tensor: Tensor) -> bool:
    return tensor.is_floating_point() and tensor.ndim > 0 and tensor.shape[-1] >= 4


def _round(tensor: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 values, float32 scale per row)."""
    values = tensor.float()
    scale = values.abs().amax(dim=-1, keepdim=True) / 127
    return torch.round(values / scale.clamp_min(1e-30)).to(torch.int8), scale


def _restored(pieces: tuple[Tensor, ...], dtype: torch.dtype) -> Tensor:
    values, scale = pieces
    return (values.float() * scale).to(dtype)


def _error(exact: Tensor, rounded: Tensor) -> float:
    """Relative RMS error."""
    return float((exact.float() - rounded.float()).norm() / exact.float().norm().clamp_min(1e-30))


def _tensor(payload: bytes, dtype: str, shape: list[int]) -> Tensor:
    if not payload:
        return torch.empty(shape, dtype=getattr(torch, dtype))
    flat = torch.from_numpy(np.frombuffer(payload, dtype=np.uint8).copy())
    return flat.view(getattr(torch, dtype)).reshape(shape)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
