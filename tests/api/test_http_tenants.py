"""What one tenant has is not there for another: every endpoint, and what could be learned without one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client as Agent
from mcp.client.streamable_http import streamable_http_client

from perdure.api.http import HttpSettings
from perdure.api.http.rules import OPEN, RULES
from perdure.config import Quota
from perdure.memory import Repository
from perdure.runtime import open as open_model
from perdure.testing.encoder import HashedWords

from .http_server import eventually
from .remembering import SMALL
from .tenancy import SECRETS, STORY, House, chat, ended, furnish, house

BODIES: dict[str, Any] = {
    "/v1/quotas/{name}": {},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi."}], "conversation": "alice", "max_tokens": 1},
    "/v1/responses": {"input": "Hi.", "previous_response_id": "RESPONSE", "max_output_tokens": 1},
    "/v1/conversations": {},
    "/v1/completions": {"prompt": "Hi.", "max_tokens": 1},
    "/v1/embeddings": {"input": "pangolin"},
    "/v1/sessions/{name}": {"title": "stolen"},
    "/v1/sessions/{name}/fork": {"name": "stolen"},
    "/v1/sessions/{name}/reset": {"to": "HEAD~1"},
    "/v1/sessions/{name}/merge": {"from": "alice"},
    "/v1/sessions/{name}/branches/{branch}": {"at": "HEAD~1"},
    "/v1/sessions/{name}/tags/{tag}": {"at": "HEAD"},
    "/v1/sessions/{name}/mounts": {"names": []},
    "/v1/sessions/{name}/consolidate": {},
    "/v1/sessions/{name}/memory/summary/probe": {"text": "What does my cousin Tamsin keep?"},
    "/v1/sessions/{name}/memory/parametric/probe": {"text": "What does my cousin Tamsin keep?"},
    "/v1/sessions/{name}/ingest": {"text": "Something else."},
    "/v1/memory/search": {"query": "What does my cousin Tamsin keep?"},
    "/v1/memory/{name}": {"pinned": True},
    "/v1/keys": {"name": "mine"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("tenants")
    options: dict[str, Any] = {"memory": SMALL, "encoder": HashedWords(), "threads": 1, "cache": folder / "cache"}
    with open_model(str(model), folder / "store", **options) as runtime:
        furnish(runtime, "acme")
        keys = {"acme": ("acme", "admin"), "globex": ("globex", "admin"), "operator": ("default", "admin")}
        with house(runtime, HttpSettings(ingest_at_once=10), **keys) as made:
            yield made


@pytest.fixture(scope="module")
def acme(home: House) -> Iterator[httpx.Client]:
    with home.client("acme") as client:
        yield client


@pytest.fixture(scope="module")
def globex(home: House) -> Iterator[httpx.Client]:
    with home.client("globex") as client:
        yield client


@pytest.fixture(scope="module")
def ids(home: House, acme: httpx.Client) -> dict[str, str]:
    """One id of everything that acme has."""
    response = acme.post("/v1/responses", json={"input": STORY, "conversation": "alice", "max_output_tokens": 2})
    assert response.status_code == 200, response.text
    answer = chat(acme, "And then?")
    job = acme.post("/v1/sessions/alice/ingest", json={"text": "The harbour of Biscuit lies in the north of the island."})
    assert job.status_code == 202
    assert ended(acme, job.json()["id"])["status"] == "completed"
    assert acme.put("/v1/sessions/alice/tags/first", json={"at": "HEAD~1"}).status_code == 201
    assert acme.put("/v1/sessions/alice/branches/side", json={"at": "HEAD~1"}).status_code == 201
    return {
        "session": "alice",
        "response": response.json()["id"],
        "chat": answer.json()["id"],
        "commit": acme.get("/v1/sessions/alice").json()["head"],
        "memory": acme.get("/v1/sessions/alice/memory/episodic").json()["data"][0]["id"],
        "record": acme.get("/v1/sessions/alice/memory/parametric").json()["data"][0]["id"],
        "item": acme.get("/v1/conversations/alice/items").json()["data"][0]["id"],
        "job": job.json()["id"],
        "tag": "first",
        "branch": "side",
        "key": home.tokens["acme"][:20],
    }


LEADING_NOWHERE = {"POST /v1/chat/completions", "POST /v1/responses", "POST /v1/responses/compact", "GET /v1/diff"}
"""Where another tenant's ids stand elsewhere than in the path."""


