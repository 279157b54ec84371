"""What a session looks like inside, over HTTP: its context, its blocks, its states, its graph, its changes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perdure import Client
from perdure.runtime import Runtime
from perdure.runtime import open as open_model
from perdure.testing.families import tiny_model
from perdure.testing.records import record_of

from ..conftest import Opens
from ..memory.conftest import add_turn
from .http_server import Api, serving
from .records import ASK, PANGOLIN
from .remembering import ASK as ASK_PET
from .remembering import FACT, small, taught

KINDS = ("export", "import")


def ok(api: Api, url: str, **query: Any) -> Any:
    response = api.get(url, params=query)
    assert response.status_code == 200, response.text
    return response.json()


def refused(api: Api, url: str, status: int, code: str, **query: Any) -> None:
    response = api.get(url, params=query)
    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[tuple[Runtime, Api]]:
    """ada's conversation has outgrown its window; eve was forked from it early and went on."""
    folder = tmp_path_factory.mktemp("viewing")

    def opens(store: Path | None = None, **options: Any) -> Runtime:
        return open_model(str(model), folder / "store", threads=1, cache=folder / "cache", **options)

    with small(opens) as runtime:
        with runtime.session("ada", system="Answer briefly.") as session:
            taught(session).chat(ASK_PET, max_tokens=8, temperature=0.0)
        with runtime.session("ada").fork("eve", "@turn:2") as fork:
            fork.chat("Something else.", max_tokens=4, temperature=0.0)
        runtime.repository.create("new", runtime.recipe)
        with serving(runtime) as api:
            yield runtime, api


def parts(body: Any) -> dict[str, Any]:
    return {each["name"]: each for each in body["parts"]}


