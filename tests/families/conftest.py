"""Tiny models of every family, loaded once, and runtimes over stores of the tests' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import pytest
import torch

from perdure.config import CheckpointOptions
from perdure.memory.repository import Repository
from perdure.runtime import Runtime
from perdure.runtime.engine import Engine
from perdure.runtime.models import quiet
from perdure.testing.families import FAMILIES, NEWER, tiny_model

from .script import (
    FIRST,
    LAST,
    NEXT,
    OTHER,
    OTHER_SEED,
    SAMPLING,
    Moment,
    begun,
    beside,
    broken_off,
    loaded_from,
    runtime,
    say,
)

PROJECT = Path(__file__).resolve().parents[2]
QUIET = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": str(PROJECT), "HF_HUB_OFFLINE": "1"}


Dtype = Literal["float32", "bfloat16"]


class Case(NamedTuple):
    family: str
    dtype: Dtype

    def __str__(self) -> str:
        return f"{self.family}-{self.dtype}"


DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")
CASES = [Case(family, dtype) for family in (*FAMILIES, *NEWER) for dtype in DTYPES]


class Story(NamedTuple):
    """A session "s" of three turns that never stopped, told in one process: where it stood after each, and its store."""

    store: Path
    moments: list[Moment]


class Bench:
    """One tiny model, loaded once, and runtimes that share it."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.folder = folder

    @cached_property
    def model(self) -> Path:
        with quiet():
            return tiny_model(self.case.family, self.folder / "model", dtype=self.case.dtype)

    @cached_property
    def _first(self) -> Runtime:
        with runtime(loaded_from(self.model), self.folder / "unused") as rt:
            return rt

    def at(self, store: Path, **changes: Any) -> Runtime:
        """A runtime over a store; `changes` are attributes that differ from the defaults."""
        return beside(self._first, store, **changes)

    def over(self, store: Path, checkpoints: CheckpointOptions) -> Runtime:
        """A runtime with its own say about snapshots, which may be part of its recipe."""
        return Runtime(self._first.loaded, Repository.open(store), SAMPLING, threads=1, checkpoints=checkpoints)

    @property
    def engine(self) -> Engine:
        return self._first.engine

    @cached_property
    def story(self) -> Story:
        """Told once, when it is first asked for."""
        with self.at(self.folder / "story") as rt:
            session = begun(rt)
            moments = [say(session, FIRST, 1), broken_off(session, NEXT), say(session, LAST, 2)]
        return Story(self.folder / "story", moments)

    @cached_property
    def alone(self) -> list[Moment]:
        """Where a second session stands after each of its turns, in a store that it has to itself."""
        with self.at(self.folder / "alone") as rt:
            session = begun(rt, seed=OTHER_SEED)
            return [say(session, OTHER[0], 1), say(session, OTHER[1], 3)]

    def retold(self, store: Path, **changes: Any) -> Runtime:
        """A runtime over a copy of the story's store."""
        shutil.copytree(self.story.store, store)
        return self.at(store, **changes)


class Benches:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[Case, Bench] = {}

    def __getitem__(self, case: Case) -> Bench:
        if case not in self._made:
            folder = self._folder / str(case)
            folder.mkdir()
            self._made[case] = Bench(case, folder)
        return self._made[case]


@pytest.fixture(scope="session")
def benches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Benches]:
    folder = tmp_path_factory.mktemp("families")
    yield Benches(folder)
    shutil.rmtree(folder, ignore_errors=True)


ONCE = {Case(family, "float32") for family in NEWER}
EACH = [pytest.param(case, marks=pytest.mark.thorough) if case in ONCE else case for case in CASES]
"""The families of the table in both number types; the newer ones in float32 only with --thorough."""


@pytest.fixture(params=EACH, ids=str)
def bench(request: pytest.FixtureRequest, benches: Benches) -> Iterator[Bench]:
    """The families' models run on one thread."""
    threads = torch.get_num_threads()
    yield benches[case_of(request.param)]
    torch.set_num_threads(threads)


def case_of(param: object) -> Case:
    if not isinstance(param, Case):
        raise TypeError(f"a bench is asked for by a Case, not by {param!r}")
    return param


class Afterlife:
    """Two child processes, in which all cases one after another die and go on, while this process does other things."""

    def __init__(self, folders: list[Path], log: Path) -> None:
        self._finished: set[str] = set()
        self._log = log
        with log.open("wb") as errors:
            self._dying = self._start("die", subprocess.PIPE, errors)
            self._living = self._start("resume", self._dying.stdout, errors)
        if self._dying.stdin is None or self._dying.stdout is None:
            raise RuntimeError("a child without pipes")
        self._dying.stdout.close()
        self._dying.stdin.write("".join(f"{folder}\n" for folder in folders).encode())
        self._dying.stdin.close()

    @staticmethod
    def _start(job: str, given: int | IO[bytes] | None, errors: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "tests.families.child", job]
        return subprocess.Popen(
            command, stdin=given, stdout=subprocess.PIPE, stderr=errors, cwd=PROJECT, env={**os.environ, **QUIET}
        )

    def of(self, bench: Bench) -> dict[str, list[Moment]]:
        """What the new process found in the stores of a case."""
        while str(bench.folder) not in self._finished:
            line = self._living.stdout.readline() if self._living.stdout else b""
            assert line, f"a child process ended: {self._log.read_text()[-2000:]}"
            self._finished.add(line.decode().strip())
        error = bench.folder / "error.txt"
        assert not error.exists(), error.read_text()
        found = torch.load(bench.folder / "found.pt")
        return {name: [Moment(*each) for each in moments] for name, moments in found.items()}

    def close(self) -> None:
        for process in (self._dying, self._living):
            process.kill()
            process.wait()
        if self._living.stdout is not None:
            self._living.stdout.close()


@pytest.fixture(scope="session")
def afterlife(
    request: pytest.FixtureRequest, benches: Benches, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Afterlife]:
    wanted = {
        case_of(item.callspec.params["bench"]): None
        for item in request.session.items
        if isinstance(item, pytest.Function) and "afterlife" in item.fixturenames
    }
    folders = [benches[case].model.parent for case in wanted]
    children = Afterlife(folders, tmp_path_factory.mktemp("children") / "log.txt")
    yield children
    children.close()


def few(*families: str, dtypes: tuple[Dtype, ...] = DTYPES) -> pytest.MarkDecorator:
    """Run a test for these families only."""
    cases = [Case(family, dtype) for family in families for dtype in dtypes]
    return pytest.mark.parametrize("bench", cases, ids=str, indirect=True)


def assert_same(found: Moment, wanted: Moment) -> None:
    """Bit for bit: the tokens, the logits, and what was written down of them."""
    assert found.answer == wanted.answer
    assert found.log == wanted.log
    assert torch.equal(found.logits, wanted.logits)
    assert found.computed == wanted.computed == found.stored == wanted.stored
