"""Fast weights over HTTP: a real runtime with a tiny model, and a teacher that trains nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from perdure.api.http import HttpSettings
from perdure.errors import InvalidInput
from perdure.memory.fastweights import Record
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of

from ..conftest import Opens
from .http_server import Api, eventually, serving
from .records import ASK, ASK_BOAT, BOAT, PANGOLIN, RENAMED, scripted
from .remembering import SMALL, small


@pytest.fixture
def api(opens: Opens) -> Iterator[Api]:
    """bob holds two records; alice holds one, mounts bob, and was told of a pangolin and a boat."""
    with small(opens) as runtime, serving(runtime) as api:
        for name, records in (("bob", bobs(runtime)), ("alice", [record_of(runtime, PANGOLIN, (ASK,), 3)])):
            with runtime.session(name) as session:
                session.teach(records, (), "teach")
        with runtime.session("alice") as session:
            session.mount(["bob"])
            session.chat(f"{PANGOLIN.statement} {BOAT.statement}", max_tokens=2)
        yield api


def bobs(runtime: Any) -> list[Record]:
    return [record_of(runtime, BOAT, (ASK_BOAT,), 1), record_of(runtime, RENAMED, (ASK,), 2)]


class Gate:
    """Holds a teacher before a batch until it is told to go on."""

    def __init__(self) -> None:
        self.reached, self.go = threading.Event(), threading.Event()

    def __call__(self, batch: int) -> None:
        self.reached.set()
        assert self.go.wait(20)


def ok(response: httpx.Response, status: int = 200) -> Any:
    assert response.status_code == status, response.text
    return response.json()


def refused(response: httpx.Response, status: int, code: str, sentence: str = "") -> None:
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), body
    assert sentence in body["detail"]
    assert body["detail"].endswith(".")


def ended(api: Api, response: httpx.Response) -> dict[str, Any]:
    url = response.headers["Location"]
    assert url == f"/v1/jobs/{ok(response, 202)['id']}"
    eventually(lambda: api.get(url).json()["status"] not in ("queued", "running"))
    found: dict[str, Any] = ok(api.get(url))
    return found


def listed(api: Api, name: str = "alice", **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ok(api.get(f"/v1/sessions/{name}/memory/parametric", params=params))["data"]
    return found


def test_the_tier_tells_what_is_known_and_mounted(api: Api) -> None:
    tier = ok(api.get("/v1/sessions/alice/memory/fast-weights"))
    head = ok(api.get("/v1/sessions/alice"))["head"]
    assert (tier["object"], tier["session"], tier["commit"]) == ("session.memory.fast-weights", "alice", head)
    assert (tier["records"], tier["superseded"], tier["own"]) == (3, 1, 1)
    assert [(each["name"], each["records"], each["missing"]) for each in tier["mounts"]] == [("bob", 2, False)]
    whole = ok(api.get("/v1/sessions/alice/memory"))["fast-weights"]
    assert whole == {name: tier[name] for name in whole}
    before = ok(api.get("/v1/sessions/alice/memory/fast-weights?at=@turn:0"))
    assert (before["records"], before["mounts"]) == (3, tier["mounts"])
    assert ok(api.get("/v1/sessions/alice/memory/fast-weights?at=HEAD~2"))["records"] == 1


def test_records_are_listed_with_who_holds_them(api: Api) -> None:
    found = listed(api)
    assert [(each["statement"], each["branches"], each["own"]) for each in found] == [
        (BOAT.statement, ["bob"], False),
        (RENAMED.statement, ["bob"], False),
        (PANGOLIN.statement, ["alice"], True),
    ]
    assert (found[1]["superseded_by"], found[1]["contradicted"]) == (found[2]["id"], True)
    assert (found[2]["superseded_by"], found[2]["contradicted"], found[2]["object"]) == (None, False, "memory.record")
    page = ok(api.get("/v1/sessions/alice/memory/parametric?limit=1"))
    assert (page["last_id"], page["has_more"]) == (found[0]["id"], True)
    rest = listed(api, after=page["last_id"])
    assert rest == found[1:]
    assert [each["id"] for each in listed(api, order="desc", limit=1)] == [found[2]["id"]]
    assert listed(api, at="HEAD~3") == []
    one = api.get(f"/v1/sessions/alice/memory/parametric/{found[1]['id'][:8]}")
    assert ok(one) == found[1] | {"superseded_by": found[2]["id"]}
    assert one.headers["ETag"] == f'"{found[1]["digest"]}"'


def test_forks_hold_the_same_records(api: Api) -> None:
    ok(api.post("/v1/sessions/bob/fork", json={"name": "carol"}), 201)
    ok(api.put("/v1/sessions/alice/mounts", json={"names": ["carol", "bob", "carol"]}))
    found = listed(api)
    assert [each["branches"] for each in found] == [["carol", "bob"], ["carol", "bob"], ["alice"]]
    assert ok(api.get("/v1/sessions/alice/memory/fast-weights"))["records"] == 3


def test_a_record_of_ones_own_is_forgotten(api: Api) -> None:
    own = listed(api)[2]
    url = f"/v1/sessions/alice/memory/parametric/{own['id']}"
    refused(api.delete(url, headers={"If-Match": f'"{"0" * 64}"'}), 412, "precondition_failed", "read it again")
    gone = ok(api.delete(url, headers={"If-Match": api.get(url).headers["ETag"]}))
    assert (gone["object"], gone["id"], gone["deleted"]) == ("memory.record.deleted", own["id"], True)
    assert gone["commit"] == ok(api.get("/v1/sessions/alice"))["head"]
    refused(api.delete(url), 404, "revision_not_found", "names no record of session alice")
    found = listed(api)
    assert [each["superseded_by"] for each in found] == [None, None]
    title = ok(api.get("/v1/sessions/alice/commits?limit=1"))["data"][0]
    assert (title["kind"], title["title"]) == ("unteach", f"unteach {PANGOLIN.statement}")


def test_a_record_of_a_profile_is_forgotten_there(api: Api) -> None:
    boat = listed(api)[0]
    refused(api.delete(f"/v1/sessions/alice/memory/parametric/{boat['id']}"), 409, "conflict", "the profile bob")
    ok(api.delete(f"/v1/sessions/bob/memory/parametric/{boat['id']}"))
    assert boat["id"] not in {each["id"] for each in listed(api)}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("record", ["ffffffff", "ff", "nothing"])
def test_an_unknown_record(api: Api, method: str, record: str) -> None:
    refused(api.request(method, f"/v1/sessions/alice/memory/parametric/{record}"), 404, "revision_not_found", "digits")


def test_an_id_that_several_records_begin_with(api: Api) -> None:
    session = api.runtime.session("bob")
    first = bobs(api.runtime)[0]
    session.teach([replace(first, id=first.id[:8] + "0" * 8, time_ms=9)], (), "teach")
    session.close()
    refused(api.get(f"/v1/sessions/bob/memory/parametric/{first.id[:8]}"), 404, "revision_not_found", "names 2 records")
    ok(api.get(f"/v1/sessions/bob/memory/parametric/{first.id}"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/memory/fast-weights"),
        ("GET", "/memory/parametric"),
        ("GET", "/memory/parametric/ffffffff"),
        ("DELETE", "/memory/parametric/ffffffff"),
        ("GET", "/mounts"),
        ("PUT", "/mounts"),
        ("POST", "/consolidate"),
    ],
)
def test_unknown_sessions_are_not_found(api: Api, method: str, path: str) -> None:
    body: dict[str, Any] | None = {"PUT": {"names": []}, "POST": {}}.get(method)
    refused(api.request(method, f"/v1/sessions/nobody{path}", json=body), 404, "session_not_found")


def test_mounts_are_read_and_set(api: Api) -> None:
    head = ok(api.get("/v1/sessions/alice"))["head"]
    shown = ok(api.get("/v1/sessions/alice/mounts"))
    assert (shown["object"], shown["commit"], shown["names"]) == ("session.mounts", head, ["bob"])
    assert ok(api.put("/v1/sessions/alice/mounts", json={"names": ["bob"]})) == shown
    ok(api.post("/v1/sessions/bob/fork", json={"name": "user:carol"}), 201)
    both = ok(api.put("/v1/sessions/alice/mounts", json={"names": ["bob", "user:carol"]}))
    assert [each["name"] for each in both["data"]] == ["bob", "user:carol"]
    assert both["commit"] == ok(api.get("/v1/sessions/alice"))["head"] != head
    ok(api.delete("/v1/sessions/bob"))
    gone = ok(api.get("/v1/sessions/alice/mounts"))
    assert (gone["names"], gone["data"][0]["missing"]) == (["bob", "user:carol"], True)
    none = ok(api.put("/v1/sessions/alice/mounts", json={"names": []}))
    assert (none["names"], none["data"]) == ([], [])
    assert len(listed(api)) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "sentence"),
    [
        ({"names": ["nobody"]}, 404, "session_not_found", "POST /v1/sessions/SESSION/consolidate"),
        ({"names": ["alice"]}, 422, "invalid_input", "the session itself"),
        ({"names": ["a b"]}, 422, "invalid_name", "no profile name"),
        ({"names": "bob"}, 422, "invalid_parameter", "names"),
        ({"names": [5]}, 422, "invalid_parameter", "names"),
        ({}, 422, "invalid_parameter", "names"),
        ({"names": [], "colour": "red"}, 422, "invalid_parameter", "colour"),
    ],
)
def test_mounts_that_cannot_be_are_refused(api: Api, body: Any, status: int, code: str, sentence: str) -> None:
    refused(api.put("/v1/sessions/alice/mounts", json=body), status, code, sentence)
    assert ok(api.get("/v1/sessions/alice/mounts"))["names"] == ["bob"]


def named(api: Api, session: str) -> list[str]:
    found: list[str] = ok(api.get(f"/v1/sessions/{session}/mounts"))["names"]
    return found


@pytest.fixture
def mounting(opens: Opens) -> Iterator[Api]:
    """A server whose new sessions mount bob and carol, who is deleted while it runs."""
    with small(opens) as runtime, runtime.session("bob") as session:
        session.teach(bobs(runtime), (), "teach")
        runtime.session("carol").close()
        runtime.session("old").close()
        session.close()
        with serving(runtime, HttpSettings(profiles=("bob", "carol"))) as api:
            yield api


def test_new_sessions_mount_what_the_server_is_told_to(mounting: Api) -> None:
    mounting.remember(ASK_BOAT, session="new", max_tokens=2)
    assert mounting.remember(ASK_BOAT, session="new", max_tokens=2, memory={"input": "delta"})["opened"] == 1
    assert named(mounting, "new") == ["bob", "carol"]
    ok(mounting.post("/v1/sessions/file/ingest?create=true", json={"text": "Oslo has a tram."}))
    assert named(mounting, "file") == ["bob", "carol"]
    mounting.remember("Hello", session="old", max_tokens=2)
    mounting.remember("Hello", session="carol", max_tokens=2)
    assert (named(mounting, "old"), named(mounting, "carol")) == ([], [])
    ok(mounting.put("/v1/sessions/new/mounts", json={"names": []}))
    mounting.remember("Hello", session="new", max_tokens=2, memory={"input": "delta"})
    assert named(mounting, "new") == []


def test_a_profile_that_is_gone_is_not_mounted(mounting: Api, caplog: pytest.LogCaptureFixture) -> None:
    ok(mounting.delete("/v1/sessions/carol"))
    mounting.remember("Hello", session="carol", max_tokens=2)
    mounting.remember("Hello", session="bob", max_tokens=2, memory={"input": "delta"})
    assert (named(mounting, "carol"), named(mounting, "bob")) == (["bob"], [])
    ok(mounting.delete("/v1/sessions/carol"))
    mounting.remember("Hello", session="new", max_tokens=2)
    assert named(mounting, "new") == ["bob"]
    assert [each.message for each in caplog.records] == [
        "the profile carol is not there any more, so session new does not mount it"
    ]


def test_a_request_says_what_its_new_session_mounts(mounting: Api) -> None:
    for session, mounts in (("none", []), ("old2", ["old", "bob", "old"])):
        mounting.remember("Hello", session=session, max_tokens=2, memory={"mounts": mounts})
        assert named(mounting, session) == list(dict.fromkeys(mounts))
    mounting.remember("Hello", session="none", max_tokens=2, memory={"mounts": ["bob"], "input": "delta"})
    assert named(mounting, "none") == []


@pytest.mark.parametrize(
    ("mounts", "status", "code"),
    [
        (["nobody"], 404, "session_not_found"),
        (["new"], 422, "invalid_input"),
        (["a b"], 422, "invalid_name"),
        ("bob", 422, "invalid_parameter"),
    ],
)
def test_a_session_that_cannot_mount_what_is_asked_for_is_not_made(
    mounting: Api, mounts: Any, status: int, code: str
) -> None:
    asked = mounting.chat("Hello", headers={"X-Session-ID": "new"}, max_tokens=2, memory={"mounts": mounts})
    refused(asked, status, code)
    assert mounting.get("/v1/sessions/new").status_code == 404


def test_an_answer_says_what_it_knew(api: Api) -> None:
    answer = api.chat(ASK, headers={"X-Session-ID": "alice"}, max_tokens=3, memory={"input": "delta"}).json()
    assert answer["memory"]["opened"] == 1
    story = ok(api.get(f"/v1/responses/{answer['id']}/trace"))
    assert (story["recalled"], story["opened"], story["chosen"]) == (False, 1, [])
    closed = {each["statement"]: each["closed"] for each in story["records"]}
    assert (closed[PANGOLIN.statement], closed[RENAMED.statement]) == (None, "superseded")
    nothing = api.chat("Good morning", headers={"X-Session-ID": "alice"}, max_tokens=3, memory={"input": "delta"}).json()
    assert nothing["memory"]["opened"] == 0
    empty = ok(api.get(f"/v1/responses/{nothing['id']}/trace"))
    assert (empty["recalled"], empty["opened"], empty.get("records")) == (False, 0, None)


def test_a_session_is_consolidated_by_a_job(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch)
    api.remember(
        f"{PANGOLIN.statement} {BOAT.statement} Ada Byron's van is called Fail.",
        session="new",
        max_tokens=2,
    )
    done = ended(api, api.post("/v1/sessions/new/consolidate", json={"into": "user:new"}))
    assert (done["kind"], done["session"], done["status"], done["error"]) == ("consolidate", "new", "completed", None)
    assert done["progress"] == {"done": 3, "total": 3}
    result = done["result"]
    assert (result["ledger"], result["written"], result["known"]) == ("user:new", 2, 0)
    assert [(each["statement"], each["kept"]) for each in result["outcomes"]][:2] == [
        (PANGOLIN.statement, True),
        (BOAT.statement, True),
    ]
    assert result["outcomes"][2]["why"].startswith("only 0%")
    assert result["commit"] == ok(api.get("/v1/sessions/user:new"))["head"]
    assert ok(api.get("/v1/sessions/new/mounts"))["names"] == ["user:new"]
    assert [each["sources"][0]["session"] for each in listed(api, "new")] == ["new", "new"]
    again = ended(api, api.post("/v1/sessions/new/consolidate", json={}))
    assert (again["result"]["ledger"], again["result"]["known"]) == ("user:new", 2)
    known = api.chat(ASK, headers={"X-Session-ID": "new"}, max_tokens=3, memory={"input": "delta"}).json()
    assert known["memory"]["opened"] == 1


def test_a_record_whose_source_was_deleted_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    repository: Any = api.runtime.repository
    scripted(monkeypatch)
    api.remember(PANGOLIN.statement, session="new", max_tokens=2)
    ended(api, api.post("/v1/sessions/new/consolidate", json={"into": "user:new"}))
    ok(api.put("/v1/sessions/alice/mounts", json={"names": ["user:new"]}))
    source, tier = listed(api)[0]["sources"][0], ok(api.get("/v1/sessions/alice/memory/fast-weights"))
    assert (source["session"], source["turn"], source["deleted"], tier["source_deleted"]) == ("new", 1, False, 0)
    ok(api.delete("/v1/sessions/new"))
    repository.gc(expire_days=0)
    found, tier = listed(api)[0], ok(api.get("/v1/sessions/alice/memory/fast-weights"))
    assert found["sources"] == [{**source, "session": None, "deleted": True}]
    assert (found["origin_deleted"], tier["source_deleted"]) == (True, 1)
    assert ok(api.get(f"/v1/sessions/alice/memory/parametric/{found['id']}")) == found


def test_into_nowhere_is_the_sessions_own_ledger(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch)
    api.remember(PANGOLIN.statement, session="new", max_tokens=2)
    done = ended(api, api.post("/v1/sessions/new/consolidate", json={"into": None}))
    assert done["result"]["ledger"] == "new"
    assert [each["own"] for each in listed(api, "new")] == [True]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {"into": "a b"}}, 422),
        ({"json": {"into": 5}}, 422),
        ({"json": {"onto": "x"}}, 422),
        ({"json": {"writer": 5}}, 422),
        ({"json": {"writer": ""}}, 422),
        ({"json": {"again": "perhaps"}}, 422),
        ({}, 422),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 422),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
    ],
)
def test_a_consolidation_that_cannot_be_is_refused(api: Api, sent: dict[str, Any], status: int) -> None:
    assert api.post("/v1/sessions/alice/consolidate", **sent).status_code == status


def test_a_consolidation_by_another_writer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = scripted(monkeypatch)
    api.remember("Ada Byron's van is called Fail.", session="new", max_tokens=2)
    url = "/v1/sessions/new/consolidate"
    refused(api.post(url, json={"writer": "magic"}), 422, "invalid_input", "give kv, distill, closed-form, delta")
    results = [
        ended(api, api.post(url, json=body))["result"]
        for body in ({}, {}, {"writer": "delta"}, {"writer": "delta"}, {"writer": "delta", "again": True})
    ]
    assert [(len(each["outcomes"]), len(each["refused"])) for each in results] == [(1, 0), (0, 1), (1, 0), (0, 1), (1, 0)]
    assert [each["refused"][0]["writer"] for each in results if each["refused"]] == ["kv/2", "delta/1"]
    assert teacher.batches == 3


def test_a_server_learns_as_it_is_told(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = scripted(monkeypatch)
    options = replace(SMALL, learn="delta")
    with opens(memory=options, encoder=HashedWords()) as runtime, serving(runtime) as api:
        messages = [PANGOLIN.statement]
        body = api.chat(*messages, headers={"X-Session-ID": "new"}, max_tokens=3).json()
        assert body["memory"]["notes"] == [f"learned: {PANGOLIN.statement}"]
        assert len(listed(api, "new")) == 1
        messages += [body["choices"][0]["message"]["content"], ASK]
        body = api.chat(*messages, headers={"X-Session-ID": "new"}, max_tokens=3).json()
        assert (body["memory"]["reconciled"], body["memory"]["opened"]) == ("extended", 1)
        assert ok(api.get(f"/v1/responses/{body['id']}/trace"))["opened"] == 1
        assert api.chat(BOAT.statement, max_tokens=2).json()["memory"]["notes"] == []
    assert teacher.writers == ["delta"]


def test_a_job_that_finds_nothing_says_so(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch)
    api.remember("Good morning", session="new", max_tokens=2)
    done = ended(api, api.post("/v1/sessions/new/consolidate", json={"into": "p"}))
    assert (done["status"], done["error"]) == ("completed", None)
    result = done["result"]
    assert (result["ledger"], result["commit"], result["written"], result["outcomes"]) == ("p", None, 0, [])
    assert "nothing that can be taught" in result["why"]
    assert api.get("/v1/sessions/p").status_code == 404
    head = ok(api.get("/v1/sessions/bob"))["head"]
    result = ended(api, api.post("/v1/sessions/bob/consolidate", json={}))["result"]
    assert (result["ledger"], result["commit"], result["written"]) == ("bob", head, 0)


def test_a_session_of_another_model(api: Api, opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch)
    with opens(dtype="float32") as other, other.session("theirs") as session:
        session.chat(PANGOLIN.statement, max_tokens=2)
    done = ended(api, api.post("/v1/sessions/theirs/consolidate", json={}))
    assert (done["status"], done["error"]["code"]) == ("failed", "recipe_mismatch")


def test_a_cancelled_job_keeps_what_was_written(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    statements = " ".join(f"Tamsin Orrell's thing{chr(97 + n)} is called Rex." for n in range(14))
    api.remember(statements, session="new", max_tokens=2)
    scripted(monkeypatch, lambda batch: gate(batch) if batch == 2 else None)
    response = api.post("/v1/sessions/new/consolidate", json={"into": "p"})
    url = response.headers["Location"]
    assert gate.reached.wait(20)
    assert ok(api.get(url))["status"] == "running"
    assert ok(api.get(url))["progress"] == {"done": 10, "total": 14}
    refused(api.chat("hello", headers={"X-Session-ID": "new"}), 409, "session_busy")
    refused(api.chat("hello", headers={"X-Session-ID": "p"}), 409, "session_busy")
    refused(api.post("/v1/sessions/new/consolidate", json={}), 409, "session_busy")
    refused(api.put("/v1/sessions/new/mounts", json={"names": []}), 409, "session_busy")
    refused(api.post("/v1/sessions/alice/consolidate", json={"into": "p"}), 409, "session_busy")
    ok(api.delete(url), 202)
    gate.go.set()
    done = ended(api, response)
    assert (done["status"], done["result"]["whole"], len(done["result"]["outcomes"])) == ("cancelled", False, 10)
    assert len(listed(api, "p")) == 10
    rest = ended(api, api.post("/v1/sessions/new/consolidate", json={}))
    assert (rest["status"], rest["result"]["written"], rest["result"]["known"]) == ("completed", 4, 10)


@pytest.fixture
def idle(opens: Opens) -> Iterator[Api]:
    """A server that consolidates sessions a moment after they were spoken to."""
    with small(opens) as runtime, serving(runtime, HttpSettings(consolidate_idle=0.2)) as api:
        yield api


def test_a_session_that_is_left_alone_is_consolidated(idle: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = scripted(monkeypatch)
    idle.remember(f"{PANGOLIN.statement} Ada Byron's van is called Fail.", max_tokens=2)
    eventually(lambda: len(listed(idle)) == 1)
    assert teacher.batches == 1
    idle.remember("Good morning", max_tokens=2, memory={"input": "delta"})
    idle.remember(BOAT.statement, session="other", max_tokens=2)
    eventually(lambda: len(listed(idle, "other")) == 1)
    # What failed before is not tried again for a greeting.
    assert teacher.batches == 2
    idle.remember(BOAT.statement, max_tokens=2, memory={"input": "delta"})
    eventually(lambda: len(listed(idle)) == 2)


def speaks(api: Api) -> httpx.Response:
    return api.chat("Hello?", headers={"X-Session-ID": "alice"}, max_tokens=2, memory={"input": "delta"})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (speaks, 200),
        (lambda api: api.put("/v1/sessions/alice/mounts", json={"names": []}), 200),
        (lambda api: api.post("/v1/sessions/alice/ingest", json={"text": "Oslo has a tram."}), 200),
        (lambda api: api.post("/v1/sessions/alice/consolidate", json={}), 202),
        (lambda api: api.delete("/v1/sessions/alice/memory/parametric/ffffffff"), 404),
        (lambda api: api.delete("/v1/sessions/alice"), 200),
    ],
)
def test_a_consolidation_gives_way_to_who_wants_its_session(
    idle: Api, monkeypatch: pytest.MonkeyPatch, request_: Callable[[Api], httpx.Response], status: int
) -> None:
    gate = Gate()
    scripted(monkeypatch, lambda batch: gate(batch) if batch == 1 else None)
    idle.remember(PANGOLIN.statement, max_tokens=2)
    assert gate.reached.wait(20)
    job = idle.server._tenants.default.jobs.yielding("alice")
    assert job.body()["status"] == "running"
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(request_(idle)))
    asking.start()
    eventually(job._cancelled.is_set)
    gate.go.set()
    asking.join(20)
    assert answers[0].status_code == status, answers[0].text
    assert job.body()["status"] == "cancelled"


def test_what_gave_way_is_put_off_until_it_is_quiet_again(idle: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    teacher = scripted(monkeypatch, lambda batch: gate(batch) if batch == 1 else None)
    idle.remember(PANGOLIN.statement, max_tokens=2)
    assert gate.reached.wait(20)
    job = idle.server._tenants.default.jobs.yielding("alice")
    asking = threading.Thread(target=lambda: idle.put("/v1/sessions/alice/mounts", json={"names": []}))
    asking.start()
    eventually(job._cancelled.is_set)
    gate.go.set()
    asking.join(20)
    eventually(lambda: len(listed(idle)) == 1)
    assert teacher.batches == 2


def test_a_server_that_stops_ends_what_runs_idly(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    statements = " ".join(f"Tamsin Orrell's thing{chr(97 + n)} is called Rex." for n in range(14))
    with small(opens) as runtime:
        with serving(runtime, HttpSettings(consolidate_idle=0)) as api:
            scripted(monkeypatch, lambda batch: gate(batch) if batch == 2 else None)
            api.remember(statements, max_tokens=2)
            assert gate.reached.wait(20)
            api.server._tenants.default.cancel()
            gate.go.set()
        assert len(runtime.repository.ledger(runtime.repository.info("alice").head)) == 10


def test_without_the_setting_nothing_is_consolidated(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scripted(monkeypatch).batches == 0
    api.remember(PANGOLIN.statement, session="new", max_tokens=2)
    assert listed(api, "new") == []
    assert not [thread for thread in threading.enumerate() if thread.name == "perdure-idle"]


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_impossible_settings(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="consolidate_idle"):
        HttpSettings(consolidate_idle=seconds)
