"""What a server does when more is asked for than there is room for: it queues, refuses, and lets sessions go."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from perdure.api import capacity
from perdure.api.http import HttpSettings
from perdure.api.http.fields import KeepAlive
from perdure.config import PagingOptions
from perdure.errors import InvalidInput, OverBudget, Overloaded
from perdure.memory.records import Message
from perdure.runtime.state.base import State

from ..conftest import Opens
from .fakes import FakeRuntime
from .http_server import WAIT, Api, eventually, serving


class Held:
    """Answers that begin, and end when they may."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, messages: list[Message]) -> Iterator[str]:
        yield "first "
        self.go.wait(WAIT)
        yield "second"


def body(session: str | None = None, **more: Any) -> dict[str, Any]:
    model = {} if session is None else {"model": f"tiny@{session}"}
    return {"messages": [{"role": "user", "content": "hello"}], **model, **more}


CHAT = "/v1/chat/completions"


def under_way(api: Api) -> int:
    return int(api.server._tenants.default.turns.under_way)


def busy_with(api: Api, turns: int) -> bool:
    return under_way(api) == turns


def test_more_than_the_queue_holds_are_refused_and_can_come_later() -> None:
    runtime = FakeRuntime()
    held = runtime.answer = Held()
    with serving(runtime, HttpSettings(workers=1, queue=1)) as api, ThreadPoolExecutor(2) as pool:
        waiting = []
        for number in range(2):
            waiting.append(pool.submit(api.post, CHAT, json=body(f"s{number}")))
            eventually(partial(busy_with, api, number + 1))
        for path, sent in (
            (CHAT, body("late")),
            ("/v1/responses", {"input": "hello"}),
            ("/v1/completions", {"prompt": "hello"}),
        ):
            refused = api.post(path, json=sent)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert refused.json()["error"]["code"] == "overloaded"
            assert int(refused.headers["Retry-After"]) >= 1
        assert not runtime.repository.exists("late")
        held.go.set()
        assert [each.result(WAIT).status_code for each in waiting] == [200, 200]
        assert api.post(CHAT, json=body("late")).status_code == 200


def test_a_client_that_leaves_the_queue_frees_its_place_and_session_at_once() -> None:
    runtime = FakeRuntime()
    held = runtime.answer = Held()
    with serving(runtime, HttpSettings(workers=1)) as api, ThreadPoolExecutor(2) as pool:
        first = pool.submit(api.post, CHAT, json=body("alice"))
        eventually(lambda: under_way(api) == 1)
        with pytest.raises(httpx.ReadTimeout):
            api.post(CHAT, json=body("bob"), timeout=0.3)
        eventually(lambda: under_way(api) == 1)
        # The only worker is still busy, and yet nobody has bob any more.
        again = pool.submit(api.post, CHAT, json=body("bob"))
        eventually(lambda: under_way(api) == 2)
        held.go.set()
        assert [each.result(WAIT).status_code for each in (first, again)] == [200, 200]
        assert len(runtime.talk("bob")) == 2


def test_hundred_clients_at_once_are_all_answered() -> None:
    with serving(FakeRuntime()) as api, ThreadPoolExecutor(100) as pool:
        found = list(pool.map(lambda number: api.post(CHAT, json=body(f"s{number}")).status_code, range(100)))
        assert found == [200] * 100
        eventually(lambda: under_way(api) == 0)


def test_how_errors_of_memory_are_told() -> None:
    runtime = FakeRuntime()
    errors: dict[str, Exception] = {"full": Overloaded("No room.", retry_after=7), "huge": OverBudget("Too large.")}

    def failing(messages: list[Message]) -> Iterator[str]:
        raise errors[messages[-1].content]

    runtime.answer = failing
    with serving(runtime) as api:
        full, huge = (api.post(CHAT, json={"messages": [{"role": "user", "content": name}]}) for name in errors)
        assert (full.status_code, full.headers["Retry-After"]) == (429, "7")
        assert (huge.status_code, huge.json()["code"], huge.headers["x-should-retry"]) == (507, "over_budget", "false")


