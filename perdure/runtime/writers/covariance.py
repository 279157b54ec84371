"""The covariance of what enters a layer on ordinary text, computed once per model and process."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import Module

from ...memory.facts import ordinary
from ...memory.records import Message
from ..chat import ChatFormat
from ..engine import Engine
from .upper import Row, Upper, hooked

FLOOR = 0.1
"""What is added to each direction, as a part of the mean variance: few tokens leave many directions unseen."""

_known: WeakKeyDictionary[Module, dict[str, Tensor]] = WeakKeyDictionary()


def covariance(engine: Engine, chat: ChatFormat, layer: int, place: str) -> Tensor:
    """E[k k^T] + a floor, [d_in, d_in] float32, of the keys of ordinary questions and of how answers to them open."""
    model = engine.model.base_model
    known = _known.setdefault(model, {})
    if place not in known:
        known[place] = _measured(engine, chat, layer, model.get_submodule(place))
    return known[place]


def _measured(engine: Engine, chat: ChatFormat, layer: int, module: Module) -> Tensor:
    rows = [Row(tuple(chat.prompt([Message("user", text)])), 1) for text in ordinary()]
    upper, keys = Upper(engine, layer), []

    def hear(module: Module, args: tuple[Any, ...], out: Any) -> None:
        keys.append(args[0].float())

    prepared = upper.prepare(rows)
    with engine.alone(), hooked([(module, hear)]):
        upper.run(prepared)
    seen = torch.zeros(keys[0].shape[:2], dtype=torch.bool, device=keys[0].device)
    for number, row in enumerate(rows):
        seen[number, : len(row.tokens) - row.start] = True
    every = keys[0][seen]
    found = every.T @ every / len(every)
    floored: Tensor = found + FLOOR * found.diagonal().mean() * torch.eye(len(found), device=found.device)
    return floored
