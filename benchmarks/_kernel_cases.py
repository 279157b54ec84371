"""The memory operations at named sizes: what is run, its definition, its peers, and the least bytes and operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from perdure import kernels
from perdure.kernels.combine.reference import work as merge_work
from perdure.kernels.delta.reference import work as delta_work
from perdure.kernels.infini.reference import retrieve_work, update_work
from perdure.kernels.kvpack.reference import work as pack_work
from perdure.kernels.lowrank.reference import work as lowrank_work
from perdure.kernels.paged.reference import work as paged_work
from perdure.kernels.rope.reference import work as rope_work
from perdure.kernels.selection.reference import work_score, work_summary

Made = Callable[["Size"], "Case"]


@dataclass(frozen=True)
class Size:
    """How large: `part` of the named size (1: all of it), on which device, in which type."""

    part: float
    device: str
    dtype: torch.dtype

    def of(self, number: int, least: int = 1) -> int:
        return max(least, int(number * self.part))

    def numbers(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.randn(shape, device=self.device, dtype=torch.float32).to(dtype or self.dtype)


@dataclass(frozen=True)
class Case:
    """`run` gives tensors that `expected` gives too, from the definition; `work` is (bytes, operations)."""

    run: Callable[[], Any]
    expected: Callable[[], Any]
    work: tuple[int, int]
    peers: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


def paged(bits: int = 16) -> Made:
    """Decoding: 8 sequences of 32,768 tokens, 32 heads over 8, D 128."""

    def made(size: Size) -> Case:
        n, batch, block, heads, kv, dim = size.of(32768, 64) // 16 * 16, 8, 16, 32, 8, 128
        blocks = batch * n // block
        cache = size.numbers(2, blocks, block, kv, dim)
        table = torch.randperm(blocks, device=size.device).view(batch, -1).int()
        lens, query, scale = torch.full((batch,), n, device=size.device).int(), size.numbers(batch, heads, dim), dim**-0.5
        keys, values, scales = cache[0], cache[1], None
        if bits < 16:
            packed = kernels.pack([cache], torch.arange(blocks, device=size.device), bits)
            keys, values = packed.codes[0, 0], packed.codes[0, 1]
            scales = kernels.Scales(*(part[0] for part in packed[1:]))
        key, value = (part[table.long()].flatten(1, 2).transpose(1, 2).contiguous() for part in cache)

        def sdpa() -> Tensor:
            return scaled_dot_product_attention(query.unsqueeze(2), key, value, enable_gqa=True)

        args = (query, keys, values, table, lens)
        return Case(
            lambda: kernels.paged_attention(*args, scale=scale, scales=scales),
            lambda: kernels.paged_attention_reference(*args, scale=scale, scales=scales),
            paged_work(query, keys, lens, scales),
            {"SDPA, gathered before": sdpa},
        )

    return made


def merge(size: Size) -> Case:
    tokens = size.of(8192, 16)
    parts = [(size.numbers(1, 32, tokens, 128), size.numbers(1, 32, tokens, dtype=torch.float32)) for _ in range(2)]
    return Case(lambda: kernels.merge(parts), lambda: kernels.merge_reference(parts), merge_work(parts))


def infini_update(rule: str) -> Made:
    def made(size: Size) -> Case:
        count, tokens = size.of(512, 8), size.of(2048, 64)
        keys, values = size.numbers(count, tokens, 128), size.numbers(count, tokens, 128)
        memory, norm = (
            size.numbers(count, 128, 128, dtype=torch.float32),
            size.numbers(count, 128, dtype=torch.float32).abs(),
        )
        args = (memory, norm, keys, values, rule)
        return Case(
            lambda: kernels.update(*args), lambda: kernels.update_reference(*args), update_work(memory, keys, values, rule)
        )

    return made


def infini_retrieve(size: Size) -> Case:
    count, tokens = size.of(512, 8), size.of(2048, 64)
    query = size.numbers(4 * count, tokens, 128)
    memory, norm = size.numbers(count, 128, 128, dtype=torch.float32), size.numbers(count, 128, dtype=torch.float32).abs()
    args = (query, memory, norm)
    return Case(
        lambda: kernels.retrieve_weighed(*args),
        lambda: kernels.retrieve_weighed_reference(*args),
        retrieve_work(query, memory),
    )


def delta(read: bool) -> Made:
    def made(size: Size) -> Case:
        batch, tokens, heads = 8, size.of(8192, 64), size.of(32, 2)
        k = torch.nn.functional.normalize(size.numbers(batch, tokens, heads, 128, dtype=torch.float32), dim=-1).to(
            size.dtype
        )
        v, q = (size.numbers(batch, tokens, heads, 128) for _ in range(2))
        beta, state = size.numbers(batch, tokens, heads).sigmoid(), size.numbers(batch, heads, 128, 128, dtype=torch.float32)
        args = (k, v, beta, state, None, None, q if read else None)
        return Case(
            lambda: kernels.delta_update(*args),
            lambda: kernels.delta_update_reference(*args),
            delta_work(k, v, state, read=read),
        )

    return made


def packing(bits: int) -> Made:
    def made(size: Size) -> Case:
        caches, ids = _caches(size)
        return Case(
            lambda: kernels.pack(caches, ids, bits),
            lambda: kernels.pack_reference(caches, ids, bits),
            _packed(caches, ids, bits),
        )

    return made


def unpacking(bits: int) -> Made:
    def made(size: Size) -> Case:
        caches, ids = _caches(size)
        packed = kernels.pack(caches, ids, bits)

        def run() -> Tensor:
            kernels.unpack_(caches, ids, packed)
            return caches[0][:, ids.long()]

        return Case(run, lambda: kernels.unpack_reference(packed)[0], _packed(caches, ids, bits))

    return made


def _caches(size: Size) -> tuple[list[Tensor], Tensor]:
    """32 layers of 2,048 blocks of 16 tokens, 8 heads of 128."""
    blocks = size.of(2048, 4)
    caches = [size.numbers(2, blocks, 16, 8, 128) for _ in range(size.of(32, 2))]
    return caches, torch.randperm(blocks, device=size.device)


def _packed(caches: list[Tensor], ids: Tensor, bits: int) -> tuple[int, int]:
    _, _, tokens, heads, dim = caches[0].shape
    return pack_work(len(caches), len(ids), tokens, heads, dim, caches[0].element_size(), bits)


def rope(size: Size) -> Case:
    keys = size.numbers(size.of(256, 2), size.of(32768, 64), 128)
    frequencies = 10000.0 ** (-torch.arange(0, 128, 2, device=size.device, dtype=torch.float64) / 128)
    work = rope_work(keys.shape[0] * keys.shape[1], 128, keys.element_size())
    return Case(
        lambda: kernels.rotate(keys, 100, frequencies), lambda: kernels.rotate_reference(keys, 100, frequencies), work
    )


def summary(size: Size) -> Case:
    blocks = size.of(16384, 8)
    keys, ids = size.numbers(blocks, 16, 8, 128), torch.arange(blocks, device=size.device)
    work = work_summary(blocks, 16, 8, 128, keys.element_size())
    return Case(lambda: kernels.block_summary(keys, ids), lambda: kernels.block_summary_reference(keys, ids), work)


def score(size: Size) -> Case:
    blocks = size.of(262144, 64)
    query, reps = size.numbers(1, 32, 128), size.numbers(blocks, 8, 128)
    work = work_score(1, 32, 8, blocks, 128, reps.element_size())

    def bmm() -> Tensor:
        return query.view(8, 4, 128) @ reps.permute(1, 2, 0)

    return Case(
        lambda: kernels.block_score(query, reps), lambda: kernels.block_score_reference(query, reps), work, {"bmm": bmm}
    )


def lowrank(size: Size) -> Case:
    rows, d_in, d_out, rank = size.of(64, 4), 14336, 4096, 12
    x, out = size.numbers(rows, 1, d_in), size.numbers(rows, 1, d_out)
    factors = [[(size.numbers(rank, d_in) / d_in**0.5, size.numbers(d_out, rank))] for _ in range(rows)]
    work = lowrank_work(1, d_in, d_out, [rank] * rows, x.element_size())
    return Case(lambda: kernels.lowrank(x, out, factors), lambda: kernels.lowrank_reference(x, out, factors), work)


CASES: Mapping[str, Made] = {
    "1 paged attention": paged(),
    "1q paged attention, 8 bits": paged(8),
    "1q paged attention, 4 bits": paged(4),
    "2 merge": merge,
    "3 infini update, linear": infini_update("linear"),
    "3 infini update, delta": infini_update("delta"),
    "4 infini retrieve": infini_retrieve,
    "5 delta rule": delta(read=False),
    "5 delta rule, read": delta(read=True),
    "6 gather": packing(16),
    "6 scatter": unpacking(16),
    "7 pack, 8 bits": packing(8),
    "7 pack, 4 bits": packing(4),
    "7 unpack, 8 bits": unpacking(8),
    "7 unpack, 4 bits": unpacking(4),
    "8 rotary shift": rope,
    "9 block summary": summary,
    "9 block score": score,
    "low-rank updates": lowrank,
}
"""By name, which begins with the number of the operation."""
