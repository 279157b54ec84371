"""What no client should send: broken headers, half requests, and connections that break off at any place."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perdure.api.http import HttpSettings

from .fakes import FakeRuntime
from .http_server import Api, eventually, serving

CHAT = "/v1/chat/completions"
COMPLETIONS, RESPONSES = "/v1/completions", "/v1/responses"
JSON = {"Content-Type": "application/json"}
HELLO = json.dumps({"messages": [{"role": "user", "content": "hello"}]}).encode()


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with serving(FakeRuntime(), HttpSettings(workers=2)) as api:
        api.runtime.say("alice", "one", "two")
        yield api


def wire(api: Api) -> socket.socket:
    return socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=20)


def raw(api: Api, data: bytes) -> bytes:
    """All that is answered until the connection is closed."""
    with wire(api) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def request(*headers: bytes, body: bytes = HELLO, line: bytes = b"POST /v1/chat/completions HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: localhost", *headers, b"", body])


def length(body: bytes = HELLO) -> bytes:
    return b"Content-Length: %d" % len(body)


def is_problem(response: httpx.Response, status: int, code: str) -> None:
    body = response.json()
    assert (response.status_code, body["status"], body["code"], body["error"]["code"]) == (status, status, code, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"]


@pytest.mark.parametrize("kind", ["", "text/plain", "application/", "multipart/form-data", "application/x-www-form"])
def test_a_body_that_is_not_called_json(api: Api, kind: str) -> None:
    is_problem(api.post(CHAT, content=HELLO, headers={"Content-Type": kind}), 422, "invalid_parameter")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/problem+json", "APPLICATION/JSON"])
def test_other_names_of_json_are_read(api: Api, kind: str) -> None:
    assert api.post(CHAT, content=HELLO, headers={"Content-Type": kind}).status_code == 200


@pytest.mark.parametrize(("given", "status"), [(3, 200), (3.0, 200), (3.5, 422), (True, 422), ("3", 422)])
def test_a_whole_number_is_one_however_it_is_written(api: Api, given: object, status: int) -> None:
    body = {"messages": [{"role": "user", "content": "hello"}], "top_k": given}
    assert api.post(CHAT, json=body).status_code == status


@pytest.mark.parametrize("given", [2**31, 1e30, 10**300])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        (CHAT, "top_k"),
        (CHAT, "max_tokens"),
        (CHAT, "max_completion_tokens"),
        (COMPLETIONS, "max_tokens"),
        (RESPONSES, "max_output_tokens"),
    ],
)
def test_a_number_of_tokens_that_nothing_can_have_is_refused(api: Api, path: str, name: str, given: float) -> None:
    said: dict[str, dict[str, object]] = {
        CHAT: {"messages": [{"role": "user", "content": "hello"}]},
        COMPLETIONS: {"prompt": "a"},
        RESPONSES: {"input": "a"},
    }

    def asked(number: float) -> dict[str, object]:
        return {**said[path], name: number}

    answer = api.post(path, json=asked(given))
    is_problem(answer, 422, "invalid_parameter")
    assert f"body/{name}" in answer.json()["detail"]
    assert api.post(path, json=asked(2**31 - 1)).status_code == 200


@pytest.mark.parametrize("bad", [b"\xff\xfe{}", b"\x00", b'{"messages": "\xff"}', "{}".encode("utf-16")])
def test_a_body_that_is_no_utf_8(api: Api, bad: bytes) -> None:
    found = api.post(CHAT, content=bad, headers=JSON)
    assert found.status_code in (400, 422)
    assert found.json()["code"] in ("invalid_body", "invalid_json", "invalid_parameter")


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 1", b"Content-Length: 2"),
        (b"Content-Length: -1",),
        (b"Content-Length: x",),
        (b"Transfer-Encoding: gzip",),
        (b"no colon",),
        (b"A: \x00",),
    ],
)
def test_requests_that_are_no_http_are_refused_and_closed(api: Api, headers: tuple[bytes, ...]) -> None:
    """h11 answers these before any application sees them; what matters is that nothing is done, and the server lives."""
    before = list(api.runtime.opened)
    answer = raw(api, request(b"Content-Type: application/json", *headers))
    assert answer.split(b"\r\n")[0].split()[1] in (b"400", b"422", b"431", b"501")
    assert api.runtime.opened == before
    assert api.get("/health").status_code == 200


def test_huge_headers_are_not_read_to_their_end(api: Api) -> None:
    """The server hangs up; whether its 400 still arrives depends on how much was under way."""
    answer = b" 400 "
    with suppress(ConnectionError):
        answer = raw(api, request(b"X-Long: " + b"x" * (1 << 17)))
    assert b" 400 " in answer
    assert api.get("/health").status_code == 200


def test_header_values_that_are_no_ascii(api: Api) -> None:
    """A session's name has to be one that can be written; the rest of the headers is nobody's business."""
    header = b"Content-Type: application/json"
    answer = raw(api, request(header, length(), b"X-Session-ID: \xff\xfe", b"Connection: close"))
    assert b" 422 " in answer.split(b"\r\n")[0]
    assert b"invalid_name" in answer
    answer = raw(api, request(header, length(), b"X-Whatever: \xff\xfe", b"Connection: close"))
    assert b" 200 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("key", ["", "x" * 255, '"quoted"', "a,b"])
def test_any_short_idempotency_key_will_do(api: Api, key: str) -> None:
    body = {"name": "x-" + str(len(key)) + str(ord(key[0]) if key else 0)}
    assert api.post("/v1/sessions/alice/fork", json=body, headers={"Idempotency-Key": key}).status_code == 201
    again = api.post("/v1/sessions/alice/fork", json=body, headers={"Idempotency-Key": key})
    assert again.status_code == (201 if key else 409)


def test_a_long_idempotency_key_is_refused(api: Api) -> None:
    answer = api.post("/v1/sessions/alice/fork", json={"name": "y"}, headers={"Idempotency-Key": "x" * 256})
    is_problem(answer, 422, "invalid_parameter")


@pytest.mark.parametrize("seen", ["", "rubbish", "-1", "ffffffff-1", "9" * 5000, "1e9", "\x7f"])
def test_an_event_id_that_nobody_gave_is_told_as_a_loss(api: Api, seen: str) -> None:
    with api.stream("GET", "/v1/events", headers={"Last-Event-ID": seen}) as stream:
        assert stream.status_code == 200
        told = stream.iter_lines()
        assert next(told) == ": listening"
        assert "event: events.lost" in [next(told) for _ in range(3)]


@pytest.mark.parametrize("tag", ["", '"', "W/", "x" * 9000, ",,,", '"unclosed', "\xe9".encode("latin-1")])
def test_an_if_match_that_names_nothing_stops_the_change(api: Api, tag: Any) -> None:
    head = api.get("/v1/sessions/alice").json()["head"]
    is_problem(api.delete("/v1/sessions/alice", headers={"If-Match": tag}), 412, "precondition_failed")
    assert api.get("/v1/sessions/alice").json()["head"] == head


@pytest.mark.parametrize("wanted", ["bytes=0-1", "bytes=-5", "bytes=9-1", "rubbish"])
def test_a_range_is_not_given(api: Api, wanted: str) -> None:
    found = api.get("/v1/sessions/alice", headers={"Range": wanted})
    assert (found.status_code, found.json()["id"]) == (200, "alice")


@pytest.mark.parametrize("name", ["%00", "%ff", "..%2f..", "x" * 9000])
def test_names_that_nobody_has(api: Api, name: str) -> None:
    assert api.get(f"/v1/sessions/{name}").status_code == 404


def test_unfinished_requests_hold_no_worker(api: Api) -> None:
    """More of them than there are workers, each stopping at another place; others are answered meanwhile."""
    whole = request(b"Content-Type: application/json", length())
    with ExitStack() as stack:
        for cut in range(1, len(whole), len(whole) // 12):
            stack.enter_context(wire(api)).sendall(whole[:cut])
        assert api.chat("hello").status_code == 200
        assert api.get("/health/ready").status_code == 200
    assert api.server._tenants.default.turns.under_way == 0


def test_requests_in_one_go_are_answered_in_order(api: Api) -> None:
    said = [json.dumps({"messages": [{"role": "user", "content": text}]}).encode() for text in ("one", "two", "three")]
    header = b"Content-Type: application/json"
    asked = [request(header, length(body), body=body) for body in said]
    asked.append(request(b"Connection: close", line=b"GET /health HTTP/1.1", body=b""))
    answer = raw(api, b"".join(asked))
    places = [answer.index(text) for text in (b"echo 1: one", b"echo 1: two", b"echo 1: three", b'{"status":"ok"}')]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200") == 4


STREAM = json.dumps({"messages": [{"role": "user", "content": "hello"}], "stream": True}).encode()
ASKED = request(b"Content-Type: application/json", b"X-Session-ID: cut-%03d", length(STREAM), body=STREAM)
SESSIONS = itertools.count()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(sent=st.integers(1, len(ASKED) - 2), heard=st.integers(1, 900), asks_only=st.booleans())
def test_who_goes_away_at_any_place_leaves_a_session_that_can_be_used(
    api: Api, sent: int, heard: int, asks_only: bool
) -> None:
    """After so many bytes of the request, or of the answer's stream."""
    number = next(SESSIONS)
    asked = ASKED.replace(b"%03d", b"%03d" % number)
    with wire(api) as connection:
        connection.sendall(asked[:sent] if asks_only else asked)
        while not asks_only and heard > 0 and (piece := connection.recv(heard)):
            heard -= len(piece)
            if b"[DONE]" in piece:
                break
    hub = api.server._tenants.default
    eventually(lambda: hub.turns.under_way == 0)
    assert api.remember("again", session=f"cut-{number:03}")["session"] == f"cut-{number:03}"
    talk = api.runtime.talk(f"cut-{number:03}")
    assert [text for role, text in talk if role == "user"] in (["again"], ["hello", "again"])
    assert [role for role, _ in talk] == ["user", "assistant"] * (len(talk) // 2)
