"""Merging on the path that its tensors ask for, and as an operator of a compiled graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu

_merge = dispatched("perdure.kernels.combine.gpu")(cpu.merge)
_joined = dispatched("perdure.kernels.combine.gpu")(cpu.joined)


def _merged(outs: Sequence[Tensor], lses: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    return _merge(list(zip(outs, lses, strict=True)))


def _fake_merged(outs: Sequence[Tensor], lses: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    return outs[0].new_empty(outs[0].shape), lses[0].new_empty(lses[0].shape, dtype=torch.float32)


def _join(out: Tensor, lse: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    return _joined(out, lse, scores, values).contiguous()


def _fake_join(out: Tensor, lse: Tensor, scores: Tensor, values: Tensor) -> Tensor:
    return out.new_empty(out.shape)


_MERGE = operator("merge", _merged, _fake_merged)
_JOINED = operator("joined", _join, _fake_join)


def _merge_node(parts: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    out, lse = _MERGE([out for out, _ in parts], [lse for _, lse in parts])
    return out, lse


merge = traced(_merge, _merge_node)
joined = traced(_joined, _JOINED)
