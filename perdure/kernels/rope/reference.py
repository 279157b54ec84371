"""The readable definition of a rotary shift."""

from __future__ import annotations

import torch
from torch import Tensor


def rotate_reference(
    keys: Tensor, delta: int | Tensor, inv_freq: Tensor, *, interleaved: bool = False, start: int = 0
) -> Tensor:
    """Keys as they would be, had each been `delta` positions later when rotary positions were applied to it.

    keys [..., T, D] of any float dtype; delta an integer, or integers that broadcast to keys.shape[:-1], such as [T] or
    [H, 1]; inv_freq [R / 2]. Only dims start .. start + R are turned, the others are copied. Pair i is the dims
    (i, i + R / 2) of that part, as in Llama, or (2 i, 2 i + 1) when `interleaved`, as in GPT-J; it turns by
    delta * inv_freq[i] radians (Su et al. 2021, eq. 34). Computed in float64 and rounded once, to keys' dtype.

    Rotations add up, so a factor on cos and sin (YaRN's) that is already in the keys stays in them unchanged.
    """
    half = inv_freq.numel()
    angle = torch.as_tensor(delta, device=keys.device).double().unsqueeze(-1) * inv_freq.double()
    part = keys[..., start : start + 2 * half].double()
    shape = part.shape[:-1]
    pairs = part.reshape(*shape, half, 2) if interleaved else part.reshape(*shape, 2, half).transpose(-1, -2)
    turned = torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(angle), angle))
    out = keys.clone()
    out[..., start : start + 2 * half] = (turned if interleaved else turned.transpose(-1, -2)).flatten(-2).to(keys.dtype)
    return out


def work(keys: int, turned: int, itemsize: int) -> tuple[int, int]:
    """Bytes read and written where keys are turned in place in `turned` of their dims, and operations (3 a dim)."""
    return 2 * keys * turned * itemsize, 3 * keys * turned
