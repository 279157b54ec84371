"""What each metric of `benchmarks.state` should reach, and in words why one does not."""

from __future__ import annotations

from ._targets import Target

TARGETS: dict[str, Target] = {
    "families_total": Target(None, True, "", "families tried, each in float32 and bfloat16"),
    "families_exact": Target(None, True, "", "those that a new process continues bit by bit in both"),
    "families_failing": Target(0, False, "", "those that it does not"),
    "diverge_reuse_sliding": Target(0.95, True, "", "median share of a common prefix taken from the store, Gemma-3-shaped"),
    "diverge_reuse_sliding_boundary": Target(None, True, "", "the same where messages and answers begin"),
    "diverge_reuse_sliding_inside": Target(None, True, "", "the same inside messages"),
    "diverge_reuse_sliding_min": Target(None, True, "", "the worst place of all"),
    "diverge_reuse_sliding_control": Target(None, True, "", "with nothing kept behind the window"),
    "diverge_reuse_hybrid": Target(0.95, True, "", "median share of a common prefix taken from the store, Jamba-shaped"),
    "diverge_reuse_hybrid_boundary": Target(None, True, "", "the same where messages and answers begin"),
    "diverge_reuse_hybrid_inside": Target(None, True, "", "the same inside messages"),
    "diverge_reuse_hybrid_min": Target(None, True, "", "the worst place of all"),
    "diverge_reuse_hybrid_control": Target(None, True, "", "with the newest snapshot only"),
    "checkpoint_overhead": Target(0.05, False, "", "turns with snapshots / the same turns without any, less one"),
    "checkpoint_overhead_parts": Target(0.05, False, "", "time in marks and longer commits / a turn without any"),
    "rewind_50_ms": Target(None, False, "ms", "going 50 turns back, Mamba 768 x 24"),
    "memory_over_analytic": Target(1.02, False, "x", "bytes that a state holds / what the layers say, the furthest from 1"),
    "memory_slack": Target(None, False, "", "room for more tokens / bytes held at 256k, the most of all models"),
}

REASONS: dict[str, str] = {
    "memory_slack": (
        "A sliding buffer moves up only where half of it is free, and grows by up to 4,096 tokens until that is so: with a "
        "window of 4,096 it ends at 12,800."
    ),
    "diverge_reuse_hybrid_min": "A place near the beginning: in the first chunk, or where old snapshots were thinned out.",
    "diverge_reuse_sliding_min": "A place in the first chunk of 128 tokens: one can go back to the beginning only.",
}
"""Metric name -> why its target is missed or its number is what it is, written by hand after looking into it."""
