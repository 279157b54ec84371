"""The lexicon against BM25 written down plainly, through additions, removals, merges and files."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.errors import ObjectCorrupt
from perdure.stores import lexicon
from perdure.stores.lexicon import K1, B, Lexicon
from perdure.stores.slots import Selector

WORDS = [f"w{number}" for number in range(30)]
Texts = dict[int, list[str]]


def plain(texts: Texts, query: set[str]) -> dict[int, float]:
    """BM25 of every text that holds a term."""
    average = max(1.0, sum(map(len, texts.values())) / max(1, len(texts)))
    scores: dict[int, float] = {}
    for number, text in texts.items():
        counts = Counter(text)
        for term in query & counts.keys():
            holding = sum(term in other for other in texts.values())
            idf = math.log1p((len(texts) - holding + 0.5) / (holding + 0.5))
            saturated = counts[term] * (K1 + 1) / (counts[term] + K1 * (1 - B + B * len(text) / average))
            scores[number] = scores.get(number, 0.0) + idf * saturated
    return scores


def make(texts: Texts) -> Lexicon:
    made = Lexicon()
    made.add(np.array(list(texts), dtype=np.int64), texts.values())
    return made


def random_texts(n: int, seed: int = 0) -> Texts:
    draw = np.random.default_rng(seed)
    ids = draw.choice(10**6, n, replace=False) - 500_000
    return {int(number): [WORDS[at] for at in draw.integers(0, 30, draw.integers(0, 12))] for number in ids}


texts_strategy = st.dictionaries(st.integers(-(2**62), 2**62), st.lists(st.sampled_from(WORDS[:8]), max_size=8), max_size=12)


@settings(max_examples=60, deadline=None)
@given(texts_strategy, st.sets(st.sampled_from(WORDS[:10]), max_size=4), st.booleans(), st.data())
def test_it_scores_as_bm25_says(texts: Texts, query: set[str], merged: bool, data: st.DataObject) -> None:
    made = make(texts)
    gone = data.draw(st.sets(st.sampled_from(sorted(texts)))) if texts else set()
    if merged:
        made._merge()
    assert made.remove(np.array(sorted(gone), dtype=np.int64)) == len(gone)
    made._merge()
    left = {number: text for number, text in texts.items() if number not in gone}
    assert len(made) == len(left)
    expected = plain(left, query)
    found = made.search(query, 20)
    assert dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True)) == pytest.approx(expected, abs=1e-4)
    assert list(found.scores) == sorted(found.scores, reverse=True)
    everything = np.array([*left, 2**62 + 1], dtype=np.int64)
    scored = made.score(query, everything)
    assert scored.scores.tolist() == pytest.approx([expected.get(number, 0.0) for number in everything.tolist()], abs=1e-4)


def test_overlap_is_the_share_of_what_the_query_tells() -> None:
    made = make({1: ["red", "fox"], 2: ["red", "hen"], 3: ["red"]})
    found = made.search(["red", "fox"], 3)
    assert found.ids[0] == 1
    assert found.overlap[0] == pytest.approx(1.0)
    assert made.score(["fox"], np.array([2, 1, 9])).overlap.tolist() == [0.0, 1.0, 0.0]
    assert made.score(["fox", "unheard"], np.array([1])).overlap[0] < 0.6


def test_a_filter_lets_nothing_else_through() -> None:
    texts = random_texts(300)
    made = make(texts)
    kept = sorted(texts)[::3]
    found = made.search(["w1", "w2"], 300, Selector(np.array(kept)))
    expected = plain(texts, {"w1", "w2"})
    assert sorted(found.ids.tolist()) == [number for number in kept if number in expected]


def test_common_words_find_nothing_but_count(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {1: ["the", "fox"], 2: ["the", "hen"], 3: ["a", "fox"], 4: ["the"]}
    monkeypatch.setattr(lexicon, "POSTINGS", 2)
    made = make(texts)
    assert made.search(["the"], 5).ids.tolist() == []
    found = made.search(["the", "fox"], 5)
    assert found.ids.tolist() == [1, 3]
    assert found.scores.tolist() == pytest.approx([plain(texts, {"the", "fox"})[number] for number in (1, 3)])


def test_what_was_removed_stands_in_no_file(tmp_path: Path) -> None:
    made = make({1: ["secret", "fox"], 2: ["fox"]})
    made.remove(np.array([1]))
    assert made.search(["secret"], 5).ids.tolist() == []
    made.save(tmp_path / "words")
    assert b"secret" not in (tmp_path / "words").read_bytes()
    assert Lexicon.load(tmp_path / "words").ids.tolist() == [2]


def test_it_comes_back_as_it_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "_TAIL", 50)
    texts = random_texts(400)
    made = Lexicon()
    for number, text in texts.items():
        made.add(np.array([number]), [text])
    made.save(tmp_path / "words")
    loaded = Lexicon.load(tmp_path / "words")
    loaded.add(np.array([10**7]), [["brand", "new", "w1"]])
    assert loaded.search(["brand"], 3).ids.tolist() == [10**7]
    loaded.remove(np.array([10**7]))
    for word in WORDS[:5]:
        found, again = made.search([word], 50), loaded.search([word], 50)
        np.testing.assert_array_equal(np.sort(found.ids), np.sort(again.ids))
    expected = plain(texts, {"w3"})
    found = made.search(["w3"], 400)
    assert dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True)) == pytest.approx(expected, abs=1e-4)


def test_a_damaged_file_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "words"
    make(random_texts(20)).save(file)
    whole = file.read_bytes()
    for content in (whole[:-1], b"junk" * 10, whole[:40] + bytes([whole[40] ^ 1]) + whole[41:]):
        file.write_bytes(content)
        with pytest.raises(ObjectCorrupt, match="made anew"):
            Lexicon.load(file)


def test_the_empty_lexicon(tmp_path: Path) -> None:
    Lexicon().save(tmp_path / "words")
    for empty in (Lexicon(), Lexicon.load(tmp_path / "words")):
        assert len(empty) == len(empty.search(["a"], 3).ids) == len(empty.search([], 3).ids) == 0
        empty.add(np.array([4]), [["a"]])
        empty.add(np.array([4, 5, 5]), [["b"], ["c"], ["d"]])
        assert empty.search(["a"], 3).ids.tolist() == [4]
        assert len(empty.search(["b", "d"], 3).ids) == 0


def test_what_else_is_there_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts that a search may not return neither weigh words nor take places, whenever they came or went."""
    monkeypatch.setattr(lexicon, "POSTINGS", 60)
    ours, others = random_texts(120), random_texts(400, seed=1)
    allowed = Selector(np.array(sorted(ours)))
    alone, among, later = make(ours), make(others), make(ours)
    among.add(np.array(list(reversed(ours))), list(reversed(ours.values())))
    query = ["w1", "w2", "w3", "w29", "nowhere"]
    wanted = alone.search(query, 10)
    for step in ("before", "added", "removed", "merged"):
        if step == "added":
            later.add(np.array(list(others)), others.values())
        if step == "removed":
            for made in (among, later):
                made.remove(np.array([number for number in others if number % 2 and number not in ours]))
        if step == "merged":
            among._merge()
        for made in (among, later):
            found = made.search(query, 10, allowed)
            assert found.ids.tolist() == wanted.ids.tolist()
            assert found.scores.tobytes() == wanted.scores.tobytes()
            assert found.overlap.tobytes() == wanted.overlap.tobytes()
            assert made.weights(query, allowed) == alone.weights(query)
