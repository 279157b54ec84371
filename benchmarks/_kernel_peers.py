"""What the memory operations are measured beside: torch's own kernels, other packages', and plain torch that is compiled.

Each function makes a call that is ready to be timed. Where a peer is not there it raises: `Missing`, or ImportError of a
package that is not installed; the benchmark lists it as missing then, with the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from perdure.kernels import Packed

Run = Callable[[], Any]
Make = Callable[[], Run]


class Missing(Exception):
    """A peer that does not run here, and why."""


def compiled(plain: Callable[..., Any], *args: Any) -> Make:
    """An operation in plain torch, made into one or few kernels by inductor."""

    def made() -> Run:
        return partial(torch.compile(plain, dynamic=False), *args)

    return made


def grouped_sdpa(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Make:
    """Torch's attention over contiguous keys; query [B, Hq, T, D], key and value [B, Hkv, N, D]."""
    return lambda: partial(scaled_dot_product_attention, query, key, value, enable_gqa=True, scale=scale)


def flex(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Make:
    """FlexAttention, compiled, over the same."""

    def made() -> Run:
        on_gpu(query)
        from torch.nn.attention.flex_attention import flex_attention

        run: Any = torch.compile(flex_attention, dynamic=False)
        return partial(run, query, key, value, enable_gqa=True, scale=scale)

    return made


def varlen(query: Tensor, k_cache: Tensor, v_cache: Tensor, table: Tensor, lens: Tensor, scale: float) -> Make:
    """Torch's attention over the same blocks, one query a sequence, with the log-sum-exp."""

    def made() -> Run:
        on_gpu(query)
        from torch.nn.attention.varlen import AuxRequest, varlen_attn

        starts = torch.arange(len(lens) + 1, device=lens.device, dtype=torch.int32)
        where: dict[str, Any] = {
            "cu_seq_q": starts,
            "cu_seq_k": None,
            "max_q": 1,
            "max_k": table.shape[1] * k_cache.shape[1],
        }
        how: dict[str, Any] = {
            "block_table": table,
            "seqused_k": lens,
            "enable_gqa": True,
            "return_aux": AuxRequest(lse=True),
        }
        return partial(varlen_attn, query, k_cache, v_cache, **where, **how, scale=scale)

    return made


def flashinfer_merge(parts: Sequence[tuple[Tensor, Tensor]]) -> Make:
    """Two sources, [N, H, D] and [N, H], with logarithms to the base 2."""

    def made() -> Run:
        on_gpu(parts[0][0])
        import flashinfer

        flat = [(out[0].transpose(0, 1).contiguous(), lse[0].T.contiguous() / math.log(2)) for out, lse in parts]
        return partial(flashinfer.merge_state, *flat[0], *flat[1])

    return made


def fla_linear(keys: Tensor, values: Tensor, memory: Tensor) -> Make:
    """Linear attention in chunks of flash-linear-attention, features made before, with outputs, which it always has."""

    def made() -> Run:
        on_gpu(keys)
        from fla.ops.linear_attn import chunk_linear_attn

        k, v = (torch.nn.functional.elu(keys) + 1).unsqueeze(2), values.unsqueeze(2)
        state = {"initial_state": memory.unsqueeze(1), "output_final_state": True}
        return partial(chunk_linear_attn, k, k, v, normalize=False, **state)

    return made


def fla_delta(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, state: Tensor) -> Make:
    """The delta rule in chunks of flash-linear-attention, with its outputs, which it always has."""

    def made() -> Run:
        on_gpu(k)
        from fla.ops.delta_rule import chunk_delta_rule

        return partial(chunk_delta_rule, q, k, v, beta, scale=1.0, initial_state=state, output_final_state=True)

    return made


def on_gpu(x: Tensor) -> None:
    if not x.is_cuda:
        raise Missing("runs on a GPU only")


def plain_pack(caches: Sequence[Tensor], ids: Tensor, top: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Codes, scale and zero of keys by channel and of values by token (Liu et al. 2024), one code a byte."""
    return [_coded(cache[side, ids].float(), over, cache.dtype, top) for cache in caches for side, over in ((0, 1), (1, -1))]


def _coded(x: Tensor, over: int, dtype: torch.dtype, top: int) -> tuple[Tensor, Tensor, Tensor]:
    low, high = x.amin(over, keepdim=True), x.amax(over, keepdim=True)
    step = (high - low) / top
    codes = ((x - low) / step.clamp_min(1e-30) + 0.5).clamp_max(top).to(torch.uint8)
    return codes, step.to(dtype), low.to(dtype)


def plain_unpack(caches: Sequence[Tensor], ids: Tensor, packed: Packed) -> None:
    """8 bits, back into the caches."""
    for layer, cache in enumerate(caches):
        keys, values = packed.codes[layer].float()
        cache[0, ids] = (keys * packed.k_scale[layer].unsqueeze(1) + packed.k_zero[layer].unsqueeze(1)).to(cache.dtype)
        cache[1, ids] = (values * packed.v_scale[layer].unsqueeze(-1) + packed.v_zero[layer].unsqueeze(-1)).to(cache.dtype)


def plain_rotate(keys: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    a, b = keys.float().chunk(2, -1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(keys.dtype)


def plain_summary(keys: Tensor, ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    blocks = keys[ids]
    return blocks.float().mean(1).to(keys.dtype), blocks.amin(1), blocks.amax(1)


def plain_score(query: Tensor, reps: Tensor) -> Tensor:
    """query [Hkv, G, D] of one sequence, reps [NB, Hkv, D]: [Hkv, NB]."""
    return (query @ reps.permute(1, 2, 0)).amax(1).float()
