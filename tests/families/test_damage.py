"""Stored state that is gone or damaged: found, computed again, never trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from perdure.memory.repository import Repository
from perdure.stores.base import Digest
from perdure.stores.tables import OBJECTS, TableWrite

from .conftest import Bench, assert_same, few
from .script import LAST, say

FEW = few("llama", "gemma3", "mamba", "jamba", "rwkv", "qwen3_next", "recurrent_gemma", dtypes=("bfloat16",))


def gone(repository: Repository, digest: Digest) -> None:
    with repository.store.write() as txn:
        txn.delete(digest)


def spoilt(repository: Repository, digest: Digest) -> None:
    with repository.store.write() as txn:
        assert isinstance(txn, TableWrite)
        value = bytearray(txn.tables.get(OBJECTS, digest) or b"")
        value[-1] ^= 1
        txn.tables.put(OBJECTS, digest, bytes(value))


def victims(repository: Repository) -> Iterator[tuple[str, Digest]]:
    """The last snapshot, and the last full and window block, of what the family has of them."""
    head = repository.info("s").head
    for kind, found in (
        ("snapshot", [mark.digest for mark in repository.present(head)]),
        ("window", [digest for _, _, digest in repository.blocks(head, windows=True)]),
        ("block", [digest for _, _, digest in repository.blocks(head)]),
    ):
        if found:
            yield kind, found[-1]


@FEW
@pytest.mark.parametrize("harm", [gone, spoilt])
def test_lost_state_is_computed_again(bench: Bench, tmp_path: Path, harm: Callable[[Repository, Digest], None]) -> None:
    """The session goes on bit by bit and says what it did; fsck calls it no loss, and after it all is well."""
    moments = bench.story.moments
    with bench.retold(tmp_path / "probe") as rt:
        kinds = [kind for kind, _ in victims(rt.repository)]
    assert kinds
    for kind in kinds:
        with bench.retold(tmp_path / kind) as rt:
            harm(rt.repository, dict(victims(rt.repository))[kind])
            assert_found(rt.repository, kind, harm)
            session = rt.session("s", create=False)
            assert torch.equal(session.logits(), moments[-1].logits)
            assert session._debt.replayed > 0
            if kind != "snapshot":
                assert any("computed again (bit-identical)" in note for note in session.notes)
            assert rt.repository.fsck(repair=True).ok
            assert session.verify() == []
            session.reset("HEAD~1")
            assert_same(say(session, LAST, 2), moments[-1])
            assert session.verify() == []


def assert_found(repository: Repository, kind: str, harm: Callable[[Repository, Digest], None]) -> None:
    """A snapshot that is gone is none that is missing: each can be let go of."""
    report = repository.fsck()
    assert report.lost == ()
    if kind == "snapshot" and harm is gone:
        assert report.ok
    else:
        assert any("computed again when needed" in problem.sentence for problem in report.problems)


@few("mamba", "jamba")
def test_verify_finds_a_damaged_snapshot(bench: Bench, tmp_path: Path) -> None:
    """What would be computed again is told all the same."""
    with bench.retold(tmp_path / "store") as rt:
        spoilt(rt.repository, dict(victims(rt.repository))["snapshot"])
        assert rt.session("s", create=False).verify() != []
        assert rt.repository.fsck(repair=True).ok
        assert rt.session("s", create=False).verify() == []
