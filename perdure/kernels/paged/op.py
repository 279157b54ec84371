"""Attention over blocks on the path that its tensors ask for, and as an operator of a compiled graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu
from .scales import Scales

_paged_attention = dispatched("perdure.kernels.paged.gpu")(cpu.paged_attention)


def _run(
    query: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    block_table: Tensor,
    seq_lens: Tensor,
    cu_q: Tensor | None,
    scale: float,
    causal: bool,
    window: int | None,
    scales: Sequence[Tensor],
) -> tuple[Tensor, Tensor]:
    """`scales` has four tensors, or none for a cache that is not coded."""
    coded = Scales(*scales) if scales else None
    out, lse = _paged_attention(
        query, k_cache, v_cache, block_table, seq_lens, cu_q, scale=scale, causal=causal, window=window, scales=coded
    )
    return out.contiguous(), lse.contiguous()


def _fake(
    query: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    block_table: Tensor,
    seq_lens: Tensor,
    cu_q: Tensor | None,
    scale: float,
    causal: bool,
    window: int | None,
    scales: Sequence[Tensor],
) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), query.new_empty(query.shape[:2], dtype=torch.float32)


_PAGED_ATTENTION = operator("paged_attention", _run, _fake)


def _node(
    query: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    block_table: Tensor,
    seq_lens: Tensor,
    cu_q: Tensor | None = None,
    *,
    scale: float,
    causal: bool = True,
    window: int | None = None,
    scales: Scales | None = None,
) -> tuple[Tensor, Tensor]:
    parts = [] if scales is None else list(scales)
    out, lse = _PAGED_ATTENTION(query, k_cache, v_cache, block_table, seq_lens, cu_q, scale, causal, window, parts)
    return out, lse


paged_attention = traced(_paged_attention, _node)
