"""Cached keys turned in Triton's interpreter (see test_triton.py)."""

from __future__ import annotations

import pytest
import torch

from perdure.kernels import rotate_reference
from perdure.kernels.rope.gpu import rotate, rotate_

from .poisoning import poisoned  # noqa: F401
from .test_rope import error, frequencies, keys_of

TOLERANCE = {torch.float32: 4e-7, torch.float16: 1e-3, torch.bfloat16: 4e-3}


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("interleaved", [False, True], ids=["halves", "pairs"])
@pytest.mark.parametrize(
    ("shape", "half", "start"),
    [
        pytest.param((1, 3, 37, 64), 32, 0, id="all dims"),
        pytest.param((2, 1, 1, 80), 10, 0, id="partial, one key"),
        pytest.param((3, 5, 96), 16, 64, id="the last dims"),
        pytest.param((5, 40), 20, 0, id="two dims"),
        pytest.param((2, 2, 3, 33, 128), 64, 0, id="five dims"),
    ],
)
def test_it_matches_the_reference(
    shape: tuple[int, ...], half: int, start: int, interleaved: bool, dtype: torch.dtype
) -> None:
    keys, delta = keys_of(*shape, dtype=dtype), torch.arange(shape[-2]) * 7001 - 90000
    got = rotate(keys, delta, frequencies(half), interleaved=interleaved, start=start)
    expected = rotate_reference(keys, delta, frequencies(half), interleaved=interleaved, start=start)
    assert got.dtype is dtype
    assert error(got, expected) <= TOLERANCE[dtype]
    for copied in (slice(0, start), slice(start + 2 * half, None)):
        assert torch.equal(got[..., copied], keys[..., copied])


@pytest.mark.parametrize("interleaved", [False, True], ids=["halves", "pairs"])
def test_in_place_gives_the_same_bits_and_touches_nothing_else(interleaved: bool) -> None:
    keys = keys_of(1, 3, 45, 64, dtype=torch.bfloat16)
    delta = torch.randint(-500, 500, (1, 3, 45), generator=torch.Generator().manual_seed(1))
    expected = rotate(keys, delta, frequencies(24), interleaved=interleaved, start=8)
    buffer = torch.full((1, 3, 99, 64), float("nan"), dtype=torch.bfloat16)
    buffer[:, :, 20:65] = keys
    rotate_(buffer[:, :, 20:65], delta, frequencies(24), interleaved=interleaved, start=8)
    assert torch.equal(buffer[:, :, 20:65], expected)
    assert buffer[:, :, :20].isnan().all()
    assert buffer[:, :, 65:].isnan().all()


def test_dims_may_lie_apart() -> None:
    keys = keys_of(3, 16, 9).transpose(1, 2)
    expected = rotate_reference(keys, 11, frequencies(8))
    assert error(rotate(keys, 11, frequencies(8)), expected) <= TOLERANCE[torch.float32]
    rotate_(keys, 11, frequencies(8))
    assert error(keys, expected) <= TOLERANCE[torch.float32]


def test_a_delta_for_each_head_or_none() -> None:
    keys, delta = keys_of(1, 3, 7, 16), torch.tensor([[3], [40], [-5]])
    got = rotate(keys, delta, frequencies(8))
    for head in range(3):
        assert torch.equal(got[0, head], rotate(keys[0, head], int(delta[head]), frequencies(8)))
    assert torch.equal(rotate(keys, 0, frequencies(8)), keys)


def test_no_keys() -> None:
    assert rotate(torch.empty(1, 3, 0, 64), 5, frequencies(32)).shape == (1, 3, 0, 64)
