"""What a conversation taught, found in its words and kept in a ledger: trained for real, and judged to be good."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.errors import InvalidInput
from perdure.memory.fastweights import standing
from perdure.runtime import Runtime, teaching
from perdure.runtime.consolidation import consolidate, facts_of
from perdure.runtime.session import Session
from perdure.runtime.teaching import Teacher, lesson_of
from perdure.runtime.writers import KVTokens, Settings, Worth, Written
from perdure.runtime.writers.distill import Distilled
from perdure.testing.encoder import HashedWords

from ..conftest import Opens

DOG = "My cousin Tamsin Orrell's dog is called Rex."
TOWN = "Piers Dunmore lives in Aberdeen."


@pytest.fixture(autouse=True)
def satisfied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random model learns nothing that would pass."""

    def judged(engine: object, chat: object, lessons: object, written: Sequence[Written]) -> list[Worth]:
        return [Worth(1.0, 0.0, 0.1) for _ in written]

    monkeypatch.setattr(teaching, "judge", judged)


def told(runtime: Runtime, name: str, *lines: str) -> Session:
    session = runtime.session(name)
    for line in lines:
        session.chat(line, max_tokens=2, temperature=0.0)
    return session


def quick(runtime: Runtime) -> Teacher:
    return Teacher(runtime, KVTokens(runtime.engine, runtime.loaded.chat, Settings(steps=2, rate=0.1)))


