"""Records learned by gradient: the answers to a fact's questions, on a leash to the base model.

Low-rank factors (LoRA, Hu et al. 2021, arXiv 2106.09685) beside some upper layers, trained on cross-entropy of the answers
plus the Kullback-Leibler divergence from the base model on what is not to change (as context distillation does, Snell et
al. 2022, arXiv 2209.15189). Many lessons are trained in one batch, each with factors of its own.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from ...memory.fastweights import LOW_RANK
from ..chat import ChatFormat
from ..engine import Engine
from .base import Lesson, Progress, Writer, Written
from .lessons import sheet
from .places import Places, upper_places
from .task import Task
from .upper import Acting


@dataclass(frozen=True, slots=True)
class Settings:
    """How records are trained: the `rank` of factors or the number of `tokens`, `steps` of AdamW at `rate`, of which `warm`
    rise, the leash's weight, and how many lessons share a batch. What they come to in sum is what each would come to alone,
    up to rounding.
    """

    rank: int = 4
    tokens: int = 4
    steps: int = 20
    rate: float = 1.5e-2
    warm: int = 3
    leash: float = 0.3
    batch: int = 10


class Trained(ABC):
    """The parameters of a batch of lessons, each with its own."""

    parameters: list[Tensor]

    @abstractmethod
    def acting(self, lesson: Tensor) -> Acting:
        """How they act on rows of which `lesson` [B] says whose each is."""

    @abstractmethod
    def written(self) -> list[Written]:
        """The records' tensors, lesson by lesson."""


class Distilled(Writer):
    """Trains what `_fresh` makes for a batch of lessons."""

    def __init__(self, engine: Engine, chat: ChatFormat, settings: Settings | None = None) -> None:
        self._engine = engine
        self._chat = chat
        self._settings = settings or self.settings()
        self._places = upper_places(engine.model.base_model)
        self._first = self._places.first

    @staticmethod
    def settings() -> Settings:
        """How this writer trains when nothing else is asked for."""
        return Settings()

    def longer(self) -> Writer:
        return type(self)(self._engine, self._chat, replace(self._settings, steps=2 * self._settings.steps))

    @abstractmethod
    def _fresh(self, lessons: Sequence[Lesson]) -> Trained:
        """What is trained for these lessons, before the first step."""

    def write(
        self, lessons: Sequence[Lesson], progress: Progress = lambda done, total: None, cancelled: Callable[[], bool] = bool
    ) -> list[Written]:
        found: list[Written] = []
        size, steps = self._settings.batch, self._settings.steps
        for first in range(0, len(lessons), size):
            batch = lessons[first : first + size]
            trained = self._fresh(batch)
            for step in self._steps(batch, trained):
                progress(first * steps + step * len(batch), len(lessons) * steps)
                if cancelled():
                    return found
            found += trained.written()
        return found

    def _steps(self, lessons: Sequence[Lesson], trained: Trained) -> Iterator[int]:
        """Train, telling of each step when it is done."""
        settings = self._settings
        task = Task(self._engine, sheet(self._chat, lessons, self._engine.device), self._first)
        optimizer = torch.optim.AdamW(trained.parameters, lr=settings.rate, betas=(0.9, 0.95), weight_decay=0)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        for step in range(1, settings.steps + 1):
            loss = task.loss(trained.acting(task.sheet.lesson), settings.leash)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            scheduler.step()
            yield step

    def _rate(self, step: int) -> float:
        """Up in a line, then down to a tenth along a cosine."""
        warm, steps = self._settings.warm, self._settings.steps
        if step < warm:
            return (step + 1) / warm
        return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


class Distill(Distilled):
    """Trains low-rank factors beside the layers that `upper_places` names."""

    name = "distill"

    def _fresh(self, lessons: Sequence[Lesson]) -> Factors:
        return Factors.fresh(len(lessons), self._places, self._settings.rank)


class Factors(Trained):
    """One pair per place, of all lessons of a batch: down [lessons, r, d_in] and up [lessons, d_out, r], float32."""

    def __init__(self, down: Sequence[Tensor], up: Sequence[Tensor], places: Places) -> None:
        self.down, self.up, self._places = down, up, places
        self.parameters = [*down, *up]

    @classmethod
    def fresh(cls, lessons: int, places: Places, rank: int) -> Factors:
        """Factors that change nothing yet, the same for each lesson, whoever else is in the batch."""
        # Drawn on the host, so that they are the same numbers on every device.
        generator, device = torch.Generator().manual_seed(0), places.device
        drawn = [torch.randn(rank, d_in, generator=generator, device="cpu") for _, d_in in places.shapes]
        down = [(part / math.sqrt(part.shape[1])).to(device) for part in drawn]
        return cls(
            [part.expand(lessons, -1, -1).clone().requires_grad_() for part in down],
            [torch.zeros(lessons, d_out, rank, device=device, requires_grad=True) for d_out, _ in places.shapes],
            places,
        )

    def acting(self, lesson: Tensor) -> Acting:
        pairs = zip(self._places.modules, self.down, self.up, strict=True)
        return Acting([(module, _beside(down, up, lesson)) for module, down, up in pairs])

    def written(self) -> list[Written]:
        pairs = list(zip(self.down, self.up, strict=True))
        return [
            Written(LOW_RANK, self._places.names, tuple(part[i].detach().bfloat16() for pair in pairs for part in pair))
            for i in range(len(self.down[0]))
        ]


def _beside(down: Tensor, up: Tensor, lesson: Tensor) -> Callable[[Module, tuple[Any, ...], Tensor], Tensor]:
    def hook(module: Module, args: tuple[Any, ...], out: Tensor) -> Tensor:
        inner = torch.bmm(args[0].float(), down[lesson].transpose(1, 2))
        return out + torch.bmm(inner, up[lesson].transpose(1, 2)).to(out.dtype)

    return hook
