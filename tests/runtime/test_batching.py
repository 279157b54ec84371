"""Who shares a forward with whom: the queue and the lock, over items that are no forwards."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import pytest

from perdure.runtime import batching
from perdure.runtime.batching import Batcher, FairLock, Work

WAIT = 20.0
"""Seconds after which a test has hung."""


class Runs:
    """Notes which items were run together; an item may be an exception, and a run may be held up."""

    def __init__(self, limit: int = 4) -> None:
        self.batches: list[list[int]] = []
        self.asked = 0
        self.limit = limit
        self.gate = threading.Event()
        self.gate.set()
        self.running = threading.Semaphore(0)

    def run(self, items: Sequence[int]) -> list[int | Exception]:
        self.running.release()
        assert self.gate.wait(WAIT)
        self.batches.append(list(items))
        return [ValueError(str(item)) if item < 0 else item * 10 for item in items]

    def most(self) -> int:
        self.asked += 1
        return self.limit

    def batcher(self, lock: FairLock | None = None) -> Batcher[int, int]:
        return Batcher(lock or FairLock(), Work(self.run, self.most))


class Caller:
    """One thread's call, and how it ended."""

    def __init__(self, call: Callable[[], int]) -> None:
        self.result: int | BaseException | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.result = error

    def end(self) -> int | BaseException | None:
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
        return self.result


def pending(batcher: Batcher[int, int], count: int) -> None:
    """Returns once so many wait or run."""
    until = time.monotonic() + WAIT
    while len(batcher._pending) < count:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_one_after_the_other_is_alone() -> None:
    runs = Runs()
    batcher = runs.batcher()
    assert [batcher.do("a", item) for item in range(5)] == [0, 10, 20, 30, 40]
    assert runs.batches == [[0], [1], [2], [3], [4]]
    assert runs.asked == 0


def test_those_who_come_during_a_forward_share_the_next() -> None:
    runs = Runs()
    batcher = runs.batcher()
    assert batcher.limit == 4
    runs.gate.clear()
    first = Caller(lambda: batcher.do("a", 1))
    assert runs.running.acquire(timeout=WAIT)
    callers = []
    for item in range(2, 8):
        callers.append(Caller(partial(batcher.do, item, item)))
        pending(batcher, item)
    runs.gate.set()
    assert first.end() == 10
    assert [caller.end() for caller in callers] == [20, 30, 40, 50, 60, 70]
    assert runs.batches[0] == [1]
    assert runs.batches[1] == [2, 3, 4, 5]
    assert runs.batches[2] == [6, 7]
    assert runs.asked == 1


def test_a_failure_is_its_own_sessions() -> None:
    runs = Runs()
    batcher = runs.batcher()
    assert batcher.limit == 4
    runs.gate.clear()
    callers = [Caller(lambda: batcher.do("a", 1))]
    assert runs.running.acquire(timeout=WAIT)
    for item in (2, -3, 4):
        callers.append(Caller(partial(batcher.do, item, item)))
        pending(batcher, len(callers))
    runs.gate.set()
    ends = [caller.end() for caller in callers]
    assert ends[:2] == [10, 20]
    assert isinstance(ends[2], ValueError)
    assert ends[3] == 40
    assert batcher.do("b", 5) == 50


