"""Fast weights beside a model's own: y = W0 x + sum of B (A x) over the records that are open. W0 is never changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import Module

from ..errors import RecipeMismatch
from ..kernels import Pair, lowrank, strung
from ..memory.fastweights import LOW_RANK, Record


class Opened(NamedTuple):
    """Records in force, in the ledger's order: by the linear layer that they act on, their factors strung together, and by
    the number of an attention layer keys and values [H, n, D] that every query attends to as well.
    """

    factors: Mapping[str, Pair]
    keys: Mapping[int, Pair]


def opened(records: Sequence[Record], model: Any, dtype: torch.dtype) -> Opened:
    """Records ready to act on a base model. Raises RecipeMismatch where that lacks a layer or has it in another shape."""
    factors: dict[str, list[Pair]] = {}
    keys: dict[int, list[Pair]] = {}
    for record in records:
        for place, (first, second) in zip(record.places, pairs_of(record), strict=True):
            pair = first.to(model.device, dtype), second.to(model.device, dtype)
            if record.form == LOW_RANK:
                _require_fits(record, model, place, pair)
                factors.setdefault(place, []).append(pair)
            else:
                keys.setdefault(layer_of(place), []).append(pair)
    return Opened(
        {place: strung(pairs) for place, pairs in factors.items()},
        {layer: (torch.cat([k for k, _ in pairs], 1), torch.cat([v for _, v in pairs], 1)) for layer, pairs in keys.items()},
    )


def layer_of(place: str) -> int:
    """The number of the attention layer that a record of keys and values names."""
    return int(place.rpartition(".")[2])


def pairs_of(record: Record) -> list[Pair]:
    """The tensors of a record, two for each of its places, bfloat16."""
    flat = torch.from_numpy(np.frombuffer(record.payload, dtype=np.uint8).copy()).view(torch.bfloat16)
    sizes = [int(np.prod(shape)) for shape in record.shapes]
    parts = [part.view(shape) for part, shape in zip(torch.split(flat, sizes), record.shapes, strict=True)]
    return list(zip(parts[::2], parts[1::2], strict=True))


def packed(tensors: Sequence[Tensor]) -> tuple[bytes, tuple[tuple[int, ...], ...]]:
    """Tensors as a record keeps them: bfloat16 bytes one after the other, and their shapes."""
    flat = torch.cat([tensor.detach().to("cpu", torch.bfloat16).flatten() for tensor in tensors])
    return flat.view(torch.uint8).numpy().tobytes(), tuple(tuple(tensor.shape) for tensor in tensors)


@contextmanager
def acting(model: Module, rows: Sequence[Opened | None]) -> Iterator[None]:
    """Have records act on every forward of a base model within, each row's own; without any nothing is touched."""
    factors = [{} if records is None else records.factors for records in rows]
    places = dict.fromkeys(place for row in factors for place in row)
    acts = {place: _Beside([[row[place]] if place in row else [] for row in factors]) for place in places}
    handles = [model.get_submodule(place).register_forward_hook(act) for place, act in acts.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Beside:
    def __init__(self, rows: Sequence[Sequence[Pair]]) -> None:
        self._rows = rows

    def __call__(self, module: Module, args: tuple[Tensor, ...], out: Tensor) -> Tensor:
        return lowrank(args[0], out, self._rows)


def _require_fits(record: Record, model: Any, place: str, pair: Pair) -> None:
    try:
        weight = model.get_submodule(place).weight
    except AttributeError:
        weight = None
    if weight is None or weight.shape != (pair[1].shape[0], pair[0].shape[1]):
        raise RecipeMismatch(
            f"The record {record.id} ({record.statement[:60]!r}) was written for another model: its {place!r} differs.",
            field="weights",
            stored=record.weights,
            present="",
        )
