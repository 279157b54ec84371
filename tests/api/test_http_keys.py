"""Who comes in, how far a key reaches, and what the audit log says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from perdure.api.access.keyring import Keyring
from perdure.api.access.keys import now_ms
from perdure.api.http import HttpSettings, serve
from perdure.api.http.rules import OPEN, RULES
from perdure.api.http.serve import Server
from perdure.errors import InvalidInput
from perdure.runtime import Runtime
from perdure.runtime import open as open_model
from perdure.testing.encoder import HashedWords

from ..conftest import Opens
from .fakes import FakeRuntime
from .http_server import Api, eventually, serving
from .remembering import SMALL
from .tenancy import House, chat, ended, house

PAGE = "https://app.example"
TOLD = "My locker number is forty-two."


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Runtime]:
    folder = tmp_path_factory.mktemp("keys")
    options: dict[str, Any] = {"memory": SMALL, "encoder": HashedWords(), "threads": 1, "cache": folder / "cache"}
    with open_model(str(model), folder / "store", **options) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def home(runtime: Runtime) -> Iterator[House]:
    keys = {
        "reader": ("acme", "read"),
        "writer": ("acme", "write"),
        "owner": ("acme", "admin"),
        "chief": ("default", "admin"),
    }
    with house(runtime, HttpSettings(cors_origins=(PAGE,)), **keys) as made:
        yield made


@pytest.fixture(scope="module")
def clients(home: House) -> Iterator[dict[str, httpx.Client]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(home.client(name)) for name in home.tokens}


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["code"], body["error"]["code"]) == (status, code, code), body
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["X-Request-ID"]
    assert body["detail"].endswith(".")
    return body


def raw_log(home: House) -> str:
    return "\n".join(path.read_text() for path in sorted((home.root / "access").glob("audit-*.jsonl")))


def test_nobody_comes_in_without_a_key(home: House) -> None:
    token = home.tokens["reader"]
    bad = {
        "nothing": {},
        "another scheme": {"Authorization": f"Basic {token}"},
        "no token": {"Authorization": "Bearer sk-none"},
        "another secret": {"Authorization": f"Bearer {token[:-2]}" + ("aa" if token[-2:] != "aa" else "bb")},
        "an unknown key": {"x-api-key": "key_" + "0" * 16 + token[20:]},
        "an empty key": {"x-api-key": ""},
    }
    for what, headers in bad.items():
        for path in ("/v1/sessions", "/v1/models", "/openapi.json", "/metrics", "/nowhere"):
            response = home.api.get(path, headers=headers)
            refused(response, 401, "invalid_api_key")
            assert response.headers["WWW-Authenticate"].startswith('Bearer realm="perdure"'), what
            assert token[21:] not in response.text
    assert home.api.get("/v1/sessions", headers={"x-api-key": token}).status_code == 200
    assert home.api.get("/v1/sessions", headers={"Authorization": f"bearer {token}"}).status_code == 200


def test_a_key_reaches_as_far_as_its_scope(clients: dict[str, httpx.Client]) -> None:
    """Every endpoint, with names that nobody has: what is allowed fails otherwise, or not at all."""
    ranks = {"reader": "read", "writer": "write", "owner": "admin"}
    order = ["read", "write", "admin"]
    for line, rule in RULES.items():
        method, path = line.split()
        if path in OPEN or path.endswith("/events") or path == "/metrics":
            continue
        for name, scope in ranks.items():
            response = clients[name].request(method, path.replace("{", "no-").replace("}", ""), json=[])
            body = response.json() if response.content and "json" in response.headers["content-type"] else {}
            allowed = order.index(scope) >= order.index(rule.scope)
            assert (body.get("code") == "insufficient_scope") == (not allowed), f"{line} {name} {response.text[:200]}"
            assert (response.status_code == 403) == (not allowed), f"{line} {name} {response.text[:200]}"


def test_what_concerns_all_tenants_needs_an_operator(clients: dict[str, httpx.Client]) -> None:
    refused(clients["owner"].get("/metrics"), 403, "insufficient_scope")
    refused(clients["owner"].post("/v1/keys", json={"name": "x", "tenant": "default"}), 403, "insufficient_scope")
    refused(clients["writer"].get("/metrics"), 403, "insufficient_scope")
    assert clients["chief"].get("/metrics").status_code == 200


def test_keys_over_http(home: House, clients: dict[str, httpx.Client]) -> None:
    owner, chief = clients["owner"], clients["chief"]
    made = owner.post("/v1/keys", json={"name": "for the robot", "scopes": ["read"], "expires_in": 3600})
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    token, key = made.json()["token"], made.json()["id"]
    assert made.json()["expires_at"] - made.json()["created_at"] in (3599, 3600)
    listed = owner.get("/v1/keys").json()
    assert {each["tenant"] for each in listed["data"]} == {"acme"}
    assert token[21:] not in json.dumps(listed)
    assert home.api.get("/v1/sessions", headers={"x-api-key": token}).status_code == 200
    assert owner.get("/v1/keys").json()["data"][0]["last_used_at"] is not None
    fresh = owner.post(f"/v1/keys/{key}/rotate").json()["token"]
    refused(home.api.get("/v1/sessions", headers={"x-api-key": token}), 401, "invalid_api_key")
    assert home.api.get("/v1/sessions", headers={"x-api-key": fresh}).status_code == 200
    assert owner.delete(f"/v1/keys/{key}").json()["state"] == "revoked"
    assert "revoked" in refused(home.api.get("/v1/sessions", headers={"x-api-key": fresh}), 401, "invalid_api_key")["detail"]
    refused(owner.post(f"/v1/keys/{key}/rotate"), 409, "conflict")
    theirs = home.tokens["chief"][:20]
    refused(owner.delete(f"/v1/keys/{theirs}"), 404, "key_not_found")
    refused(owner.post(f"/v1/keys/{theirs}/rotate"), 404, "key_not_found")
    assert chief.post("/v1/keys", json={"name": "x", "tenant": "initech"}).json()["tenant"] == "initech"
    for body in ({"name": "x", "scopes": ["root"]}, {"name": "x", "tenant": "../etc"}, {"name": "a\nb"}):
        assert chief.post("/v1/keys", json=body).status_code == 422
    for text in (raw_log(home), (home.root / "access" / "data.mdb").read_bytes().decode("latin-1")):
        assert token[21:] not in text
        assert fresh[21:] not in text


def test_a_key_that_has_expired_opens_nothing(home: House) -> None:
    minted = home.keyring.create("short", "acme", ("read",), now_ms() + 100_000)
    headers = {"x-api-key": minted.token}
    assert home.api.get("/v1/sessions", headers=headers).status_code == 200
    home.keyring._change(minted.key.id, None, lambda key: key._replace(expires=now_ms() - 1))
    assert "expired" in refused(home.api.get("/v1/sessions", headers=headers), 401, "invalid_api_key")["detail"]


def test_a_stream_ends_when_its_key_is_revoked(home: House, clients: dict[str, httpx.Client]) -> None:
    minted = home.keyring.create("listener", "acme", ("read",))
    with home.api.stream("GET", "/v1/events", headers={"x-api-key": minted.token}) as response:
        lines = response.iter_lines()
        assert next(lines) == ": listening"
        home.keyring.revoke(minted.key.id)
        assert chat(clients["writer"], "Hello.", "overheard").status_code == 200
        assert not any("overheard" in line for line in lines)
    feed = home.api.server._tenants.hub("acme").feed
    eventually(lambda: not feed.listeners)


def test_every_read_and_change_has_a_line_without_its_text(home: House, clients: dict[str, httpx.Client]) -> None:
    writer, reader, owner = clients["writer"], clients["reader"], clients["owner"]
    start = owner.get("/v1/audit?limit=1").json()["first_id"]
    assert chat(writer, TOLD, "locker").status_code == 200
    job = ended(writer, writer.post("/v1/sessions/locker/ingest", json={"text": TOLD}).json()["id"])
    memory = reader.get("/v1/sessions/locker/memory/episodic").json()["data"][0]["id"]
    assert reader.post("/v1/memory/search", json={"query": "locker number"}).json()["data"][0]["id"] == memory
    assert reader.get("/v1/sessions/locker/messages").status_code == 200
    assert reader.get("/v1/sessions/nobody/messages").status_code == 404
    assert writer.patch(f"/v1/memory/{memory}", json={"pinned": True}).status_code == 200
    assert reader.delete(f"/v1/memory/{memory}").status_code == 403
    assert writer.delete(f"/v1/memory/{memory}").status_code == 200
    assert reader.get("/v1/sessions/locker/export").status_code == 200
    assert reader.get("/v1/sessions/My locker number is/messages").status_code == 404
    assert writer.delete("/v1/sessions/locker").status_code == 200
    page = owner.get("/v1/audit", params={"order": "asc", "after": start}).json()
    told = [(each["action"], each["outcome"], each["key"] and each["key"][:20]) for each in page["data"]]
    write, read = (home.tokens[name][:20] for name in ("writer", "reader"))
    assert told == [
        ("session.answer", "200", write),
        ("job.ingest", "completed", None),
        ("memory.ingest", "200", write),
        ("memory.read", "200", read),
        ("memory.search", "200", read),
        ("messages.read", "200", read),
        ("messages.read", "404", read),
        ("memory.edit", "200", write),
        ("memory.erase", "403", read),
        ("memory.erase", "200", write),
        ("job.export", "completed", None),
        ("session.export", "200", read),
        ("messages.read", "404", read),
        ("session.erase", "200", write),
    ]
    by_action = {each["action"]: each for each in page["data"]}
    assert "locker" in by_action["session.answer"]["ids"]
    assert by_action["job.ingest"]["ids"] == [job["id"], "locker"]
    assert memory in by_action["memory.search"]["ids"]
    assert page["data"][-2]["ids"] == ["other"]
    assert {each["tenant"] for each in page["data"]} == {"acme"}
    text = raw_log(home)
    assert not any(word in text for word in ("forty-two", "number is", *(token[21:] for token in home.tokens.values())))
    assert all(line.startswith("{") and json.loads(line)["time"].endswith("Z") for line in text.splitlines())


def test_the_log_comes_in_pages(clients: dict[str, httpx.Client]) -> None:
    owner = clients["owner"]
    for _ in range(5):
        assert owner.get("/v1/sessions/nobody").status_code == 404
    for order in ("asc", "desc"):
        whole = [each["id"] for each in owner.get("/v1/audit", params={"limit": 1000, "order": order}).json()["data"]]
        read: list[str] = []
        while len(read) < 6:
            after = {"after": read[-1]} if read else {}
            page = owner.get("/v1/audit", params={"limit": 2, "order": order, **after}).json()
            assert page["has_more"] or len(read) + 2 >= len(whole)
            read += [each["id"] for each in page["data"]]
        assert read == whole[:6]
    assert owner.get("/v1/audit?after=aud_x").status_code == 404


def test_what_cannot_be_noted_is_not_told(
    home: House, clients: dict[str, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert chat(clients["writer"], TOLD, "kept").status_code == 200

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("perdure.stores.lines.write_all", full)
    response = clients["reader"].get("/v1/sessions/kept/messages")
    refused(response, 507, "store_full")
    assert "locker" not in response.text
    assert clients["reader"].get("/v1/models").status_code == 200


def test_pages_of_named_origins_alone_may_ask(home: House, clients: dict[str, httpx.Client]) -> None:
    asking = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    allowed = home.api.options("/v1/chat/completions", headers=asking)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
    other = home.api.options("/v1/chat/completions", headers={**asking, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    answered = clients["reader"].get("/v1/sessions", headers={"Origin": PAGE})
    assert answered.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in answered.headers
    unload = "/v1/sessions/kept/unload"
    refused(clients["writer"].post(unload, headers={"Origin": "https://evil.example"}), 403, "cross_origin")
    assert clients["writer"].post(unload, headers={"Origin": PAGE}).status_code in (200, 404)
    for bad in ("*", "app.example", "https://app.example/", "null"):
        with pytest.raises(InvalidInput, match="origin"):
            HttpSettings(cors_origins=(bad,))


@pytest.fixture
def keyless(opens: Opens) -> Iterator[Api]:
    with opens() as runtime, serving(runtime) as api:
        yield api


def test_without_keys_everything_is_as_it_was(keyless: Api) -> None:
    assert keyless.remember("Hello.", max_tokens=2)["session"] == "alice"
    root = keyless.runtime.repository.path  # type: ignore[attr-defined]
    assert not (root / "salt").exists()
    assert not (root / "access" / "data.mdb").exists()
    dummy = {"Authorization": "Bearer DUMMY_KEY"}
    assert keyless.get("/v1/sessions", headers=dummy).json()["data"][0]["id"] == "alice"
    assert keyless.get("/metrics").status_code == 200
    assert keyless.get("/v1/keys").json()["data"] == []
    refused(keyless.post("/v1/keys", json={"name": "mine"}), 403, "no_keys")
    options = keyless.options("/v1/sessions", headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"})
    assert (options.status_code, "access-control-allow-origin" in options.headers) == (405, False)
    assert [each["action"] for each in keyless.get("/v1/audit").json()["data"]][-1] == "session.answer"


def test_the_first_key_closes_a_server_that_runs(keyless: Api) -> None:
    keyring = Keyring(keyless.runtime.repository.path)  # type: ignore[attr-defined]
    assert keyless.get("/v1/sessions").status_code == 200
    minted = keyring.create("first", "default", ("admin",))
    refused(keyless.get("/v1/sessions"), 401, "invalid_api_key")
    assert keyless.get("/v1/sessions", headers={"x-api-key": minted.token}).status_code == 200
    keyring.revoke(minted.key.id)
    refused(keyless.get("/v1/sessions"), 401, "invalid_api_key")
    keyring.close()


def test_other_machines_are_let_in_with_keys_alone(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "run", lambda server, sockets: None)
    with opens() as runtime:
        with pytest.raises(InvalidInput, match="perdure keys create"):
            serve(runtime, "0.0.0.0", 0)
        keyring = Keyring(runtime.repository.path)
        keyring.create("first", "default", ("admin",))
        keyring.close()
        serve(runtime, "0.0.0.0", 0)


def test_a_runtime_without_a_store_has_one_tenant() -> None:
    with serving(FakeRuntime()) as api:
        assert api.get("/v1/sessions").status_code == 200
        refused(api.get("/v1/keys"), 503, "unavailable")


def test_quotas_are_seen_by_admins_and_set_by_the_servers_own(clients: dict[str, httpx.Client], home: House) -> None:
    bounds = {"bytes": 10_000_000, "sessions": None, "tokens": 600_000}
    told = clients["chief"].put("/v1/quotas/acme", json=bounds)
    assert told.status_code == 200
    assert told.json() == {"id": "acme", "object": "quota", **bounds}
    assert home.keyring.quota("acme").tokens == 600_000
    assert {"acme", "default"} <= {each["id"] for each in clients["chief"].get("/v1/quotas").json()["data"]}
    assert [each["id"] for each in clients["owner"].get("/v1/quotas").json()["data"]] == ["acme"]
    refused(clients["owner"].put("/v1/quotas/acme", json={}), 403, "insufficient_scope")
    refused(clients["owner"].put("/v1/quotas/default", json={}), 404, "not_found")
    refused(clients["writer"].get("/v1/quotas"), 403, "insufficient_scope")
    refused(clients["chief"].put("/v1/quotas/NO", json={}), 422, "invalid_input")
    refused(clients["chief"].put("/v1/quotas/acme", json={"tokens": -1}), 422, "invalid_parameter")
    refused(clients["chief"].get("/v1/quotas?after=nobody"), 404, "after_not_found")
    assert [
        each["ids"] for each in clients["chief"].get("/v1/audit?limit=200").json()["data"] if each["action"] == "quota.set"
    ]
    assert clients["chief"].put("/v1/quotas/acme", json={}).json()["tokens"] is None
