"""`perdure keys` and `perdure audit`: no model, and no store before there is something to keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perdure.api.access.keyring import Keyring
from perdure.api.cli.app import app

from .fakes_cli import FakeRuntime, family, install

Command = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def do(store: Path) -> Command:
    return lambda *words: CliRunner().invoke(app, [*words, "--store", str(store)])


def shape(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_key_from_its_making_to_its_end(do: Command, store: Path) -> None:
    made = do("keys", "create", "ada's robot", "--tenant", "acme", "--scope", "read", "--expires", "30")
    assert made.exit_code == 0, made.stderr
    token = made.stdout.strip()
    assert "tenant acme" in made.stderr
    key = shape(do("keys", "list", "--json"))["keys"][0]
    assert (key["name"], key["tenant"], key["scopes"], key["state"]) == ("ada's robot", "acme", ["read"], "active")
    assert key["expires_at"] - key["created_at"] in (30 * 86_400 - 1, 30 * 86_400)
    keyring = Keyring(store)
    found = keyring.find(token)
    assert found is not None
    assert found.id == key["id"]
    fresh = do("keys", "rotate", key["id"]).stdout.strip()
    assert keyring.find(token) is None
    assert keyring.find(fresh) is not None
    revoked = shape(do("keys", "revoke", key["id"], "--json"))
    assert revoked["state"] == "revoked"
    assert shape(do("keys", "revoke", key["id"], "--json"))["revoked_at"] == revoked["revoked_at"]
    assert do("keys", "rotate", key["id"]).exit_code == 4
    keyring.close()
    table = do("keys", "list").stdout
    assert key["id"] in table
    assert "revoked" in table
    kept = b"".join(path.read_bytes() for path in (store / "access").iterdir())
    assert token[21:].encode() not in kept
    assert fresh[21:].encode() not in kept
    audited = shape(do("audit", "--json", "--tenant", "acme"))["entries"]
    assert [each["action"] for each in audited] == ["key.revoke", "key.revoke", "key.rotate", "key.create"]
    assert {tuple(each["ids"]) for each in audited} == {(key["id"],)}
    assert key["id"] in do("audit", "-n", "1").stdout
    assert (store / "access").stat().st_mode & 0o777 == 0o700
    assert (store / "access" / "data.mdb").stat().st_mode & 0o777 == 0o600


def test_looking_makes_nothing(do: Command, store: Path) -> None:
    assert shape(do("keys", "list", "--json")) == {"keys": []}
    assert "perdure keys create" in do("keys", "list").stderr
    assert set(shape(do("keys", "quota", "acme", "--json")).values()) == {"acme", None}
    assert "empty" in do("audit").stderr
    assert do("keys", "revoke", "key_0", "--yes").exit_code == 3
    assert do("keys", "rotate", "key_0").exit_code == 3
    assert not store.exists()


def test_bounds_are_set_one_by_one(do: Command) -> None:
    do("keys", "quota", "acme", "--bytes", "1000000", "--sessions", "5")
    assert shape(do("keys", "quota", "acme", "--tokens", "0", "--sessions", "none", "--json")) == {
        "tenant": "acme",
        "bytes": 1_000_000,
        "sessions": None,
        "tokens": 0,
    }
    assert do("keys", "quota", "acme").stdout == "acme may have 1.0 MB, any number of sessions and 0 tokens a minute.\n"
    assert shape(do("audit", "--json"))["entries"][0]["action"] == "quota.set"


@pytest.mark.parametrize(
    "words",
    [
        ("create", "x", "--tenant", "../other"),
        ("create", "x", "--tenant", "ACME"),
        ("create", "x", "--scope", "root"),
        ("create", ""),
        ("create", "two\nlines"),
        ("create", "x", "--expires", "0"),
        ("quota", "acme", "--bytes", "many"),
        ("quota", "acme", "--bytes", "-1"),
        ("quota", "a/b", "--bytes", "1"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(do: Command, store: Path, words: tuple[str, ...]) -> None:
    result = do("keys", *words)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("perdure: ")
    assert not (store / "access" / "data.mdb").exists()


def test_origins_reach_the_server(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = FakeRuntime(family())
    install(monkeypatch, runtime)
    result = CliRunner().invoke(app, ["serve", "--cors-origin", "https://app.example", "--store", str(store)])
    assert result.exit_code == 0, result.stderr
    assert runtime.cors_origins == [("https://app.example",)]
