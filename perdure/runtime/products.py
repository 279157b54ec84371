"""Products with weights laid out for few rows: the bits of `linear`, where a trial says so, in half the time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import Linear, Module
from torch.nn.functional import linear

from ..config import PREFILL_GRID
from .company import MOST, cancelling
from .int8 import Int8Linear, joined
from .pairs import times_of

Product = Callable[[Tensor], Tensor]
"""x [B, in] -> the outputs of some linear layers side by side [B, out], each row's bits the same in any company."""

LEAST = 4
"""Rows that take less time than one, two or three: 0.8 to 0.9 of one in bfloat16."""

SHARE = 0.25
"""Of the memory that is free, how much the second copy of the weights may take."""


class Found(NamedTuple):
    """What a trial found: whether one row has the bits that `linear` gives it, whether it has them in company, and
    whether a whole chunk of a prompt has those of `linear`, where fewer than `least` rows are repeated."""

    packs: bool
    alike: bool
    absorbs: bool
    least: int = 1


NOT_SO = Found(False, False, False)


class Products:
    """Makes the products of one model; `roomy` says whether there is room for a second copy of its weights.

    What a trial found for a shape holds for all layers of it.
    """

    def __init__(self, model: Module) -> None:
        linears = _linears(model.modules())
        self._roomy = sum(module.weight.nbytes for module in linears) <= SHARE * _free()
        self._found: dict[tuple[object, ...], Found] = {}

    @property
    def absorb(self) -> bool:
        """Whether a whole chunk of a prompt has the bits of `linear` in every product that was made."""
        return all(found.absorbs for found in self._found.values())

    @property
    def least(self) -> int:
        """The rows that every product that was made takes as they are: fewer are repeated."""
        shared = all(found.packs and found.alike for found in self._found.values())
        return max((found.least for found in self._found.values()), default=1) if shared else 1

    def of(self, modules: Sequence[Module]) -> Product:
        """The product of layers that take the same input."""
        if all(isinstance(module, Int8Linear) for module in modules):
            return joined([module for module in modules if isinstance(module, Int8Linear)])
        linears = _linears(modules)
        if len(linears) == len(modules) and self._roomy:
            tried = self._tried(linears)
            if tried.packs:
                packed = _Packed.of(linears, tried.least)
                return packed if tried.alike else _by_row(packed)
        return _Plain(modules)

    def _tried(self, linears: Sequence[Linear]) -> Found:
        kinds = {(type(module), module.bias is None) for module in linears}
        weights = [module.weight for module in linears]
        if len(kinds) > 1 or any(weight.device.type != "cpu" for weight in weights):
            return NOT_SO
        kind = (*(weight.shape for weight in weights), weights[0].dtype, *kinds)
        if kind not in self._found:
            self._found[kind] = _trial(linears)
        return self._found[kind]


class _Packed:
    """A product with a weight [out, in] laid out for few rows; fewer than `least` are repeated until they are as many."""

    def __init__(self, weight: Tensor, bias: Tensor | None, least: int) -> None:
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, 1)
        self._bias, self._least = bias, least

    @classmethod
    def of(cls, linears: Sequence[Linear], least: int) -> _Packed:
        biases = [module.bias.detach() for module in linears if module.bias is not None]
        weight = torch.cat([module.weight.detach() for module in linears])
        return cls(weight, torch.cat(biases) if biases else None, least)

    def __call__(self, x: Tensor) -> Tensor:
        return self._times(x) if len(x) >= self._least else self._times(enough(x, self._least))[: len(x)]

    def _times(self, x: Tensor) -> Tensor:
        found: Tensor = torch.ops.mkldnn._linear_pointwise.default(x, self._weight, self._bias, "none", [], "")
        return found


class _Plain:
    """The modules as they are, so that whatever takes their place for a while is heard."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = modules

    def __call__(self, x: Tensor) -> Tensor:
        found = [module(x[:, None])[:, 0] for module in self._modules]
        return found[0] if len(found) == 1 else torch.cat(found, -1)


def enough(rows: Tensor, least: int) -> Tensor:
    """Rows [B, ...] again and again until there are `least`; what comes of those added is to be left."""
    return rows if len(rows) >= least else torch.cat([rows] * -(-least // len(rows)))[:least]


def _linears(modules: Iterable[Module]) -> list[Linear]:
    """Those of which it is known how they multiply."""
    return [module for module in modules if isinstance(module, Linear) and times_of(module) is not None]


def _by_row(product: Product) -> Product:
    """Row by row in company; a chunk of a prompt is larger than any, and has its own bits."""
    return lambda x: torch.cat([product(row) for row in torch.split(x, 1)]) if 1 < len(x) <= MOST else product(x)


def _trial(linears: Sequence[Linear]) -> Found:
    """What is found with few rows repeated, or, where those have other bits, without."""
    try:
        found = _tried_with(linears, LEAST)
        return found if found.packs else _tried_with(linears, 1)
    except (AttributeError, RuntimeError):
        return NOT_SO


def _tried_with(linears: Sequence[Linear], least: int) -> Found:
    """On sums that cancel, so that nothing but the order of additions is left."""
    parts, times = [module.weight for module in linears], times_of(linears[0]) or linear
    x, weight = cancelling(torch.cat([part.detach() for part in parts]), PREFILL_GRID)
    bias = None if linears[0].bias is None else weight.new_zeros(len(weight))
    sizes = [len(part) for part in parts]
    biases = [None] * len(parts) if bias is None else torch.split(bias, sizes)
    separate = [(part.contiguous(), own) for part, own in zip(torch.split(weight, sizes), biases, strict=True)]
    packed = _Packed(weight, bias, least)

    def same(rows: Tensor) -> bool:
        return torch.equal(packed(rows), torch.cat([times(rows, *both) for both in separate], -1))

    rows = x[:, 0]
    alone = torch.cat([packed(row.clone()) for row in x[:MOST]])
    alike = all(torch.equal(packed(rows[:size]), alone[:size]) for size in range(2, MOST + 1))
    return Found(all(same(row.clone()) for row in x[:MOST]), alike, same(rows), least)


def _free() -> int:
    """Bytes of memory that could be had now; 0 where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)
