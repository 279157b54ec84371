"""The page about what is known across conversations says what the result file says."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import facts
from benchmarks._targets import judge
from benchmarks.plot_facts import MARK, renewed, shares

ROOT = Path(__file__).parents[1]
RESULT = json.loads((ROOT / "benchmarks" / "results" / "facts.json").read_text(encoding="utf-8"))
PAGE = (ROOT / "docs" / "fastweights.md").read_text(encoding="utf-8")


def test_the_page_has_the_numbers_of_the_result_file() -> None:
    assert renewed(PAGE, RESULT) == PAGE, "run `python -m benchmarks.plot_facts`"


def test_every_target_is_measured_and_every_miss_has_a_reason() -> None:
    verdicts = judge(RESULT["metrics"], facts.TARGETS, facts.REASONS)
    assert [verdict.name for verdict in verdicts if verdict.value is None] == []
    assert [v.name for v in verdicts if v.met is False and v.name not in facts.REASONS] == []
    assert set(facts.REASONS) <= set(facts.TARGETS)


def test_ways_that_were_not_measured_are_left_out() -> None:
    result = {"metrics": {"facts_10": 0.9, "facts_10_forced": 0.8}, "seen": {}}
    assert shares(result) == [("facts_10", "fast weights, 10 facts", 0.9, 0.8)]
    assert PAGE.count(MARK) == 2
