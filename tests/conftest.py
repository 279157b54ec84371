"""What several rooms' tests share: a tiny model on disk and runtimes over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from perdure import Sampling
from perdure.runtime import Runtime, open  # noqa: A004
from perdure.testing.tiny import tiny_llama

Opens = Callable[..., Runtime]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=60, help="how many times the crash tests kill a process; make crash: 1000")
    parser.addoption("--soak", type=float, default=180.0, help="for how many seconds a server is used and killed")
    parser.addoption("--fuzz", type=int, default=0, help="how many random requests each endpoint gets; a few without")
    parser.addoption("--thorough", action="store_true", help="the newer families in float32 too")
    parser.addoption("--gemma", action="store_true", help="run the real sliding-window model, if it has been pulled")


def pytest_configure() -> None:
    """One thread, here and in processes that tests start: where two workers share two cores, threads that wait for each
    other by spinning made a file of tests take 267 s instead of 19."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


LONGEST = ("test_readme.py", "test_embedded.py", "test_kill.py", "test_corruption.py", "test_triton.py", "test_soak.py")
"""Files that take half a minute and more. They follow, so that no worker is left with one of them at the end."""
TOGETHER = ("tests/families/", "tests/ui/")
"""Where all files go to one worker: they share ninety models and what was said with each, or a server and a browser."""


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A file to a worker, and a folder whose files share what is costly."""

    def _split_scope(self, nodeid: str) -> str:
        return next(filter(nodeid.startswith, TOGETHER), None) or str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile | None:
    return ByFile(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (not item.nodeid.startswith(TOGETHER), item.path.name not in LONGEST))
    absent = {"gpu": not (torch.cuda.is_available() and find_spec("triton")), "thorough": not config.getoption("thorough")}
    dropped = {item for item in items if any(item.get_closest_marker(name) for name, gone in absent.items() if gone)}
    config.hook.pytest_deselected(items=list(dropped))
    items[:] = [item for item in items if item not in dropped]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random llama in bfloat16."""
    return tiny_llama(tmp_path_factory.mktemp("tiny") / "model", dtype="bfloat16")


@pytest.fixture
def opens(model: Path, tmp_path: Path) -> Opens:
    """Open a runtime over a store (default: one of the test's own); keyword arguments go to perdure.open."""

    def opened(store: Path | None = None, **options: Any) -> Runtime:
        settings: dict[str, Any] = {
            "model": str(model),
            "sampling": Sampling(max_tokens=24, temperature=0.8),
            "cache": tmp_path / "cache",
            "threads": 1,
            **options,
        }
        return open(store=store or tmp_path / "store", **settings)

    return opened


@pytest.fixture
def runtime(opens: Opens) -> Iterator[Runtime]:
    with opens() as opened:
        yield opened
