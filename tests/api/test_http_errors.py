from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from perdure.api.http import HttpSettings
from perdure.api.http.schemas import REFUSED
from perdure.errors import InvalidInput, PerdureError, RecipeMismatch, RefChanged

from .fakes import FakeRuntime, failing
from .http_server import Api, serving

URL = "/v1/chat/completions"
CALL = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USER = {"role": "user", "content": "hello"}


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with serving(FakeRuntime(), HttpSettings(body_limit=10_000)) as api:
        yield api


def assert_problem(response: httpx.Response, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["X-Request-ID"]
    assert response.status_code == body["status"] == status, body
    assert body["code"] == body["error"]["code"] == code
    assert body["type"] == f"urn:perdure:error:{code}"
    assert body["error"]["param"] == param
    assert body["detail"] == body["error"]["message"]
    assert body["detail"].endswith(".")
    assert body["title"]
    assert body["instance"] == response.request.url.path
    return body


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n", 2),
        ("mirostat", 2),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("functions", [{}]),
        ("function_call", {"name": "x"}),
        ("modalities", ["text", "audio"]),
        ("audio", {"voice": "x"}),
        ("web_search_options", {"x": 1}),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(api: Api, field: str, value: Any) -> None:
    body = assert_problem(api.chat("hello", **{field: value}), 400, "unsupported_parameter", f"/{field}")
    assert field in body["detail"] or field in body["error"]["param"]
    assert field in REFUSED or field in ("tools", "mirostat")


def test_what_changes_nothing_is_let_through(api: Api) -> None:
    harmless: dict[str, Any] = {
        "n": 1,
        "tools": [],
        "tool_choice": "none",
        "logprobs": False,
        "logit_bias": {},
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "response_format": {"type": "text"},
        "modalities": ["text"],
        "user": "me",
        "metadata": {"a": "b"},
        "store": True,
        "service_tier": "auto",
        "stream_options": None,
        "keep_alive": "5m",
        "mirostat": None,
        "prompt_cache_key": "x",
        "reasoning_effort": "low",
        "memory": {"commit": True, "keep_alive": "5m"},
    }
    assert api.chat("hello", **harmless).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("temperature", -0.1),
        ("temperature", 5.1),
        ("temperature", "hot"),
        ("top_p", 0),
        ("top_p", 1.1),
        ("top_k", -1),
        ("seed", -1),
        ("min_p", 1.5),
        ("frequency_penalty", 2.1),
        ("presence_penalty", -2.1),
        ("repetition_penalty", 0),
        ("top_logprobs", 3),
        ("logit_bias", {"-1": 2}),
        ("tool_choice", "required"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}),
        ("seed", 2**63),
        ("stop", ["x"] * 17),
        ("stream", "perhaps"),
        ("messages", []),
        ("messages", "hello"),
        ("conversation", 5),
        ("memory", "alice"),
    ],
)
def test_values_out_of_range_are_refused_with_their_place(api: Api, field: str, value: Any) -> None:
    body = assert_problem(api.post(URL, json={"messages": [USER], field: value}), 422, "invalid_parameter", f"/{field}")
    assert body["errors"][0] == {"param": f"/{field}", "detail": body["detail"]}


@pytest.mark.parametrize(
    ("messages", "status", "param"),
    [
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], 400, "/messages/0/content/0/type"),
        ([{"role": "user", "content": [{"type": "text"}]}], 422, "/messages/0/content/0/text"),
        ([{"role": "user", "content": ["hello"]}], 400, "/messages/0/content/0/type"),
        ([{"role": "user", "content": None}], 422, "/messages/0/content"),
        ([{"role": "user"}], 422, "/messages/0/content"),
        ([{"role": "user", "content": " \n"}], 422, "/messages/0/content"),
        ([{"role": "user", "content": 5}], 422, "/messages/0/content"),
        ([{"role": "robot", "content": "x"}], 422, "/messages/0/role"),
        ([{"role": "assistant", "tool_calls": [{"id": "x"}]}, USER], 422, "/messages/0/tool_calls/0/function"),
        ([{"role": "assistant", "tool_calls": [CALL]}, USER], 400, "/messages/0/tool_calls"),
        ([{"role": "user", "content": "x", "tool_calls": [CALL]}], 422, "/messages/0/tool_calls"),
        ([USER, {"role": "assistant", "content": "x"}], 422, "/messages/1"),
        ([{"role": "system", "content": "x"}], 422, "/messages/0"),
        ([USER, {"role": "developer", "content": "x"}, USER], 400, "/messages/1/role"),
        ([5], 422, "/messages/0"),
    ],
)
def test_messages_that_cannot_be_read_are_refused_with_their_place(
    api: Api, messages: list[Any], status: int, param: str
) -> None:
    code = "unsupported_parameter" if status == 400 else "invalid_parameter"
    assert_problem(api.post(URL, json={"messages": messages}), status, code, param)


