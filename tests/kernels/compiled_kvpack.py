"""Packing of KV blocks compiled without a GPU (see test_triton.py)."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch

from perdure.kernels.kvpack.gpu import move_kernel, pack_kernel, unpack_kernel
from perdure.kernels.kvpack.launches import WORDS, warps
from perdure.kernels.kvpack.reference import share
from perdure.kernels.tiles import padded

from .compiling import assert_fits

KIND = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}


def constants(tokens: int, dim: int) -> dict[str, Any]:
    sizes = {"HEADS": 8, "TOKENS": tokens, "DIM": dim}
    return sizes | {"ROWS": padded(tokens, 1), "HALF": padded(dim // 2, 1), "UPCAST": False}


def signature(kind: str, bits: int) -> dict[str, str]:
    groups = ("k_scale", "k_zero", "v_scale", "v_zero")
    codes = "*u8" if bits < 16 else f"*{kind}"
    counts = {"n": "i32", "side_stride": "i64", "block_stride": "i64"}
    return {"layers": "*i64", "blocks": "*i32", "codes": codes, **dict.fromkeys(groups, f"*{kind}"), **counts}


ALIGNED = ("side_stride", "block_stride")


PACKED = [*product([(16, 64), (32, 128), (64, 128)], [4, 8], ["bf16", "fp32"]), ((32, 128), 8, "fp16")]


@pytest.mark.parametrize(("size", "bits", "kind"), PACKED, ids=str)
def test_packing_fits(size: tuple[int, int], bits: int, kind: str) -> None:
    tokens, dim = size
    fixed = constants(tokens, dim) | {"BITS": bits, "SHARE": share(getattr(torch, KIND[kind]), 2**bits - 1)}
    launch = warps(padded(tokens, 1), padded(dim, 1))
    assert_fits(pack_kernel, signature(kind, bits), fixed, aligned=ALIGNED, warps=launch)


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
@pytest.mark.parametrize(("bits", "turn"), [(4, True), (8, False), (16, True)])
@pytest.mark.parametrize(("tokens", "dim"), [(16, 64), (64, 128)])
def test_unpacking_fits(tokens: int, dim: int, bits: int, turn: bool, kind: str) -> None:
    types = signature(kind, bits) | {"cosines": "*fp32", "sines": "*fp32"}
    fixed = constants(tokens, dim) | {"BITS": bits, "TURN": turn}
    launch = warps(padded(tokens, 1), padded(dim, 1))
    assert_fits(unpack_kernel, types, fixed, aligned=ALIGNED, warps=launch)


@pytest.mark.parametrize("back", [False, True])
def test_moving_fits(back: bool) -> None:
    counts = {"n": "i32", "side_stride": "i64", "block_stride": "i64", "size": "i32"}
    types = {"layers": "*i64", "blocks": "*i32", "codes": "*i64", **counts}
    assert_fits(move_kernel, types, {"BACK": back, "WORDS": WORDS}, aligned=(*ALIGNED, "size"))
