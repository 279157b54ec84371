"""The CPU path: one flash call with the biases in its mask, then the segments' keys once more for their shares.

A flash call per source with a merge takes 1.25 to 2.7 times as long at one token, which is how most forwards are. At 32
tokens it takes longer too, except by up to a sixteenth less where the segments are hundreds of keys in runs of 128.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from ..attention import attend, evened
from ..graph import cached

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

Segment = tuple[int, int, float]


def attend_segments(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scale: float,
    segments: Sequence[Segment],
    unheard: Sequence[Segment] = (),
    heard: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Same contract as `attend_segments_reference`; relative error of `out` <= 2e-6 in float32, <= 1e-2 in bfloat16.

    Shares are those of the last `heard` queries (None: of all), [segments, B, Hq, heard].
    The absolute error of lse and shares is <= 1e-5 in float32 and, from the flash call's lse, <= 1e-4 in bfloat16.
    Strides of key and value are free and do not change the bits. Without segments the bits are those of `attend`.
    """
    batch, heads, t, dim = query.shape
    if not segments and not unheard:
        out, lse = attend(query, key, value, scale)
        return out, lse, lse.new_zeros(0, batch, heads, heard or t)
    kv_heads, n = key.shape[1], key.shape[2]
    group = heads // kv_heads
    packed = evened(query.reshape(batch, kv_heads, group * t, dim), t)
    mask = _biased_mask(t, n, packed.shape[2] // t, (*unheard, *segments), query.device)
    out, lse = cast(tuple[Tensor, Tensor], _flash(packed, key, value, 0.0, False, attn_mask=mask, scale=scale))
    shape, last = (batch, heads, t), heard or t
    out, lse = out[:, :, : group * t], lse[:, :, : group * t].reshape(shape)
    if not segments:
        return out.reshape(*shape, dim), lse, lse.new_zeros(0, batch, heads, last)
    asked = query[:, :, t - last :].reshape(batch, kv_heads, group * last, dim)
    received = _received(asked, key, lse[:, :, t - last :].reshape(asked.shape[:3]), scale, tuple(segments))
    return out.reshape(*shape, dim), lse, received.movedim(-1, 0).reshape(-1, batch, heads, last)


def _received(packed: Tensor, key: Tensor, lse: Tensor, scale: float, segments: tuple[Segment, ...]) -> Tensor:
    """[B, Hkv, group * t, segments]: probabilities of the segments' keys, summed within each by a matrix product."""
    keys = torch.cat([key[:, :, start:end] for start, end, _ in segments], 2).float()
    bias, membership = _layout(segments, key.device)
    scores = torch.matmul(packed.float(), keys.transpose(-1, -2)).mul_(scale).add_(bias)
    return torch.matmul(scores.sub_(lse.unsqueeze(-1)).exp_(), membership)


@cached
def _biased_mask(t: int, n: int, group: int, segments: tuple[Segment, ...], device: torch.device) -> Tensor:
    """[1, 1, group * t, n] in float32, so that a bias is not rounded. All layers of a forward share one."""
    mask = torch.zeros(t, n, device=device)
    mask[:, n - t :] = torch.full((t, t), float("-inf"), device=device).triu(1)
    for start, end, bias in segments:
        mask[:, start:end] = bias
    return mask.repeat(group, 1)[None, None]


@cached
def _layout(segments: tuple[Segment, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """For the segments' keys one behind the other: the bias [keys] of each and, as 0 and 1, its segment [keys, segments]."""
    lengths = torch.tensor([end - start for start, end, _ in segments], device=device)
    of = torch.arange(len(segments), device=device).repeat_interleave(lengths)
    bias = torch.tensor([bias for _, _, bias in segments], device=device)
    return bias[of], torch.eye(len(segments), device=device)[of]
