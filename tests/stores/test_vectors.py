"""The vector index: exact and approximate, filtered, changed, saved, damaged."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from perdure.errors import InvalidInput, ObjectCorrupt, ObjectMissing
from perdure.stores import slots
from perdure.stores.slots import Selector
from perdure.stores.vectors import VectorIndex

DIM, N = 24, 3000
Vectors = NDArray[np.float32]
Ids = NDArray[np.int64]


def clustered(n: int, seed: int = 0) -> Vectors:
    """Unit vectors around 100 centres, as float16 keeps them."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(100, DIM))
    found = centres[draw.integers(0, 100, n)] + 0.6 * draw.normal(size=(n, DIM))
    unit = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)
    return np.asarray(unit, dtype=np.float32)


def numbers(n: int, seed: int = 1) -> Ids:
    return np.random.default_rng(seed).integers(-(2**62), 2**62, n)


IDS, VECTORS = numbers(N), clustered(N)


def nearest(query: Vectors, ids: Ids, vectors: Vectors, k: int = 10) -> list[int]:
    best = np.argsort(-(vectors @ query), kind="stable")[:k]
    return [int(number) for number in ids[best]]


@pytest.fixture(params=[10**6, 200], ids=["exact", "lists"])
def index(request: pytest.FixtureRequest) -> VectorIndex:
    made = VectorIndex(DIM, exact_up_to=request.param)
    for start in range(0, N, 700):
        made.add(IDS[start : start + 700], VECTORS[start : start + 700])
    assert made.exact == (request.param > N)
    return made


def recall(index: VectorIndex, ids: Ids, vectors: Vectors, allowed: Selector | None = None) -> float:
    found = 0
    for query in clustered(50, seed=5):
        got = index.search(query, 10, allowed)
        assert list(got.scores) == sorted(got.scores, reverse=True)
        found += len(set(got.ids.tolist()) & set(nearest(query, ids, vectors)))
    return found / 500


def test_it_finds_the_nearest(index: VectorIndex) -> None:
    assert len(index) == N
    assert recall(index, IDS, VECTORS) >= (1.0 if index.exact else 0.95)


def test_scores_are_inner_products_of_what_was_stored(index: VectorIndex) -> None:
    query = clustered(1, seed=8)[0]
    got = index.search(query, 5)
    rows = [int(np.flatnonzero(number == IDS)[0]) for number in got.ids]
    np.testing.assert_allclose(got.scores, VECTORS[rows] @ query, atol=1e-5)
    np.testing.assert_allclose(index.scores(query, IDS[:4]), VECTORS[:4] @ query, atol=1e-5)
    assert np.isnan(index.scores(query, np.array([5]))).all()


@pytest.mark.parametrize("share", [0.5, 0.02, 0.0])
def test_a_filter_lets_nothing_else_through(index: VectorIndex, share: float) -> None:
    kept = np.random.default_rng(3).random(N) < share
    allowed = Selector(np.sort(IDS[kept]))
    got = index.search(VECTORS[0], N, allowed)
    assert set(got.ids.tolist()) <= set(IDS[kept].tolist())
    if share:
        assert recall(index, IDS[kept], VECTORS[kept], allowed) >= (1.0 if index.exact else 0.95)


def test_a_filter_may_name_what_comes_later(index: VectorIndex) -> None:
    later, vectors = numbers(10, seed=4), clustered(10, seed=4)
    allowed = Selector(np.sort(later))
    assert not len(index.search(vectors[0], 5, allowed).ids)
    index.add(later, vectors)
    assert index.search(vectors[3], 1, allowed).ids.tolist() == [later[3]]


def test_what_was_removed_is_gone(index: VectorIndex) -> None:
    assert index.remove(np.concatenate([IDS[:1500], IDS[:3], [7]])) == 1500
    assert len(index) == N - 1500
    assert index.ids.tolist() == sorted(IDS[1500:].tolist())
    assert set(index.search(VECTORS[0], N).ids.tolist()) <= set(IDS[1500:].tolist())
    assert recall(index, IDS[1500:], VECTORS[1500:]) >= (1.0 if index.exact else 0.93)
    index.add(IDS[:1], VECTORS[:1])
    assert index.search(VECTORS[0], 1).ids.tolist() == [IDS[0]]


