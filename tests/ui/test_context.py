"""The screen of what the model sees: the interface's numbers, each part's text, and how one gets from part to part."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from perdure.api.figures import size

from .conftest import NARROW
from .served import ASK, FACT, Served, taught

NAME = "context-told"
SCREEN = f"/ui/sessions/{NAME}/context"
SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module", autouse=True)
def told(api: Served) -> None:
    taught(api, NAME)


def asked(api: Served, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/v1/sessions/{NAME}/memory/context", params=query)
    return found


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in body["parts"] if each["name"] == name)


def shown(page: Page, name: str) -> Any:
    """The number of a tile."""
    return page.locator(".tile", has_text=name).locator(".value")


def entry(page: Page, name: str) -> Any:
    """A part in the legend."""
    return page.locator(".legend button", has_text=re.compile(rf"^{name}"))


def test_the_numbers_are_those_of_the_interface(page: Page, api: Served) -> None:
    body = asked(api)
    page.goto(SCREEN)
    window = part(body, "window")
    expect(shown(page, "tokens in the conversation")).to_have_text(f"{window['span']['end']:,}")
    expect(shown(page, "entries that attention reads")).to_have_text(f"{sum(each['tokens'] for each in body['parts']):,}")
    expect(shown(page, "in memory")).to_have_text(size(sum(each["bytes"] for each in body["parts"]) + body["fixed_bytes"]))
    most = body["limits"]["window"] + body["limits"]["block"]
    expect(shown(page, "tokens in the window")).to_have_text(f"{window['tokens']:,} / {most:,}")
    expect(shown(page, "positions the model was trained on")).to_have_text(f"{body['limits']['context']:,}")
    for name, title in (("system", "System prompt"), ("sinks", "Sinks"), ("summary", "Summary"), ("window", "Window")):
        each = part(body, name)
        expect(entry(page, title)).to_contain_text(f"{each['tokens']:,} token")
        expect(entry(page, title)).to_contain_text(size(each["bytes"]))
    expect(entry(page, "Free")).to_contain_text(f"{body['free']:,} token")


def test_bars_are_as_wide_as_the_parts_are_large(page: Page, api: Served) -> None:
    body = asked(api)
    page.goto(SCREEN)
    bar = page.locator(".bar-of").first
    window, summary = (bar.locator(f".c-{name}").bounding_box() for name in ("window", "summary"))
    assert window is not None
    assert summary is not None
    wanted = part(body, "window")["tokens"] / part(body, "summary")["tokens"]
    assert window["width"] / summary["width"] == pytest.approx(wanted, rel=0.05)


def test_the_window_is_read_message_by_message(page: Page, api: Served) -> None:
    page.goto(SCREEN)
    (window,) = asked(api, part="window", limit=512)["parts"]
    pieces = page.locator(".passages li")
    expect(pieces).to_have_count(len(window["messages"]))
    texts = [each.text_content() for each in pieces.locator(".said").all()]
    assert texts == [each["text"] for each in window["messages"]]
    last = window["messages"][-1]
    expect(pieces.last).to_contain_text(last["roles"][0])
    expect(pieces.last).to_contain_text(f"{last['span']['start']:,}")
    assert ASK in "".join(filter(None, texts))


def test_what_left_the_window_is_turned_over_in_pages(page: Page, api: Served) -> None:
    span = part(asked(api), "summary")["span"]
    page.goto(SCREEN)
    entry(page, "Left the window").click()
    expect(page.get_by_role("heading", name="Left the window")).to_be_visible()
    expect(page.locator(".passages")).to_contain_text(FACT)
    assert "part=evicted" in page.url
    assert span["end"] - span["start"] > 512
    page.get_by_role("button", name="Later").first.click()
    expect(page.locator(".passages li").first).to_contain_text(f"{span['start'] + 512:,}")
    (piece,) = asked(api, part="summary", offset=512, limit=512)["parts"]
    assert [each.text_content() for each in page.locator(".passages .said").all()] == [
        each["text"] for each in piece["messages"]
    ]
    page.reload()
    expect(page.locator(".passages li").first).to_contain_text(f"{span['start'] + 512:,}")


def test_a_summary_says_what_its_entries_stand_for(page: Page, api: Served) -> None:
    report = api.ask(f"/v1/sessions/{NAME}/memory/summary")
    start = part(asked(api), "summary")["span"]["start"]
    bins = [each for each in report["histogram"] if each["end"] > start]
    page.goto(f"{SCREEN}?part=summary")
    rows = page.locator("table.list tbody tr")
    expect(rows).to_have_count(len(bins))
    for row, each in zip(rows.all(), bins, strict=True):
        expect(row.locator("td").nth(1)).to_have_text(f"{each['entries']:,}")
    expect(rows.first).to_contain_text(FACT[:20])
    expect(page.get_by_text(f"{part(asked(api), 'summary')['tokens']:,} entries per layer and head")).to_be_visible()
    rows.last.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Left the window")).to_be_visible()
    expect(page.locator(".passages li").first).to_contain_text(f"{bins[-1]['start']:,}")


def test_what_was_recalled_leads_to_its_memory(page: Page, api: Served) -> None:
    recalled = asked(api)["last_recalled"]
    page.goto(f"{SCREEN}?part=recalled")
    expect(page.get_by_text(FACT)).to_be_visible()
    link = page.get_by_role("link", name=f"Memory {recalled[0]['id']}")
    assert f"/ui/sessions/{NAME}/episodes?id=" in (link.get_attribute("href") or "")


def test_it_is_shown_as_it_was(page: Page, api: Served) -> None:
    early = asked(api, at="@turn:1")
    page.goto(f"{SCREEN}?at=@turn:1")
    expect(shown(page, "tokens in the conversation")).to_have_text(f"{part(early, 'window')['span']['end']:,}")
    expect(page.locator(".passages")).to_contain_text(FACT)
    page.get_by_label("As it was").click()
    page.get_by_role("option", name="Now").click()
    expect(shown(page, "tokens in the conversation")).to_have_text(f"{part(asked(api), 'window')['span']['end']:,}")
    assert "at=" not in page.url


def test_it_follows_what_is_said(page: Page, api: Served) -> None:
    name = "context-follows"
    api.say(name, "Hello there.")
    page.goto(f"/ui/sessions/{name}/context")
    expect(page.locator(".passages")).to_contain_text("Hello there.")
    api.say(name, "And what now?")
    expect(page.locator(".passages")).to_contain_text("And what now?")


def test_texts_are_text_and_nothing_else(page: Page, api: Served) -> None:
    api.say("context-scripts", SCRIPT)
    page.goto("/ui/sessions/context-scripts/context")
    expect(page.locator(".passages")).to_contain_text("onerror=")
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_an_empty_session_says_so(page: Page, api: Served) -> None:
    api.ask("/v1/sessions", "POST", json={"name": "context-empty"})
    page.goto("/ui/sessions/context-empty/context")
    expect(page.get_by_text("Nothing was said yet.")).to_be_visible()
    page.get_by_role("button", name="Recalled").click()
    expect(page.get_by_text("The last turn recalled nothing.")).to_be_visible()


def test_a_telephone_shows_all_without_scrolling_sideways(narrow: Page) -> None:
    for chosen in ("window", "summary"):
        narrow.goto(f"{SCREEN}?part={chosen}")
        expect(narrow.locator(".panel .said").first).to_be_visible()
        assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
