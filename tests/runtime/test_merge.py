"""A merged session is gone on with: it recalls what came along, and stays exact."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from perdure.memory.amending import merge_branch
from perdure.memory.merging import Choice
from perdure.runtime import Runtime

from ..api.remembering import ASK, FACT, FILLER, small
from ..conftest import Opens


@pytest.fixture
def runtime(opens: Opens) -> Iterator[Runtime]:
    """alice spoke of nothing; bob, forked from her, was told a fact that has left his window."""
    with small(opens) as runtime:
        with runtime.session("alice") as alice:
            alice.chat("Hello.", max_tokens=8, temperature=0.0)
            with alice.fork("bob") as bob:
                bob.chat(FACT, max_tokens=8, temperature=0.0)
                for turn in range(4):
                    bob.chat(f"{turn} " + FILLER * 2, max_tokens=8, temperature=0.0)
            for turn in range(4):
                alice.chat(f"{turn} " + FILLER * 2, max_tokens=8, temperature=0.0)
        yield runtime


@pytest.mark.parametrize("conversation", ["ours", "theirs"])
def test_it_resumes_at_the_bits_of_the_conversation_it_goes_on_with(runtime: Runtime, conversation: str) -> None:
    with runtime.session("alice" if conversation == "ours" else "bob") as before:
        expected = before.logits()
    merge_branch(runtime.repository, "alice", "bob", Choice(conversation))  # type: ignore[arg-type]
    with runtime.session("alice") as alice:
        assert torch.equal(alice.logits(), expected)
        alice.chat("Go on.", max_tokens=4, temperature=0.0)
        assert alice.verify() == []
        alice.undo()
        assert torch.equal(alice.logits(), expected)


def test_what_came_along_is_recalled_and_replayed(runtime: Runtime) -> None:
    with runtime.session("alice") as alice:
        assert not any(FACT in match.episode.text for match in alice.memory.search(ASK))
    merge_branch(runtime.repository, "alice", "bob")
    with runtime.session("alice") as alice:
        assert any(FACT in match.episode.text for match in alice.memory.search(ASK))
        receipt = alice.chat(ASK, max_tokens=4, temperature=0.0).receipt
        assert receipt.recalled > 0
        assert alice.verify() == []
        assert runtime.repository.verify("alice") == []


def test_a_session_that_is_open_notices_the_merge(runtime: Runtime) -> None:
    with runtime.session("alice") as alice:
        alice.acquire()
        alice.release()
        merged = merge_branch(runtime.repository, "alice", "bob").commit
        alice.acquire()
        assert alice.head == merged
        assert any(FACT in match.episode.text for match in alice.memory.search(ASK))


def test_a_merged_session_goes_on_after_its_database_is_lost(opens: Opens, runtime: Runtime) -> None:
    merged = merge_branch(runtime.repository, "alice", "bob").commit
    path = runtime.repository.path
    runtime.close()
    (path / "data.mdb").unlink()
    with small(opens) as again:
        # KV is computed again where somebody goes on: that of what was merged in, in its own session.
        with again.session("bob") as bob:
            bob.acquire()
        with again.session("alice") as alice:
            assert alice.head == merged
            assert alice.chat(ASK, max_tokens=4, temperature=0.0).receipt.recalled > 0
            assert alice.verify() == []
