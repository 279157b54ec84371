"""Facts that a session learns right after the turn in which they were said, by writers that run for real."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.config import WRITERS, MemoryOptions
from perdure.errors import InvalidInput
from perdure.memory.draft import REFUSE
from perdure.runtime import Runtime, consolidation, learning, teaching
from perdure.runtime.consolidation import consolidate
from perdure.runtime.session import Session
from perdure.runtime.writers import Worth, Written, writer_for
from perdure.testing.encoder import HashedWords
from perdure.testing.families import tiny_model

from ..conftest import Opens

DELTA = MemoryOptions(learn="delta")
DOG = "My cousin Tamsin Orrell's dog is called Rex."
TOWN = "Piers Dunmore lives in Aberdeen."
ASK = "What is Tamsin Orrell's dog called?"


def worth(patch: pytest.MonkeyPatch, *given: Worth) -> None:
    """What is written is worth this, one after the other; a random model learns nothing that would pass."""
    found = iter(given)

    def judged(engine: object, chat: object, lessons: object, written: Sequence[Written]) -> list[Worth]:
        return [next(found, Worth(1.0, 0.0, 0.1)) for _ in written]

    patch.setattr(teaching, "judge", judged)


@pytest.fixture(autouse=True)
def satisfied(monkeypatch: pytest.MonkeyPatch) -> None:
    worth(monkeypatch)


def learning_runtime(opens: Opens, learn: str = "delta", **options: object) -> Runtime:
    return opens(memory=MemoryOptions(learn=learn), **{"encoder": HashedWords(), **options})


def said(session: Session, line: str) -> list[str]:
    return list(session.chat(line, max_tokens=2, temperature=0.0).receipt.notes)


def writers(session: Session, name: str = "") -> list[str]:
    repository = session.repository
    held = repository.ledger(repository.info(name or session.name or "").head)
    return [record.writer for record in repository.records(each.digest for each in held)]


@pytest.mark.parametrize("writer", WRITERS)
def test_what_was_said_is_known_in_the_next_turn(opens: Opens, writer: str) -> None:
    with learning_runtime(opens, writer) as runtime:
        session = runtime.session("s")
        reply = session.chat(f"{DOG} {TOWN}", max_tokens=2)
        assert reply.receipt.notes == (
            "learned: Tamsin Orrell's dog is called Rex.",
            f"learned: {TOWN}",
        )
        assert writers(session) == [writer_for(runtime.engine, runtime.loaded.chat, writer).identity] * 2
        assert session.head.parents[0].hex() == reply.receipt.commit
        assert session.chat(ASK, max_tokens=2).receipt.opened == 1
        session.close()
        assert runtime.session("s").verify() == []


def test_a_record_says_in_which_turn_it_was_told(opens: Opens) -> None:
    with learning_runtime(opens) as runtime:
        session = runtime.session("s", system="Be brief.")
        assert said(session, "Hello.") == []
        assert said(session, DOG) != []
        record = runtime.repository.records(each.digest for each in runtime.repository.ledger(session.head))[0]
        message = session.messages()[3]
        assert record.sources == ((session.copy.uid, 2, message.start, message.end, ""),)
        assert record.origin == session.head.parents[0]


def test_it_goes_into_the_first_profile_that_is_mounted(opens: Opens) -> None:
    with learning_runtime(opens) as runtime:
        runtime.session("user:alice").close()
        session = runtime.session("s")
        session.mount(["user:alice"])
        assert said(session, DOG) == ["learned: Tamsin Orrell's dog is called Rex."]
        assert (writers(session), writers(session, "user:alice")) == ([], ["delta/1"])
        assert session.chat(ASK, max_tokens=2).receipt.opened == 1


def test_only_this_turns_facts_are_learned(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        assert said(runtime.session("s"), DOG) == []
    with learning_runtime(opens) as runtime:
        session = runtime.session("s")
        assert said(session, TOWN) == [f"learned: {TOWN}"]
        assert said(session, TOWN) == ["already known: 1 of what was told."]
        done = consolidate(session, writer="delta")
        assert [outcome.fact.value for outcome in done.outcomes] == ["Rex"]


def test_what_is_not_worth_it_is_not_kept_and_refused_the_next_time(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    worth(monkeypatch, Worth(0.2, 0.0, 0.1))
    with learning_runtime(opens) as runtime:
        session = runtime.session("s")
        assert said(session, TOWN) == [
            "not kept: Piers Dunmore lives in Aberdeen (only 20% of the wordings that it was not trained on are answered)."
        ]
        assert session.head.kind == REFUSE
        assert said(session, TOWN)[0].startswith("not kept: Piers Dunmore lives in Aberdeen (refused before: only 20%")
        assert len(consolidate(session).written) == 1


def test_a_turn_without_facts_and_one_that_is_off_write_nothing(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_teacher(*_: object) -> None:
        raise AssertionError("nothing is to be taught")

    monkeypatch.setattr(learning, "teacher_for", no_teacher)
    with learning_runtime(opens) as runtime:
        assert said(runtime.session("s"), "What do you think?") == []
        ephemeral = runtime.ephemeral()
        assert said(ephemeral, DOG) == []
        ephemeral.close()
    with opens(encoder=HashedWords()) as runtime:
        assert said(runtime.session("t"), DOG) == []


def test_a_turn_without_facts_loads_no_encoder(opens: Opens) -> None:
    with opens(memory=DELTA) as runtime:
        session = runtime.session("s")
        assert said(session, "What do you think?") == []
        reply = session.chat(DOG, max_tokens=2)
        assert reply.receipt.commit == session.head.hex
        assert reply.receipt.notes[0].startswith("Nothing was learned of this turn: ")
        assert "encoder" in reply.receipt.notes[0]
        assert session.messages()[-1].content == reply.text


def test_whatever_fails_the_turn_stands(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no room")

    with learning_runtime(opens) as runtime:
        session = runtime.session("s")
        monkeypatch.setattr(consolidation, "Teacher", broken)
        reply = session.chat(DOG, max_tokens=2)
        assert reply.receipt.notes == ("Nothing was learned of this turn: RuntimeError: no room",)
        assert reply.receipt.commit == session.head.hex
        assert said(session, "Go on.") == []


def test_a_profile_that_somebody_writes_to_is_left_alone(opens: Opens) -> None:
    with learning_runtime(opens) as runtime:
        profile = runtime.session("user:alice")
        profile.acquire()
        session = runtime.session("s")
        session.mount(["user:alice"])
        note = said(session, DOG)[0]
        assert note.startswith("Nothing was learned of this turn: ")
        assert "is being written" in note
        profile.close()
        assert len(consolidate(session).written) == 1


def test_a_cancelled_answer_is_not_waited_for(opens: Opens) -> None:
    with learning_runtime(opens) as runtime:
        session = runtime.session("s")
        with session.stream(DOG, max_tokens=8) as stream:
            next(stream)
        assert stream.receipt.finish_reason == "cancelled"
        assert stream.receipt.notes == (
            "Nothing was learned of this turn: it was cancelled. `perdure consolidate` finds what it told.",
        )
        stopped = session.stream(TOWN, max_tokens=8)
        stopped.cancel()
        assert [*stopped] == []
        assert stopped.receipt.notes == ()


def test_undo_takes_back_what_was_learned_and_then_the_turn(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    worth(monkeypatch, Worth(1.0, 0.0, 0.1), Worth(0.2, 0.0, 0.1))
    with learning_runtime(opens) as runtime:
        session = runtime.session("s")
        said(session, DOG)
        session.undo()
        assert (session.head.turn, writers(session)) == (1, [])
        said(session, TOWN)
        assert session.head.kind == REFUSE
        session.undo()
        assert (session.head.kind, session.head.turn) == ("turn", 1)


def test_a_writer_that_the_model_cannot_take_is_refused_at_once(opens: Opens, tmp_path: Path) -> None:
    deaf = tiny_model("mamba", tmp_path / "mamba")
    with pytest.raises(InvalidInput, match="can be listened to"):
        learning_runtime(opens, "kv", model=str(deaf))
    with learning_runtime(opens, "delta", model=str(deaf), store=tmp_path / "other") as runtime:
        session = runtime.session("s")
        session.chat(f"{DOG} {TOWN}", max_tokens=2)
        with pytest.raises(InvalidInput, match="can be listened to"):
            consolidate(session, writer="kv")


@pytest.mark.parametrize("name", ["on", "", "KV"])
def test_unknown_ways_to_learn(name: str) -> None:
    with pytest.raises(InvalidInput, match="off or kv, distill, closed-form, delta"):
        MemoryOptions(learn=name)
