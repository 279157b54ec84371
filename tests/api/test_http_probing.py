"""Summaries by layers and heads, probes of them and of fast weights, over HTTP: a real runtime with a tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from perdure.config import Quota
from perdure.memory.facts import Fact
from perdure.runtime import Runtime
from perdure.runtime import open as open_model
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record, record_of

from ..conftest import Opens
from ..runtime.test_bounded import small as summarising
from .http_server import Api, serving
from .records import ASK as ASK_PANGOLIN
from .records import BOAT, PANGOLIN, RENAMED
from .remembering import ASK, FACT, SMALL, taught
from .tenancy import house

OTTER = Fact("Ines Marlow", "", "Pebble", "Ines Marlow's otter is called Pebble.")
HEADS = "/v1/sessions/alice/memory/summary/heads"
PROBE = "/v1/sessions/alice/memory/summary/probe"
RECORDS = "/v1/sessions/alice/memory/parametric/probe"


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[Runtime]:
    """alice, whose first messages left her window, and who holds two records on one thing and one on another."""
    folder = tmp_path_factory.mktemp("probed")
    options: dict[str, Any] = {"memory": SMALL, "encoder": HashedWords(), "threads": 1, "cache": folder / "cache"}
    with open_model(str(model), folder / "store", **options) as runtime:
        with taught(runtime.session("alice")) as alice:
            records = [record_of(runtime, fact, (ASK_PANGOLIN,), at) for at, fact in ((1, PANGOLIN), (2, RENAMED))]
            alice.teach([*records, record_of(runtime, BOAT, ("Whose boat is it?",), 3), record(OTTER)], (), "teach")
        yield runtime


@pytest.fixture(scope="module")
def api(told: Runtime) -> Iterator[Api]:
    with serving(told) as api:
        yield api


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str, sentence: str = "") -> None:
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert sentence in body["detail"]
    assert body["detail"].endswith(".")


def test_what_a_summary_keeps_in_each_layer_and_head(api: Api, told: Runtime) -> None:
    found = ok(api.get(HEADS))
    tier = ok(api.get("/v1/sessions/alice/memory/summary"))
    assert (found["object"], found["session"]) == ("session.memory.summary.heads", "alice")
    for name in ("commit", "backend", "position"):
        assert found[name] == tier[name]
    assert (found["why"], found["rule"], found["fade"]) == (None, None, 0.1)
    assert [each["layer"] for each in found["layers"]] == [0, 1]
    with told.session("alice") as session:
        kept = session.warm.state.kept
    assert kept is not None
    for number, layer in enumerate(found["layers"]):
        assert layer["entries"] == [32, 32]
        assert layer["oldest"] == kept.tokens[0][number, :, 4:].amin(1).tolist()
        assert layer["newest"] == kept.tokens[0][number].amax(1).tolist()
        assert layer["scores"] == pytest.approx(kept.scores[0][number, :, 4:].sum(1).tolist(), abs=1e-4)
        assert max(layer["bias"]) < 0
        assert (layer["gates"], layer["norms"]) == (None, None)
    every = [head for layer in found["layers"] for head in layer["histogram"]]
    assert [sum(part) for part in zip(*every, strict=True)] == [part["entries"] for part in tier["histogram"]]
    early = ok(api.get(f"{HEADS}?at=@turn:1"))
    assert (early["backend"], early["layers"], early["why"]) == ("none", [], "nothing has left the window yet")
    refused(api.get(HEADS.replace("alice", "nobody")), 404, "session_not_found")
    refused(api.get(f"{HEADS}?at=@turn:99"), 404, "revision_not_found")


def test_a_probe_tells_what_is_read_and_leaves_all_as_it_was(api: Api, told: Runtime) -> None:
    with told.session("alice") as session:
        before, log = session.logits(), told.repository.tokens("alice")
    found = ok(api.post(PROBE, json={"text": ASK, "top": 3}))
    assert (found["object"], found["commit"]) == ("session.memory.summary.probe", ok(api.get("/v1/sessions/alice"))["head"])
    assert ASK in "".join(found["tokens"])
    assert len(found["tokens"]) == len(found["by_token"])
    assert found["mass"] == pytest.approx(sum(found["by_token"]) / len(found["by_token"]), abs=1e-5)
    for layer in found["layers"]:
        assert len(layer["summary"]) == len(layer["sinks"]) == 4
        assert all(0 < share < 1 for share in (*layer["summary"], *layer["sinks"]))
    spelled = told.spelling(told.repository.info("alice").head)
    assert len(found["entries"]) == 3
    for entry in found["entries"]:
        at = entry["token"]
        around = entry["before"] + entry["text"] + entry["after"]
        assert around == "".join(spelled(max(0, at - 8), at + 9) or [])
    assert told.repository.tokens("alice") == log
    with told.session("alice") as session:
        assert torch.equal(session.logits(), before)
        assert session.verify() == []


def test_which_records_a_question_would_open(api: Api, told: Runtime) -> None:
    head = told.repository.info("alice").head
    found = ok(api.post(RECORDS, json={"text": ASK_PANGOLIN}))
    assert (found["object"], found["commit"], found["notes"]) == ("session.memory.parametric.probe", head.hex, [])
    assert (found["records"], found["named"], found["opened"]) == (4, 2, 1)
    shown = [(each["statement"], each["open"], each["closed"]) for each in found["data"]]
    assert shown[:2] == [(RENAMED.statement, True, None), (PANGOLIN.statement, False, "superseded")]
    assert shown[2:] == [
        (BOAT.statement, False, "the text does not name its subject"),
        (OTTER.statement, False, "another sentence encoder made its vectors"),
    ]
    assert found["data"][0]["score"] >= found["threshold"] > 0
    assert found["data"][2]["score"] is None
    assert len(ok(api.post(RECORDS, json={"text": ASK_PANGOLIN, "top": 1}))["data"]) == 1
    nothing = ok(api.post(RECORDS, json={"text": "What is the weather like?"}))
    assert (nothing["named"], nothing["opened"], [each["open"] for each in nothing["data"]]) == (0, 0, [False] * 4)
    assert told.repository.info("alice").head == head


@pytest.mark.parametrize("url", [PROBE, RECORDS])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "/text"),
        ({"text": " "}, "/text"),
        ({"text": 5}, "/text"),
        ({"text": "x" * 8001}, "/text"),
        ({"text": "x", "top": 0}, "/top"),
        ({"text": "x", "top": 101}, "/top"),
        ({"text": "x", "top": True}, "/top"),
        ({"text": "x", "colour": "red"}, "/colour"),
    ],
)
def test_a_probe_that_cannot_be_is_refused(api: Api, url: str, body: dict[str, Any], param: str) -> None:
    response = api.post(url, json=body)
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


@pytest.mark.parametrize("url", [PROBE, RECORDS])
def test_a_session_in_use_is_busy_and_nobody_is_not_there(api: Api, url: str) -> None:
    warm = api.server._tenants.default.turns.warm
    warm.reserve("alice")
    try:
        refused(api.post(url, json={"text": "x"}), 409, "session_busy")
    finally:
        warm.discard("alice")
    refused(api.post(url.replace("alice", "nobody"), json={"text": "x"}), 404, "session_not_found")
    refused(api.post(PROBE, json={"text": "many words " * 700}), 400, "context_length_exceeded", "have room")


def test_a_memory_of_fixed_size_has_gates_and_norms(opens: Opens) -> None:
    with summarising(opens, backend="infini") as runtime, serving(runtime) as api:
        taught(runtime.session("alice")).close()
        found = ok(api.get(HEADS))
        assert (found["backend"], found["rule"], found["why"]) == ("infini", "linear", None)
        assert found["absorbed"] == sum(span["end"] - span["start"] for span in found["spans"]) > 0
        with runtime.session("alice") as session:
            kept = session.warm.state.kept
        assert kept is not None
        assert kept.memory is not None
        made_with = runtime.calibration(kept.memory.maker)
        assert made_with is not None
        sums = kept.memory.sums[0].double().sum(0)
        for number, layer in enumerate(found["layers"]):
            assert layer["gates"] == pytest.approx(made_with.gates[0][number].tolist(), abs=1e-6)
            assert layer["norms"] == pytest.approx(sums[number].flatten(1).norm(dim=1).tolist(), rel=1e-5)
            assert layer["entries"] == [0, 0]
        read = ok(api.post(PROBE, json={"text": ASK}))
        assert [layer["gate"] for layer in read["layers"]] == [layer["gates"] for layer in found["layers"]]
        assert min(min(layer["read"]) for layer in read["layers"]) > 0
        assert read["entries"] == []


def test_probes_are_in_the_audit_log_and_count_as_computing(opens: Opens) -> None:
    with opens(memory=SMALL, encoder=HashedWords()) as runtime:
        with taught(runtime.session("alice")) as alice:
            alice.teach([record_of(runtime, PANGOLIN, (ASK_PANGOLIN,), 1)], (), "teach")
        with (
            house(runtime, writer=("default", "write"), reader=("default", "read")) as home,
            home.client("writer") as writer,
            home.client("reader") as reader,
        ):
            assert ok(reader.get(HEADS))["why"] is None
            refused(reader.post(PROBE, json={"text": FACT}), 403, "insufficient_scope")
            tokens = len(ok(writer.post(PROBE, json={"text": FACT}))["tokens"])
            assert ok(writer.get("/v1/stats"))["tokens_last_minute"] == tokens > 0
            (found,) = ok(writer.post(RECORDS, json={"text": ASK_PANGOLIN}))["data"]
            log = "\n".join(path.read_text() for path in sorted((home.root / "access").glob("audit-*.jsonl")))
            lines = [json.loads(line) for line in log.splitlines()]
            assert [line["action"] for line in lines[-2:]] == ["memory.probe", "memory.probe"]
            assert {"alice", found["id"]} <= set(lines[-1]["ids"])
            assert FACT not in log
            home.keyring.set_quota("default", Quota(tokens=1))
            refused(writer.post(PROBE, json={"text": FACT}), 429, "rate_limit_exceeded")
