"""Two conversations' linear summaries added up by a merge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from perdure.memory import events
from perdure.memory.amending import merge_branch
from perdure.memory.joining import summary_of
from perdure.memory.summary import Memory
from perdure.runtime import Runtime
from perdure.runtime.session import Session

from ..conftest import Opens
from .test_bounded import WORDS, long_chat, small


def other_chat(session: Session, turns: int) -> None:
    for turn in range(turns):
        session.chat(f"other {turn}: " + WORDS * 3, max_tokens=20, temperature=0.0)


def memory(session: Session) -> Memory:
    kept = session.warm.state._set.kept  # type: ignore[attr-defined]
    assert kept is not None
    assert kept.memory is not None
    found: Memory = kept.memory
    return found


def total(parts: Memory, start: int = 0) -> Tensor:
    chosen = [i for i, (first, _) in enumerate(parts.spans) if first >= start]
    return parts.sums[0][chosen].sum(0)


@pytest.fixture
def runtime(opens: Opens) -> Iterator[Runtime]:
    """alice and bob go their own ways after a turn and summarise what they say."""
    with small(opens, backend="infini") as opened:
        with opened.session("alice") as alice:
            long_chat(alice, 1)
            alice.fork("bob").close()
            long_chat(alice, 2, 1)
        with opened.session("bob") as bob:
            other_chat(bob, 2)
        yield opened


def shared(runtime: Runtime) -> int:
    logs = [runtime.repository.tokens(runtime.repository.info(name).head.hex) for name in ("alice", "bob")]
    return next(at for at, (a, b) in enumerate(zip(*logs, strict=False)) if a != b)


def joins(runtime: Runtime, name: str) -> list[events.Event]:
    head = runtime.repository.info(name).head
    return [event for event in runtime.repository.events(head) if event.kind == events.JOIN]


def test_what_only_the_other_side_summarised_is_added(runtime: Runtime) -> None:
    start = shared(runtime)
    with runtime.session("alice") as alice:
        before = memory(alice)
    with runtime.session("bob") as bob:
        theirs = memory(bob)
    more = total(theirs, start)
    assert more.abs().sum() > 0
    merged = merge_branch(runtime.repository, "alice", "bob")
    assert merged.plan is not None
    tokens = sum(end - first for first, end in theirs.spans if first >= start)
    assert f"The summary takes in {tokens} tokens that the other side summarised of its past." in merged.plan.notes
    with runtime.session("alice") as alice:
        after = memory(alice)
        torch.testing.assert_close(total(after), total(before) + more)
        assert sum(end - first for first, end in after.spans) == sum(end - first for first, end in before.spans)
        assert alice.verify() == []


def test_a_merged_session_goes_on_and_comes_back_to_the_bit(runtime: Runtime, tmp_path: Path) -> None:
    repository = runtime.repository
    with runtime.session("alice") as alice:
        unmerged = alice.fork("alone")
        merge_branch(repository, "alice", "bob")
        long_chat(alice, 1, 3)
        there, summary = alice.logits(), memory(alice)
        long_chat(unmerged, 1, 3)
        assert not torch.equal(unmerged.logits(), there)
        unmerged.close()
    with runtime.session("alice") as alice:
        assert torch.equal(alice.logits(), there)
        assert all(map(torch.equal, memory(alice).sums, summary.sums))
        assert alice.verify() == []
        twin = alice.fork("twin", alice.log()[1].hex)
        assert twin.verify() == []
        twin.close()
    repository.export("alice", tmp_path / "bundle")
    repository.gc(expire_days=0)
    assert repository.fsck().ok
    with repository.open(tmp_path / "other") as other:
        other.import_bundle(tmp_path / "bundle", "alice")
        assert other.verify("alice") == []


def test_what_was_computed_is_computed_again_with_the_sums(runtime: Runtime) -> None:
    merge_branch(runtime.repository, "alice", "bob")
    with runtime.session("alice") as alice:
        long_chat(alice, 1, 3)
        there = alice.logits()
    borrowed = {event.detail["summary"] for event in joins(runtime, "alice")}
    with runtime.repository.store.write() as txn:
        for digest in list(txn.digests()):
            if txn.get(digest).kind in ("kv-block", "state", "summary") and digest not in borrowed:
                txn.delete(digest)
    with runtime.session("alice") as alice:
        assert torch.equal(alice.logits(), there)


def test_going_back_before_the_merge_takes_the_sums_away(runtime: Runtime) -> None:
    with runtime.session("alice") as alice:
        before, there, alone = alice.head, alice.logits(), memory(alice)
        merge_branch(runtime.repository, "alice", "bob")
        long_chat(alice, 1, 3)
        assert not torch.equal(total(memory(alice)), total(alone))
        alice.reset(before.hex)
        assert torch.equal(alice.logits(), there)
        assert memory(alice).spans == alone.spans


def test_a_second_merge_adds_only_what_is_new(runtime: Runtime) -> None:
    repository = runtime.repository
    merge_branch(repository, "alice", "bob")
    with runtime.session("bob") as bob:
        first = memory(bob)
        other_chat(bob, 1)
        second = memory(bob)
    merge_branch(repository, "alice", "bob")
    old, new = joins(runtime, "alice")
    assert old.detail["tokens"] + new.detail["tokens"] == second.spans[-1][1] - shared_part(first, shared(runtime))
    assert joins(runtime, "alice")[0] == old
    with repository.store.read() as txn:
        assert summary_of(txn, repository.info("alice").head) is not None
    with runtime.session("alice") as alice:
        assert alice.verify() == []


def shared_part(memory: Memory, start: int) -> int:
    """Where the first part begins that only one side has."""
    return next(first for first, _ in memory.spans if first >= start)


def test_where_nothing_adds_up_it_stays_behind(opens: Opens) -> None:
    with small(opens, backend="infini delta") as runtime:
        with runtime.session("alice") as alice:
            long_chat(alice, 1)
            alice.fork("bob").close()
            long_chat(alice, 1, 1)
        with runtime.session("bob") as bob:
            other_chat(bob, 1)
        merged = merge_branch(runtime.repository, "alice", "bob")
        assert merged.plan is not None
        assert merged.plan.joined is None
        assert any("stays behind" in note for note in merged.plan.notes)
        assert joins(runtime, "alice") == []
