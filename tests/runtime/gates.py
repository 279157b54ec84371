"""Calibrations made up for tests: some gates open, some closed."""

from __future__ import annotations

from pathlib import Path

import torch

from perdure.memory.summary import Calibration
from perdure.runtime import Runtime
from perdure.runtime.calibrations import Calibrations, Stored, fingerprint


def made_up(
    rule: str = "linear", *, maps: bool = False, layers: int = 2, heads: int = 4, kv: int = 2, dim: int = 16
) -> Calibration:
    """For the tiny llama. A gate of each layer is closed."""
    generator = torch.Generator().manual_seed(5)
    gates = torch.rand(layers, heads, generator=generator) * 0.4
    gates[:, 1] = 0.0
    if not maps:
        return Calibration(rule, (gates,))
    keys, queries = (torch.randn(layers, n, dim, dim, generator=generator) / dim**0.5 for n in (kv, heads))
    return Calibration(rule, (gates,), (keys,), (queries,))


def put_in_force(runtime: Runtime, cache: Path, calibration: Calibration) -> Path:
    """Write a calibration where a runtime of the same model finds it."""
    store = Calibrations(cache, fingerprint(runtime.recipe), runtime.engine.adapter.banks)
    return store.write(Stored(calibration, {}))
