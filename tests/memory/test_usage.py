"""What sessions hold, counted while others are deleted and while objects are damaged."""

from __future__ import annotations

from perdure.memory.repository import Repository
from perdure.memory.usage import TIERS, Held
from perdure.stores.tables import OBJECTS, TableWrite
from tests.memory.conftest import Turn

NOTHING = dict.fromkeys(TIERS, Held(0, 0))


def removed(repository: Repository, digest: bytes) -> None:
    with repository.store.write() as txn:
        assert isinstance(txn, TableWrite)
        txn.tables.delete(OBJECTS, digest)


def test_forks_share_what_they_hold(repository: Repository, turn: Turn) -> None:
    turn("alice", "Hello.", tokens=300)
    repository.fork("alice", "bob")
    found = repository.usage()["working"]
    assert found.unique > 0
    assert found.logical == 2 * found.unique


def test_a_session_that_was_deleted_meanwhile_counts_for_nothing(repository: Repository, turn: Turn) -> None:
    turn("alice", "Hello.", tokens=300)
    head = repository.info("alice").head
    own = repository.usage([head.digest])
    assert own == repository.usage() != NOTHING
    removed(repository, head.digest)
    assert repository.usage([head.digest]) == NOTHING
    assert repository.usage() == NOTHING


def test_a_list_that_is_damaged_counts_for_nothing(repository: Repository, turn: Turn) -> None:
    turn("alice", "Hello.", tokens=300)
    state = repository.info("alice").head.state
    assert state is not None
    before = repository.usage()
    removed(repository, state.blocks)
    after = repository.usage()
    assert after["working"] == Held(0, 0)
    assert after["snapshots"] == before["snapshots"]


def test_a_journal_that_goes_while_files_are_counted_counts_for_nothing(repository: Repository, turn: Turn) -> None:
    turn("alice", "Hello.")
    before = repository.disk()
    (repository.path / "journals" / "gone.journal").symlink_to("nowhere")
    assert repository.disk() == before
