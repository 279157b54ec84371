"""Block summaries and scores compiled without a GPU (see test_triton.py)."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.kernels.selection.gpu import launch, score_kernel, summary_kernel
from perdure.kernels.tiles import padded

from .compiling import assert_fits


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "lengths"])
@pytest.mark.parametrize(("tokens", "dim"), [(16, 64), (64, 128)])
def test_summaries_fit(tokens: int, dim: int, lengths: bool, kind: str) -> None:
    types = dict.fromkeys(["keys", "mean", "least", "most"], f"*{kind}") | {"blocks": "*i32"}
    strides = ("block_stride", "token_stride", "head_stride")
    types |= dict.fromkeys(strides, "i32") | ({"lengths": "*i32"} if lengths else {})
    sizes = {"HEADS": 8, "TOKENS": tokens, "DIM": dim, "ROWS": padded(tokens, 1), "COLUMNS": padded(dim, 1), "UPCAST": False}
    fixed: dict[str, Any] = sizes if lengths else sizes | {"lengths": None}
    assert_fits(summary_kernel, types, fixed, aligned=strides)


@pytest.mark.parametrize("kind", ["bf16", "fp32"])
@pytest.mark.parametrize("bounds", [False, True], ids=["mean", "bounds"])
@pytest.mark.parametrize(("group", "dim"), [(3, 64), (4, 128), (1, 256)])
def test_scores_fit(group: int, dim: int, bounds: bool, kind: str) -> None:
    types = dict.fromkeys(["queries", "most"], f"*{kind}") | {"valid": "*u8", "scores": "*fp32"}
    types |= dict.fromkeys(["batch", "blocks", "valid_stride"], "i32") | ({"least": f"*{kind}"} if bounds else {})
    fixed = {"HEADS": 8, **launch(group, dim), "UPCAST": False} | ({} if bounds else {"least": None})
    assert_fits(score_kernel, types, fixed)