@pytest.mark.parametrize(
    ("memory", "status", "param"),
    [
        ({"at": "HEAD~1"}, 400, "/memory/at"),
        ({"commit": False}, 400, "/memory/commit"),
        ({"learn": True}, 400, "/memory/learn"),
        ({"input": "all"}, 422, "/memory/input"),
        ({"on_divergence": "panic"}, 422, "/memory/on_divergence"),
        ({"session": ""}, 422, "/memory/session"),
    ],
)
def test_memory_settings_are_checked(api: Api, memory: dict[str, Any], status: int, param: str) -> None:
    code = "unsupported_parameter" if status == 400 else "invalid_parameter"
    assert_problem(api.chat("hello", memory=memory), status, code, param)


def test_bodies_that_are_no_json(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    body = assert_problem(api.post(URL, content=b'{"messages": [', headers=headers), 400, "invalid_json")
    assert "character 14" in body["detail"]
    assert_problem(api.post(URL, content=b"\xff\xfe{", headers=headers), 400, "invalid_body")
    assert_problem(api.post(URL, content=b"[" * 9000, headers=headers), 400, "invalid_body")
    assert_problem(api.post(URL, content=b"", headers=headers), 422, "invalid_parameter", "/")
    assert_problem(api.post(URL, content=b"[]", headers=headers), 422, "invalid_parameter", "/")
    surrogate = b'{"messages": [{"role": "user", "content": "\\ud800"}]}'
    assert_problem(api.post(URL, content=surrogate, headers=headers), 422, "invalid_parameter", "/messages/0/content")
    named = b'{"messages": [{"role": "user", "content": "x"}], "memory": {"\\ud800": 1}}'
    assert_problem(api.post(URL, content=named, headers=headers), 422, "invalid_parameter", "/memory")


def test_a_web_page_cannot_post_without_asking(api: Api) -> None:
    text = json.dumps({"messages": [USER]})
    assert_problem(api.post(URL, content=text, headers={"Content-Type": "text/plain"}), 422, "invalid_parameter", "/")


def test_bodies_that_are_too_large(api: Api) -> None:
    assert_problem(api.post(URL, content=b" " * 10_001), 413, "body_too_large")
    pieces = (b" " * 1000 for _ in range(11))
    headers = {"Content-Type": "application/json"}
    assert_problem(api.post(URL, content=pieces, headers=headers), 413, "body_too_large")


def test_who_still_sends_a_body_that_is_too_large_is_not_cut_off(api: Api) -> None:
    size, piece = 1 << 24, b" " * (1 << 16)
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20) as connection:
        connection.sendall(f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
        answer = connection.recv(1 << 16)
        for _ in range(size // len(piece)):
            connection.sendall(piece)
        while more := connection.recv(1 << 16):
            answer += more
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 413 " in head
    assert b"connection: close" in head.lower()
    assert json.loads(body)["code"] == "body_too_large"


def test_routes_and_methods_that_are_not(api: Api) -> None:
    assert_problem(api.get("/v2/nothing"), 404, "route_not_found")
    wrong = api.put("/v1/sessions/alice")
    assert_problem(wrong, 405, "method_not_allowed")
    assert wrong.headers["Allow"] == "GET, PATCH, DELETE"
    assert api.get("/v1/completions").headers["Allow"] == "POST"


@pytest.mark.parametrize(
    ("error", "retry"),
    [
        (RecipeMismatch("The session was computed by another model."), "false"),
        (RefChanged("The session moved; try again."), None),
        (InvalidInput("That does not work."), None),
    ],
)
def test_perdures_own_errors(api: Api, error: PerdureError, retry: str | None) -> None:
    api.runtime.answer = failing(error, 0)
    response = api.chat("hello")
    assert_problem(response, error.status, error.code)
    assert response.headers.get("x-should-retry") == retry
    assert response.headers.get("Retry-After") == ("1" if isinstance(error, RefChanged) else None)


def test_an_unexpected_error_keeps_its_details_to_itself(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.runtime.answer = failing(ZeroDivisionError("secret"), 0)
    response = api.chat("hello", headers={"X-Request-ID": "mine"})
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert response.headers["X-Request-ID"] == "mine"
    assert "mine" in caplog.text
    assert "secret" in caplog.text


def test_a_request_id_of_bad_taste_is_replaced(api: Api) -> None:
    assert api.get("/health", headers={"X-Request-ID": "x" * 129}).headers["X-Request-ID"].startswith("req_")


def test_only_known_hosts_are_answered() -> None:
    with serving(FakeRuntime(), HttpSettings(allowed_hosts=("127.0.0.1", "::1"))) as api:
        assert api.get("/health").status_code == 200
        assert api.get("/health", headers={"Host": "[::1]:80"}).status_code == 200
        assert_problem(api.get("/health", headers={"Host": "evil.example:80"}), 403, "host_not_allowed")


def test_the_description_of_the_interface_can_be_read(api: Api) -> None:
    paths = api.get("/openapi.json").json()["paths"]
    assert set(paths["/v1/sessions/{name}"]) == {"get", "patch", "delete"}
    assert "default" in paths[URL]["post"]["responses"]


def test_settings_are_checked() -> None:
    with pytest.raises(InvalidInput):
        HttpSettings(workers=0)
    with pytest.raises(InvalidInput):
        HttpSettings(grace_seconds=-1)
