"""Rows that go through a model alone go as two, so that they have the bits that they have in company.

Where oneDNN multiplies bfloat16, a single row of many inputs is added up in another order than several are, which are alike
among themselves (docs/decisions/0029). Two rows take hardly longer than one, since the weights are what is waited for; and
sessions share these products then, where each would go alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module
from torch.nn.functional import linear

from ..kernels.dispatch import native_bfloat16

SCHEME = "in pairs, 1"
"""What a recipe says of a model in which single rows go so. The number goes up when other bits come of the same weights."""

MANY = 1024
"""Up to so many inputs one row is added up as several are."""

Times = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""x [..., in], a weight [out, in], a bias [out] -> [..., out]."""


class PairedLinear(Linear):
    """A linear layer of that kind, made of one by `pair`."""

    def forward(self, x: Tensor) -> Tensor:
        return paired_linear(x, self.weight, self.bias)


def paired_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`linear`, whose single rows are computed beside a copy of themselves."""
    if x.numel() != x.shape[-1]:
        return linear(x, weight, bias)
    row = x.reshape(1, -1)
    return linear(torch.cat((row, row)), weight, bias)[:1].view(*x.shape[:-1], len(weight))


def times_of(module: Module) -> Times | None:
    """How a module multiplies; None for classes of which that is not known."""
    known: dict[type, Times] = {Linear: linear, PairedLinear: paired_linear}
    return known.get(type(module))


def pair(model: Any) -> bool:
    """Have single rows go through a model in pairs where they gain by it; whether any do.

    That is in linear layers, which become another class, and in our attention, which sees to it itself
    (`kernels.attention`), where an odd number of query heads shares a key: also in layers of other attention while memory
    listens to them.
    """
    if model.device.type != "cpu" or not native_bfloat16():
        return False
    found = [module for module in model.modules() if type(module) is Linear and _gains(module)]
    for module in found:
        module.__class__ = PairedLinear
    return bool(found) or _attends_oddly(model)


def _attends_oddly(model: Any) -> bool:
    config = model.config.get_text_config(decoder=True)
    heads = getattr(config, "num_attention_heads", None)
    shared = getattr(config, "num_key_value_heads", None) or heads
    if model.dtype != torch.bfloat16 or not heads:
        return False
    # Some families have other numbers in each layer.
    return not (isinstance(heads, int) and isinstance(shared, int)) or heads // shared % 2 == 1


def _gains(module: Linear) -> bool:
    return module.weight.dtype == torch.bfloat16 and module.in_features > MANY
