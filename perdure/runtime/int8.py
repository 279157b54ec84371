"""Models whose linear layers hold 8-bit weights, rounded when they are loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Linear, Module, Parameter
from torch.nn.functional import linear

from ..errors import InvalidInput
from ..kernels import INT8_STEPS, codes_of, int8_linear, packed8, quantised

SCHEME = "int8 by output channel, rows in 16 bits, 1"
"""What a recipe says of such weights. The number goes up when other bits come of the same weights."""


class Int8Linear(Linear):
    """A linear layer after `int8_linear`. `weight` is made anew each time it is read, and has no gradient."""

    def __init__(self, codes: Tensor, scale: Tensor, bias: Tensor | None, dtype: torch.dtype) -> None:
        Module.__init__(self)
        self.out_features, self.in_features = codes.shape
        self.register_parameter("bias", None if bias is None else Parameter(bias, requires_grad=False))
        self._packed, self._dtype = packed8(codes, scale, bias), dtype

    @classmethod
    def of(cls, module: Linear) -> Int8Linear:
        """A layer rounded; its bias stays as it is."""
        bias = None if module.bias is None else module.bias.detach()
        return cls(*quantised(module.weight.detach()), bias, module.weight.dtype)

    @property
    def codes(self) -> Tensor:
        return codes_of(self._packed)

    @property
    def scale(self) -> Tensor:
        return self._packed.scale * INT8_STEPS

    @property
    def weight(self) -> Tensor:  # type: ignore[override]
        """What the codes stand for, [out, in] in the model's number type."""
        return (self.codes * self.scale[:, None]).to(self._dtype)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and x.requires_grad:
            return linear(x, self.weight, self.bias)
        return int8_linear(x.reshape(-1, self.in_features), self._packed).view(*x.shape[:-1], self.out_features)


def joined(layers: Sequence[Int8Linear]) -> Callable[[Tensor], Tensor]:
    """The outputs of layers that take the same input [B, in], side by side, in one product."""
    if len(layers) == 1:
        return layers[0]
    biases = [layer.bias for layer in layers]
    known: list[Tensor] = [bias for bias in biases if bias is not None]
    if 0 < len(known) < len(layers):
        return lambda x: torch.cat([layer(x) for layer in layers], -1)
    codes, scale = torch.cat([layer.codes for layer in layers]), torch.cat([layer.scale for layer in layers])
    packed = packed8(codes, scale, torch.cat(known) if known else None)
    return lambda x: int8_linear(x, packed)


def quantise(model: Any) -> None:
    """Round the linear layers of a model in place. Raises InvalidInput where that has no effect or cannot be computed."""
    if model.device.type != "cpu":
        raise InvalidInput("Weights in int8 are for the processor; leave them as stored on a GPU.")
    _require_exact()
    found = [(name, module) for name, module in model.named_modules() if type(module) is Linear]
    if not found:
        raise InvalidInput(f"Models of type {model.config.model_type!r} have no linear layers that could be kept in int8.")
    for name, module in found:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, Int8Linear.of(module))


def _require_exact() -> None:
    """The largest sums, which saturate or wrap around where bytes are not added in 32 bits."""
    size = 256
    codes = torch.full((32, size), 127, dtype=torch.int8)
    codes[16:] = -127
    try:
        found = int8_linear(torch.ones(2, size), packed8(codes, torch.ones(32)))
    except (AttributeError, RuntimeError) as error:
        raise InvalidInput("This build of torch cannot multiply 8-bit weights; leave them as stored.") from error
    if not torch.equal(found, codes[:, 0].float().repeat(2, 1) * size):
        raise InvalidInput("This processor does not multiply 8-bit weights exactly; leave them as stored.")
