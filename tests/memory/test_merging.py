"""Branches merged: what comes over, what clashes, and that a history with two parents survives everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perdure.errors import MergeConflict, ObjectMissing, RecipeMismatch, RefChanged, RevisionNotFound
from perdure.memory import amending
from perdure.memory.amending import merge_branch
from perdure.memory.commits import history
from perdure.memory.draft import Draft
from perdure.memory.episodes import Episode, pack_vector
from perdure.memory.fastweights import LOW_RANK, Record, Refusal
from perdure.memory.merging import Choice
from perdure.memory.recipe import PARTS, Recipe
from perdure.memory.records import Commit, Message
from perdure.memory.remembering import NewEpisode
from perdure.memory.repository import Repository
from perdure.memory.tokenlog import PREFILL, Run
from perdure.stores.journal import Journal

from .conftest import RECIPE, Turn, add_turn, contents

VECTOR = pack_vector(np.array([1.0, 0.0], dtype=np.float32))


def episode(text: str, *, name: str = "", end: int = 0, pinned: bool = False, kv: bool = True) -> NewEpisode:
    made = Episode(
        id=(name or text).encode().hex().ljust(16, "0")[:16],
        text=text,
        role="user" if end else "document",
        source="somewhere",
        turn=int(bool(end)),
        start=0,
        end=end,
        part=0,
        parts=1,
        origin=b"",
        time_ms=1,
        encoder="e",
        embedding=VECTOR,
        lineage=(text.encode() * 32)[:32] if kv else b"",
        tokens=(1, 2),
        kv=None,
        pinned=pinned,
    )
    return NewEpisode(made, ({"start": 0}, lambda: text.encode()) if kv else None)


def remember(repository: Repository, name: str, *new: NewEpisode) -> Commit:
    with amending.writing(repository, name) as copy:
        return copy.remember(new, {}, title="remember", author="").commit


def forget(repository: Repository, name: str, text: str) -> None:
    amending.forget(repository, name, text.encode().hex().ljust(16, "0")[:16])


def edit(repository: Repository, name: str, old: str, new: NewEpisode) -> None:
    with amending.writing(repository, name) as copy:
        entry = next(e for e in repository.remembered(copy.head) if e.id == old.encode().hex().ljust(16, "0")[:16])
        copy.remember((), {entry.digest: new}, title="edit", author="")


def texts(repository: Repository, name: str) -> list[str]:
    return [each.text for each in repository.episodes([e.digest for e in repository.remembered(repository.info(name).head)])]


def record(value: str, *, key: str = "pet", time_ms: int = 1) -> Record:
    return Record(
        id=f"{value}{time_ms}".encode().hex().ljust(16, "0")[:16],
        form=LOW_RANK,
        subject="Ada",
        relation=key,
        value=value,
        statement=f"Ada's {key} is {value}.",
        key=key,
        places=("layer",),
        shapes=((2, 3), (5, 2)),
        payload=bytes(32),
        writer="test/1",
        weights="w",
        encoder="e",
        own=b"",
        negative=b"",
        time_ms=time_ms,
    )


def known(repository: Repository, name: str) -> list[str]:
    ledger = repository.ledger(repository.info(name).head)
    return [each.value for each in repository.records([held.digest for held in ledger])]


def taught(repository: Repository, name: str, *records: Record) -> None:
    amending.teach(repository, name, records, title="teach")


@pytest.fixture
def forked(repository: Repository, turn: Turn) -> Repository:
    """alice has had a turn and remembers "common"; bob was forked there."""
    turn("alice", "One.")
    remember(repository, "alice", episode("common"))
    repository.fork("alice", "bob")
    return repository


def test_memories_are_united_and_the_conversation_goes_on(forked: Repository, turn: Turn) -> None:
    turn("alice", "Two.")
    turn("bob", "Other.")
    remember(forked, "alice", episode("ours"))
    remember(forked, "bob", episode("theirs"))
    before, theirs = forked.info("alice").head, forked.info("bob").head
    merged = merge_branch(forked, "alice", "bob", author="me")
    head = forked.info("alice").head
    assert merged.commit == head
    assert (head.kind, head.title, head.author) == ("merge", "merge bob", "me")
    assert head.parents == (before.digest, theirs.digest)
    assert (head.tokens, head.messages, head.turn) == (before.tokens, before.messages, before.turn)
    assert texts(forked, "alice") == ["common", "ours", "theirs"]
    assert [m.content for m in forked.messages("alice")][::2] == ["One.", "Two."]
    assert texts(forked, "bob") == ["common", "theirs"]
    assert merged.plan is not None
    assert (merged.plan.gained, merged.plan.lost) == ({"memories": 1, "records": 0}, {"memories": 0, "records": 0})
    assert head.metrics == {"gained_memories": 1, "gained_records": 0, "lost_memories": 0, "lost_records": 0}
    assert head.state is not None
    assert before.state is not None
    assert (head.state.token_log, head.state.blocks, head.state.boundary) == (
        before.state.token_log,
        before.state.blocks,
        before.state.boundary,
    )
    assert forked.verify("alice") == []
    assert forked.fsck().ok


def test_the_other_conversation_may_go_on_instead(forked: Repository, turn: Turn) -> None:
    turn("alice", "Two.")
    turn("bob", "Other.")
    remember(forked, "alice", episode("ours"))
    before, theirs = forked.info("alice").head, forked.info("bob").head
    merge_branch(forked, "alice", "bob", Choice(conversation="theirs"))
    head = forked.info("alice").head
    assert head.parents == (theirs.digest, before.digest)
    assert [m.content for m in forked.messages("alice")][::2] == ["One.", "Other."]
    assert texts(forked, "alice") == ["common", "ours"]
    assert forked.resolve("alice~1") == theirs
    forked.reset("alice", before.hex)
    assert [m.content for m in forked.messages("alice")][::2] == ["One.", "Two."]


def test_what_one_side_forgot_or_edited_is_so_after_it(forked: Repository) -> None:
    remember(forked, "alice", episode("a"), episode("b"))
    forked.remove("bob")
    forked.fork("alice", "bob")
    forget(forked, "bob", "common")
    edit(forked, "bob", "a", episode("a, edited", name="a"))
    forget(forked, "alice", "b")
    merged = merge_branch(forked, "alice", "bob")
    assert texts(forked, "alice") == ["a, edited"]
    assert merged.plan is not None
    assert (merged.plan.gained["memories"], merged.plan.lost["memories"]) == (1, 2)


@pytest.mark.parametrize(("prefer", "left"), [("ours", ["ours", "b, ours"]), ("theirs", ["theirs"])])
@pytest.mark.parametrize("conversation", ["ours", "theirs"])
def test_what_both_changed_is_refused_until_somebody_is_right(
    forked: Repository, prefer: str, left: list[str], conversation: str
) -> None:
    remember(forked, "alice", episode("b"))
    forked.remove("bob")
    forked.fork("alice", "bob")
    edit(forked, "alice", "common", episode("ours", name="common"))
    edit(forked, "bob", "common", episode("theirs", name="common"))
    edit(forked, "alice", "b", episode("b, ours", name="b"))
    forget(forked, "bob", "b")
    before = forked.info("alice").head
    with pytest.raises(MergeConflict, match=r"2 things were changed on both sides.*ours or theirs\.") as raised:
        merge_branch(forked, "alice", "bob", Choice(conversation))  # type: ignore[arg-type]
    clashes = {(each.tier, each.ours, each.theirs) for each in raised.value.clashes}
    assert clashes == {("memory", "ours", "theirs"), ("memory", "b, ours", None)}
    assert forked.info("alice").head == before
    merged = merge_branch(forked, "alice", "bob", Choice(conversation, prefer))  # type: ignore[arg-type]
    assert sorted(texts(forked, "alice")) == sorted(left)
    assert merged.plan is not None
    assert len(merged.plan.clashes) == 2


def test_both_remembering_the_same_document_is_no_clash(repository: Repository, turn: Turn) -> None:
    for name, time_ms in (("alice", 1), ("bob", 2)):
        turn(name)
        new = episode("the manual")
        remember(repository, name, new._replace(episode=replace(new.episode, time_ms=time_ms)))
    merged = merge_branch(repository, "alice", "bob")
    assert texts(repository, "alice") == ["the manual"]
    assert merged.plan is not None
    assert merged.plan.base is None
    assert "no common commit" in merged.plan.notes[0]


def test_what_both_heard_is_remembered_once(forked: Repository, turn: Turn) -> None:
    """bob remembers a part of the common conversation, which alice will when it leaves her window."""
    turn("bob", "Other.")
    remember(forked, "bob", episode("heard by both", end=50), episode("pinned", end=60, pinned=True))
    remember(forked, "bob", episode("said to bob", end=150))
    merge_branch(forked, "alice", "bob")
    assert texts(forked, "alice") == ["common", "pinned", "said to bob"]


def test_going_back_keeps_what_was_merged_in(forked: Repository, turn: Turn) -> None:
    """Its place is in another token log, so that cutting this one must not touch it; nor must changing it later."""
    turn("bob", "Other.")
    remember(forked, "bob", episode("by bob", end=150))
    turn("alice", "Two.")
    remember(forked, "alice", episode("by alice", end=150))
    merge_branch(forked, "alice", "bob")
    amending.pin(forked, "alice", b"by bob".hex())
    copy = forked.working_copy("alice")
    copy.acquire()
    said = [Message("user", "One.", 0, 100), Message("assistant", "Answer", 100, 100)]
    feed = tuple(range(10))
    copy.commit(Draft("turn", RECIPE.to_meta(), [Run(PREFILL, 100, feed)], messages=said, base_tokens=100))
    copy.release()
    assert texts(forked, "alice") == ["common", "by bob"]


def test_kv_of_another_system_prompt_is_left_behind(repository: Repository, turn: Turn) -> None:
    for name in ("alice", "bob"):
        turn(name)
    repository.create("carol", RECIPE)
    copy = repository.working_copy("carol")
    copy.acquire()
    said = [Message("system", "Be brief.", 0, 5), Message("user", "Hello.", 5, 10)]
    copy.commit(Draft("turn", RECIPE.to_meta(), [Run(PREFILL, 0, tuple(range(10)))], messages=said))
    copy.release()
    remember(repository, "bob", episode("of bob"))
    remember(repository, "carol", episode("of carol"))
    for other in ("bob", "carol"):
        merged = merge_branch(repository, "alice", other)
    entries = repository.remembered(repository.info("alice").head)
    assert texts(repository, "alice") == ["of bob", "of carol"]
    assert [entry.kv is not None for entry in entries] == [True, False]
    assert repository.episodes([entries[1].digest])[0].lineage == b""
    assert merged.plan is not None
    assert any("another system prompt" in note for note in merged.plan.notes)


# records


def test_ledgers_are_united_and_what_was_unlearned_stays_so(forked: Repository) -> None:
    taught(forked, "alice", record("Rex", time_ms=1), record("Heron", key="boat", time_ms=2))
    forked.remove("bob")
    forked.fork("alice", "bob")
    taught(forked, "alice", record("red", key="colour", time_ms=5))
    taught(forked, "bob", record("Malmo", key="town", time_ms=3))
    amending.unteach(forked, "bob", record("Heron", key="boat", time_ms=2).id)
    merge_branch(forked, "alice", "bob")
    assert known(forked, "alice") == ["Rex", "Malmo", "red"]


def test_a_later_word_of_one_side_is_no_clash(forked: Repository) -> None:
    taught(forked, "alice", record("Rex", time_ms=1))
    forked.remove("bob")
    forked.fork("alice", "bob")
    taught(forked, "bob", record("Bello", time_ms=2))
    merge_branch(forked, "alice", "bob")
    assert known(forked, "alice") == ["Rex", "Bello"]


@pytest.mark.parametrize(("prefer", "left"), [("ours", ["Rex", "Fido"]), ("theirs", ["Rex", "Bello", "Hasso"])])
@pytest.mark.parametrize("conversation", ["ours", "theirs"])
def test_contradictions_are_refused_until_somebody_is_right(
    forked: Repository, prefer: str, left: list[str], conversation: str
) -> None:
    taught(forked, "alice", record("Rex", time_ms=1))
    forked.remove("bob")
    forked.fork("alice", "bob")
    taught(forked, "alice", record("Fido", time_ms=3))
    taught(forked, "bob", record("Bello", time_ms=2), record("Hasso", time_ms=4))
    with pytest.raises(MergeConflict, match="One thing was changed") as raised:
        merge_branch(forked, "alice", "bob", Choice(conversation))  # type: ignore[arg-type]
    assert raised.value.clashes[0][1:] == ("pet", "Ada's pet is Fido.", "Ada's pet is Hasso.")
    merge_branch(forked, "alice", "bob", Choice(conversation, prefer))  # type: ignore[arg-type]
    assert known(forked, "alice") == left


def test_refusals_and_mounts_come_along(forked: Repository) -> None:
    for name in ("carol", "dave"):
        forked.create(name, RECIPE)
    amending.mount(forked, "alice", ["carol"])
    forked.remove("bob")
    forked.fork("alice", "bob")
    amending.mount(forked, "bob", ["dave", "alice"])
    refusal = Refusal("pet", "Rex", "Ada's pet is Rex.", False, "test/1", "w", "not worth it")
    amending.teach(forked, "bob", (), (), [refusal, replace(refusal, key="boat")], title="refuse")
    taught(forked, "alice", record("Rex"))
    taught(forked, "bob", record("Heron", key="boat"))
    merge_branch(forked, "alice", "bob")
    head = forked.info("alice").head
    assert head.state is not None
    assert head.state.mounts == ("dave",)
    assert [each.key for each in forked.refusals(head)] == ["pet"]


# what is refused or nothing to do


def test_another_models_branch_is_refused(forked: Repository) -> None:
    forked.create("stranger", Recipe.of(**{**dict.fromkeys(PARTS, "x"), "weights": "y"}))
    before = forked.info("alice").head
    with pytest.raises(RecipeMismatch, match=r"another model.*part weights") as raised:
        merge_branch(forked, "alice", "stranger")
    assert raised.value.field == "weights"
    assert forked.info("alice").head == before


def test_nothing_happens_where_all_is_there_already(forked: Repository, turn: Turn) -> None:
    turn("alice", "Two.")
    before = forked.info("alice").head
    for rev in ("bob", "alice", "alice~1"):
        merged = merge_branch(forked, "alice", rev)
        assert (merged.before, merged.commit, merged.plan) == (before, before, None)
    assert forked.info("alice").head == before
    with pytest.raises(RevisionNotFound):
        merge_branch(forked, "alice", "nobody")


def test_a_dry_run_and_a_moved_branch_change_nothing(forked: Repository) -> None:
    remember(forked, "bob", episode("theirs"))
    before = forked.info("alice").head
    found = merge_branch(forked, "alice", "bob", dry_run=True)
    assert found.plan is not None
    assert (found.commit, found.plan.gained["memories"]) == (before, 1)
    with pytest.raises(RefChanged):
        merge_branch(forked, "alice", "bob", expected=before.parents[0])
    assert forked.info("alice").head == before


def test_a_merge_that_fails_half_way_leaves_nothing(forked: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(forked, "bob", episode("theirs"))
    before = forked.info("alice").head

    def gone(*_: object) -> None:
        raise ObjectMissing("gone")

    monkeypatch.setattr("perdure.memory.merging.fastweights.append", gone)
    with pytest.raises(ObjectMissing):
        merge_branch(forked, "alice", "bob")
    assert forked.info("alice").head == before
    assert forked.fsck().ok


def test_kv_that_another_session_took_along_is_left_out(forked: Repository) -> None:
    """It was found in the store, and collected before the commit."""
    shared = replace(episode("theirs", kv=False).episode, kv=b"k" * 32, lineage=b"l" * 32)
    remember(forked, "alice", NewEpisode(shared))
    entry = forked.remembered(forked.info("alice").head)[-1]
    (kept,) = forked.episodes([entry.digest])
    assert (entry.kv, kept.kv, kept.lineage, kept.text) == (None, None, b"", "theirs")
    assert forked.fsck().ok


# histories with two parents


@pytest.fixture
def merged(forked: Repository, turn: Turn) -> Repository:
    """alice took in bob, who had gone on by himself."""
    turn("alice", "Two.")
    turn("bob", "Other.")
    remember(forked, "bob", episode("theirs"))
    taught(forked, "bob", record("Rex"))
    merge_branch(forked, "alice", "bob")
    return forked


def kinds(commits: Sequence[Commit]) -> list[str]:
    return [commit.kind for commit in commits]


def test_the_log_follows_the_conversation_and_the_ancestry_all(merged: Repository) -> None:
    assert kinds(merged.log("alice")) == ["merge", "turn", "memory", "turn", "root"]
    every = merged.ancestry("alice")
    assert sorted(kinds(every)) == sorted(["merge", "turn", "memory", "turn", "root", "turn", "memory", "teach"])
    assert {commit.digest for commit in every} >= {commit.digest for commit in merged.log("bob")}
    assert len(merged.ancestry("alice", limit=3)) == 3
    assert merged.resolve("alice~1").kind == "turn"
    assert merged.resolve("alice@turn:1").turn == 1
    assert [m.content for m in merged.messages("alice@turn:2")][::2] == ["One.", "Two."]


def test_a_diff_finds_the_last_common_commit(merged: Repository, turn: Turn) -> None:
    bob = merged.info("bob").head
    assert merged.diff("alice", "bob").ancestor == bob
    turn("bob", "More.")
    turn("alice", "Three.")
    assert merged.diff("bob", "alice").ancestor == bob


def test_merging_again_takes_only_what_is_new(merged: Repository) -> None:
    forget(merged, "alice", "theirs")
    remember(merged, "bob", episode("newer"))
    merge_branch(merged, "alice", "bob")
    assert texts(merged, "alice") == ["common", "newer"]
    merge_branch(merged, "bob", "alice")
    assert texts(merged, "bob") == ["common", "newer"]
    assert kinds(merged.log("bob"))[0] == "merge"


def test_merges_crosswise_have_a_base(merged: Repository, turn: Turn) -> None:
    before = merged.info("alice").head.parents[0].hex()
    remember(merged, "bob", episode("of bob"))
    merge_branch(merged, "bob", before)
    remember(merged, "alice", episode("of alice"))
    merge_branch(merged, "alice", "bob")
    assert texts(merged, "alice") == ["common", "theirs", "of alice", "of bob"]


def test_a_fork_and_a_reset_of_a_merge(merged: Repository) -> None:
    assert merged.fork("alice", "carol").head == merged.info("alice").head
    assert texts(merged, "carol") == ["common", "theirs"]
    merged.reset("alice", "HEAD~1")
    assert texts(merged, "alice") == ["common"]
    assert merge_branch(merged, "alice", "carol").commit.parents[1] == merged.info("carol").head.digest


def test_a_bundle_carries_both_histories(merged: Repository, tmp_path: Path) -> None:
    merged.export("alice", tmp_path / "bundle")
    with Repository.open(tmp_path / "elsewhere") as other:
        other.import_bundle(tmp_path / "bundle")
        assert [c.digest for c in other.ancestry("alice")] == [c.digest for c in merged.ancestry("alice")]
        assert texts(other, "alice") == ["common", "theirs"]
        assert other.verify("alice") == []
        assert other.fsck().ok
        other.gc(expire_days=0)
        assert other.messages(merged.info("bob").head.hex) == merged.messages("bob")


def test_gc_keeps_what_was_merged_in(merged: Repository) -> None:
    bob = merged.info("bob")
    merged.remove("bob")
    report = merged.gc(expire_days=0)
    assert report.journals == 0
    assert bob.uid in Journal.list(merged.path / "journals")
    assert [m.content for m in merged.messages(bob.head.hex)][::2] == ["One.", "Other."]
    assert merged.fsck().ok
    merged.remove("alice")
    assert merged.gc(expire_days=0).journals == 2


@pytest.mark.parametrize("removed", [False, True])
def test_a_lost_database_is_rebuilt_with_both_parents(tmp_path: Path, removed: bool) -> None:
    with Repository.open(tmp_path / "store") as repository:
        for name, text in (("alice", "One."), ("bob", "Other.")):
            add_turn(repository, name, text)
            remember(repository, name, episode(f"of {name}"))
        merge_branch(repository, "alice", "bob")
        head, bob = repository.info("alice").head, repository.info("bob").head
        if removed:
            repository.remove("bob")
            repository.gc(expire_days=0)
    (tmp_path / "store" / "data.mdb").unlink()
    with Repository.open(tmp_path / "store") as repository:
        assert repository.info("alice").head == head
        assert {commit.digest for commit in repository.ancestry("alice")} >= {head.digest, bob.digest}
        assert texts(repository, "alice") == ["of alice", "of bob"]
        assert ("bob" in contents(repository)) is not removed


def test_a_damaged_journal_is_told_again_with_what_was_merged(tmp_path: Path) -> None:
    """Where the other session's journal is gone with it, the merged one must hold all."""
    with Repository.open(tmp_path / "store") as repository:
        for name in ("alice", "bob"):
            add_turn(repository, name)
            remember(repository, name, episode(f"of {name}"))
        merge_branch(repository, "alice", "bob")
        info, bob = repository.info("alice"), repository.info("bob")
    for uid in (info.uid, bob.uid):
        for suffix in ("journal", "mirror"):
            (tmp_path / "store" / "journals" / f"{uid}.{suffix}").unlink(missing_ok=True)
    with Repository.open(tmp_path / "store") as repository:
        repository.remove("bob")
        Journal.remove(tmp_path / "store" / "journals", bob.uid)
        with amending.writing(repository, "alice"):
            pass
    (tmp_path / "store" / "data.mdb").unlink()
    with Repository.open(tmp_path / "store") as repository:
        assert repository.info("alice").head == info.head
        assert texts(repository, "alice") == ["of alice", "of bob"]
        assert bob.head.digest in {commit.digest for commit in repository.ancestry("alice")}


def test_fsck_knows_the_kv_of_a_merged_history(merged: Repository) -> None:
    """A lost block of the second parent alone is computed state, not a loss."""
    own = {digest for _, _, digest in merged.blocks(merged.info("alice").head)}
    only = next(digest for _, _, digest in merged.blocks(merged.info("bob").head) if digest not in own)
    merged.remove("bob")
    with merged.store.write() as txn:
        txn.delete(only)
    report = merged.fsck()
    assert not report.lost
    assert any("computed again" in problem.sentence for problem in report.problems)


def test_a_missing_small_object_of_the_second_parent_is_mended(merged: Repository) -> None:
    bob = merged.info("bob").head
    merged.remove("bob")
    with merged.store.write() as txn:
        txn.delete(bob.digest)
    assert not merged.fsck().ok
    assert merged.verify("alice") != []
    assert merged.fsck(repair=True).ok
    assert merged.verify("alice") == []
    with merged.store.read() as txn:
        assert bob.digest in {parent for commit in history(txn, merged.info("alice").head) for parent in commit.parents}
