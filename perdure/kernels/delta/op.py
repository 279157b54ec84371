"""The delta rule on the path that its tensors ask for, and as an operator of a compiled graph."""

from __future__ import annotations

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu

_delta_update = dispatched("perdure.kernels.delta.gpu")(cpu.delta_update)


def _run(
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    gate: Tensor | None,
    cu_seqlens: Tensor | None,
    q: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """An operator returns no optional tensor: without queries `out` is empty."""
    after, out = _delta_update(k, v, beta, state, gate, cu_seqlens, q)
    return after, v.new_empty(0) if out is None else out


def _fake(
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    gate: Tensor | None,
    cu_seqlens: Tensor | None,
    q: Tensor | None,
) -> tuple[Tensor, Tensor]:
    after = state.new_empty(state.shape, dtype=torch.float32)
    return after, v.new_empty(0) if q is None else v.new_empty(v.shape)


_DELTA_UPDATE = operator("delta_update", _run, _fake)


def _node(
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    gate: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    q: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    after, out = _DELTA_UPDATE(k, v, beta, state, gate, cu_seqlens, q)
    return after, None if q is None else out


delta_update = traced(_delta_update, _node)
