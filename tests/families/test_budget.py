"""How many snapshots are kept, and that every turn can be gone back to all the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.config import PREFILL_GRID, CheckpointOptions
from perdure.memory.checkpoints import GRID, PROMPT, PROMPT_TURNS, TURN, retained
from perdure.memory.commits import SNAPSHOT
from perdure.memory.records import Checkpoint
from perdure.memory.repository import Repository
from perdure.stores.base import Digest

from .conftest import Bench, few
from .script import Moment, begun, say

TURNS = 14
ROOM = 5
"""Snapshots that the budget of these tests has room for."""


def life(turns: Sequence[int], size: int = 1) -> list[Checkpoint]:
    """All the marks of a session with turns of so many tokens each, in the order in which they are taken."""
    marks, position = [], 0
    for turn, count in enumerate(turns, 1):
        end = position + count
        marks += [Checkpoint(at, GRID, turn, size, b"") for at in range(position + 1, end - 1) if at % PREFILL_GRID == 0]
        marks += [Checkpoint(end - 1, PROMPT, turn, size, b""), Checkpoint(end, TURN, turn, size, b"")]
        position = end
    return marks


def test_the_number_kept_grows_with_the_logarithm() -> None:
    options = CheckpointOptions(dense=4)
    kept: list[Checkpoint] = []
    for number, mark in enumerate(life([300] * 400), 1):
        kept = retained([*kept, mark], options)
        assert len(kept) <= 2 * options.dense * (math.log2(number) + 1) + PROMPT_TURNS + 2
        assert kept[-1] == mark
    assert len(kept) < 80


@given(turns=st.lists(st.integers(2, 700), min_size=1, max_size=60), dense=st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_what_was_dropped_is_never_wanted_again(turns: list[int], dense: int) -> None:
    """Thinning out as one goes gives what thinning out all at once would."""
    options, marks = CheckpointOptions(dense=dense), life(turns)
    kept: list[Checkpoint] = []
    for number, mark in enumerate(marks, 1):
        kept = retained([*kept, mark], options)
        assert kept == retained(marks[:number], options)


@given(
    turns=st.lists(st.integers(2, 700), min_size=1, max_size=40),
    size=st.integers(1, 100),
    room=st.integers(0, 1000),
    dense=st.integers(1, 16),
)
@settings(max_examples=60, deadline=None)
def test_the_budget_is_kept(turns: list[int], size: int, room: int, dense: int) -> None:
    """Except by the newest alone, which is always kept."""
    marks = life(turns, size)
    kept = retained(marks, CheckpointOptions(dense=dense, budget_bytes=room))
    assert sum(mark.nbytes for mark in kept) <= room or kept == [marks[-1]]
    assert kept[-1] == marks[-1]
    assert kept == sorted(set(kept))


def test_nothing_to_keep() -> None:
    assert retained([], CheckpointOptions()) == []


def stored(repository: Repository) -> dict[Digest, int]:
    """The snapshots that the store holds, and the bytes of each."""
    with repository.store.read() as txn:
        return {digest: len(txn.get(digest).payload) for digest in txn.digests() if txn.get(digest).kind == SNAPSHOT}


def waiting(repository: Repository) -> int:
    """Bytes of the snapshots that no branch and no tag stands on any more."""
    heads = [info.head for info in repository.sessions()] + [tag.commit for tag in repository.tags()]
    held = {mark.digest for head in heads for mark in repository.present(head)}
    return sum(size for digest, size in stored(repository).items() if digest not in held)


def one_snapshot(bench: Bench) -> int:
    with Repository.open(bench.story.store) as repository:
        return repository.present(repository.info("s").head)[-1].nbytes


@few("mamba", "jamba", "rwkv", dtypes=("bfloat16",))
def test_many_turns_under_a_budget(bench: Bench, tmp_path: Path) -> None:
    """Old snapshots go, the turns they belonged to stay, and so do the snapshots that a fork or a tag stands on."""
    size = one_snapshot(bench)
    options = CheckpointOptions(dense=2, budget_bytes=ROOM * size)
    with bench.at(tmp_path / "store", checkpoints=options) as rt:
        session = begun(rt)
        moments: list[Moment] = []
        for turn in range(TURNS):
            moments.append(say(session, f"Number {turn}.", 1))
            kept = rt.repository.present(session.head)
            assert sum(mark.nbytes for mark in kept) <= options.budget_bytes
            assert kept[-1].position == session.head.tokens
            assert waiting(rt.repository) <= options.budget_bytes // 4
            if turn == 2:
                session.fork("fork")
            elif turn == 4:
                rt.repository.tag("tag", "HEAD", "s")
        held = {rt.repository.present(rt.repository.resolve(rev))[-1].position for rev in ("fork", "tag")}
        assert held == {len(moments[2].log), len(moments[4].log)}
        session.close()
    again = replays(bench, tmp_path / "store", moments)
    assert 0 in again
    assert max(again) > 0


def replays(bench: Bench, store: Path, moments: list[Moment]) -> set[int]:
    """Reset to every turn, newest first, and back; how many tokens were replayed each time."""
    found = set()
    with bench.at(store) as rt:
        session = rt.session("s")
        heads = [commit.hex for commit in session.log()][-2::-1]
        for number in [*range(TURNS - 1, -1, -1), TURNS - 1]:
            session.reset(heads[number])
            assert torch.equal(session.logits(), moments[number].logits)
            found.add(session._debt.replayed)
            session._take_debt()
        assert session.verify() == []
        assert rt.session("fork").verify() == []
    return found


@few("mamba", "jamba")
def test_gc_drops_what_nobody_holds(bench: Bench, tmp_path: Path) -> None:
    """The fork's own snapshots go with it, the branch's stay; what is left is what the heads hold."""
    options = CheckpointOptions(dense=2, budget_bytes=ROOM * one_snapshot(bench))
    with bench.at(tmp_path / "store", checkpoints=options) as rt:
        session = begun(rt)
        for turn in range(4):
            say(session, f"Number {turn}.", 1)
        fork = session.fork("fork", "@turn:2")
        say(fork, "Elsewhere.", 1)
        logits = session.logits()
        fork.close()
        rt.repository.remove("fork")
        rt.repository.gc(expire_days=0.0)
        assert set(stored(rt.repository)) == {mark.digest for mark in rt.repository.present(session.head)}
        session.close()
        again = rt.session("s")
        assert torch.equal(again.logits(), logits)
        assert again._debt.replayed == 0
        assert again.verify() == []


@pytest.mark.parametrize(("options", "field"), [({"dense": 0}, "dense"), ({"budget_bytes": -1}, "budget_bytes")])
def test_settings_that_cannot_be(options: dict[str, int], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        CheckpointOptions(**options)  # type: ignore[arg-type]
