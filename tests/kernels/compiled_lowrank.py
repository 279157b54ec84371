"""Low-rank updates compiled without a GPU (see test_triton.py)."""

from __future__ import annotations

import pytest

from perdure.kernels.lowrank.gpu import DEPTH, PART, SLICE, down_kernel, launch, up_kernel

from .compiling import assert_fits


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
@pytest.mark.parametrize("aligned", [True, False], ids=["aligned", "anywhere"])
@pytest.mark.parametrize("tokens", [1, 512])
def test_it_fits(tokens: int, aligned: bool, kind: str) -> None:
    shape, common = launch(tokens), {"SLICE": SLICE, "ALIGNED": aligned, "UPCAST": False}
    types = {"x": f"*{kind}", "hidden": "*fp32", "downs": "*i64", "rows": "*i32", "ranks": "*i32", "tokens": "i32"}
    fixed = {"TOKENS": shape["TOKENS"], "DEPTH": DEPTH, "PART": PART, **common}
    assert_fits(down_kernel, types | {"inputs": "i32"}, fixed, aligned=("inputs",))
    types = {"before": f"*{kind}", "out": f"*{kind}", "hidden": "*fp32", "ups": "*i64"}
    types |= {"ranks": "*i32", "strides": "*i32", "first": "*i64"} | dict.fromkeys(["tokens", "outputs", "parts"], "i32")
    assert_fits(up_kernel, types, {**shape, **common}, aligned=("outputs",))
