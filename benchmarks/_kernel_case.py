"""One memory operation at one size: what is run, its definition, its peers, and the least bytes and operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ._kernel_peers import Make

Made = Callable[["Size"], "Case"]


@dataclass(frozen=True)
class Size:
    """How large: `part` of the named size (1: all of it), on which device, in which type."""

    part: float
    device: str
    dtype: torch.dtype

    def of(self, number: int, least: int = 1) -> int:
        return max(least, int(number * self.part))

    def numbers(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.randn(shape, device=self.device, dtype=torch.float32).to(dtype or self.dtype)


@dataclass(frozen=True)
class Case:
    """`run` gives tensors that `expected` gives too, from the definition; `work` is (bytes, operations).

    `beside` are its peers, `made` those that are plain torch to be compiled. `seen` is what to compare where `run` returns
    nothing, `given` the bytes of numbers that are quantised, or given back.
    """

    run: Callable[[], Any]
    expected: Callable[[], Any]
    work: tuple[int, int]
    beside: Mapping[str, Make] = field(default_factory=dict)
    made: Mapping[str, Make] = field(default_factory=dict)
    seen: Callable[[], Any] | None = None
    given: int = 0

    def found(self) -> Any:
        result = self.run()
        return result if self.seen is None else self.seen()
