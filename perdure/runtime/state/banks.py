"""How the layers of a model that attend to everything lie in slabs, and how their keys are moved to other positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...kernels import rotate, rotate_reference
from .plan import LayerPlan, Row
from .slabs import SlabShape

NEAR, FAR = 3, 40
"""Two positions at which the trial puts the same token."""

TOLERANCE = 2e-2
"""Relative error of a moved key against one computed there: two roundings to bfloat16 give 5e-3, a wrong rotation 1."""


class Turn(NamedTuple):
    """How a rotary embedding turns the rows of keys (RoFormer, arXiv 2104.09864, equation 34).

    Dimensions [start, start + 2 * len(inv_freq)) are turned, as two halves or as neighbouring pairs (`interleaved`).
    """

    inv_freq: Tensor
    interleaved: bool
    start: int

    def move(self, keys: Tensor, delta: int | Tensor) -> Tensor:
        # The kernel of a GPU has no gradients, which training records asks for.
        turned = rotate_reference if keys.requires_grad and keys.is_cuda else rotate
        return turned(keys, delta, self.inv_freq, interleaved=self.interleaved, start=self.start)


class Bank(NamedTuple):
    """Layers whose keys lie in one slab: their numbers, and for each its rows of keys and values."""

    slab: int
    heads: int
    layers: tuple[int, ...]
    keys: tuple[Row, ...]
    values: tuple[Row, ...]


def banks_of(plans: Sequence[LayerPlan], shapes: Sequence[SlabShape]) -> list[Bank]:
    """The banks of the layers that attend to everything."""
    by_slab: dict[int, list[int]] = {}
    for index, plan in enumerate(plans):
        if plan.keys is not None and plan.values is not None and plan.window is None:
            by_slab.setdefault(plan.keys.slab, []).append(index)
    return [_bank(slab, shapes[slab].heads, layers, plans) for slab, layers in by_slab.items()]


def _bank(slab: int, heads: int, layers: list[int], plans: Sequence[LayerPlan]) -> Bank:
    keys = tuple(row for i in layers if (row := plans[i].keys) is not None)
    values = tuple(row for i in layers if (row := plans[i].values) is not None)
    return Bank(slab, heads, tuple(layers), keys, values)


def owners(banks: Sequence[Bank], shapes: Sequence[SlabShape]) -> list[list[tuple[int, int]]]:
    """For each slab, whose entries its rows hold: (bank, number of the layer in it) by row."""
    found: list[dict[int, tuple[int, int]]] = [{} for _ in shapes]
    for number, bank in enumerate(banks):
        for layer in range(len(bank.layers)):
            for slab, row in (bank.keys[layer], bank.values[layer]):
                found[slab][row] = (number, layer)
    return [[rows[row] for row in sorted(rows)] for rows in found]


def learn_turns(model: Any, near: Sequence[Tensor], far: Sequence[Tensor]) -> list[list[Turn | None]] | None:
    """How each row of each slab is turned, from the same token seen alone at NEAR and at FAR (per slab [rows, H, D]).

    A token without a past has the same hidden states everywhere, so only the rotation differs. None where some row
    differs in a way that no rotation explains: such a model's keys cannot be moved.
    """
    frequencies = list(_frequencies(model))
    try:
        return [[_turn_of(a, b, frequencies) for a, b in zip(*slab, strict=True)] for slab in zip(near, far, strict=True)]
    except _NoRotation:
        return None


class _NoRotation(Exception):
    pass


def _turn_of(here: Tensor, there: Tensor, frequencies: Sequence[Tensor]) -> Turn | None:
    """The rotation that takes a row [H, D] from NEAR to FAR, None where it stays as it is but for rounding."""
    candidates = list(_candidates(here, frequencies))
    errors = [_error(turn.move(here[:, None], FAR - NEAR)[:, 0], there) for turn in candidates]
    least, still = min(errors, default=1.0), _error(here, there)
    if min(least, still) > TOLERANCE:
        raise _NoRotation
    return None if still <= least else candidates[errors.index(least)]


def _candidates(here: Tensor, frequencies: Sequence[Tensor]) -> Iterator[Turn]:
    size = here.shape[-1]
    for inv_freq in frequencies:
        spare = size - 2 * len(inv_freq)
        for start in sorted({0, spare}) if spare >= 0 else ():
            for interleaved in (False, True):
                yield Turn(inv_freq, interleaved, start)
                yield Turn(-inv_freq, interleaved, start)


def _frequencies(model: Any) -> Iterator[Tensor]:
    """Every set of inverse frequencies that the model has, each once."""
    seen: list[Tensor] = []
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq") and buffer.ndim == 1 and not any(torch.equal(buffer, old) for old in seen):
            seen.append(buffer)
            yield buffer.float()


def _error(found: Tensor, wanted: Tensor) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm().clamp_min(1e-30))


def key_turns(banks: Sequence[Bank], turned: Sequence[Sequence[tuple[list[int], Turn]]]) -> list[list[Turn | None]]:
    """By bank, how each layer's keys (and so its queries) are turned; None where positions do not change them."""
    return [[next((turn for rows, turn in turned[r.slab] if r.row in rows), None) for r in bank.keys] for bank in banks]
