"""Sessions made and described over HTTP, with a real store: whole or not at all, kept, inherited, conditional."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from perdure.runtime import Runtime

from ..conftest import Opens
from .http_server import Api, serving

URL = "/v1/sessions"


@pytest.fixture
def runtime(opens: Opens) -> Iterator[Runtime]:
    with opens() as opened:
        yield opened


@pytest.fixture
def api(runtime: Runtime) -> Iterator[Api]:
    with serving(runtime) as served:
        yield served


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def test_a_session_is_made_with_all_that_is_said_of_it(api: Api, runtime: Runtime) -> None:
    sent = {"title": "Trip", "metadata": {"user": "ada"}, "system": "Be brief.", "memory": {"recall": "off"}}
    made = api.post(URL, json={"name": "trip", "model": runtime.model.name, "mounts": [], **sent})
    body = ok(made, 201)
    assert (made.headers["Location"], made.headers["ETag"]) == ("/v1/sessions/trip", f'"{body["head"]}"')
    assert {name: body[name] for name in ("id", "title", "metadata", "memory", "turns")} == {
        "id": "trip",
        "title": "Trip",
        "metadata": {"user": "ada"},
        "memory": {"recall": "off"},
        "turns": 0,
    }
    assert ok(api.get(f"{URL}/trip")) == body
    assert [each["kind"] for each in ok(api.get(f"{URL}/trip/commits"))["data"]] == ["root"]
    api.remember("Hello.", session="trip", max_tokens=2)
    said = ok(api.get(f"{URL}/trip/messages"))["data"]
    assert [(each["role"], each["content"]) for each in said][:2] == [("system", "Be brief."), ("user", "Hello.")]
    ok(api.post(f"{URL}/trip/fork", json={"name": "other"}), 201)
    assert ok(api.get(f"{URL}/other"))["metadata"] == {"user": "ada"}
    with runtime.session("other") as session:
        assert (session.recalling.recall, session.memories) == ("off", None)


def test_without_a_body_a_session_gets_a_name(api: Api) -> None:
    made = api.post(URL)
    assert ok(made, 201)["metadata"] == {}
    assert ok(api.get(made.headers["Location"]))["id"] == made.json()["id"]


def test_what_exists_is_made_again_only_under_its_key(api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first = api.post(URL, json={"name": "one"}, headers=key)
    again = api.post(URL, json={"name": "one"}, headers=key)
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert first.json() == again.json()
    refused = api.post(URL, json={"name": "one"})
    assert (refused.status_code, refused.json()["code"]) == (409, "session_exists")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "../up"}, 422, "invalid_name"),
        ({"name": "x", "model": "gpt-5"}, 404, "model_not_found"),
        ({"name": "x", "mounts": ["user:nobody"]}, 404, "session_not_found"),
        ({"name": "x", "metadata": {str(n): "" for n in range(17)}}, 422, "invalid_parameter"),
        ({"name": "x", "metadata": {"k": "v" * 513}}, 422, "invalid_parameter"),
        ({"name": "x", "memory": {"window": 64}}, 422, "invalid_parameter"),
        ({"name": "x", "memory": {"threshold": 2}}, 422, "invalid_parameter"),
        ({"name": "x", "system": ""}, 422, "invalid_parameter"),
        ({"name": "x", "colour": "red"}, 422, "invalid_parameter"),
    ],
)
def test_what_cannot_be_made_is_not_there(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    refused = api.post(URL, json=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.json()["error"]["code"] == code
    assert ok(api.get(URL))["data"] == []


def test_what_is_said_of_a_session_changes_in_a_commit(api: Api) -> None:
    head = ok(api.post(URL, json={"name": "one", "title": "Old", "metadata": {"a": "1"}}), 201)["head"]
    changed = api.patch(f"{URL}/one", json={"title": "New", "system": "Rhyme."}, headers={"If-Match": f'"{head}"'})
    body = ok(changed)
    assert (body["title"], body["metadata"]) == ("New", {"a": "1"})
    assert changed.headers["ETag"] == f'"{body["head"]}"' != f'"{head}"'
    late = api.patch(f"{URL}/one", json={"title": "Late"}, headers={"If-Match": f'"{head}"'})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert ok(api.patch(f"{URL}/one", json={"title": "New"}))["head"] == body["head"]
    api.remember("Hello.", session="one", max_tokens=2)
    assert ok(api.get(f"{URL}/one/messages"))["data"][0]["content"] == "Rhyme."
    begun = api.patch(f"{URL}/one", json={"system": "Shout."})
    assert (begun.status_code, begun.json()["code"]) == (409, "conflict")
    cleared = ok(api.patch(f"{URL}/one", json={"title": None, "metadata": {"b": "2"}, "memory": {"threshold": 0.5}}))
    assert (cleared["title"], cleared["metadata"], cleared["memory"]) == (None, {"b": "2"}, {"threshold": 0.5})
    assert [each["kind"] for each in ok(api.get(f"{URL}/one/commits"))["data"]] == ["describe", "turn", "describe", "root"]
    api.remember("More.", session="one", max_tokens=2, memory={"input": "delta"})
    assert ok(api.get(f"{URL}/one"))["metadata"] == {"b": "2"}


def test_what_cannot_be_changed_is_refused(api: Api) -> None:
    ok(api.post(URL, json={"name": "one"}), 201)
    for body, status, code in (
        ({"name": "two"}, 400, "unsupported_parameter"),
        ({}, 422, "invalid_parameter"),
        ({"memory": {"recall": "on"}}, 422, "invalid_parameter"),
    ):
        refused = api.patch(f"{URL}/one", json=body)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
    missing = api.patch(f"{URL}/nobody", json={"title": "x"})
    assert (missing.status_code, missing.json()["code"]) == (404, "session_not_found")
