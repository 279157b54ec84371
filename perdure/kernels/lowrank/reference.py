"""The readable definition of low-rank updates beside a linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]
"""One update's factors: down [r, d_in] and up [d_out, r]."""


def lowrank_reference(x: Tensor, out: Tensor, factors: Sequence[Sequence[Pair]]) -> Tensor:
    """out + sum over a row's updates of up (down x), each row of a batch with its own updates, in the order given.

    x [B, T, d_in], out [B, T, d_out], `factors` one list per row, ranks as they are. A row without updates keeps its bits.
    Computed in float64, returned in out's dtype (LoRA: Hu et al. 2021, arXiv 2106.09685, equation 3; several of them in
    one batch: Chen et al. 2023, "Punica", arXiv 2310.18547).
    """
    rows = [_row(x[row], out[row], pairs) for row, pairs in enumerate(factors)]
    return torch.stack(rows)


def _row(x: Tensor, out: Tensor, pairs: Sequence[Pair]) -> Tensor:
    if not pairs:
        return out
    whole = out.double()
    for down, up in pairs:
        whole = whole + x.double() @ down.double().T @ up.double().T
    return whole.to(out.dtype)


def work(tokens: int, d_in: int, d_out: int, ranks: Sequence[int], itemsize: int) -> tuple[int, int]:
    """Bytes and operations for rows of `tokens` each, row i with ranks[i] in all: factors, x and out read, out written."""
    rows, total = len(ranks), sum(ranks)
    size = total * (d_in + d_out) + rows * tokens * (d_in + 2 * d_out)
    return size * itemsize, 2 * tokens * total * (d_in + d_out)
