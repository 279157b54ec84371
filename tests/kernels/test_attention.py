"""The fast attention call against its float64 definition."""

from __future__ import annotations

import pytest
import torch

from perdure.kernels import attend, attend_each, attend_reference

TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 1e-2}

SHAPES = [
    pytest.param(4, 2, 1, 1, 64, id="first token"),
    pytest.param(9, 3, 1, 1023, 64, id="decode, odd length"),
    pytest.param(4, 4, 1, 200, 64, id="decode, no grouping"),
    pytest.param(14, 2, 1, 65, 64, id="decode, seven heads a key"),
    pytest.param(9, 3, 128, 128, 64, id="first chunk"),
    pytest.param(8, 2, 37, 165, 80, id="ragged chunk"),
    pytest.param(6, 6, 5, 70, 16, id="no grouping"),
]


def inputs(heads: int, kv_heads: int, t: int, n: int, dim: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(t * 1009 + n)
    shapes = [(1, heads, t, dim), (1, kv_heads, n, dim), (1, kv_heads, n, dim)]
    query, key, value = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    return query, key, value


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("heads", "kv_heads", "t", "n", "dim"), SHAPES)
def test_it_matches_the_reference(heads: int, kv_heads: int, t: int, n: int, dim: int, dtype: torch.dtype) -> None:
    query, key, value = inputs(heads, kv_heads, t, n, dim, dtype)
    out, lse = attend(query, key, value, dim**-0.5)
    expected, expected_lse = attend_reference(query, key, value, dim**-0.5)
    assert out.shape == expected.shape
    error = (out.double() - expected.double()).norm() / expected.double().norm()
    assert error <= TOLERANCE[dtype]
    assert torch.allclose(lse.double(), expected_lse.double(), atol=1e-5 if dtype is torch.float32 else 2e-2)


def test_the_reference_is_softmax_attention() -> None:
    query, key, value = inputs(2, 2, 3, 3, 8, torch.float32)
    expected = torch.nn.functional.scaled_dot_product_attention(query.double(), key.double(), value.double(), is_causal=True)
    assert torch.allclose(attend_reference(query, key, value, 8**-0.5)[0].double(), expected, atol=1e-6)


@pytest.mark.parametrize("t", [1, 64])
def test_bits_do_not_depend_on_where_the_cache_lies(t: int) -> None:
    """A slice of a larger buffer and a copy of it give equal bits; memory beyond the slice is never read."""
    query, key, value = inputs(9, 3, t, 200, 64, torch.bfloat16)
    buffer = torch.full((2, 1, 3, 777, 64), float("nan"), dtype=torch.bfloat16)
    buffer[0, :, :, :200], buffer[1, :, :, :200] = key, value
    sliced = attend(query, buffer[0, :, :, :200], buffer[1, :, :, :200], 0.125)
    whole = attend(query, key, value, 0.125)
    assert torch.equal(sliced[0], whole[0])
    assert torch.equal(sliced[1], whole[1])


def test_the_future_is_not_seen() -> None:
    query, key, value = inputs(4, 2, 8, 20, 16, torch.float32)
    before = attend(query, key, value, 0.25)[0]
    key[:, :, -1], value[:, :, -1] = 100.0, 100.0
    after = attend(query, key, value, 0.25)[0]
    assert torch.equal(before[:, :, :-1], after[:, :, :-1])
    assert not torch.equal(before[:, :, -1], after[:, :, -1])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_rows_of_several_sequences_have_the_bits_of_each(dtype: torch.dtype) -> None:
    several = [inputs(9, 3, 1, n, 64, dtype) for n in (1, 40, 200, 513)]
    query = torch.cat([each[0] for each in several])[:, :, 0]
    found = attend_each(query, [key for _, key, _ in several], [value for _, _, value in several], 0.125)
    assert found.is_contiguous()
    assert torch.equal(found, torch.cat([attend(own, key, value, 0.125)[0] for own, key, value in several])[:, :, 0])
