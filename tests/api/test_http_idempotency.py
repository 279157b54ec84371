"""Requests sent again under their Idempotency-Key, and what every endpoint says of itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from perdure.api.http import create_app
from perdure.api.http.idempotency import DAY, Answer, Answers

from .fakes import FakeRuntime
from .http_server import Api, serving

KEY = {"Idempotency-Key": "k1"}
FORK = "/v1/sessions/alice/fork"


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        api.runtime.say("alice", "one", "two")
        yield api


def refused(response: httpx.Response, status: int, code: str) -> None:
    body = response.json()
    assert (response.status_code, body["code"], body["error"]["code"]) == (status, code, code), body
    assert response.headers["content-type"] == "application/problem+json"


def test_the_same_request_gets_the_same_answer(api: Api) -> None:
    first = api.post(FORK, json={"name": "bob"}, headers=KEY)
    again = api.post(FORK, json={"name": "bob"}, headers=KEY)
    assert first.status_code == again.status_code == 201
    assert again.content == first.content
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert len(again.headers.get_list("X-Request-ID")) == 1
    refused(api.post(FORK, json={"name": "bob"}), 409, "session_exists")
    refused(api.post(FORK, json={"name": "bob"}, headers={"Idempotency-Key": "k2"}), 409, "session_exists")


def test_a_key_is_of_one_request(api: Api) -> None:
    assert api.post(FORK, json={"name": "bob"}, headers=KEY).status_code == 201
    refused(api.post(FORK, json={"name": "carol"}, headers=KEY), 422, "idempotency_key_reused")
    api.runtime.say("dave", "one")
    assert api.post("/v1/sessions/dave/fork", json={"name": "erin"}, headers=KEY).status_code == 201
    refused(api.post(FORK, json={"name": "x"}, headers={"Idempotency-Key": "k" * 256}), 422, "invalid_parameter")


def test_what_failed_can_be_tried_again(api: Api) -> None:
    refused(api.post(FORK, json={"name": "a b"}, headers=KEY), 422, "invalid_name")
    assert api.post(FORK, json={"name": "bob"}, headers=KEY).status_code == 201


def test_a_request_under_way_is_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, go = threading.Event(), threading.Event()
    real = api.runtime.repository.fork

    def slow(*arguments: Any) -> Any:
        reached.set()
        assert go.wait(20)
        return real(*arguments)

    monkeypatch.setattr(api.runtime.repository, "fork", slow)
    found: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: found.append(api.post(FORK, json={"name": "bob"}, headers=KEY)))
    thread.start()
    assert reached.wait(20)
    busy = api.post(FORK, json={"name": "bob"}, headers=KEY)
    refused(busy, 409, "request_in_progress")
    assert busy.headers["Retry-After"] == "1"
    go.set()
    thread.join(20)
    assert found[0].status_code == 201
    assert api.post(FORK, json={"name": "bob"}, headers=KEY).content == found[0].content


def test_answers_of_the_model_are_given_anew(api: Api) -> None:
    sent = {"messages": [{"role": "user", "content": "hello"}]}
    one, two = (api.post("/v1/chat/completions", json=sent, headers=KEY).json() for _ in range(2))
    assert one["id"] != two["id"]


def test_answers_are_kept_for_a_day_and_not_without_end() -> None:
    now = 0.0
    answers = Answers(kept=2, now=lambda: now)
    done = Answer(0.0, b"", {"status": 200, "headers": []})

    def kept(name: str) -> bool:
        found = answers.claim((name, "k"))
        if found is None:
            answers.keep((name, "k"), done)
        return found is not None

    assert [kept("a"), kept("a"), kept("b"), kept("c"), kept("b"), kept("a")] == [False, True, False, False, True, False]
    now = DAY + 1
    assert not kept("a")
    answers.keep(("a", "k"), None)
    assert not kept("a")


# what every endpoint says of itself

REFUSING = {
    "POST /v1/chat/completions/{name}",
    "POST /v1/conversations/{name}/items",
    "DELETE /v1/conversations/{name}/items/{item}",
}
"""Endpoints of OpenAI's that are there to say what cannot be done, and what can be instead."""

OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method.upper()} {path}")
    for path, methods in create_app(FakeRuntime()).openapi()["paths"].items()
    for method, operation in methods.items()
]


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_every_endpoint_is_described(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"].rstrip().endswith((".", "`"))
    assert operation["tags"]
    refusals = {status: each for status, each in operation["responses"].items() if status == "default" or status >= "4"}
    assert "default" in refusals
    for status, each in refusals.items():
        assert each["description"]
        # FastAPI describes its own 422; the answer is ours.
        schema = each["content"].get("application/problem+json", each["content"].get("application/json"))["schema"]
        assert schema["$ref"] in {"#/components/schemas/Problem", "#/components/schemas/HTTPValidationError"}, status
    succeeds = any(status.startswith("2") for status in operation["responses"])
    assert succeeds != (f"{method.upper()} {path}" in REFUSING)


def test_every_reference_of_the_description_leads_somewhere() -> None:
    described = create_app(FakeRuntime()).openapi()
    assert set(described["components"]["schemas"]["Problem"]["required"]) >= {"type", "title", "status", "detail", "error"}

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            node = list(node.values())
        for each in node if isinstance(node, list) else []:
            yield from references(each)

    found = set(references(described))
    assert found
    assert {name.rpartition("/")[2] for name in found} <= set(described["components"]["schemas"])
