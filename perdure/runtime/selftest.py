"""What a model must prove when it is loaded: that it goes on from a stored state as if it had never stopped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import InvalidInput
from .engine import Engine
from .int8 import Int8Linear

FIRST, MORE, TRIALS = 8, 4, 3
CHUNKED = {torch.float32: 1e-3, torch.float64: 1e-6}
CHUNKED_LOW = 0.05
STEPPED = 0.1
"""Relative RMS error allowed. Two cuts of a prompt differ by rounding alone: some 1e-6 in float32, 0.03 in bfloat16. A
step may differ by 0.01 where a family clamps its time steps in a prefill only (zamba2, nemotron_h); a lost state by 1."""


class Findings(NamedTuple):
    """Relative errors against one forward over everything: continued in chunks, and by single tokens."""

    chunked: float
    stepped: float


def self_test(engine: Engine, repaired: Sequence[str] = ()) -> list[str]:
    """Decide whether the family may be given several tokens at once after a stored state; returns what a user should know.

    A mixture of experts may route a token otherwise after rounding, which is no defect: the best of three trials counts.
    Raises InvalidInput for a family that is wrong even token by token.
    """
    found = measure(engine)
    if found.stepped > STEPPED:
        raise InvalidInput(
            f"Models of type {engine.family!r} do not continue correctly from a stored state (relative error "
            f"{found.stepped:.2g} after a few tokens), so Perdure refuses to run them."
        )
    if found.chunked <= _allowed(engine):
        return []
    engine.adapter.multi_token = False
    tried = f" (a repair of {' and '.join(repaired)} did not help)" if repaired else ""
    return [
        f"Models of type {engine.family!r} go on wrongly when several tokens follow a stored state{tried}; they are given "
        "one token at a time, which is exact and slower."
    ]


def _allowed(engine: Engine) -> float:
    """Rounding a row to integers lets the last bits of a float32 decide."""
    rounds = any(isinstance(module, Int8Linear) for module in engine.model.modules())
    return CHUNKED_LOW if rounds else CHUNKED.get(engine.dtype, CHUNKED_LOW)


def measure(engine: Engine) -> Findings:
    """The least errors over the trials, each with other tokens; more than one only where the first shows an error."""
    best = Findings(float("inf"), float("inf"))
    for number in range(TRIALS):
        found = _trial(engine, list(range(3 + 20 * number, 3 + 20 * number + FIRST + MORE)))
        best = Findings(min(best.chunked, found.chunked), min(best.stepped, found.stepped))
        if best.chunked <= _allowed(engine) and best.stepped <= STEPPED:
            break
    return best


def _trial(engine: Engine, tokens: list[int]) -> Findings:
    end = len(tokens)
    whole = _last(engine, tokens, [end])
    chunked = _last(engine, tokens, [FIRST, end])
    stepped = _last(engine, tokens, [FIRST, *range(FIRST + 1, end + 1)])
    return Findings(_error(whole, chunked), _error(whole, stepped))


def _last(engine: Engine, tokens: list[int], cuts: Sequence[int]) -> Tensor:
    """The last logits when tokens are fed in forwards that end at `cuts`."""
    state = engine.adapter.new()
    *before, last = _parts(tokens, cuts)
    for part in before:
        engine.absorb(state, part)
        state.check()
    logits = engine.feed(state, last).logits
    state.check()
    state.release()
    return logits


def _parts(tokens: list[int], cuts: Sequence[int]) -> Iterator[list[int]]:
    start = 0
    for cut in cuts:
        yield tokens[start:cut]
        start = cut


def _error(wanted: Tensor, found: Tensor) -> float:
    return float((wanted - found).norm() / wanted.norm().clamp_min(1e-12))
