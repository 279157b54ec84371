"""Conversations that outgrow their window: evicted and summarised, resumed to the bit, verified by replay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from perdure.config import MemoryOptions
from perdure.memory.events import Event
from perdure.memory.records import Message
from perdure.memory.summary import heavy_hitters
from perdure.runtime import Runtime, room
from perdure.runtime.session import Session

from ..conftest import Opens
from .gates import made_up, put_in_force

SMALL = MemoryOptions(window=128, block=128, sinks=4, summary=48, recall="off")
BACKENDS = ("heavy-hitters", "none", "infini", "infini delta", "infini maps")
WORDS = "the quick brown fox jumps over the lazy dog while seven wizards quietly judge my vow and pack boxes "


def long_chat(session: Session, turns: int, start: int = 0) -> None:
    for turn in range(start, start + turns):
        session.chat(f"{turn}: " + WORDS * 3, max_tokens=20, temperature=0.0)


def small(opens: Opens, store: Path | None = None, backend: str = "heavy-hitters", **changes: object) -> Runtime:
    name, _, kind = backend.partition(" ")
    if name == "infini":
        with opens(memory=SMALL) as runtime:
            rule = "delta" if kind == "delta" else "linear"
            put_in_force(runtime, Path(runtime.repository.path).parent / "cache", made_up(rule, maps=kind == "maps"))
    return opens(store, memory=replace(SMALL, backend=name), **changes)


def test_a_long_conversation_goes_on_in_a_bounded_working_set(opens: Opens) -> None:
    with small(opens) as runtime:
        session = runtime.session("s")
        long_chat(session, 12)
        state, budget = session.warm.state, session.budget
        assert budget is not None
        assert session.head.tokens > 2048 > budget.most
        assert state.place.entries(state.seen) <= budget.most
        assert state.position < budget.limit
        assert state.place.kept == 4 + 48
        state.check()
        kinds = [event.kind for event in runtime.repository.events(session.head)]
        assert kinds[0] == "track"
        assert kinds.count("evict") > 8
        assert any(event.detail.get("shift") for event in runtime.repository.events(session.head))


@pytest.mark.parametrize(
    ("backend", "turns"), [("heavy-hitters", 3), ("heavy-hitters", 11), *((backend, 7) for backend in BACKENDS)]
)
def test_resume_is_bit_identical_in_the_middle_of_a_compressed_session(
    opens: Opens, tmp_path: Path, backend: str, turns: int
) -> None:
    with small(opens, tmp_path / "a", backend) as runtime:
        session = runtime.session("s")
        long_chat(session, turns)
        before = session.logits()
        session.close()
        again = runtime.session("s")
        assert torch.equal(again.logits(), before)
        long_chat(again, 2, turns)
        stopped = again.logits()
    with small(opens, tmp_path / "b", backend) as runtime:
        session = runtime.session("s")
        long_chat(session, turns + 2)
        assert torch.equal(session.logits(), stopped)


@pytest.mark.parametrize("backend", BACKENDS)
def test_verify_replays_a_compressed_session(opens: Opens, backend: str) -> None:
    with small(opens, backend=backend) as runtime:
        session = runtime.session("s")
        long_chat(session, 10)
        assert session.verify() == []


@pytest.mark.parametrize("backend", ["heavy-hitters", "infini", "infini delta"])
def test_forks_and_resets_of_a_compressed_session(opens: Opens, backend: str) -> None:
    with small(opens, backend=backend) as runtime:
        session = runtime.session("s")
        long_chat(session, 6)
        middle, there = session.head.hex, session.logits()
        long_chat(session, 4, 6)
        fork = session.fork("f", middle)
        assert torch.equal(fork.logits(), there)
        long_chat(fork, 4, 6)
        assert torch.equal(fork.logits(), session.logits())
        session.reset(middle)
        assert torch.equal(session.logits(), there)
        assert fork.verify() == []


def test_a_summary_that_keeps_everything_changes_nothing_but_rounding(
    opens: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Evicted keys that are kept, turned and put back are the same conversation: the oracle is a cache of every token."""
    monkeypatch.setattr(heavy_hitters, "FADE", 0.0)
    everything = MemoryOptions(window=128, block=128, sinks=4, summary=1024, recall="off")
    found = []
    for name, options in (("a", everything), ("b", MemoryOptions())):
        with opens(tmp_path / name, memory=options, dtype="float32") as runtime:
            session = runtime.session("s")
            session.chat(WORDS * 6, max_tokens=1, temperature=0.0)
            kept = session.warm.state.place.kept
            found.append(session.logits())
            assert bool(kept) == (name == "a")
    error = (found[0] - found[1]).norm() / found[1].norm()
    assert error < 1e-4


