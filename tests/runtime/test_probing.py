"""What a text reads back of a summary: the numbers, and that nothing of the session changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from perdure.errors import InvalidInput, PromptTooLong, SessionBusy
from perdure.runtime.session import Session
from perdure.runtime.state.base import FULL, Group
from perdure.runtime.state.cache_state import CacheState
from perdure.runtime.state.ear import Ear
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of

from ..api.records import ASK, BOAT, PANGOLIN
from ..conftest import Opens
from .test_bounded import WORDS, long_chat, small

TEXT = "Which wizards judge the lazy dog, and what do they pack?"


def everything(session: Session) -> list[Tensor]:
    """All numbers that a session's next token depends on, or its next eviction."""
    state = session.warm.state
    snapshot, kept = state.snapshot(), state.kept
    assert snapshot is not None
    assert kept is not None
    window = state.export(Group(FULL), state.place.oldest, state.seen)
    return [window, session.logits(), *snapshot.tensors.values(), *kept.to_tensors().values()]


@pytest.mark.parametrize("backend", ["heavy-hitters", "infini", "infini delta"])
def test_a_probe_changes_nothing(opens: Opens, tmp_path: Path, backend: str) -> None:
    with small(opens, backend=backend) as runtime:
        session = runtime.session("s")
        long_chat(session, 4)
        before, head, log = everything(session), session.head, list(session.warm.runs)
        assert session.probe(TEXT).why == ""
        assert (session.head, session.warm.runs) == (head, log)
        assert all(map(torch.equal, everything(session), before))
        session.chat("And now?", max_tokens=4, temperature=0.0)
        probed = session.logits()
        twin = session.fork("twin", head.hex)
        twin.chat("And now?", max_tokens=4, temperature=0.0)
        assert torch.equal(twin.logits(), probed)
        assert session.verify() == []


