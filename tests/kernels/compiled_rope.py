"""The rotary shift compiled without a GPU (see test_triton.py)."""

from __future__ import annotations

import pytest

from perdure.kernels.rope.gpu import launch, rotate_kernel

from .compiling import assert_fits

STRIDES = [f"{whose}_{over}" for whose in ("source", "target") for over in ("outer", "inner", "row")]
TABLE = ["table_outer", "table_inner", "table_row"]


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
@pytest.mark.parametrize("interleaved", [False, True], ids=["halves", "pairs"])
@pytest.mark.parametrize("half", [32, 40, 64, 128])
def test_it_fits(half: int, interleaved: bool, kind: str) -> None:
    pointers = {"source": f"*{kind}", "target": f"*{kind}", "cosines": "*fp32", "sines": "*fp32"}
    types = pointers | dict.fromkeys(["length", "inner", *STRIDES, *TABLE], "i32")
    fixed = {"source_dim": 1, "target_dim": 1, **launch(half), "INTERLEAVED": interleaved, "UPCAST": False}
    aligned = [*STRIDES, *TABLE] if half % 16 == 0 else STRIDES
    assert_fits(rotate_kernel, types, fixed, aligned=aligned)
