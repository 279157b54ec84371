"""A summary by layers and heads, from a store alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perdure.memory.events import EVICT, Event
from perdure.memory.heads import NOTHING_KEPT, NOTHING_LEFT, NOTHING_STORED, Heads, heads
from perdure.memory.records import Checkpoint, Commit, LayerKind
from perdure.memory.repository import Repository

from .conftest import Turn

LAYERS = [
    LayerKind(0, "sliding attention", 10, 64, 0),
    LayerKind(1, "attention", 10, None, 0),
    LayerKind(2, "nothing", 0, None, 0),
]
EVICTION = Event(256, EVICT, {"upto": 160, "sinks": 1, "entries": 3, "shift": 0, "backend": "heavy-hitters", "fade": 0.5})
GONE = EVICTION._replace(detail={**EVICTION.detail, "backend": "infini"})
INF = np.inf


def stored(repository: Repository, turn: Turn, tensors: dict[str, np.ndarray], **meta: object) -> Commit:
    """A commit whose newest snapshot has a summary of these tensors."""
    commit = turn("s", tokens=256).head
    listed = [[name, str(each.dtype), list(each.shape)] for name, each in tensors.items()]
    with repository.store.write() as txn:
        payload = b"".join(each.tobytes() for each in tensors.values())
        summary = txn.put("summary", payload, meta={"tensors": listed, "folds": 1, **meta})
        state = txn.put("state", b"x", refs=[summary], meta={"family": "llama"})
    assert commit.state is not None
    marked = replace(commit.state, checkpoints=(Checkpoint(200, "turn", 1, 1, state),))
    return replace(commit, state=marked)


def read(repository: Repository, commit: Commit, *events: Event, kinds: Sequence[LayerKind] = tuple(LAYERS)) -> Heads:
    with repository.store.read() as txn:
        return heads(txn, commit, events, kinds)


def test_entries_scores_and_places_of_each_head(repository: Repository, turn: Turn) -> None:
    tokens = np.array([[[0, 10, 20, 150], [0, 10, 11, 12]]], np.int32)
    scores = np.array([[[INF, 1.0, 2.0, 0.5], [INF, 0.25, 0.25, 0.25]]], np.float32)
    found = read(repository, stored(repository, turn, {"tokens.0": tokens, "scores.0": scores}, fade=0.5), EVICTION)
    assert (found.backend, found.position, found.why, found.fade, found.maker) == ("heavy-hitters", 200, "", 0.5, "")
    (layer,) = found.layers
    assert (layer.layer, layer.entries, layer.scores) == (1, (3, 3), (3.5, 0.75))
    assert (layer.oldest, layer.newest) == ((10, 10), (150, 12))
    assert layer.bias == (round(-0.5 / 256 * 100, 6), round(-0.5 / 256 * 149, 6))
    assert found.bins[:2] == ((0, 10), (10, 20))
    assert [sum(head) for head in layer.histogram] == [3, 3]
    assert layer.histogram[1][1] == 3
    unknown = read(repository, stored(repository, turn, {"tokens.0": tokens, "scores.0": scores}), EVICTION, kinds=())
    assert [each.layer for each in unknown.layers] == [None]


def test_norms_of_matrices_and_what_they_absorbed(repository: Repository, turn: Turn) -> None:
    none = np.zeros((2, 2, 0), np.int32)
    sums = np.ones((2, 1, 2, 3, 4), np.float32)
    memory = {"rule": "linear", "maker": "abc", "spans": [[0, 96], [96, 160]]}
    parts = {"tokens.0": none, "scores.0": none.astype(np.float32), "sums.0": sums}
    kinds = (LayerKind(0, "attention", 10, None, 0), LayerKind(4, "attention", 10, None, 0))
    found = read(repository, stored(repository, turn, parts, memory=memory), GONE, kinds=kinds)
    assert (found.backend, found.rule, found.maker, found.absorbed, found.why) == ("infini", "linear", "abc", 160, "")
    assert [each.layer for each in found.layers] == [0, 4]
    assert found.norms == (((round(2 * 12**0.5, 6),) * 2,),)
    assert found.norms_of(0, [1]) == {1: (round(2 * 12**0.5, 6),) * 2}
    assert found.norms_of(0, None) == found.norms_of(0, [0, 1]) == {}


def test_without_a_summary_it_says_why(repository: Repository, turn: Turn) -> None:
    commit = turn("s", tokens=256).head
    assert repository.summary_heads(commit)[:3] == ("none", 0, NOTHING_LEFT)
    assert read(repository, commit, EVICTION).why == NOTHING_STORED
    sinks = {"tokens.0": np.zeros((1, 1, 1), np.int32), "scores.0": np.full((1, 1, 1), INF, np.float32)}
    found = read(repository, stored(repository, turn, sinks), EVICTION)
    assert (found.why, found.layers) == (NOTHING_KEPT, ())
