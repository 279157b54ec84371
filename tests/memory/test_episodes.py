"""Episodes as objects, and the terms of texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from perdure.errors import ObjectCorrupt
from perdure.memory import episodes
from perdure.memory.episodes import Episode, pack_vector, terms, vector
from perdure.memory.tree import Puts
from perdure.stores.base import WriteTxn
from perdure.stores.memory import MemoryStore

VALUES = np.array([0.6, -0.8, 0.0], dtype=np.float32)
EPISODE = Episode(
    id="00112233445566ff",
    text="Grüße aus 東京 😀",
    role="user",
    source="a1b2",
    turn=3,
    start=10,
    end=19,
    part=0,
    parts=2,
    origin=b"c" * 32,
    time_ms=1_700_000_000_000,
    encoder="tiny/1",
    embedding=pack_vector(VALUES),
    lineage=b"",
    tokens=(1, 2, 70_000),
    kv=None,
)


@pytest.fixture
def txn() -> Iterator[WriteTxn]:
    with MemoryStore().write() as opened:
        yield opened


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("kv", [False, True])
def test_an_episode_comes_back_as_it_was_put(txn: WriteTxn, kv: bool, pinned: bool) -> None:
    block = txn.put("kv-block", b"bytes") if kv else None
    episode = replace(EPISODE, kv=block, pinned=pinned)
    digest = episodes.put(txn, episode)
    assert episodes.get(txn, digest) == replace(episode, digest=digest)
    assert list(txn.get(digest).refs) == ([block] if block else [])
    assert episodes.put(txn, episodes.get(txn, digest)) == digest


def test_its_vector_has_the_precision_of_half_floats() -> None:
    np.testing.assert_array_equal(vector(EPISODE), VALUES.astype(np.float16).astype(np.float32))
    assert len(EPISODE.embedding) == 6


def put_changed(txn: Puts, **changes: Any) -> bytes:
    found = txn.get(episodes.put(txn, EPISODE))
    meta = {name: value for name, value in {**found.meta, **changes}.items() if value is not None}
    return txn.put("episode", bytes(found.payload), meta=meta)


@pytest.mark.parametrize(
    "changes",
    [{"role": None}, {"turn": "3"}, {"pinned": 1}, {"extra": 1}, {"embedding": b"odd"}, {"tokens": b"12345"}],
    ids=str,
)
def test_what_does_not_fit_is_corrupt(txn: WriteTxn, changes: dict[str, Any]) -> None:
    with pytest.raises(ObjectCorrupt, match="is not an episode"):
        episodes.get(txn, put_changed(txn, **changes))


def test_another_kind_and_broken_text_are_corrupt(txn: WriteTxn) -> None:
    meta = txn.get(episodes.put(txn, EPISODE)).meta
    with pytest.raises(ObjectCorrupt):
        episodes.get(txn, txn.put("message", b"hello"))
    with pytest.raises(ObjectCorrupt, match="UTF-8"):
        episodes.get(txn, txn.put("episode", b"\xff\xfe", meta=meta))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, WORLD! hello", ["hello", "world", "hello"]),
        ("Order A-4512 costs 3.14", ["order", "a", "4512", "costs", "3", "14"]),
        ("snake_case x2", ["snake", "case", "x2"]),
        ("Malmö STRASSE straße \uff21\uff22", ["malmo", "strasse", "strasse", "ab"]),
        ("東京都 へ行く。", ["東京", "京都", "へ行", "行く"]),
        ("車", ["車"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("Привет, мир", ["привет", "мир"]),
        ("٣٤ ok", ["٣٤", "ok"]),
        ("...!?", []),
        ("", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected
