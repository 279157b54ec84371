"""Fast weights in sessions: opened by a gate, part of the log, gone without a trace when they are closed or removed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perdure.errors import SessionNotFound
from perdure.memory.events import CLOSE, OPEN
from perdure.memory.facts import Fact
from perdure.memory.fastweights import KV, LOW_RANK, Record
from perdure.memory.tokenlog import grid
from perdure.runtime import Runtime
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens

FACT = Fact("Tamsin Orrell", "", "Biscuit", "Tamsin Orrell's pangolin is called Biscuit.")
ASK = "What is Tamsin Orrell's pangolin called?"
OTHER = Fact("Piers Dunmore", "", "glassblower", "Piers Dunmore works as a glassblower.")
ASK_OTHER = "What is the profession of Piers Dunmore?"
UNRELATED = "Tell me something about the weather in autumn"


def opened(opens: Opens, store: Path | None = None) -> Runtime:
    return opens(store, encoder=HashedWords())


def records(runtime: Runtime, form: str = LOW_RANK) -> tuple[Record, Record]:
    return record_of(runtime, FACT, (ASK,), 1, form=form), record_of(runtime, OTHER, (ASK_OTHER,), 2, form=form)


def taught(runtime: Runtime, name: str = "s", form: str = LOW_RANK) -> Session:
    session = runtime.session(name)
    session.teach(records(runtime, form), (), "teach two facts")
    return session


forms = pytest.mark.parametrize("form", [LOW_RANK, KV])


def said(session: Session, text: str) -> torch.Tensor:
    session.chat(text, max_tokens=5, temperature=0.0)
    return session.logits()


@forms
def test_a_turn_that_opens_nothing_runs_on_the_base_models_bits(opens: Opens, form: str) -> None:
    with opened(opens) as runtime:
        base, known = runtime.session("base"), taught(runtime, form=form)
        assert torch.equal(said(base, UNRELATED), said(known, UNRELATED))
        assert runtime.repository.events(known.head) == []
        assert runtime.repository.trace(known.head) is None
        assert base.head.state is not None
        assert known.head.state is not None
        assert base.head.state.lineage == known.head.state.lineage


@forms
def test_a_turn_that_opens_a_record_differs_from_the_answer_on_only(opens: Opens, form: str) -> None:
    with opened(opens) as runtime:
        base, known = runtime.session("base"), taught(runtime, form=form)
        assert not torch.equal(said(base, ASK), said(known, ASK))
        events = runtime.repository.events(known.head)
        assert [event.kind for event in events] == [OPEN, CLOSE]
        opens_at = runtime.loaded.chat.opens(base.messages()[:1])
        asked = len(runtime.loaded.chat.prompt(base.messages()[:1]))
        assert events[0].position == asked - opens_at
        a, b = (session.warm.state for session in (base, known))
        group = runtime.engine.adapter.groups[0]
        assert torch.equal(a.export(group, 0, asked - opens_at), b.export(group, 0, asked - opens_at))
        trace = runtime.repository.trace(known.head) or {}
        assert [item["statement"] for item in trace["records"] if not item["closed"]] == [FACT.statement]
        assert len(trace["records"]) == 1
        # Closed again: the next turn is the base model's, on top of what this one left.
        assert known.warm.state.opened is None


@forms
def test_several_records_open_at_once(opens: Opens, form: str) -> None:
    with opened(opens) as runtime:
        session = taught(runtime, form=form)
        receipt = session.chat(f"{ASK} {ASK_OTHER}", max_tokens=3).receipt
        assert receipt.opened == 2


@forms
def test_it_resumes_forks_and_verifies(opens: Opens, tmp_path: Path, form: str) -> None:
    with opened(opens, tmp_path / "a") as runtime:
        session = taught(runtime, form=form)
        said(session, ASK)
        said(session, UNRELATED)
        last = said(session, ASK_OTHER)
        middle = session.head.tokens - 2
        fork = session.fork("f", "HEAD~1")
        assert fork.verify() == []
        fork.close()
        session.close()
    with opened(opens, tmp_path / "a") as runtime:
        session = runtime.session("s")
        assert torch.equal(session.logits(), last)
        assert session.verify() == []
        session.acquire()
        session.rewind(middle)
        assert session.warm.state.opened is None
        assert [event.kind for event in session.warm.events][-2:] == [OPEN, CLOSE]
        assert runtime.repository.fsck().ok


@forms
def test_damaged_kv_is_computed_again_with_the_records_that_acted(opens: Opens, tmp_path: Path, form: str) -> None:
    with opened(opens, tmp_path / "a") as runtime:
        session = taught(runtime, form=form)
        last = said(session, ASK)
        blocks = runtime.repository.blocks(session.head)
        session.close()
        with runtime.repository.store.write() as txn:
            for _, _, digest in blocks:
                txn.delete(digest)
    with opened(opens, tmp_path / "a") as runtime:
        session = runtime.session("s")
        assert torch.equal(session.logits(), last)
        assert any("bit-identical" in note and "not" not in note for note in session.notes)
        assert session.verify() == []


@forms
def test_a_turn_that_was_cut_off_is_finished_with_its_records(opens: Opens, tmp_path: Path, form: str) -> None:
    with opened(opens, tmp_path / "a") as runtime:
        stream = taught(runtime, form=form).stream(ASK, max_tokens=12, temperature=0.0)
        seen = [next(stream).token for _ in range(4)]
    with opened(opens, tmp_path / "a") as runtime:
        session = runtime.session("s")
        assert session.head.kind == "recover"
        events = runtime.repository.events(session.head)
        assert [event.kind for event in events] == [OPEN, CLOSE]
        assert session.verify() == []
        assert runtime.repository.tokens("s")[events[0].position + 1 :][-len(seen) :] != []
    with opened(opens, tmp_path / "b") as runtime:
        whole = [chunk.token for chunk in taught(runtime, form=form).stream(ASK, max_tokens=12, temperature=0.0)]
        assert whole[:4] == seen


def test_removing_a_record_leaves_what_a_ledger_that_never_had_it_would_be(opens: Opens) -> None:
    with opened(opens) as runtime:
        one, two = records(runtime)
        both, alone, never = (runtime.session(name) for name in ("both", "alone", "never"))
        both.teach([one, two], (), "both")
        alone.teach([two], (), "one")
        gone = runtime.repository.ledger(both.head)[0]
        both.teach((), [gone.digest], "forget")
        assert both.head.state is not None
        assert alone.head.state is not None
        assert both.head.state.ledger == alone.head.state.ledger
        assert torch.equal(said(both, ASK), said(never, ASK))
        assert torch.equal(said(both, ASK_OTHER), said(alone, ASK_OTHER)) is False  # their pasts differ
        fresh, other = runtime.session("x"), runtime.session("y")
        fresh.mount(["both"])
        other.mount(["alone"])
        assert torch.equal(said(fresh, ASK_OTHER), said(other, ASK_OTHER))


def test_what_a_profile_knows_is_known_where_it_is_mounted(opens: Opens) -> None:
    with opened(opens) as runtime:
        taught(runtime, "user:alice").close()
        session = runtime.session("new")
        with pytest.raises(SessionNotFound):
            session.mount(["user:bob"])
        session.mount(["user:alice"])
        assert session.head.state is not None
        assert session.head.state.mounts == ("user:alice",)
        assert session.chat(ASK, max_tokens=3).receipt.opened == 1
        child = session.fork("child")
        assert child.chat(ASK, max_tokens=3).receipt.opened == 1
        session.mount([])
        assert session.chat(ASK, max_tokens=3).receipt.opened == 0
        runtime.repository.remove("user:alice")
        assert any("not there any more" in note for note in child.chat(ASK, max_tokens=2).receipt.notes)


def test_what_opened_records_travels_with_the_session(opens: Opens, tmp_path: Path) -> None:
    """A session that a profile's record answered in keeps that record, wherever the profile has gone."""
    with opened(opens, tmp_path / "a") as runtime:
        taught(runtime, "alice").close()
        session = runtime.session("s")
        session.mount(["alice"])
        last = said(session, ASK)
        session.close()
        runtime.repository.remove("alice")
        runtime.repository.gc(expire_days=0)
        runtime.repository.export("s", tmp_path / "s.perdure")
    with opened(opens, tmp_path / "b") as runtime:
        runtime.repository.import_bundle(tmp_path / "s.perdure")
        session = runtime.session("s")
        assert torch.equal(session.logits(), last)
        assert session.verify() == []