def filled(path: str, ids: dict[str, str]) -> str:
    """A path with acme's ids in it."""
    kinds = {
        "/v1/responses": "response",
        "/v1/chat/completions": "chat",
        "/v1/memory": "memory",
        "/v1/jobs": "job",
        "/v1/keys": "key",
    }
    name = next((ids[kind] for start, kind in kinds.items() if path.startswith(f"{start}/{{name}}")), ids["session"])
    return path.format(
        name=name,
        digits=ids["commit"],
        item=ids["item"],
        branch=ids["branch"],
        tag=ids["tag"],
        record=ids["record"],
        index="0",
    )


def state(home: House) -> Any:
    """All that acme has, as its own store tells it."""
    with Repository.open(home.root / "tenants" / "acme", create=False) as store:
        heads = store.heads()
        return heads, store.tags(), {name: store.reflog(name) for name in heads}, home.keyring.keys("acme")


def walked(home: House) -> list[tuple[str, str]]:
    paths = home.api.get("/openapi.json", headers={"x-api-key": home.tokens["operator"]}).json()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


def test_every_endpoint_has_a_rule(home: House) -> None:
    assert {f"{method} {path}" for method, path in walked(home)} == set(RULES)


def test_no_endpoint_finds_or_changes_what_is_anothers(home: House, globex: httpx.Client, ids: dict[str, str]) -> None:
    eventually(lambda: not home.api.server._tenants.opened("acme").jobs.running)
    before = state(home)
    acme_jobs = {job.id for job in home.api.server._tenants.opened("acme").jobs.all()}
    assert acme_jobs
    for method, path in walked(home):
        body = BODIES.get(path)
        if path in ("/v1/responses", "/v1/responses/compact"):
            body = {**BODIES.get(path, {}), "previous_response_id": ids["response"]}
        params = {"base": ids["commit"], "head": ids["commit"]} if path == "/v1/diff" else {}
        with globex.stream(method, filled(path, ids), json=body, params=params) as response:
            text = "" if path == "/v1/events" else response.read().decode()
        where = f"{method} {path}: {response.status_code} {text[:300]}"
        assert not any(secret in text for secret in SECRETS), where
        if "{" in path or f"{method} {path}" in LEADING_NOWHERE:
            assert response.status_code == 404, where
        elif f"{method} {path}" in ("GET /v1/sessions", "GET /v1/ps", "POST /v1/memory/search"):
            assert all(each["id"].startswith(("conv_", "session-")) for each in response.json()["data"]), where
        elif f"{method} {path}" in ("GET /v1/chat/completions", "GET /v1/memory"):
            assert response.json()["data"] == [], where
        elif f"{method} {path}" == "GET /v1/jobs":
            assert acme_jobs.isdisjoint(each["id"] for each in response.json()["data"]), where
        elif path == "/v1/keys" and method == "GET":
            assert {each["tenant"] for each in response.json()["data"]} == {"globex"}, where
        elif path == "/v1/audit":
            assert {each["tenant"] for each in response.json()["data"]} <= {"globex"}, where
        elif path == "/metrics":
            assert response.status_code == 403, where
        else:
            assert response.status_code in (200, 201, 202, 422), where
    assert state(home) == before


