"""Feature maps: what stands for the exponential of a score in a memory of fixed size."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Features = Callable[[Tensor], Tensor]
"""Maps [..., D] to [..., F], positive, each vector by itself, in the dtype it is given."""

FLOOR = 1e-6
"""What the sum of a query's weights is taken for where it is smaller: an empty memory reads as zeros."""


def elu_plus_one(x: Tensor) -> Tensor:
    """The map of linear attention (Katharopoulos et al. 2020): x + 1 for positive x, exp(x) otherwise; F = D."""
    return functional.elu(x) + 1
