"""Merging on the Triton path, compiled for GPUs."""

from __future__ import annotations

import pytest

from perdure.kernels.combine import gpu
from perdure.kernels.tiles import padded

from .compiling import assert_fits

CASES = [(40, "*bf16"), (64, "*bf16"), (128, "*bf16"), (128, "*fp32"), (256, "*fp32")]

PARTS = [f"{name}_{part}" for part in "abcd" for name in ("out", "lse")]


def sizes(dim: int) -> dict[str, int]:
    return {"DIM": dim, "PADDED": padded(dim), "ROWS": gpu.rows_of(dim)}


@pytest.mark.parametrize(
    ("dim", "kind", "sources"), [(40, "*bf16", 2), (64, "*fp32", 4), (128, "*bf16", 2), (128, "*bf16", 4), (256, "*fp32", 4)]
)
def test_parts(dim: int, kind: str, sources: int) -> None:
    there, absent = PARTS[: 2 * sources], PARTS[2 * sources :]
    types = {name: kind if name.startswith("out") else "*fp32" for name in ["out", "lse", *there]}
    assert_fits(gpu._merge_parts, {**types, "n": "i32"}, {**dict.fromkeys(absent), **sizes(dim)}, aligned=["n"])


@pytest.mark.parametrize(("dim", "kind"), CASES)
def test_stacked(dim: int, kind: str) -> None:
    types = {"out": kind, "lse": "*fp32", "outs": "*fp32", "lses": "*fp32", "n": "i32", "sources": "i32"}
    assert_fits(gpu._merge_stacked, types, sizes(dim), aligned=["n"])


@pytest.mark.parametrize(("dim", "kind"), CASES)
def test_joined(dim: int, kind: str) -> None:
    types = {"joined": kind, "out": kind, "lse": "*fp32", "scores": "*fp32", "values": kind, "rows": "i32", "n": "i32"}
    constants = {"DIM": dim, "PADDED": padded(dim), "ROWS": gpu.JOINED_ROWS, "KEYS": gpu.JOINED_KEYS, "UPCAST": False}
    assert_fits(gpu._join, types, constants)
