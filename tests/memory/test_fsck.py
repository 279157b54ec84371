"""Fsck: a sound store, damaged objects, journals, refs and links, and a lost database."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from perdure.errors import SessionNotFound
from perdure.memory import fsck
from perdure.memory.records import FsckReport
from perdure.memory.repository import Repository
from perdure.stores.base import Object, ReadTxn
from perdure.stores.journal import Journal, read_journal
from perdure.stores.lease import Lease
from perdure.stores.tables import LINEAGE, OBJECTS, REFS, TableWrite
from tests.memory.conftest import RECIPE, Turn, contents


@pytest.fixture
def filled(repository: Repository, turn: Turn) -> Repository:
    for text in ("One.", "Two.", "Three."):
        turn("alice", text)
    turn("bob", "Hello.", tokens=300)
    repository.fork("alice", "carol", "HEAD~1")
    turn("carol", "I am Carol.")
    repository.tag("two", "HEAD~1", "alice")
    return repository


def put(repository: Repository, table: str, key: bytes, value: bytes | None) -> None:
    with repository.store.write() as txn:
        assert isinstance(txn, TableWrite)
        if value is None:
            txn.tables.delete(table, key)
        else:
            txn.tables.put(table, key, value)


def spoilt(repository: Repository, table: str, key: bytes) -> None:
    with repository.store.read() as txn:
        value = bytearray(txn.tables.get(table, key))  # type: ignore[attr-defined]
    value[-1] ^= 1
    put(repository, table, key, bytes(value))


def repaired(repository: Repository) -> FsckReport:
    """Found without repair, mended with it, the same contents as before."""
    found = repository.fsck()
    assert not found.ok
    report = repository.fsck(repair=True)
    assert report.ok, report
    assert report.lost == ()
    return report


def test_a_sound_store(filled: Repository) -> None:
    steps: list[tuple[int, int]] = []
    report = filled.fsck(progress=lambda done, total: steps.append((done, total)))
    assert report.ok
    assert report.problems == ()
    assert report.journals == 3
    assert report.objects == filled.stats()["objects"]
    assert steps[-1] == (filled.store.bytes_on_disk(),) * 2
    assert all(0 <= done <= total for done, total in steps)


class Counting:
    """A read transaction that counts how often each object is read."""

    def __init__(self, txn: ReadTxn) -> None:
        self._txn = txn
        self.reads: Counter[bytes] = Counter()

    def get(self, digest: bytes) -> Object:
        self.reads[digest] += 1
        return self._txn.get(digest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._txn, name)


def test_a_history_is_gone_through_once(repository: Repository, turn: Turn) -> None:
    for number in range(40):
        turn("alice", f"{number}.", tokens=5)
    repository.fork("alice", "bob", "HEAD~3")
    repository.tag("late", "HEAD", "alice")
    blocks = {digest for commit in repository.log("alice") for _, _, digest in repository.blocks(commit)}
    with repository.store.read() as txn:
        counted = Counting(txn)
        assert fsck._computed(cast("ReadTxn", counted)) == blocks
    assert max(counted.reads.values()) == 1


def test_kv_is_known_by_what_can_be_read_of_the_lists(repository: Repository, turn: Turn) -> None:
    """A list that cannot be read hides neither the others of its commit nor the commits before."""
    turn("alice", "One.")
    first = {digest for _, _, digest in repository.blocks(repository.info("alice").head)}
    turn("alice", "Two.")
    head = repository.info("alice").head
    assert head.state is not None
    put(repository, OBJECTS, head.state.blocks, None)
    with repository.store.read() as txn:
        assert fsck._computed(txn) == first
    repaired(repository)


@pytest.mark.parametrize("harm", ["spoilt", "gone"])
def test_every_small_object_comes_back_from_the_journals(filled: Repository, harm: str) -> None:
    before = contents(filled)
    with filled.store.read() as txn:
        small = [digest for digest in txn.digests() if txn.get(digest).kind != "kv-block"]
    for digest in small:
        if harm == "gone":
            put(filled, OBJECTS, digest, None)
        else:
            spoilt(filled, OBJECTS, digest)
    repaired(filled)
    assert contents(filled) == before
    assert filled.fsck().ok


def test_a_damaged_kv_block_is_dropped_to_be_computed_again(filled: Repository) -> None:
    head = filled.info("bob").head
    _, _, digest = filled.blocks(head)[0]
    spoilt(filled, OBJECTS, digest)
    report = repaired(filled)
    assert "computed again" in report.problems[0].sentence
    loaded: list[int] = []
    restored = filled.restore(head, lambda start, n, data: loaded.append(start))
    assert [block[0] for block in restored.damaged] == [0]
    assert 0 not in loaded


def test_a_damaged_ref_comes_back_from_its_journal(filled: Repository) -> None:
    before, heads = contents(filled), {info.name: info.head for info in filled.sessions()}
    for name in (b"heads/alice", b"tags/two"):
        spoilt(filled, REFS, name)
    repaired(filled)
    assert contents(filled) == before
    assert {info.name: info.head for info in filled.sessions()} == heads
    assert [tag.name for tag in filled.tags()] == ["two"]


def test_a_ref_that_vanished_comes_back_when_the_store_is_opened(tmp_path: Path) -> None:
    with Repository.open(tmp_path / "store") as repository:
        repository.create("alice", RECIPE)
        put(repository, REFS, b"heads/alice", None)
        with pytest.raises(SessionNotFound):
            repository.info("alice")
    with Repository.open(tmp_path / "store") as repository:
        assert repository.exists("alice")
        assert any("alice" in note for note in repository.notes)


def test_a_link_that_leads_nowhere_is_dropped(filled: Repository) -> None:
    with filled.store.read() as txn:
        lineage = next(key for key, _ in txn.lineages())
    put(filled, LINEAGE, lineage, b"\7" * 32)
    repaired(filled)
    assert filled.fsck().ok


@pytest.mark.parametrize("end", [0, 10, 200, -1])
def test_a_journal_is_told_again_from_the_database(filled: Repository, end: int) -> None:
    before, uid = contents(filled), filled.info("alice").uid
    path = filled.path / "journals" / f"{uid}.journal"
    path.write_bytes(path.read_bytes()[:end])
    report = repaired(filled)
    assert "alice" in report.problems[0].sentence
    assert read_journal(path)[1] == []
    assert filled.fsck().ok
    filled.rebuild("On request.")
    assert contents(filled) == before


def test_both_files_of_a_journal_are_gone(filled: Repository, turn: Turn) -> None:
    before, uid = contents(filled), filled.info("alice").uid
    Journal.remove(filled.path / "journals", uid)
    repaired(filled)
    filled.rebuild("On request.")
    assert contents(filled) == before
    turn("alice", "Going on.")
    assert filled.fsck(repair=True).ok


def test_a_writer_mends_its_journal_itself(filled: Repository, turn: Turn) -> None:
    uid = filled.info("alice").uid
    Journal.remove(filled.path / "journals", uid)
    copy = turn("alice", "Going on.")
    assert any("written anew" in note for note in copy.notes)
    assert filled.fsck().ok


def test_the_journal_of_the_tags_is_told_again(filled: Repository) -> None:
    Journal.remove(filled.path / "journals", "store")
    filled.fsck(repair=True)
    filled.rebuild("On request.")
    assert [tag.name for tag in filled.tags()] == ["two"]


def test_a_session_that_is_being_written_is_left_alone(filled: Repository) -> None:
    uid = filled.info("alice").uid
    path = filled.path / "journals" / f"{uid}.journal"
    with Lease(filled.path / "leases" / f"{uid}.lock"):
        path.write_bytes(b"")
        path.with_suffix(".mirror").write_bytes(b"")
        report = filled.fsck(repair=True)
        assert not report.ok
        assert path.read_bytes() == b""
    repaired(filled)


def test_a_journal_whose_session_was_begun_again_is_dropped(tmp_path: Path) -> None:
    """A creation that died leaves a journal without a branch; the name may have been taken since."""
    with Repository.open(tmp_path / "store") as repository:
        repository.create("alice", RECIPE)
        put(repository, REFS, b"heads/alice", None)
        repository.create("alice", RECIPE)
        second = repository.info("alice").uid
        report = repository.fsck()
        assert "belongs to no session" in report.problems[0].sentence
    with Repository.open(tmp_path / "store") as repository:
        assert Journal.list(repository.path / "journals") == [second]
        assert repository.fsck().ok


def test_two_sessions_of_one_name_both_come_back(tmp_path: Path) -> None:
    with Repository.open(tmp_path / "store") as repository:
        repository.create("alice", RECIPE)
        first = repository.working_copy("alice")
        first.acquire()
        first.drop_turn()
        first.release()
        put(repository, REFS, b"heads/alice", None)
        repository.create("alice", RECIPE)
    with Repository.open(tmp_path / "store") as repository:
        assert sorted(info.name for info in repository.sessions()) == ["alice", f"alice-{first.uid[:8]}"]


def test_an_undone_turn_stays_in_reach_when_the_journal_is_told_again(filled: Repository) -> None:
    """A fork's base and a tagged commit may lie on what was taken back."""
    filled.fork("alice", "dave")
    filled.reset("alice", "@turn:1")
    before = contents(filled)
    Journal.remove(filled.path / "journals", filled.info("alice").uid)
    repaired(filled)
    filled.rebuild("On request.")
    assert contents(filled) == before
    assert [tag.name for tag in filled.tags()] == ["two"]


def test_a_lost_database_is_rebuilt(filled: Repository, turn: Turn) -> None:
    before, heads = contents(filled), {info.name: info.head for info in filled.sessions()}
    (filled.path / "data.mdb").write_bytes(b"\0" * 100_000)
    report = filled.fsck(repair=True)
    assert report.ok
    assert report.problems[0].subject == "database"
    assert contents(filled) == before
    assert {info.name: info.head for info in filled.sessions()} == heads
    assert list(filled.path.glob("damaged-*-data.mdb"))
    turn("alice", "Going on.")