def test_a_session_stays_for_as_long_as_its_last_request_said() -> None:
    runtime = FakeRuntime()
    with serving(runtime, HttpSettings(keep_alive=3600.0)) as api:

        def kept() -> dict[str, Any]:
            return {each.name: each.expires for each in api.server._tenants.default.turns.warm.kept()}

        api.post(CHAT, json=body("hour"))
        api.post(CHAT, json=body("ever", keep_alive=-1))
        api.post(CHAT, json=body("minute", memory={"keep_alive": "1m"}))
        api.post(CHAT, json=body("gone", keep_alive=0))
        found = kept()
        assert set(found) == {"hour", "ever", "minute"}
        assert found["ever"] is None
        assert 3500 < found["hour"] - found["minute"] < 3600
        api.post(CHAT, json=body("minute", keep_alive="10ms", memory={"input": "delta"}))
        eventually(lambda: "minute" not in kept())
        assert sorted(filter(None, runtime.closed)) == ["gone", "minute"]
        refused = api.post(CHAT, json=body("hour", keep_alive="soon"))
        assert (refused.status_code, refused.json()["error"]["param"]) == (422, "/keep_alive")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (5, 5.0),
        (1.5, 1.5),
        ("90", 90.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        (-1, math.inf),
        ("-1m", math.inf),
    ],
)
def test_durations(said: object, seconds: float) -> None:
    assert TypeAdapter(KeepAlive).validate_python(said) == pytest.approx(seconds)


@pytest.mark.parametrize("said", ["", "m", "5 minutes", "1d", True, [], math.nan])
def test_what_is_no_duration(said: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(KeepAlive).validate_python(said)


def test_settings_out_of_range() -> None:
    for wrong in ({"queue": -1}, {"keep_alive": -1.0}, {"keep_alive": math.inf}):
        with pytest.raises(InvalidInput):
            HttpSettings(**wrong)


def test_sessions_leave_memory_within_the_budget(opens: Opens) -> None:
    """Sessions that were dropped for others are gone from the list, and come back as they were."""
    names = [f"s{number}" for number in range(6)]
    with opens(paging=PagingOptions(hot_bytes=1 << 40)) as runtime, serving(runtime) as api:
        for name in names:
            api.remember("Hello.", session=name, max_tokens=2)
        memory = api.get("/v1/ps").json()["memory"]
        assert (memory["budget"], memory["in_use"]) == (1 << 40, 0)
        assert memory["held"] == sum(each["memory_bytes"] for each in api.get("/v1/ps").json()["data"]) > 0
        one = runtime.session(names[0]).need(60)
        runtime.residence.budget = 2 * one
        before = [api.remember("And now?", session=name, max_tokens=2, memory={"input": "delta"}) for name in names]
        assert {each["reconciled"] for each in before} == {"delta"}
        kept = [each["id"] for each in api.get("/v1/ps").json()["data"]]
        assert 1 <= len(kept) < len(names)
        assert kept == names[-len(kept) :]
        assert api.get("/v1/stats").json()["memory"]["held"] <= 2 * one
        runtime.residence.budget, runtime.residence.patience = one // 2, 0.0
        huge = api.post(CHAT, json={"messages": [{"role": "user", "content": "Hello?"}]})
        assert (huge.status_code, huge.json()["code"]) == (507, "over_budget")


class Full:
    """Somebody who has all of the memory."""

    stored = False

    def states(self) -> list[State]:
        return []

    def drop(self) -> None: ...


def test_a_client_that_leaves_while_it_waits_for_memory_is_not_waited_for(opens: Opens) -> None:
    with opens() as runtime, serving(runtime) as api:
        runtime.keep_within(1 << 30)
        full = Full()
        runtime.residence.enter(full, 1 << 30)
        sent = {"messages": [{"role": "user", "content": "Hello?"}]}
        with pytest.raises(httpx.ReadTimeout):
            api.post(CHAT, json=sent, headers={"X-Session-ID": "alice"}, timeout=1.0)
        eventually(lambda: (runtime.residence.waiting, under_way(api)) == (0, 0))
        runtime.residence.patience = 0.0
        refused = api.post(CHAT, json=sent, headers={"X-Session-ID": "alice"})
        assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert int(refused.headers["Retry-After"]) >= 1
        runtime.residence.forget(full)
        assert api.remember("Hello?", max_tokens=2)["reconciled"] == "started"


def test_what_a_machine_has_to_spare(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 100 kB\nMemAvailable: 64 kB\n")
    assert capacity.spare_bytes(tmp_path) == 64 << 10
    assert capacity.hot_bytes(1000, tmp_path) == (32 << 10) + 1000
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.current").write_text("1000\n")
    (group / "memory.max").write_text("max\n")
    assert capacity.spare_bytes(tmp_path) == 64 << 10
    (group / "memory.max").write_text("5000\n")
    assert capacity.spare_bytes(tmp_path) == 4000
    assert "take turns" in capacity.sentence(4, 256, 1, 1 << 30)
    assert "up to 8 sessions share a forward; working states may take 1.0 GiB" in capacity.sentence(16, 256, 8, 1 << 30)