def test_the_tools_of_agents_are_their_tenants(home: House, ids: dict[str, str]) -> None:
    reader = home.keyring.create("reader", "acme", ("read",)).token

    async def told(token: str, tool: str, **given: Any) -> tuple[bool, str]:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=20) as http,
            Agent(streamable_http_client(f"{home.api.base_url}/mcp", http_client=http)) as agent,
        ):
            found = await agent.call_tool(tool, given)
            return found.is_error, found.model_dump_json()

    async def story() -> None:
        mine, foreign = home.tokens["acme"], home.tokens["globex"]
        assert ids["memory"] in (await told(reader, "memory_search", query="What does my cousin Tamsin keep?"))[1]
        assert "pangolin" not in (await told(foreign, "memory_search", query="What does my cousin Tamsin keep?"))[1]
        assert '"alice"' in (await told(reader, "session_list"))[1]
        refused, said = await told(foreign, "session_fork", session="alice", name="stolen")
        assert (refused, "There is no session" in said) == (True, True)
        refused, said = await told(reader, "session_fork", session="alice", name="mine")
        assert (refused, "insufficient_scope" in said) == (True, True)
        assert not (await told(mine, "session_fork", session="alice", name="forked-by-tool"))[0]

    asyncio.run(story())
    assert home.api.post("/mcp", json={}).status_code == 401
    forks = [each for each in home.audit.entries("acme") if each.action == "session.fork" and "forked-by-tool" in each.ids]
    assert [each.outcome for each in forks] == ["ok"]
    with home.client("acme") as acme:
        assert acme.delete("/v1/sessions/forked-by-tool").status_code == 200


def test_the_same_ids_are_there_for_their_owner(acme: httpx.Client, ids: dict[str, str]) -> None:
    for kind in ("sessions", "responses", "memory", "jobs"):
        assert acme.get(filled(f"/v1/{kind}/{{name}}", ids)).status_code == 200, kind
    assert acme.get(f"/v1/responses/{ids['chat']}/trace").status_code == 200


def test_ids_of_answers_and_events_lead_nowhere_for_others(
    home: House, acme: httpx.Client, globex: httpx.Client, ids: dict[str, str]
) -> None:
    assert globex.get(f"/v1/responses/{ids['chat']}/trace").status_code == 404
    with acme.stream("GET", "/v1/events") as mine, globex.stream("GET", "/v1/events") as other:
        lines, others = mine.iter_lines(), other.iter_lines()
        assert (next(lines), next(others)) == (": listening", ": listening")
        assert acme.post("/v1/sessions/alice/fork", json={"name": "heard"}).status_code == 201
        assert globex.post("/v1/conversations", json={}).status_code == 200
        assert any("heard" in line for line in lines if line.startswith("data:"))
        first = next(line for line in others if line.startswith("data:"))
        assert "heard" not in first
        assert "session" in first
    assert acme.delete("/v1/sessions/heard").status_code == 200


def test_a_beginning_that_another_has_computed_is_computed_again(acme: httpx.Client, globex: httpx.Client) -> None:
    def reused(client: httpx.Client, session: str) -> int:
        response = chat(client, STORY, session)
        assert response.status_code == 200, response.text
        found: int = response.json()["memory"]["tokens"]["reused"]
        return found

    reused(acme, "tale-1")
    assert reused(acme, "tale-2") > 0
    assert reused(globex, "tale-1") == 0
    assert reused(globex, "tale-2") > 0


def test_lineage_ids_of_tenants_have_nothing_in_common(home: House, acme: httpx.Client, globex: httpx.Client) -> None:
    for client in (acme, globex):
        assert chat(client, STORY, "tale").status_code == 200
    found = []
    for tenant in ("acme", "globex"):
        with Repository.open(home.root / "tenants" / tenant, create=False) as store, store.store.read() as txn:
            assert len(store.salt) == 32
            found.append({lineage for lineage, _ in txn.lineages()})
    assert found[0]
    assert found[1]
    assert not found[0] & found[1]


def test_names_etags_and_idempotency_keys_are_each_tenants_own(acme: httpx.Client, globex: httpx.Client) -> None:
    assert chat(acme, "Mine.", "shared").status_code == 200
    assert globex.get("/v1/sessions/shared").status_code == 404
    assert chat(globex, "Mine too.", "shared").status_code == 200
    tag = acme.get("/v1/sessions/shared").headers["etag"]
    assert globex.delete("/v1/sessions/shared", headers={"If-Match": tag}).status_code == 412
    headers = {"Idempotency-Key": "once"}
    first = acme.post("/v1/sessions/shared/fork", json={"name": "twin"}, headers=headers)
    other = globex.post("/v1/sessions/shared/fork", json={"name": "twin"}, headers=headers)
    again = acme.post("/v1/sessions/shared/fork", json={"name": "twin"}, headers=headers)
    assert [each.status_code for each in (first, other, again)] == [201, 201, 201]
    assert "idempotency-replayed" not in other.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["head"] != other.json()["head"]


