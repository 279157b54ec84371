"""The rotary shift on the path that its tensors ask for, and as operators of a compiled graph."""

from __future__ import annotations

import torch
from torch import Tensor

from ..dispatch import dispatched
from ..graph import operator, traced
from . import cpu

_rotate = dispatched("perdure.kernels.rope.gpu")(cpu.rotate)
_rotate_ = dispatched("perdure.kernels.rope.gpu")(cpu.rotate_)


def _turned(keys: Tensor, delta: Tensor, inv_freq: Tensor, interleaved: bool, start: int) -> Tensor:
    return _rotate(keys, delta, inv_freq, interleaved=interleaved, start=start)


def _fake_turned(keys: Tensor, delta: Tensor, inv_freq: Tensor, interleaved: bool, start: int) -> Tensor:
    return keys.new_empty(keys.shape)


def _turn_(keys: Tensor, delta: Tensor, inv_freq: Tensor, interleaved: bool, start: int) -> None:
    _rotate_(keys, delta, inv_freq, interleaved=interleaved, start=start)


def _fake_turn_(keys: Tensor, delta: Tensor, inv_freq: Tensor, interleaved: bool, start: int) -> None:
    return None


_ROTATE = operator("rotate", _turned, _fake_turned)
_ROTATE_ = operator("rotate_", _turn_, _fake_turn_, changes=["keys"])


def _steps(delta: int | Tensor, keys: Tensor) -> Tensor:
    """An operator takes either numbers or tensors."""
    return delta if isinstance(delta, Tensor) else torch.full((), delta, dtype=torch.int64, device=keys.device)


def _rotate_node(
    keys: Tensor, delta: int | Tensor, inv_freq: Tensor, *, interleaved: bool = False, start: int = 0
) -> Tensor:
    out: Tensor = _ROTATE(keys, _steps(delta, keys), inv_freq, interleaved, start)
    return out


def _rotate_node_(keys: Tensor, delta: int | Tensor, inv_freq: Tensor, *, interleaved: bool = False, start: int = 0) -> None:
    _ROTATE_(keys, _steps(delta, keys), inv_freq, interleaved, start)


rotate = traced(_rotate, _rotate_node)
rotate_ = traced(_rotate_, _rotate_node_)
