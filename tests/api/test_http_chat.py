from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from perdure.api.http.chat import usage
from perdure.errors import StoreFull
from perdure.runtime.records import Receipt

from .fakes import FakeRuntime, failing, parrot
from .http_server import Api, frames, serving


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


def test_an_answer_has_openais_shape_and_says_what_was_remembered(api: Api) -> None:
    response = api.chat("hello", headers={"X-Session-ID": "alice"}, model="tiny")
    body = response.json()
    assert response.status_code == 200
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "tiny"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "echo 1: hello", "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ]
    head = api.runtime.repository.info("alice").head
    assert body["memory"] == {
        "session": "alice",
        "branch": "alice",
        "reconciled": "started",
        "parent": head.parents[0].hex(),
        "commit": head.hex,
        "tokens": dict.fromkeys(("restored", "reused", "recalled", "drafted", "accepted", "replayed"), 0)
        | {"prefilled": 1, "generated": 2},
        "opened": 0,
        "notes": [],
    }
    assert response.headers["X-Session-ID"] == "alice"
    assert response.headers["X-Memory-Commit"] == head.hex
    assert response.headers["X-Request-ID"].startswith("req_")


def test_usage_counts_restored_state_as_cached(api: Api) -> None:
    api.remember("one two three")
    usage = api.chat("four", headers={"X-Session-ID": "alice"}).json()["usage"]
    assert usage == {
        "prompt_tokens": 9,
        "completion_tokens": 2,
        "total_tokens": 11,
        "completion_tokens_details": {"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        "prompt_tokens_details": {"cached_tokens": 8},
    }


def test_usage_counts_what_was_guessed() -> None:
    counts = usage(Receipt("s", "", "", generated=9, drafted=7, accepted=5))
    assert counts["completion_tokens_details"] == {"accepted_prediction_tokens": 5, "rejected_prediction_tokens": 2}
    assert counts["completion_tokens"] == 9


def test_sampling_reaches_the_session(api: Api) -> None:
    api.chat("a", max_tokens=5, temperature=0, top_p=0.5, top_k=3, seed=7, stop="x")
    api.chat("a", max_tokens=5, max_completion_tokens=1, stop=["x", "y"], temperature=None)
    api.chat("a")
    assert api.runtime.sampled == [
        {"max_tokens": 5, "temperature": 0.0, "top_p": 0.5, "top_k": 3, "seed": 7, "stop": ("x",)},
        {"max_tokens": 1, "stop": ("x", "y")},
        {},
    ]


def test_length_is_told(api: Api) -> None:
    assert api.chat("a", max_tokens=1).json()["choices"][0]["finish_reason"] == "length"


def test_without_a_session_nothing_is_remembered(api: Api) -> None:
    response = api.chat("a", "b", "c")
    memory = response.json()["memory"]
    assert (memory["session"], memory["commit"], memory["reconciled"]) == (None, None, "stateless")
    assert "X-Session-ID" not in response.headers
    assert api.runtime.sessions() == []
    assert api.runtime.closed == [None]


def test_text_parts_are_joined_and_a_developer_is_a_system(api: Api) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    api.remember({"role": "developer", "content": "be kind"}, {"role": "user", "content": parts})
    assert api.runtime.talk("alice")[:2] == [("system", "be kind"), ("user", "one\ntwo")]


def test_a_stream_carries_memory_on_its_first_and_last_chunk(api: Api) -> None:
    response = api.chat("hello", headers={"X-Session-ID": "alice"}, stream=True)
    *chunks, done = frames(response)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["X-Session-ID"] == "alice"
    assert done == "[DONE]"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in chunks) == "echo 1: hello"
    assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert [number for number, chunk in enumerate(chunks) if "memory" in chunk] == [0, len(chunks) - 1]
    assert chunks[0]["memory"] == {"session": "alice", "branch": "alice", "reconciled": "started"}
    assert chunks[-1]["memory"]["commit"] == api.runtime.repository.info("alice").head.hex
    assert not any("usage" in chunk for chunk in chunks)


def test_a_stream_ends_with_usage_when_asked(api: Api) -> None:
    *chunks, last, _ = frames(api.chat("hello", stream=True, stream_options={"include_usage": True}))
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 2
    assert all(chunk["usage"] is None for chunk in chunks)


def test_an_empty_answer_is_an_answer(api: Api) -> None:
    api.runtime.answer = lambda _: iter(())
    assert api.chat("a").json()["choices"][0]["message"]["content"] == ""
    assert len(frames(api.chat("a", stream=True))) == 3


