"""Records without gradients: regularised least squares, and the delta rule of fast weights.

`ClosedForm` solves for the update that gives each key its value and moves what keys of ordinary text give as little as it
can (MEMIT, Meng et al. 2022, arXiv 2210.07229, equation 14, in its n x n form). `Delta` writes the pairs one after the
other, each correcting what the earlier ones already give (Widrow and Hoff 1960; Schlag et al. 2021, arXiv 2102.11174).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...memory.fastweights import LOW_RANK
from ..chat import ChatFormat
from ..engine import Engine
from .base import Lesson, Progress, Writer, Written
from .covariance import covariance
from .pairs import gather
from .places import upper_places

RANK = 12
RIDGE = 10.0
"""What the covariance of ordinary keys weighs against a lesson's own."""
RATE = 1.0
"""The delta rule's step: 1 gives the last key its value exactly."""
AT_ONCE = 20
"""Lessons whose keys are gathered together."""


class _OneLayer(Writer):
    """A writer whose records act beside one layer, the last but one of those that `upper_places` names."""

    def __init__(self, engine: Engine, chat: ChatFormat) -> None:
        self._engine = engine
        self._chat = chat
        places = upper_places(engine.model.base_model)
        chosen = max(0, len(places.names) - 2)
        self._place = places.names[chosen]
        self._layer = places.first + 2 * chosen

    def write(
        self, lessons: Sequence[Lesson], progress: Progress = lambda done, total: None, cancelled: Callable[[], bool] = bool
    ) -> list[Written]:
        found: list[Written] = []
        for first in range(0, len(lessons), AT_ONCE):
            if cancelled():
                break
            batch = lessons[first : first + AT_ONCE]
            pairs = gather(self._engine, self._chat, batch, self._layer, self._place)
            found += [self._written(*pairs.of(number)) for number in range(len(batch))]
            progress(len(found), len(lessons))
        return found

    def _written(self, keys: Tensor, values: Tensor) -> Written:
        down, up = shortened(*self._solved(keys, values))
        return Written(LOW_RANK, (self._place,), (down.bfloat16(), up.bfloat16()))

    @abstractmethod
    def _solved(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Factors down [n, d_in] and up [d_out, n] for keys [n, d_in] and values [n, d_out]."""


class ClosedForm(_OneLayer):
    name = "closed-form"

    def _solved(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        ordinary = covariance(self._engine, self._chat, self._layer, self._place)
        freed = torch.linalg.solve(RIDGE * ordinary, keys.T).T  # K L, with L the inverse of the weighted covariance
        inner = torch.eye(len(keys), device=keys.device) + keys @ freed.T
        return torch.linalg.solve(inner, freed), values.T


class Delta(_OneLayer):
    name = "delta"

    def _solved(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        units = torch.nn.functional.normalize(keys, dim=-1)
        lengths = keys.norm(dim=-1, keepdim=True)
        written = torch.zeros_like(values)
        for number, unit in enumerate(units):
            given = (units[:number] @ unit) @ written[:number]
            written[number] = RATE * (values[number] - given)
        return units / lengths.mean(), written.T


def shortened(down: Tensor, up: Tensor, rank: int = RANK) -> tuple[Tensor, Tensor]:
    """The nearest update of at most this rank."""
    if len(down) <= rank:
        return down, up
    left, middle = torch.linalg.qr(up)
    right, other = torch.linalg.qr(down.T)
    u, s, v = torch.linalg.svd(middle @ other.T)
    root = s[:rank].sqrt()
    return root[:, None] * (v[:rank] @ right.T), (left @ u[:, :rank]) * root