def test_a_session_in_use_is_busy_for_its_owner_alone(home: House, acme: httpx.Client, globex: httpx.Client) -> None:
    for client in (acme, globex):
        assert chat(client, "Hello.", "busy").status_code == 200
    warm = home.api.server._tenants.hub("acme").turns.warm
    warm.reserve("busy")
    try:
        assert chat(acme, "Again.", "busy").status_code == 409
        assert chat(globex, "Again.", "busy").status_code == 200
    finally:
        warm.discard("busy")


def test_sessions_bytes_and_tokens_have_bounds(home: House, globex: httpx.Client, acme: httpx.Client) -> None:
    have = globex.get("/v1/stats").json()
    assert have["tenant"] == "globex"
    assert have["quota"] == {"bytes": None, "sessions": None, "tokens": None}
    home.keyring.set_quota("globex", Quota(sessions=have["sessions"]))
    for response in (
        chat(globex, "Hello.", "one-more"),
        globex.post("/v1/sessions/shared/fork", json={"name": "one-more"}),
        globex.post("/v1/conversations", json={}),
    ):
        assert (response.status_code, response.json()["code"]) == (403, "quota_exceeded")
        assert response.json()["error"]["message"].endswith("remove one first.")
    assert globex.get("/v1/sessions/one-more").status_code == 404
    assert chat(globex, "Hello again.", "shared").status_code == 200
    used = globex.get("/v1/stats").json()["bytes"]["logical"]
    home.keyring.set_quota("globex", Quota(bytes=used))
    refused = chat(globex, "Hello.", "shared")
    assert (refused.status_code, refused.json()["code"]) == (403, "quota_exceeded")
    home.keyring.set_quota("globex", Quota(bytes=used + 1))
    assert chat(globex, "Hello.", "shared").status_code == 200
    home.keyring.set_quota("globex", Quota(tokens=1))
    late = chat(globex, "Hello.", "shared")
    assert (late.status_code, late.json()["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(late.headers["Retry-After"]) <= 60
    assert globex.get("/v1/stats").json()["tokens_last_minute"] > 1
    assert globex.get("/v1/sessions/shared").status_code == 200
    assert chat(acme, "Hello.", "shared").status_code == 200
    home.keyring.set_quota("globex", Quota())
    assert chat(globex, "Hello.", "shared").status_code == 200


def test_what_is_open_needs_no_key(home: House) -> None:
    assert {path: home.api.get(path).status_code for path in OPEN} == dict.fromkeys(OPEN, 200)
    assert home.api.get("/v1/models").status_code == 401


def test_stats_tell_of_all_tenants_to_the_operator_alone(home: House, acme: httpx.Client, globex: httpx.Client) -> None:
    mine = {client.get("/v1/stats").json()["tenant"]: client.get("/v1/stats").json() for client in (acme, globex)}
    assert all("tenants" not in each for each in mine.values())
    with home.client("operator") as operator:
        whole = operator.get("/v1/stats").json()
    assert whole["tenant"] == "default"
    every = {each["tenant"]: each for each in whole["tenants"]}
    assert every.keys() >= {"default", "acme", "globex"}
    for name, own in mine.items():
        assert every[name]["at_work"]
        for part in ("sessions", "tiers", "tokens", "quota"):
            assert every[name][part] == own[part]


def test_metrics_tell_of_all_tenants_to_the_operator(home: House) -> None:
    with home.client("operator") as operator:
        text = operator.get("/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("perdure_sessions ")]
        assert float(lines[0].split()[1]) >= 2
        assert "acme" not in text
        assert {each["tenant"] for each in operator.get("/v1/audit?limit=1000").json()["data"]} >= {"acme", "globex"}
        assert operator.get("/v1/sessions").json()["data"] == []
