"""The CPU path: a pair of slices at a time, in place, as many entries at once as fit a fixed amount of memory."""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 1 << 18  # numbers turned at once: fewer are slower, more leave the cache of one core


def rotate(keys: Tensor, delta: int | Tensor, inv_freq: Tensor, *, interleaved: bool = False, start: int = 0) -> Tensor:
    """Same contract as `rotate_reference`, in float32 with the angles in float64, so that no delta is too large.

    Relative error <= 2e-7 in float32; in bfloat16 the reference's rounding and at most one in the last place at ties.
    Only plain products and sums are used, so bits do not depend on strides, chunks or neighbours.
    """
    out = keys.clone(memory_format=torch.contiguous_format)
    rotate_(out, delta, inv_freq, interleaved=interleaved, start=start)
    return out


def rotate_(keys: Tensor, delta: int | Tensor, inv_freq: Tensor, *, interleaved: bool = False, start: int = 0) -> None:
    """`rotate` into the buffer that the keys lie in, with the same bits and with temporary memory that does not grow."""
    half = inv_freq.numel()
    part = keys[..., start : start + 2 * half]
    first, second = (part[..., 0::2], part[..., 1::2]) if interleaved else (part[..., :half], part[..., half:])
    moved = torch.as_tensor(delta, device=keys.device).double()
    frequencies = inv_freq.to(keys.device, torch.float64)
    length = keys.shape[-2]
    step = max(1, _CHUNK * length // max(1, part.numel()))
    shared = moved.dim() == 0 or moved.shape[-1] == 1
    turn = _cos_sin(moved, frequencies) if shared else None
    for at in range(0, length, step):
        cos, sin = turn or _cos_sin(moved[..., at : at + step], frequencies)
        _turn(first[..., at : at + step, :], second[..., at : at + step, :], cos, sin)


def _cos_sin(delta: Tensor, frequencies: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin [..., R / 2] of integral deltas; of each that occurs often only once, out of a table."""
    low, high = (int(delta.min()), int(delta.max())) if delta.numel() else (0, 0)
    if high - low >= delta.numel():
        angle = delta.unsqueeze(-1) * frequencies
        return angle.cos().float(), angle.sin().float()
    table = torch.arange(low, high + 1, dtype=torch.float64, device=delta.device).unsqueeze(-1) * frequencies
    numbers = (delta - low).long()
    return table.cos().float()[numbers], table.sin().float()[numbers]


def _turn(first: Tensor, second: Tensor, cos: Tensor, sin: Tensor) -> None:
    a, b = first.float(), second.float()
    turned = a * cos - b * sin
    second.copy_(b * cos + a * sin)
    first.copy_(turned)
