"""Merging on the command line and over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from perdure.api.cli import app
from perdure.memory import Repository, amending
from perdure.testing.records import record as made

from ..conftest import Opens
from .http_server import Api, serving
from .records import BOAT, PANGOLIN, RENAMED, branch
from .remembering import small

Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """alice and bob part after the boat; alice learns of Biscuit, and bob of Waffle."""
    with Repository.open(tmp_path / "store") as repository:
        branch(repository, "alice", made(BOAT, time_ms=1))
        repository.fork("alice", "bob")
        repository.fork("alice", "carol")
        amending.teach(repository, "alice", [made(PANGOLIN, time_ms=2)], title="teach")
        amending.teach(repository, "bob", [made(RENAMED, time_ms=3)], title="teach")
    return tmp_path / "store"


@pytest.fixture
def run(store: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--store", str(store)])


def test_merge_says_what_it_took_and_how_to_go_back(run: Run, store: Path) -> None:
    result = run("merge", "carol", "bob")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("carol took in 0 memories and 1 record of bob. `perdure reset carol ")
    logged = run("log", "carol").stdout
    assert "[merge " in logged.splitlines()[0]
    assert len(run("log", "carol", "--merged").stdout.splitlines()) == len(logged.splitlines()) + 1
    again = run("merge", "carol", "bob")
    assert again.stdout == "carol has all of bob already; nothing was changed.\n"
    back = result.stdout.split("`")[1].removeprefix("perdure ").split()
    assert run(*back).exit_code == 0
    with Repository.open(store) as repository:
        assert len(repository.ledger(repository.info("carol").head)) == 1


def test_a_dry_run_says_it_would(run: Run) -> None:
    result = run("merge", "carol", "bob", "--dry-run")
    assert result.stdout == "carol would take in 0 memories and 1 record of bob. Nothing was changed.\n"
    assert "[merge" not in run("log", "carol").stdout


def test_conflicts_are_listed_and_settled(run: Run) -> None:
    result = run("merge", "alice", "bob")
    assert result.exit_code == 4
    assert 'alice has "Tamsin Orrell\'s pangolin is called Biscuit."' in result.stderr
    assert "say which side to prefer" in result.stderr
    settled = json.loads(run("merge", "alice", "bob", "--prefer", "theirs", "--json").stdout)
    assert (settled["gained"], settled["lost"]) == ({"memories": 0, "records": 1}, {"memories": 0, "records": 1})
    assert settled["settled"][0]["theirs"] == RENAMED.statement
    shown = run("show", "alice").stdout
    assert f"{settled['previous'][:10]} " in shown
    assert run("merge", "alice", "bob", "--prefer", "mine").exit_code == 2
    assert run("merge", "alice", "nobody").exit_code == 3


# HTTP


@pytest.fixture
def api(opens: Opens) -> Iterator[Api]:
    """alice and bob remember the same document, and each one of their own."""
    with small(opens) as runtime, serving(runtime) as api:
        with runtime.session("alice") as alice:
            alice.chat("Hello.", max_tokens=2)
            alice.memory.add([("book", "The harbour is closed on Sundays.")])
            with alice.fork("bob") as bob:
                bob.memory.add([("bob's", "Bob likes plums.")])
            alice.memory.add([("alice's", "Alice likes pears.")])
        yield api


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def remembered(api: Api, name: str = "alice") -> dict[str, str]:
    data = ok(api.get(f"/v1/sessions/{name}/memory/episodic"))["data"]
    return {each["text"]: each["id"] for each in data}


def test_merge_over_http(api: Api) -> None:
    heads = {name: ok(api.get(f"/v1/sessions/{name}"))["head"] for name in ("alice", "bob")}
    dry = ok(api.post("/v1/sessions/alice/merge", json={"from": "bob", "dry_run": True}))
    assert (dry["merged"], dry["commit"], dry["gained"]) == (True, heads["alice"], {"memories": 1, "records": 0})
    response = api.post("/v1/sessions/alice/merge", json={"from": "bob"}, headers={"If-Match": f'"{heads["alice"]}"'})
    body = ok(response, 201)
    assert body["head"]["parents"] == [heads["alice"], heads["bob"]]
    assert (body["previous"], body["head"]["kind"], response.headers["ETag"]) == (
        heads["alice"],
        "merge",
        f'"{body["commit"]}"',
    )
    assert set(remembered(api)) == {
        "The harbour is closed on Sundays.",
        "Alice likes pears.",
        "Bob likes plums.",
    }
    assert ok(api.post("/v1/sessions/alice/merge", json={"from": "bob"}))["merged"] is False
    stale = api.post("/v1/sessions/alice/merge", json={"from": "bob"}, headers={"If-Match": f'"{heads["alice"]}"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    followed = ok(api.get("/v1/sessions/alice/commits"))["data"]
    every = ok(api.get("/v1/sessions/alice/commits", params={"merged": True}))["data"]
    assert {each["id"] for each in every} - {each["id"] for each in followed} == {heads["bob"]}
    assert ok(api.get(f"/v1/commits/{body['commit']}"))["parents"] == body["head"]["parents"]
    assert api.remember("Go on.", session="alice", max_tokens=2, memory={"input": "delta"})["parent"] == body["commit"]


def test_conflicts_over_http(api: Api) -> None:
    book = remembered(api)["The harbour is closed on Sundays."]
    ok(api.patch(f"/v1/memory/{book}", params={"session": "alice"}, json={"text": "The harbour is closed on Mondays."}))
    ok(api.delete(f"/v1/memory/{book}", params={"session": "bob"}))
    before = ok(api.get("/v1/sessions/alice"))["head"]
    response = api.post("/v1/sessions/alice/merge", json={"from": "bob"})
    body = response.json()
    assert (response.status_code, body["code"], body["error"]["code"]) == (409, "merge_conflict", "merge_conflict")
    assert response.headers["x-should-retry"] == "false"
    clash = {"tier": "memory", "name": book, "ours": "The harbour is closed on Mondays.", "theirs": None}
    assert body["conflicts"] == [clash]
    assert ok(api.get("/v1/sessions/alice"))["head"] == before
    settled = ok(api.post("/v1/sessions/alice/merge", json={"from": "bob", "prefer": "ours"}), 201)
    assert settled["settled"] == [clash]
    assert "The harbour is closed on Mondays." in remembered(api)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"from": "nobody"}, 404, "revision_not_found"),
        ({"from": "bob", "prefer": "mine"}, 422, "invalid_parameter"),
        ({"from": "bob", "conversation": "both"}, 422, "invalid_parameter"),
        ({}, 422, "invalid_parameter"),
        ({"from": "stranger"}, 409, "recipe_mismatch"),
    ],
)
def test_a_merge_that_cannot_be(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    repository: Any = api.runtime.repository
    branch(repository, "stranger")
    response = api.post("/v1/sessions/alice/merge", json=body)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["detail"].endswith(".")
