"""The graph of commits on the pages: what it shows is what the interface gives, and what is done from it is done."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from perdure.api.figures import size

from .conftest import NARROW
from .served import Served

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def rows(page: Page) -> Locator:
    return page.get_by_role("option")


def row(page: Page, commit: str) -> Locator:
    return page.locator(f"#c-{commit}")


def commits(api: Served, name: str) -> list[dict[str, object]]:
    return api.ask(f"/v1/sessions/{name}/graph")["data"]  # type: ignore[no-any-return]


def head(api: Served, name: str) -> str:
    return str(api.ask(f"/v1/sessions/{name}")["head"])


def family(api: Served, name: str) -> str:
    """A session with a fork that went on, and a tag; the commit where they part."""
    api.say(name, "one", "two", max_tokens=2)
    parting = head(api, name)
    api.ask(f"/v1/sessions/{name}/fork", "POST", json={"name": f"{name}-b"})
    api.say(f"{name}-b", "three in the fork", max_tokens=2)
    api.say(name, "three", max_tokens=2)
    api.ask(f"/v1/sessions/{name}/tags/{name}-tag", "PUT", json={"at": "HEAD~2"})
    return parting


def test_the_graph_is_that_of_the_interface(page: Page, api: Served) -> None:
    family(api, "graph-shown")
    page.goto("/ui/sessions/graph-shown/graph")
    known = commits(api, "graph-shown")
    expect(rows(page)).to_have_count(len(known))
    for node in known:
        drawn = row(page, str(node["id"]))
        expect(drawn.locator(".title")).to_have_text(str(node["title"] or node["kind"]))
        expect(drawn.locator(".added")).to_have_text(f"+{size(int(str(node['bytes_added'])))}")
        assert drawn.locator(".branch").all_inner_texts() == node["branches"]
        assert drawn.locator(".tag").all_inner_texts() == node["tags"]
    lanes = {page.locator(f"#c-{node['id']} .node").get_attribute("style") for node in known}
    assert len({re.sub("border.*", "", str(each)) for each in lanes}) == 2
    assert page.locator(".lanes path").count() >= len(known)


def test_a_commit_is_chosen_with_the_keyboard_and_has_an_address(page: Page, api: Served) -> None:
    parting = family(api, "graph-chosen")
    page.goto("/ui/sessions/graph-chosen/graph")
    expect(page.locator(".commit.chosen")).to_have_count(1)
    page.locator(".commit.chosen").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".inspected .facts")).to_contain_text(parting)
    assert f"at={parting}" in page.url
    page.reload()
    beside = page.locator(".inspected")
    expect(beside.locator(".facts")).to_contain_text(parting)
    expect(beside.locator(".by-user .said")).to_have_text("two")
    metrics = api.ask(f"/v1/commits/{parting}")["metrics"]
    expect(beside.get_by_text(f"prefilled {metrics['prefilled']}")).to_be_visible()
    export = beside.get_by_role("link", name="Export")
    bundle = page.request.get(api.url + str(export.get_attribute("href")))
    assert bundle.body() == api.get("/v1/sessions/graph-chosen/export", params={"at": parting}).content


def test_what_a_commit_added_is_drawn_however_little_room_there_is(page: Page, api: Served) -> None:
    family(api, "graph-low")
    page.set_viewport_size({"width": 1280, "height": 420})
    page.goto("/ui/sessions/graph-low/graph")
    bar = page.locator(".inspected .bar-of")
    expect(bar).to_be_visible()
    drawn = bar.bounding_box()
    assert drawn is not None
    assert drawn["height"] >= 20


def test_a_session_is_reset_with_a_button_and_back(page: Page, api: Served) -> None:
    parting = family(api, "graph-reset")
    before = head(api, "graph-reset")
    page.goto(f"/ui/sessions/graph-reset/graph?at={parting}")
    page.get_by_role("button", name="Reset here").click()
    assert head(api, "graph-reset") == before
    page.get_by_role("button", name="Move it").click()
    expect(row(page, parting).locator(".branch.own")).to_have_text("graph-reset")
    assert head(api, "graph-reset") == parting
    page.get_by_role("button", name="Take that back").click()
    expect(row(page, before).locator(".branch.own")).to_have_text("graph-reset")
    assert head(api, "graph-reset") == before


def test_a_branch_is_dragged_onto_a_commit(page: Page, api: Served) -> None:
    parting = family(api, "graph-dragged")
    before = head(api, "graph-dragged-b")
    page.goto("/ui/sessions/graph-dragged/graph")
    page.locator(".commit .branch", has_text="graph-dragged-b").drag_to(row(page, parting))
    expect(page.get_by_text(f"Move graph-dragged-b to {parting[:8]}?")).to_be_visible()
    page.get_by_role("button", name="Move it").click()
    expect(row(page, parting).locator(".branch")).to_have_text("graph-dragged-b")
    assert head(api, "graph-dragged-b") == parting
    page.get_by_role("button", name="Take that back").click()
    expect(row(page, before).locator(".branch")).to_have_text("graph-dragged-b")
    assert head(api, "graph-dragged-b") == before


def test_forks_and_tags_are_made_where_one_looks(page: Page, api: Served) -> None:
    parting = family(api, "graph-made")
    page.goto(f"/ui/sessions/graph-made/graph?at={parting}")
    page.get_by_role("button", name="Tag", exact=True).click()
    page.get_by_label("Name of the tag").fill("graph-made-here")
    page.get_by_label("Name of the tag").press("Enter")
    expect(row(page, parting).locator(".tag")).to_have_text("graph-made-here")
    assert api.ask("/v1/sessions/graph-made/tags/graph-made-here")["commit"]["id"] == parting
    page.get_by_role("button", name="Delete the tag graph-made-here").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row(page, parting).locator(".tag")).to_have_count(0)
    assert api.get("/v1/sessions/graph-made/tags/graph-made-here").status_code == 404
    page.locator(".inspected").get_by_role("button", name="Fork").click()
    page.get_by_label("Name of the new session").fill("graph-made-fork")
    page.get_by_role("button", name="Fork", exact=True).last.click()
    page.wait_for_url("**/ui/sessions/graph-made-fork/chat")
    assert head(api, "graph-made-fork") == parting


def test_a_merge_is_tried_settled_and_taken_back(page: Page, api: Served) -> None:
    """Both sides gave the memory that they share another text, so that somebody must say who is right."""
    api.say("graph-merged", "one", max_tokens=2)
    api.ask("/v1/sessions/graph-merged/ingest", "POST", json={"text": "Bees hum.", "name": "bees"})
    api.ask("/v1/sessions/graph-merged/fork", "POST", json={"name": "graph-merged-b"})
    api.ask("/v1/sessions/graph-merged-b/ingest", "POST", json={"text": "Wasps sting.", "name": "wasps"})
    (bees,) = api.ask("/v1/sessions/graph-merged/memory/episodic")["data"]
    for session, text in (("graph-merged", "Bees dance."), ("graph-merged-b", "Bees sleep.")):
        api.ask(f"/v1/memory/{bees['id']}", "PATCH", params={"session": session}, json={"text": text})
    before = head(api, "graph-merged")
    page.goto(f"/ui/sessions/graph-merged/graph?at={head(api, 'graph-merged-b')}")
    page.locator(".inspected").get_by_role("button", name="Merge").click()
    expect(page.locator(".clash")).to_contain_text(bees["id"])
    expect(page.get_by_role("button", name="Merge", exact=True).last).to_be_disabled()
    page.get_by_text("What the other has counts").click()
    expect(page.get_by_text("Gained: 2 memories. Lost: 1 memory.")).to_be_visible()
    assert head(api, "graph-merged") == before
    page.get_by_role("button", name="Merge", exact=True).last.click()
    expect(page.locator(".commit .kind", has_text="merge")).to_be_visible()
    merged = api.ask("/v1/sessions/graph-merged/memory/episodic")["data"]
    assert sorted(each["text"] for each in merged) == ["Bees sleep.", "Wasps sting."]
    page.get_by_role("button", name="Take that back").click()
    expect(row(page, before).locator(".branch.own")).to_have_text("graph-merged")
    assert head(api, "graph-merged") == before


def test_what_happens_elsewhere_appears(page: Page, api: Served) -> None:
    api.say("graph-live", "one", max_tokens=2)
    page.goto("/ui/sessions/graph-live/graph")
    expect(rows(page)).to_have_count(2)
    api.ask("/v1/sessions/graph-live/fork", "POST", json={"name": "graph-live-b"})
    expect(page.locator(".commit .branch", has_text="graph-live-b")).to_be_visible()
    api.say("graph-live-b", SCRIPT, max_tokens=2)
    expect(page.locator(".title", has_text="onerror=")).to_be_visible()
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_a_telephone_shows_the_graph_and_then_the_commit(narrow: Page, api: Served) -> None:
    parting = family(api, "graph-narrow")
    narrow.goto("/ui/sessions/graph-narrow/graph")
    row(narrow, parting).click()
    expect(narrow.locator(".inspected .facts")).to_contain_text(parting)
    expect(narrow.locator(".inspected")).to_be_in_viewport()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_an_unknown_commit_is_refused_in_words(page: Page, api: Served) -> None:
    api.say("graph-unknown", "one", max_tokens=2)
    page.goto("/ui/sessions/graph-unknown/graph?at=0123456789abcdef")
    expect(page.get_by_role("alert")).to_contain_text("0123456789")
