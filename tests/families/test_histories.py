"""Whatever is done to a session, its state is that of its token log: nothing is lost, and nothing absorbed twice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.config import CheckpointOptions
from perdure.runtime import Runtime
from perdure.runtime.session import Session

from .conftest import Bench, few
from .script import NEXT, broken_off, from_nothing

SAYINGS = ("Why?", "Tell me more of the ships and of the men that sailed in them.", "No.")


class Life:
    """A session and the things that can happen to it; `number` chooses among the ways in which they can."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self._bench = bench
        self._store = folder / "store"
        self._forks = 0
        self._options = CheckpointOptions(dense=1)
        self.rt: Runtime = bench.retold(self._store, checkpoints=self._options)
        self.session: Session = self.rt.session("s", create=False)

    def say(self, number: int) -> None:
        self.session.chat(SAYINGS[number % len(SAYINGS)], max_tokens=1 + number % 2)

    def break_off(self, number: int) -> None:
        broken_off(self.session, NEXT)

    def undo(self, number: int) -> None:
        if self.session.head.turn > 1:
            self.session.undo()

    def reset(self, number: int) -> None:
        self.session.reset(f"@turn:{1 + number % self.session.head.turn}")

    def return_(self, number: int) -> None:
        moves = [entry.new for entry in self.rt.repository.reflog(self.session.name or "") if entry.new]
        target = self.rt.repository.resolve(moves[number % len(moves)].hex())
        if target.turn:
            self.session.reset(target.hex)

    def fork(self, number: int) -> None:
        self._forks += 1
        self.session = self.session.fork(f"fork{self._forks}", f"@turn:{1 + number % self.session.head.turn}")

    def reopen(self, number: int) -> None:
        name = self.session.name or ""
        self.rt.close()
        self.rt = self._bench.at(self._store, checkpoints=self._options)
        self.session = self.rt.session(name, create=False)


EVENTS: dict[str, Callable[[Life, int], None]] = {
    "say": Life.say,
    "break off": Life.break_off,
    "undo": Life.undo,
    "reset": Life.reset,
    "return": Life.return_,
    "fork": Life.fork,
    "reopen": Life.reopen,
}


@few("mamba", "jamba", "qwen3_next", "gemma3")
@given(events=st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 5)), min_size=2, max_size=6))
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_state_is_that_of_the_log(bench: Bench, events: list[tuple[str, int]]) -> None:
    """After each of some random events the logits are those of a replay from nothing, and at the end all is verified."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(bench, Path(folder))
        with life.rt:
            for name, number in events:
                EVENTS[name](life, number)
                assert torch.equal(life.session.logits(), from_nothing(life.session)), name
            assert life.session.verify() == []
            life.rt.close()
