"""The upper layers of a model run alone, over rows of text whose beginnings and lower layers are computed once.

A record acts on the answer only and on some upper layers only. What lies before (the user's turn, all of it with the base
weights) and below is the same in every step of its training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module, ModuleList
from torch.nn.functional import scaled_dot_product_attention

from ..attention import KEYWORD
from ..engine import Engine


class Row(NamedTuple):
    """A text of which only what follows the first `start` tokens is computed again and again."""

    tokens: tuple[int, ...]
    start: int


class Prepared(NamedTuple):
    """What the upper layers need of rows: what enters them [B, S, d], positions [B, S], and the KV before, by layer."""

    hidden: Tensor
    positions: Tensor
    past: dict[int, tuple[Tensor, Tensor]]
    mask: Tensor


Extra = Mapping[int, tuple[Tensor, Tensor]]
"""Keys and values [B, H, n, D] that every query of a row attends to as well, by layer; keys that stand nowhere."""


class Acting(NamedTuple):
    """What acts on the rows while they run: forward hooks of modules, and keys and values beside those of the rows."""

    hooks: Sequence[tuple[Module, Any]] = ()
    extra: Extra | None = None


class Upper:
    """The layers of an engine's model from `first` on."""

    def __init__(self, engine: Engine, first: int) -> None:
        self._engine = engine
        self._model = engine.model.base_model
        name, self._layers = layer_list(self._model)
        self._upper = with_layers(self._model, name, self._layers[first:])
        self._first = first

    def prepare(self, rows: Sequence[Row]) -> Prepared:
        """Run whole rows with the base weights, and keep what their ends need. What all begin with is run once."""
        same = common([row.tokens[: row.start] for row in rows])
        before = self._recorded(self._ids([rows[0].tokens[:same]]), _Recorder({}))[1] if same else {}
        longest = max(len(row.tokens) for row in rows)
        padded = self._ids([[*row.tokens[same:], *[0] * (longest - len(row.tokens))] for row in rows])
        hidden, kept = self._recorded(padded, _Recorder(before))
        return _cut(rows, same, hidden, {layer: kept[layer] for layer in kept if layer >= self._first})

    def keys_and_values(self, rows: Sequence[Row], last: int) -> dict[int, tuple[Tensor, Tensor]]:
        """Of the last tokens of rows, keys that stand nowhere and values [B, H, last, D], by layer; rows run alone."""
        found: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for row in rows:
            tokens = self._ids([row.tokens])
            places = torch.arange(len(row.tokens), device=tokens.device)[None, -last:]
            for layer, (key, value) in self._recorded(tokens, _Recorder({}))[1].items():
                if layer >= self._first:
                    free = self._engine.adapter.unplaced(layer, key[:, :, -last:].float(), places)
                    found.setdefault(layer, []).append((free, value[:, :, -last:].float()))
        return {
            layer: (torch.cat([k for k, _ in pairs]), torch.cat([v for _, v in pairs])) for layer, pairs in found.items()
        }

    def _ids(self, rows: Sequence[Sequence[int]]) -> Tensor:
        return torch.tensor(rows, device=self._engine.device)

    def _recorded(self, tokens: Tensor, ear: _Recorder) -> tuple[Tensor, dict[int, tuple[Tensor, Tensor]]]:
        """What enters the first upper layer for tokens [B, T], and the keys and values of all layers."""
        entered = _Entered()
        positions = torch.arange(ear.before, ear.before + tokens.shape[1], device=tokens.device).expand_as(tokens)
        with self._engine.alone():
            hook = self._layers[self._first].register_forward_pre_hook(entered, with_kwargs=True)
            try:
                self._model(input_ids=tokens, position_ids=positions, use_cache=False, **{KEYWORD: ear})
            finally:
                hook.remove()
        return entered.hidden, ear.kept

    def run(self, prepared: Prepared, extra: Extra | None = None) -> Tensor:
        """The last hidden states [B, S, d] of the rows' ends, for one who has the engine alone.

        Gradients reach whatever hooks put into the layers, and what is beside the rows.
        """
        ear = _Continued(prepared, extra or {}, self._engine.adapter.unplaced)
        hook = self._layers[self._first].register_forward_pre_hook(_Entering(prepared.hidden), with_kwargs=True)
        try:
            out = self._upper(
                inputs_embeds=prepared.hidden, position_ids=prepared.positions, use_cache=False, **{KEYWORD: ear}
            )
        finally:
            hook.remove()
        hidden: Tensor = out.last_hidden_state
        return hidden