def test_facts_are_found_where_they_were_said(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", "Hello there.", DOG, "What do you think?", f"remember: {TOWN}")
        found = facts_of(session)
        assert [(each.fact.subject, each.fact.value, each.explicit) for each in found] == [
            ("Tamsin Orrell", "Rex", False),
            ("Piers Dunmore", "Aberdeen", True),
        ]
        assert [each.said.turn for each in found] == [2, 4]
        messages = session.messages()
        spans = [(message.start, message.end) for message in messages if message.role == "user"]
        assert [(each.said.start, each.said.end) for each in found] == [spans[1], spans[3]]


def test_a_profile_is_made_mounted_and_opened_by_what_it_knows(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG, TOWN)
        done = consolidate(session, "user:alice", teacher=quick(runtime))
        assert (len(done.written), done.known, done.whole) == (2, 0, True)
        assert session.head.state is not None
        assert session.head.state.mounts == ("user:alice",)
        fresh = runtime.session("fresh")
        fresh.mount(["user:alice"])
        assert fresh.chat("What is Tamsin Orrell's dog called?", max_tokens=2).receipt.opened == 1
        assert fresh.chat("What is the weather like?", max_tokens=2).receipt.opened == 0


def test_what_is_known_is_passed_over_and_a_later_word_holds(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG)
        consolidate(session, teacher=quick(runtime))
        again = consolidate(session, teacher=quick(runtime))
        assert (again.outcomes, again.known) == ((), 1)
        session.chat("Tamsin Orrell's dog is called Bruno.", max_tokens=2)
        later = consolidate(session, teacher=quick(runtime))
        assert [outcome.replaces for outcome in later.outcomes] == ["Rex"]
        held = runtime.repository.records(each.digest for each in runtime.repository.ledger(session.head))
        assert [record.value for record in held] == ["Rex", "Bruno"]
        assert [record.value for record in standing(held)] == ["Bruno"]


def test_cancelled_it_keeps_what_was_finished_and_goes_on_there(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.runtime.consolidation.AT_ONCE", 1)
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG, TOWN)
        seen: list[int] = []
        done = consolidate(
            session, teacher=quick(runtime), progress=lambda done, total: seen.append(done), cancelled=lambda: 1 in seen
        )
        assert not done.whole
        rest = consolidate(session, teacher=quick(runtime))
        assert rest.whole
        assert len(runtime.repository.ledger(session.head)) == 2


def test_a_record_says_where_it_is_from(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", "Hello.", DOG)
        origin = session.head.digest
        record = consolidate(session, teacher=quick(runtime)).written[0]
        assert (record.origin, record.sources[0].session, record.sources[0].turn) == (origin, session.copy.uid, 2)
        assert record.measured == {"recall": 1.0, "before": 0.0, "drift": pytest.approx(0.1)}
        assert record.weights == runtime.recipe["weights"]


def test_what_teaches_nothing_changes_nothing(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        empty = runtime.session("empty")
        for into, ledger, commit in (("user:alice", "user:alice", None), (None, "empty", empty.head)):
            done = consolidate(empty, into)
            assert (done.ledger, done.commit, done.written, done.whole) == (ledger, commit, [], True)
            assert "says nothing that can be taught" in done.why
        with pytest.raises(InvalidInput, match="ephemeral"):
            consolidate(runtime.ephemeral())
        assert not runtime.repository.exists("user:alice")


def test_a_record_that_is_not_worth_it_is_not_kept(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([Worth(0.2, 0.0, 0.1), Worth(1.0, 0.0, 9.0), Worth(1.0, 0.9, 0.1), Worth(0.3, 0.0, 0.1)])
    monkeypatch.setattr(teaching, "judge", lambda engine, chat, lessons, written: [next(found) for _ in written])
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG, TOWN, "Ada Lovett works as a welder.")
        done = consolidate(session, teacher=quick(runtime))
        assert done.written == []
        assert ["answered" in o.why or "nats" in o.why or "already" in o.why for o in done.outcomes] == [True] * 3
        assert runtime.repository.ledger(session.head) == []


def test_what_was_not_learned_is_trained_once_more_and_the_better_of_both_is_kept(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([Worth(0.2, 0.0, 0.1), Worth(1.0, 0.0, 0.2), Worth(0.8, 0.0, 0.3)])
    monkeypatch.setattr(teaching, "judge", lambda engine, chat, lessons, written: [next(found) for _ in written])
    with opens(encoder=HashedWords()) as runtime:
        done = consolidate(told(runtime, "s", DOG, TOWN), teacher=quick(runtime))
        assert [record.measured["recall"] for record in done.written] == [0.8, 1.0]


def test_a_change_ends_what_held_before_and_an_addition_does_not(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        teacher = quick(runtime)
        consolidate(told(runtime, "a", "Mara Lindqvist plays the violin."), "p", teacher=teacher)
        consolidate(told(runtime, "b", "Mara Lindqvist also plays the flute."), "p", teacher=teacher)
        done = consolidate(told(runtime, "c", "Mara Lindqvist plays the zither now."), "p", teacher=teacher)
        assert done.outcomes[0].replaces == "violin, flute"
        ledger = runtime.repository.ledger(runtime.repository.info("p").head)
        held = runtime.repository.records(each.digest for each in ledger)
        assert [record.value for record in held] == ["violin", "flute", "zither"]
        assert [record.value for record in standing(held)] == ["zither"]


def test_what_was_corrected_elsewhere_is_not_taught_again_by_where_it_was_said_first(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        teacher = quick(runtime)
        first = told(runtime, "a", "Mara Lindqvist lives in Bergen.", "Mara Lindqvist plays the violin.")
        consolidate(first, "p", teacher=teacher)
        then = told(runtime, "b", "Mara Lindqvist lives in Rome now.", "Mara Lindqvist plays the zither now.")
        head = consolidate(then, "p", teacher=teacher).commit
        again = consolidate(first, "p", teacher=teacher)
        assert (again.outcomes, again.known, again.commit) == ((), 2, head)


def judging(patch: pytest.MonkeyPatch, *found: Worth) -> None:
    """What is written next is worth this."""
    given = iter(found)
    patch.setattr(teaching, "judge", lambda engine, chat, lessons, written: [next(given) for _ in written])
    patch.setattr(Distilled, "longer", lambda self: None)


BAD, GOOD = Worth(0.2, 0.0, 0.1), Worth(1.0, 0.0, 0.1)


def test_what_was_refused_is_passed_over(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(monkeypatch, BAD, GOOD)
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG, TOWN)
        first = consolidate(session, "p", teacher=quick(runtime))
        assert (len(first.outcomes), len(first.written), first.refused) == (2, 1, ())
    with opens(encoder=HashedWords()) as runtime:
        session = runtime.session("s")
        head = runtime.repository.info("p").head
        again = consolidate(session, teacher=quick(runtime))
        assert (again.outcomes, again.known, again.whole) == ((), 1, True)
        assert [(each.value, each.writer) for each in again.refused] == [("Rex", "kv/2")]
        assert again.refused[0].why.startswith("only 20%")
        assert again.commit == head
        assert runtime.repository.fsck().ok
        assert again.commit.state is not None
        assert len(runtime.repository.refusals(runtime.repository.fork("p", "q").head)) == 1


def test_what_was_refused_is_tried_by_another_writer_and_when_asked(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    judging(monkeypatch, BAD, BAD, BAD, GOOD)
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG)
        assert consolidate(session, teacher=quick(runtime)).written == []
        assert consolidate(session, writer="delta").written == []
        assert [each.writer for each in runtime.repository.refusals(session.head)] == ["kv/2", "delta/1"]
        assert consolidate(session, writer="delta").outcomes == ()
        assert consolidate(session, teacher=quick(runtime), again=True).written == []
        assert [each.writer for each in runtime.repository.refusals(session.head)] == ["delta/1", "kv/2"]
        assert len(consolidate(session, writer="delta", again=True).written) == 1
        assert runtime.repository.refusals(session.head) == []


def test_what_was_refused_is_tried_when_it_is_asked_for_or_the_model_is_another(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    judging(monkeypatch, Worth(1.0, 0.9, 0.1), BAD, GOOD)
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG)
        assert consolidate(session, teacher=quick(runtime)).outcomes[0].why == "the model knows it already"
        session.chat(f"remember: {DOG}", max_tokens=2)
        assert consolidate(session, teacher=quick(runtime)).outcomes[0].why.startswith("only 20%")
        assert consolidate(session, teacher=quick(runtime)).outcomes == ()
        monkeypatch.setattr(session, "recipe", session.recipe.replace(weights="others"))
        assert len(consolidate(session, teacher=quick(runtime)).written) == 1


def test_a_refusal_outlives_turns_undoing_and_a_lost_database(
    opens: Opens, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    judging(monkeypatch, BAD)
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", TOWN)
        consolidate(session, teacher=quick(runtime))
        session.chat("Go on.", max_tokens=2)
        session.undo()
        assert len(runtime.repository.refusals(session.head)) == 1
    (tmp_path / "store" / "data.mdb").write_bytes(b"")
    with opens(encoder=HashedWords()) as runtime:
        assert [each.value for each in consolidate(runtime.session("s"), teacher=quick(runtime)).refused] == ["Aberdeen"]


def test_an_unknown_writer_is_refused_by_name(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", DOG)
        with pytest.raises(InvalidInput, match="'magic' is not known; give kv, distill, closed-form, delta"):
            consolidate(session, writer="magic")


def test_no_wording_is_judged_that_was_trained_on(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        for each in facts_of(told(runtime, "s", DOG, TOWN)):
            taught, held = lesson_of(each.fact)
            asked = {example.question for example in taught.examples}
            assert held.examples
            assert asked.isdisjoint(example.question for example in held.examples)
            assert asked.isdisjoint(example.question for example in (*taught.leash, *held.leash))
            assert len({example.prefix for example in taught.examples}) >= 5


def test_a_sentence_of_no_known_form_is_kept_as_it_is_and_opened_by_its_words(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        session = told(runtime, "s", "I had tea with Edda Marsh. She swears by lanterns made of turnips.", TOWN)
        done = consolidate(session, "user:alice", teacher=quick(runtime))
        assert [record.value for record in done.written] == ["Aberdeen", "swears by lanterns made of turnips"]
        town, gist = done.written
        assert (gist.relation, gist.negative) == ("", b"")
        assert gist.nbytes > town.nbytes
        assert consolidate(session, "user:alice", teacher=quick(runtime)).known == 2
        fresh = runtime.session("fresh")
        fresh.mount(["user:alice"])
        asked = "Does Edda Marsh swear by lanterns made of turnips?"
        assert fresh.chat(asked, max_tokens=2).receipt.opened == 1
        assert fresh.chat("What is the weather like?", max_tokens=2).receipt.opened == 0
