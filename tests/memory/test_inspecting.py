"""What reports of memory say, from a store alone."""

from __future__ import annotations

from perdure.memory import inspecting
from perdure.memory.events import EVICT, RECALL, TRACK, WITHDRAW, Event
from perdure.memory.records import LayerKind
from perdure.memory.repository import Repository

from .conftest import Turn

LAYERS = [
    LayerKind(0, "attention", 10, None, 0),
    LayerKind(1, "sliding attention", 10, 64, 0),
    LayerKind(2, "x", 0, None, 7),
]


def evict(position: int, upto: int) -> Event:
    return Event(position, EVICT, {"upto": upto, "sinks": 4, "entries": 32, "shift": 0})


def test_a_session_that_never_evicted_is_all_window(repository: Repository, turn: Turn) -> None:
    commit = turn("s", tokens=100).head
    report = repository.inspect(commit)
    assert report.working == (100, 0, 100, 0, 0, 100, 0, 0, 0)
    assert report.summary == inspecting.EMPTY
    assert report.episodic == (0, 0, 0, 0, {}, 0, 0)


def test_the_window_after_evictions(turn: Turn) -> None:
    commit = turn("s", tokens=500).head
    happened = [Event(128, TRACK, {}), evict(256, 128), Event(300, RECALL, {}), Event(320, WITHDRAW, {}), evict(400, 256)]
    found = inspecting.working(commit, happened, LAYERS)
    assert (found.oldest, found.window, found.sinks, found.summary) == (256, 244, 4, 32)
    assert (found.entries, found.evictions, found.recalls) == (280, 2, 1)
    assert found.nbytes == 280 * 10 + 63 * 10 + 7
    few = inspecting.working(commit, [Event(10, EVICT, {"upto": 2, "sinks": 4, "entries": 0, "shift": 0})], LAYERS)
    assert (few.sinks, few.summary, few.entries) == (2, 0, 500)


def test_an_empty_session(repository: Repository, turn: Turn) -> None:
    turn("s")
    root = repository.log("s")[-1]
    assert repository.inspect(root).working == (0,) * 9
