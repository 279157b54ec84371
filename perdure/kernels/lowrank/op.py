"""Low-rank updates on the path that their tensors ask for, and as an operator of a compiled graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu
from .reference import Pair

_lowrank = dispatched("perdure.kernels.lowrank.gpu")(cpu.lowrank)


def _run(x: Tensor, out: Tensor, downs: Sequence[Tensor], ups: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    """The factors of all rows one after the other, `counts` of them to each row."""
    pairs = list(zip(downs, ups, strict=True))
    return _lowrank(x, out, [pairs[start:end] for start, end in pairwise(accumulate(counts, initial=0))])


def _fake(x: Tensor, out: Tensor, downs: Sequence[Tensor], ups: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
    return out.new_empty(out.shape)


_LOWRANK = operator("lowrank", _run, _fake)


def _node(x: Tensor, out: Tensor, factors: Sequence[Sequence[Pair]]) -> Tensor:
    pairs = [pair for row in factors for pair in row]
    found: Tensor = _LOWRANK(x, out, [down for down, _ in pairs], [up for _, up in pairs], [len(row) for row in factors])
    return found


lowrank = traced(_lowrank, _node)