def test_two_that_take_turns_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that comes back a little later than the other is waited for, so that they do not alternate singly."""
    monkeypatch.setattr(batching, "LONGEST_S", 0.5)
    monkeypatch.setattr(batching, "PATIENCE", 1e6)
    runs = Runs(limit=2)
    batcher = runs.batcher()
    assert batcher.limit == 2
    runs.gate.clear()

    def steps(who: int) -> int:
        return sum(batcher.do(who, 100 * who + step) for step in range(50))

    callers = [Caller(partial(steps, who)) for who in (1, 2)]
    pending(batcher, 2)
    runs.gate.set()
    assert [caller.end() for caller in callers] == [10 * sum(range(100 * who, 100 * who + 50)) for who in (1, 2)]
    assert sum(len(batch) for batch in runs.batches) == 100
    assert sum(len(batch) == 2 for batch in runs.batches) >= 45


def test_who_stays_away_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "LONGEST_S", 0.2)
    monkeypatch.setattr(batching, "PATIENCE", 1e6)
    runs = Runs()
    batcher = runs.batcher()
    assert batcher.limit == 4
    batcher.do("gone", 1)
    began = time.monotonic()
    batcher.do("here", 2)
    assert time.monotonic() - began >= 0.2
    began = time.monotonic()
    for item in range(100):
        batcher.do("here", item)
    assert time.monotonic() - began < 10
    assert not batcher._away - {"here"}


def test_a_limit_of_one_goes_past_the_queue() -> None:
    runs = Runs(limit=1)
    batcher = runs.batcher()
    assert batcher.limit == 1
    callers = [Caller(partial(batcher.do, item, item)) for item in range(8)]
    assert {caller.end() for caller in callers} == {10 * item for item in range(8)}
    assert all(len(batch) == 1 for batch in runs.batches)


Interrupts = Callable[[Callable[[], object]], None]


class Interrupted(BaseException):
    pass


@pytest.fixture
def interrupt() -> Iterator[Interrupts]:
    """Has the main thread interrupted, as by Ctrl-C, once a function returns."""
    before = signal.getsignal(signal.SIGUSR1)
    yield _interrupt
    signal.signal(signal.SIGUSR1, before)


def _interrupt(after: Callable[[], object]) -> None:
    def handler(*_: object) -> None:
        raise Interrupted

    signal.signal(signal.SIGUSR1, handler)

    def send() -> int:
        after()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        return 0

    Caller(send)


def test_who_is_interrupted_while_waiting_leaves_the_others_alone(interrupt: Interrupts) -> None:
    runs = Runs()
    batcher = runs.batcher()
    assert batcher.limit == 4
    runs.gate.clear()
    first = Caller(lambda: batcher.do("a", 1))
    assert runs.running.acquire(timeout=WAIT)
    interrupt(lambda: pending(batcher, 2))
    with pytest.raises(Interrupted):
        batcher.do("b", 2)
    third = Caller(lambda: batcher.do("c", 3))
    pending(batcher, 2)
    runs.gate.set()
    assert (first.end(), third.end()) == (10, 30)
    assert runs.batches == [[1], [3]]


def test_a_leader_that_is_interrupted_passes_on_the_lead(interrupt: Interrupts) -> None:
    runs = Runs()
    batcher = runs.batcher()
    assert batcher.limit == 4
    runs.gate.clear()
    others: list[Caller] = []

    def come() -> None:
        assert runs.running.acquire(timeout=WAIT)
        others.extend(Caller(partial(batcher.do, item, item)) for item in (2, 3))
        pending(batcher, 3)

    interrupt(come)
    with pytest.raises(Interrupted):
        batcher.do("a", 1)
    runs.gate.set()
    assert {caller.end() for caller in others} == {20, 30}
    assert 1 not in [item for batch in runs.batches for item in batch]


def test_the_lock_is_had_in_the_order_of_asking() -> None:
    lock, order = FairLock(), []
    callers = []

    def ask(who: int) -> int:
        with lock:
            order.append(who)
        return who

    with lock:
        for who in range(5):
            callers.append(Caller(partial(ask, who)))
            until = time.monotonic() + WAIT
            while len(lock._waiting) <= who:
                assert time.monotonic() < until
                time.sleep(0.001)
    for caller in callers:
        caller.end()
    assert order == list(range(5))


def test_who_comes_back_at_once_does_not_overtake() -> None:
    """Two that take the lock again and again alternate, whatever each does in between."""
    lock, order = FairLock(), []
    meet = threading.Barrier(2, timeout=WAIT)

    def steps(who: int) -> int:
        meet.wait()
        for _ in range(30):
            with lock:
                order.append(who)
                # The other one is at the lock by then, unless it has finished.
                until = time.monotonic() + 0.2
                while not lock._waiting and order.count(3 - who) < 30 and time.monotonic() < until:
                    time.sleep(0.001)
        return who

    callers = [Caller(partial(steps, who)) for who in (1, 2)]
    for caller in callers:
        caller.end()
    turns = sum(a != b for a, b in pairwise(order))
    assert turns >= 50


def test_a_lock_that_nobody_waited_for_is_free_again(interrupt: Interrupts) -> None:
    lock, held, gate = FairLock(), threading.Event(), threading.Event()

    def hold() -> int:
        with lock:
            held.set()
            assert gate.wait(WAIT)
        return 1

    holder = Caller(hold)
    assert held.wait(WAIT)

    def waiting() -> None:
        while not lock._waiting:
            time.sleep(0.001)

    interrupt(waiting)
    with pytest.raises(Interrupted), lock:
        pytest.fail("the lock was had by two")
    gate.set()
    assert holder.end() == 1
    with lock:
        assert not lock._waiting


def test_many_threads_lose_nothing() -> None:
    runs = Runs(limit=8)
    batcher = runs.batcher()
    assert batcher.limit == 8
    runs.gate.clear()

    def steps(who: int) -> int:
        return sum(batcher.do(who, 1000 * who + step) for step in range(100))

    callers = [Caller(partial(steps, who)) for who in range(8)]
    pending(batcher, 8)
    runs.gate.set()
    assert [caller.end() for caller in callers] == [10 * sum(range(1000 * who, 1000 * who + 100)) for who in range(8)]
    assert sorted(item for batch in runs.batches for item in batch) == sorted(
        1000 * who + step for who in range(8) for step in range(100)
    )
    assert max(map(len, runs.batches)) > 1
