"""The readable definition of a fast weight that the delta rule writes, token by token.

Schlag et al. 2021 (arXiv 2102.11174); with decay Yang et al. 2024, "Gated Delta Networks" (arXiv 2412.06464), eq. 10.
"""

from __future__ import annotations

import torch
from torch import Tensor


def delta_update_reference(
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    state: Tensor,
    gate: Tensor | None = None,
    cu_seqlens: Tensor | None = None,
    q: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """The state after T more keys and values, and what the queries read from it on the way; nothing given is changed.

    k and q [B, T, H, K], v [B, T, H, V], beta [B, T, H] how far a key's value is replaced (0: not, 1: wholly, for keys of
    length 1), gate [B, T, H] the log of what is kept of the state before each token (at most 0; minus infinity: nothing;
    None: all), state [B, H, K, V] in float32. For each token, in order:

        S = exp(gate) S;   S = S + beta k (v - k^T S)^T;   out = q^T S

    With cu_seqlens, integers [N + 1], B is 1, sequence n has the tokens cu_seqlens[n] to cu_seqlens[n + 1], of which there
    may be none, and states are [N, H, K, V]. Computed in float64. Returns the state in float32 and, if there are queries,
    out [B, T, H, V] in v's dtype, else None.
    """
    if cu_seqlens is not None:
        return _ragged(k, v, beta, state, gate, cu_seqlens, q)
    s, outs = state.double(), []
    for t in range(k.shape[1]):
        if gate is not None:
            s = s * gate[:, t].double().exp()[..., None, None]
        key, value = k[:, t].double(), v[:, t].double()
        wrong = value - torch.einsum("bhk,bhkv->bhv", key, s)
        s = s + torch.einsum("bhk,bhv->bhkv", key * beta[:, t].double().unsqueeze(-1), wrong)
        if q is not None:
            outs.append(torch.einsum("bhk,bhkv->bhv", q[:, t].double(), s))
    return s.float(), None if q is None else torch.stack(outs, 1).to(v.dtype) if outs else v.clone()


def _ragged(
    k: Tensor, v: Tensor, beta: Tensor, state: Tensor, gate: Tensor | None, cu_seqlens: Tensor, q: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    states, outs = [], []
    for n, (first, last) in enumerate(torch.stack([cu_seqlens[:-1], cu_seqlens[1:]], 1).tolist()):
        given = [None if x is None else x[:, first:last] for x in (gate, q)]
        part = delta_update_reference(
            k[:, first:last], v[:, first:last], beta[:, first:last], state[n : n + 1], given[0], None, given[1]
        )
        states.append(part[0])
        outs.append(part[1])
    return torch.cat(states), None if q is None else torch.cat([out for out in outs if out is not None], 1)


def work(k: Tensor, v: Tensor, state: Tensor, gated: bool = False, read: bool = False) -> tuple[int, int]:
    """(bytes, floating point operations) of the recurrence: everything read once, state and out written once.

    Products with a state of K x V are counted, two for each token and one more where it is read. A form in chunks has the
    products within its chunks besides.
    """
    tokens = k.shape[0] * k.shape[1] * k.shape[2]
    moved = (k.numel() * (1 + read) + v.numel() * (1 + read) + tokens) * k.element_size() + 4 * tokens * gated
    return moved + 8 * state.numel(), 2 * (2 + read) * tokens * k.shape[3] * v.shape[3]
