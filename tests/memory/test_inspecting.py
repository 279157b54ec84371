"""What reports of memory say, from a store alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from perdure.errors import ObjectCorrupt
from perdure.memory import inspecting
from perdure.memory.events import EVICT, RECALL, TRACK, WITHDRAW, Event
from perdure.memory.native import Native
from perdure.memory.records import Checkpoint, LayerKind
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


def test_a_summary_as_it_is_stored(repository: Repository, turn: Turn) -> None:
    kept = np.array([[[0, 1, 7, 64], [0, 1, 64, 200]]], "<i4")
    rows = b"\0" * 2 * kept.size * 8
    meta = {
        "tensors": [["tokens.0", "int32", [1, 2, 4]], ["rows.0", "bfloat16", [1, 2, 4, 8]]],
        "folds": 2,
        "memory": {"spans": [[2, 100], [110, 256]]},
    }
    commit = turn("s", tokens=500).head
    happened = [evict(400, 256)._replace(detail={"upto": 256, "sinks": 2, "entries": 2, "shift": 0, "backend": "infini"})]
    tier = inspecting.working(commit, happened, [])
    with repository.store.write() as txn:
        whole = txn.put("summary", kept.tobytes() + rows, meta=meta)
        short = txn.put("summary", kept.tobytes(), meta=meta)
        marks = [Checkpoint(500, "turn", 1, 0, txn.put("state", meta={}, refs=[ref])) for ref in (whole, short)]
    assert commit.state is not None
    with repository.store.read() as txn:
        good = replace(commit, state=replace(commit.state, checkpoints=(marks[0], Checkpoint(500, "turn", 1, 0, b"x" * 32))))
        found = inspecting.summary(txn, good, happened, tier)
        assert (found.backend, found.entries, found.distinct, found.folded, found.folds) == ("infini", 2, 3, 244, 2)
        assert [(part.start, part.entries) for part in found.histogram if part.entries] == [(0, 1), (64, 2), (192, 1)]
        assert (found.digest, found.nbytes) == (whole, kept.nbytes + len(rows))
        bad = replace(commit, state=replace(commit.state, checkpoints=(marks[1],)))
        with pytest.raises(ObjectCorrupt, match="shorter than its header"):
            inspecting.summary(txn, bad, happened, tier)


def test_numbers_that_numpy_lacks_and_states_cut_short(repository: Repository, turn: Turn) -> None:
    meta = {"family": "kimi_linear", "pos": 7, "tensors": [["3.recurrent_states.0", "bfloat16", [1, 1, 2, 2], False]]}
    commit = turn("s", tokens=7).head
    assert commit.state is not None
    with repository.store.write() as txn:
        # 3 and -4 in bfloat16.
        marks = [
            Checkpoint(7, "turn", 1, 0, txn.put("state", each, meta=meta)) for each in (b"", b"\x40\x40\0\0\x80\xc0\0\0")
        ]
    good, bad = (replace(commit, state=replace(commit.state, checkpoints=(mark,))) for mark in reversed(marks))
    assert repository.natives(good) == [
        Native("layers.3.self_attn", "3.recurrent_states.0", (1, 1, 2, 2), "bfloat16", 8, 5.0, 7)
    ]
    with pytest.raises(ObjectCorrupt, match="shorter than its header"):
        repository.natives(bad)