def test_the_base_models_weights_are_never_touched(opens: Opens) -> None:
    with opened(opens) as runtime:
        before = {name: value.clone() for name, value in runtime.engine.model.state_dict().items()}
        said(taught(runtime), ASK)
        after = runtime.engine.model.state_dict()
        assert all(torch.equal(value, after[name]) for name, value in before.items())
        assert not any(module._forward_hooks for module in runtime.engine.model.modules())


def test_a_record_of_another_model_stays_closed_and_says_so(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = runtime.session("s")
        foreign = record_of(runtime, FACT, (ASK,), 1)
        object.__setattr__(foreign, "weights", "another")
        session.teach([foreign], (), "foreign")
        assert session.chat(f"{ASK}", max_tokens=3).receipt.opened == 0


def test_the_grid_is_cut_only_where_records_open(opens: Opens) -> None:
    with opened(opens) as runtime:
        session = taught(runtime)
        said(session, UNRELATED)
        first = runtime.repository.runs(session.head)[0]
        assert list(grid(first.start, first.end))[-1].end == first.end


@forms
def test_a_model_with_one_kv_head(opens: Opens, form: str, tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "model", heads=4, kv_heads=1)
    with opens(model=str(folder), encoder=HashedWords()) as runtime:
        base, known = runtime.session("base"), taught(runtime, form=form)
        assert not torch.equal(said(base, ASK), said(known, ASK))
        assert known.verify() == []