def layer_list(model: Module) -> tuple[str, ModuleList]:
    """The attribute of a base model that holds its layers, and them."""
    count = model.config.get_text_config(decoder=True).num_hidden_layers  # type: ignore[union-attr, operator]
    found = [(name, part) for name, part in model.named_children() if isinstance(part, ModuleList) and len(part) == count]
    if len(found) != 1:
        raise LookupError("the model has no single list of layers")
    return found[0]


def with_layers(model: Module, name: str, layers: ModuleList) -> Module:
    """The same modules with other `layers` under a name. The model stays as it is: others read it at the same time."""
    twin = copy(model)
    twin._modules = {**model._modules, name: layers}
    return twin


class _Entered:
    """Keeps what entered a layer."""

    hidden: Tensor

    def __call__(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.hidden = (args[0] if args else kwargs["hidden_states"]).clone()


class _Entering:
    """Puts something else into a layer."""

    def __init__(self, hidden: Tensor) -> None:
        self._hidden = hidden

    def __call__(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if args:
            return (self._hidden, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._hidden}


class _Recorder:
    """Plain causal attention over right-padded rows, which real tokens do not see; keeps keys and values.

    `past` are those of what all rows begin with, by layer.
    """

    def __init__(self, past: dict[int, tuple[Tensor, Tensor]]) -> None:
        self._past = past
        self.before = next((key.shape[2] for key, _ in past.values()), 0)
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}

    def concerns(self, layer: int | None) -> bool:
        return layer is not None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        if layer in self._past:
            rows = len(key)
            keys, values = (part.expand(rows, -1, -1, -1) for part in self._past[layer])
            key, value = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        self.kept[layer] = key, value
        mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril(self.before)
        return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scale, enable_gqa=True)


class _Continued:
    """Attention of the rows' ends to what came before them and to themselves."""

    def __init__(self, prepared: Prepared, extra: Extra, unplaced: Callable[[int, Tensor, Tensor], Tensor]) -> None:
        self._past = prepared.past
        self._mask = prepared.mask
        self._positions = prepared.positions
        self._extra = extra
        self._unplaced = unplaced

    def concerns(self, layer: int | None) -> bool:
        return layer is not None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        keys, values = self._past[layer]
        key, value = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
        # Written out: for so few queries the fused kernel's backward pass takes four times as long.
        batch, heads, count, dim = query.shape
        grouped = query.reshape(batch, key.shape[1], -1, dim)
        scores = (grouped @ key.transpose(2, 3) * scale).view(batch, heads, count, -1)
        scores = scores.masked_fill(~self._mask, float("-inf"))
        if layer in self._extra:
            free = self._unplaced(layer, query, self._positions).reshape(grouped.shape)
            beside = (free.float() @ self._extra[layer][0].transpose(2, 3) * scale).view(batch, heads, count, -1)
            scores = torch.cat([beside, scores.float()], dim=-1)
            value = torch.cat([self._extra[layer][1].to(value.dtype), value], dim=2)
        weights = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
        return (weights.view(batch, key.shape[1], -1, value.shape[2]) @ value).view(batch, heads, count, dim)


def _cut(rows: Sequence[Row], same: int, hidden: Tensor, kept: dict[int, tuple[Tensor, Tensor]]) -> Prepared:
    """Ends to the left, beginnings padded on the right. `hidden` [B, T, d] is of what follows the first `same` tokens."""
    before, longest = max(row.start for row in rows), max(len(row.tokens) - row.start for row in rows)
    here = hidden.device
    starts = torch.tensor([row.start for row in rows], device=here)
    places = starts[:, None] + torch.arange(longest, device=here)
    inside = (places - same).clamp(max=hidden.shape[1] - 1)
    ends = hidden.gather(1, inside[..., None].expand(-1, -1, hidden.shape[-1]))
    past = {layer: (key[:, :, :before], value[:, :, :before]) for layer, (key, value) in kept.items()}
    seen = (torch.arange(before, device=here) < starts[:, None])[:, None, None].expand(-1, 1, longest, -1)
    causal = torch.ones(longest, longest, dtype=torch.bool, device=here).tril().expand(len(rows), 1, -1, -1)
    return Prepared(ends, places, past, torch.cat([seen, causal], dim=-1))


def common(texts: Sequence[tuple[int, ...]]) -> int:
    """With how many tokens all texts begin alike."""
    shortest, longest = min(texts), max(texts)
    return next((i for i, (a, b) in enumerate(zip(shortest, longest, strict=False)) if a != b), len(shortest))


@contextmanager
def hooked(parts: Sequence[tuple[Module, Any]]) -> Iterator[None]:
    """Forward hooks that are gone afterwards."""
    handles = [module.register_forward_hook(hook) for module, hook in parts]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
