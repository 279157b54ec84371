"""Records of fast weights as objects, the ledger that lists them, and the gate that opens them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from perdure.errors import ObjectCorrupt
from perdure.memory.draft import Recorder
from perdure.memory.facts import Fact
from perdure.memory.fastweights import (
    LOW_RANK,
    Conflict,
    Doubt,
    Gate,
    Record,
    Refusal,
    Said,
    append,
    compare,
    get,
    pack_vectors,
    put,
    read,
    refusals,
    settled,
    standing,
    target,
    union,
    without,
)
from perdure.memory.fastweights.gate import ASKED, LIKELIER, LOOSE, MOST, MUCH, SURE, THRESHOLD, VERBATIM
from perdure.stores.base import Store
from perdure.stores.memory import MemoryStore

DIM = 4
E = np.eye(DIM, dtype=np.float32)


def record(name: str, own: list[int], negative: list[int] | None = None, key: str = "", time_ms: int = 0) -> Record:
    return Record(
        id=name.encode().hex().ljust(16, "0")[:16],
        form=LOW_RANK,
        subject=name,
        relation="pet",
        value="Rex",
        statement=f"{name} has a dog called Rex.",
        key=key or name,
        places=("layers.0.mlp.down_proj",),
        shapes=((2, 3), (5, 2)),
        payload=bytes(2 * (6 + 10)),
        writer="test/1",
        weights="w",
        encoder="e",
        own=pack_vectors(E[own]),
        negative=pack_vectors(E[negative or []]),
        sources=(Said("uid", 1, 2, 3, "ab"),),
        origin=b"o" * 32,
        time_ms=time_ms,
        measured={"recall": 0.75},
    )


def seen(*vectors: np.ndarray) -> Callable[[Sequence[str]], np.ndarray]:
    """An encoder that gives these vectors for the texts, in turn."""
    return lambda texts: np.stack([vectors[i % len(vectors)] for i, _ in enumerate(texts)])


def gate(*records: Record) -> Gate:
    return Gate(records, DIM, lambda subject, text: text.replace(subject, "X") if subject in text else None)


@pytest.fixture
def store() -> Store:
    return MemoryStore()


def test_a_record_comes_back_as_it_was(store: Store) -> None:
    made = record("Ann", [0, 1], [2])
    with store.write() as txn:
        digest = put(Recorder(txn), made)
        assert get(txn, digest) == replace(made, digest=digest)


def test_what_is_no_record_is_refused(store: Store) -> None:
    with store.write() as txn:
        recorder = Recorder(txn)
        other = recorder.put("message", b"hello")
        short = recorder.put("fast-weight", b"", meta=dict(txn.get(put(recorder, record("Ann", [0]))).meta))
        for digest in (other, short):
            with pytest.raises(ObjectCorrupt, match="not a fast-weight record"):
                get(txn, digest)


def test_a_ledger_without_a_record_is_one_that_never_had_it(store: Store) -> None:
    one, two, three = (record(name, [0]) for name in ("Ann", "Bob", "Cay"))
    with store.write() as txn:
        recorder = Recorder(txn)
        whole = append(recorder, None, [one, two, three])
        held = list(read(recorder, whole))
        assert [each.id for each in held] == [one.id, two.id, three.id]
        assert without(recorder, whole, {held[1].digest}) == append(recorder, append(recorder, None, [one]), [three])
        assert without(recorder, whole, {each.digest for each in held}) is None


def test_the_last_record_of_a_key_holds() -> None:
    old, new, other = record("Ann", [0], key="k"), record("Ben", [0], key="k"), record("Cay", [0])
    assert standing([old, other, new]) == [other, new]
    assert standing([old, other]) == [old, other]


def test_a_question_opens_what_it_names_and_asks() -> None:
    found = gate(record("Ann", [0]), record("Bob", [0])).decide(["What does Ann say?"], seen(E[0]))
    assert [(d.record.subject, d.opened, d.why) for d in found] == [("Ann", True, "")]


def test_a_near_negative_keeps_it_closed() -> None:
    question = seen(np.array([0.9, 0.436, 0, 0], np.float32))
    near, far = record("Ann", [1], [0]), record("Ann", [1], [2])
    assert gate(near).decide(["Ann"], question)[0].why == "something else of the same was asked"
    assert gate(far).decide(["Ann"], question)[0].opened


def test_several_near_texts_count_for_more_than_one() -> None:
    question = seen(np.array([0.45, 0.893, 0, 0], np.float32))
    assert gate(record("Ann", [0, 0, 0])).decide(["Ann"], question)[0].opened
    assert not gate(record("Ann", [0, 2, 3])).decide(["Ann"], question)[0].opened


def test_the_best_of_a_subject_keeps_those_far_behind_it_closed() -> None:
    question = seen(np.array([0.8, 0.6, 0, 0], np.float32))
    best, behind, another = (record("Ann", [0], key="a"), record("Ann", [1], key="b"), record("Bob", [1]))
    found = {d.record.key: d.why for d in gate(best, behind, another).decide(["Ann Bob"], question)}
    assert found == {"a": "", "b": "", "Bob": ""}
    question = seen(np.array([0.9, 0.436, 0, 0], np.float32))
    found = {d.record.key: d.why for d in gate(best, behind, another).decide(["Ann Bob"], question)}
    assert found == {"a": "", "b": "something else of the same was asked", "Bob": ""}


def test_below_the_threshold_nothing_opens() -> None:
    def asked(cosine: float) -> bool:
        question = seen(np.array([cosine, (1 - cosine**2) ** 0.5, 0, 0], np.float32))
        return gate(record("Ann", [0])).decide(["Ann"], question)[0].opened

    assert asked(THRESHOLD + 0.01)
    assert not asked(THRESHOLD - 0.01)


def at(cosine: float) -> Callable[[Sequence[str]], np.ndarray]:
    """An encoder whose every text is so near to E[0]."""
    return seen(np.array([cosine, (1 - cosine**2) ** 0.5, 0, 0], np.float32))


class Asked:
    """Says the same of everything it is asked about, and keeps that."""

    def __init__(self, gain: float) -> None:
        self.gain = gain
        self.doubts: list[Doubt] = []

    def __call__(self, doubts: Sequence[Doubt]) -> list[float]:
        self.doubts += doubts
        return [self.gain] * len(doubts)


@pytest.mark.parametrize(
    ("relation", "score", "gain", "opened"),
    [
        ("pet", (THRESHOLD + SURE) / 2, LIKELIER, True),
        ("pet", (THRESHOLD + SURE) / 2, LIKELIER - 0.1, False),
        ("", (THRESHOLD + SURE) / 2, LIKELIER, True),
        ("", (LOOSE + THRESHOLD) / 2, (LIKELIER + MUCH) / 2 + 0.01, True),
        ("", (LOOSE + THRESHOLD) / 2, (LIKELIER + MUCH) / 2 - 0.01, False),
        ("", LOOSE + 0.001, MUCH, True),
    ],
)
def test_what_is_in_doubt_is_opened_where_the_model_finds_the_question_likelier(
    relation: str, score: float, gain: float, opened: bool
) -> None:
    asked = Asked(gain)
    ann = replace(record("Ann", [0], [3]), relation=relation)
    (found,) = gate(ann).decide(["And Ann?"], at(score), asked)
    assert (found.opened, found.gain) == (opened, gain)
    assert asked.doubts == [Doubt("Ann", ann.statement, "And Ann?")]


@pytest.mark.parametrize(("gain", "opened"), [(VERBATIM + 0.01, True), (VERBATIM - 0.01, False)])
def test_of_a_sentence_as_it_was_said_the_model_is_asked_for_less(gain: float, opened: bool) -> None:
    ann = replace(record("Ann", [0]), relation="")
    (found,) = gate(ann).decide(["And Ann?"], at(THRESHOLD + 0.01), Asked(gain))
    assert found.opened == opened


@pytest.mark.parametrize(
    ("relation", "score", "opened"),
    [("pet", THRESHOLD - 0.01, False), ("pet", SURE + 0.01, True), ("", SURE + 0.01, True), ("", LOOSE - 0.01, False)],
)
def test_what_is_clear_is_asked_of_nobody(relation: str, score: float, opened: bool) -> None:
    def fails(doubts: Sequence[Doubt]) -> Sequence[float]:
        raise AssertionError(f"asked about {doubts}")

    (found,) = gate(replace(record("Ann", [0]), relation=relation)).decide(["And Ann?"], at(score), fails)
    assert (found.opened, found.gain) == (opened, None)


def test_only_the_best_few_are_asked_about_and_no_superseded_one() -> None:
    asked = Asked(2.0)
    old, *others, new = (replace(record(f"N{i}", [0], key=str(i)), subject="Ann") for i in range(ASKED + 4))
    found = gate(old, *others, replace(new, key=old.key)).decide(["And Ann?"], at(0.45), asked)
    assert len(asked.doubts) == ASKED
    assert sum(d.gain is not None for d in found) == ASKED
    assert [d.gain for d in found if d.why == "superseded"] == [None]


def test_a_question_about_several_subjects_is_asked_of_nobody() -> None:
    asked = Asked(-9.0)
    found = gate(record("Ann", [0]), record("Bob", [0])).decide(["And Ann, and Bob?"], at((THRESHOLD + SURE) / 2), asked)
    assert asked.doubts == []
    assert all(d.opened for d in found)


def test_superseded_records_stay_closed_and_come_back_when_the_newer_is_gone() -> None:
    old, new = record("Ann", [0], key="k"), record("Ben", [0], key="k")
    assert {d.record.id: d.why for d in gate(old, new).decide(["Ann Ben"], seen(E[0]))} == {old.id: "superseded", new.id: ""}
    assert gate(old).decide(["Ann"], seen(E[0]))[0].opened


def test_no_more_than_a_few_open_at_once() -> None:
    names = [f"N{i}" for i in range(MOST + 2)]
    found = gate(*(record(name, [0]) for name in names)).decide([" ".join(names)], seen(E[0]))
    assert sum(d.opened for d in found) == MOST
    assert sum(d.why == "too many" for d in found) == 2


def test_the_best_of_several_wordings_counts() -> None:
    found = gate(record("Ann", [1])).decide(["about Ann", "Ann"], seen(E[0], E[1]))
    assert found[0].opened
    assert found[0].score == pytest.approx(1.0)


def test_an_empty_ledger_opens_nothing() -> None:
    assert gate().decide(["Ann"], seen(E[0])) == []


def test_two_ledgers_compared_and_brought_together() -> None:
    same = replace(record("Ann", [0], time_ms=1), digest=b"a")
    ours = replace(record("Bob", [0], key="k", time_ms=3), digest=b"b")
    theirs = replace(record("Cay", [0], key="k", time_ms=2), digest=b"c", value="Tom")
    found = compare([same, ours], [same, theirs])
    assert (found.ours, found.theirs, found.both) == ((ours,), (theirs,), (same,))
    assert found.conflicts == (Conflict(ours, theirs),)
    assert union([same, ours], [same, theirs]) == [same, theirs, ours]
    assert standing(union([same, ours], [same, theirs])) == [same, ours]
    assert compare([same], [same]).conflicts == ()


def test_what_a_session_teaches_goes_where_it_says_or_to_what_it_mounts() -> None:
    assert target("s", ["gone", "p", "q"], {"p", "q"}.__contains__, None) == "p"
    assert target("s", ["p"], {"p"}.__contains__, "r") == "r"
    assert target("s", ["gone"], set[str]().__contains__, None) == "s"


def refusal(key: str, value: str = "Rex", writer: str = "kv/1", explicit: bool = False) -> Refusal:
    return Refusal(key, value, f"{key} has a dog called {value}.", explicit, writer, "w", "only 0%", 7)


def test_refusals_take_the_place_of_older_ones_and_give_way_to_records() -> None:
    with MemoryStore().write() as txn:
        recorder = Recorder(txn)
        root = settled(recorder, None, [refusal("a"), refusal("b"), refusal("a", writer="delta/1")])
        assert settled(recorder, root) == root
        assert [(each.key, each.writer) for each in refusals(recorder, root)] == [
            ("a", "kv/1"),
            ("b", "kv/1"),
            ("a", "delta/1"),
        ]
        newer = settled(recorder, root, [refusal("a", "Bruno")], {"b"})
        assert [(each.key, each.value) for each in refusals(recorder, newer)] == [("a", "Rex"), ("a", "Bruno")]
        assert settled(recorder, newer, taught={"a", "b"}) is None
        assert list(refusals(recorder, None)) == []


def test_a_refusal_holds_for_the_same_words_until_they_are_to_be_remembered() -> None:
    fact = Fact("Ann", "", "Rex", "Ann's dog is called Rex.")
    plain, asked = (replace(refusal(fact.key, "rex"), explicit=explicit) for explicit in (False, True))
    assert plain.holds(fact, False)
    assert not plain.holds(fact, True)
    assert asked.holds(fact, True)
    other = replace(fact, value="Bruno", statement="Ann's dog is called Bruno.", spoken="")
    assert not asked.holds(other, False)
    assert replace(asked, key="", statement=fact.statement).holds(fact, False)


def test_what_is_no_refusal_is_damage() -> None:
    with MemoryStore().write() as txn:
        recorder = Recorder(txn)
        root = append(recorder, None, [record("a", [0])])
        with pytest.raises(ObjectCorrupt, match="not a refusal"):
            list(refusals(recorder, root))
