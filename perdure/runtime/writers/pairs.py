"""Keys and values of a lesson at one layer: what enters a feed-forward output where an answer is foretold, and what should
be added to what leaves it.

The value is the answer's own embedding, as long as a part of the residual stream that it is added to (the layers above
read it out as that token; docs/decisions/0015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module

from ..chat import ChatFormat
from ..engine import Engine
from .base import Lesson
from .lessons import ANSWER, sheet
from .upper import Upper, hooked, layer_list

LENGTH = 0.7
"""Length of a value, as a part of the residual stream's there."""


class Pairs(NamedTuple):
    """keys [n, d_in] and values [n, d_out], float32, of lesson number `lesson` [n]."""

    keys: Tensor
    values: Tensor
    lesson: Tensor

    def of(self, number: int) -> tuple[Tensor, Tensor]:
        mine = self.lesson == number
        return self.keys[mine], self.values[mine]


def gather(engine: Engine, chat: ChatFormat, lessons: Sequence[Lesson], layer: int, place: str) -> Pairs:
    """The pairs at the answers of all examples, the token after each answer among them."""
    page = sheet(chat, [Lesson(lesson.examples, ()) for lesson in lessons], engine.device)
    upper, heard = Upper(engine, layer), _Heard()
    prepared = upper.prepare(page.rows)
    model = engine.model.base_model
    whole = layer_list(model)[1][layer]
    with engine.alone(), hooked([(model.get_submodule(place), heard.entering), (whole, heard.leaving)]):
        upper.run(prepared)
    answers = page.weight == ANSWER
    wanted = answers | (answers.roll(1, dims=1) & (page.weight > 0))
    tokens = engine.model.get_input_embeddings()(page.wanted[wanted]).float()
    lengths = heard.left[wanted].float().norm(dim=-1, keepdim=True)
    values = torch.nn.functional.normalize(tokens, dim=-1) * lengths * LENGTH
    return Pairs(heard.entered[wanted].float(), values, page.lesson[:, None].expand_as(wanted)[wanted])


class _Heard:
    """What enters one module and leaves another."""

    entered: Tensor
    left: Tensor

    def entering(self, module: Module, args: tuple[Any, ...], out: Any) -> None:
        self.entered = args[0]

    def leaving(self, module: Module, args: tuple[Any, ...], out: Any) -> None:
        self.left = out[0] if isinstance(out, tuple) else out
