"""The readable definition of attention over a cache that lies in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from .scales import Scales


def paged_attention_reference(
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
    """Attention of new tokens of B sequences over their cached ones, the new ones being the last of each.

    query [N, Hq, D] holds sequence b in rows cu_q[b] .. cu_q[b + 1] (cu_q [B + 1] int32; without it each sequence has one
    row); k_cache and v_cache [NB, BS, Hkv, D] with Hq a multiple of Hkv; token j of sequence b lies in slot j % BS of block
    block_table[b, j // BS] (int32 [B, MB], whose entries beyond a sequence's end are not read); seq_lens [B] int32 counts
    its cached tokens, the new ones included. Causal, the row of position i sees tokens 0 .. i; a window leaves it only the
    last `window` of 0 .. i. With `scales` the caches hold codes (see Scales). Computed in float64.

    Returns out [N, Hq, D] in query's dtype and lse [N, Hq] in float32, the natural log of the sum of exponentiated scores;
    a row that sees nothing gets 0 and minus infinity (Kwon et al. 2023, "PagedAttention", eq. 4).
    """
    rows = list(range(len(seq_lens) + 1)) if cu_q is None else cu_q.tolist()
    out = torch.zeros(query.shape, dtype=torch.float64, device=query.device)
    lse = torch.full(query.shape[:2], float("-inf"), dtype=torch.float64, device=query.device)
    for b, n in enumerate(seq_lens.tolist()):
        mine = slice(rows[b], rows[b + 1])
        key, value = _tokens(k_cache, v_cache, block_table[b], n, scales)
        out[mine], lse[mine] = _attended(query[mine].double(), key, value, scale, causal, window)
    return out.to(query.dtype), lse.float()


def work(query: Tensor, k_cache: Tensor, seq_lens: Tensor, scales: Scales | None = None) -> tuple[int, int]:
    """(bytes, floating point operations) of one call that sees all tokens: caches and queries read once, out written once.

    Rows are spread evenly over the sequences, as in decoding.
    """
    n, heads, dim = query.shape
    tokens, kv_heads = int(seq_lens.sum()), k_cache.shape[2]
    cache = 2 * tokens * kv_heads * k_cache.shape[3] * k_cache.element_size()
    if scales is not None:
        cache += 2 * tokens * kv_heads * 2 * (1 + dim // k_cache.shape[1])
    moved = cache + 2 * query.numel() * query.element_size() + 4 * n * heads
    return moved, 4 * heads * dim * tokens * n // len(seq_lens)


def _tokens(k_cache: Tensor, v_cache: Tensor, table: Tensor, n: int, scales: Scales | None) -> tuple[Tensor, Tensor]:
    """Keys and values [n, Hkv, D] of one sequence in float64."""
    blocks = table[: -(-n // k_cache.shape[1])].long()
    key, value = k_cache[blocks], v_cache[blocks]
    if scales is not None:
        key, value = scales.keys(key, blocks, torch.float64), scales.values(value, blocks, torch.float64)
    return key.double().flatten(0, 1)[:n], value.double().flatten(0, 1)[:n]


def _attended(
    query: Tensor, key: Tensor, value: Tensor, scale: float, causal: bool, window: int | None
) -> tuple[Tensor, Tensor]:
    group = query.shape[1] // key.shape[1]
    scores = torch.einsum("thd,nhd->thn", query, key.repeat_interleave(group, 1)) * scale
    t, n = len(query), len(key)
    ahead = torch.arange(n, device=query.device) - torch.arange(n - t, n, device=query.device)[:, None]
    hidden = torch.zeros_like(ahead, dtype=torch.bool)
    if causal:
        hidden |= ahead > 0
    if window is not None:
        hidden |= ahead <= -window
    scores = scores.masked_fill(hidden[:, None], float("-inf"))
    weights = scores.softmax(-1).nan_to_num(0.0)
    return torch.einsum("thn,nhd->thd", weights, value.repeat_interleave(group, 1)), scores.logsumexp(-1)
