"""What sessions remember, over HTTP: a real runtime with a tiny model and an encoder of hashed words."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from perdure.api.http import HttpSettings
from perdure.api.http.ingest import files
from perdure.errors import InvalidInput
from perdure.memory import Repository
from perdure.runtime import Runtime
from perdure.runtime import open as open_model
from perdure.runtime.session import Session
from perdure.testing.encoder import HashedWords

from ..conftest import Opens
from .fakes import FakeRuntime
from .http_server import Api, eventually, serving
from .remembering import ASK, FACT, SMALL, ports, small, taught

SETTINGS = HttpSettings(ingest_limit=100_000, ingest_at_once=4_000, body_limit=50_000)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Runtime]:
    """alice, who recalled something in her last answer, and bob, her fork before that."""
    folder = tmp_path_factory.mktemp("told")
    options: dict[str, Any] = {"memory": SMALL, "encoder": HashedWords(), "threads": 1, "cache": folder / "cache"}
    with open_model(str(model), folder / "store", **options) as runtime:
        alice = taught(runtime.session("alice"))
        alice.fork("bob").close()
        alice.chat(ASK, max_tokens=6, temperature=0.0)
        alice.close()
        yield runtime


@pytest.fixture(scope="module")
def api(told: Runtime) -> Iterator[Api]:
    with serving(told, SETTINGS) as api:
        yield api


@pytest.fixture
def own(opens: Opens) -> Iterator[Api]:
    """A server over a store that a test may change."""
    with small(opens) as runtime, serving(runtime, SETTINGS) as api:
        yield api


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str, sentence: str = "") -> None:
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert response.headers["content-type"] == "application/problem+json"
    assert sentence in body["detail"]
    assert body["detail"].endswith(".")


def _completed(api: Api, job: str) -> bool:
    return bool(ok(api.get(job))["status"] == "completed")


def test_reports_of_every_tier(api: Api, told: Runtime) -> None:
    whole = ok(api.get("/v1/sessions/alice/memory"))
    head = told.repository.info("alice").head
    assert (whole["object"], whole["session"], whole["commit"]) == ("session.memory", "alice", head.hex)
    working = ok(api.get("/v1/sessions/alice/memory/working"))
    assert {name: working[name] for name in whole["working"]} == whole["working"]
    assert working["tokens"] == head.tokens
    assert working["window"] + working["oldest"] == head.tokens
    summary = ok(api.get("/v1/sessions/alice/memory/summary"))
    assert summary["backend"] == "heavy-hitters"
    assert sum(part["entries"] for part in summary["histogram"]) == 32 * 4
    early = ok(api.get("/v1/sessions/alice/memory?at=@turn:1"))
    assert early["episodic"]["memories"] == early["working"]["evictions"] == 0
    assert early["summary"]["digest"] is None


def test_episodes_come_in_pages(api: Api) -> None:
    url = "/v1/sessions/alice/memory/episodic"
    every = ok(api.get(url))
    ids = [item["id"] for item in every["data"]]
    assert every["data"][0]["text"] == FACT
    assert (every["first_id"], every["last_id"], every["has_more"]) == (ids[0], ids[-1], False)
    page = ok(api.get(url, params={"limit": 2, "after": ids[0]}))
    assert ([item["id"] for item in page["data"]], page["has_more"]) == (ids[1:3], True)
    assert ok(api.get(url, params={"order": "desc", "limit": 1}))["data"][0]["id"] == ids[-1]
    assert ok(api.get(url, params={"at": "@turn:1"}))["data"] == []
    refused(api.get(url, params={"after": "nothing"}), 404, "after_not_found", "go on from")


def most_one(digests: Iterable[bytes]) -> list[bytes]:
    """These, which must be few: what was sorted before is not read as a whole again."""
    found = list(digests)
    assert len(found) <= 1
    return found


def test_episodes_are_searched_and_sorted_by_the_server(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    url = "/v1/sessions/alice/memory/episodic"
    every = ok(api.get(url, params={"limit": 1000}))
    assert every["total"] == len(every["data"]) > 3
    assert {item["source_session"] for item in every["data"]} == {"alice"}
    assert all(ok(api.get(f"/v1/commits/{item['origin']}"))["turn"] >= item["turn"] > 0 for item in every["data"][:2])
    some = ok(api.get(url, params={"q": "PANGOLIN"}))
    assert [item["text"] for item in some["data"]] == [item["text"] for item in every["data"] if "pangolin" in item["text"]]
    assert some["total"] == len(some["data"]) >= 1
    assert ok(api.get(url, params={"q": "zeppelin"}))["data"] == []
    sizes = [item["tokens"] for item in every["data"]]
    assert [item["tokens"] for item in ok(api.get(url, params={"sort": "tokens"}))["data"]] == sorted(sizes)
    down = ok(api.get(url, params={"sort": "tokens", "order": "desc", "limit": 2}))
    assert [item["tokens"] for item in down["data"]] == sorted(sizes, reverse=True)[:2]
    after = ok(api.get(url, params={"sort": "tokens", "order": "desc", "limit": 1, "after": down["first_id"]}))
    assert [item["id"] for item in after["data"]] == [down["last_id"]]
    whole = Repository.episodes
    with monkeypatch.context() as patch:
        patch.setattr(Repository, "episodes", lambda store, digests: whole(store, most_one(digests)))
        assert ok(api.get(url, params={"sort": "tokens", "limit": 1}))["total"] == every["total"]
    assert ok(api.get(url, params={"pinned": True}))["total"] == 0
    assert ok(api.get(url, params={"pinned": False, "sort": "text"}))["total"] == every["total"]
    assert api.get(url, params={"sort": "colour"}).status_code == 422


def test_memories_of_all_sessions_are_listed_once_with_who_has_them(own: Api) -> None:
    for name, text in (("alice", "Ada keeps bees."), ("bob", "Bob sells boats.")):
        ok(own.post(f"/v1/sessions/{name}/ingest", params={"create": True}, json={"text": text}))
    ok(own.post("/v1/sessions/alice/fork", json={"name": "amy"}), 201)
    ok(own.post("/v1/sessions/amy/ingest", json={"text": "Amy grows figs."}))
    every = ok(own.get("/v1/memory", params={"sort": "text"}))
    told = [(item["text"], sorted(item["sessions"])) for item in every["data"]]
    assert told == [("Ada keeps bees.", ["alice", "amy"]), ("Amy grows figs.", ["amy"]), ("Bob sells boats.", ["bob"])]
    assert every["total"] == 3
    paged: list[str] = []
    after: dict[str, str] = {}
    for _ in range(3):
        one = ok(own.get("/v1/memory", params={"sort": "text", "limit": 1, **after}))
        paged += [item["text"] for item in one["data"]]
        after = {"after": one["last_id"]}
    assert (paged, one["has_more"]) == ([text for text, _ in told], False)
    assert [item["text"] for item in ok(own.get("/v1/memory", params={"q": "BOATS"}))["data"]] == ["Bob sells boats."]
    ada = every["data"][0]["id"]
    ok(own.patch(f"/v1/memory/{ada}", params={"session": "amy"}, json={"text": "Ada keeps wasps.", "pinned": True}))
    split = ok(own.get("/v1/memory", params={"sort": "text", "q": "ada keeps"}))["data"]
    assert [(item["id"], item["text"], item["sessions"]) for item in split] == [
        (ada, "Ada keeps bees.", ["alice"]),
        (ada, "Ada keeps wasps.", ["amy"]),
    ]
    assert [item["text"] for item in ok(own.get("/v1/memory", params={"pinned": True}))["data"]] == ["Ada keeps wasps."]
    refused(own.get("/v1/memory", params={"after": ada}), 404, "after_not_found")


@pytest.mark.parametrize("path", ["", "/working", "/episodic", "/summary"])
def test_unknown_sessions_and_revisions_are_not_found(api: Api, path: str) -> None:
    refused(api.get(f"/v1/sessions/nobody/memory{path}"), 404, "session_not_found")
    refused(api.get(f"/v1/sessions/alice/memory{path}?at=@turn:99"), 404, "revision_not_found")


def test_search_finds_in_every_session_or_in_some(api: Api) -> None:
    found = ok(api.post("/v1/memory/search", json={"query": "pangolin of Tamsin"}))
    assert (found["object"], found["query"]) == ("list", "pangolin of Tamsin")
    best = found["data"][0]
    assert (best["text"], best["sessions"], best["dropped"]) == (FACT, ["alice", "bob"], None)
    one = ok(api.post("/v1/memory/search", json={"query": "pangolin", "sessions": ["bob"], "top_k": 1, "threshold": 0.0}))
    assert [item["sessions"] for item in one["data"]] == [["bob"]]
    whole = ok(api.post("/v1/memory/search", json={"query": "pangolin of Tamsin", "explain": True}))
    explained = whole["data"]
    assert explained[-1]["score"] < whole["threshold"] == found["threshold"] <= best["score"]
    assert (best["vector_rank"], best["source_session"]) == (1, "alice")
    assert "is below" in explained[-1]["dropped"]
    assert ok(api.post("/v1/memory/search", json={"query": "zeppelin"}))["data"] == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "/query"),
        ({"query": ""}, "/query"),
        ({"query": " \n"}, "/query"),
        ({"query": 5}, "/query"),
        ({"query": "x", "threshold": 7}, "/threshold"),
        ({"query": "x", "threshold": -0.1}, "/threshold"),
        ({"query": "x", "top_k": -1}, "/top_k"),
        ({"query": "x", "top_k": 0}, "/top_k"),
        ({"query": "x", "sessions": []}, "/sessions"),
        ({"query": "x", "colour": "red"}, "/colour"),
    ],
)
def test_a_search_that_cannot_be_is_refused(api: Api, body: dict[str, Any], param: str) -> None:
    response = api.post("/v1/memory/search", json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


def test_a_search_of_an_unknown_session(api: Api) -> None:
    refused(api.post("/v1/memory/search", json={"query": "x", "sessions": ["nobody"]}), 404, "session_not_found")


def test_a_memory_is_read_by_its_id(api: Api) -> None:
    listed = ok(api.get("/v1/sessions/alice/memory/episodic?limit=1"))["data"][0]
    response = api.get(f"/v1/memory/{listed['id']}")
    assert ok(response) == {**listed, "sessions": ["alice", "bob"]}
    digest = hashlib.sha256(FACT.encode()).hexdigest()
    assert (listed["content_sha256"], response.headers["ETag"]) == (digest, f'"{digest}"')
    assert ok(api.get(f"/v1/memory/{listed['id'][:8]}?session=bob"))["sessions"] == ["bob"]
    refused(api.get("/v1/memory/ffffffff"), 404, "revision_not_found", "no memory")
    refused(api.get("/v1/memory/x"), 404, "revision_not_found")
    refused(api.get(f"/v1/memory/{listed['id']}?session=nobody"), 404, "session_not_found")


def test_a_memory_of_several_sessions_is_changed_in_one_that_is_named(own: Api) -> None:
    ok(own.post("/v1/sessions/alice/ingest?create=true", json={"text": "The mayor of Oslo owns a tram.", "name": "a"}))
    ok(own.post("/v1/sessions/alice/fork", json={"name": "bob"}), 201)
    name = ok(own.get("/v1/sessions/alice/memory/episodic"))["data"][0]["id"]
    refused(own.patch(f"/v1/memory/{name}", json={"pinned": True}), 409, "conflict", "alice, bob")
    refused(own.delete(f"/v1/memory/{name}"), 409, "conflict", "?session=")
    assert ok(own.patch(f"/v1/memory/{name}?session=bob", json={"text": "The mayor sold it."}))["sessions"] == ["bob"]
    refused(own.get(f"/v1/memory/{name}"), 409, "conflict", "alice, bob")
    assert ok(own.get(f"/v1/memory/{name}?session=alice"))["text"] == "The mayor of Oslo owns a tram."
    gone = ok(own.delete(f"/v1/memory/{name}?session=alice"))
    assert (gone["deleted"], gone["session"]) == (True, "alice")
    assert gone["commit"] == ok(own.get("/v1/sessions/alice"))["head"]
    assert ok(own.get(f"/v1/memory/{name}"))["text"] == "The mayor sold it."
    refused(own.delete(f"/v1/memory/{name}?session=alice"), 404, "revision_not_found")


def test_a_change_may_ask_that_the_text_is_the_one_it_saw(own: Api) -> None:
    ok(own.post("/v1/sessions/alice/ingest?create=true", json={"text": "The mayor of Oslo owns a tram.", "name": "a"}))
    seen = ok(own.get("/v1/sessions/alice/memory/episodic"))["data"][0]
    url, digest = f"/v1/memory/{seen['id']}", seen["content_sha256"]
    changed = ok(own.patch(url, json={"text": "She sold it.", "content_sha256": digest}))
    assert (changed["id"], changed["text"]) == (seen["id"], "She sold it.")
    refused(own.patch(url, json={"pinned": True, "content_sha256": digest}), 409, "content_changed", "read it again")
    refused(own.patch(url, json={"pinned": True}, headers={"If-Match": f'"{digest}"'}), 412, "precondition_failed")
    refused(own.delete(url, headers={"If-Match": f'"{digest}"'}), 412, "precondition_failed")
    tag = own.get(url).headers["ETag"]
    assert ok(own.patch(url, json={"pinned": True}, headers={"If-Match": tag}))["pinned"]
    assert ok(own.patch(url, json={"pinned": False}, headers={"If-Match": "*"}))["pinned"] is False
    ok(own.delete(url, headers={"If-Match": tag}))


def test_text_and_pin_are_changed_in_one_commit(own: Api) -> None:
    ok(own.post("/v1/sessions/alice/ingest?create=true", json={"text": "The mayor of Oslo owns a tram.", "name": "a"}))
    before = ok(own.get("/v1/sessions/alice"))["head"]
    name = ok(own.get("/v1/sessions/alice/memory/episodic"))["data"][0]["id"]
    refused(own.patch(f"/v1/memory/{name}", json={"text": " ", "pinned": True}), 422, "invalid_input", "empty")
    assert ok(own.get("/v1/sessions/alice"))["head"] == before
    changed = ok(own.patch(f"/v1/memory/{name}", json={"text": "She sold it.", "pinned": True}))
    assert (changed["id"], changed["text"], changed["pinned"]) == (name, "She sold it.", True)
    assert ok(own.get("/v1/sessions/alice/memory?at=HEAD~1"))["commit"] == before
    changed = ok(own.patch(f"/v1/memory/{name}", json={"text": "She gave it away.", "pinned": False}))
    assert (changed["text"], changed["pinned"]) == ("She gave it away.", False)


@pytest.mark.parametrize(
    "body", [{}, {"text": None}, {"text": "x", "colour": 1}, {"pinned": "maybe"}, {"text": "x", "content_sha256": "abc"}]
)
def test_a_change_that_cannot_be_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.patch("/v1/memory/ffffffff", json=body).status_code == 422


def test_an_episode_cannot_become_empty_or_too_long(own: Api) -> None:
    ok(own.post("/v1/sessions/alice/ingest?create=true", json={"text": "The mayor of Oslo owns a tram."}))
    name = ok(own.get("/v1/sessions/alice/memory/episodic"))["data"][0]["id"]
    refused(own.patch(f"/v1/memory/{name}", json={"text": " "}), 422, "invalid_input", "empty")
    refused(own.patch(f"/v1/memory/{name}", json={"text": ports(60)}), 422, "invalid_input", "too long")


def test_small_documents_are_taken_in_at_once(own: Api) -> None:
    refused(own.post("/v1/sessions/alice/ingest", json={"text": "x"}), 404, "session_not_found")
    job = ok(own.post("/v1/sessions/alice/ingest?create=true", json={"text": ports(10), "name": "ports"}))
    assert (job["object"], job["status"], job["error"]) == ("job", "completed", None)
    listed = ok(own.get("/v1/sessions/alice/memory/episodic"))["data"]
    assert "".join(item["text"] for item in listed) == ports(10)
    assert job["result"]["memories"] == len(listed)
    assert job["result"]["commit"] == ok(own.get("/v1/sessions/alice"))["head"]
    messages = [{"role": "user", "content": "I like tea."}, {"role": "assistant", "content": "Noted."}]
    said = ok(own.post("/v1/sessions/alice/ingest", json={"messages": messages, "name": "old chat"}))
    assert said["result"]["memories"] == 2
    last = ok(own.get("/v1/sessions/alice/memory/episodic?order=desc&limit=2"))["data"]
    assert [(item["source"], item["text"]) for item in last] == [
        ("old chat, assistant 2", "Noted."),
        ("old chat, user 1", "I like tea."),
    ]
    assert ok(own.get("/v1/sessions/alice/messages"))["data"] == []


def test_gc_takes_out_of_the_index_what_no_session_remembers(opens: Opens) -> None:
    with small(opens) as runtime, serving(runtime, SETTINGS) as api:
        for name in ("kept", "gone"):
            ok(api.post(f"/v1/sessions/{name}/ingest?create=true", json={"text": f"The {name} crate holds pangolins."}))
        ok(api.post("/v1/memory/search", json={"query": "crate"}))
        ok(api.delete("/v1/sessions/gone"))
        for dry_run, left in ((True, 2), (False, 1)):
            job = api.post("/v1/gc", json={"dry_run": dry_run}).headers["Location"]
            eventually(partial(_completed, api, job))
            assert runtime.memories.indexed == left
        found = ok(api.post("/v1/memory/search", json={"query": "crate pangolins", "threshold": 0.0}))["data"]
        assert [item["sessions"] for item in found] == [["kept"]]


def test_files_are_uploaded_as_forms(own: Api) -> None:
    url = "/v1/sessions/alice/ingest?create=true"
    ok(own.post(url, files={"file": ("Häfen.md", "Malmö has a harbour.\r\n".encode())}))
    ok(own.post(url, files={"file": ("a.txt", b"Oslo has a tram.")}, data={"name": "Trams"}))
    two = [("file", ("b.txt", b"Bergen has rain.")), ("file", ("c.txt", b"Turku has a river."))]
    assert ok(own.post(url, files=two, data={"name": "both"}))["result"]["memories"] == 2
    listed = ok(own.get("/v1/sessions/alice/memory/episodic"))["data"]
    assert [item["source"] for item in listed] == ["Häfen.md", "Trams", "b.txt", "c.txt"]
    assert listed[0]["text"].strip() == "Malmö has a harbour."


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        ({"json": {}}, 422, "either text or messages"),
        ({"json": {"text": "x", "messages": [{"role": "user", "content": "x"}]}}, 422, "either text or messages"),
        ({"json": {"text": " "}}, 422, "no text"),
        ({"json": {"messages": []}}, 422, "messages"),
        ({"json": {"text": "x", "name": ""}}, 422, "name"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "JSON"),
        ({"content": b"\xff", "headers": {"Content-Type": "application/json"}}, 400, "JSON"),
        ({"content": b"hello", "headers": {"Content-Type": "text/plain"}}, 422, "application/json"),
        ({"content": b"hello"}, 422, "application/json"),
        ({"files": {"file": ("a.bin", b"\0\1\2\3")}}, 422, "a.bin"),
        ({"files": {"file": ("a.pdf", b"no pdf")}}, 422, "a.pdf"),
        ({"files": {"other": (None, b"x")}}, 422, "no file"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 422, "boundary"),
        ({"content": b"--b\r\n\r\nx", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, 422, "cut short"),
    ],
)
def test_documents_that_cannot_be_read_are_refused(api: Api, sent: dict[str, Any], status: int, sentence: str) -> None:
    response = api.post("/v1/sessions/alice/ingest", **sent)
    assert response.status_code == status, response.text
    assert sentence in response.json()["detail"]


def test_pages_of_other_sites_cannot_send_forms(own: Api) -> None:
    url, form = "/v1/sessions/alice/ingest?create=true", {"file": ("a.txt", b"Oslo has a tram.")}
    for origin in ("https://example.org", "null", "http://127.0.0.1:1"):
        refused(own.post(url, files=form, headers={"Origin": origin}), 403, "cross_origin")
    ok(own.post(url, files=form, headers={"Origin": str(own.base_url).rstrip("/")}))


def test_a_form_keeps_every_byte() -> None:
    content = bytes(range(256)) * 40 + b"\r\n--\r\n\n\r"
    request = httpx.Request("POST", "http://x", files={"file": ("a.bin", content, "text/plain; charset=utf-16")})
    assert list(files(request.read(), request.headers["Content-Type"])) == [("a.bin", content)]
    with pytest.raises(InvalidInput):
        list(files(b"", "multipart/form-data; boundary=x"))


def test_documents_have_a_limit_of_their_own(own: Api) -> None:
    refused(own.post("/v1/memory/search", content=b"x" * 60_000), 413, "body_too_large", "accepts 50000")
    refused(own.post("/v1/sessions/alice/ingest", content=b"x" * 110_000), 413, "body_too_large", "accepts 100000")
    unsized = (b"x" * 10_000 for _ in range(11))
    refused(own.post("/v1/sessions/alice/ingest", content=unsized), 413, "body_too_large")
    ok(own.post("/v1/sessions/alice/ingest?create=true", json={"text": " " * 60_000 + "x"}), 202)


class Held:
    """Stops a session's commits until it is told to go on."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        amend = Session.amend

        def held(session: Session, *arguments: Any) -> Any:
            done = amend(session, *arguments)
            self.reached.set()
            assert self.go.wait(20)
            return done

        patch.setattr(Session, "amend", held)