def test_a_failure_before_the_first_piece_is_an_error_response(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.runtime.answer = failing(StoreFull("The disk is full; free some space."), 0)
    response = api.chat("a", stream=True)
    assert (response.status_code, response.json()["code"]) == (507, "store_full")
    assert "POST /v1/chat/completions: store_full: The disk is full" in caplog.text
    assert api.chat("word " * 300, stream=True).json()["code"] == "context_length_exceeded"


def test_a_failure_in_the_middle_ends_the_stream_with_an_error(api: Api) -> None:
    api.runtime.answer = failing(StoreFull("The disk is full; free some space."), 2)
    response = api.chat("a", headers={"X-Session-ID": "alice"}, stream=True)
    assert response.status_code == 200
    assert frames(response)[-1] == {
        "error": {
            "message": "The disk is full; free some space.",
            "type": "server_error",
            "param": None,
            "code": "store_full",
        }
    }
    api.runtime.answer = parrot
    assert api.chat("a", headers={"X-Session-ID": "alice"}).status_code == 200


def test_an_unexpected_failure_in_the_middle_says_nothing_of_the_inside(api: Api) -> None:
    api.runtime.answer = failing(RuntimeError("secret"), 1)
    response = api.chat("a", stream=True)
    assert frames(response)[-1]["error"]["code"] == "internal_error"
    assert "secret" not in response.text


# Attachment


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"conversation": "alice", "memory": {"session": "wrong"}}, {"X-Session-ID": "wrong"}),
        ({"conversation": {"id": "alice"}}, {}),
        ({"memory": {"session": "alice"}, "model": "tiny@wrong"}, {"X-Session-ID": "wrong"}),
        ({"model": "tiny@wrong"}, {"X-Session-ID": "alice", "X-OpenWebUI-Chat-Id": "wrong"}),
        ({"model": "tiny@wrong"}, {"X-OpenWebUI-Chat-Id": "alice", "ChatUI-Conversation-ID": "wrong"}),
        ({"model": "tiny@wrong"}, {"ChatUI-Conversation-ID": "alice"}),
        ({"model": "TINY@alice"}, {"X-Session-ID": ""}),
    ],
)
def test_the_first_place_that_names_a_session_wins(api: Api, body: dict[str, Any], headers: dict[str, str]) -> None:
    api.runtime.say("alice", "one")
    response = api.chat("one", "echo 1: one", "two", headers=headers, **body)
    assert response.json()["memory"]["session"] == "alice"
    assert [info.name for info in api.runtime.sessions()] == ["alice"]


@pytest.mark.parametrize("body", [{"conversation": "bob"}, {"memory": {"session": "bob"}}])
def test_an_unknown_session_in_the_body_is_not_found_unless_it_may_be_created(api: Api, body: dict[str, Any]) -> None:
    response = api.chat("one", **body)
    assert (response.status_code, response.json()["code"]) == (404, "session_not_found")
    body["memory"] = {**body.get("memory", {}), "create": True}
    assert api.chat("one", **body).json()["memory"]["session"] == "bob"


@pytest.mark.parametrize("headers", [{"X-Session-ID": "bob"}, {"X-OpenWebUI-Chat-Id": "bob"}, {}])
def test_an_unknown_session_elsewhere_is_created(api: Api, headers: dict[str, str]) -> None:
    model = "tiny" if headers else "tiny@bob"
    assert api.chat("one", headers=headers, model=model).json()["memory"]["session"] == "bob"


@pytest.mark.parametrize("name", ["no spaces", "../etc", "é"])
def test_a_name_that_cannot_be_is_refused(api: Api, name: str) -> None:
    response = api.chat("one", conversation=name, memory={"create": True})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_name")
    assert api.chat("one", conversation="").status_code == 422


def test_another_model_is_not_found(api: Api) -> None:
    for model in ("gpt-4", "tiny@", "tinyalice", "gpt-4@alice"):
        assert api.chat("one", model=model).json()["code"] == "model_not_found"


# Reconciliation


def test_a_client_that_resends_its_history_never_doubles_it(api: Api) -> None:
    sent: list[str] = []
    for turn in range(4):
        sent.append(f"turn {turn}")
        memory = api.chat(*sent, headers={"X-OpenWebUI-Chat-Id": "chat"})
        sent.append(memory.json()["choices"][0]["message"]["content"])
    assert [content for _, content in api.runtime.talk("chat")] == sent
    assert [info.name for info in api.runtime.sessions()] == ["chat"]
    assert api.runtime.repository.info("chat").head.turn == 4


def test_lone_messages_are_new_turns(api: Api) -> None:
    assert api.remember("one")["reconciled"] == "started"
    assert api.remember("two")["reconciled"] == "delta"
    assert [content for _, content in api.runtime.talk("alice")] == ["one", "echo 1: one", "two", "echo 3: two"]


def test_a_regenerated_answer_goes_to_a_fork_and_the_chat_goes_on_there(api: Api) -> None:
    api.runtime.say("alice", "one", "two")
    before = api.runtime.talk("alice")
    memory = api.remember("one", "echo 1: one", "two")
    assert (memory["session"], memory["reconciled"]) == ("alice-fork-1", "forked")
    assert "alice-fork-1" in memory["notes"][0]
    assert memory["parent"] == api.runtime.repository.log("alice")[1].hex
    memory = api.remember("one", "echo 1: one", "two", "echo 3: two", "three")
    assert (memory["session"], memory["reconciled"]) == ("alice", "extended")
    api.runtime.answer = lambda _: iter(["another"])
    assert api.remember("one", "echo 1: one", "two")["session"] == "alice-fork-2"
    memory = api.remember("one", "echo 1: one", "two", "another", "three")
    assert (memory["session"], memory["reconciled"]) == ("alice-fork-2", "extended")
    assert api.runtime.talk("alice")[:4] == before
    assert len(api.runtime.sessions()) == 3


