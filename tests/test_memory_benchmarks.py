"""The page about what is remembered beyond the window says what the result files say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import passkey, recall, search, summary
from benchmarks._targets import Target, judge
from benchmarks.plot_memory import MARK, known, read, renewed

ROOT = Path(__file__).parents[1]
RESULTS = read(ROOT / "benchmarks" / "results")
PAGE = (ROOT / "docs" / "memory.md").read_text(encoding="utf-8")


def test_the_page_has_the_numbers_of_the_result_files() -> None:
    assert renewed(PAGE, RESULTS) == PAGE, "run `python -m benchmarks.plot_memory`"


@pytest.mark.parametrize(
    ("name", "targets", "reasons"),
    [
        ("recall", recall.TARGETS, recall.REASONS),
        ("passkey", passkey.TARGETS, passkey.REASONS),
        ("summary", summary.TARGETS, summary.REASONS),
        ("search", search.TARGETS, search.REASONS),
    ],
)
def test_every_target_is_measured_and_every_miss_has_a_reason(
    name: str, targets: Mapping[str, Target], reasons: Mapping[str, str]
) -> None:
    verdicts = judge(RESULTS[name]["metrics"], targets, reasons)
    assert [verdict.name for verdict in verdicts if verdict.value is None] == []
    assert [v.name for v in verdicts if v.met is False and v.name not in reasons] == []


def test_sizes_that_were_not_measured_are_left_out() -> None:
    results = {"recall": {"metrics": {"recall_kv_keys_16k": 1.0}}, "passkey": {"metrics": {"passkey_kv": 0.5}}}
    assert known(results, "kv", "keys") == [("16k", 1.0), ("1m", 0.5)]
    assert known(results, "text", "facts") == []
    assert PAGE.count(MARK) == 2
