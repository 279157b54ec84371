from __future__ import annotations

from collections.abc import Iterator

import pytest

from .fakes import MODEL, FakeRuntime
from .http_server import Api, serving


@pytest.fixture
def api() -> Iterator[Api]:
    with serving(FakeRuntime()) as api:
        yield api


def test_models(api: Api) -> None:
    listed = api.get("/v1/models").json()
    assert listed["object"] == "list"
    assert listed["data"] == [api.get("/v1/models/tiny").json()]
    model = listed["data"][0]
    assert (model["id"], model["object"], model["owned_by"]) == ("tiny", "model", "perdure")
    assert isinstance(model["created"], int)
    assert (model["context_length"], model["fingerprint"]) == (MODEL.context_length, MODEL.fingerprint)
    assert api.get("/v1/models/tiny@alice").json()["id"] == "tiny@alice"
    missing = api.get("/v1/models/org/other")
    assert (missing.status_code, missing.json()["code"]) == (404, "model_not_found")


def test_health(api: Api) -> None:
    assert api.get("/health").json() == {"status": "ok"}
    assert api.get("/health/ready").json() == {"status": "ready", "model": "tiny"}


def test_sessions_are_listed_in_pages(api: Api) -> None:
    assert api.get("/v1/sessions").json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    for name in "abcde":
        api.runtime.say(name, "hello")
    page = api.get("/v1/sessions", params={"limit": 2}).json()
    assert ([s["id"] for s in page["data"]], page["first_id"], page["last_id"]) == (["e", "d"], "e", "d")
    assert page["has_more"]
    page = api.get("/v1/sessions", params={"limit": 3, "after": "d"}).json()
    assert ([s["id"] for s in page["data"]], page["has_more"]) == (["c", "b", "a"], False)
    page = api.get("/v1/sessions", params={"order": "asc", "after": "a"}).json()
    assert [s["id"] for s in page["data"]] == ["b", "c", "d", "e"]


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "order=up", "limit=x", "after=nobody"])
def test_a_page_that_cannot_be_is_refused(api: Api, query: str) -> None:
    response = api.get(f"/v1/sessions?{query}")
    assert response.status_code == (404 if query == "after=nobody" else 422)
    assert response.json()["error"]["param"] == f"/{query.partition('=')[0]}"


def test_one_session(api: Api) -> None:
    api.runtime.say("alice", "one", "two")
    head = api.runtime.repository.info("alice").head
    body = api.get("/v1/sessions/alice").json()
    assert (body["id"], body["object"], body["model"]) == ("alice", "session", "tiny")
    assert (body["head"], body["turns"], body["messages"], body["tokens"]) == (head.hex, 2, 4, head.tokens)
    assert (body["kv_bytes"], body["forked_from"]) == (512, None)


def test_messages_and_commits(api: Api) -> None:
    api.runtime.say("alice", "one", "two")
    messages = api.get("/v1/sessions/alice/messages").json()
    assert [(m["role"], m["content"]) for m in messages["data"]] == api.runtime.talk("alice")
    page = api.get("/v1/sessions/alice/messages?limit=1&after=msg_1").json()
    assert ([m["id"] for m in page["data"]], page["has_more"]) == (["msg_2"], True)
    commits = api.get("/v1/sessions/alice/commits").json()["data"]
    assert [c["id"] for c in commits] == [c.hex for c in api.runtime.repository.log("alice")]
    assert commits[0]["parents"] == [commits[1]["id"]]
    assert (commits[0]["kind"], commits[0]["reason"], commits[0]["turn"]) == ("turn", "stop", 2)
    page = api.get(f"/v1/sessions/alice/commits?limit=1&after={commits[0]['id']}").json()
    assert page["first_id"] == commits[1]["id"]


@pytest.mark.parametrize("path", ["", "/messages", "/commits"])
def test_an_unknown_session_is_not_found(api: Api, path: str) -> None:
    response = api.get(f"/v1/sessions/nobody{path}")
    assert (response.status_code, response.json()["code"]) == (404, "session_not_found")


def test_a_commit_is_no_session(api: Api) -> None:
    api.runtime.say("alice", "one")
    commit = api.runtime.repository.info("alice").head.hex
    assert api.get(f"/v1/sessions/{commit}/messages").status_code == 404


def test_fork(api: Api) -> None:
    api.runtime.say("alice", "one", "two")
    response = api.post("/v1/sessions/alice/fork", json={"name": "bob", "at": "@turn:1"})
    assert response.status_code == 201
    assert response.headers["Location"] == "/v1/sessions/bob"
    body = response.json()
    assert (body["id"], body["forked_from"], body["turns"], body["bytes_copied"]) == ("bob", "alice", 1, 0)
    assert api.runtime.talk("bob") == api.runtime.talk("alice")[:2]
    assert api.post("/v1/sessions/alice/fork", json={"name": "carol"}).json()["turns"] == 2


def test_a_fork_that_cannot_be(api: Api) -> None:
    api.runtime.say("alice", "one")
    taken = api.post("/v1/sessions/alice/fork", json={"name": "alice"})
    assert (taken.status_code, taken.json()["code"]) == (409, "session_exists")
    assert taken.headers["x-should-retry"] == "false"
    assert api.post("/v1/sessions/alice/fork", json={"name": "a b"}).json()["code"] == "invalid_name"
    assert api.post("/v1/sessions/nobody/fork", json={"name": "bob"}).json()["code"] == "session_not_found"
    missing = api.post("/v1/sessions/alice/fork", json={"name": "bob", "at": "ffffffff"})
    assert (missing.status_code, missing.json()["code"]) == (404, "revision_not_found")
    assert api.post("/v1/sessions/alice/fork", json={}).json()["error"]["param"] == "/name"
    assert api.post("/v1/sessions/alice/fork", json={"name": "b", "to": "x"}).json()["error"]["param"] == "/to"


def test_delete(api: Api) -> None:
    api.remember("one")
    assert api.delete("/v1/sessions/alice").json() == {"id": "alice", "object": "session.deleted", "deleted": True}
    assert api.runtime.closed == ["alice"]
    assert not api.runtime.repository.exists("alice")
    assert api.delete("/v1/sessions/alice").json()["code"] == "session_not_found"
    assert api.remember("two")["reconciled"] == "started"
