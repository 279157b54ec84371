"""The benchmark of states, in small; docs/state.md prints what its result file says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import _state_diverge, _state_memory
from benchmarks._state_families import Finding, examine
from benchmarks._state_kit import CHILD, make, runtime
from benchmarks._state_tables import renewed, size
from benchmarks._state_targets import REASONS, TARGETS
from benchmarks._targets import judge
from benchmarks.plot_state import _heights
from perdure.testing.families import FAMILIES, NEWER

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "state.md").read_text(encoding="utf-8")
RESULT = json.loads((ROOT / "benchmarks" / "results" / "state.json").read_text())


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in CHILD.items():
        monkeypatch.setenv(name, value)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_the_page_has_the_numbers_of_the_result_file() -> None:
    assert renewed(PAGE, RESULT) == PAGE, "run `python -m benchmarks.plot_state benchmarks/results/state.json`"


def test_the_page_names_every_family() -> None:
    assert [family for family in (*FAMILIES, *NEWER) if f"`{family}`" not in PAGE] == []


def test_every_target_is_measured_and_every_miss_has_a_reason() -> None:
    verdicts = judge(RESULT["metrics"], TARGETS, REASONS)
    assert [verdict.name for verdict in verdicts if verdict.value is None] == []
    assert [verdict.name for verdict in verdicts if verdict.met is False and verdict.name not in REASONS] == []


def test_a_new_process_goes_on(tmp_path: Path) -> None:
    told: list[str] = []
    assert examine(["mamba"], tmp_path, told.append) == [Finding("mamba", "float32", ""), Finding("mamba", "bfloat16", "")]
    assert len(told) == 2


def test_a_defect_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another last message here than in the child."""
    monkeypatch.setattr("benchmarks._state_families.LAST", "Not so.")
    assert all("turn 3" in finding.defect for finding in examine(["llama"], tmp_path, lambda _: None))


def test_what_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_state_diverge, "TOKENS", 900)
    monkeypatch.setattr(_state_diverge, "PLACES", 6)
    found = list(_state_diverge.measure("mamba", tmp_path, control_every=1))
    assert {place.kind for _, place, _ in found} >= {"inside"}
    ours = [sample for system, _, sample in found if system == "perdure"]
    assert all(0 <= sample["recomputed"] <= sample["common"] for sample in ours)
    assert all(sample["recomputed"] < 256 for sample in ours)
    assert all(sample["reuse"] == 0 for system, _, sample in found if system != "perdure")


def test_bytes_of_a_state(tmp_path: Path) -> None:
    with runtime(make("recurrent_gemma", tmp_path), tmp_path / "store") as rt:
        found = dict(_state_memory.grown(rt.engine, (100, 2_000)))
        disk = dict(_state_memory.stored(rt.engine, (1_024, 8_192)))
    assert all(sample["held_over_analytic"] == 1 for sample in found.values())
    assert found[2_000]["held_bytes"] == found[100]["held_bytes"] <= found[100]["allocated_bytes"]
    assert disk[8_192].windows == 8 * disk[1_024].windows
    assert disk[1_024].kept < disk[8_192].kept < 8 * disk[1_024].kept


def test_labels_keep_apart() -> None:
    low, middle, high = _heights([100.0, 101.0, 1e6], (1.0, 1e7))
    assert middle / low > 1.5
    assert high == pytest.approx(1e6)


@pytest.mark.parametrize(
    ("nbytes", "text"), [(5, "5 B"), (65_536, "64 KiB"), (1 << 30, "1 GiB"), (1.5 * (1 << 20), "1.5 MiB")]
)
def test_sizes(nbytes: float, text: str) -> None:
    assert size(nbytes) == text
