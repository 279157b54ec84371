"""What was measured of the inspector's pages, and why what was missed is."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks._targets import judge
from benchmarks.inspector import REASONS, TARGETS

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks/results/inspector.json"


def test_each_target_was_measured_and_what_was_missed_has_a_reason() -> None:
    metrics = json.loads(RESULTS.read_text("utf-8"))["metrics"]
    assert metrics.keys() == TARGETS.keys()
    verdicts = judge(metrics, TARGETS, REASONS)
    assert {each.name for each in verdicts if each.met is False} == REASONS.keys()
