"""The benchmark of the memory operations compares before it times."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from benchmarks import kernels
from benchmarks._kernel_case import Case, Size
from benchmarks._kernel_cases import CASES, ON_CPU
from benchmarks._kernel_targets import REASONS, TARGETS, metrics_of
from benchmarks._targets import judge

RESULT = json.loads((Path(__file__).parents[1] / "benchmarks" / "results" / "kernels.json").read_text(encoding="utf-8"))

TINY = ["--device", "cpu", "--part", "0.001", "--reps", "1", "--only", "2 merge"]


@pytest.fixture(autouse=True)
def _anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks._machine.pin", lambda threads, cpus=(): [0])


@pytest.mark.parametrize("name", CASES)
def test_each_operation_is_as_defined(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name](Size(kernels.SMALL, "cpu", torch.float32))
    assert kernels.apart(case.found(), case.expected()) <= kernels.GATES[torch.float32]
    assert case.work[0] > 0


def test_a_run_is_written_down(tmp_path: Path) -> None:
    kernels.main([*TINY, "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    (row,) = found["rows"]
    assert (found["device"], row["name"], row["right"]) == ("cpu", "2 merge", True)
    assert row["ms"] > 0


def test_what_is_wrong_is_not_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = Case(lambda: torch.ones(3), lambda: torch.zeros(3) + 2, (1, 1))
    monkeypatch.setattr(kernels, "CASES", {"2 merge": lambda size: wrong})
    with pytest.raises(SystemExit, match="differs from its definition"):
        kernels.main(["--device", "cpu", "--only", "2 merge"])
    assert "wrong" in capsys.readouterr().out


def test_a_peer_that_is_not_there_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def absent() -> Callable[[], Any]:
        raise ImportError("No module named 'fla'")

    def broken() -> Callable[[], Any]:
        return lambda: [][1]

    peers = {"there": lambda: lambda: torch.ones(3), "absent": absent, "broken": broken}
    case = Case(lambda: torch.ones(3), lambda: torch.ones(3), (1, 1), peers)
    monkeypatch.setattr(kernels, "CASES", {"2 merge": lambda size: case})
    result = kernels.report(kernels.parse(TINY), {"load1": 0.0}, [0])
    (row,) = result["rows"]
    assert list(row["peers"]) == ["there"]
    assert row["missing"] == {
        "absent": "ImportError: No module named 'fla'",
        "broken": "IndexError: list index out of range",
    }
    kernels.show(Console(width=200), result)
    assert "missing: 2 merge: absent (ImportError: No module named 'fla')" in capsys.readouterr().out


def test_peers_that_need_a_gpu_say_so() -> None:
    case = CASES["5 delta rule"](Size(kernels.SMALL, "cpu", torch.float32))
    assert kernels.ready(case.beside)[1] == {"fla chunk_delta_rule": "Missing: runs on a GPU only"}


def test_rates_are_of_the_numbers_that_are_quantised() -> None:
    case = CASES["7 pack, 8 bits"](Size(kernels.CPU, "cpu", torch.bfloat16))
    assert case.given == 2 * 2 * 32 * 16 * 8 * 128 * 2
    rows = [{"name": "7 pack, 8 bits", "right": True, "given_gb_per_s": 3.0}, {"name": "9 block score", "right": False}]
    assert metrics_of(rows) == {"quantise_gb_s": 3.0}


def test_attention_is_timed_over_all_tokens_at_the_size_of_a_cpu() -> None:
    for name in ON_CPU:
        case = CASES[name](Size(kernels.CPU, "cpu", torch.bfloat16))
        assert case.work[0] > 2 * 2 * 8192 * 3 * 64


def test_every_target_is_measured_and_every_miss_has_a_reason() -> None:
    verdicts = judge(RESULT["metrics"], TARGETS, REASONS)
    assert [verdict.name for verdict in verdicts if verdict.value is None] == []
    assert [v.name for v in verdicts if v.met is False and v.name not in REASONS] == []
    assert set(REASONS) <= set(TARGETS)
    assert [row["name"] for row in RESULT["rows"]] == list(CASES)
