"""The delta rule on the Triton path: every launch configuration compiled for GPUs."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from perdure.kernels.delta import gpu, launches

from .compiling import assert_fits

KINDS = {2: "*bf16", 4: "*fp32"}

CASES = list(launches.LAUNCHES)

full_or_bare = pytest.mark.parametrize("full", [True, False], ids=["gates, bounds, queries", "update only"])


def compile_case(kernel: Any, given: dict[str, str], optional: dict[str, str], full: bool, **how: Any) -> None:
    """`optional` pointers are there or, unless `full`, left out."""
    constants = how.pop("constants") | {"UPCAST": False} | ({} if full else dict.fromkeys(optional))
    types = {"tokens": "i32", "heads": "i32", "rates": "*fp32"} | given | (optional if full else {})
    assert_fits(kernel, types, constants, aligned=["heads"], **how)


PREPARED = [
    (key, dtype, full)
    for key in CASES
    for dtype in launches.PRECISIONS
    for full in (True, False)
    if dtype.itemsize == key[1] and (full or dtype is not torch.float16)
]


@pytest.mark.parametrize(("key", "dtype", "full"), PREPARED, ids=str)
def test_prepare(key: tuple[int, int], dtype: torch.dtype, full: bool) -> None:
    size, launch = key[0], launches.LAUNCHES[key]
    kind = {torch.bfloat16: "*bf16", torch.float16: "*fp16", torch.float32: "*fp32"}[dtype]
    sizes = {"SIZE": size, "K": size, "CHUNK": launch.chunk, "LEVELS": launch.chunk.bit_length() - 1}
    constants = sizes | {"PRECISION": launches.PRECISIONS[dtype]}
    optional = {"queries": kind, "scores": kind, "gates": "*fp32", "bounds": "*i32", "owner": "*i64", "first": "*i64"}
    given = {"keys": kind, "solved": kind, "cut": "i32"}
    compile_case(gpu._prepare, given, optional, full, constants=constants, warps=launch.preparing, stages=1)


@full_or_bare
@pytest.mark.parametrize("key", CASES, ids=str)
def test_scan(key: tuple[int, int], full: bool) -> None:
    (size, width), launch = key, launches.LAUNCHES[key]
    kind = KINDS[width]
    constants = {"SIZE": size, "WIDTH": size, "K": size, "COLUMNS": launch.columns, "CHUNK": launch.chunk}
    optional = {"queries": kind, "scores": kind, "out": kind, "gates": "*fp32", "bounds": "*i32"}
    given = {"keys": kind, "values": kind, "solved": kind, "state": "*fp32", "after": "*fp32"}
    compile_case(gpu._scan, given, optional, full, constants=constants, warps=launch.warps, stages=launch.stages)


@full_or_bare
@pytest.mark.parametrize("width", KINDS)
@pytest.mark.parametrize("size", launches.STEPPING)
def test_steps(size: int, width: int, full: bool) -> None:
    kind, (columns, warps) = KINDS[width], launches.STEPPING[size]
    constants = {"SIZE": size, "WIDTH": size, "K": size, "COLUMNS": columns}
    optional = {"queries": kind, "out": kind, "gates": "*fp32", "bounds": "*i32"}
    given = {"keys": kind, "values": kind, "state": "*fp32", "after": "*fp32"}
    compile_case(gpu._steps, given, optional, full, constants=constants, warps=warps, stages=1)
