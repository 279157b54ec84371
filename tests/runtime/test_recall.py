"""Memories that left the window and come back: where they are put, what is kept of it, and that it replays."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perdure.config import MemoryOptions
from perdure.errors import RevisionNotFound
from perdure.runtime import Runtime
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords

from ..conftest import Opens

FACT = "My cousin Tamsin keeps a pangolin called Biscuit"
FILLER = "the quick brown fox jumps over the lazy dog while seven wizards quietly judge my vow and pack boxes "


def options(mode: str = "kv") -> MemoryOptions:
    return MemoryOptions(window=128, block=128, sinks=4, summary=32, recall=mode, recall_tokens=128)


def opened(opens: Opens, store: Path | None = None, mode: str = "kv") -> Runtime:
    return opens(store, memory=options(mode), encoder=HashedWords())


def fill(session: Session, turns: int) -> None:
    for turn in range(turns):
        session.chat(f"{turn} " + FILLER * 2, max_tokens=8, temperature=0.0)


def taught(session: Session) -> Session:
    session.chat(FACT, max_tokens=8, temperature=0.0)
    fill(session, 5)
    return session


ASK = "What is the pangolin of my cousin Tamsin called?"


def test_what_left_the_window_comes_back_once(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = taught(runtime.session("s"))
        seen, position = session.warm.state.seen, session.warm.state.position
        receipt = session.chat(ASK, max_tokens=6, temperature=0.0).receipt
        assert receipt.recalled > 5
        place = session.warm.state.place
        assert place.recalled == 0
        added = session.warm.state.seen - seen
        assert session.warm.state.position - position in (added, added - position + place.slot(seen))
        trace = runtime.repository.trace(session.head)
        assert trace is not None
        best = runtime.repository.episodes([trace["chosen"][-1]["episode"]])[0]
        assert best.text == FACT
        assert 0 < trace["chosen"][-1]["mass"] < 1
        assert len(trace["chosen"][-1]["by_token"]) == receipt.generated


@pytest.mark.parametrize("mode", ["kv", "text"])
def test_a_session_that_recalled_resumes_and_verifies(opens: Opens, tmp_path: Path, mode: str) -> None:
    with opened(opens, tmp_path / "a", mode) as runtime:
        session = taught(runtime.session("s"))
        receipt = session.chat(ASK, max_tokens=6, temperature=0.0).receipt
        assert bool(receipt.recalled) == (mode == "kv")
        here = session.logits()
        session.close()
        again = runtime.session("s")
        assert torch.equal(again.logits(), here)
        fill(again, 3)
        assert again.verify() == []
        last = again.logits()
    with opened(opens, tmp_path / "a", mode) as runtime:
        session = runtime.session("s")
        assert torch.equal(session.logits(), last)


def test_kv_that_is_lost_is_encoded_again(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = taught(runtime.session("s"))
        entries = runtime.repository.remembered(session.head)
        assert entries
        assert all(entry.kv for entry in entries)
        with runtime.repository.store.write() as txn:
            for entry in entries:
                if entry.kv is not None:
                    txn.delete(entry.kv)
        session.chat(ASK, max_tokens=6, temperature=0.0)
        trace = runtime.repository.trace(session.head) or {}
        recalled = {item["episode"] for item in trace["chosen"]}
        with runtime.repository.store.read() as txn:
            assert all(txn.has(entry.kv or b"") for entry in entries if entry.digest in recalled)
        assert all("needed by a list entry" in problem.sentence for problem in session.verify())
        report = runtime.repository.fsck()
        assert report.lost == ()


def test_a_fork_remembers_its_own_past_and_not_its_siblings(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = runtime.session("s")
        fill(session, 1)
        fork = session.fork("f")
        taught(session)
        fill(fork, 6)
        assert session.chat(ASK, max_tokens=2).receipt.recalled
        trace = runtime.repository.trace(session.head) or {}
        fork.chat(ASK, max_tokens=2)
        other = runtime.repository.trace(fork.head) or {"chosen": []}
        told = {item["episode"] for item in trace["chosen"]}
        assert told.isdisjoint(item["episode"] for item in other["chosen"])
        texts = [e.text for e in runtime.repository.episodes([x.digest for x in runtime.repository.remembered(fork.head)])]
        assert FACT not in texts


def test_a_turn_that_recalls_is_recovered_after_a_crash(opens: Opens, tmp_path: Path) -> None:
    with opened(opens, tmp_path / "a") as runtime:
        session = taught(runtime.session("s"))
        stream = session.stream(ASK, max_tokens=12, temperature=0.0)
        tokens = [next(stream).token for _ in range(5)]
        session.copy.release()
        with opened(opens, tmp_path / "a") as other:
            back = other.session("s")
            assert other.repository.trace(back.head) is not None
            assert [event.kind for event in other.repository.events(back.head)][-2:] == ["recall", "withdraw"]
            assert other.repository.tokens("s")[-5:] == tokens
            assert back.verify() == []


def test_documents_are_remembered_searched_edited_pinned_and_forgotten(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = runtime.session("s")
        text = " ".join(f"Line {i} tells of the harbour number {i * 37}." for i in range(60))
        steps: list[tuple[int, int]] = []
        added = session.memory.add([("ports.txt", text)], progress=lambda done, total: steps.append((done, total)))
        assert added.whole
        assert added.episodes == len(session.memory) > 3
        assert steps[-1] == (added.episodes, added.episodes)
        assert "".join(e.text for e in session.memory) == text
        assert session.head.kind == "memory"
        found = session.memory.search("harbour number 1850", threshold=0.0)
        assert "1850" in found[0].episode.text
        name = found[0].episode.id
        assert session.memory.pin(name).pinned
        assert session.memory.edit(name, "The harbour of Oslo is number 9.").text == "The harbour of Oslo is number 9."
        assert session.memory.get(name).pinned
        before = len(session.memory)
        session.memory.remove(name)
        assert len(session.memory) == before - 1
        with pytest.raises(RevisionNotFound, match="There is no memory"):
            session.memory.get(name)
        assert all(match.episode.id != name for match in session.memory.search("harbour of Oslo", threshold=0.0))
        session.reset("HEAD~1")
        assert session.memory.get(name).text == "The harbour of Oslo is number 9."
        assert session.verify() == []
        session.chat("harbour number 1850", max_tokens=4)
        assert session.verify() == []


def test_a_message_is_remembered_as_soon_as_a_part_of_it_has_left(opens: Opens) -> None:
    """A book in one prompt is recalled in the very next turn, and so is what the window has only the end of."""
    with opened(opens) as runtime:
        session = runtime.session("s")
        session.chat(f"{FACT}. " + FILLER * 12, max_tokens=4, temperature=0.0)
        said = session.warm.messages[0]
        assert said.start < session.warm.state.place.oldest < said.end
        assert any(FACT in episode.text for episode in session.memory)
        assert session.chat(ASK, max_tokens=4, temperature=0.0).receipt.recalled


def test_what_was_forgotten_stays_forgotten(opens: Opens, tmp_path: Path) -> None:
    with opened(opens, tmp_path / "a") as runtime:
        session = taught(runtime.session("s"))
        for episode in session.memory.page():
            session.memory.remove(episode.id)
    with opened(opens, tmp_path / "a") as runtime:
        session = runtime.session("s")
        session.chat("And so on.", max_tokens=4, temperature=0.0)
        fill(session, 2)
        assert len(session.memory)
        assert all(FACT not in episode.text for episode in session.memory)
        assert session.verify() == []


def test_documents_are_in_the_index_before_anything_is_asked(opens: Opens, tmp_path: Path) -> None:
    with opened(opens, tmp_path / "a") as runtime:
        runtime.session("s").memory.add([("ports.txt", " ".join(f"Line {i} of the harbour." for i in range(40)))])
    assert {file.name for file in (tmp_path / "a" / "index").iterdir()} == {"lock", "names", "vectors", "words"}
