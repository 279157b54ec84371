"""The memory of fixed size on the Triton path, interpreted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from perdure.kernels import dispatch, retrieve, retrieve_weighed_reference, update, update_reference
from perdure.kernels.infini import gpu

from .poisoning import poisoned  # noqa: F401
from .test_infini import RULES, block, empty, error

TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}

dtypes = pytest.mark.parametrize("dtype", TOLERANCE, ids=str)


def doubled(x: Tensor) -> Tensor:
    return torch.cat([x, -x], -1).exp()


@dtypes
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("heads", "kv_heads", "t", "dim", "width"),
    [(9, 3, 70, 64, 64), (32, 8, 9, 128, 128), (4, 4, 1, 40, 24), (2, 1, 33, 256, 80)],
    ids=str,
)
def test_it_matches_the_reference(
    heads: int, kv_heads: int, t: int, dim: int, width: int, rule: str, dtype: torch.dtype
) -> None:
    """Two blocks, the second one into a memory that gives something back; errors do not mount up."""
    memory, norm = expected = empty(kv_heads, dim, width)
    for seed in range(2):
        keys, values = block(seed, kv_heads, t, dim, width, dtype)
        expected = update_reference(*expected, keys, values, rule)
        memory, norm = gpu.update(memory, norm, keys, values, rule)
    query = block(7, heads, t, dim, 1, dtype)[0]
    out, log_norm = gpu.retrieve_weighed(query, memory, norm)
    read, log = retrieve_weighed_reference(query, memory, norm)
    print(
        f"error of memory {error(memory, expected[0]):.1e}, norm {error(norm, expected[1]):.1e}, out {error(out, read):.1e}"
    )
    assert error(memory, expected[0]) <= TOLERANCE[dtype]
    assert error(norm, expected[1]) <= TOLERANCE[torch.float32]
    assert error(out, read) <= TOLERANCE[dtype]
    assert torch.allclose(log_norm, log, atol=1e-5, rtol=0)
    assert torch.equal(gpu.retrieve(query, memory, norm), out)


@dtypes
def test_many_tiles_of_a_program(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """All rows of a memory's group in one program, the last tile not full."""
    state = update(*empty(3, 64, 40), *block(1, 3, 20, 64, 40))
    query = block(2, 9, 61, 64, 1, dtype)[0]
    expected = gpu.retrieve(query, *state)
    monkeypatch.setattr(gpu, "PROGRAMS", 1)
    assert torch.equal(gpu.retrieve(query, *state), expected)
    assert error(expected, retrieve_weighed_reference(query, *state)[0]) <= TOLERANCE[dtype]


@dtypes
@pytest.mark.parametrize("rule", RULES)
def test_another_feature_map(rule: str, dtype: torch.dtype) -> None:
    state = update(*empty(2, 32, 8), *block(1, 2, 9, 16, 8), rule, doubled)
    keys, values = block(6, 2, 13, 16, 8, dtype)
    got, expected = gpu.update(*state, keys, values, rule, doubled), update_reference(*state, keys, values, rule, doubled)
    assert error(got[0], expected[0]) <= TOLERANCE[dtype]
    assert error(got[1], expected[1]) <= TOLERANCE[dtype]
    query = block(8, 4, 5, 16, 8, dtype)[0]
    read = gpu.retrieve(query, *state, doubled)
    assert error(read, retrieve_weighed_reference(query, *state, doubled)[0]) <= TOLERANCE[dtype]


@dtypes
@pytest.mark.parametrize("rule", RULES)
def test_what_is_given_is_not_changed_and_nothing_around_it_is_read(rule: str, dtype: torch.dtype) -> None:
    state = update(*empty(2, 40, 40), *block(1, 2, 9, 40, 40))
    before = [part.clone() for part in state]
    keys, values = block(2, 2, 20, 40, 40, dtype)
    buffer = torch.full((2, 2, 90, 40), float("nan"), dtype=dtype)
    buffer[0, :, 30:50], buffer[1, :, 30:50] = keys, values
    got = gpu.update(*state, buffer[0, :, 30:50], buffer[1, :, 30:50], rule)
    assert all(torch.equal(a, b) for a, b in zip(got, gpu.update(*state, keys, values, rule), strict=True))
    assert torch.equal(gpu.retrieve(buffer[0, :, 30:50], *state), gpu.retrieve(keys, *state))
    assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))


@dtypes
@pytest.mark.parametrize("rule", RULES)
def test_a_memory_of_many_tokens_does_not_overflow(rule: str, dtype: torch.dtype) -> None:
    memory, norm = (1e4 * part for part in update(*empty(2, 40, 24), *block(1, 2, 30, 40, 24)))
    keys, values = block(2, 2, 20, 40, 24, dtype)
    got, expected = gpu.update(memory, norm, keys, values, rule)[0], update_reference(memory, norm, keys, values, rule)[0]
    assert error(got - memory, expected - memory) <= 1e-2
    assert norm.max() > 65504
    read = retrieve_weighed_reference(keys, memory, norm)
    out, log_norm = gpu.retrieve_weighed(keys, memory, norm)
    assert error(out, read[0]) <= TOLERANCE[dtype]
    assert torch.allclose(log_norm, read[1], atol=1e-5, rtol=0)


@dtypes
def test_an_empty_memory_reads_as_zeros(dtype: torch.dtype) -> None:
    query = block(1, 4, 3, 16, 8, dtype)[0]
    out, log_norm = gpu.retrieve_weighed(query, *empty(2, 16, 8))
    assert torch.equal(out, torch.zeros(4, 3, 8))
    assert torch.equal(log_norm, torch.full((4, 3), float("-inf")))


def test_no_tokens() -> None:
    state = update(*empty(2, 16, 8), *block(1, 2, 9, 16, 8))
    none = torch.empty(2, 0, 16)
    assert all(torch.equal(a, b) for a, b in zip(gpu.update(*state, none, none[..., :8]), state, strict=True))
    assert gpu.retrieve(none, *state).shape == (2, 0, 8)


def test_keys_and_values_of_different_dtypes_and_features_that_no_launch_fits() -> None:
    keys, values = block(2, 2, 20, 40, 24)
    mixed = gpu.update(*empty(2, 40, 24), keys, values.bfloat16())[0]
    assert error(mixed, update_reference(*empty(2, 40, 24), keys, values.bfloat16())[0]) <= 2e-6
    state = gpu.update(*empty(1, 300, 8), *block(1, 1, 9, 300, 8))
    assert error(state[0], update_reference(*empty(1, 300, 8), *block(1, 1, 9, 300, 8))[0]) <= 2e-6


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="hebb"):
        gpu.update(*empty(2, 16, 8), *block(1, 2, 3, 16, 8), "hebb")


def test_the_public_functions_come_here_when_they_are_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, values = block(2, 2, 20, 40, 24, torch.bfloat16)
    monkeypatch.setenv(dispatch.OVERRIDE, "triton")
    dispatch.override.cache_clear()
    try:
        state = update(*empty(2, 40, 24), keys, values)
        out = retrieve(keys, *state)
    finally:
        monkeypatch.undo()
        dispatch.override.cache_clear()
    assert torch.equal(state[0], gpu.update(*empty(2, 40, 24), keys, values)[0])
    assert torch.equal(out, gpu.retrieve(keys, *state))
