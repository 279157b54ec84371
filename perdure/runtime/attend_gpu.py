"""Attention on a GPU. A slab's row is a cache whose blocks are its tokens, which any table of slots reads where they lie.

Many queries go through torch's fused call (flash where the dtype allows it, heads in groups), which tells no log-sum-exp.
Few queries, and all whose log-sum-exp somebody needs, go through paged attention: runs of keys that carry a bias are
sequences of their own, and all of it is merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from ..kernels import merge, paged_attention
from .attend import Segment

FEW = 16
"""Queries up to which paged attention takes the place of the fused call."""

WIDEST = 256
"""The largest head that paged attention has a launch for."""

ROOM = 1024
"""Tables of slots are made for so many more slots at once."""


def attended(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Same contract as `attend.attended`; relative error <= 1e-2 in bfloat16, <= 2e-6 in float32. Differentiable."""
    if _pages(query, value) and len(query) == 1 and query.shape[2] <= FEW and not query.requires_grad:
        return _whole(query, key, value, scale)[0]
    t, n = query.shape[2], key.shape[2]
    mask = causal_lower_right(t, n) if t > 1 else None
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=True)


def attend_segments(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    segments: Sequence[Segment],
    unheard: Sequence[Segment] = (),
    heard: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Same contract as `attend.attend_segments`. Raises ValueError for heads that paged attention does not take."""
    if not _pages(query, value):
        raise ValueError(f"no attention over segments for keys of {query.shape[3]} and values of {value.shape[3]} numbers")
    t, last = query.shape[2], heard or query.shape[2]
    if not segments and not unheard:
        out, lse = _whole(query, key, value, scale)
        return out, lse, lse.new_zeros(0, 1, query.shape[1], last)
    layout = _layout((*segments, *unheard), _rounded(key.shape[2]), key.device)
    rows, slab = _rows(query), (_slots(key), _slots(value))
    free = key.shape[2] - layout.biased
    parts = [_paged(rows, slab, layout.free[:, :free], _count(free, key.device), scale, causal=True)]
    runs = len(layout.bias)
    outs, lses = _paged(rows.repeat(runs, 1, 1), slab, layout.runs, layout.lens, scale, causal=False)
    lses = lses.view(runs, t, -1) + layout.bias
    out, lse = merge([*parts, *zip(outs.view(runs, *rows.shape), lses, strict=True)])
    shares = (lses[: len(segments), t - last :] - lse[t - last :]).exp()
    return _heads(out), lse.t()[None], shares.transpose(1, 2)[:, None]


class _Layout(NamedTuple):
    """Slots without a bias [1, N], those of each run with one [R, longest], the runs' lengths [R] and biases [R, 1, 1]."""

    free: Tensor
    runs: Tensor
    lens: Tensor
    bias: Tensor
    biased: int


def _whole(query: Tensor, key: Tensor, value: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """out [1, Hq, T, D] and lse [1, Hq, T] of one sequence's last queries, each key seen as it is."""
    n, table = key.shape[2], _table(_rounded(key.shape[2]), key.device)
    out, lse = _paged(_rows(query), (_slots(key), _slots(value)), table[:, :n], _count(n, key.device), scale, causal=True)
    return _heads(out), lse.t()[None]


def _paged(
    rows: Tensor, slab: tuple[Tensor, Tensor], table: Tensor, lens: Tensor, scale: float, *, causal: bool
) -> tuple[Tensor, Tensor]:
    """Each sequence of the table has as many of the rows as any other."""
    count = len(rows) // len(lens)
    starts = None if count == 1 else _starts(len(lens), count, rows.device)
    return paged_attention(rows, *slab, table, lens, starts, scale=scale, causal=causal)


def _pages(query: Tensor, value: Tensor) -> bool:
    return query.shape[3] == value.shape[3] <= WIDEST


def _rows(query: Tensor) -> Tensor:
    """[T, Hq, D]."""
    rows = query[0].transpose(0, 1)
    return rows if rows.stride(2) == 1 else rows.contiguous()


def _heads(out: Tensor) -> Tensor:
    """[1, Hq, T, D] of [T, Hq, D]."""
    return out.transpose(0, 1)[None]


def _slots(kept: Tensor) -> Tensor:
    """Keys or values [1, H, N, D] as blocks [N, 1, H, D] of one token, where they lie."""
    slots = kept[0].transpose(0, 1).unsqueeze(1)
    return slots if slots.stride(3) == 1 else slots.contiguous()


def _rounded(n: int) -> int:
    return -(-n // ROOM) * ROOM


# Tables are the same in all layers of a forward, and mostly in the next one. None may be an inference tensor, which a later
# forward that is differentiated could not use.


@lru_cache(maxsize=4)
def _table(room: int, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.arange(room, dtype=torch.int32, device=device)[None]


@lru_cache(maxsize=4)
def _count(n: int, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.full((1,), n, dtype=torch.int32, device=device)


@lru_cache(maxsize=8)
def _starts(sequences: int, count: int, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        return torch.arange(0, sequences * count + 1, count, dtype=torch.int32, device=device)


@lru_cache(maxsize=2)
def _layout(biased: tuple[Segment, ...], room: int, device: torch.device) -> _Layout:
    lengths = [end - start for start, end, _ in biased]
    free = torch.ones(room, dtype=torch.bool)
    runs = torch.zeros(len(biased), max(1, *lengths), dtype=torch.int32)
    for run, (start, end, _) in enumerate(biased):
        free[start:end] = False
        runs[run, : end - start] = torch.arange(start, end)
    bias = torch.tensor([bias for _, _, bias in biased]).view(-1, 1, 1)
    slots, lens = free.nonzero().view(1, -1).int(), torch.tensor(lengths, dtype=torch.int32)
    with torch.inference_mode(mode=False):
        slots, runs, lens, bias = (tensor.clone().to(device) for tensor in (slots, runs, lens, bias))
    return _Layout(slots, runs, lens, bias, sum(lengths))
