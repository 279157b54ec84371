"""Attention over a cache in blocks on the Triton path: every launch configuration compiled for GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.kernels.paged import gpu, launches
from perdure.kernels.tiles import padded

from .compiling import assert_fits

KINDS = {2: "*bf16", 4: "*fp32"}

STRIDES = ["table_stride", "query_row", "query_head", "k_block", "k_slot", "k_head", "v_block", "v_slot", "v_head"]

PARTS = ["k_scale", "k_zero", "v_scale", "v_zero"]


def compile_case(
    width: int,
    dim: int,
    launch: launches.Launch,
    decoding: bool,
    bits: int,
    group: int = 4,
    splits: int = 1,
    kind: str | None = None,
) -> None:
    kind = kind or KINDS[width]
    types = {"out": kind if splits == 1 else "*fp32", "lse": "*fp32", "query": kind, "table": "*i32", "lens": "*i32"}
    types |= dict.fromkeys(["keys", "values"], "*u8" if bits else kind)
    types |= dict.fromkeys(["n_rows", "sequences", "window", *STRIDES], "i32") | {"scale": "fp32"}
    constants: dict[str, Any] = {"SIZE": 16, "HEADS": 8, "GROUP": group, "DIM": dim, "BITS": bits, "CAUSAL": True}
    constants |= {"WINDOWED": not decoding, "SEQUENCES": 16, "SPLITS": splits, "PADDED": padded(dim), "UPCAST": False}
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


CASES = [(*key, bits) for key in launches.CONFIGS for bits in ([8, 4] if key[2] else [0])]


@pytest.mark.parametrize("decoding", [True, False], ids=["decode", "chunks"])
@pytest.mark.parametrize(("width", "dim", "coded", "bits"), CASES, ids=str)
def test_it_fits(width: int, dim: int, coded: bool, bits: int, decoding: bool) -> None:
    few, many = launches.CONFIGS[width, dim, coded]
    compile_case(width, dim, few if decoding else many, decoding, bits, splits=8 if decoding else 1)


@pytest.mark.parametrize(("dim", "group"), [(64, 3), (40, 4), (80, 5), (128, 32)], ids=str)
def test_odd_sizes_fit(dim: int, group: int) -> None:
    launch = launches.CONFIGS[2, padded(dim), False][0]
    compile_case(2, dim, launch._replace(rows=max(16, group)), decoding=True, bits=0, group=group)


def test_float16_takes_the_launches_of_two_bytes() -> None:
    compile_case(2, 128, launches.CONFIGS[2, 128, False][0], decoding=True, bits=0, splits=8, kind="*fp16")
    compile_case(2, 128, launches.CONFIGS[2, 128, True][1], decoding=False, bits=4, kind="*fp16")