def test_the_context_is_what_attention_reads(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    body = ok(api, "/v1/sessions/ada/memory/context", limit=8192)
    found = parts(body)
    working = ok(api, "/v1/sessions/ada/memory/working")
    assert list(found) == ["system", "sinks", "summary", "window", "recalled"]
    assert sum(each["tokens"] for each in body["parts"]) == working["entries"]
    assert sum(each["bytes"] for each in body["parts"]) + body["fixed_bytes"] == working["bytes"]
    assert found["system"]["tokens"] + found["sinks"]["tokens"] == working["sinks"]
    assert (found["summary"]["tokens"], found["summary"]["exact"]) == (working["summary"], False)
    assert found["window"]["span"] == {"start": working["oldest"], "end": working["tokens"]}
    spans = [found[name]["span"] for name in ("system", "sinks", "summary", "window")]
    assert [each["start"] for each in spans] == [0, *(each["end"] for each in spans[:-1])]
    log = runtime.repository.tokens("ada")
    decode = runtime.loaded.tokenizer.decode
    for each in body["parts"]:
        assert each["text"] == decode(log[each["span"]["start"] : each["span"]["end"]]), each["name"]
        assert not each["more"]
    assert FACT in found["summary"]["text"]
    assert (body["backend"], body["then"], body["limits"]["window"]) == ("heavy-hitters", "evict", 128)
    assert body["free"] == 256 - working["window"]


def test_one_part_is_read_piece_by_piece(bounded: tuple[Runtime, Api]) -> None:
    _, api = bounded
    url = "/v1/sessions/ada/memory/context"
    whole = parts(ok(api, url, limit=8192))["window"]
    pieces, offset = [], 0
    while True:
        (piece,) = ok(api, url, part="window", offset=offset, limit=50)["parts"]
        pieces.append(piece["text"])
        offset += 50
        if not piece["more"]:
            break
    assert "".join(pieces) == whole["text"]
    assert len(pieces) == -(-whole["tokens"] // 50)
    beyond = ok(api, url, part="window", offset=100_000)["parts"][0]
    assert (beyond["text"], beyond["more"]) == ("", False)
    for wrong in ({"limit": 0}, {"limit": 9000}, {"part": "free"}, {"offset": -1}):
        refused(api, url, 422, "invalid_parameter", **wrong)


def test_the_text_is_cut_where_messages_end(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    window = parts(ok(api, "/v1/sessions/ada/memory/context", limit=8192))["window"]
    cut = window["messages"]
    assert [each["span"]["start"] for each in cut] == [window["span"]["start"], *(each["span"]["end"] for each in cut[:-1])]
    assert cut[-1]["span"]["end"] == window["span"]["end"]
    assert "".join(each["text"] for each in cut) == window["text"]
    last = runtime.repository.messages("ada")[-1]
    assert (cut[-1]["roles"], cut[-1]["span"]["start"]) == ([last.role], last.start)
    (system,) = parts(ok(api, "/v1/sessions/ada/memory/context", at="@turn:1"))["system"]["messages"]
    assert system["roles"][0] == "system"
    (piece,) = ok(api, "/v1/sessions/ada/memory/context", part="window", offset=3, limit=5)["parts"]
    start = window["span"]["start"] + 3
    assert piece["messages"][0]["span"]["start"] == start
    assert piece["messages"][-1]["span"]["end"] == start + 5


def test_before_anything_left_the_system_prompt_stands_alone(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    body = ok(api, "/v1/sessions/ada/memory/context", at="@turn:1")
    found = parts(body)
    system = runtime.repository.messages("ada")[0]
    assert (system.role, found["system"]["span"]) == ("system", {"start": 0, "end": system.end})
    assert "Answer briefly." in found["system"]["text"]
    assert (found["sinks"]["tokens"], found["summary"]["tokens"]) == (0, 0)
    assert found["window"]["span"]["start"] == system.end
    assert body["backend"] == "none"
    nothing = ok(api, "/v1/sessions/new/memory/context")
    assert [each["tokens"] for each in nothing["parts"]] == [0] * 5


def test_what_the_last_turn_recalled_is_told(bounded: tuple[Runtime, Api]) -> None:
    _, api = bounded
    body = ok(api, "/v1/sessions/ada/memory/context")
    assert parts(body)["recalled"]["tokens"] == 0
    assert FACT in [each["text"] for each in body["last_recalled"]]
    assert all(each["tokens"] > 0 and len(each["id"]) == 16 for each in body["last_recalled"])


def columns(body: Any, group: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = body["groups"][group]["columns"]
    return found


def test_blocks_lie_where_the_store_says(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    repository = runtime.repository
    head = repository.info("ada").head
    body = ok(api, "/v1/sessions/ada/blocks", **{"with": "eve"})
    (group,) = body["groups"]
    found = columns(body)
    places = repository.blocks(head)
    assert list(zip(found["start"], found["tokens"], found["digest"], strict=True)) == [
        (start, tokens, digest.hex()[:16]) for start, tokens, digest in places
    ]
    with repository.store.read() as txn:
        assert found["bytes"] == [txn.size(digest) for _, _, digest in places]
    assert (group["total"], group["bytes"]) == (len(places), head.state.kv_bytes if head.state else 0)
    assert (group["codec"], group["dtype"], len(group["layers"])) == ("raw", "bfloat16", len(repository.layers(head)))
    theirs = {digest for _, _, digest in repository.blocks(repository.info("eve").head)}
    shared = [int(digest in theirs) for _, _, digest in places]
    assert 0 < sum(shared) < len(shared)
    assert found["with"] == shared
    assert found["sessions"] == [1 + each for each in shared]
    assert not body["has_more"]
    assert body["next"] is None


def test_a_blocks_tier_is_what_the_model_still_sees_of_it(bounded: tuple[Runtime, Api]) -> None:
    _, api = bounded
    working = ok(api, "/v1/sessions/ada/memory/working")
    body = ok(api, "/v1/sessions/ada/blocks")
    found = columns(body)
    names = [body["tiers"][each] for each in found["tier"]]
    ends = [start + tokens for start, tokens in zip(found["start"], found["tokens"], strict=True)]
    assert names[0] == "sink"
    assert [name == "window" for name in names] == [end > working["oldest"] for end in ends]
    assert "summary" in names
    early = ok(api, "/v1/sessions/ada/blocks", at="@turn:1")
    assert set(columns(early)["tier"]) == {early["tiers"].index("window")}


def test_each_block_names_the_commit_that_wrote_it(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    repository = runtime.repository
    body = ok(api, "/v1/sessions/ada/blocks")
    first: dict[str, str] = {}
    for commit in reversed(repository.log("ada")):
        for _, _, digest in repository.blocks(commit):
            first.setdefault(digest.hex()[:16], commit.hex)
    found = columns(body)
    written = [body["commits"][number] for number in found["commit"]]
    assert [each["id"] for each in written] == [first[digest] for digest in found["digest"]]
    assert [each["turn"] for each in written] == sorted(each["turn"] for each in written)


def test_blocks_come_in_pages(bounded: tuple[Runtime, Api]) -> None:
    _, api = bounded
    url = "/v1/sessions/ada/blocks"
    whole = columns(ok(api, url))
    starts, at = [], 0
    while True:
        body = ok(api, url, limit=3, **{"from": at})
        starts += columns(body)["start"]
        assert columns(body)["index"] == whole["start"].index(columns(body)["start"][0])
        if not body["has_more"]:
            break
        at = body["next"]
    assert starts == whole["start"]
    assert (
        columns(ok(api, url, **{"from": 70, "to": 129}))["start"] == [each for each in whole["start"] if 6 < each < 129][:]
    )
    refused(api, url, 404, "session_not_found", **{"with": "nobody"})
    empty = ok(api, "/v1/sessions/new/blocks")
    assert [each["total"] for each in empty["groups"]] == [0]


def test_one_block_says_everything(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    start, tokens, digest = runtime.repository.blocks(runtime.repository.info("ada").head)[1]
    body = ok(api, "/v1/sessions/ada/blocks/1")
    log = runtime.repository.tokens("ada")[start : start + tokens]
    assert (body["digest"], body["span"]) == (digest.hex(), {"start": start, "end": start + tokens})
    assert (body["tokens"], body["text"]) == (log, runtime.loaded.tokenizer.decode(log))
    assert (body["others"], body["sessions"], body["present"]) == (["eve"], 2, True)
    assert body["written"]["kind"] == "turn"
    for wrong in ("1000", "x", "-1", "9" * 40):
        refused(api, f"/v1/sessions/ada/blocks/{wrong}", 404, "block_not_found")
    refused(api, "/v1/sessions/ada/blocks/0", 404, "block_not_found", group="window")


def test_a_block_that_is_gone_is_shown_as_gone(opens: Opens) -> None:
    with opens() as runtime, serving(runtime) as api:
        api.remember("Hello there.", session="s", max_tokens=4)
        digest = runtime.repository.blocks(runtime.repository.info("s").head)[0][2]
        with runtime.repository.store.write() as txn:
            txn.delete(digest)
        assert columns(ok(api, "/v1/sessions/s/blocks"))["bytes"][0] == 0
        assert not ok(api, "/v1/sessions/s/blocks/0")["present"]


def test_sliding_layers_are_a_group_of_their_own(opens: Opens, tmp_path: Path) -> None:
    with opens(model=str(tiny_model("gemma3", tmp_path / "model"))) as runtime, serving(runtime) as api:
        api.remember("Hello there, what is new with you today?", session="s", max_tokens=70)
        api.remember("Hello there.", "What?", "Go on.", session="s", max_tokens=4)
        body = ok(api, "/v1/sessions/s/blocks")
        full, window = body["groups"]
        assert ([full["group"], window["group"]], full["total"]) == (["full", "window"], window["total"])
        assert {each["kind"] for each in window["layers"]} == {"sliding attention"}
        tiers = [body["tiers"][each] for each in window["columns"]["tier"]]
        assert tiers[-1] == "window"
        context = ok(api, "/v1/sessions/s/memory/context")
        working = ok(api, "/v1/sessions/s/memory/working")
        assert sum(each["bytes"] for each in context["parts"]) + context["fixed_bytes"] == working["bytes"]
        one = ok(api, "/v1/sessions/s/blocks/0", group="window")
        assert one["digest"][:16] == window["columns"]["digest"][0] != full["columns"]["digest"][0]


@pytest.mark.parametrize("family", ["qwen3_next", "minimax", "xlstm"])
def test_states_have_norms_after_each_turn(opens: Opens, tmp_path: Path, family: str) -> None:
    with opens(model=str(tiny_model(family, tmp_path / "model"))) as runtime, serving(runtime) as api:
        session = runtime.session("s")
        heads = [session.chat(text, max_tokens=4).receipt.commit for text in ("Hello there.", "And then?")]
        snapshot = session.warm.state.snapshot()
        assert snapshot is not None
        session.mount([])
        session.close()
        body = ok(api, "/v1/sessions/s/states")
        assert [each["id"] for each in body["data"]] == heads[::-1]
        assert [each["turn"] for each in body["data"]] == [2, 1]
        recurrent = {each.layer for each in runtime.repository.layers(runtime.repository.info("s").head) if each.fixed}
        assert {each["layer"] for each in body["tensors"]} == recurrent
        for tensor, norm in zip(body["tensors"], body["data"][0]["norms"], strict=True):
            assert norm == pytest.approx(float(snapshot.tensors[tensor["tensor"]].double().norm()), rel=1e-6)
        assert body["data"][0]["norms"] != body["data"][1]["norms"]
        first = ok(api, "/v1/sessions/s/states", limit=1)
        assert (first["data"], first["has_more"]) == (body["data"][:1], True)
        rest = ok(api, "/v1/sessions/s/states", limit=1, after=first["last_id"])
        assert (rest["data"], rest["has_more"]) == (body["data"][1:], False)
        assert body["reason"] is None


def test_a_model_without_such_states_says_so(bounded: tuple[Runtime, Api]) -> None:
    _, api = bounded
    body = ok(api, "/v1/sessions/ada/states")
    assert (body["data"], body["tensors"]) == ([], [])
    assert "attend to keys and values" in body["reason"]
    assert "Nothing was said" in ok(api, "/v1/sessions/new/states")["reason"]
    refused(api, "/v1/sessions/ada/states", 404, "after_not_found", after="nothing")


def test_the_graph_holds_a_session_and_its_forks(bounded: tuple[Runtime, Api]) -> None:
    runtime, api = bounded
    repository = runtime.repository
    repository.fork("eve", "zoe")
    repository.tag("seen", "eve~1", "eve")
    body = ok(api, "/v1/sessions/ada/graph", limit=1000)
    listed = {each["id"]: each for each in body["data"]}
    assert listed.keys() == {each.hex for name in ("ada", "eve") for each in repository.log(name)}
    order = list(listed)
    assert all(order.index(each["id"]) < order.index(parent) for each in body["data"] for parent in each["parents"])
    at = {name: repository.info(name).head.hex for name in ("ada", "eve")}
    assert (listed[at["ada"]]["branches"], listed[at["eve"]]["branches"]) == (["ada"], ["eve", "zoe"])
    assert [each["id"] for each in body["data"] if each["tags"]] == [repository.resolve("eve~1").hex]
    pages, after = [], None
    while True:
        page = ok(api, "/v1/sessions/ada/graph", limit=3, **({} if after is None else {"after": after}))
        pages += page["data"]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert pages == body["data"]
    assert {each["id"] for each in ok(api, "/v1/sessions/zoe/graph")["data"]} == {c.hex for c in repository.log("zoe")}
    refused(api, "/v1/sessions/nobody/graph", 404, "session_not_found")
    repository.remove("zoe")
    repository.untag("seen")


def test_what_commits_added_is_what_the_store_holds(opens: Opens) -> None:
    with small(opens) as runtime:
        with runtime.session("ada") as session:
            taught(session)
            session.memory.add([("bees", "Ada keeps bees."), ("wasps", "Wasps sting.")])
            session.memory.remove(runtime.repository.remembered(session.head)[0].id)
            session.teach([record_of(runtime, PANGOLIN, (ASK,), 3)], (), "teach")
        runtime.repository.gc(expire_days=0)
        with runtime.repository.store.read() as txn:
            stored = {digest: txn.size(digest) for digest in txn.digests()}
            history = runtime.repository.log("ada")
            marks = {mark.digest for mark in (history[0].state.checkpoints if history[0].state else ())}
        with serving(runtime) as api:
            data = ok(api, "/v1/sessions/ada/graph", limit=1000)["data"]
        assert all(each["bytes_added"] == sum(each["added"].values()) for each in data)
        assert sum(each["bytes_added"] for each in data) == pytest.approx(sum(stored.values()), rel=0.02)
        assert marks <= stored.keys()
        turn, teach = (next(each for each in data if each["kind"] == kind) for kind in ("turn", "teach"))
        assert (turn["added"]["working"] > 0, turn["added"]["fast-weights"]) == (True, 0)
        assert (teach["added"]["working"], teach["added"]["fast-weights"] > 0) == (0, True)


def test_a_merge_adds_what_neither_side_had(opens: Opens) -> None:
    with small(opens) as runtime, serving(runtime) as api:
        with runtime.session("ada") as session:
            session.chat("Hello.", max_tokens=4)
            runtime.repository.fork("ada", "bob")
            session.memory.add([("bees", "Ada keeps bees.")])
        with runtime.session("bob") as session:
            session.memory.add([("wasps", "Wasps sting. " * 20)])
        assert api.post("/v1/sessions/ada/merge", json={"from": "bob"}).status_code == 201
        merge, *others = ok(api, "/v1/sessions/ada/graph")["data"]
        assert (merge["kind"], len(merge["parents"]), merge["branches"]) == ("merge", 2, ["ada"])
        assert {each["id"] for each in others[:2]} == set(merge["parents"])
        assert 0 < merge["added"]["episodic"] < others[0]["added"]["episodic"]
        assert merge["added"]["working"] == 0


def test_a_diff_tells_each_tier(opens: Opens) -> None:
    with small(opens) as runtime, serving(runtime) as api:
        with runtime.session("ada") as session:
            session.chat("Hello.", max_tokens=4)
            session.memory.add([("bees", "Ada keeps bees."), ("wasps", "Wasps sting.")])
            runtime.repository.fork("ada", "bob")
            bees, wasps = (each.id for each in runtime.repository.remembered(session.head))
            session.memory.edit(bees, "Ada keeps goats.")
            session.memory.remove(wasps)
            session.memory.add([("cats", "Cats purr.")])
            session.teach([record_of(runtime, PANGOLIN, (ASK,), 3)], (), "teach")
            session.mount(["bob"])
            session.chat("More.", max_tokens=4)
        body = ok(api, "/v1/diff", base="bob", head="ada")
        tiers = body["tiers"]
        episodic = tiers["episodic"]
        assert {how: episodic[how] for how in ("added", "removed", "changed", "same")} == {
            "added": 1,
            "removed": 1,
            "changed": 1,
            "same": 0,
        }
        texts = {
            each["change"]: tuple(side and side["text"] for side in (each["base"], each["head"]))
            for each in episodic["changes"]
        }
        assert texts == {
            "changed": ("Ada keeps bees.", "Ada keeps goats."),
            "removed": ("Wasps sting.", None),
            "added": (None, "Cats purr."),
        }
        (record,) = tiers["fast-weights"]["changes"]
        assert (record["change"], record["base"], record["head"]["value"]) == ("added", None, PANGOLIN.value)
        assert tiers["mounts"] == {"added": ["bob"], "removed": [], "same": []}
        assert tiers["working"]["head"]["tokens"] > tiers["working"]["base"]["tokens"]
        assert tiers["summary"]["same"]
        assert body["head_messages"][0]["content"] == "More."
        same = ok(api, "/v1/diff", base="ada", head="ada")["tiers"]
        assert (same["episodic"]["changes"], same["episodic"]["same"], same["fast-weights"]["same"]) == ([], 2, 1)


def test_fsck_is_a_job_with_progress(opens: Opens) -> None:
    with opens() as runtime, serving(runtime) as api, Client(str(api.base_url)) as client:
        api.remember("Hello there.", session="s", max_tokens=4)
        job = client.jobs.wait(client.fsck())
        assert (job.kind, job.session, job.status) == ("fsck", None, "completed")
        assert job.result == {**(job.result or {}), "ok": True, "problems": [], "lost": []}
        assert job.total == job.done == runtime.repository.store.bytes_on_disk()
        digest = runtime.repository.blocks(runtime.repository.info("s").head)[0][2]
        with runtime.repository.store.write() as txn:
            txn.delete(digest)
        broken = client.jobs.wait(client.fsck())
        assert not (broken.result or {})["ok"]
        assert digest.hex()[:12] in (broken.result or {})["problems"][0]["sentence"]
        assert (client.jobs.wait(client.fsck(repair=True)).result or {})["ok"]


def test_exports_and_imports_tell_how_far_they_are(opens: Opens) -> None:
    with opens() as runtime, serving(runtime) as api:
        api.remember("Hello there.", session="s", max_tokens=4)
        feed = api.server._tenants.default.feed
        bundle = api.get("/v1/sessions/s/export").content
        assert api.post("/v1/sessions/import?name=t", content=bundle).status_code == 201
        assert api.post("/v1/sessions/import?name=t", content=bundle).status_code == 409
        told = [(each.kind, each.session, each.data) for each in feed.after(0).found if each.data.get("kind") in KINDS]
        ends = [(kind, data["kind"], session) for kind, session, data in told if kind != "job.progress"]
        assert ends == [
            ("job.started", "export", "s"),
            ("job.completed", "export", "s"),
            ("job.started", "import", "t"),
            ("job.completed", "import", "t"),
            ("job.started", "import", "t"),
            ("job.failed", "import", "t"),
        ]
        moved = [data for kind, _, data in told if kind == "job.progress"]
        assert {each["kind"] for each in moved} == {"export", "import"}
        assert any(each["done"] == each["total"] > 1 for each in moved)


def test_the_map_of_many_blocks_is_small(opens: Opens) -> None:
    with opens() as runtime, serving(runtime) as api:
        repository: Any = runtime.repository
        for number in range(4):
            add_turn(repository, "long", f"Turn {number}.", tokens=6400)
        response = api.get("/v1/sessions/long/blocks")
        assert response.status_code == 200, response.text
        found = columns(response.json())
        assert len(found["start"]) == 400
        assert len(response.content) < 100 * 400
        assert np.diff(found["start"]).tolist() == found["tokens"][:-1]
        block = ok(api, "/v1/sessions/long/blocks/7")
        assert (len(block["tokens"]), block["text"]) == (64, None)
