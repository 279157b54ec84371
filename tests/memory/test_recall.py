"""The library: found by meaning and by words, within a branch, explained, kept in step, saved and damaged."""

from __future__ import annotations

import threading
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from perdure.errors import ObjectCorrupt, ObjectMissing
from perdure.memory import recall
from perdure.memory.episodes import Episode, pack_vector
from perdure.memory.recall import Branch, Library, Query, ids_of
from perdure.stores import slots
from perdure.stores.slots import Selector

DIM = 8
ENCODER = "tiny/1"


def direction(*parts: float) -> NDArray[np.float32]:
    found = np.zeros(DIM, dtype=np.float32)
    found[: len(parts)] = parts
    return found / np.float32(np.linalg.norm(found))


def entry(text: str, vector: NDArray[np.float32], encoder: str = ENCODER) -> tuple[bytes, Episode]:
    digest = sha256(text.encode()).digest()
    place = (0, 0, 0, 0, 1, b"", 0)
    return digest, Episode(digest[:8].hex(), text, "user", "s", *place, encoder, pack_vector(vector), b"", (), None)


TEA = entry("I drink tea in the afternoon", direction(1, 0.2))
COFFEE = entry("Coffee keeps me awake", direction(1, 0.5))
LOCKER = entry("Locker 4512 is mine", direction(0, 0.4, 1))
OTHER = entry("Locker 9983 is yours", direction(0, 0.5, 1))
ALL = [TEA, COFFEE, LOCKER, OTHER]


@pytest.fixture
def library() -> Library:
    made = Library(ENCODER, DIM)
    assert made.sync(ALL) == []
    return made


def names(hits: list[recall.Hit]) -> list[bytes]:
    return [hit.digest for hit in hits]


def test_meaning_finds(library: Library) -> None:
    (hit,) = library.search(Query("hot drinks?", direction(1, 0.1)), 1)
    assert hit.digest == TEA[0]
    assert hit.similarity == pytest.approx(0.995, abs=0.01)
    assert (hit.vector_rank, hit.word_rank, hit.dropped) == (1, 0, "")


def test_an_exact_number_beats_a_slightly_better_likeness(library: Library) -> None:
    closer = direction(0, 0.5, 1)
    assert names(library.search(Query("who owns a locker", closer), 1)) == [OTHER[0]]
    (hit,) = library.search(Query("who owns 4512", closer), 1)
    assert hit.digest == LOCKER[0]
    assert hit.words > 0
    assert hit.word_rank == 1
    assert hit.similarity == pytest.approx(0.996, abs=0.01)
    assert hit.score == pytest.approx(hit.similarity + recall.WORDS_WEIGHT * hit.words)


def test_words_alone_do_not_pass_the_threshold(library: Library) -> None:
    away = Query("4512", direction(0, 0, 0, 1))
    assert library.search(away, 3) == []
    found = {hit.digest: hit for hit in library.explain(away, 3)}
    assert found[LOCKER[0]].dropped == "its score 0.200 is below 0.380"
    assert names(library.search(away, 1, threshold=-1.0)) == [LOCKER[0]]


def test_explain_says_what_was_passed_over(library: Library) -> None:
    hits = library.explain(Query("tea or coffee", direction(1, 0.3)), 1)
    assert [hit.digest for hit in hits][:2] == [TEA[0], COFFEE[0]]
    assert [bool(hit.dropped) for hit in hits] == [False, True, True, True]
    assert hits[1].dropped == "a better one was found"
    assert "below" in hits[3].dropped


def test_a_fork_sees_its_own_past_and_not_its_siblings(library: Library) -> None:
    query = Query("locker 4512", direction(0, 0.5, 1))
    for kept, gone in ((LOCKER, OTHER), (OTHER, LOCKER)):
        branch = Branch(("fork", kept[0]), ids_of([TEA[0], kept[0]]))
        hits = library.explain(query._replace(branch=branch), 5)
        assert kept[0] in names(hits)
        assert gone[0] not in names(hits)
        assert set(names(hits)) <= {TEA[0], kept[0]}
    assert library.explain(query._replace(branch=Branch("empty", ids_of([]))), 5) == []


