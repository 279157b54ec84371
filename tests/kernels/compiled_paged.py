"""Attention over a cache in blocks on the Triton path: every launch configuration compiled for GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.kernels.paged import gpu

from .compiling import assert_fits

KINDS = {2: "*bf16", 4: "*fp32"}

STRIDES = ["table_stride", "query_row", "query_head", "k_block", "k_slot", "k_head", "v_block", "v_slot", "v_head"]

PARTS = ["k_scale", "k_zero", "v_scale", "v_zero"]


def compile_case(
    width: int, dim: int, launch: gpu.Launch, decoding: bool, bits: int, group: int = 4, splits: int = 1
) -> None:
    kind = KINDS[width]
    types = {"out": kind if splits == 1 else "*fp32", "lse": "*fp32", "query": kind, "table": "*i32", "lens": "*i32"}
    types |= dict.fromkeys(["keys", "values"], "*u8" if bits else kind)
    types |= dict.fromkeys(["n_rows", "sequences", "window", *STRIDES], "i32") | {"scale": "fp32"}
    constants: dict[str, Any] = {"SIZE": 16, "HEADS": 8, "GROUP": group, "DIM": dim, "BITS": bits, "CAUSAL": True}
    constants |= {"WINDOWED": not decoding, "SEQUENCES": 16, "SPLITS": splits, "PADDED": dim, "UPCAST": False}
    constants |= {"ROWS": launch.rows, "KEYS": launch.keys}
    if decoding:
        constants["cu_q"] = None
    else:
        types["cu_q"] = "*i32"
    if bits:
        types |= dict.fromkeys(PARTS, kind)
    else:
        constants |= dict.fromkeys(PARTS)
    assert_fits(gpu._attend, types, constants, aligned=STRIDES, warps=launch.warps, stages=launch.stages)


@pytest.mark.parametrize("bits", [0, 8, 4])
@pytest.mark.parametrize("decoding", [True, False], ids=["decode", "chunks"])
@pytest.mark.parametrize(("width", "dim"), gpu.CONFIGS, ids=str)
def test_it_fits(width: int, dim: int, decoding: bool, bits: int) -> None:
    few, many = gpu.CONFIGS[width, dim]
    compile_case(width, dim, few if decoding else many, decoding, bits, splits=8 if decoding else 1)


def test_groups_that_are_no_power_of_two_fit() -> None:
    compile_case(2, 64, gpu.CONFIGS[2, 64][0], decoding=True, bits=0, group=3)