def test_a_large_document_is_a_job_and_what_was_committed_stays(own: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    response = own.post("/v1/sessions/alice/ingest?create=true", json={"text": ports(400), "name": "ports"})
    job = ok(response, 202)
    url = response.headers["Location"]
    assert url == f"/v1/jobs/{job['id']}"
    assert held.reached.wait(20)
    assert ok(own.get(url))["status"] == "running"
    refused(own.post("/v1/sessions/alice/ingest", json={"text": "me too"}), 409, "session_busy")
    refused(own.chat("hello", headers={"X-Session-ID": "alice"}), 409, "session_busy")
    assert ok(own.delete(url), 202)["status"] == "running"
    held.go.set()
    eventually(lambda: own.get(url).json()["status"] == "cancelled")
    cut = ok(own.get(url))
    assert cut["result"]["memories"] == cut["progress"]["done"] == 32
    assert cut["progress"]["total"] > 32
    assert len(ok(own.get("/v1/sessions/alice/memory/episodic"))["data"]) == 32
    rest = ok(own.post("/v1/sessions/alice/ingest", json={"text": ports(400), "name": "ports"}), 202)
    eventually(lambda: own.get(f"/v1/jobs/{rest['id']}").json()["status"] == "completed")
    listed = ok(own.get("/v1/sessions/alice/memory/episodic?limit=1000"))["data"]
    assert "".join(item["text"] for item in listed) == ports(400)


def test_a_job_that_fails_says_why(own: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(own.get("/v1/jobs/job_1"), 404, "not_found")
    refused(own.delete("/v1/jobs/job_1"), 404, "not_found")
    other = own.runtime.session("alice")
    other.acquire()
    refused(own.post("/v1/sessions/alice/ingest", json={"text": "x"}), 409, "session_busy")
    job = ok(own.post("/v1/sessions/alice/ingest", json={"text": ports(100)}), 202)
    eventually(lambda: own.get(f"/v1/jobs/{job['id']}").json()["status"] == "failed")
    assert ok(own.get(f"/v1/jobs/{job['id']}"))["error"]["code"] == "session_busy"
    other.release()
    ok(own.post("/v1/sessions/alice/ingest", json={"text": "x"}))


def test_a_server_that_stops_cuts_its_jobs_short(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch)
    with small(opens) as runtime:
        with serving(runtime, SETTINGS) as api:
            ok(api.post("/v1/sessions/alice/ingest?create=true", json={"text": ports(400)}), 202)
            assert held.reached.wait(20)
            api.server._tenants.default.cancel()
            held.go.set()
            refused(api.post("/v1/sessions/bob/ingest?create=true", json={"text": "x"}), 503, "unavailable")
        assert len(runtime.session("alice").memory) == 32


def test_an_answer_tells_what_it_recalled(own: Api) -> None:
    taught(own.runtime.session("alice")).close()  # type: ignore[arg-type]
    body = own.chat(ASK, headers={"X-Session-ID": "alice"}, max_tokens=4, memory={"input": "delta"}).json()
    memory = body["memory"]
    assert memory["tokens"]["recalled"] > 5
    story = ok(own.get(f"/v1/responses/{body['id']}/trace"))
    assert (story["object"], story["commit"], story["recalled"]) == ("response.trace", memory["commit"], True)
    assert story["chosen"][0]["text"] == FACT
    assert len(story["chosen"][0]["by_token"]) == len(story["tokens"]) == 4
    said = ok(own.get("/v1/sessions/alice/messages?order=desc"))["data"]
    assert "".join(story["tokens"]).startswith(said[0]["content"].rstrip())
    place = story["place"]
    assert place["position"] == story["position"]
    assert 0 < said[1]["tokens"]["start"] <= place["position"] <= said[1]["tokens"]["end"]
    assert place["before"]
    assert place["after"].strip()
    assert ok(own.get(f"/v1/responses/{memory['commit'][:10]}/trace")) == story
    nothing = ok(own.get(f"/v1/responses/{memory['parent']}/trace"))
    assert "chosen" not in nothing or nothing["recalled"]


@pytest.mark.parametrize("name", ["chatcmpl-1", "ffffffffff", "alice", "abc", "HEAD", "alice~1"])
def test_an_unknown_answer_has_no_trace(api: Api, name: str) -> None:
    refused(api.get(f"/v1/responses/{name}/trace"), 404, "revision_not_found")


def test_answers_that_are_streamed_or_forgotten() -> None:
    with serving(FakeRuntime()) as api:
        streamed = api.chat("hello", headers={"X-Session-ID": "alice"}, stream=True)
        name = streamed.text.split('"id":"')[1].split('"')[0]
        assert ok(api.get(f"/v1/responses/{name}/trace"))["recalled"] is False
        stateless = api.chat("hello").json()
        refused(api.get(f"/v1/responses/{stateless['id']}/trace"), 404, "revision_not_found")
