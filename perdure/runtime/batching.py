"""Sessions that decode at the same time share forwards: the thread of one of them leads, the others wait for its results."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 0.2
"""Of the last forward's time, how long one more session is waited for that was in it."""

LONGEST_S = 0.01
"""More than this nobody is waited for."""


class FairLock:
    """A lock that is had in the order in which it was asked for, so that nobody who comes back at once overtakes."""

    def __init__(self) -> None:
        self._change = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._held = False

    def __enter__(self) -> None:
        gate = threading.Lock()
        with self._change:
            if not self._held:
                self._held = True
                return
            gate.acquire()
            self._waiting.append(gate)
        try:
            gate.acquire()
        except BaseException:
            self._give_up(gate)
            raise

    def __exit__(self, *_: object) -> None:
        with self._change:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False

    def _give_up(self, gate: threading.Lock) -> None:
        with self._change:
            if gate in self._waiting:
                self._waiting.remove(gate)
                return
        # It was handed over already.
        self.__exit__()


class Work(NamedTuple, Generic[T, R]):
    """What a batcher does: `run` several items in one forward, each giving its result or its exception; `limit` says how
    many at most, and is asked when two come at the same time for the first time."""

    run: Callable[[Sequence[T]], Sequence[R | Exception]]
    limit: Callable[[], int]


class Batcher(Generic[T, R]):
    """Thread safe, and without a thread of its own.

    Whoever comes while nobody leads becomes the leader: it waits for its turn on the engine, takes all items that are there
    by then, runs them, hands the results out and passes the lead on. Before that it waits a little for those who were in
    the last forward and are on their way back, or two sessions would alternate for ever.
    """

    def __init__(self, turns: FairLock, work: Work[T, R]) -> None:
        self._turns, self._work = turns, work
        self._change = threading.Condition()
        self._pending: list[_Request[T, R]] = []
        self._led = False
        self._away: set[object] = set()
        self._last_s = 0.0
        self._limit: int | None = None

    @property
    def limit(self) -> int:
        """How many may share a forward. The first call finds it out."""
        if self._limit is None:
            self._limit = self._work.limit()
        return self._limit

    def do(self, who: object, item: T) -> R:
        """Run an item for somebody, in whatever company. Raises what it raised."""
        request = _Request[T, R](who, item)
        if self._limit == 1:
            with self._turns:
                request.outcome = self._work.run([item])[0]
            return request.result()
        try:
            self._come(request)
            request.called.wait()
        except BaseException:
            self._leave(request)
            raise
        if request.outcome is None:
            self._lead(request)
        return request.result()

    def _come(self, request: _Request[T, R]) -> None:
        with self._change:
            self._pending.append(request)
            self._away.discard(request.who)
            self._change.notify()
            if not self._led:
                self._led = True
                request.called.set()

    def _lead(self, mine: _Request[T, R]) -> None:
        try:
            self._wait_for_company()
            with self._turns:
                self._run(self._taken())
        finally:
            self._pass_on(mine)

    def _wait_for_company(self) -> None:
        with self._change:
            while self._away and len(self._pending) < self._at_once:
                if not self._change.wait(min(PATIENCE * self._last_s, LONGEST_S)):
                    break
            self._away.clear()
            alone = len(self._pending) == 1
        if not alone:
            # Found out before the engine is taken, which finding out takes turns on.
            _ = self.limit

    @property
    def _at_once(self) -> int:
        return 2 if self._limit is None else self._limit

    def _taken(self) -> list[_Request[T, R]]:
        with self._change:
            batch = self._pending[: self._limit or 1]
            for request in batch:
                request.running = True
            return batch

    def _run(self, batch: Sequence[_Request[T, R]]) -> None:
        began = time.perf_counter()
        outcomes = self._work.run([request.item for request in batch])
        with self._change:
            self._last_s = time.perf_counter() - began
            self._pending = [request for request in self._pending if request not in batch]
            self._away = {request.who for request in batch}
            for request, outcome in zip(batch, outcomes, strict=True):
                request.outcome = outcome
                request.called.set()

    def _pass_on(self, mine: _Request[T, R]) -> None:
        """Somebody else leads, if anybody waits: those too whom a leader took along that was interrupted."""
        with self._change:
            self._pending = [request for request in self._pending if request is not mine]
            for request in self._pending:
                request.running = False
            self._led = bool(self._pending)
            if self._led:
                self._pending[0].called.set()

    def _leave(self, mine: _Request[T, R]) -> None:
        """Interrupted while another one leads. What that one runs must end first: it is at work on the item."""
        with self._change:
            if not mine.running and not mine.called.is_set():
                self._pending = [request for request in self._pending if request is not mine]
                return
        mine.called.wait()
        if mine.outcome is None:
            self._pass_on(mine)


class _Request(Generic[T, R]):
    """`called` is set when there is an outcome, or when it is this one's turn to lead."""

    def __init__(self, who: object, item: T) -> None:
        self.who, self.item = who, item
        self.called = threading.Event()
        self.running = False
        self.outcome: R | Exception | None = None

    def result(self) -> R:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome is None:
            raise RuntimeError("a forward gave no result for one of its sessions")
        return self.outcome
