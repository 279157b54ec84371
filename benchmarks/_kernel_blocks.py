"""The operations on blocks of a cache at named sizes: packing, the rotary shift, summaries and scores."""

from __future__ import annotations

import torch
from torch import Tensor

from perdure import kernels
from perdure.kernels.kvpack.reference import work as pack_work
from perdure.kernels.rope.reference import work as rope_work
from perdure.kernels.selection.reference import work_score, work_summary

from . import _kernel_peers as peers
from ._kernel_case import Case, Made, Size


def packing(bits: int) -> Made:
    def made(size: Size) -> Case:
        caches, ids = _caches(size)
        return Case(
            lambda: kernels.pack(caches, ids, bits),
            lambda: kernels.pack_reference(caches, ids, bits),
            _packed(caches, ids, bits),
            made={} if bits == 16 else {"compiled": peers.compiled(peers.plain_pack, caches, ids, 2**bits - 1)},
            given=_given(caches, ids),
        )

    return made


def unpacking(bits: int) -> Made:
    def made(size: Size) -> Case:
        caches, ids = _caches(size)
        packed = kernels.pack(caches, ids, bits)

        return Case(
            lambda: kernels.unpack_(caches, ids, packed),
            lambda: kernels.unpack_reference(packed),
            _packed(caches, ids, bits),
            made={"compiled": peers.compiled(peers.plain_unpack, caches, ids, packed)} if bits == 8 else {},
            seen=lambda: torch.stack([cache[:, ids] for cache in caches]),
            given=_given(caches, ids),
        )

    return made


def _caches(size: Size) -> tuple[list[Tensor], Tensor]:
    """32 layers of 2,048 blocks of 16 tokens, 8 heads of 128."""
    blocks = size.of(2048, 4)
    caches = [size.numbers(2, blocks, 16, 8, 128) for _ in range(size.of(32, 2))]
    return caches, torch.randperm(blocks, device=size.device)


def _given(caches: list[Tensor], ids: Tensor) -> int:
    return 2 * len(caches) * len(ids) * caches[0][0, 0].numel() * caches[0].element_size()


def _packed(caches: list[Tensor], ids: Tensor, bits: int) -> tuple[int, int]:
    _, _, tokens, heads, dim = caches[0].shape
    return pack_work(len(caches), len(ids), tokens, heads, dim, caches[0].element_size(), bits)


def rope(size: Size) -> Case:
    keys = size.numbers(size.of(256, 2), size.of(32768, 64), 128)
    frequencies = 10000.0 ** (-torch.arange(0, 128, 2, device=size.device, dtype=torch.float64) / 128)
    work = rope_work(keys.shape[0] * keys.shape[1], 128, keys.element_size())
    angle = (100 * frequencies).float()
    return Case(
        lambda: kernels.rotate(keys, 100, frequencies),
        lambda: kernels.rotate_reference(keys, 100, frequencies),
        work,
        made={"compiled": peers.compiled(peers.plain_rotate, keys, angle.cos(), angle.sin())},
    )


def summary(size: Size) -> Case:
    blocks = size.of(16384, 8)
    keys, ids = size.numbers(blocks, 16, 8, 128), torch.arange(blocks, device=size.device)
    work = work_summary(blocks, 16, 8, 128, keys.element_size())
    return Case(
        lambda: kernels.block_summary(keys, ids),
        lambda: kernels.block_summary_reference(keys, ids),
        work,
        made={"compiled": peers.compiled(peers.plain_summary, keys, ids)},
    )


def score(size: Size) -> Case:
    blocks = size.of(262144, 64)
    query, reps = size.numbers(1, 32, 128), size.numbers(blocks, 8, 128)
    work = work_score(1, 32, 8, blocks, 128, reps.element_size())

    grouped = query.view(8, 4, 128)
    return Case(
        lambda: kernels.block_score(query, reps),
        lambda: kernels.block_score_reference(query, reps),
        work,
        {"bmm": lambda: lambda: grouped @ reps.permute(1, 2, 0)},
        {"compiled": peers.compiled(peers.plain_score, grouped, reps)},
    )
