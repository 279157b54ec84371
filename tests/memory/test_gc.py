"""Garbage collection keeps what can be reached and drops the rest."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.errors import InvalidInput, ObjectCorrupt, ObjectMissing, RevisionNotFound, SessionNotFound
from perdure.memory import reach, revisions
from perdure.memory.amending import merge_branch
from perdure.memory.records import Commit
from perdure.memory.repository import Repository
from perdure.memory.sessionlog import STORE_UID
from perdure.stores.base import ReadTxn
from perdure.stores.journal import Journal
from perdure.stores.lease import Lease
from tests.memory.conftest import Turn, add_turn, contents


def digests(repository: Repository) -> set[bytes]:
    with repository.store.read() as txn:
        return set(txn.digests())


def test_nothing_that_can_be_reached_goes(repository: Repository, turn: Turn) -> None:
    for name in ("alice", "bob"):
        for text in ("One.", "Two."):
            turn(name, text)
    repository.fork("alice", "carol", "HEAD~1")
    repository.tag("start", "@turn:1", "bob")
    before = contents(repository), digests(repository)
    report = repository.gc(expire_days=0)
    assert (report.objects, report.bytes) == (0, 0)
    assert (contents(repository), digests(repository)) == before
    assert repository.fsck().ok


def test_what_was_taken_back_goes_once_its_log_expires(repository: Repository, turn: Turn) -> None:
    for text in ("One.", "Two.", "Three."):
        turn("alice", text)
    repository.reset("alice", "@turn:1")
    assert repository.gc().objects == 0
    dry = repository.gc(expire_days=0, dry_run=True)
    before = digests(repository)
    report = repository.gc(expire_days=0)
    assert dry._replace(dry_run=False) == report
    assert len(before) - len(digests(repository)) == report.objects > 0
    with repository.store.read() as txn:
        live = reach.reachable(txn, [repository.info("alice").head.digest])
    assert live <= digests(repository)
    assert repository.verify("alice") == []
    assert repository.fsck().ok
    turn("alice", "Another.")


def test_a_dry_run_changes_nothing(repository: Repository, turn: Turn) -> None:
    turn("alice")
    turn("bob")
    repository.remove("bob")
    before = digests(repository), repository.reflog("alice"), sorted((repository.path / "journals").iterdir())
    report = repository.gc(expire_days=0, dry_run=True, compact=True)
    assert report.dry_run
    assert report.objects > 0
    assert (digests(repository), repository.reflog("alice"), sorted((repository.path / "journals").iterdir())) == before


def test_a_tag_keeps_what_its_session_has_left(repository: Repository, turn: Turn) -> None:
    turn("alice", "One.")
    turn("alice", "Two.")
    repository.tag("two", "alice")
    repository.remove("alice")
    repository.gc(expire_days=0)
    assert [m.content for m in repository.messages("two")][::2] == ["One.", "Two."]
    assert repository.fsck().ok


def test_a_tagged_commit_of_a_removed_session_outlives_the_database(tmp_path: Path) -> None:
    with Repository.open(tmp_path / "store") as repository:
        add_turn(repository, "alice", "One.")
        repository.tag("one", "alice")
        repository.remove("alice")
        repository.gc(expire_days=0)
    (tmp_path / "store" / "data.mdb").unlink()
    with Repository.open(tmp_path / "store") as repository:
        assert repository.messages("one")[0].content == "One."
        repository.untag("one")
        repository.gc(expire_days=0)
        assert Journal.list(repository.path / "journals") == ["store"]


def test_a_removed_session_leaves_no_journal(repository: Repository, turn: Turn) -> None:
    uid = turn("alice").uid
    repository.remove("alice")
    assert repository.gc().journals == 1
    assert uid not in Journal.list(repository.path / "journals")
    with pytest.raises(SessionNotFound):
        repository.info("alice")


def test_the_journal_of_a_removed_session_waits_for_its_forks(repository: Repository, turn: Turn) -> None:
    """A fork's own journal begins where it was forked: without its parent's it could not be rebuilt."""
    uid = turn("alice").uid
    fork = repository.fork("alice", "bob").uid
    repository.remove("alice")
    assert {uid, fork} <= set(Journal.list(repository.path / "journals"))
    assert repository.gc(expire_days=0).journals == 0
    repository.remove("bob")
    assert repository.gc(expire_days=0).journals == 2
    assert Journal.list(repository.path / "journals") == []


def test_locks_of_removed_sessions_go_and_those_in_use_stay(repository: Repository, turn: Turn) -> None:
    leases = repository.path / "leases"
    uid = turn("alice").uid
    for number in range(3):
        turn(f"gone-{number}")
        repository.remove(f"gone-{number}")
    with Lease(leases / "begun.lock"):
        repository.gc(dry_run=True)
        assert len([*leases.glob("*.lock")]) >= 5
        repository.gc()
        assert {path.stem for path in leases.glob("*.lock")} - {STORE_UID} == {uid, "begun"}
    repository.gc()
    assert {path.stem for path in leases.glob("*.lock")} - {STORE_UID} == {uid}
    turn("alice", "Still here.")


def test_compaction_gives_space_back(repository: Repository, turn: Turn) -> None:
    for index in range(6):
        turn("alice", f"{index}", tokens=600)
    turn("bob")
    held = repository.working_copy("bob")
    repository.remove("alice")
    before = repository.store.bytes_on_disk()
    report = repository.gc(expire_days=0, compact=True)
    after = repository.store.bytes_on_disk()
    assert report.compacted_bytes == before - after > 6 * 600 * 1000
    assert not (repository.path / "compact.tmp").exists()
    held.acquire()
    held.release()
    turn("bob", "Still here.")
    assert repository.fsck().ok


def test_compaction_while_others_read_and_write(repository: Repository, turn: Turn) -> None:
    """Threads of the same process go on; none of their commits is lost."""
    turn("alice")
    repository.create("writer", repository.recipe(repository.info("alice").head))
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for index in range(30):
                turn("writer", str(index), tokens=10)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        repository.compact()
    thread.join()
    assert failures == []
    assert [m.content for m in repository.messages("writer")][::2] == [str(index) for index in range(30)]
    assert repository.fsck().ok


def test_marking_fails_closed(repository: Repository, turn: Turn) -> None:
    """With a hole in what must be kept nothing is dropped."""
    turn("alice", "One.")
    turn("bob", "Two.")
    repository.remove("bob")
    head = repository.info("alice").head
    with repository.store.write() as txn:
        txn.delete(head.parents[0])
    before = digests(repository)
    with pytest.raises((ObjectMissing, ObjectCorrupt)):
        repository.gc(expire_days=0)
    assert digests(repository) == before


def test_days_must_not_be_negative(repository: Repository) -> None:
    with pytest.raises(InvalidInput, match="expire_days"):
        repository.gc(expire_days=-1)


def test_a_hundred_forks_copy_no_kv(repository: Repository, turn: Turn) -> None:
    for index in range(20):
        turn("alice", f"{index}", tokens=600)
    repository.compact()
    before, stats = disk(repository), repository.stats()
    for index in range(100):
        repository.fork("alice", f"fork-{index}")
    assert repository.stats()["objects"] == stats["objects"]
    assert repository.stats()["object_bytes"] == stats["object_bytes"]
    repository.compact()
    assert disk(repository) <= 1.01 * before


def disk(repository: Repository) -> int:
    """Bytes of the database and the journals."""
    files = [repository.path / "data.mdb", *(repository.path / "journals").iterdir()]
    return sum(path.stat().st_size for path in files)


def gone_meanwhile(repository: Repository, monkeypatch: pytest.MonkeyPatch, session: str) -> None:
    """From the next revision that is looked up, its session is deleted and collected before anything is done with it."""
    resolve = revisions.resolve

    def delete() -> None:
        repository.remove(session)
        repository.gc(expire_days=0)

    def looked_up(txn: ReadTxn, text: str, name: str | None = None) -> Commit:
        found = resolve(txn, text, name)
        monkeypatch.setattr(revisions, "resolve", resolve)
        worker = threading.Thread(target=delete)
        worker.start()
        worker.join()
        return found

    monkeypatch.setattr(revisions, "resolve", looked_up)


@pytest.mark.parametrize("what", ["fork", "reset", "tag", "merge"])
def test_a_commit_that_goes_while_a_branch_is_moved_to_it_is_not_found(
    repository: Repository, turn: Turn, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The name it would have got does not lead to nothing."""
    turn("alice", "One.")
    turn("bob", "Two.")
    gone = repository.info("alice").head.hex
    gone_meanwhile(repository, monkeypatch, "alice")
    calls: dict[str, Callable[[], object]] = {
        "fork": lambda: repository.fork("alice", "carol"),
        "reset": lambda: repository.reset("bob", gone),
        "tag": lambda: repository.tag("kept", gone),
        "merge": lambda: merge_branch(repository, "bob", gone),
    }
    journals = set(Journal.list(repository.path / "journals"))
    with pytest.raises(RevisionNotFound, match="deleted meanwhile"):
        calls[what]()
    assert [info.name for info in repository.sessions()] == ["bob"]
    assert set(Journal.list(repository.path / "journals")) <= journals
    assert repository.tags() == []
    assert repository.fsck().ok
    turn("bob", "Three.")
