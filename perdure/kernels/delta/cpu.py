"""The CPU path: a chunk at a time as products of matrices, in float32 (Yang et al. 2024, arXiv 2406.06484, section 3).

Within a chunk that starts with state S, with c the gates summed up from the chunk's start, the values that are written are

    u_i = beta_i (v_i - e^c_i k_i^T S - sum_{j<i} e^(c_i - c_j) (k_i . k_j) u_j)

so that (I + A) u = beta (v - e^c k^T S), with A strictly lower triangular.
"""

from __future__ import annotations

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
    for n, (first, last) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        into = (after if cu_seqlens is None else after[n : n + 1]).flatten(0, 1)
        for start in range(first, last, CHUNK):
            part = slice(start, min(start + CHUNK, last))
            kept = None if gate is None else _heads(gate[:, part]).cumsum(1).unsqueeze(-1)
            queries = None if q is None else _heads(q[:, part])
            rates = _heads(beta[:, part]).unsqueeze(-1)
            read = _chunk(_heads(k[:, part]), _heads(v[:, part]), rates, into, kept, queries)
            if out is not None and read is not None:
                out[:, part] = read.unflatten(0, (k.shape[0], -1)).transpose(1, 2)
    return after, out


def _heads(x: Tensor) -> Tensor:
    """[B, C, H, ...] as [B * H, C, ...] in float32, a view where B is 1 and nothing is converted."""
    return x.float().transpose(1, 2).flatten(0, 1)


def _chunk(k: Tensor, v: Tensor, rates: Tensor, state: Tensor, kept: Tensor | None, q: Tensor | None) -> Tensor | None:
    """Write one chunk into `state` [B * H, K, V]; what the queries read from it, [B * H, C, V]."""
    decay = None if kept is None else (kept - kept.transpose(1, 2)).tril_().exp_()
    u = _written(k, v, rates, state, kept, decay)
    out = None if q is None else _read(q, k, u, state, kept, decay)
    if kept is not None:
        u = u * (kept[:, -1:] - kept).exp()
        state.mul_(kept[:, -1:].exp())
    state.baddbmm_(k.transpose(1, 2), u)
    return out


def _written(k: Tensor, v: Tensor, rates: Tensor, state: Tensor, kept: Tensor | None, decay: Tensor | None) -> Tensor:
    """u, solved from the right, since LAPACK stores columns: of a transposed system nothing is copied."""
    known = torch.bmm(k, state)
    if kept is not None:
        known.mul_(kept.exp())
    wrong = torch.sub(v, known).mul_(rates)
    if k.shape[1] == 1:
        return wrong
    among = torch.bmm(k, k.transpose(1, 2)).mul_(rates)
    if decay is not None:
        among.mul_(decay)
    sides = among.transpose(1, 2), wrong.transpose(1, 2)
    return torch.linalg.solve_triangular(*sides, upper=True, left=False, unitriangular=True).transpose(1, 2)


def _read(q: Tensor, k: Tensor, u: Tensor, state: Tensor, kept: Tensor | None, decay: Tensor | None) -> Tensor:
    out, scores = torch.bmm(q, state), torch.bmm(q, k.transpose(1, 2)).tril_()
    if kept is not None and decay is not None:
        out.mul_(kept.exp())
        scores.mul_(decay)
    return out.baddbmm_(scores, u)
