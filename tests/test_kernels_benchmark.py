"""The benchmark of the memory operations compares before it times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import kernels
from benchmarks._kernel_cases import CASES, Case, Size

TINY = ["--device", "cpu", "--part", "0.001", "--reps", "1", "--only", "2 merge"]


@pytest.fixture(autouse=True)
def _anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks._machine.pin", lambda threads, cpus=(): [0])


@pytest.mark.parametrize("name", CASES)
def test_each_operation_is_as_defined(name: str) -> None:
    torch.manual_seed(0)
    case = CASES[name](Size(kernels.SMALL, "cpu", torch.float32))
    assert kernels.apart(case.run(), case.expected()) <= kernels.GATES[torch.float32]
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