def test_a_fork_starts_from_the_fork_that_has_most_in_common(api: Api) -> None:
    api.runtime.say("alice", "one")
    api.remember("uno", "echo", "due")
    memory = api.remember("uno", "echo", "tre")
    assert (memory["session"], memory["reconciled"]) == ("alice-fork-2", "forked")
    api.remember("uno", "echo", "tre", "echo 3: tre", "quattro")
    memory = api.remember("uno", "echo", "tre", "echo 3: tre", "cinque")
    assert memory["session"] == "alice-fork-3"
    assert api.runtime.repository.info("alice-fork-3").forked_from == "alice-fork-2"
    assert memory["tokens"]["restored"] == 6


def test_a_long_name_has_forks_too(api: Api) -> None:
    name = "n" * 64
    for fork in (name, "n" * 52 + "-fork-1", "n" * 52 + "-fork-2"):
        assert api.remember("one", session=name)["session"] == fork


def test_a_session_that_others_moved_is_read_anew(api: Api) -> None:
    api.remember("one")
    api.runtime.say("alice", "two")
    memory = api.remember("one", "echo 1: one", "two", "echo 3: two", "three")
    assert (memory["session"], memory["reconciled"]) == ("alice", "extended")
    assert len(api.runtime.talk("alice")) == 6


def test_an_edited_message_forks_at_the_last_common_turn(api: Api) -> None:
    api.runtime.say("alice", "one", "two", "three")
    memory = api.remember("one", "echo 1: one", "two", "echo 3: two", "another three")
    assert memory["parent"] == api.runtime.repository.log("alice")[1].hex
    memory = api.remember("one", "echo 1: one", "two", "edited answer", "three")
    assert memory["parent"] == api.runtime.repository.log("alice")[2].hex
    assert [content for _, content in api.runtime.talk("alice-fork-2")][:4] == [
        "one",
        "echo 1: one",
        "two",
        "edited answer",
    ]


def test_rewind_moves_the_session_itself(api: Api) -> None:
    api.runtime.say("alice", "one", "two")
    memory = api.remember("one", "echo 1: one", "other", memory={"on_divergence": "rewind"})
    assert (memory["session"], memory["reconciled"]) == ("alice", "rewound")
    assert [content for _, content in api.runtime.talk("alice")] == ["one", "echo 1: one", "other", "echo 3: other"]


def test_divergence_can_be_an_error(api: Api) -> None:
    api.runtime.say("alice", "one", "two")
    response = api.chat("one", "x", "y", conversation="alice", memory={"on_divergence": "error"})
    assert (response.status_code, response.json()["code"]) == (409, "history_diverged")
    assert response.headers["x-should-retry"] == "false"
    assert len(api.runtime.sessions()) == 1
    assert api.chat("three", conversation="alice").json()["memory"]["reconciled"] == "delta"


def test_background_requests_are_answered_apart(api: Api) -> None:
    api.runtime.say("alice", "one")
    before = api.runtime.talk("alice")
    title = {"role": "system", "content": "Make a title"}
    response = api.chat(title, {"role": "user", "content": "one"}, headers={"X-Session-ID": "alice"})
    assert response.json()["memory"]["reconciled"] == "detached"
    assert response.json()["memory"]["session"] is None
    assert response.json()["memory"]["notes"]
    assert api.chat("tags?", headers={"X-OpenWebUI-Chat-Id": "alice"}).json()["memory"]["reconciled"] == "detached"
    assert api.runtime.talk("alice") == before
    assert len(api.runtime.sessions()) == 1


def test_a_client_that_says_what_to_do_is_no_background_request(api: Api) -> None:
    api.runtime.say("alice", "one")
    system = {"role": "system", "content": "other"}
    user = {"role": "user", "content": "two"}
    assert api.remember(system, user, memory={"on_divergence": "fork"})["session"] == "alice-fork-1"
    assert api.remember("two", memory={"input": "history"})["session"] == "alice-fork-2"


def test_delta_and_history_can_be_asked_for(api: Api) -> None:
    api.runtime.say("alice", "one")
    assert api.remember("one", memory={"input": "delta"})["reconciled"] == "delta"
    assert len(api.runtime.talk("alice")) == 4


def test_the_system_message_of_the_first_request_is_kept(api: Api) -> None:
    system = {"role": "system", "content": "be kind"}
    one = {"role": "user", "content": "one"}
    api.remember(system, one)
    answer = {"role": "assistant", "content": "echo 2: one"}
    assert api.remember(system, one, answer, {"role": "user", "content": "two"})["reconciled"] == "extended"
    assert api.remember("one", "echo 2: one", "two", "echo 4: two", "three")["reconciled"] == "extended"
    assert [role for role, _ in api.runtime.talk("alice")] == ["system", *["user", "assistant"] * 3]