def test_the_filter_of_a_branch_is_built_once(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(Selector):
        def __init__(self, ids: NDArray[np.int64]) -> None:
            made.append(len(ids))
            super().__init__(ids)

    monkeypatch.setattr(recall, "Selector", Counted)
    for key in (1, 1, 2, 1, 2):
        library.search(Query("tea", direction(1), Branch(key, ids_of([TEA[0]]))), 1)
    assert made == [1, 1]
    for key in range(100):
        library.search(Query("tea", direction(1), Branch(key, ids_of([TEA[0]]))), 1)
    assert len(library._selectors) == recall._BRANCHES


def test_syncing_again_adds_only_what_is_new(library: Library) -> None:
    new = entry("Entirely new", direction(0, 0, 0, 0, 1))
    assert library.missing([TEA[0], new[0]]) == [new[0]]
    library.sync([*ALL, new, new])
    assert len(library) == 5
    assert library.missing([new[0]]) == []
    assert names(library.search(Query("", direction(0, 0, 0, 0, 1)), 1)) == [new[0]]


def test_vectors_of_another_encoder_are_left_out(library: Library) -> None:
    foreign = entry("Foreign", direction(1), "other/1")
    assert library.sync([foreign]) == [foreign[0]]
    assert len(library) == 4


def test_what_was_forgotten_is_not_found(library: Library, tmp_path: Path) -> None:
    assert library.retain([TEA[0], COFFEE[0], OTHER[0], b"x" * 32]) == 1
    hits = library.explain(Query("locker 4512", direction(0, 0.4, 1)), 9)
    assert sorted(names(hits)) == sorted([TEA[0], COFFEE[0], OTHER[0]])
    library.save(tmp_path)
    saved = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"4512" not in saved
    assert LOCKER[0] not in saved
    assert LOCKER[1].embedding not in saved
    assert TEA[1].embedding in saved


def test_those_that_stay_are_found_when_most_have_gone(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_TAIL", 16)
    kept = [digest for digest, _ in ALL]
    for number in range(12):
        library.sync([entry(f"A thing of moment {number} {n}", direction(0.1, n / 9)) for n in range(10)])
        assert library.retain(kept) == 10
    assert len(library) == len(ALL)
    assert library.missing(kept) == []
    hits = library.explain(Query("locker 4512", direction(0, 0.4, 1)), 9)
    assert names(hits)[0] == LOCKER[0]
    assert sorted(names(hits)) == sorted(kept)


def test_who_writes_the_files_is_alone(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, write = tmp_path / "index", Library._write
    library.save(folder)
    sweeps: list[threading.Thread] = []

    def meanwhile(self: Library, where: Path) -> None:
        if not sweeps:
            sweeps.append(threading.Thread(target=recall.sweep, args=(folder, [TEA[0]])))
            sweeps[0].start()
            sweeps[0].join(0.05)
            assert sweeps[0].is_alive()
        write(self, where)

    monkeypatch.setattr(Library, "_write", meanwhile)
    library.save(folder)
    sweeps[0].join(20)
    assert len(Library.load(folder, ENCODER, DIM)) == 1


def test_it_comes_back_as_it_was_saved(library: Library, tmp_path: Path) -> None:
    library.retain([TEA[0], LOCKER[0], OTHER[0]])
    library.save(tmp_path)
    loaded = Library.load(tmp_path, ENCODER, DIM)
    query = Query("locker 4512 tea", direction(0.5, 0.4, 1))
    assert loaded.explain(query, 2) == library.explain(query, 2)
    loaded.sync(ALL)
    assert len(loaded) == 4


def test_files_that_do_not_fit_are_noticed(library: Library, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        Library.load(tmp_path, ENCODER, DIM)
    library.save(tmp_path)
    with pytest.raises(ObjectCorrupt, match="other/2"):
        Library.load(tmp_path, "other/2", DIM)
    words = (tmp_path / "words").read_bytes()
    library.retain([])
    library.save(tmp_path)
    (tmp_path / "words").write_bytes(words)
    with pytest.raises(ObjectCorrupt, match="agree"):
        Library.load(tmp_path, ENCODER, DIM)


def test_the_empty_library_finds_nothing() -> None:
    assert Library(ENCODER, DIM).explain(Query("anything", direction(1)), 3) == []


def test_the_background_is_the_mean_of_ranks_6_to_15() -> None:
    near = [0.9, 0.8, 0.7, 0.6, 0.5]
    others = [0.40, 0.41, 0.42, 0.43, 0.44, 0.20, 0.21, 0.22, 0.23, 0.24]
    assert recall.background([*others, *near, 0.1]) == pytest.approx(0.32)
    assert recall.background([*near, *others[:5]]) == pytest.approx(0.21)
    assert recall.background(near) == 0.0
    assert recall.background([*near, *[0.49] * 40]) == pytest.approx(0.049)


def test_what_others_remember_changes_no_bit() -> None:
    """A branch's hits, with all their numbers, are those that it has alone."""
    draw = np.random.default_rng(3)
    words = ["tea", "locker", "coffee", "the", "a", "harbour", "seven", "violin"]

    def episodes(count: int, whose: str) -> list[tuple[bytes, Episode]]:
        texts = [f"{whose} {number} " + " ".join(draw.choice(words, 6)) for number in range(count)]
        vectors = draw.standard_normal((count, DIM)).astype(np.float32)
        return [entry(text, each / np.float32(np.linalg.norm(each))) for text, each in zip(texts, vectors, strict=True)]

    ours, theirs = episodes(60, "ours"), episodes(200, "theirs")
    query = Query("the tea in the locker", direction(1, 0.5), Branch("ours", ids_of(digest for digest, _ in ours)))
    alone, among = Library(ENCODER, DIM), Library(ENCODER, DIM)
    alone.sync(ours)
    among.sync([*theirs[:100], *reversed(ours), *theirs[100:]])
    assert among.explain(query, 5) == alone.explain(query, 5)
    assert among.weights(query.text, query.branch) == alone.weights(query.text, query.branch)
    among.retain(digest for digest, _ in (*ours, *theirs[:50]))
    assert among.explain(query, 5) == alone.explain(query, 5)
