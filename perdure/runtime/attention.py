"""Perdure's attention function as transformers calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, AutoConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from ..kernels import attend_each
from .attend import attended
from .models import own_loader

NAME = "perdure"
KEYWORD = "perdure_ear"
"""Under this name a forward hands its listener to every layer's attention."""

COMPANY = "perdure_company"
"""Under this name a forward of several sessions tells every layer's attention what its rows attend to."""


class Listener(Protocol):
    """What attends in the place of a layer that memory concerns (`state.ear.Ear`)."""

    def concerns(self, layer: int | None) -> bool: ...

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor: ...


class Held(NamedTuple):
    """What one row attends to: its session's keys and values [1, H, N, D], and the listener that it would have alone."""

    key: Tensor
    value: Tensor
    ear: Listener | None


class Company(Protocol):
    """Several sessions in one forward (`state.together.Together`)."""

    def rows(self, layer: int) -> Sequence[Held]: ...


Attending = Callable[..., tuple[Tensor, None]]


def by_rows(attend: Attending) -> Attending:
    """Have sessions that share a forward go through an attention function one by one, as each of them would alone."""

    @wraps(attend)
    def chosen(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any = None, **kwargs: Any) -> Any:
        company: Company | None = kwargs.pop(COMPANY, None)
        if company is None:
            return attend(module, query, key, value, attention_mask, **kwargs)
        found = [
            attend(module, query[row : row + 1], held.key, held.value, None, **kwargs, **{KEYWORD: held.ear})[0]
            for row, held in enumerate(company.rows(module.layer_idx))
        ]
        blank = found[0].new_zeros(len(query) - len(found), *found[0].shape[1:])
        return torch.cat([*found, blank]), None

    return chosen


@by_rows
def attention_forward(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    perdure_ear: Listener | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """query [B, Hq, T, D], key and value [B, Hkv, N, D] -> ([B, T, Hq, D], None). Causal, without padding."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out = attend_layer(getattr(module, "layer_idx", None), query, key, value, scale, perdure_ear)
    return out.transpose(1, 2).contiguous(), None


def attend_layer(layer: int | None, query: Tensor, key: Tensor, value: Tensor, scale: float, ear: Listener | None) -> Tensor:
    """A layer's attention [B, Hq, T, D], by the listener where memory concerns it."""
    if layer is not None and ear is not None and ear.concerns(layer):
        return ear.attend(layer, query, key, value, scale)
    return attended(query, key, value, scale)


def attend_rows(layer: int, query: Tensor, rows: Sequence[Held], scale: float) -> Tensor:
    """Each row's attention as `attend_layer` gives it: query [B, Hq, D] on the CPU, one token each -> [B, Hq, D]."""
    if all(held.ear is None or not held.ear.concerns(layer) for held in rows):
        return attend_each(query, [held.key for held in rows], [held.value for held in rows], scale)
    each = zip(torch.split(query[:, :, None], 1), rows, strict=True)
    return torch.cat([attend_layer(layer, own, *held[:2], scale, held.ear) for own, held in each])[:, :, 0]


@by_rows
def listening_sdpa(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    perdure_ear: Listener | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """transformers' "sdpa", but for layers to which a listener attends: those see everything, in order, unpadded."""
    layer: Any = getattr(module, "layer_idx", None)
    if perdure_ear is None or not perdure_ear.concerns(layer):
        plain: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return plain
    scaling = kwargs.get("scaling")
    out = perdure_ear.attend(layer, query, key, value, query.shape[-1] ** -0.5 if scaling is None else scaling)
    return out.transpose(1, 2).contiguous(), None


def register() -> None:
    """Make `attn_implementation="perdure"` known, and let "sdpa" be listened to; without a listener it is unchanged.

    No mask function is registered for the first: its mask is implied by the shapes.
    """
    AttentionInterface.register(NAME, attention_forward)
    AttentionInterface.register("sdpa", listening_sdpa)


def choose(folder: Path) -> str | None:
    """Ours for a model in a folder where it computes all that the model asks for, else None: what transformers prefers."""
    if not (folder / "config.json").is_file() or own_loader(folder):
        return None
    return NAME if suits(AutoConfig.from_pretrained(folder, local_files_only=True)) else None


def suits(config: Any) -> bool:
    """Whether every layer of a model is plain causal attention, which is all that `attended` computes."""
    text = config.get_text_config(decoder=True)
    types = getattr(text, "layer_types", None) or []
    return (
        all(kind == "full_attention" for kind in types)
        and not getattr(text, "sliding_window", None)
        and not getattr(text, "attn_logit_softcapping", None)
        and text.model_type in _PLAIN
    )


_PLAIN = frozenset({"llama", "qwen2", "qwen3", "smollm3", "mistral", "olmo2", "granite"})
