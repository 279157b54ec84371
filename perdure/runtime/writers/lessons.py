"""Lessons as rows of tokens, with what is wanted of each place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ...memory.records import Message
from ..chat import ChatFormat
from .base import Example, Lesson
from .upper import Row

ANSWER, AROUND = 1.0, 0.3
"""What a token of the answer counts in the loss, and one of the words around it."""


class Sheet(NamedTuple):
    """Rows of several lessons. `lesson` [B] says whose each is.

    `wanted` [B, S] are the tokens to be foretold at the places of the rows' ends and `weight` [B, S] what each counts; at
    the places in `held` [B, S] the base model's own prediction is wanted.
    """

    rows: tuple[Row, ...]
    lesson: Tensor
    wanted: Tensor
    weight: Tensor
    held: Tensor


def sheet(chat: ChatFormat, lessons: Sequence[Lesson], device: torch.device) -> Sheet:
    """All rows of some lessons, for a model on this device."""
    made = [(i, _row(chat, each, leash)) for i, lesson in enumerate(lessons) for each, leash in _examples(lesson)]
    longest = max(len(row.tokens) - row.start for _, (row, _, _) in made)
    wanted = torch.zeros(len(made), longest, dtype=torch.long, device="cpu")
    weight, held = torch.zeros(wanted.shape, device="cpu"), torch.zeros(wanted.shape, dtype=torch.bool, device="cpu")
    for at, (_, (row, weights, leash)) in enumerate(made):
        end = row.tokens[row.start :]
        wanted[at, : len(end) - 1] = torch.tensor(end[1:], device="cpu")
        weight[at, : len(weights)] = torch.tensor(weights, device="cpu")
        held[at, weights.count(0.0) : len(end)] = leash
        weight[at] *= not leash
    lesson = torch.tensor([i for i, _ in made], device="cpu")
    # Filled place by place on the host, and taken to the device once.
    there = (tensor.to(device) for tensor in (lesson, wanted, weight, held))
    return Sheet(tuple(row for _, (row, _, _) in made), *there)


def _examples(lesson: Lesson) -> list[tuple[Example, bool]]:
    return [*((each, False) for each in lesson.examples), *((each, True) for each in lesson.leash)]


def _row(chat: ChatFormat, example: Example, leash: bool) -> tuple[Row, list[float], bool]:
    """The row, and what each token to be foretold counts (nothing for those that open the answer)."""
    asked = [Message("user", example.question)]
    before = chat.prompt(asked)
    opens = chat.opens(asked)
    prefix = chat.text(example.prefix)
    answer = chat.text(f" {example.answer}") if example.answer else []
    after = [*chat.text("."), *chat.ending] if example.answer else []
    weights = [0.0] * (opens - 1) + [AROUND] * len(prefix) + [ANSWER] * len(answer) + [AROUND] * len(after)
    return Row((*before, *prefix, *answer, *after), len(before) - opens), weights, leash
