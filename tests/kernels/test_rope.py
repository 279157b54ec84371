"""Cached keys turned to other positions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import rotate, rotate_, rotate_reference
from perdure.kernels.rope import cpu

TOLERANCE = {torch.float32: 2e-7, torch.bfloat16: 4e-3}


def frequencies(half: int) -> Tensor:
    return 1.0 / 10000.0 ** (torch.arange(half, dtype=torch.float32) / half)


def keys_of(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("interleaved", [False, True], ids=["halves", "pairs"])
@pytest.mark.parametrize(
    ("shape", "half", "start"),
    [
        pytest.param((1, 3, 37, 64), 32, 0, id="all dims"),
        pytest.param((2, 1, 1, 80), 10, 0, id="partial, one key"),
        pytest.param((3, 5, 96), 16, 64, id="the last dims"),
        pytest.param((1, 8, 301, 128), 64, 0, id="more than a chunk"),
    ],
)
def test_it_matches_the_reference(
    shape: tuple[int, ...], half: int, start: int, interleaved: bool, dtype: torch.dtype
) -> None:
    keys = keys_of(*shape, dtype=dtype)
    delta = torch.arange(shape[-2]) * 7 - 90
    got = rotate(keys, delta, frequencies(half), interleaved=interleaved, start=start)
    expected = rotate_reference(keys, delta, frequencies(half), interleaved=interleaved, start=start)
    assert got.dtype is dtype
    assert error(got, expected) <= TOLERANCE[dtype]
    for copied in (slice(0, start), slice(start + 2 * half, None)):
        assert torch.equal(got[..., copied], keys[..., copied])


def test_halves_are_those_of_transformers() -> None:
    """`apply_rotary_pos_emb` of Llama, written out."""
    keys, position = keys_of(1, 2, 9, 16).double(), torch.arange(9.0).double()
    angle = torch.cat([position[:, None] * frequencies(8).double()] * 2, -1)
    expected = keys * angle.cos() + torch.cat([-keys[..., 8:], keys[..., :8]], -1) * angle.sin()
    assert torch.allclose(rotate(keys.float(), torch.arange(9), frequencies(8)).double(), expected, atol=1e-6)


def test_pairs_are_halves_in_another_order() -> None:
    keys = keys_of(2, 11, 32)
    order = torch.arange(32).view(2, 16).T.flatten()
    assert torch.equal(
        rotate(keys[..., order], 5, frequencies(16), interleaved=True), rotate(keys, 5, frequencies(16))[..., order]
    )


@given(first=st.integers(-100_000, 100_000), second=st.integers(-100_000, 100_000))
@settings(deadline=None, max_examples=30)
def test_shifts_add_up(first: int, second: int) -> None:
    keys = keys_of(2, 5, 64)
    twice = rotate(rotate(keys, first, frequencies(32)), second, frequencies(32))
    assert error(twice, rotate(keys, first + second, frequencies(32))) < 4e-7


def test_a_delta_for_each_head_and_entry() -> None:
    keys = keys_of(1, 3, 7, 16)
    delta = torch.arange(21).view(1, 3, 7) * 11
    got = rotate(keys, delta, frequencies(8))
    for head in range(3):
        for entry in range(7):
            alone = rotate(keys[0, head, entry : entry + 1], int(delta[0, head, entry]), frequencies(8))
            assert torch.equal(got[0, head, entry], alone[0])
    by_head = rotate(keys, torch.tensor([[3], [40], [-5]]), frequencies(8))
    assert torch.equal(by_head[0, 1], rotate(keys[0, 1], 40, frequencies(8)))


def test_no_delta_changes_no_value() -> None:
    keys = keys_of(2, 5, 64, dtype=torch.bfloat16)
    assert torch.equal(rotate(keys, 0, frequencies(32)), keys)


@pytest.mark.parametrize("interleaved", [False, True], ids=["halves", "pairs"])
@pytest.mark.parametrize("chunk", [1, 1000, 1 << 30])
def test_in_place_gives_the_same_bits_and_touches_nothing_else(
    chunk: int, interleaved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_of(1, 3, 45, 64, dtype=torch.bfloat16)
    delta = torch.randint(-500, 500, (1, 3, 45), generator=torch.Generator().manual_seed(1))
    expected = rotate(keys, delta, frequencies(24), interleaved=interleaved, start=8)
    monkeypatch.setattr(cpu, "_CHUNK", chunk)
    buffer = torch.full((1, 3, 99, 64), float("nan"), dtype=torch.bfloat16)
    buffer[:, :, 20:65] = keys
    rotate_(buffer[:, :, 20:65], delta, frequencies(24), interleaved=interleaved, start=8)
    assert torch.equal(buffer[:, :, 20:65], expected)
    assert buffer[:, :, :20].isnan().all()
    assert buffer[:, :, 65:].isnan().all()


def test_no_keys() -> None:
    assert rotate(torch.empty(1, 3, 0, 64), 5, frequencies(32)).shape == (1, 3, 0, 64)
