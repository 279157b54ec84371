"""Sessions end to end on a tiny model: resume, fork, rewind, recover."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import perdure
from perdure.errors import InvalidInput, PromptTooLong, RecipeMismatch, SessionBusy, SessionNotFound
from perdure.memory.records import Message
from perdure.runtime import Runtime
from perdure.testing.families import tiny_model
from perdure.testing.tiny import tiny_llama

from ..conftest import Opens

LONG = "The lighthouse keeper wrote down every ship that passed, its colour and its course. " * 4


def test_resume_is_bit_identical(opens: Opens, tmp_path: Path) -> None:
    """A session closed and reopened after each turn says and computes what the never-stopped one does."""
    prompts = [LONG, "And then?", "Go on, please, " * 20, "Why?"]
    with opens(tmp_path / "a") as rt:
        rt.repository.create("s", rt.recipe, seed=7)
        never_stopped = rt.session("s")
        expected = [(never_stopped.chat(p).text, never_stopped.logits()) for p in prompts]
    for index, prompt in enumerate(prompts):
        with opens(tmp_path / "b") as rt:
            if index == 0:
                rt.repository.create("s", rt.recipe, seed=7)
            session = rt.session("s")
            reply = session.chat(prompt)
            assert reply.text == expected[index][0]
            assert torch.equal(session.logits(), expected[index][1])
            assert (reply.receipt.restored > 0) == (index > 0)
            assert reply.receipt.replayed == 0


def test_logits_after_resume_need_no_forward(opens: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opens(tmp_path / "a") as rt:
        session = rt.session("s")
        session.chat(LONG)
        expected = session.logits()
    with opens(tmp_path / "a") as rt:
        monkeypatch.setattr(type(rt.engine), "_forward", lambda *a, **k: pytest.fail("a forward pass was made"))
        assert torch.equal(rt.session("s").logits(), expected)


def test_fork_diverges_without_touching_its_parent(runtime: Runtime) -> None:
    alice = runtime.session("alice")
    alice.chat(LONG)
    before, size = alice.head, runtime.repository.stats()["object_bytes"]
    bob = alice.fork("bob")
    assert bob.head.digest == alice.head.digest
    assert runtime.repository.stats()["object_bytes"] == size
    bob.chat("You are Bob now.")
    assert alice.head == before
    assert [m.content for m in alice.messages()] == [m.content for m in bob.messages()[:2]]
    assert runtime.repository.diff("alice", "bob").common_messages == 2


def test_undo_and_reset_restore_the_earlier_state(runtime: Runtime) -> None:
    session = runtime.session("s")
    session.chat(LONG)
    logits, head = session.logits(), session.head
    session.chat("Something else.")
    session.undo()
    assert session.head == head
    assert torch.equal(session.logits(), logits)
    session.reset("@turn:0")
    assert session.messages() == []
    with pytest.raises(InvalidInput, match="no turn"):
        session.undo()


def test_sessions_share_a_long_prompt(runtime: Runtime) -> None:
    first = runtime.session("one").chat(LONG * 3, temperature=0.0)
    second = runtime.session("two").chat(LONG * 3, temperature=0.0)
    assert first.receipt.reused == 0
    assert second.receipt.reused >= 128
    assert second.receipt.reused % 128 == 0
    assert second.text == first.text
    assert torch.equal(runtime.session("one").logits(), runtime.session("two").logits())


def test_an_ephemeral_session_leaves_nothing_to_see(runtime: Runtime) -> None:
    reply = runtime.ephemeral().chat(LONG * 3)
    again = runtime.ephemeral().chat(LONG * 3)
    assert reply.receipt.commit == ""
    assert again.receipt.reused >= 128
    assert runtime.sessions() == []


def test_a_second_writer_is_told_busy(opens: Opens, tmp_path: Path) -> None:
    with opens(tmp_path / "a") as one:
        first = one.session("s")
        first.chat("Hello.")
        second = one.session("s")
        with pytest.raises(SessionBusy):
            second.chat("Hello from the second.")
        assert one.session("other").chat("Hello.").text is not None
        first.release()
        second.chat("Now it is my turn.")
        second.release()
        assert "my turn" in [m.content for m in _after(first)][2]


def _after(session: perdure.Session) -> list[Message]:
    session.chat("And mine again.")
    return session.messages()


def test_an_abandoned_stream_commits_what_was_seen(runtime: Runtime) -> None:
    session = runtime.session("s")
    with session.stream("Tell me a story.", max_tokens=20, temperature=0.0) as stream:
        seen = [next(stream) for _ in range(3)]
    assert stream.receipt.finish_reason == "cancelled"
    assert session.messages()[-1].content.startswith("".join(chunk.text for chunk in seen))
    assert stream.receipt.generated == 3
    session.chat("Go on.")


def test_a_cancelled_prefill_withdraws_the_turn(runtime: Runtime) -> None:
    session = runtime.session("s")
    session.chat("Hello.")
    head = session.head
    stream = session.stream(LONG)
    stream.cancel()
    assert list(stream) == []
    assert stream.receipt.finish_reason == "cancelled"
    assert session.head == head
    assert len(session.messages()) == 2
    session.chat("Still here?")


@pytest.mark.parametrize("prompt", ["", "   \n"])
def test_an_empty_prompt_is_refused(runtime: Runtime, prompt: str) -> None:
    session = runtime.session("s")
    with pytest.raises(InvalidInput, match="empty"):
        session.chat(prompt)
    assert session.head.turn == 0


def test_an_overlong_prompt_is_refused_and_changes_nothing(runtime: Runtime) -> None:
    session = runtime.session("s")
    head = session.head
    with pytest.raises(PromptTooLong, match="room for 2048"):
        session.chat("word " * 3000)
    assert session.head == head
    session.chat("Short enough.")


def test_other_weights_are_refused_and_as_text_goes_on(opens: Opens, tmp_path: Path) -> None:
    other = tiny_llama(tmp_path / "other", seed=5, dtype="bfloat16")
    with opens() as rt:
        rt.session("s").chat(LONG)
    with opens(model=str(other)) as rt:
        with pytest.raises(RecipeMismatch, match="weights") as caught:
            rt.session("s")
        assert caught.value.field == "weights"
        session = rt.session("s", as_text=True)
        reply = session.chat("Who are you now?")
        assert reply.receipt.restored == 0
        prompt = rt.loaded.chat.prompt(session.messages()[:3])
        assert rt.repository.tokens("s")[: len(prompt)] == prompt
        placed = session.messages()
        assert len(placed) == 4
        assert [m.start for m in placed] == [0, *(m.end for m in placed[:-1])]
        assert placed[-1].end == session.head.tokens
        assert session.verify() == []
    with opens(model=str(other)) as rt:
        assert rt.session("s").chat("Again.").receipt.restored > 0


def test_verify_replays_bit_by_bit(runtime: Runtime) -> None:
    session = runtime.session("s")
    for prompt in (LONG, "Next.", "And?"):
        session.chat(prompt)
    assert session.verify() == []


def test_an_unknown_session_is_not_made_unless_asked(runtime: Runtime) -> None:
    with pytest.raises(SessionNotFound, match="nobody"):
        runtime.session("nobody", create=False)


def test_a_system_prompt_opens_the_conversation(runtime: Runtime) -> None:
    session = runtime.session("s", system="You are terse.")
    session.chat("Hello.")
    assert [m.role for m in session.messages()] == ["system", "user", "assistant"]
    with pytest.raises(InvalidInput, match="another system prompt"):
        runtime.session("s", system="You are verbose.")


def test_stop_strings_end_the_answer(runtime: Runtime) -> None:
    session = runtime.session("s")
    whole = session.chat("Tell me.", temperature=0.0).text
    session.undo()
    cut = whole[len(whole) // 2 : len(whole) // 2 + 2]
    reply = session.chat("Tell me.", temperature=0.0, stop=[cut])
    assert reply.text == whole[: whole.index(cut)]
    assert reply.receipt.finish_reason == "stop"
    session.chat("Next.")
    assert session.verify() == []


def test_qwen2_resumes_bit_by_bit_too(opens: Opens, tmp_path: Path) -> None:
    """A family with another attention block (biases) goes through the same adapter."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder = tiny_llama(tmp_path / "qwen2")
    config = Qwen2Config(
        vocab_size=335,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        eos_token_id=2,
    )
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    with opens(model=str(folder)) as rt:
        session = rt.session("s")
        session.chat(LONG)
        expected = session.logits()
    with opens(model=str(folder)) as rt:
        assert torch.equal(rt.session("s").logits(), expected)
        rt.session("s").chat("Go on.")
        assert rt.session("s").verify() == []


