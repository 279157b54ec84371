"""Commits, branches, tags, resets, bundles and upkeep over HTTP: a real runtime with a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from perdure.api.http import HttpSettings
from perdure.memory.recipe import PARTS, Recipe
from perdure.memory.repository import Repository

from ..conftest import Opens
from ..memory.conftest import add_turn
from .http_server import Api, eventually, serving

SETTINGS = HttpSettings(bundle_limit=1 << 20)


@pytest.fixture
def api(opens: Opens) -> Iterator[Api]:
    """alice has had two turns."""
    with opens() as runtime, serving(runtime, SETTINGS) as api:
        with runtime.session("alice") as session:
            session.chat("One.", max_tokens=2)
            session.chat("Two.", max_tokens=2)
        yield api


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str, sentence: str = "") -> None:
    body = response.json()
    assert (response.status_code, body["code"], body["error"]["code"]) == (status, code, code), body
    assert response.headers["content-type"] == "application/problem+json"
    assert sentence in body["detail"]
    assert body["detail"].endswith(".")


def ended(api: Api, response: httpx.Response) -> dict[str, Any]:
    url = response.headers["Location"]
    assert url == f"/v1/jobs/{ok(response, 202)['id']}"
    eventually(lambda: api.get(url).json()["status"] not in ("queued", "running"))
    found: dict[str, Any] = ok(api.get(url))
    return found


def commits(api: Api, name: str = "alice") -> list[str]:
    return [each["id"] for each in ok(api.get(f"/v1/sessions/{name}/commits"))["data"]]


def test_a_commit_is_immutable(api: Api) -> None:
    head, before, *_ = commits(api)
    response = api.get(f"/v1/commits/{head}")
    body = ok(response)
    assert (body["id"], body["object"], body["parents"], body["turn"]) == (head, "session.commit", [before], 2)
    assert len(body["recipe"]) == 64
    assert "immutable" in response.headers["Cache-Control"]
    assert response.headers["ETag"] == f'"{head}"'
    again = api.get(f"/v1/commits/{head}", headers={"If-None-Match": f'"{head}"'})
    assert (again.status_code, again.content) == (304, b"")
    short = api.get(f"/v1/commits/{head[:12]}")
    assert (ok(short)["id"], short.headers["Cache-Control"]) == (head, "no-cache")


@pytest.mark.parametrize("name", ["alice", "0" * 64, "abc", "ABCDEF0123"])
def test_what_is_no_commit_is_not_found(api: Api, name: str) -> None:
    refused(api.get(f"/v1/commits/{name}"), 404, "revision_not_found")


def test_a_session_called_like_a_hash_is_no_commit(api: Api) -> None:
    ok(api.post("/v1/sessions/alice/fork", json={"name": "abcdef0123"}), 201)
    refused(api.get("/v1/commits/abcdef0123"), 404, "revision_not_found", "8 or more digits")


def test_diff(api: Api) -> None:
    body = ok(api.get("/v1/diff", params={"base": "alice~1", "head": "alice"}))
    assert (body["object"], body["common_messages"], body["base_messages"]) == ("diff", 2, [])
    assert [(m["id"], m["role"]) for m in body["head_messages"]] == [("msg_2", "user"), ("msg_3", "assistant")]
    assert body["ancestor"] == body["base"]["id"] == commits(api)[1]
    text = api.get("/v1/diff", params={"base": "alice~1", "head": "alice"}, headers={"Accept": "text/plain"})
    assert text.headers["content-type"].startswith("text/plain")
    assert "+ user: Two." in text.text
    refused(api.get("/v1/diff", params={"base": "alice", "head": "nobody"}), 404, "revision_not_found")
    refused(api.get("/v1/diff", params={"base": "alice"}), 422, "invalid_parameter")


def test_reset_and_back(api: Api) -> None:
    head = commits(api)[0]
    assert api.get("/v1/sessions/alice").headers["ETag"] == f'"{head}"'
    response = api.post("/v1/sessions/alice/reset", json={"to": "HEAD~1"}, headers={"If-Match": f'"{head}"'})
    body = ok(response)
    assert (body["turns"], body["previous"]) == (1, head)
    assert response.headers["ETag"] == f'"{body["head"]}"'
    late = api.post("/v1/sessions/alice/reset", json={"to": head}, headers={"If-Match": f'"{head}"'})
    refused(late, 412, "precondition_failed", body["head"])
    assert ok(api.get("/v1/sessions/alice"))["turns"] == 1
    assert ok(api.post("/v1/sessions/alice/reset", json={"to": head}))["turns"] == 2
    refused(api.post("/v1/sessions/nobody/reset", json={"to": head}), 404, "session_not_found")
    refused(api.post("/v1/sessions/alice/reset", json={"to": "~9"}), 404, "revision_not_found")
    refused(api.post("/v1/sessions/alice/reset", json={}), 422, "invalid_parameter")


def test_a_warm_session_goes_on_from_where_it_was_reset_to(api: Api) -> None:
    api.remember("Three.", session="bob", max_tokens=2)
    api.remember("Four.", session="bob", max_tokens=2, memory={"input": "delta"})
    ok(api.post("/v1/sessions/bob/reset", json={"to": "@turn:1"}))
    assert api.remember("Five.", session="bob", max_tokens=2, memory={"input": "delta"})["session"] == "bob"
    assert [m["content"] for m in ok(api.get("/v1/sessions/bob/messages"))["data"]][::2] == ["Three.", "Five."]


def test_branches_are_forks(api: Api) -> None:
    head, before, *_ = commits(api)
    made = api.put("/v1/sessions/alice/branches/idea", json={"at": "@turn:1"})
    assert (ok(made, 201)["head"], made.headers["Location"], made.headers["ETag"]) == (
        before,
        "/v1/sessions/idea",
        f'"{before}"',
    )
    assert ok(api.get("/v1/sessions/alice/branches/idea")) == ok(api.get("/v1/sessions/idea"))
    assert [b["id"] for b in ok(api.get("/v1/sessions/alice/branches"))["data"]] == ["alice", "idea"]
    assert ok(api.put("/v1/sessions/alice/branches/idea", json={"at": head}))["head"] == head
    refused(api.put("/v1/sessions/alice/branches/idea", json={"at": before}), 409, "not_fast_forward", "force")
    moved = api.put(
        "/v1/sessions/alice/branches/idea", json={"at": before, "force": True}, headers={"If-Match": f'"{head}"'}
    )
    assert ok(moved)["head"] == before
    stale = api.put("/v1/sessions/alice/branches/idea", headers={"If-Match": f'"{head}"'})
    refused(stale, 412, "precondition_failed")
    refused(api.put("/v1/sessions/alice/branches/idea", headers={"If-None-Match": "*"}), 412, "precondition_failed")
    refused(api.put("/v1/sessions/alice/branches/other", headers={"If-Match": f'"{head}"'}), 412, "precondition_failed")
    refused(api.delete("/v1/sessions/alice/branches/idea", headers={"If-Match": '"00"'}), 412, "precondition_failed")
    assert ok(api.delete("/v1/sessions/alice/branches/idea"))["deleted"]
    refused(api.get("/v1/sessions/alice/branches/idea"), 404, "session_not_found")


def test_a_session_that_is_no_fork_is_no_branch(api: Api) -> None:
    api.remember("Hello.", session="bob", max_tokens=2)
    refused(api.put("/v1/sessions/alice/branches/bob"), 409, "session_exists", "no fork of alice")
    refused(api.get("/v1/sessions/alice/branches/bob"), 404, "session_not_found")
    refused(api.get("/v1/sessions/nobody/branches"), 404, "session_not_found")


def test_tags(api: Api) -> None:
    head, before, *_ = commits(api)
    made = ok(api.put("/v1/sessions/alice/tags/first", json={"at": "@turn:1"}), 201)
    assert (made["id"], made["session"], made["commit"]["id"]) == ("first", "alice", before)
    assert ok(api.put("/v1/sessions/alice/tags/first", json={"at": before})) == made
    refused(api.put("/v1/sessions/alice/tags/first", json={"at": head}), 409, "session_exists", "points elsewhere")
    assert ok(api.get("/v1/sessions/alice/tags"))["data"] == [made]
    assert ok(api.get("/v1/sessions/alice/tags/first")) == made
    refused(api.delete("/v1/sessions/alice/tags/first", headers={"If-Match": f'"{head}"'}), 412, "precondition_failed")
    assert ok(api.delete("/v1/sessions/alice/tags/first"))["deleted"]
    refused(api.get("/v1/sessions/alice/tags/first"), 404, "revision_not_found")
    refused(api.put("/v1/sessions/alice/tags/a b"), 422, "invalid_name")


def test_delete_only_what_was_seen(api: Api) -> None:
    refused(api.delete("/v1/sessions/alice", headers={"If-Match": '"00"'}), 412, "precondition_failed")
    assert ok(api.delete("/v1/sessions/alice", headers={"If-Match": f'"{commits(api)[0]}"'}))["deleted"]


def test_mounts_only_of_what_was_seen(api: Api) -> None:
    stale = api.put("/v1/sessions/alice/mounts", json={"names": []}, headers={"If-Match": '"00"'})
    refused(stale, 412, "precondition_failed")
    ok(api.put("/v1/sessions/alice/mounts", json={"names": []}, headers={"If-Match": f'"{commits(api)[0]}"'}))


def test_a_session_travels_as_a_bundle(api: Api) -> None:
    response = api.get("/v1/sessions/alice/export")
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) == len(response.content)
    refused(api.post("/v1/sessions/import", content=response.content), 409, "session_exists")
    made = api.post("/v1/sessions/import", params={"name": "twin"}, content=response.content)
    assert (ok(made, 201)["head"], made.headers["Location"]) == (commits(api)[0], "/v1/sessions/twin")
    assert ok(api.get("/v1/sessions/twin/messages")) == ok(api.get("/v1/sessions/alice/messages"))
    past = api.get("/v1/sessions/alice/export", params={"at": "@turn:1"}).content
    assert ok(api.post("/v1/sessions/import", params={"name": "young"}, content=past), 201)["turns"] == 1
    refused(api.get("/v1/sessions/nobody/export"), 404, "session_not_found")
    assert not list(Path(api.runtime.repository.path).glob(".??port-*"))  # type: ignore[attr-defined]


def test_a_damaged_bundle_leaves_nothing(api: Api) -> None:
    data = bytearray(api.get("/v1/sessions/alice/export").content)
    data[len(data) // 2] ^= 1
    response = api.post("/v1/sessions/import", params={"name": "twin"}, content=bytes(data))
    refused(response, 422, "malformed_bundle", "The body is damaged")
    refused(api.post("/v1/sessions/import", content=b"no bundle"), 422, "malformed_bundle", "The body is not")
    refused(api.post("/v1/sessions/import", content=b"\0" * (SETTINGS.bundle_limit + 1)), 413, "body_too_large")
    refused(api.get("/v1/sessions/twin"), 404, "session_not_found")
    assert not list(Path(api.runtime.repository.path).glob(".import-*"))  # type: ignore[attr-defined]


def test_a_bundle_of_another_model_is_refused(api: Api, tmp_path: Path) -> None:
    with Repository.open(tmp_path / "other") as other:
        other.create("stranger", Recipe.of(**{part: f"some {part}" for part in PARTS}), model="none")
        add_turn(other, "stranger", tokens=8)
        other.export("stranger", tmp_path / "bundle")
    response = api.post("/v1/sessions/import", content=(tmp_path / "bundle").read_bytes())
    refused(response, 409, "recipe_mismatch", "weights")
    assert response.headers["x-should-retry"] == "false"
    refused(api.get("/v1/sessions/stranger"), 404, "session_not_found")


@pytest.mark.parametrize("body", [{"hashes_only": True}, {}])
def test_verify(api: Api, body: dict[str, Any]) -> None:
    job = ended(api, api.post("/v1/sessions/alice/verify", json=body))
    assert (job["kind"], job["session"], job["status"]) == ("verify", "alice", "completed")
    assert job["result"] == {"ok": True, "problems": []}
    refused(api.post("/v1/sessions/nobody/verify"), 404, "session_not_found")


def test_verify_names_what_is_damaged(api: Api) -> None:
    repository: Any = api.runtime.repository
    digest = repository.blocks(repository.info("alice").head)[0][2]
    with repository.store.write() as txn:
        txn.delete(digest)
    job = ended(api, api.post("/v1/sessions/alice/verify", json={"hashes_only": True}))
    assert not job["result"]["ok"]
    assert digest.hex()[:12] in job["result"]["problems"][0]["sentence"]


@pytest.mark.parametrize(
    "path",
    ["import", "alice/verify", "alice/load", "alice/unload", "../gc", "../fsck"],
    ids=lambda path: path.rpartition("/")[2],
)
def test_pages_of_other_sites_start_nothing(api: Api, path: str) -> None:
    response = api.post(f"/v1/sessions/{path}", headers={"Origin": "https://example.org"})
    refused(response, 403, "cross_origin", "https://example.org")


def test_gc(api: Api) -> None:
    ok(api.post("/v1/sessions/alice/reset", json={"to": "@turn:1"}))
    dry = ended(api, api.post("/v1/gc", json={"dry_run": True, "expire_days": 0}))
    assert (dry["kind"], dry["session"], dry["status"]) == ("gc", None, "completed")
    assert dry["result"]["objects"] > 0
    done = ended(api, api.post("/v1/gc", json={"expire_days": 0}))
    assert done["result"] == dry["result"]
    assert ended(api, api.post("/v1/gc", json={"expire_days": 0}))["result"]["objects"] == 0
    refused(api.post("/v1/gc", json={"expire_days": -1}), 422, "invalid_parameter")
    assert ended(api, api.post("/v1/sessions/alice/verify"))["result"]["ok"]
