"""The operations on a GPU that is there: `python -m pytest tests/kernels/test_gpu.py`. Without one, nothing here runs.

The cases of the interpreter run with a GPU's own arithmetic; what an interpreter is too slow for, or cannot show, is here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from perdure import kernels

from .test_graph import CALLS, equal, outcome
from .test_triton import INTERPRETED, ran

pytestmark = pytest.mark.gpu

FAR = 2**31
"""Elements from which on an address needs more than 32 bits."""


def there(given: Any) -> Any:
    """Tensors, and those of lists, tuples and records, on the GPU."""
    if isinstance(given, Tensor):
        return given.cuda()
    if isinstance(given, tuple) and hasattr(given, "_fields"):
        return type(given)(*map(there, given))
    if isinstance(given, list | tuple):
        return type(given)(map(there, given))
    if isinstance(given, dict):
        return {name: there(each) for name, each in given.items()}
    if is_dataclass(given) and not isinstance(given, type):
        return replace(given, **{field.name: there(getattr(given, field.name)) for field in fields(given)})
    return given


@pytest.fixture(autouse=True)
def _emptied() -> Iterator[None]:
    """What one case held or compiled is not in the way of the next."""
    yield
    torch.compiler.reset()
    torch.cuda.empty_cache()


@pytest.mark.parametrize("file", INTERPRETED, ids=lambda file: file.stem)
def test_the_cases_of_the_interpreter(file: Path, tmp_path: Path) -> None:
    ran(file, tmp_path, interpret=False)


@pytest.mark.parametrize("name", CALLS)
def test_equal_calls_give_equal_bits(name: str) -> None:
    function = CALLS[name]()[0]
    first, second = (outcome(function, there(CALLS[name]())) for _ in range(2))
    assert equal(first, second)
    assert all(tensor.is_cuda for tensor in first)


@pytest.mark.parametrize("name", CALLS)
def test_compiled_the_bits_are_the_same(name: str) -> None:
    compiled = torch.compile(CALLS[name]()[0], fullgraph=True, backend="aot_eager")
    assert equal(outcome(compiled, there(CALLS[name]())), outcome(CALLS[name]()[0], there(CALLS[name]())))


def large(*shape: int) -> Tensor:
    """bfloat16 numbers beyond FAR elements; skipped where the GPU has no room for them and a copy."""
    size = 2 * torch.Size(shape).numel()
    free = torch.cuda.mem_get_info()[0]
    if free < 3 * size:
        pytest.skip(f"{3 * size >> 30} GB of the GPU's memory are needed, {free >> 30} are free")
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16)


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_blocks_at_the_far_end_of_a_cache(bits: int) -> None:
    cache = large(2, FAR // (2 * 16 * 8 * 128) + 64, 16, 8, 128)
    ids = torch.tensor([cache.shape[1] - 1, 0, cache.shape[1] - 7], device="cuda")
    near, order = cache[:, ids].contiguous(), torch.arange(3, device="cuda")
    packed, expected = kernels.pack([cache], ids, bits), kernels.pack([near], order, bits)
    assert equal(list(packed), list(expected))
    kernels.unpack_([cache], ids, packed)
    kernels.unpack_([near], order, packed)
    assert torch.equal(cache[:, ids], near)


def test_keys_at_the_far_end_are_turned() -> None:
    keys = large(8, FAR // (8 * 128) + 64, 128)
    frequencies = 1.0 / 10000.0 ** (torch.arange(64, device="cuda") / 64)
    expected = kernels.rotate(keys[:, -100:].contiguous(), 77, frequencies)
    kernels.rotate_(keys, 77, frequencies)
    assert torch.equal(keys[:, -100:], expected)


def test_sources_of_many_rows_are_merged() -> None:
    out = large(1, 64, FAR // (64 * 128) + 64, 128)
    lse = torch.randn(out.shape[:3], device="cuda")
    tail = slice(out.shape[2] - 50, None)
    expected = kernels.merge([(out[:, :, tail], lse[:, :, tail])] * 2)[0]
    assert torch.equal(kernels.merge([(out, lse), (out, lse)])[0][:, :, tail], expected)


def test_blocks_at_the_far_end_are_summed_up_and_scored() -> None:
    keys = large(FAR // (8 * 128) + 64, 1, 8, 128)
    ids = torch.arange(len(keys) - 300, len(keys), device="cuda")
    near = keys[-300:].contiguous()
    found, expected = kernels.block_summary(keys, ids), kernels.block_summary(near, torch.arange(300, device="cuda"))
    assert equal(list(found), list(expected))
    query = torch.randn(1, 32, 128, device="cuda", dtype=torch.bfloat16)
    assert torch.equal(kernels.block_score(query, keys[:, 0])[..., -256:], kernels.block_score(query, near[-256:, 0]))