def test_what_was_removed_takes_no_room_for_ever(
    index: VectorIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_TAIL", 100)
    for seed in range(20, 26):
        come, vectors = numbers(N, seed), clustered(N, seed)
        index.add(come, vectors)
        index.remove(come)
    index.save(tmp_path / "churned")
    assert index.ids.tolist() == sorted(IDS.tolist())
    assert recall(index, IDS, VECTORS) >= (1.0 if index.exact else 0.93)
    fresh = VectorIndex(DIM, exact_up_to=10**6 if index.exact else 200)
    fresh.add(IDS, VECTORS)
    fresh.save(tmp_path / "fresh")
    assert (tmp_path / "churned").stat().st_size < (tmp_path / "fresh").stat().st_size + 16 * N


def test_adding_twice_changes_nothing(index: VectorIndex) -> None:
    index.add(IDS[:50], clustered(50, seed=77))
    index.add(np.array([1, 1]), clustered(2, seed=6))
    assert len(index) == N + 1
    assert index.search(VECTORS[0], 1).ids.tolist() == [IDS[0]]


def test_it_comes_back_as_it_was_saved(index: VectorIndex, tmp_path: Path) -> None:
    index.remove(IDS[10:20])
    index.save(tmp_path / "vectors")
    loaded = VectorIndex.load(tmp_path / "vectors")
    for query in clustered(5, seed=9):
        before, after = index.search(query, 10), loaded.search(query, 10)
        np.testing.assert_array_equal(before.ids, after.ids)
        np.testing.assert_array_equal(before.scores, after.scores)
    loaded.remove(IDS[:5])
    loaded.add(IDS[10:12], VECTORS[10:12])
    assert len(loaded) == N - 13
    assert loaded.search(VECTORS[11], 1).ids.tolist() == [IDS[11]]


def test_the_empty_index(tmp_path: Path) -> None:
    index = VectorIndex(DIM)
    index.save(tmp_path / "vectors")
    for empty in (index, VectorIndex.load(tmp_path / "vectors")):
        assert len(empty) == len(empty.ids) == empty.remove(IDS[:2]) == 0
        assert not len(empty.search(VECTORS[0], 3).ids)
        assert not len(empty.search(VECTORS[0], 3, Selector(np.sort(IDS))).ids)


def test_every_damage_of_the_file_is_noticed(tmp_path: Path) -> None:
    index, file = VectorIndex(DIM), tmp_path / "vectors"
    index.add(IDS[:20], VECTORS[:20])
    index.save(file)
    whole = file.read_bytes()
    draw = np.random.default_rng(0)
    spots = draw.integers(0, len(whole), 60).tolist()
    damaged = [bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]]) for at in spots]
    for content in (*damaged, *(whole[:cut] for cut in spots), b"", whole + b"x"):
        file.write_bytes(content)
        with pytest.raises(ObjectCorrupt, match="made anew"):
            VectorIndex.load(file)
    file.unlink()
    with pytest.raises(ObjectMissing):
        VectorIndex.load(file)


def test_vectors_that_do_not_fit_are_refused() -> None:
    index = VectorIndex(DIM)
    wrong = VECTORS[:1].copy()
    wrong[0, 3] = np.nan
    for vectors in (VECTORS[:1, :5], VECTORS[:2], wrong):
        with pytest.raises(InvalidInput, match="finite"):
            index.add(IDS[:1], vectors)
    assert len(index) == 0


def test_a_gpu_answers_what_is_not_filtered(index: VectorIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """faiss with GPU support is a fake: copies are counted, and searches go to the index that was copied."""
    faiss: Any = sys.modules["faiss"]
    copies: list[int] = []

    class Copy:
        def __init__(self, source: Any) -> None:
            self.search = source.search
            copies.append(source.ntotal)

    monkeypatch.setattr(faiss, "StandardGpuResources", SimpleNamespace, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1, raising=False)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", lambda _, device, source: Copy(source), raising=False)
    for _ in range(2):
        assert index.search(VECTORS[0], 1).ids.tolist() == [IDS[0]]
    assert index.search(VECTORS[0], 1, Selector(np.sort(IDS[:1]))).ids.tolist() == [IDS[0]]
    assert copies == [N]
    index.remove(IDS[:1])
    assert index.search(VECTORS[0], 1).ids.tolist() != [IDS[0]]
    assert copies == [N, N - 1]