@pytest.mark.parametrize("family", ["llama", "gemma3", "mamba"])
def test_an_ephemeral_session_goes_back_without_a_store(opens: Opens, tmp_path: Path, family: str) -> None:
    """What cannot be cut off in memory is computed again, since nothing of it was kept."""
    with opens(model=str(tiny_model(family, tmp_path / family))) as rt:
        session = rt.ephemeral()
        session.chat(LONG, temperature=0.0, max_tokens=8)
        end, messages = session.warm.state.seen, session.warm.messages
        said = session.chat("And then?", temperature=0.0, max_tokens=8)
        logits = session.logits()
        assert session.rewind(end) == (end if family == "mamba" else 0)
        session.warm.messages = messages
        assert session.chat("And then?", temperature=0.0, max_tokens=8).tokens == said.tokens
        assert torch.equal(session.logits(), logits)


def test_a_turn_writes_little_beyond_its_own_kv(runtime: Runtime) -> None:
    """However long the session: lists are trees, and what was written once is not written again."""
    session = runtime.session("s")
    for _ in range(40):
        before = session.head
        receipt = session.chat("Go on.", max_tokens=8).receipt
    grown = session.head.state.kv_bytes - before.state.kv_bytes if session.head.state and before.state else 0
    assert 0 < receipt.bytes_written - grown < 16 << 10
