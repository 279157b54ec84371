"""What a session remembers when its conversation is computed anew from its text by another model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from perdure.config import MemoryOptions
from perdure.errors import Conflict
from perdure.memory.episodes import Episode
from perdure.runtime import Runtime
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens
from .test_recall import ASK, FACT, fill, options, taught

PORTS = " ".join(f"Line {i} tells of the harbour number {i * 37}." for i in range(60))
EDITED = "My cousin Tamsin keeps a walrus."


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return tiny_llama(tmp_path / "other", seed=5, dtype="bfloat16")


def small(opens: Opens, mode: str = "kv", **more: object) -> Runtime:
    return opens(memory=options(mode), encoder=HashedWords(), **more)


def prepared(session: Session) -> tuple[list[Episode], Episode]:
    """A session that remembers a conversation and a document, of which some was pinned, edited and forgotten."""
    taught(session)
    session.memory.add([("ports.txt", PORTS)])
    said = [episode for episode in session.memory if episode.role == "user"]
    documents = [episode for episode in session.memory if episode.role == "document"]
    session.memory.pin(said[1].id)
    session.memory.pin(documents[0].id)
    session.memory.edit(said[0].id, EDITED)
    gone = session.memory.remove(said[2].id)
    return list(session.memory), gone


def remembered(runtime: Runtime, session: Session) -> list[Episode]:
    """What the store has, whatever the session believes."""
    entries = runtime.repository.remembered(session.head)
    return runtime.repository.episodes([entry.digest for entry in entries])


def no_doubles(found: list[Episode]) -> bool:
    return max(Counter((e.text, e.role, e.source, e.turn, e.part) for e in found).values()) == 1


def what(episode: Episode) -> tuple[object, ...]:
    return episode.id, episode.text, episode.role, episode.source, episode.turn, episode.part, episode.parts, episode.pinned


def test_all_that_is_remembered_goes_along_to_another_model(opens: Opens, other: Path) -> None:
    with small(opens) as runtime:
        before, gone = prepared(runtime.session("s"))
    with small(opens, model=str(other)) as runtime:
        session = runtime.session("s", as_text=True)
        session.chat("Who are you now?", max_tokens=4)
        after = remembered(runtime, session)
        assert list(session.memory) == after
        assert [what(episode) for episode in after][: len(before)] == [what(episode) for episode in before]
        assert max(Counter(episode.id for episode in after).values()) == 1
        assert no_doubles(after)
        assert (gone.text, gone.turn) not in {(episode.text, episode.turn) for episode in after}
        assert [e.embedding for e in after[: len(before)]] == [e.embedding for e in before]
        assert {e.lineage for e in after}.isdisjoint(e.lineage for e in before)
        assert runtime.repository.lost(runtime.repository.remembered(session.head)) == []
        ends = {message.end for message in session.messages()}
        assert {e.end for e in after if e.role != "document"} <= ends
        assert {e.end for e in after if e.role == "document"} == {0}
        assert session.verify() == []
        assert runtime.repository.fsck().ok


def test_what_was_carried_over_is_recalled_and_the_session_goes_on(opens: Opens, other: Path) -> None:
    with small(opens) as runtime:
        tokens = taught(session := runtime.session("s")).head.tokens
        session.memory.add([("ports.txt", PORTS)])
        session.memory.pin(session.memory.page(1, 1)[0].id)
    with small(opens, model=str(other)) as runtime:
        session = runtime.session("s", as_text=True)
        assert session.chat(ASK, max_tokens=4, temperature=0.0).receipt.recalled == 0
        assert session.messages()[0].content == FACT
        assert session.head.tokens > tokens
        assert session.chat(ASK, max_tokens=4, temperature=0.0).receipt.recalled > 5
        fill(session, 3)
        assert no_doubles(list(session.memory))
        assert session.verify() == []
    with small(opens, model=str(other)) as runtime:
        assert runtime.session("s").chat("harbour number 1850", max_tokens=4).receipt.recalled > 5


def test_an_answer_that_was_cut_off_while_all_was_computed_anew_is_finished(opens: Opens, other: Path) -> None:
    with small(opens) as runtime:
        before, _ = prepared(runtime.session("s"))
    with small(opens, model=str(other)) as runtime:
        session = runtime.session("s", as_text=True)
        stream = session.stream("Who are you now?", max_tokens=8)
        next(stream)
        session.copy.release()
        with small(opens, model=str(other)) as second:
            session = second.session("s", as_text=True)
            after = remembered(second, session)
            assert [what(episode) for episode in after][: len(before)] == [what(episode) for episode in before]
            assert session.verify() == []


def test_without_kv_where_none_is_made_and_the_user_is_told(opens: Opens, other: Path) -> None:
    with small(opens) as runtime:
        session = runtime.session("s")
        session.memory.add([("ports.txt", PORTS)])
        session.chat("Hello.", max_tokens=4)
        before = list(session.memory)
    with small(opens, "text", model=str(other)) as runtime:
        session = runtime.session("s", as_text=True)
        receipt = session.chat("And now?", max_tokens=4).receipt
        after = list(session.memory)
        assert [what(episode) for episode in after] == [what(episode) for episode in before]
        assert all(episode.kv is None and not episode.lineage for episode in after)
        assert any(f"{len(before)} memories" in note and "without KV" in note for note in receipt.notes)
        assert session.verify() == []


def test_what_the_new_model_has_no_room_for_stays_as_text(opens: Opens, tmp_path: Path) -> None:
    tiny = tiny_llama(tmp_path / "tiny", seed=5, dtype="bfloat16", max_positions=384)
    with opens(memory=MemoryOptions(episode_tokens=1024), encoder=HashedWords()) as runtime:
        session = runtime.session("s")
        session.memory.add([("ports.txt", PORTS), ("short.txt", "The harbour of Oslo is number 9.")])
        session.chat("Hello.", max_tokens=4)
        before = list(session.memory)
    narrow = MemoryOptions(window=64, block=64, sinks=4, summary=16, recall_tokens=32)
    with opens(model=str(tiny), memory=narrow, encoder=HashedWords()) as runtime:
        session = runtime.session("s", as_text=True)
        receipt = session.chat("And now?", max_tokens=4).receipt
        after = remembered(runtime, session)
        assert [what(episode) for episode in after] == [what(episode) for episode in before]
        assert [episode.kv is not None for episode in after] == [len(episode.tokens) < 350 for episode in after]
        bare = sum(episode.kv is None for episode in after)
        assert 0 < bare < len(after)
        assert any(note.startswith(f"{bare} memories are kept without KV") for note in receipt.notes)
        session.chat("harbour of Oslo", max_tokens=4)
        assert session.verify() == []


def test_nothing_of_the_new_model_is_put_beside_the_old_state(opens: Opens, other: Path) -> None:
    with small(opens) as runtime:
        before, _ = prepared(runtime.session("s"))
    with small(opens, model=str(other)) as runtime:
        session = runtime.session("s", as_text=True)
        for change in (
            lambda: session.memory.add([("more.txt", "More.")]),
            lambda: session.memory.edit(before[0].id, "Other."),
        ):
            with pytest.raises(Conflict, match="say something first"):
                change()
        assert remembered(runtime, session) == before
        session.memory.pin(before[3].id)
        session.chat("And now?", max_tokens=4)
        assert session.memory.get(before[3].id).pinned
        assert session.memory.edit(before[0].id, "Other.").text == "Other."
