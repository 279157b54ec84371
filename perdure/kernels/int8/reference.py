"""The readable definition of products in 8 bits."""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-30
"""No row or channel is scaled by less."""

STEPS = 127 * 256
"""Into how many a row's largest magnitude is divided."""


def quantised(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A weight [out, in] as codes int8 [out, in] and a scale float32 [out] for each channel, symmetric, to the nearest."""
    wide = weight.float()
    scale = wide.abs().amax(1).clamp_min(TINY) / 127
    return (wide / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def int8_linear_reference(x: Tensor, codes: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [M, in], codes int8 [out, in], scale [out], bias [out] -> [M, out] in x's dtype.

    Each row is divided by its largest magnitude and rounded to one of `STEPS` either way, half up, in float32. What
    follows is over integers, which is exact, whatever the order and whoever else is in the batch, then in float64
    (Dettmers et al. 2022, "LLM.int8()", arXiv 2208.07339, section 2.1, vector-wise quantisation, whose rows have 8 bits).
    """
    peak = x.float().abs().amax(1, keepdim=True).clamp_min(TINY)
    rows = (x.float() / peak * STEPS + 0.5).floor()
    out = (rows.long() @ codes.long().T).double() * (scale.double() / STEPS) * peak.double()
    return (out if bias is None else out + bias.double()).to(x.dtype)
