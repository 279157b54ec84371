"""The memory of fixed size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from perdure.kernels import (
    elu_plus_one,
    gate,
    merge,
    retrieve,
    retrieve_reference,
    retrieve_weighed,
    retrieve_weighed_reference,
    update,
    update_reference,
)
from perdure.kernels.infini.reference import retrieve_work, update_work

DTYPES = [torch.float32, torch.bfloat16]
RULES = ["linear", "delta"]


def empty(heads: int, dim: int, width: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(heads, dim, width), torch.zeros(heads, dim)


def block(seed: int, heads: int, t: int, dim: int, width: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    keys, values = (torch.randn(heads, t, size, generator=generator) for size in (dim, width))
    return keys.to(dtype), values.to(dtype)


def error(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected.double()).norm() / expected.double().norm())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("heads", "kv_heads", "t", "dim", "width"),
    [(9, 3, 128, 64, 64), (32, 8, 37, 128, 128), (4, 4, 1, 40, 24)],
    ids=str,
)
def test_it_matches_the_reference(
    heads: int, kv_heads: int, t: int, dim: int, width: int, rule: str, dtype: torch.dtype
) -> None:
    """Two blocks, the second one into a memory that gives something back."""
    memory, norm = empty(kv_heads, dim, width)
    for seed in range(2):
        keys, values = block(seed, kv_heads, t, dim, width, dtype)
        expected = update_reference(memory, norm, keys, values, rule)
        memory, norm = update(memory, norm, keys, values, rule)
        assert error(memory, expected[0]) <= 2e-6
        assert error(norm, expected[1]) <= 2e-6
    query = block(7, heads, t, dim, 1, dtype)[0]
    out = retrieve(query, memory, norm)
    assert out.shape == (heads, t, width)
    assert out.dtype is torch.float32
    assert error(out, retrieve_reference(query, memory, norm)) <= 2e-6


@given(order=st.permutations(range(5)))
@settings(deadline=None, max_examples=20)
def test_linear_memories_add_up_in_any_order(order: list[int]) -> None:
    blocks = [block(seed, 2, 3 + 7 * seed, 16, 8) for seed in range(5)]
    keys, values = (torch.cat(parts, 1) for parts in zip(*blocks, strict=True))
    whole = update(*empty(2, 16, 8), keys, values)
    each = [update(*empty(2, 16, 8), *blocks[i]) for i in order]
    for i in range(2):
        assert torch.allclose(torch.stack([state[i] for state in each]).sum(0), whole[i], rtol=1e-5, atol=1e-5)
    memory, norm = empty(2, 16, 8)
    for i in order:
        memory, norm = update(memory, norm, *blocks[i])
    assert torch.allclose(memory, whole[0], rtol=1e-5, atol=1e-5)
    assert torch.allclose(norm, whole[1], rtol=1e-5, atol=1e-5)


def test_one_key_reads_back_its_value_and_delta_writes_it_only_once() -> None:
    keys, values = block(3, 2, 1, 16, 8)
    once = update(*empty(2, 16, 8), keys, values, "delta")
    assert torch.equal(once[0], update(*empty(2, 16, 8), keys, values)[0])
    assert torch.allclose(retrieve(keys, *once), values, atol=1e-5)
    twice = update(*once, keys, values, "delta")
    assert torch.allclose(twice[0], once[0], atol=1e-5)


def test_a_read_is_a_weighted_mean_of_the_values() -> None:
    keys, values = block(4, 1, 11, 16, 8)
    query = block(5, 3, 6, 16, 8)[0]
    weights = elu_plus_one(query) @ elu_plus_one(keys).transpose(-1, -2)
    expected = weights / weights.sum(-1, keepdim=True) @ values
    assert torch.allclose(retrieve(query, *update(*empty(1, 16, 8), keys, values)), expected, atol=1e-5)


def test_an_empty_memory_reads_as_zeros() -> None:
    query = block(1, 4, 3, 16, 8)[0]
    assert torch.equal(retrieve(query, *empty(2, 16, 8)), torch.zeros(4, 3, 8))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_weights_of_a_read_are_told(dtype: torch.dtype) -> None:
    memory, norm = update(*empty(3, 40, 24), *block(3, 3, 50, 40, 24, dtype))
    query = block(5, 9, 7, 40, 1, dtype)[0]
    (out, log_norm), expected = retrieve_weighed(query, memory, norm), retrieve_weighed_reference(query, memory, norm)
    assert torch.equal(out, retrieve(query, memory, norm))
    assert log_norm.shape == (9, 7)
    assert log_norm.dtype is torch.float32
    assert torch.allclose(log_norm, expected[1], atol=1e-5, rtol=0)


def test_reads_of_two_memories_merge_to_that_of_both() -> None:
    parts = [update(*empty(2, 16, 8), *block(seed, 2, 20 + seed, 16, 8)) for seed in range(2)]
    query = block(5, 6, 4, 16, 8)[0]
    merged, log_norm = merge([retrieve_weighed(query, *part) for part in (*parts, empty(2, 16, 8))])
    both = retrieve_weighed(query, parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
    assert torch.allclose(merged, both[0], atol=1e-6)
    assert torch.allclose(log_norm, both[1], atol=1e-5)
    assert torch.equal(retrieve_weighed(query, *empty(2, 16, 8))[1], torch.full((6, 4), float("-inf")))


def test_the_work_of_the_named_sizes() -> None:
    """B64 T2048 Hq32 Hkv8 D128 in bfloat16."""
    keys, memory = (
        torch.empty(512, 2048, 128, dtype=torch.bfloat16, device="meta"),
        torch.empty(512, 128, 128, device="meta"),
    )
    moved, done = update_work(memory, keys, keys, "delta")
    assert moved / 1e6 == pytest.approx(604, abs=1)
    assert done / 1e9 == pytest.approx(69, abs=1)
    query = torch.empty(2048, 2048, 128, dtype=torch.bfloat16, device="meta")
    assert retrieve_work(query, memory)[1] / 1e9 == pytest.approx(139, abs=1)


def test_the_feature_map_can_be_another_of_another_size() -> None:
    def doubled(x: Tensor) -> Tensor:
        return torch.cat([x, -x], -1).exp()

    keys, values = block(6, 2, 13, 16, 8)
    got = update(*empty(2, 32, 8), keys, values, "delta", doubled)
    expected = update_reference(*empty(2, 32, 8), keys, values, "delta", doubled)
    assert error(got[0], expected[0]) <= 2e-6
    query = block(8, 4, 5, 16, 8)[0]
    assert error(retrieve(query, *got, doubled), retrieve_reference(query, *got, doubled)) <= 2e-6


@pytest.mark.parametrize("rule", RULES)
def test_what_is_given_is_not_changed_and_nothing_around_it_is_read(rule: str) -> None:
    state = update(*empty(2, 16, 16), *block(1, 2, 9, 16, 16))
    before = [part.clone() for part in state]
    keys, values = block(2, 2, 20, 16, 16)
    buffer = torch.full((2, 2, 90, 16), float("nan"))
    buffer[0, :, 30:50], buffer[1, :, 30:50] = keys, values
    got = update(*state, buffer[0, :, 30:50], buffer[1, :, 30:50], rule)
    assert all(torch.equal(a, b) for a, b in zip(got, update(*state, keys, values, rule), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(state, before, strict=True))


def test_the_gate_is_for_each_query_head() -> None:
    out, local = torch.randn(3, 5, 8), torch.randn(1, 3, 5, 8).bfloat16()
    mixed = gate(out, local, torch.tensor([0.0, 1.0, 0.25]))
    assert mixed.dtype is torch.bfloat16
    assert torch.equal(mixed[:, 0], local[:, 0])
    assert torch.equal(mixed[0, 1], out[1].bfloat16())
    assert torch.allclose(mixed[0, 2].float(), 0.25 * out[2] + 0.75 * local[0, 2].float(), atol=2e-2)


@pytest.mark.parametrize("function", [update, update_reference], ids=["cpu", "reference"])
def test_an_unknown_rule_is_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="hebb"):
        function(*empty(2, 16, 8), *block(1, 2, 3, 16, 8), "hebb")
