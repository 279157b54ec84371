"""A store with a salt: its own lineage ids, and otherwise everything as in one without."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.errors import QuotaExceeded, StoreDamaged
from perdure.memory import Repository
from perdure.runtime import Runtime

from ..conftest import Opens

STORY = "Once upon a time a lighthouse stood on a rock, and a keeper lived in it with his cat. " * 8


def lineages(store: Repository) -> set[bytes]:
    with store.store.read() as txn:
        return {lineage for lineage, _ in txn.lineages()}


def told(runtime: Runtime, name: str) -> str:
    session = runtime.session(name)
    try:
        return session.chat(STORY, max_tokens=6, temperature=0.0).text
    finally:
        session.close()


def test_one_model_over_two_stores(opens: Opens, tmp_path: Path) -> None:
    salted = tmp_path / "salted"
    with opens() as runtime:
        with runtime.over(Repository.open(salted, salted=True)) as other:
            assert told(runtime, "alice") == told(other, "alice")
            assert other.engine is runtime.engine
            assert runtime.repository.exists("alice")
            assert [info.name for info in other.sessions()] == ["alice"]
            first, second = lineages(runtime.repository), lineages(other.repository)
        assert first
        assert second
        assert not first & second
        assert told(runtime, "bob") == told(runtime, "carol")
        assert runtime.repository.origin(runtime.recipe) == runtime.recipe.digest


def test_a_salted_session_resumes_is_healed_and_verified(opens: Opens, tmp_path: Path) -> None:
    salted = tmp_path / "salted"
    Repository.open(salted, salted=True).close()
    with opens(salted) as runtime:
        told(runtime, "alice")
        head = runtime.repository.info("alice").head
        digest = runtime.repository.blocks(head)[0][2]
        known = lineages(runtime.repository)
        with runtime.repository.store.write() as txn:
            txn.delete(digest)
    with opens(salted) as runtime:
        alice = runtime.session("alice")
        assert alice.logits().numel() > 0
        assert any("bit-identical" in note for note in alice.notes)
        assert lineages(runtime.repository) == known
        assert alice.verify() == []
        assert alice.chat("And then?", max_tokens=4, temperature=0.0).receipt.restored > 0
        alice.close()
        bob = runtime.session("bob")
        assert bob.chat(STORY, max_tokens=2, temperature=0.0).receipt.reused > 0
        bob.close()


def test_a_salt_stays_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    with Repository.open(tmp_path / "store", salted=True) as store:
        salt = store.salt
    assert len(salt) == 32
    with Repository.open(tmp_path / "store") as store:
        assert store.salt == salt
    assert (tmp_path / "store" / "salt").stat().st_mode & 0o777 == 0o600
    (tmp_path / "store" / "salt").write_bytes(salt[:7])
    with pytest.raises(StoreDamaged, match="salt"):
        Repository.open(tmp_path / "store")
    with Repository.open(tmp_path / "plain") as store:
        assert store.salt == b""


def test_no_session_is_made_beyond_the_bound(opens: Opens, tmp_path: Path) -> None:
    with opens() as runtime:
        runtime.session("alice").close()
        runtime.repository.export("alice", tmp_path / "alice.bundle")
        runtime.repository.most_sessions = lambda: 1
        for make in (
            lambda: runtime.session("bob"),
            lambda: runtime.repository.fork("alice", "bob"),
            lambda: runtime.repository.import_bundle(tmp_path / "alice.bundle", "bob"),
        ):
            with pytest.raises(QuotaExceeded, match="remove one"):
                make()
        journals = list((runtime.repository.path / "journals").glob("*.journal"))
        assert len(journals) == 1
        assert list(runtime.repository.heads()) == ["alice"]
