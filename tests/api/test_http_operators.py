"""What runs, what is stored and what was counted: a real runtime with a tiny model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from perdure import __version__
from perdure.api.http import HttpSettings
from perdure.api.http.counting import Clock, Counts, Histogram
from perdure.runtime.records import Receipt

from ..conftest import Opens
from .http_server import Api, eventually, serving


@pytest.fixture
def api(opens: Opens) -> Iterator[Api]:
    with opens() as runtime, serving(runtime, HttpSettings(warm_sessions=2)) as api:
        yield api


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def running(api: Api) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in ok(api.get("/v1/ps"))["data"]}


def metrics(api: Api) -> dict[str, float]:
    response = api.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    lines = [line for line in response.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_version(api: Api) -> None:
    assert ok(api.get("/version")) == {"version": __version__}


def test_sessions_come_and_go_from_memory(api: Api) -> None:
    assert running(api) == {}
    for name in ("alice", "bob", "carol"):
        api.remember("Hello.", session=name, max_tokens=2)
    found = running(api)
    assert list(found) == ["bob", "carol"]
    assert {each["status"] for each in found.values()} == {"warm"}
    assert found["bob"]["bytes"] > 0
    assert found["bob"]["tokens"] == ok(api.get("/v1/sessions/bob"))["tokens"]
    assert found["bob"]["since"] > 0
    assert found["bob"]["expires_at"] is None
    assert ok(api.post("/v1/sessions/bob/unload")) == {"id": "bob", "object": "session.unloaded", "unloaded": True}
    assert ok(api.post("/v1/sessions/bob/unload"))["unloaded"] is False
    loaded = ok(api.post("/v1/sessions/alice/load"))
    assert (loaded["id"], loaded["status"]) == ("alice", "warm")
    assert list(running(api)) == ["carol", "alice"]
    for verb in ("load", "unload"):
        missing = api.post(f"/v1/sessions/nobody/{verb}")
        assert (missing.status_code, missing.json()["code"]) == (404, "session_not_found")


def test_a_loaded_session_stays_for_as_long_as_is_said(api: Api) -> None:
    api.remember("Hello.", session="alice", max_tokens=2)
    load = "/v1/sessions/alice/load"
    short, long = (ok(api.post(load, json={"keep_alive": said}))["expires_at"] for said in ("5m", 3600))
    assert 3290 < long - short < 3310
    for said in ({"keep_alive": -1}, {}, None):
        assert ok(api.post(load, json=said))["expires_at"] is None
    assert ok(api.post(load, json={"keep_alive": 0}))["status"] == "cold"
    assert "alice" not in running(api)
    refused = api.post(load, json={"keep_alive": "soon"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, "/keep_alive")


def test_a_session_in_use_is_busy(api: Api) -> None:
    api.remember("Hello.", session="alice", max_tokens=2)
    warm = api.server._tenants.default.turns.warm
    warm.reserve("alice")
    session = warm.open("alice", create=False)
    assert running(api)["alice"]["status"] == "busy"
    refused = api.post("/v1/sessions/alice/unload")
    assert (refused.status_code, refused.json()["code"]) == (409, "session_busy")
    warm.give_back("alice", session)
    assert running(api)["alice"]["status"] == "warm"


def test_stats_count_what_forks_share_once(api: Api) -> None:
    empty = ok(api.get("/v1/stats"))
    assert (empty["sessions"], empty["dedup_ratio"], empty["bytes"]["unique"]) == (0, 1.0, 0)
    api.remember("Hello there.", session="alice", max_tokens=2)
    one = ok(api.get("/v1/stats"))
    assert one["tiers"]["working"]["logical"] == one["tiers"]["working"]["unique"] > 0
    assert set(one["tiers"]) == {"working", "snapshots", "episodic", "fast-weights"}
    for number in range(3):
        ok(api.post("/v1/sessions/alice/fork", json={"name": f"fork{number}"}), 201)
    four = ok(api.get("/v1/stats"))
    assert (four["sessions"], four["dedup_ratio"]) == (4, 4.0)
    assert four["bytes"]["unique"] == one["bytes"]["unique"]
    assert four["bytes"]["objects"] == one["bytes"]["objects"] >= four["bytes"]["unique"]
    assert min(four["bytes"]["disk"], four["bytes"]["journals"]) > 0


def test_stats_tell_what_became_of_tokens_and_what_is_under_way(api: Api) -> None:
    fresh = ok(api.get("/v1/stats"))
    assert set(fresh["tokens"].values()) == {0}
    api.remember("Hello.", session="alice", max_tokens=3)
    api.remember("More.", session="alice", max_tokens=3, memory={"input": "delta"})
    eventually(lambda: ok(api.get("/v1/stats"))["turns_running"] == 0)
    found = ok(api.get("/v1/stats"))
    assert found["tokens"]["generated"] == 6
    assert min(found["tokens"][kind] for kind in ("prefilled", "restored")) > 0
    assert (found["jobs_running"], found["since"]) == (0, fresh["since"])
    (only,) = found["tenants"]
    assert only["at_work"] is True
    assert {name: only[name] for name in ("tenant", "tokens", "tiers", "bytes")} == {
        name: found[name] for name in ("tenant", "tokens", "tiers", "bytes")
    }


def test_jobs_come_in_pages(api: Api) -> None:
    assert ok(api.get("/v1/jobs")) == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    made = [ok(api.post("/v1/gc", json={"dry_run": True}), 202)["id"] for _ in range(3)]
    eventually(lambda: ok(api.get("/v1/jobs?running=true"))["data"] == [])
    listed = ok(api.get("/v1/jobs"))
    assert [each["id"] for each in listed["data"]] == made[::-1]
    assert listed["data"][0] == ok(api.get(f"/v1/jobs/{made[2]}"))
    page = ok(api.get("/v1/jobs", params={"limit": 1, "after": made[1], "order": "asc"}))
    assert ([each["id"] for each in page["data"]], page["has_more"]) == ([made[2]], False)
    missing = api.get("/v1/jobs?after=job_none")
    assert (missing.status_code, missing.json()["code"]) == (404, "after_not_found")


def test_metrics_count_what_was_done(api: Api) -> None:
    api.remember("Hello.", session="secret-name", max_tokens=3)
    api.remember("More.", session="secret-name", max_tokens=3, memory={"input": "delta"})
    api.get("/v1/sessions/nobody")
    api.get("/nowhere")
    ok(api.post("/v1/gc", json={"dry_run": True}), 202)
    eventually(lambda: metrics(api).get('perdure_jobs_total{kind="gc",status="completed"}') == 1)
    found = metrics(api)
    assert found['perdure_http_requests_total{method="POST",route="/v1/chat/completions",status="200"}'] == 2
    assert found['perdure_http_requests_total{method="GET",route="/v1/sessions/{name}",status="404"}'] == 1
    assert found['perdure_http_requests_total{method="GET",route="unmatched",status="404"}'] == 1
    assert found['perdure_refusals_total{code="session_not_found"}'] == 1
    assert found['perdure_tokens_total{kind="generated"}'] > 0
    assert found['perdure_tokens_total{kind="prefilled"}'] > 0
    assert found['perdure_tokens_total{kind="restored"}'] > 0
    assert found["perdure_time_to_first_token_seconds_count"] == 2
    assert found['perdure_time_to_first_token_seconds_bucket{le="+Inf"}'] == 2
    assert found["perdure_warm_sessions"] == 1
    assert found["perdure_warm_bytes"] > 0
    assert found["perdure_sessions"] == 1
    assert found['perdure_store_bytes{kind="disk"}'] > 0
    assert (found["perdure_turns_running"], found["perdure_turns_waiting"], found["perdure_jobs_running"]) == (0, 0, 0)
    assert "secret-name" not in api.get("/metrics").text


def test_every_metric_is_described(api: Api) -> None:
    text = api.get("/metrics").text
    described = set(re.findall(r"^# HELP (\S+) \S.*\.$", text, re.MULTILINE))
    assert described == set(re.findall(r"^# TYPE (\S+) \S+$", text, re.MULTILINE))
    assert len(described) >= 14


def test_busy_refusals_are_counted(api: Api) -> None:
    api.remember("Hello.", session="alice", max_tokens=2)
    warm = api.server._tenants.default.turns.warm
    warm.reserve("alice")
    assert api.chat("More.", headers={"X-Session-ID": "alice"}).status_code == 409
    warm.discard("alice")
    assert metrics(api)['perdure_refusals_total{code="session_busy"}'] == 1


def test_a_histogram_puts_a_value_into_the_bucket_that_ends_with_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 9.0):
        histogram.note(seconds)
    assert (histogram.counts, histogram.total) == ([2, 1, 1], 12.0)


def test_a_turns_times_are_those_of_its_pieces() -> None:
    times = iter([10.0, 10.5, 11.0, 12.5])
    clock, counts = Clock(lambda: next(times)), Counts()
    clock.told(None)
    clock.told(None)
    clock.told(Receipt("", "", "", 0, prefilled=7, generated=5, finish_reason="stop"))
    counts.turn(clock)
    counts.turn(Clock(lambda: 0.0))
    assert (counts.first_token.total, counts.per_token.total) == (0.5, 0.5)
    assert counts.turns == {"stop": 1, "failed": 1}
    assert (counts.tokens["prefilled"], counts.tokens["generated"], counts.tokens["recalled"]) == (7, 5, 0)
