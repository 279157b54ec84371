"""The CPU path: a chunk at a time as products of matrices, in float32 (Yang et al. 2024, arXiv 2406.06484, section 3).

Within a chunk that starts with state S, with c the gates summed up from the chunk's start, the values that are written are

    u_i = beta_i (v_i - e^c_i k_i^T S - sum_{j<i} e^(c_i - c_j) (k_i . k_j) u_j)

so that (I + A) u = beta (v - e^c k^T S), with A strictly lower triangular.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

CHUNK = 32


def delta_update(
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    gate: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    q: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Same contract as `delta_update_reference`; relative error <= 2e-6 before out is rounded to v's dtype."""
    after = state.float().clone(memory_format=torch.contiguous_format)
    out = None if q is None else torch.empty(v.shape, dtype=v.dtype, device=v.device)
    bounds = [0, k.shape[1]] if cu_seqlens is None else cu_seqlens.tolist()
    for n, (first, last) in enumerate(pairwise(bounds)):
        into = (after if cu_seqlens is None else after[n : n + 1]).flatten(0, 1)
        for start in range(first, last, CHUNK):
            part = slice(start, min(start + CHUNK, last))
            kept = None if gate is None else _kept(_heads(gate[:, part]))
            queries = None if q is None else _heads(q[:, part])
            rates = _heads(beta[:, part]).unsqueeze(-1)
            read = _chunk(_heads(k[:, part]), _heads(v[:, part]), rates, into, kept, queries)
            if out is not None and read is not None:
                out[:, part] = read.view(k.shape[0], -1, *read.shape[1:]).transpose(1, 2)
    return after, out


def _heads(x: Tensor) -> Tensor:
    """[B, C, H, ...] as [B * H, C, ...] in float32, a view where B is 1 and nothing is converted."""
    return x.float().transpose(1, 2).flatten(0, 1)


def _kept(gate: Tensor) -> tuple[Tensor, Tensor]:
    """What each token finds left of the state [B * H, C, 1] and, below the diagonal, of each token before it [B * H, C, C].

    Summed up for each pair by itself: as a difference, what follows a closed gate would have lost its digits.
    """
    between = gate.unsqueeze(-1).expand(*gate.shape, gate.shape[1]).tril(-1).cumsum(1)
    return gate.cumsum(1).exp_().unsqueeze(-1), between.exp_()


def _chunk(
    k: Tensor, v: Tensor, rates: Tensor, state: Tensor, kept: tuple[Tensor, Tensor] | None, q: Tensor | None
) -> Tensor | None:
    """Write one chunk into `state` [B * H, K, V]; what the queries read from it, [B * H, C, V]."""
    u = _written(k, v, rates, state, kept)
    out = None if q is None else _read(q, k, u, state, kept)
    if kept is not None:
        u = u * kept[1][:, -1].unsqueeze(-1)
        state.mul_(kept[0][:, -1:])
    state.baddbmm_(k.transpose(1, 2), u)
    return out


def _written(k: Tensor, v: Tensor, rates: Tensor, state: Tensor, kept: tuple[Tensor, Tensor] | None) -> Tensor:
    """u, solved from the right, since LAPACK stores columns: of a transposed system nothing is copied."""
    known = torch.bmm(k, state)
    if kept is not None:
        known.mul_(kept[0])
    wrong = torch.sub(v, known).mul_(rates)
    if k.shape[1] == 1:
        return wrong
    among = torch.bmm(k, k.transpose(1, 2)).mul_(rates)
    if kept is not None:
        among.mul_(kept[1])
    sides = among.transpose(1, 2), wrong.transpose(1, 2)
    u: Tensor = torch.linalg.solve_triangular(*sides, upper=True, left=False, unitriangular=True)
    return u.transpose(1, 2)


def _read(q: Tensor, k: Tensor, u: Tensor, state: Tensor, kept: tuple[Tensor, Tensor] | None) -> Tensor:
    out, scores = torch.bmm(q, state), torch.bmm(q, k.transpose(1, 2)).tril_()
    if kept is not None:
        out.mul_(kept[0])
        scores.mul_(kept[1])
    return out.baddbmm_(scores, u)
