"""Blocks of a paged KV cache in few bits."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import Packed, pack, pack_reference, unpack_, unpack_reference
from perdure.kernels.kvpack import cpu

TOLERANCE = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 4e-3}
KINDS = list(TOLERANCE)


def caches_of(layers: int, *shape: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """[2, NB, BS, H, D] a layer; key channels that lie far from 0, as real ones do."""
    generator = torch.Generator().manual_seed(sum(shape) + layers)
    caches = torch.randn(layers, 2, *shape, generator=generator)
    caches[:, 0] += 8 * torch.randn(shape[-1], generator=generator)
    return list(caches.to(dtype))


def frequencies(half: int) -> Tensor:
    return 1.0 / 10000.0 ** (torch.arange(half, dtype=torch.float32) / half)


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


def agree(got: Packed, expected: Packed) -> None:
    """The same scales and zeros, and codes of which at most a few, at almost a tie, differ by one."""
    assert [(part.shape, part.dtype) for part in got] == [(part.shape, part.dtype) for part in expected]
    if got.codes.dtype is not torch.uint8:
        assert torch.equal(got.codes, expected.codes)
        return
    assert torch.equal(got.k_zero, expected.k_zero)
    assert torch.equal(got.v_zero, expected.v_zero)
    assert error(got.k_scale, expected.k_scale) <= 2e-7
    assert error(got.v_scale, expected.v_scale) <= 2e-7
    nibbles = got.codes.shape[-1] < got.k_zero.shape[-1]
    for part in (15, 240) if nibbles else (255,):
        apart = ((got.codes & part).int() - (expected.codes & part).int()).abs()
        assert apart.max() <= (part & -part)
        assert (apart > 0).float().mean() <= 5e-3


def unpacked(packed: Packed, like: list[Tensor], ids: Tensor) -> Tensor:
    targets = [torch.full_like(cache, torch.nan) for cache in like]
    unpack_(targets, ids, packed)
    return torch.stack([target[:, ids.long()] for target in targets])


@pytest.mark.parametrize("chunk", [1, 1 << 19])
@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("bits", [4, 8, 16])
@pytest.mark.parametrize("ids", [[4, 0, 2], [1, 2, 3], [5]], ids=str)
def test_it_matches_the_reference(
    ids: list[int], bits: int, dtype: torch.dtype, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "_CHUNK", chunk)
    caches, blocks = caches_of(2, 6, 16, 3, 64, dtype=dtype), torch.tensor(ids, dtype=torch.int32)
    packed = pack(caches, blocks, bits)
    agree(packed, pack_reference(caches, blocks, bits))
    assert error(unpacked(packed, caches, blocks), unpack_reference(packed)) <= TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", KINDS, ids=str)
@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("shape", [(3, 32, 8, 128), (4, 5, 1, 40)], ids=str)
@pytest.mark.parametrize("size", [1.0, 1e-3, 300.0])
def test_an_entry_is_off_by_at_most_half_a_step(
    size: float, shape: tuple[int, int, int, int], bits: int, dtype: torch.dtype
) -> None:
    caches = [cache * size for cache in caches_of(2, *shape, dtype=dtype)]
    ids = torch.arange(shape[0])
    for packed in (pack(caches, ids, bits), pack_reference(caches, ids, bits)):
        off = (unpack_reference(packed) - torch.stack(caches).double()).abs()
        steps = torch.stack(
            [
                packed.k_scale.double().unsqueeze(2).expand(off[:, 0].shape),
                packed.v_scale.unsqueeze(-1).expand(off[:, 1].shape),
            ],
            1,
        )
        slack = {torch.float32: 1e-6 * size * 30, torch.float16: 2**-17, torch.bfloat16: 0.0}[dtype]
        assert (off <= steps * 0.5005 + slack).all()


@given(st.integers(-20, 20), st.integers(0, 1000))
@settings(deadline=None, max_examples=30)
def test_powers_of_two_change_the_scales_and_no_code(power: int, seed: int) -> None:
    whole = torch.randn(2, 3, 4, 2, 8, generator=torch.Generator().manual_seed(seed)).bfloat16()
    ids = torch.tensor([2, 0])
    one, other = pack([whole], ids, 8), pack([whole * 2.0**power], ids, 8)
    assert torch.equal(one.codes, other.codes)
    assert torch.equal(one.v_scale * 2.0**power, other.v_scale)


@pytest.mark.parametrize("bits", [4, 8])
def test_constant_channels_and_tokens_come_back_exactly(bits: int) -> None:
    caches = [torch.full((2, 3, 16, 2, 64), value) for value in (0.0, -3.7)]
    ids = torch.tensor([2, 1])
    assert torch.equal(unpacked(pack(caches, ids, bits), caches, ids), torch.stack([cache[:, ids] for cache in caches]))


@pytest.mark.parametrize("size", [1e-39, 1e-37, 1e-36, 1e-34])
def test_the_smallest_ranges_wrap_round_nowhere(size: float) -> None:
    caches = [torch.randn(2, 3, 16, 2, 64).bfloat16() * size]
    ids = torch.tensor([2, 1])
    off = (unpacked(pack(caches, ids, 8), caches, ids) - torch.stack([cache[:, ids] for cache in caches])).double().abs()
    least = 255 * torch.finfo(torch.float32).tiny
    assert off.max() <= max(size * 0.05, least)


def test_two_codes_lie_in_a_byte_as_documented() -> None:
    cache = torch.arange(16.0).view(1, 1, 16, 1, 1).repeat(2, 1, 1, 1, 4)
    cache[0, 0, :, 0, 2:] = 15 - cache[0, 0, :, 0, 2:]
    codes = pack([cache], torch.tensor([0]), 4).codes[0, 0, 0, :, 0]
    assert codes[3].tolist() == [3 + 16 * 12] * 2


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_keys_are_turned_as_they_are_unpacked(bits: int) -> None:
    caches, ids = caches_of(2, 4, 16, 3, 64, dtype=torch.bfloat16), torch.tensor([1, 3])
    delta, inv_freq = torch.tensor([-70000, 12]), frequencies(32)
    packed = pack(caches, ids, bits)
    before = packed.codes.clone()
    unpack_(caches, ids, packed, delta=delta, inv_freq=inv_freq)
    got = torch.stack([cache[:, ids] for cache in caches])
    assert error(got, unpack_reference(packed, delta=delta, inv_freq=inv_freq)) <= TOLERANCE[torch.bfloat16]
    assert torch.equal(packed.codes, before)


def test_no_other_block_is_touched() -> None:
    caches, ids = caches_of(2, 6, 16, 3, 64), torch.tensor([5, 2])
    packed = pack(caches, ids, 8)
    targets = [torch.full_like(cache, torch.nan) for cache in caches]
    unpack_(targets, ids, packed)
    assert all(target[:, [0, 1, 3, 4]].isnan().all() for target in targets)
    assert all(target[:, ids].isfinite().all() for target in targets)


def test_no_blocks() -> None:
    caches, none = caches_of(2, 4, 16, 3, 64), torch.empty(0, dtype=torch.int32)
    for bits in (4, 8, 16):
        unpack_(caches, none, pack(caches, none, bits))


def test_what_cannot_be_packed_is_refused() -> None:
    caches = caches_of(2, 4, 16, 3, 64)
    with pytest.raises(ValueError, match="16, 8 or 4 bits"):
        pack(caches, torch.tensor([1]), 3)
    with pytest.raises(ValueError, match="D even"):
        pack([cache[..., :63] for cache in caches], torch.tensor([1]))
    with pytest.raises(ValueError, match="one shape and one dtype"):
        pack([caches[0], caches[1].half()], torch.tensor([1]))
    with pytest.raises(ValueError, match="given together"):
        unpack_(caches, torch.tensor([1]), pack(caches, torch.tensor([1])), delta=torch.tensor([1]))
    with pytest.raises(ValueError, match="frequencies"):
        unpack_(caches, torch.tensor([1]), pack(caches, torch.tensor([1])), delta=torch.tensor([1]), inv_freq=frequencies(8))
