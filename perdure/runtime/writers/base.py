"""The contract of writers: from facts in words to factors that act beside frozen weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor

Progress = Callable[[int, int], None]
"""Called with what is done and the total, in a writer's own units."""


class Example(NamedTuple):
    """A question, and how its answer begins before one space and `answer` ("": only the beginning is given)."""

    question: str
    prefix: str
    answer: str


class Lesson(NamedTuple):
    """What a fact is written from: `examples` to be answered, and a `leash` of what is to be answered as before.

    `statement` is the fact as one sentence.
    """

    examples: tuple[Example, ...]
    leash: tuple[Example, ...]
    statement: str = ""


class Written(NamedTuple):
    """What became of a lesson: two tensors for each of `places`, as `Record.shapes` tells them."""

    form: str
    places: tuple[str, ...]
    tensors: tuple[Tensor, ...]


class Writer(ABC):
    """Makes records. Each lesson's tensors depend on that lesson, the base model and the writer's settings alone."""

    name: str
    version: int = 1

    @abstractmethod
    def write(
        self, lessons: Sequence[Lesson], progress: Progress = lambda done, total: None, cancelled: Callable[[], bool] = bool
    ) -> list[Written]:
        """Write lessons, in their order; fewer where `cancelled` said so, those that were finished by then."""

    def longer(self) -> Writer | None:
        """The same writer at twice the effort, for lessons that were not learned; None where more effort changes nothing."""
        return None

    def roomy(self) -> Writer | None:
        """The same writer with room for whole sentences; None where it learns none."""
        return None

    @property
    def identity(self) -> str:
        return f"{self.name}/{self.version}"