class Exact(Ear):
    """Computes the attention on kept entries anew, in float64 and as one softmax."""

    found: dict[int, Tensor]

    def concerns(self, layer: int | None) -> bool:
        return layer in self._heard

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        count, width = query.shape[2], key.shape[2]
        keys = key[0].double().repeat_interleave(query.shape[1] // key.shape[1], 0)
        scores = query[0].double() @ keys.transpose(-1, -2) * scale
        for start, end, bias in self._fades:
            scores[..., start:end] += bias
        ahead = torch.ones(count, width, dtype=torch.bool).triu(width - count + 1)
        self.found[layer] = scores.masked_fill(ahead, float("-inf")).softmax(-1)[..., : self._set.place.kept]
        return super().attend(layer, query, key, value, scale)


def exactly(session: Session, feed: tuple[int, ...]) -> dict[int, Tensor]:
    state = session.warm.state
    assert isinstance(state, CacheState)
    twin = state.fork()
    found: dict[int, Tensor] = {}

    def listener(*args: Any) -> Exact:
        ear = Exact(*args)
        ear.found = found
        return ear

    twin.listener = listener
    session.engine.feed(twin, feed)
    twin.release()
    return found


def test_attention_on_the_entries_of_the_summary(opens: Opens) -> None:
    with small(opens) as runtime:
        session = runtime.session("s")
        long_chat(session, 4)
        found = session.probe(TEXT, top=5)
        assert len(found.tokens) < 128
        wanted, kept = exactly(session, found.tokens), session.warm.state.kept
        assert kept is not None
        assert [layer.layer for layer in found.layers] == sorted(wanted) == [0, 1]
        for layer in found.layers:
            exact = wanted[layer.layer].mean(1)
            torch.testing.assert_close(torch.tensor(layer.sinks).double(), exact[:, :4].sum(-1), atol=2e-3, rtol=0)
            torch.testing.assert_close(torch.tensor(layer.summary).double(), exact[:, 4:].sum(-1), atol=2e-3, rtol=0)
            assert (layer.gate, layer.read, layer.local) == ((), (), ())
        by_token = torch.stack([wanted[layer][..., 4:].sum(-1).mean(0) for layer in (0, 1)]).mean(0)
        torch.testing.assert_close(torch.tensor(found.by_token).double(), by_token, atol=2e-3, rtol=0)
        assert found.mass == pytest.approx(float(by_token.mean()), abs=2e-3)
        assert [entry.mass for entry in found.entries] == sorted((entry.mass for entry in found.entries), reverse=True)
        best = found.entries[0]
        tokens = kept.tokens[0][:, :, 4:].repeat_interleave(2, 1)
        masses = torch.stack([wanted[layer].mean(1)[:, 4:] for layer in (0, 1)])
        share = torch.where(tokens == best.token, masses, 0).sum(-1)
        assert best.mass == pytest.approx(float(share.mean()), abs=1e-3)
        assert best.most == pytest.approx(float(share[best.layer, best.head]), abs=2e-3)
        assert best.kept == int((kept.tokens[0][:, :, 4:] == best.token).sum()) >= 1
        assert len(found.entries) == 5


def test_a_memory_of_fixed_size_is_read_through_its_gates(opens: Opens) -> None:
    with small(opens, backend="infini") as runtime:
        session = runtime.session("s")
        long_chat(session, 4)
        found = session.probe(TEXT)
        kept = session.warm.state.kept
        assert kept is not None
        assert kept.memory is not None
        made_with = runtime.calibration(kept.memory.maker)
        assert made_with is not None
        for layer in found.layers:
            torch.testing.assert_close(torch.tensor(layer.gate), made_with.gates[0][layer.layer], atol=1e-6, rtol=0)
            assert layer.gate[1] == 0.0
            assert min(*layer.read, *layer.local) > 0
            assert layer.summary == (0.0,) * 4
        assert found.entries == ()
        assert 0 < found.mass < 1
        assert runtime.calibration("f" * 32) is None


def test_where_there_is_nothing_to_read_it_says_why(opens: Opens, tmp_path: Path) -> None:
    with small(opens, backend="none") as runtime:
        session = runtime.session("s")
        session.chat("Hello.", max_tokens=2)
        assert session.probe(TEXT).why == "nothing has left the window yet"
        long_chat(session, 3)
        assert session.probe(TEXT) == session.probe(TEXT)
        assert session.probe(TEXT).why == "nothing is kept of what left the window but its first tokens"
        assert runtime.ephemeral().name is None
        with pytest.raises(InvalidInput, match="ephemeral"):
            runtime.ephemeral().probe(TEXT)


def test_a_text_that_has_no_room_and_a_session_that_answers(opens: Opens) -> None:
    with small(opens) as runtime:
        session = runtime.session("s")
        long_chat(session, 3)
        with pytest.raises(PromptTooLong, match="have room"):
            session.probe(WORDS * 100)
        with session.stream("And?", max_tokens=3) as stream:
            with pytest.raises(SessionBusy):
                session.probe(TEXT)
            for _ in stream:
                pass
        assert session.probe(TEXT).why == ""


def test_what_the_gate_would_decide_is_what_a_turn_decides(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime, runtime.session("alice") as session:
        records = [record_of(runtime, PANGOLIN, (ASK,), 3), record_of(runtime, BOAT, ("Whose boat is it?",), 4)]
        session.chat("Hello.", max_tokens=2)
        session.teach(records, (), "teach")
        head = session.head
        found = session.weigh(ASK)
        assert [(each.record.statement, each.opened) for each in found.decisions] == [(PANGOLIN.statement, True)]
        assert (session.head, session.notes, found.notes) == (head, [], [])
        reply = session.chat(ASK, max_tokens=2)
        assert reply.receipt.opened == 1
        (told,) = (runtime.repository.trace(session.head) or {})["records"]
        (judged,) = found.decisions
        assert (told["record"], told["closed"]) == (judged.record.digest, judged.why)
        assert (told["score"], told["against"]) == (round(judged.score, 6), round(judged.against, 6))
        assert session.weigh("What is the weather like?").decisions == []


def test_notes_of_who_only_asked_are_not_the_sessions(opens: Opens) -> None:
    with opens(encoder=HashedWords()) as runtime:
        runtime.session("bob").close()
        with runtime.session("alice") as session:
            session.chat("Hello.", max_tokens=2)
            session.mount(["bob"])
            runtime.repository.remove("bob")
            assert [note[:17] for note in session.weigh(ASK).notes] == ["The profile 'bob'"]
            assert session.notes == []
