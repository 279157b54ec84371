"""Summaries and scores on the path that their tensors ask for, and as operators of a compiled graph."""

from __future__ import annotations

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu
from .reference import Summary

_block_summary = dispatched("perdure.kernels.selection.gpu")(cpu.block_summary)
_block_score = dispatched("perdure.kernels.selection.gpu")(cpu.block_score)


def _summed(k_cache: Tensor, block_ids: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    return _block_summary(k_cache, block_ids, lengths)


def _fake_summed(k_cache: Tensor, block_ids: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    shape = (block_ids.numel(), *k_cache.shape[2:])
    return k_cache.new_empty(shape), k_cache.new_empty(shape), k_cache.new_empty(shape)


def _scored(query: Tensor, most: Tensor, least: Tensor | None, valid: Tensor | None, shared: bool) -> Tensor:
    """`most` are the means where there is no `least`."""
    return _block_score(query, most if least is None else (least, most), valid, shared).contiguous()


def _fake_scored(query: Tensor, most: Tensor, least: Tensor | None, valid: Tensor | None, shared: bool) -> Tensor:
    blocks, kv_heads = most.shape[:2]
    return query.new_empty((len(query), 1 if shared else kv_heads, blocks), dtype=torch.float32)


_BLOCK_SUMMARY = operator("block_summary", _summed, _fake_summed)
_BLOCK_SCORE = operator("block_score", _scored, _fake_scored)


def _summary_node(k_cache: Tensor, block_ids: Tensor, lengths: Tensor | None = None) -> Summary:
    return Summary(*_BLOCK_SUMMARY(k_cache, block_ids, lengths))


def _score_node(
    query: Tensor, reps: Tensor | tuple[Tensor, Tensor], valid: Tensor | None = None, shared: bool = False
) -> Tensor:
    least, most = reps if isinstance(reps, tuple) else (None, reps)
    scores: Tensor = _BLOCK_SCORE(query, most, least, valid, shared)
    return scores


block_summary = traced(_block_summary, _summary_node)
block_score = traced(_block_score, _score_node)
