"""What records are worth: whether wordings that they were not trained on are answered, and what else they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module

from ...memory.fastweights import KV
from ..chat import ChatFormat
from ..composing import layer_of
from ..engine import Engine
from .base import Lesson, Written
from .lessons import ANSWER, Sheet, sheet
from .places import upper_places
from .upper import Acting, Upper, hooked


class Worth(NamedTuple):
    """What one record was measured to be worth.

    `recall` is the share of a lesson's examples whose answer is foretold, token by token, with the record open and `before`
    that without it; `drift` is the mean KL divergence from the base model's predictions at the places on the leash, in
    nats, with the record open.
    """

    recall: float
    before: float
    drift: float


def judge(engine: Engine, chat: ChatFormat, lessons: Sequence[Lesson], written: Sequence[Written]) -> list[Worth]:
    """Each record on a lesson of its own, which it was not trained on."""
    if not lessons:
        return []
    places = upper_places(engine.model.base_model)
    upper, page = Upper(engine, places.first), sheet(chat, lessons, engine.device)
    prepared = upper.prepare(page.rows)
    head = engine.model.get_output_embeddings().weight
    with engine.alone():
        base = upper.run(prepared)
    acting = acting_of(engine.model.base_model, written, page.lesson)
    with engine.alone(), hooked(acting.hooks):
        changed = upper.run(prepared, acting.extra)
    right, known = (_right(page, hidden, head) for hidden in (changed, base))
    drift = _drift(page, base, changed, head)
    return [Worth(right[i], known[i], drift[i]) for i in range(len(lessons))]


def acting_of(model: Module, written: Sequence[Written], lesson: Tensor) -> Acting:
    """How each row hears the record of its lesson. All records are of one form and for the same places."""
    stacked = [
        torch.stack(parts).to(lesson.device).float() for parts in zip(*(each.tensors for each in written), strict=True)
    ]
    pairs = list(zip(written[0].places, stacked[::2], stacked[1::2], strict=True))
    if written[0].form == KV:
        return Acting((), {layer_of(place): (key[lesson], value[lesson]) for place, key, value in pairs})
    return Acting([(model.get_submodule(place), _Hears(down, up, lesson)) for place, down, up in pairs])


class _Hears:
    def __init__(self, down: Tensor, up: Tensor, lesson: Tensor) -> None:
        self._down, self._up = down[lesson].transpose(1, 2), up[lesson].transpose(1, 2)

    def __call__(self, module: Module, args: tuple[Any, ...], out: Tensor) -> Tensor:
        return out + torch.bmm(torch.bmm(args[0].float(), self._down), self._up).to(out.dtype)


def _right(page: Sheet, hidden: Tensor, head: Tensor) -> list[float]:
    """The share of each lesson's examples all of whose answer's tokens are the likeliest."""
    asked = page.weight == ANSWER
    wrong = torch.zeros_like(asked)
    wrong[asked] = (hidden[asked] @ head.T).argmax(-1) != page.wanted[asked]
    rows = asked.any(1)
    return [
        float((~wrong.any(1))[rows & (page.lesson == i)].float().mean()) if bool((rows & (page.lesson == i)).any()) else 0.0
        for i in range(int(page.lesson.max()) + 1)
    ]


def _drift(page: Sheet, base: Tensor, changed: Tensor, head: Tensor) -> list[float]:
    whose = page.lesson[:, None].expand_as(page.held)[page.held]
    before, after = ((hidden[page.held] @ head.T).float().log_softmax(-1) for hidden in (base, changed))
    apart = (before.exp() * (before - after)).sum(-1)
    return [float(apart[whose == i].mean()) if bool((whose == i).any()) else 0.0 for i in range(int(page.lesson.max()) + 1)]
