"""Every status that the published description names for an endpoint is answered to some request, and no other one is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from perdure.api.http import HttpSettings
from perdure.errors import AmbiguousRevision, StoreFull
from perdure.memory.repository import Repository
from perdure.testing.records import record_of

from ..conftest import Opens
from .http_server import Api, serving
from .records import ASK, ASK_BOAT, BOAT, PANGOLIN, scripted
from .remembering import small

GENERAL = {401, 403, 405, 413, 429, 500, 503}
"""What any endpoint may answer without saying so: refusals before it is reached, and failures."""

ELSEWHERE = ("/v1/keys", "/v1/quotas", "/v1/audit")
"""Asked in test_http_keys, where there are keys."""

BUNDLES = {"Content-Type": "application/vnd.perdure.bundle"}
SAY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
ANSWER = {"input": "Hello", "max_output_tokens": 2}
BODIES: dict[str, Any] = {
    "POST /v1/chat/completions": {**SAY, "conversation": "NAME"},
    "POST /v1/responses": {**ANSWER, "conversation": "NAME"},
    "POST /v1/responses/input_tokens": {**ANSWER, "conversation": "NAME"},
    "POST /v1/responses/compact": {"previous_response_id": "NAME"},
    "POST /v1/completions": {"prompt": "Hello", "max_tokens": 2, "model": "NAME"},
    "POST /v1/embeddings": {"input": "Hello", "model": "NAME"},
    "POST /v1/memory/search": {"query": "bees", "sessions": ["NAME"]},
    "PATCH /v1/memory/{name}": {"pinned": True},
    "POST /v1/sessions/{name}/fork": {"name": "bob"},
    "POST /v1/sessions/{name}/reset": {"to": "HEAD"},
    "POST /v1/sessions/{name}/merge": {"from": "bob"},
    "POST /v1/sessions/{name}/consolidate": {},
    "POST /v1/sessions/{name}/memory/summary/probe": {"text": "bees"},
    "POST /v1/sessions/{name}/memory/parametric/probe": {"text": "bees"},
    "POST /v1/sessions/{name}/ingest": {"text": "Ada keeps bees."},
    "PUT /v1/sessions/{name}/mounts": {"names": []},
    "POST /v1/sessions": {"name": "NAME"},
    "PATCH /v1/sessions/{name}": {"title": "A title"},
}
"""Right bodies, where an endpoint needs one; NAME is what it is about."""


class Asked:
    """Sends requests, and keeps what was answered by endpoint."""

    def __init__(self, api: Api) -> None:
        self.api = api
        described = api.get("/openapi.json").json()["paths"]
        self.paths: dict[str, Any] = {path: each for path, each in described.items() if not path.startswith(ELSEWHERE)}
        self.answered: defaultdict[str, set[int]] = defaultdict(set)

    def __call__(self, status: int, endpoint: str, *values: str, query: str = "", **options: Any) -> httpx.Response:
        """Values stand for the places of a path, in order."""
        method, path = endpoint.split()
        left = iter(values)
        filled = re.sub(r"\{\w+\}", lambda _: next(left), path)
        found = self.api.request(method, filled + query, **options)
        assert found.status_code == status, (endpoint, values, found.text)
        self.answered[endpoint].add(status)
        return found

    def naming(self, status: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """The endpoints that name a status."""
        for path, operations in self.paths.items():
            for method, operation in operations.items():
                if str(status) in operation["responses"]:
                    yield f"{method.upper()} {path}", operation


@pytest.fixture
def api(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """alice knows two facts, one of them from bob, whom she mounts; carol is as she is."""
    scripted(monkeypatch)
    settings = HttpSettings(bundle_limit=1 << 20, ingest_limit=1 << 20, ingest_at_once=1000)
    with small(opens) as runtime, serving(runtime, settings) as api:
        for name, fact, ask in (("bob", BOAT, ASK_BOAT), ("alice", PANGOLIN, ASK), ("carol", PANGOLIN, ASK)):
            with runtime.session(name) as session:
                session.chat("Hello", max_tokens=2)
                session.teach([record_of(runtime, fact, (ask,), 3)], (), "teach")
                session.memory.add([("bees", "Ada keeps bees.")])
                session.mount(["bob"] if name == "alice" else [])
        yield api


@contextmanager
def busy(api: Api, *names: str) -> Iterator[None]:
    """Sessions that another request uses."""
    warm = api.server._tenants.default.turns.warm
    for name in names:
        warm.reserve(name)
    try:
        yield
    finally:
        for name in names:
            warm.discard(name)


def about(body: Any, name: str) -> Any:
    if isinstance(body, dict):
        return {key: about(value, name) for key, value in body.items()}
    return [about(each, name) for each in body] if isinstance(body, list) else name if body == "NAME" else body


def test_each_status_that_is_named_is_answered_and_no_other(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = Asked(api)
    for part in (unreadable, missing, successes, conflicts, preconditions, foreign, failing):
        part(ask, monkeypatch)
    for path, operations in ask.paths.items():
        for method, operation in operations.items():
            endpoint = f"{method.upper()} {path}"
            named = {int(status) for status in operation["responses"] if status != "default"}
            answered = ask.answered[endpoint]
            assert named <= answered, (endpoint, "named and never answered", named - answered)
            assert answered <= named | GENERAL, (endpoint, "answered and not named", answered - named - GENERAL)


def unreadable(ask: Asked, _: pytest.MonkeyPatch) -> None:
    """No JSON, JSON of another kind, and parameters that cannot be."""
    for endpoint, operation in ask.naming(422):
        values = ["alice"] * endpoint.count("{")
        if "application/json" in operation.get("requestBody", {}).get("content", {}):
            headers = {"Content-Type": "application/json"}
            ask(400, endpoint, *values, content=b"{", headers=headers)
            ask(422, endpoint, *values, content=b"[]", headers=headers)
        names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "query"}
        for query in ("limit=0", "at=@", "base=@&head=@", "starting_after=x"):
            if query.partition("=")[0] in names:
                ask(422, endpoint, *values, query=f"?{query}")
    ask(422, "POST /v1/sessions/import", content=b"no bundle", headers=BUNDLES)


def missing(ask: Asked, _: pytest.MonkeyPatch) -> None:
    """Nothing of that name; no page after what is not there."""
    for endpoint, operation in ask.naming(404):
        if any(parameter["name"] == "after" for parameter in operation.get("parameters", ())):
            ask(404, endpoint, *["alice"] * endpoint.count("{"), query="?after=nothing")
        if "{" in endpoint or endpoint in BODIES.keys() - {"POST /v1/sessions"}:
            body = about(BODIES.get(endpoint), "nobody")
            query = "?base=nobody&head=alice" if endpoint.endswith("/diff") else ""
            ask(404, endpoint, *["nobody"] * endpoint.count("{"), query=query, json=body)
    ask(404, "GET /v1/diff", query="?base=nobody&head=alice")
    ask(404, "GET /v1/sessions/{name}", "nobody")
    ask(404, "POST /v1/sessions", json={"model": "nobody"})


def successes(ask: Asked, _: pytest.MonkeyPatch) -> None:
    plain: dict[str, Callable[[], Any]] = {
        endpoint: lambda endpoint=endpoint: ask(200, endpoint, *["alice"] * endpoint.count("{"))  # type: ignore[misc]
        for endpoint, operation in ask.naming(200)
        if endpoint.startswith("GET") and endpoint.count("{") <= ("/sessions/{name}" in endpoint)
    }
    special = ("GET /v1/diff", "GET /v1/events", "GET /v1/sessions/{name}/events")
    for endpoint, send in plain.items():
        if endpoint not in special:
            send()
    ask(200, "GET /v1/diff", query="?base=alice&head=bob")
    for endpoint in special[1:]:
        with ask.api.stream("GET", endpoint.split()[1].replace("{name}", "alice")) as stream:
            ask.answered[endpoint].add(stream.status_code)
    told(ask)
    kept(ask)
    remembered(ask)


def told(ask: Asked) -> None:
    """Chats, responses and conversations."""
    stored = ask(200, "POST /v1/chat/completions", json={**SAY, "store": True}, headers={"X-Session-ID": "eve"}).json()
    for suffix in ("", "/messages"):
        ask(200, f"GET /v1/chat/completions/{{name}}{suffix}", stored["id"])
    ask(400, "POST /v1/chat/completions/{name}", stored["id"], json={"metadata": {}})
    with busy(ask.api, "eve"):
        ask(409, "DELETE /v1/chat/completions/{name}", stored["id"])
    ask(200, "DELETE /v1/chat/completions/{name}", stored["id"])
    ask(200, "POST /v1/completions", json={"prompt": "Hello", "max_tokens": 2})
    ask(200, "POST /v1/embeddings", json={"input": "Hello"})
    made = ask(200, "POST /v1/conversations").json()["id"]
    for endpoint in ("GET /v1/conversations/{name}", "GET /v1/conversations/{name}/items"):
        ask(200, endpoint, made)
    ask(200, "POST /v1/conversations/{name}", made, json={})
    ask(400, "POST /v1/conversations/{name}/items", made, json={"items": []})
    answer = ask(200, "POST /v1/responses", json={**ANSWER, "conversation": made}).json()
    item = ask(200, "GET /v1/conversations/{name}/items", made).json()["first_id"]
    ask(200, "GET /v1/conversations/{name}/items/{item}", made, item)
    ask(400, "DELETE /v1/conversations/{name}/items/{item}", made, item)
    for suffix in ("", "/input_items", "/trace"):
        ask(200, f"GET /v1/responses/{{name}}{suffix}", answer["id"])
    ask(400, "POST /v1/responses/{name}/cancel", answer["id"])
    ask(200, "POST /v1/responses/input_tokens", json=ANSWER)
    ask(200, "POST /v1/responses/compact", json={"previous_response_id": answer["id"]})
    with busy(ask.api, made):
        ask(409, "DELETE /v1/responses/{name}", answer["id"])
    ask(200, "DELETE /v1/responses/{name}", answer["id"])
    ask(200, "DELETE /v1/conversations/{name}", made)
    long = {"input": "Hello", "max_output_tokens": 1000, "logit_bias": {"2": -100}, "background": True}
    under_way = ask(200, "POST /v1/responses", json=long).json()["id"]
    ask(409, "POST /v1/responses/input_tokens", json={**ANSWER, "previous_response_id": under_way})
    ask(200, "POST /v1/responses/{name}/cancel", under_way)


def kept(ask: Asked) -> None:
    """Sessions, branches, tags, bundles and what is done to the store."""
    head = ask(200, "GET /v1/sessions/{name}", "alice").json()["head"]
    ask(404, "GET /v1/commits/{digits}", "0" * 64)
    ask(200, "GET /v1/commits/{digits}", head)
    ask(304, "GET /v1/commits/{digits}", head, headers={"If-None-Match": f'"{head}"'})
    ask(200, "GET /v1/models/{name}", "model")
    ask(201, "POST /v1/sessions", json={"name": "nora"})
    ask(200, "PATCH /v1/sessions/{name}", "nora", json={"title": "A title"})
    ask(201, "POST /v1/sessions/{name}/fork", "alice", json={"name": "zoe"})
    ask(200, "POST /v1/sessions/{name}/reset", "zoe", json={"to": "HEAD"})
    ask(200, "POST /v1/sessions/{name}/merge", "zoe", json={"from": "alice"})
    ask(201, "POST /v1/sessions/{name}/merge", "zoe", json={"from": "bob"})
    place = "/v1/sessions/{name}/branches/{branch}"
    ask(201, f"PUT {place}", "alice", "amy")
    for method in ("PUT", "GET", "DELETE"):
        ask(200, f"{method} {place}", "alice", "amy")
    place = "/v1/sessions/{name}/tags/{tag}"
    ask(201, f"PUT {place}", "alice", "v1")
    ask(409, f"PUT {place}", "alice", "v1", json={"at": "HEAD~1"})
    for method in ("PUT", "GET", "DELETE"):
        ask(200, f"{method} {place}", "alice", "v1")
    bundle = ask(200, "GET /v1/sessions/{name}/export", "alice").content
    ask(201, "POST /v1/sessions/import", query="?name=again", content=bundle, headers=BUNDLES)
    ask(409, "POST /v1/sessions/import", query="?name=again", content=bundle, headers=BUNDLES)
    for verb in ("load", "unload"):
        ask(200, f"POST /v1/sessions/{{name}}/{verb}", "again")
    ask(200, "DELETE /v1/sessions/{name}", "again")
    job = ask(202, "POST /v1/sessions/{name}/verify", "bob", json={"hashes_only": True}).json()["id"]
    ask(202, "POST /v1/gc", json={"dry_run": True})
    ask(202, "POST /v1/fsck", json={"repair": False})
    ask(200, "GET /v1/sessions/{name}/blocks/{index}", "alice", "0")
    ask(200, "GET /v1/jobs/{name}", job)
    ask(202, "DELETE /v1/jobs/{name}", job)


def remembered(ask: Asked) -> None:
    """Memories and what is known by fast weights."""
    fresh = ask(200, "POST /v1/sessions/{name}/ingest", "yves", query="?create=true", json={"text": "Wasps sting."}).json()
    ask(202, "POST /v1/sessions/{name}/ingest", "yves", json={"text": "More of them. " * 200})
    assert fresh["status"] == "completed"
    found = ask(200, "POST /v1/memory/search", json={"query": "Wasps sting.", "sessions": ["yves"], "threshold": 0}).json()
    name = found["data"][0]["id"]
    ask(200, "GET /v1/memory/{name}", name)
    ask(200, "GET /v1/memory")
    ask_patiently(ask, "PATCH /v1/memory/{name}", name, json={"pinned": True})
    with busy(ask.api, "yves"):
        ask(409, "PATCH /v1/memory/{name}", name, json={"pinned": False})
        ask(409, "DELETE /v1/memory/{name}", name)
    wrong = {"If-Match": '"x"'}
    ask(412, "PATCH /v1/memory/{name}", name, json={"pinned": False}, headers=wrong)
    ask(412, "DELETE /v1/memory/{name}", name, headers=wrong)
    shared = ask(200, "GET /v1/sessions/{name}/memory/episodic", "bob").json()["data"][0]["id"]
    ask(201, "POST /v1/sessions/{name}/fork", "bob", json={"name": "ben"})
    ask(200, "PATCH /v1/memory/{name}", shared, query="?session=ben", json={"text": "Ada keeps wasps."})
    ask(409, "GET /v1/memory/{name}", shared)
    ask(200, "DELETE /v1/memory/{name}", name)
    for tier in ("summary", "parametric"):
        ask(200, f"POST /v1/sessions/{{name}}/memory/{tier}/probe", "alice", json={"text": "bees"})
    records = ask(200, "GET /v1/sessions/{name}/memory/parametric", "alice").json()["data"]
    own, lent = (next(each["id"] for each in records if each["own"] is own) for own in (True, False))
    place = "/v1/sessions/{name}/memory/parametric/{record}"
    ask(200, f"GET {place}", "alice", own)
    ask(409, f"DELETE {place}", "alice", lent)
    ask(412, f"DELETE {place}", "alice", own, headers=wrong)
    ask(200, f"DELETE {place}", "alice", own)
    ask(200, "PUT /v1/sessions/{name}/mounts", "alice", json={"names": []})
    ask(202, "POST /v1/sessions/{name}/consolidate", "ben", json={})


def ask_patiently(ask: Asked, endpoint: str, *values: str, **options: Any) -> None:
    """A job of the session has to end first."""
    for _ in range(2000):
        method, path = endpoint.split()
        found = ask.api.request(method, path.replace("{name}", values[0]), **options)
        if found.status_code != 409:
            break
    assert found.status_code == 200, found.text
    ask.answered[endpoint].add(200)


def conflicts(ask: Asked, patch: pytest.MonkeyPatch) -> None:
    """Another request uses the session; and what is no conflict of that kind."""
    others = {"POST /v1/sessions/import", "GET /v1/commits/{digits}", "GET /v1/memory/{name}"}
    with busy(ask.api, "carol"):
        for endpoint, _ in ask.naming(409):
            known = 409 in ask.answered[endpoint]
            if known or endpoint in others or endpoint.startswith(("POST /v1/responses/", "DELETE /v1/chat")):
                continue
            ask(409, endpoint, *["carol"] * endpoint.count("{"), json=about(BODIES.get(endpoint), "carol"))
    with patch.context() as context:

        def ambiguous(*_: Any, **__: Any) -> None:
            raise AmbiguousRevision("2 commits begin with 01234567. Give more digits.")

        context.setattr(Repository, "resolve", ambiguous)
        ask(409, "GET /v1/commits/{digits}", "01234567")


def preconditions(ask: Asked, _: pytest.MonkeyPatch) -> None:
    """The session is elsewhere than If-Match says."""
    wrong = {"If-Match": '"x"'}
    ask(201, "PUT /v1/sessions/{name}/tags/{tag}", "carol", "v2")
    ask(412, "DELETE /v1/sessions/{name}/tags/{tag}", "carol", "v2", headers=wrong)
    for endpoint, _operation in ask.naming(412):
        if 412 not in ask.answered[endpoint]:
            body = about(BODIES.get(endpoint), "carol")
            values = ["carol"] * endpoint.count("{")
            ask(412, endpoint, *values, json=body, headers=wrong)


def foreign(ask: Asked, _: pytest.MonkeyPatch) -> None:
    """A page of another site asks, or sends too much."""
    for endpoint, _operation in ask.naming(403):
        values = ["carol"] * endpoint.count("{")
        ask(403, endpoint, *values, json=BODIES.get(endpoint, {}), headers={"Origin": "http://evil.example"})
    for endpoint, _operation in ask.naming(413):
        ask(413, endpoint, *["carol"] * endpoint.count("{"), content=b"x" * ((1 << 20) + 1))


def failing(ask: Asked, patch: pytest.MonkeyPatch) -> None:
    """A full disk, and a server that stops."""

    def full(*_: Any, **__: Any) -> None:
        raise StoreFull("The disk is full; free some space.")

    patch.setattr(Repository, "export", full)
    patch.setattr(Repository, "import_bundle", full)
    ask(507, "GET /v1/sessions/{name}/export", "carol")
    ask(507, "POST /v1/sessions/import", content=b"any", headers=BUNDLES)
    turns = ask.api.server._tenants.default.turns
    patch.setattr(turns, "closing", True)
    ask(503, "GET /health/ready")