def test_what_was_evicted_is_kept_exactly_on_disk(opens: Opens) -> None:
    with small(opens) as runtime:
        session = runtime.session("s")
        long_chat(session, 6)
        blocks = runtime.repository.blocks(session.head)
        assert sum(n for _, n, _ in blocks) == session.head.tokens
        oldest = session.warm.state.place.oldest
        assert oldest >= 256
        bad = runtime.repository.restore(session.head, lambda *_: None, end=oldest).damaged
        assert bad == []


@pytest.mark.parametrize("backend", ["heavy-hitters", "infini"])
@pytest.mark.parametrize("kinds", [("kv-block",), ("state",), ("summary",), ("state", "summary", "kv-block")])
def test_a_compressed_session_survives_the_loss_of_everything_computed(
    opens: Opens, kinds: tuple[str, ...], backend: str
) -> None:
    with small(opens, backend=backend) as runtime:
        session = runtime.session("s")
        long_chat(session, 7)
        there = session.logits()
        session.close()
        with runtime.repository.store.write() as txn:
            for digest in list(txn.digests()):
                if txn.get(digest).kind in kinds:
                    txn.delete(digest)
        again = runtime.session("s")
        assert torch.equal(again.logits(), there)
        again.chat("go on", max_tokens=5)
        assert again.notes == [] or again.verify() == []


def test_moving_all_keys_down_changes_nothing_but_rounding(opens: Opens) -> None:
    """Attention by rotary positions sees distances only."""
    with opens(memory=SMALL, dtype="float32") as runtime:
        engine = runtime.engine
        tokens = runtime.loaded.chat.prompt([Message("user", WORDS * 6)])[:384]
        found = []
        for moved in (False, True):
            state = engine.adapter.new()
            engine.prefill(state, tokens[:256])
            engine.happen(state, Event(256, "track", {"stride": 1, "window": 128, "block": 128}))
            engine.prefill(state, tokens[256:])
            engine.happen(state, Event(384, "evict", {"upto": 256, "sinks": 4, "entries": 48, "shift": 0}))
            if moved:
                first = state.place.first
                engine.happen(state, Event(384, "evict", {"upto": 256, "sinks": 4, "entries": 48, "shift": first}))
                assert state.place.first == 0
            found.append(engine.feed(state, tokens[:32]).logits)
        assert not torch.equal(found[0], found[1])
        assert (found[0] - found[1]).norm() / found[1].norm() < 1e-4


def test_a_prompt_like_a_book_is_written_ahead_of_its_commit(
    opens: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for name, most in (("a", 1 << 10), ("b", 1 << 30)):
        monkeypatch.setattr(room, "SPILL", most)
        with small(opens, tmp_path / name) as runtime:
            session = runtime.session("s")
            stream = session.stream(WORDS * 20, max_tokens=4, temperature=0.0)
            next(stream)
            assert (session.warm.held_bytes == 0) == (name == "a")
            with runtime.repository.store.read() as txn:
                assert any("ahead" in ref for ref, _ in txn.refs()) == (name == "a")
            assert runtime.repository.fsck().ok
            runtime.repository.gc(expire_days=0.0)
            list(stream)
            with runtime.repository.store.read() as txn:
                assert not any("ahead" in ref for ref, _ in txn.refs())
            found.append((session.logits(), runtime.repository.blocks(session.head)))
            assert session.verify() == []
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


def test_a_stored_beginning_is_taken_over_as_far_as_the_window_goes(opens: Opens) -> None:
    with opens() as runtime:
        runtime.session("whole").chat(WORDS * 12, max_tokens=2)
    with small(opens) as runtime:
        session = runtime.session("small")
        receipt = session.chat(WORDS * 12, max_tokens=2, temperature=0.0).receipt
        assert 0 < receipt.reused <= 128
        assert session.verify() == []
