"""`--kills N`: how many kills the crash tests make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.testing.tiny import tiny_llama
from tests.crash.zygote import Zygote

CI_KILLS = 200


@pytest.fixture(scope="session")
def kills(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--kills", default=CI_KILLS))


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    return tiny_llama(folder, layers=1, hidden=32, heads=2, kv_heads=1, dtype="bfloat16")


@pytest.fixture(scope="session")
def zygote(model: Path) -> Iterator[Zygote]:
    worker = Zygote(model)
    yield worker
    worker.close()
