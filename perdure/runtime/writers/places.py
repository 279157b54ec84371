"""Where records act: the output layers of the feed-forward parts, in the upper third of a model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.nn import Linear, Module

from ...errors import InvalidInput
from .upper import layer_list


class Places(NamedTuple):
    """The layers' names below the base model, the modules, their (d_out, d_in), and the lowest decoder layer among them."""

    names: tuple[str, ...]
    modules: tuple[Module, ...]
    shapes: tuple[tuple[int, int], ...]
    first: int

    @property
    def device(self) -> torch.device:
        return next(self.modules[0].parameters()).device


def upper_places(model: Module) -> Places:
    """Every second layer of the upper third, the last but one being the last: 20, 22 .. 28 of 30 (docs/decisions/0015).

    Raises InvalidInput for a family whose layers have no such part.
    """
    name, layers = layer_list(model)
    count = len(layers)
    chosen = range(min(count - 1, max(0, count * 2 // 3)), count, 2)
    found = {f"{name}.{index}.{place}": linear for index in chosen for place, linear in _outputs(layers[index])[-1:]}
    if not found:
        raise InvalidInput("This model's layers have no linear layer to put fast weights beside.")
    modules = tuple(found.values())
    shapes = tuple((module.out_features, module.in_features) for module in modules)
    return Places(tuple(found), modules, shapes, chosen.start)


def _outputs(layer: Module) -> list[tuple[str, Linear]]:
    """The linear layers that lead back to the layer's width, which is what its first one takes in."""
    linear = [(name, part) for name, part in layer.named_modules() if isinstance(part, Linear)]
    return [(name, part) for name, part in linear if part.out_features == linear[0][1].in_features]
