"""The memory operations at named sizes."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from perdure import kernels
from perdure.kernels.combine import cpu as combining
from perdure.kernels.combine.reference import work as merge_work
from perdure.kernels.delta.reference import work as delta_work
from perdure.kernels.infini import cpu as infini
from perdure.kernels.infini.reference import retrieve_work, update_work
from perdure.kernels.lowrank.reference import work as lowrank_work
from perdure.kernels.paged.reference import work as paged_work

from . import _kernel_peers as peers
from ._kernel_blocks import packing, rope, score, summary, unpacking
from ._kernel_case import Case, Made, Size

ATTEND, SMOL, LLAMA = "0 attention, contiguous, 8,192 tokens", "9 heads of 64 over 3", "32 heads of 128 over 8"


def attend(heads: int, kv: int, dim: int) -> Made:
    """One new token over a contiguous cache, as the runtime keeps it on a CPU; whole from 1/64 of the named sizes on."""

    def made(size: Size) -> Case:
        n, scale = 8192 if size.part >= 1 / 64 else 64, dim**-0.5
        query, (key, value) = size.numbers(1, heads, 1, dim), size.numbers(2, 1, kv, n, dim)
        moved = (2 * query.numel() + 2 * key.numel()) * query.element_size() + 4 * heads
        return Case(
            lambda: kernels.attend(query, key, value, scale),
            lambda: kernels.attend_reference(query, key, value, scale),
            (moved, 4 * heads * dim * n),
            {"SDPA, grouped": peers.grouped_sdpa(query, key, value, scale)},
        )

    return made


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
        gathered, args = (query.unsqueeze(2), key, value, scale), (query, keys, values, table, lens)
        return Case(
            lambda: kernels.paged_attention(*args, scale=scale, scales=scales),
            lambda: kernels.paged_attention_reference(*args, scale=scale, scales=scales),
            paged_work(query, keys, lens, scales),
            {
                "SDPA, gathered before": peers.grouped_sdpa(*gathered),
                "FlexAttention, gathered before": peers.flex(*gathered),
                "varlen_attn, blocks of 16 bits": peers.varlen(query, cache[0], cache[1], table, lens, scale),
            },
        )

    return made


def merge(size: Size) -> Case:
    tokens = size.of(8192, 16)
    parts = [(size.numbers(1, 32, tokens, 128), size.numbers(1, 32, tokens, dtype=torch.float32)) for _ in range(2)]
    return Case(
        lambda: kernels.merge(parts),
        lambda: kernels.merge_reference(parts),
        merge_work(parts),
        {"flashinfer merge_state": peers.flashinfer_merge(parts)},
        {"compiled": peers.compiled(combining.merge, parts)},
    )


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
            lambda: kernels.update(*args),
            lambda: kernels.update_reference(*args),
            update_work(memory, keys, values, rule),
            {"fla chunk_linear_attn": peers.fla_linear(keys, values, memory)} if rule == "linear" else {},
            {"compiled": peers.compiled(infini.update, *args)},
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
        made={"compiled": peers.compiled(infini.retrieve_weighed, *args)},
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
            {"fla chunk_delta_rule": peers.fla_delta(q, k, v, beta, state)},
        )

    return made


def lowrank(size: Size) -> Case:
    rows, d_in, d_out, rank = size.of(64, 4), 14336, 4096, 12
    x, out = size.numbers(rows, 1, d_in), size.numbers(rows, 1, d_out)
    factors = [[(size.numbers(rank, d_in) / d_in**0.5, size.numbers(d_out, rank))] for _ in range(rows)]
    work = lowrank_work(1, d_in, d_out, [rank] * rows, x.element_size())
    return Case(lambda: kernels.lowrank(x, out, factors), lambda: kernels.lowrank_reference(x, out, factors), work)


CASES: Mapping[str, Made] = {
    f"{ATTEND}, {SMOL}": attend(9, 3, 64),
    f"{ATTEND}, {LLAMA}": attend(32, 8, 128),
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

ON_CPU = tuple(name for name in CASES if name.startswith(ATTEND))
"""Those that have no path for a GPU."""
