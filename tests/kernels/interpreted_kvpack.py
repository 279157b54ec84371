"""Packed KV blocks in Triton's interpreter (see test_triton.py)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import pack_reference, unpack_reference
from perdure.kernels.kvpack.gpu import pack, unpack_

from .poisoning import poisoned  # noqa: F401
from .test_kvpack import KINDS, TOLERANCE, agree, caches_of, error, frequencies

SHAPES = [
    pytest.param((5, 16, 3, 64), id="16 tokens, 3 heads"),
    pytest.param((5, 32, 1, 128), id="32 tokens, 128 dims"),
    pytest.param((6, 5, 1, 40), id="odd"),
]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_packs_and_unpacks(shape: tuple[int, int, int, int], bits: int, dtype: torch.dtype) -> None:
    caches, ids = caches_of(2, *shape, dtype=dtype), torch.tensor([4, 2], dtype=torch.int32)
    packed = pack(caches, ids, bits)
    agree(packed, pack_reference(caches, ids, bits))
    targets = [torch.full_like(cache, torch.nan) for cache in caches]
    unpack_(targets, ids, packed)
    got = torch.stack([target[:, ids.long()] for target in targets])
    assert error(got, unpack_reference(packed)) <= TOLERANCE[dtype]
    untouched = [block for block in range(shape[0]) if block not in ids.tolist()]
    assert all(target[:, untouched].isnan().all() for target in targets)


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_it_turns_the_keys_that_it_unpacks(bits: int, dtype: torch.dtype) -> None:
    caches, ids = caches_of(2, 4, 16, 1, 64, dtype=dtype), torch.tensor([1, 3])
    delta, inv_freq = torch.tensor([-70000, 12]), frequencies(32)
    packed = pack(caches, ids, bits)
    unpack_(caches, ids, packed, delta=delta, inv_freq=inv_freq)
    got = torch.stack([cache[:, ids] for cache in caches])
    assert error(got, unpack_reference(packed, delta=delta, inv_freq=inv_freq)) <= TOLERANCE[dtype]


def test_constant_channels_and_tokens_come_back_exactly() -> None:
    caches = [torch.full((2, 3, 16, 2, 64), value) for value in (0.0, -3.7)]
    ids = torch.tensor([2, 1])
    for bits in (4, 8):
        packed = pack(caches, ids, bits)
        targets: list[Tensor] = [torch.full_like(cache, torch.nan) for cache in caches]
        unpack_(targets, ids, packed)
        assert all(torch.equal(target[:, 1:], cache[:, 1:]) for target, cache in zip(targets, caches, strict=True))


def test_a_slice_of_a_larger_cache() -> None:
    """Blocks whose neighbours lie further apart than they are long."""
    caches = [cache[:, ::2] for cache in caches_of(2, 8, 16, 2, 64)]
    ids = torch.tensor([3, 1])
    for bits in (8, 16):
        agree(pack(caches, ids, bits), pack_reference(caches, ids, bits))


def test_no_blocks() -> None:
    caches, none = caches_of(2, 4, 16, 3, 64), torch.empty(0, dtype=torch.int32)
    for bits in (4, 8, 16):
        packed = pack(caches, none, bits)
        assert packed.codes.shape[2] == 0
        unpack_(caches, none, packed)


def test_caches_that_one_launch_cannot_address_are_refused() -> None:
    caches = caches_of(2, 4, 16, 3, 64)
    with pytest.raises(ValueError, match="strides"):
        pack([cache.transpose(2, 3) for cache in caches], torch.tensor([1]))
