"""Tokens of some sessions, or a chunk of a prompt, through a Llama-shaped model without what transformers wraps around it.

The operations are those of transformers' forward, in their order (Touvron et al. 2023, arXiv 2302.13971, section 2.2), so
that the bits are the same; whether they are is found out by trial. At one token for each row most of the time goes into
the wrapping and into products that lay their weights out anew: both are spared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module
from torch.nn.functional import embedding

from ..config import PREFILL_GRID
from .attention import NAME
from .products import Product, Products, enough
from .state.cache import inputs_of

if TYPE_CHECKING:
    from .state.base import StateAdapter
    from .state.together import Together

SHAPES = frozenset({"llama", "mistral", "qwen2"})
"""Types of models whose layers are laid out so."""


TRIALS = (range(3, 6), range(20, 41))
"""The tokens of each trial, the last of which comes by the step."""

PROMPT = range(20, 20 + PREFILL_GRID + 15)
"""Those of the trial of a whole chunk, which comes last."""


class _Layer(NamedTuple):
    before: Tensor
    """The weight of the norm before attention [hidden]."""
    qkv: Product
    out: Product
    between: Tensor
    gate_up: Product
    down: Product


class Step:
    """Made for one model on the CPU by `step`."""

    def __init__(self, model: Any) -> None:
        config, base, products = model.config, model.base_model, Products(model)
        self._model, self._base = model, base
        self._layers = [_layer(layer, products) for layer in base.layers]
        self._absorbs = None if products.absorb else False
        self.head = products.of([model.get_output_embeddings()])
        self._least = products.least
        self._act: Module = base.layers[0].mlp.act_fn
        self._eps: float = base.norm.variance_epsilon
        self._dim: int = base.layers[0].self_attn.head_dim
        self._scale: float = base.layers[0].self_attn.scaling
        self._heads, self._kv_heads = config.num_attention_heads, config.num_key_value_heads
        self._inner: int = config.intermediate_size

    def run(self, forward: Together, tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """The last hidden state [B, 1, hidden] of a token for each state of `forward`, or of the tokens of its only one."""
        count = len(tokens)
        x = embedding(enough(torch.tensor(tokens), self._least), self._base.embed_tokens.weight)
        cos, sin = self._base.rotary_emb(x, enough(torch.tensor(positions), self._least)[:, None])
        half = self._dim // 2
        turn = cos, torch.cat((-sin[..., :half], sin[..., half:]), -1)
        for number, layer in enumerate(self._layers):
            attended = self._attention(number, layer.qkv(self._normed(x, layer.before)), turn, forward, count)
            x = x + layer.out(enough(attended, self._least))
            gate, up = torch.split(layer.gate_up(self._normed(x, layer.between)), self._inner, -1)
            x = x + layer.down(self._act(gate) * up)
        return self._normed(x[:count], self._base.norm.weight)[:, None]

    def takes(self, count: int, adapter: StateAdapter) -> bool:
        """Whether a state may absorb so many tokens at once: one, or a whole chunk, which is tried when the first comes."""
        if self._absorbs is None and count == PREFILL_GRID:
            self._absorbs = _alike(self, self._model, adapter, PROMPT, PREFILL_GRID)
        return count == 1 or (count == PREFILL_GRID and bool(self._absorbs))

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        wide = x.float()
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self._eps)
        return weight * wide.to(x.dtype)

    def _attention(self, number: int, qkv: Tensor, turn: tuple[Tensor, Tensor], forward: Together, count: int) -> Tensor:
        """qkv [B, (Hq + 2 Hkv) D] -> [count, Hq D], each row over its own session's keys."""
        turned, values = torch.split(qkv, [(self._heads + self._kv_heads) * self._dim, self._kv_heads * self._dim], -1)
        heads = self._turned(turned.view(len(qkv), -1, self._dim), *turn)
        forward.keep(number, heads[:count, self._heads :, None], values[:count].view(count, -1, 1, self._dim))
        return forward.attended(number, heads[:count, : self._heads], self._scale).reshape(count, -1)

    @staticmethod
    def _turned(x: Tensor, cos: Tensor, signed: Tensor) -> Tensor:
        """x [B, H, D] rotated; `signed` is the sine with the sign that the other half takes with it."""
        swapped = x.view(*x.shape[:-1], 2, -1).flip(-2).reshape(x.shape)
        return (x * cos).add_(swapped.mul_(signed))


def _layer(layer: Any, products: Products) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        before=layer.input_layernorm.weight,
        qkv=products.of([attention.q_proj, attention.k_proj, attention.v_proj]),
        out=products.of([attention.o_proj]),
        between=layer.post_attention_layernorm.weight,
        gate_up=products.of([mlp.gate_proj, mlp.up_proj]),
        down=products.of([mlp.down_proj]),
    )


def step(model: Any, adapter: StateAdapter) -> Step | None:
    """The step of a model that has that shape, is on the CPU and goes through our attention; None for others."""
    config = model.config
    suits = config.model_type in SHAPES and config._attn_implementation == NAME and adapter.joins
    return Step(model) if suits and model.device.type == "cpu" else None


def proven(model: Any, adapter: StateAdapter) -> Step | None:
    """The step, if it leaves the keys and values that the model leaves and ends with its last hidden state, bit by bit."""
    try:
        found = step(model, adapter)
        alike = found is not None and all(_alike(found, model, adapter, tokens) for tokens in TRIALS)
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None
    return found if alike else None


def _alike(found: Step, model: Any, adapter: StateAdapter, tokens: Sequence[int], count: int = 1) -> bool:
    """Whether the last `count` tokens leave the same, by the step and by the model's own forward."""
    states, hidden, before = [adapter.new(len(tokens)) for _ in range(2)], [], len(tokens) - count
    try:
        for state in states:
            state.run(model.base_model, inputs_of(model, tokens[:before], 0))
            state.seen = before
        theirs, ours = states
        out = theirs.run(model.base_model, inputs_of(model, tokens[before:], before))
        forward = adapter.together([ours]) if count == 1 else adapter.prompt(ours, count)
        hidden = [out.last_hidden_state[0, :, None], found.run(forward, tokens[before:], range(before, len(tokens)))]
        kept = [state.export(group, 0, len(tokens)) for state in states for group in adapter.groups]
    finally:
        for state in states:
            state.release()
    half = len(kept) // 2
    return torch.equal(*hidden) and all(map(torch.equal, kept[:half], kept[half:]))
