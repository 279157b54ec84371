"""What is remembered: the list, the search, and every change, held against the interface."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import NARROW
from .served import FACT, Served, taught

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def aunt(api: Served) -> str:
    """A session with a conversation that has left its window; what it remembers is only read."""
    taught(api, "ep-aunt")
    return "ep-aunt"


def told(api: Served, name: str, *texts: str) -> list[dict[str, Any]]:
    """A session that remembers these texts; its memories."""
    for number, text in enumerate(texts):
        body = {"text": text, "name": f"note {number}"}
        api.ask(f"/v1/sessions/{name}/ingest", "POST", params={"create": True}, json=body)
    return listed(api, name)


def listed(api: Served, name: str, **query: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.ask(f"/v1/sessions/{name}/memory/episodic", params=query)["data"]
    return found


def row(page: Page, text: str) -> Locator:
    return page.locator("table.memories tbody tr", has_text=text)


def done(page: Page, said: str) -> None:
    expect(page.get_by_text(said).first).to_be_visible()


def test_rows_are_those_of_the_interface(page: Page, api: Served, aunt: str) -> None:
    page.goto(f"/ui/sessions/{aunt}/episodes")
    memories = listed(api, aunt, order="desc", limit=25)
    shown = page.locator("table.memories tbody tr")
    expect(shown).to_have_count(len(memories))
    for at, memory in enumerate(memories):
        expect(shown.nth(at).locator(".opener")).to_contain_text(memory["text"][:60].strip())
        expect(shown.nth(at).locator("td.n").first).to_have_text(f"{memory['tokens']}")
        expect(shown.nth(at)).to_contain_text(f"{aunt}, turn\u00a0{memory['turn']}")


def test_the_list_is_narrowed_sorted_and_turned_by_its_address(page: Page, api: Served) -> None:
    said = [{"role": "user", "content": f"Harbour number {each} has {'many ' * (each % 6)}boats."} for each in range(30)]
    api.ask("/v1/sessions/ep-many/ingest", "POST", params={"create": True}, json={"messages": said})
    memories = listed(api, "ep-many")
    assert len(memories) == 30
    page.goto("/ui/sessions/ep-many/episodes?sort=tokens&order=desc")
    shown = page.locator("table.memories tbody tr")
    expect(shown).to_have_count(25)
    expect(page.get_by_text(f"{len(memories)} memories")).to_be_visible()
    longest = listed(api, "ep-many", sort="tokens", order="desc")
    expect(shown.first).to_contain_text(longest[0]["text"])
    page.get_by_role("button", name="Next").click()
    expect(shown).to_have_count(len(memories) - 25)
    expect(page).to_have_url(re.compile(f"after={longest[24]['id']}"))
    page.get_by_label("Find in texts and sources").fill("number 7 ")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Harbour number 7")
    expect(page).to_have_url(re.compile(r"find=number\+7"))
    page.reload()
    expect(shown).to_have_count(1)


def test_a_search_tells_what_is_found_and_what_just_missed(page: Page, api: Served, aunt: str) -> None:
    query = "Which pangolin does my cousin keep?"
    page.goto(f"/ui/sessions/{aunt}/episodes?q={query}&threshold=0.3")
    body = {"query": query, "sessions": [aunt], "threshold": 0.3, "explain": True}
    found = api.ask("/v1/memory/search", "POST", json=body)["data"]
    chosen = [each for each in found if each["dropped"] is None]
    missed = [each for each in found if each["dropped"]]
    assert chosen
    assert missed
    expect(page.locator("li.chosen")).to_have_count(len(chosen))
    first = page.locator("li.chosen").first
    for said in (
        FACT,
        f"{chosen[0]['score']:.3f}",
        f"similarity {chosen[0]['similarity']:.3f}",
        f"words {chosen[0]['words']:.3f}",
    ):
        expect(first).to_contain_text(said)
    expect(page.locator("li.dropped").first).to_contain_text(missed[0]["dropped"])
    expect(first.locator(".score")).to_have_attribute("aria-label", f"score {chosen[0]['score']:.3f}, threshold 0.30")
    page.get_by_role("spinbutton", name="Threshold").fill("1")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_text("Nothing reaches the threshold")).to_be_visible()
    expect(page).to_have_url(re.compile("threshold=1"))


def test_a_memory_has_an_address_of_its_own(page: Page, api: Served, aunt: str) -> None:
    memory = next(each for each in listed(api, aunt) if each["text"] == FACT)
    page.goto(f"/ui/sessions/{aunt}/episodes?id={memory['id']}")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(FACT)
    expect(dialog.get_by_role("link", name=memory["origin"][:8])).to_have_attribute(
        "href", re.compile(rf"/ui/sessions/{aunt}/graph\?at={memory['origin']}")
    )
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("id="))
    page.get_by_role("button", name=FACT).click()
    expect(dialog).to_contain_text(memory["id"])
    expect(page).to_have_url(re.compile(f"id={memory['id']}"))


def test_a_memory_is_edited_pinned_and_forgotten_and_that_is_undone(page: Page, api: Served) -> None:
    told(api, "ep-notes", "The lighthouse opens at nine.")
    page.goto("/ui/sessions/ep-notes/episodes")
    page.get_by_role("button", name="Edit this memory").click()
    page.get_by_label("Its text").fill("The lighthouse opens at ten.")
    page.get_by_role("button", name="Save").click()
    done(page, "The memory has its new text.")
    expect(row(page, "opens at ten")).to_have_count(1)
    assert [each["text"] for each in listed(api, "ep-notes")] == ["The lighthouse opens at ten."]
    page.get_by_role("button", name="Pin this memory", exact=True).click()
    done(page, "It is recalled in every turn now.")
    assert listed(api, "ep-notes")[0]["pinned"] is True
    page.get_by_role("button", name="Unpin this memory").click()
    done(page, "It is recalled only where it fits.")
    expect(page.get_by_role("button", name="Pin this memory", exact=True)).to_be_visible()
    assert listed(api, "ep-notes")[0]["pinned"] is False
    page.get_by_role("button", name="Delete this memory").click()
    expect(page.get_by_role("dialog")).to_contain_text("Forget it in ep-notes")
    assert len(listed(api, "ep-notes")) == 1
    page.get_by_role("button", name="Forget it", exact=True).click()
    expect(page.get_by_text("No memory here.")).to_be_visible()
    assert listed(api, "ep-notes") == []
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "opens at ten")).to_have_count(1)
    assert [each["text"] for each in listed(api, "ep-notes")] == ["The lighthouse opens at ten."]


def test_who_was_slower_sees_the_present_text_and_overwrites_nothing_unseen(page: Page, api: Served) -> None:
    memory = told(api, "ep-race", "The ferry leaves at one.")[0]
    page.goto("/ui/sessions/ep-race/episodes")
    page.get_by_role("button", name="Edit this memory").click()
    field = page.get_by_label("Its text")
    field.fill("The ferry leaves at three.")
    api.ask(f"/v1/memory/{memory['id']}", "PATCH", json={"text": "The ferry leaves at two."})
    page.get_by_role("button", name="Save").click()
    alert = page.get_by_role("dialog").get_by_role("alert")
    expect(alert).to_contain_text("It was changed meanwhile")
    expect(alert).to_contain_text("The ferry leaves at two.")
    assert listed(api, "ep-race")[0]["text"] == "The ferry leaves at two."
    page.get_by_role("button", name="Take the present text").click()
    expect(field).to_have_value("The ferry leaves at two.")
    field.fill("The ferry leaves at four.")
    page.get_by_role("button", name="Save").click()
    done(page, "The memory has its new text.")
    assert listed(api, "ep-race")[0]["text"] == "The ferry leaves at four."


def test_of_several_sessions_the_chosen_one_forgets(page: Page, api: Served) -> None:
    memory = told(api, "ep-one", "The bakery closes on Sundays.")[0]
    api.ask("/v1/sessions/ep-one/fork", "POST", json={"name": "ep-two"})
    page.goto("/ui/memories?find=bakery+closes")
    expect(row(page, "bakery")).to_have_count(1)
    expect(row(page, "bakery")).to_contain_text("ep-one")
    expect(row(page, "bakery")).to_contain_text("ep-two")
    page.get_by_role("button", name="Delete this memory").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 sessions remember it")
    dialog.get_by_label("Session").click()
    page.get_by_role("option", name="ep-two").click()
    dialog.get_by_role("button", name="Forget it").click()
    done(page, "ep-two has forgotten it.")
    assert [each["id"] for each in listed(api, "ep-one")] == [memory["id"]]
    assert listed(api, "ep-two") == []


def test_texts_and_files_are_added(page: Page, api: Served) -> None:
    api.ask("/v1/sessions", "POST", json={"name": "ep-added"})
    page.goto("/ui/sessions/ep-added/episodes")
    expect(page.get_by_text("No memory here.")).to_be_visible()
    page.get_by_role("button", name="Add a memory").click()
    page.get_by_label("Its name (optional)").fill("by hand")
    page.get_by_label("The text").fill("The museum is free on Fridays.")
    page.get_by_role("button", name="Add it").click()
    done(page, "Remembered: 1 memory of")
    expect(row(page, "The museum is free")).to_have_count(1)
    page.get_by_role("button", name="Add a memory").click()
    page.get_by_role("button", name="Files").click()
    page.locator("input[type=file]").set_input_files(
        {"name": "Häfen.md", "mimeType": "text/markdown", "buffer": "Malmö has a harbour.".encode()}
    )
    page.get_by_role("button", name="Add it").click()
    expect(row(page, "Malmö has a harbour")).to_contain_text("Häfen.md")
    assert [each["source"] for each in listed(api, "ep-added")] == ["by hand", "Häfen.md"]


def test_what_other_clients_teach_and_delete_is_shown_unasked(page: Page, api: Served) -> None:
    page.goto("/ui/memories?find=windmill")
    done(page, "0 memories")
    told(api, "ep-taught", "The windmill of Hanne has no door.")
    expect(row(page, "The windmill of Hanne")).to_have_count(1)
    api.ask("/v1/sessions/ep-taught", "DELETE")
    expect(row(page, "The windmill of Hanne")).to_have_count(0)


def test_what_is_remembered_is_text_and_nothing_else(page: Page, api: Served) -> None:
    told(api, "ep-scripts", f"A note {SCRIPT}")
    page.goto("/ui/sessions/ep-scripts/episodes?q=note&threshold=0")
    expect(page.get_by_text("onerror=")).to_have_count(2)
    page.get_by_role("button", name="Edit this memory").first.click()
    expect(page.get_by_label("Its text")).to_have_value(re.compile("<script>"))
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_a_telephone_shows_memories_without_scrolling_sideways(narrow: Page, aunt: str) -> None:
    narrow.goto(f"/ui/sessions/{aunt}/episodes?q=pangolin")
    expect(narrow.locator("table.memories tbody tr").first).to_be_visible()
    expect(narrow.locator("ol.found li").first).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_an_unknown_memory_is_told_in_the_words_of_the_interface(page: Page, aunt: str) -> None:
    page.goto(f"/ui/sessions/{aunt}/episodes?id=0123456789abcdef")
    expect(page.get_by_text("There is no memory '0123456789abcdef'")).to_be_visible()
    expect(page.locator("table.memories tbody tr").first).to_be_visible()
