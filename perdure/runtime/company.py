"""How many sessions of a model may share a forward, and how, so that each has the very bits that it has alone.

A linear layer may add up the products of one row in another order when there are several. Rounding to bfloat16 hides that
nearly always, so logits alone do not show it: each shape is tried with weights whose sums cancel, where nothing but the
order is left. Layers that fail, and modules with matrices of their own such as experts, take the rows one by one; all else
of a forward is tried with the whole model.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Embedding, Module

from .pairs import Times, times_of

if TYPE_CHECKING:
    from .engine import Engine
    from .state.base import State

MOST = 8
"""Sessions in one forward. On a CPU 16 take nearly twice as long as 8."""

LONGEST_S = 20.0
"""The trials end after so long, with what was found by then."""

FIRST, STEP = 3, 5
"""Tokens of the shortest state of a trial, and how many more each next one has."""

LARGEST = 1 << 26
"""Numbers of a weight up to which a trial makes one of its shape; a larger one is tried as it is, with many more sums."""


class Company(NamedTuple):
    """Up to `most` sessions share a forward (1: none do); modules that are `apart` take its rows one by one."""

    most: int
    apart: tuple[Module, ...] = ()


def company(engine: Engine, most: int = MOST) -> Company:
    """What was found by trial, with the engine's threads: 1 where a family joins no states, or where its forward fails or
    gives other bits."""
    until = time.monotonic() + LONGEST_S
    apart = kept_apart(engine, most)
    if apart is None:
        return Company(1)
    states = [_state(engine, number) for number in range(most)]
    try:
        wanted = [_alone(engine, state, token) for state, token in zip(states, _tokens(most), strict=True)]
        return Company(_largest(engine, apart, states, wanted, until), apart)
    finally:
        for state in states:
            state.release()


def kept_apart(engine: Engine, most: int = MOST) -> tuple[Module, ...] | None:
    """The modules that take up to `most` rows one by one; None where a family joins none, or its norms tell of company."""
    if not engine.adapter.joins:
        return None
    with engine.alone(), torch.inference_mode():
        alike = all(_averages_alike(width, most, engine.device) for width in _widths(engine.model))
        return tuple(_apart(engine.model, most)) if alike else None


@contextmanager
def apart(modules: Sequence[Module]) -> Iterator[None]:
    """Have modules take the rows of a batch one by one, within."""
    for module in modules:
        vars(module)["forward"] = _ByRow(module.forward)
    try:
        yield
    finally:
        for module in modules:
            del vars(module)["forward"]


class _ByRow:
    def __init__(self, forward: Any) -> None:
        self._forward = forward

    def __call__(self, *args: Tensor) -> Any:
        found = [self._forward(*(arg[row : row + 1] for arg in args)) for row in range(len(args[0]))]
        return torch.cat(found) if isinstance(found[0], Tensor) else tuple(map(torch.cat, zip(*found, strict=True)))


def _widths(model: Module) -> set[int]:
    """The widths of the norms."""
    return {len(parameter) for parameter in model.parameters() if parameter.ndim == 1}


def _averages_alike(width: int, most: int, device: torch.device) -> bool:
    """Whether the mean of a row, which norms take in float32, is the same in company."""
    x = torch.randn(most, 1, width, generator=torch.Generator().manual_seed(width)).to(device).pow(2)
    wanted = [row[None].clone().mean(-1) for row in x]
    return all(torch.equal(x[:size].mean(-1), torch.cat(wanted[:size])) for size in range(2, most + 1))


def _apart(model: Any, most: int) -> Iterator[Module]:
    """The linear layers that add up a row's products otherwise in company, and all of whose matrices nothing is known."""
    known: dict[tuple[Any, ...], bool] = {}
    for module in model.modules():
        if isinstance(module, Embedding) or all(own.ndim < 2 for own in module.parameters(recurse=False)):
            continue
        times = times_of(module)
        if times is None:
            yield module
            continue
        kind = (times, module.weight.shape, module.weight.dtype, module.bias is None)
        if kind not in known:
            known[kind] = _adds_alike(module, times, most)
        if not known[kind]:
            yield module


def _adds_alike(module: Any, times: Times, most: int) -> bool:
    """Each number of rows up to `most` against the rows alone, on sums of which all but the rounding cancels."""
    x, weight = cancelling(module.weight, most)
    bias = None if module.bias is None else torch.zeros_like(module.bias)
    alone = torch.cat([times(row[None].clone(), weight, bias) for row in x])
    return all(torch.equal(times(x[:size], weight, bias), alone[:size]) for size in range(2, most + 1))


def cancelling(weight: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """x [rows, 1, in] and a weight of the given one's shape whose sums are all rounding; a large one is taken as it is."""
    generator = torch.Generator().manual_seed(rows)
    half = weight.shape[1] // 2
    order = torch.randperm(half, generator=generator)
    x = torch.randn(rows, 1, weight.shape[1], generator=generator)
    if weight.numel() <= LARGEST:
        some = torch.randn(256, half, generator=generator)
        some = torch.cat([some, -some[:, order], some.new_zeros(256, weight.shape[1] % 2)], 1)
        weight = some.to(weight).repeat(-(-len(weight) // 256), 1)[: len(weight)].contiguous()
        x[..., half : 2 * half] = x[..., order]
    return x.to(weight), weight


def _largest(
    engine: Engine, layers: Sequence[Module], states: Sequence[State], wanted: Sequence[Tensor], until: float
) -> int:
    """The number up to which every number of rows gives each its logits; the rows are others each time."""
    most, tokens = len(states), _tokens(len(states))
    for size in range(2, most + 1):
        rows = [(number * 3 + size) % most for number in range(size)]
        try:
            found = engine.decode_together([(states[row], tokens[row]) for row in rows], layers)
        except Exception:
            return size - 1
        for row in rows:
            states[row].crop(states[row].seen - 1)
        if not all(torch.equal(boundary.logits, wanted[row]) for boundary, row in zip(found, rows, strict=True)):
            return size - 1
        if time.monotonic() > until:
            return size
    return most


def _tokens(count: int) -> list[int]:
    return [5 + 11 * number for number in range(count)]


def _state(engine: Engine, number: int) -> State:
    state = engine.adapter.new()
    engine.absorb(state, [3 + (number + 7 * place) % 199 for place in range(FIRST + STEP * number)])
    return state


def _alone(engine: Engine, state: State, token: int) -> Tensor:
    logits = engine.feed(state, [token]).logits
    state.crop(state.seen - 1)
    return logits
