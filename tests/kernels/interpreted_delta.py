"""The delta rule on the Triton path, interpreted."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from perdure.kernels import delta_update, dispatch
from perdure.kernels.delta import gpu
from perdure.kernels.delta.launches import FEW

from .poisoning import poisoned  # noqa: F401
from .test_delta import ROUNDING, Case, case, error

dtypes = pytest.mark.parametrize("dtype", ROUNDING, ids=str)


def check(asked: Case) -> None:
    dtype = asked.v.dtype
    (state, out), (expected_state, expected) = gpu.delta_update(*asked.given), asked.expected
    assert out is not None
    assert out.dtype is dtype
    print(f"error of state {error(state, expected_state):.1e}, of out {error(out, expected):.1e}")
    assert error(state, expected_state) <= ROUNDING[dtype]
    assert error(out, expected) <= ROUNDING[dtype]


@dtypes
@pytest.mark.parametrize("gated", [False, True], ids=["kept", "gated"])
@pytest.mark.parametrize("shape", [(2, 37, 3, 40, 24), (1, 70, 1, 64, 64), (1, 33, 2, 128, 128)], ids=str)
def test_it_matches_the_reference(shape: tuple[int, int, int, int, int], gated: bool, dtype: torch.dtype) -> None:
    check(case(*shape, dtype=dtype, gated=gated))


@dtypes
@pytest.mark.parametrize("lens", [[0, 33, 1, 0, 64, 0], [1, 0, 3, 1]], ids=["chunks", "steps"])
def test_ragged_and_empty_sequences(lens: list[int], dtype: torch.dtype) -> None:
    asked = case(1, sum(lens), 2, 40, 24, dtype, lens=lens)
    check(asked)
    found = gpu.delta_update(*asked.given)[0]
    assert all(torch.equal(found[n], asked.state[n]) for n, length in enumerate(lens) if not length)


@dtypes
@pytest.mark.parametrize("t", [1, FEW])
def test_a_few_tokens_are_written_one_by_one(t: int, dtype: torch.dtype) -> None:
    asked = case(2, t, 3, 64, 40, dtype)
    check(asked)
    assert error(gpu.delta_update(*asked.given)[0], asked.expected[0]) <= ROUNDING[torch.float32]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_wide_keys(dtype: torch.dtype) -> None:
    check(case(1, 40, 1, 256, 32, dtype))


def test_keys_that_no_launch_fits_go_the_other_way() -> None:
    check(case(1, 12, 1, 300, 16))


@pytest.mark.parametrize("closed", [-30.0, -1e4, float("-inf")])
@pytest.mark.parametrize("t", [8, 70])
def test_what_follows_a_closed_gate_keeps_its_digits(t: int, closed: float) -> None:
    asked = case(1, t, 1, 40, 24)
    assert asked.gate is not None
    asked.gate[:, 3] = closed
    check(asked)


def test_rates_of_one_and_keys_that_repeat() -> None:
    """The system that is solved is then as far from the identity as it gets with keys of length 1."""
    asked = case(1, 70, 1, 64, 16, gated=False)
    check(replace(asked, k=asked.k[:, :2].repeat(1, 35, 1, 1), beta=torch.ones_like(asked.beta)))


def test_without_queries_and_run_again_the_bits_are_the_same() -> None:
    asked = case(1, 70, 2, 40, 24, torch.bfloat16)
    state, out = gpu.delta_update(*asked.given)
    again, same = gpu.delta_update(*asked.given)
    alone, none = gpu.delta_update(*replace(asked, q=None).given)
    assert none is None
    assert out is not None
    assert same is not None
    assert torch.equal(out, same)
    assert torch.equal(state, again)
    assert torch.equal(state, alone)


def test_strided_tensors_and_rates_of_another_dtype() -> None:
    asked = case(2, 40, 2, 40, 24, torch.bfloat16)
    k = asked.k.transpose(1, 2).contiguous().transpose(1, 2)
    strange = replace(asked, k=k, beta=asked.beta.float())
    for a, b in zip(gpu.delta_update(*strange.given), gpu.delta_update(*asked.given), strict=True):
        assert a is not None
        assert b is not None
        assert torch.equal(a, b)


def test_no_tokens() -> None:
    asked = case(2, 0, 3, 16, 8)
    state, out = gpu.delta_update(*asked.given)
    assert torch.equal(state, asked.state)
    assert out is not None
    assert out.shape == (2, 0, 3, 8)


def test_the_public_function_comes_here_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = case(1, 9, 1, 16, 8)
    monkeypatch.setenv(dispatch.OVERRIDE, "triton")
    dispatch.override.cache_clear()
    try:
        found = delta_update(*asked.given)[0]
    finally:
        monkeypatch.undo()
        dispatch.override.cache_clear()
    assert torch.equal(found, gpu.delta_update(*asked.given)[0])
