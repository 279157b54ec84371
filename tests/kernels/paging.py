"""Paged caches for tests: blocks in random order, what may not be read poisoned."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from perdure.kernels import Scales

POISON = 2**30
"""In the slots of a block table that no token needs."""


@dataclass
class Paged:
    """The arguments of one call."""

    query: Tensor
    k_cache: Tensor
    v_cache: Tensor
    block_table: Tensor
    seq_lens: Tensor
    cu_q: Tensor | None

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        return self.query, self.k_cache, self.v_cache, self.block_table, self.seq_lens, self.cu_q


def paged(
    lens: list[int],
    heads: int,
    kv_heads: int,
    dim: int,
    dtype: torch.dtype,
    *,
    queries: list[int] | None = None,
    size: int = 16,
    seed: int = 0,
) -> Paged:
    """Sequences of `lens` cached tokens, of which the last `queries` (one each, where not given) are new."""
    generator = torch.Generator().manual_seed(seed + sum(lens))
    counts = [-(-n // size) for n in lens]
    order = torch.randperm(sum(counts) + 3, generator=generator, dtype=torch.int32)
    table = torch.full((len(lens), max(counts) + 2), POISON, dtype=torch.int32)
    k_cache, v_cache = (torch.full((len(order), size, kv_heads, dim), float("nan"), dtype=dtype) for _ in range(2))
    for b, (n, count) in enumerate(zip(lens, counts, strict=True)):
        table[b, :count] = order[sum(counts[:b]) : sum(counts[:b]) + count]
        for j in range(n):
            for cache in (k_cache, v_cache):
                cache[table[b, j // size], j % size] = torch.randn(kv_heads, dim, generator=generator).to(dtype)
    rows = len(lens) if queries is None else sum(queries)
    query = torch.randn(rows, heads, dim, generator=generator).to(dtype)
    cu_q = None if queries is None else torch.tensor([0, *queries]).cumsum(0).to(torch.int32)
    return Paged(query, k_cache, v_cache, table, torch.tensor(lens, dtype=torch.int32), cu_q)


def quantised(case: Paged, bits: int) -> tuple[Paged, Scales]:
    """The same with codes for numbers; what was poisoned is coded as some number."""
    keys, values = case.k_cache.float().nan_to_num(1.0), case.v_cache.float().nan_to_num(1.0)
    k_codes, k_scale, k_zero = _coded(keys, 1, bits)
    v_codes, v_scale, v_zero = _coded(values, 3, bits)
    coded = Paged(case.query, k_codes, v_codes, case.block_table, case.seq_lens, case.cu_q)
    return coded, Scales(k_scale.squeeze(1), k_zero.squeeze(1), v_scale.squeeze(3), v_zero.squeeze(3))


def _coded(numbers: Tensor, along: int, bits: int) -> tuple[Tensor, Tensor, Tensor]:
    zero = numbers.amin(along, keepdim=True).half()
    scale = ((numbers.amax(along, keepdim=True) - zero) / (2**bits - 1)).half()
    codes = ((numbers - zero) / scale.float().clamp(min=1e-6)).round().clamp(0, 2**bits - 1).to(torch.uint8)
    if bits == 4:
        low, high = codes.chunk(2, -1)
        codes = low | high << 4
    return codes, scale, zero


def error(found: Tensor, expected: Tensor) -> float:
    """Relative error in norm; not a number where anything found is none."""
    return float((found.double() - expected.double()).norm() / expected.double().norm())
