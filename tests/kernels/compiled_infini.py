"""The memory of fixed size on the Triton path: every launch configuration compiled for GPUs."""

from __future__ import annotations

import pytest

from perdure.kernels.infini import gpu
from perdure.kernels.infini.features import FLOOR

from .compiling import assert_fits

KINDS = {2: "*bf16", 4: "*fp32"}


UPDATED = [(key, KINDS[key[1]], delta) for key in gpu.UPDATES for delta in (True, False)] + [((128, 2), "*fp16", True)]


@pytest.mark.parametrize(("key", "kind", "delta"), UPDATED, ids=str)
def test_update(key: tuple[int, int], kind: str, delta: bool) -> None:
    size, launch = key[0], gpu.UPDATES[key]
    strides = ["key_head", "key_token", "value_head", "value_token"]
    types = {"keys": kind, "values": kind} | dict.fromkeys(["tokens", *strides], "i32")
    types |= dict.fromkeys(["memory", "norm", "after", "total"], "*fp32")
    constants = {"FEATURES": size, "WIDTH": size, "F": size, "ROWS": launch.tokens, "COLUMNS": launch.columns}
    constants |= {"DELTA": delta, "MAPPED": False, "UPCAST": False}
    how = {"warps": launch.warps, "stages": launch.stages}
    assert_fits(gpu._update, types, {**constants, "LEAST": FLOOR}, aligned=strides, **how)


@pytest.mark.parametrize("decoding", [True, False], ids=["decoding", "prefill"])
@pytest.mark.parametrize("key", gpu.RETRIEVALS, ids=str)
def test_retrieve(key: tuple[int, int], decoding: bool) -> None:
    (size, width), launch = key, gpu.RETRIEVALS[key]
    strides, numbers = ["query_head", "query_token"], ["tokens", "group", "each"]
    types = {"queries": KINDS[width]} | dict.fromkeys(strides + numbers, "i32")
    types |= dict.fromkeys(["memory", "norm", "out", "log_norm"], "*fp32")
    constants = {"FEATURES": size, "WIDTH": size, "F": size, "COLUMNS": launch.columns, "MAPPED": False, "UPCAST": False}
    constants["ROWS"] = gpu.DECODING if decoding else launch.tokens
    how = {"warps": launch.warps, "stages": launch.stages}
    assert_fits(gpu._retrieve, types, {**constants, "LEAST": FLOOR}, aligned=strides, **how)
