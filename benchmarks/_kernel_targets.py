"""What each metric of `benchmarks.kernels` should reach on a CPU, and in words why one does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._kernel_cases import ATTEND, LLAMA, SMOL
from ._targets import Target

SDPA = "SDPA, grouped"

TARGETS: dict[str, Target] = {
    "attention_vs_sdpa_8k": Target(
        6, True, "x", "a token's attention over 8,192 contiguous ones, 9 heads over 3: SDPA / ours"
    ),
    "attention_vs_sdpa_8k_llama": Target(6, True, "x", "the same with 32 heads of 128 over 8"),
    "quantise_gb_s": Target(5, True, "GB/s", "8 bits, of the numbers given, one thread"),
    "quantise_4_gb_s": Target(5, True, "GB/s", "4 bits, likewise"),
    "dequantise_gb_s": Target(5, True, "GB/s", "from 8 bits, of the numbers given back, one thread"),
    "dequantise_4_gb_s": Target(5, True, "GB/s", "from 4 bits, likewise"),
    "block_score_vs_bmm": Target(2, True, "x", "scores of 4,096 or more blocks: bmm / ours"),
}

REASONS: dict[str, str] = {
    "quantise_gb_s": "Eight passes over each number take 4.2 GB/s by themselves, and what belongs to groups half as long "
    "again. The best of many rounds was 3.5; eighteen ways were tried, and a compiler brings 1.2 to 1.4 times "
    "(docs/decisions/0016).",
    "quantise_4_gb_s": "As with 8 bits.",
    "dequantise_4_gb_s": "Two passes more than with 8 bits, to take the codes of a byte apart.",
}
"""Metric name -> why its target is missed, written by hand after looking into it."""

_RATES = {
    "quantise_gb_s": "7 pack, 8 bits",
    "quantise_4_gb_s": "7 pack, 4 bits",
    "dequantise_gb_s": "7 unpack, 8 bits",
    "dequantise_4_gb_s": "7 unpack, 4 bits",
}

_RATIOS = {
    "attention_vs_sdpa_8k": (f"{ATTEND}, {SMOL}", SDPA),
    "attention_vs_sdpa_8k_llama": (f"{ATTEND}, {LLAMA}", SDPA),
    "block_score_vs_bmm": ("9 block score", "bmm"),
}


def metrics_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Every metric whose parts were measured, by name."""
    timed = {row["name"]: row for row in rows if row["right"]}
    rates = {name: timed[row]["given_gb_per_s"] for name, row in _RATES.items() if row in timed}
    ratios = {
        name: timed[row]["peers"][peer] / timed[row]["ms"]
        for name, (row, peer) in _RATIOS.items()
        if row in timed and peer in timed[row]["peers"]
    }
    return rates | ratios
