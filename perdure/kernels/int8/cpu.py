"""The CPU path: oneDNN's products of unsigned and signed bytes, with rows in two bytes, each by its own scale."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .reference import STEPS, TINY

_ZERO = 128
"""What stands for zero in unsigned bytes. Signed ones take a path that is slower by orders of magnitude."""


class Packed8(NamedTuple):
    """A weight as `packed8` lays it out: `codes` opaque, `scale` [out] of a step of both."""

    codes: Tensor
    scale: Tensor
    zeros: Tensor
    bias: Tensor | None


def packed8(codes: Tensor, scale: Tensor, bias: Tensor | None = None) -> Packed8:
    """Codes int8 [out, in] and their scales [out] laid out for `int8_linear`."""
    zeros = torch.zeros(len(codes), dtype=torch.int64)
    packed = torch.ops.onednn.qlinear_prepack(codes.contiguous(), None)
    return Packed8(packed, scale.float() / STEPS, zeros, None if bias is None else bias.float())


def codes_of(weight: Packed8) -> Tensor:
    """The codes [out, in] that were packed."""
    return weight.codes.to_dense().T


def int8_linear(x: Tensor, weight: Packed8) -> Tensor:
    """Same contract as `int8_linear_reference`; relative error <= 1e-6 in float32, <= 4e-3 in bfloat16.

    A row's bits are the same in any company; one alone goes as two, since four rows of bytes take less time than two. Exact
    only where the processor adds products of bytes in 32 bits (VNNI).
    """
    count, wide = len(x), x.float()
    peak = wide.abs().amax(1, keepdim=True).clamp_min_(TINY)
    # Of 16 unsigned bits the lower byte is one row and the upper one another, each with its own zero in the middle.
    steps = wide.div(peak).mul_(STEPS).add_(_ZERO * 257 + 0.5).to(torch.int32)
    rows = steps.view(torch.uint8).view(count, -1, 4).permute(2, 0, 1)[:2].reshape(2 * count, -1)
    out: Tensor = torch.ops.onednn.qlinear_pointwise.default(
        rows if count > 1 else torch.cat((rows, rows)),
        *(1.0, _ZERO, weight.codes, weight.scale, weight.zeros),
        *(None, 1.0, 0, torch.float32, "none", [], ""),
    )
    out = out[:count].add_(out[count : 2 * count], alpha=256).mul_(peak)
    return (out if weight.bias is None else out.add_(weight.bias)).to(x.dtype)
