"""A server in use, killed now and then: `--soak SECONDS` says for how long; `make soak` has it for minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import soak
from benchmarks._soak_client import WEIGHTS

pytestmark = pytest.mark.crash

VISITED = 0.8
"""Share of the time in which there are visitors; starting, proving and examining take the rest."""


def test_use_leaves_nothing_wrong_behind(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    seconds = float(request.config.getoption("--soak"))
    minutes, between = VISITED * seconds / 60, max(4.0, seconds / 6)
    asked = ["--minutes", str(minutes), "--between", str(between), "--clients", "3", "--verified", "3"]
    run = soak.soaked(soak.parse(asked), tmp_path)
    found = run.findings
    assert found.wrong == []
    assert run.ends[:2] == ["SIGKILL", "SIGTERM"]
    assert found.counts["looked again"] > 0
    assert found.fresh(WEIGHTS) == []
