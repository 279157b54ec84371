"""Repairs of transformers families that go on wrongly from a stored state when they are given several tokens at once.

Each repair only acts where a stored state and more than one token meet, so that everything else is transformers' own
arithmetic. Whether a repair still fits the installed version is not assumed: the engine's self-test measures it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .families import recurrent_blocks

_initial: ContextVar[tuple[Tensor, ...]] = ContextVar("states that the next selective scans start from", default=())


def repair(model: Any) -> list[str]:
    """Mend what is known to be broken in a model's family; returns what was mended."""
    done = []
    if mixers := [module for module in model.modules() if _scans(module)]:
        _mend_mamba(mixers)
        done.append("a selective scan that forgot its stored state")
    if model.config.get_text_config(decoder=True).model_type == "recurrent_gemma":
        for block in recurrent_blocks(model).values():
            _mend_convolution(block)
        done.append("a convolution that forgot its stored state")
    return done


# Mamba-1 (mamba, falcon_mamba, jamba, zamba): the scan over several tokens always begins with zeros.


def _scans(module: Any) -> bool:
    home = sys.modules.get(type(module).__module__)
    return hasattr(home, "mamba_selective_scan") and (hasattr(module, "x_proj") or hasattr(module, "x_proj_weight"))


def _mend_mamba(mixers: list[Any]) -> None:
    for home in {sys.modules[type(mixer).__module__] for mixer in mixers}:
        original = vars(home)["mamba_selective_scan"]
        if not hasattr(original, "continues"):
            vars(home)["mamba_selective_scan"] = continuing(original)
    for mixer in mixers:
        mixer.register_forward_pre_hook(_remember_state, with_kwargs=True)
        mixer.register_forward_hook(_forget_state)


def _remember_state(mixer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    cache = next((item for item in (*args, *kwargs.values()) if hasattr(item, "get_recurrent_state")), None)
    hidden = args[0] if args else kwargs["hidden_states"]
    state = cache.get_recurrent_state(mixer.layer_idx) if cache is not None and hidden.shape[1] > 1 else None
    # Zamba scans once per head.
    per_scan = () if state is None else state.unbind(1) if hasattr(mixer, "n_mamba_heads") else (state,)
    _initial.set(tuple(per_scan))


def _forget_state(mixer: Any, args: tuple[Any, ...], output: Any) -> None:
    _initial.set(())


def continuing(original: Callable[..., Any]) -> Callable[..., Any]:
    """A selective scan that begins with the remembered state where there is one, and is `original` otherwise.

    h_t = exp(A dt_t) h_{t-1} + dt_t B_t x_t, y_t = C_t h_t + D x_t (Gu and Dao 2023, eq. 2 with zero-order hold).
    """

    def scan(hidden_states: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, **options: Any) -> Any:  # noqa: N803
        states = _initial.get()
        if not states:
            return original(hidden_states, dt, A, B, C, **options)
        _initial.set(states[1:])
        return _scan_from(states[0], hidden_states, dt, A, B, C, **options)

    scan.continues = True  # type: ignore[attr-defined]
    return scan


def _scan_from(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,  # noqa: N803
    B: Tensor,  # noqa: N803
    C: Tensor,  # noqa: N803
    *,
    D: Tensor | None = None,  # noqa: N803
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    **_: Any,
) -> Any:
    """x, dt [B, I, T], A [I, N], B and C [B, N, T], state [B, I, N] -> y [B, I, T] (and the last state)."""
    dt = dt if delta_bias is None else dt + delta_bias.to(dt.dtype)[..., None]
    dt = functional.softplus(dt) if delta_softplus else dt
    decay = torch.exp(A[None, :, None, :] * dt[:, :, :, None])
    drive = dt[:, :, :, None] * B.transpose(1, 2)[:, None].float() * x[:, :, :, None].float()
    out = []
    for t in range(x.shape[2]):
        state = decay[:, :, t] * state + drive[:, :, t]
        out.append(torch.matmul(state.to(x.dtype), C[:, :, t].unsqueeze(-1))[:, :, 0])
    y = torch.stack(out, dim=-1)
    y = y if D is None else y + x * D[None, :, None]
    y = y if z is None else y * functional.silu(z)
    return (y, state) if return_last_state else y


# RecurrentGemma: with several tokens the convolution sees zeros where the last tokens were.


def _mend_convolution(block: Any) -> None:
    past: list[Tensor] = []
    width = block.conv1d_width - 1

    def remember(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        past.clear()
        if args[0].shape[1] > 1 and block.conv1d_state is not None:
            past.append(block.conv1d_state)

    def lengthen(_: Any, args: tuple[Tensor]) -> tuple[Tensor] | None:
        if not past:
            return None
        past.append(torch.cat([past[0], args[0]], dim=-1))
        return (past[1],)

    def shorten(_: Any, args: tuple[Any, ...], output: Tensor) -> Tensor:
        return output[..., width:] if past else output

    def keep(_: Any, args: tuple[Any, ...], output: Any) -> None:
        if past:
            block.conv1d_state = past[1][..., -width:].clone()

    block.register_forward_pre_hook(remember, with_kwargs=True)
    block.conv_1d.register_forward_pre_hook(lengthen)
    block.conv_1d.register_forward_hook(shorten)
    block.register_forward_hook(keep)
