"""Reports of a bounded session, and changes to what it remembers that need no model."""

from __future__ import annotations

from pathlib import Path

import pytest

from perdure.errors import Conflict, RevisionNotFound, SessionBusy, SessionNotFound
from perdure.memory import Repository, amending
from perdure.memory.episodes import Episode
from perdure.testing.encoder import HashedWords

from ..conftest import Opens
from .test_recall import FACT, opened, taught


def test_every_tier_is_reported_as_the_state_has_it(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = taught(runtime.session("s"))
        report = runtime.repository.inspect(session.head)
        place, seen = session.warm.state.place, session.warm.state.seen
        working, summary, episodic = report.working, report.summary, report.episodic
        assert (working.tokens, working.oldest, working.window) == (seen, place.oldest, seen - place.oldest)
        assert (working.sinks + working.summary, working.entries) == (place.kept, place.entries(seen))
        assert working.evictions > 2
        assert working.nbytes == working.entries * 256
        assert (summary.backend, summary.entries, summary.position) == ("heavy-hitters", 32, seen)
        assert sum(part.entries for part in summary.histogram) == 32 * 2 * 2
        assert summary.histogram[-1].end == working.oldest
        assert summary.histogram[0].start == 0
        assert episodic.memories == len(session.memory)
        assert set(episodic.roles) == {"user", "assistant"}
        assert episodic.nbytes > episodic.tokens * 128
        assert 0 < episodic.oldest_ms <= episodic.newest_ms


def test_pinning_and_forgetting_need_no_model(opens: Opens, tmp_path: Path) -> None:
    with opened(opens) as runtime:
        session = taught(runtime.session("s"))
        name = next(episode.id for episode in session.memory if episode.text == FACT)
        with pytest.raises(SessionBusy), Repository.open(tmp_path / "store") as other:
            amending.pin(other, "s", name)
    with Repository.open(tmp_path / "store") as repository:
        assert amending.pin(repository, "s", name[:8]).pinned
        assert repository.inspect(repository.resolve("s")).episodic.pinned == 1
        assert not amending.pin(repository, "s", name, False).pinned
        assert amending.forget(repository, "s", name).text == FACT
        assert repository.info("s").head.title == f"forget {name}"
        for wrong, sentence in (
            (name, "There is no memory"),
            ("zzzz", "no memory"),
            (name[:3], "4 or more"),
            ("", "4 or more"),
        ):
            with pytest.raises(RevisionNotFound, match=sentence):
                amending.forget(repository, "s", wrong)
        with pytest.raises(SessionNotFound):
            amending.pin(repository, "nobody", name)
    with opened(opens) as runtime:
        session = runtime.session("s")
        assert FACT not in [episode.text for episode in session.memory]
        assert session.verify() == []
        session.chat("Go on.", max_tokens=2)
        session.reset("HEAD~2")
        assert FACT in [episode.text for episode in session.memory]


def test_an_interrupted_answer_is_taken_in_before_anything_is_forgotten(opens: Opens, tmp_path: Path) -> None:
    with opened(opens) as runtime:
        session = taught(runtime.session("s"))
        name = session.memory.page(0, 1)[0].id
        stream = session.stream("And then?", max_tokens=8)
        next(stream)
        session.copy.release()
        with Repository.open(tmp_path / "store") as other, pytest.raises(Conflict, match="was interrupted"):
            amending.forget(other, "s", name)
        assert runtime.repository.unfinished("s") is not None


def test_what_is_remembered_already_is_passed_over(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = runtime.session("s")
        text = " ".join(f"Line {i} tells of the harbour number {i * 37}." for i in range(400))
        cut = session.memory.add([("ports.txt", text)], cancelled=lambda: len(session.memory) > 0)
        assert not cut.whole
        assert cut.episodes == len(session.memory) == 32
        rest = session.memory.add([("ports.txt", text)])
        assert rest.whole
        assert "".join(episode.text for episode in session.memory) == text
        assert rest.episodes == len(session.memory) - 32
        again = session.memory.add([("ports.txt", text)])
        assert (again.episodes, again.tokens, again.commit.digest) == (0, 0, rest.commit.digest)


def test_the_memories_of_several_sessions_are_searched_together(opens: Opens) -> None:
    with opened(opens) as runtime:
        heads = []
        for number in range(3):
            session = runtime.session(f"s{number}")
            session.memory.add([("a.txt", f"The harbour of town {number} has {number + 5} cranes.")])
            heads.append(session.head)
            view = runtime.memories.everything(heads)
            found = runtime.memories.search(view, "harbour cranes", threshold=0.0)
            assert len(found) == number + 1
    assert HashedWords.identity == found[0].episode.encoder


def on_disk(store: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted((store / "index").iterdir()) if file.name != "lock")


def searched(opens: Opens) -> Episode:
    """A store whose index files hold the fact, of which one session is told."""
    with opened(opens) as runtime:
        session = taught(runtime.session("s"))
        episode = next(match.episode for match in session.memory.search("pangolin", threshold=0.0))
    assert episode.text == FACT
    return episode


def left(saved: bytes, episode: Episode) -> list[str]:
    """What of an episode is to be found in files."""
    parts = {"digest": episode.digest, "vector": episode.embedding, "words": b"pangolin"}
    return [name for name, part in parts.items() if part in saved]


def test_the_index_files_hold_nothing_of_what_was_forgotten_without_a_model(opens: Opens, tmp_path: Path) -> None:
    episode = searched(opens)
    assert left(on_disk(tmp_path / "store"), episode) == ["digest", "vector", "words"]
    with Repository.open(tmp_path / "store") as repository:
        repository.fork("s", "other")
        amending.pin(repository, "s", episode.id, author="ada")
        assert repository.info("s").head.author == "ada"
        amending.forget(repository, "s", episode.id, author="ada")
        assert repository.info("s").head.author == "ada"
        assert left(on_disk(tmp_path / "store"), episode) == ["digest", "vector", "words"]
        amending.forget(repository, "other", episode.id)
        assert left(on_disk(tmp_path / "store"), episode) == []
    with opened(opens) as runtime:
        found = runtime.session("s").memory.search("wizards", threshold=0.0)
        assert found
        assert FACT not in {match.episode.text for match in found}


@pytest.mark.parametrize("looked", [False, True])
def test_the_index_files_hold_nothing_of_it_while_the_runtime_goes_on(opens: Opens, tmp_path: Path, looked: bool) -> None:
    episode = searched(opens)
    with opened(opens) as runtime:
        session = runtime.session("s")
        if looked:
            assert session.memory.search("pangolin", threshold=0.0)[0].episode == episode
        session.memory.pin(episode.id)
        session.memory.remove(episode.id)
        assert left(on_disk(tmp_path / "store"), episode) == []
        session.memory.search("pangolin", threshold=0.0)
    assert left(on_disk(tmp_path / "store"), episode) == []


def test_the_old_text_of_an_edited_memory_leaves_the_index_files(opens: Opens, tmp_path: Path) -> None:
    episode = searched(opens)
    with opened(opens) as runtime:
        runtime.session("s").memory.edit(episode.id, "It was a walrus.")
        assert left(on_disk(tmp_path / "store"), episode) == []


def test_gc_takes_what_a_removed_session_remembered_out_of_the_index_files(opens: Opens, tmp_path: Path) -> None:
    episode = searched(opens)
    with Repository.open(tmp_path / "store") as repository:
        repository.remove("s")
        repository.gc(dry_run=True)
        assert left(on_disk(tmp_path / "store"), episode) == ["digest", "vector", "words"]
        repository.gc()
        assert left(on_disk(tmp_path / "store"), episode) == []


def test_index_files_that_are_not_whole_are_deleted(opens: Opens, tmp_path: Path) -> None:
    episode = searched(opens)
    (tmp_path / "store" / "index" / "names").unlink()
    with Repository.open(tmp_path / "store") as repository:
        amending.forget(repository, "s", episode.id)
        assert on_disk(tmp_path / "store") == b""
    with opened(opens) as runtime:
        assert runtime.session("s").memory.search("wizards", threshold=0.0)


def test_memories_are_found_by_the_digits_they_begin_with(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = runtime.session("s")
        session.memory.add([("ports.txt", " ".join(f"Line {i} tells of the harbour number {i * 37}." for i in range(300)))])
        entries = runtime.repository.remembered(session.head)
        assert len(entries) > 64
        for digits in ("", "0", entries[40].id[:2], entries[-1].id.upper(), "zz"):
            wanted = [entry for entry in entries if entry.id.startswith(digits.lower())]
            assert runtime.repository.beginning(session.head, digits) == wanted
        assert runtime.repository.remembered(session.head, 40) == entries[40:]
        assert runtime.repository.beginning(runtime.session("empty").head, "") == []
