"""What holds for every page: nothing from elsewhere, nothing blank, nothing that runs because somebody wrote it."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Page, expect

from .conftest import NARROW
from .served import Served

OWN = {"session-of-scripts": "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"}


def test_the_first_paint_comes_within_a_second_and_a_half(page: Page) -> None:
    page.goto("/ui/")
    expect(page.get_by_role("heading", name="Memory by tier")).to_be_visible()
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < 1500


def test_the_numbers_are_those_of_the_interface(page: Page, api: Served) -> None:
    api.say("numbers", "Hello")
    stats = api.ask("/v1/stats")
    page.goto("/ui/")
    tile = page.locator(".tile", has_text=re.compile(r"^\s*[\d,]+\s*sessions\s*$"))
    expect(tile.locator(".value")).to_have_text(f"{stats['sessions']:,}")


def test_a_page_follows_what_happens(page: Page, api: Served) -> None:
    page.goto("/ui/sessions")
    expect(page.get_by_role("button", name="New session")).to_be_visible()
    api.ask("/v1/sessions", "POST", json={"name": "made-meanwhile"})
    expect(page.get_by_role("link", name="made-meanwhile")).to_be_visible()


def test_a_session_is_made_on_the_page(page: Page, api: Served) -> None:
    page.goto("/ui/sessions")
    page.get_by_role("button", name="New session").click()
    page.get_by_label("Name (or leave it empty)").fill("made-by-hand")
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url("**/ui/sessions/made-by-hand/chat")
    assert api.ask("/v1/sessions/made-by-hand")["id"] == "made-by-hand"


def test_titles_are_text_and_nothing_else(page: Page, api: Served) -> None:
    api.ask("/v1/sessions", "POST", json={"name": "scripts", "title": next(iter(OWN.values()))})
    page.goto("/ui/sessions")
    expect(page.get_by_text("onerror=").first).to_be_visible()
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_a_refusal_is_shown_in_its_own_words(page: Page) -> None:
    page.goto("/ui/sessions?after=nobody")
    expect(page.get_by_role("alert")).to_contain_text("nobody")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_colours_are_chosen_and_stay(page: Page) -> None:
    page.goto("/ui/")
    page.get_by_role("button", name="Colours: auto").click()
    expect(page.locator("body.body--dark")).to_have_count(1)
    page.reload()
    expect(page.locator("body.body--dark")).to_have_count(1)


def test_a_telephone_shows_all_without_scrolling_sideways(narrow: Page) -> None:
    narrow.goto("/ui/sessions")
    expect(narrow.get_by_role("button", name="New session")).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    narrow.get_by_role("button", name="Show or hide the ways to other pages").click()
    expect(narrow.get_by_role("link", name="Overview")).to_be_visible()


def test_the_keyboard_reaches_the_content_first(page: Page) -> None:
    page.goto("/ui/")
    expect(page.get_by_role("heading", name="Memory by tier")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


@pytest.mark.parametrize("path", ["/ui/docs", "/ui/openapi.json", "/ui/redoc"])
def test_the_library_shows_nothing_of_itself(api: Served, path: str) -> None:
    assert api.get(path).status_code == 404


def test_pages_may_fetch_nothing_from_elsewhere(api: Served) -> None:
    policy = api.get("/ui/").headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy


def test_a_page_of_another_site_cannot_listen_in(api: Served) -> None:
    """A browser sends the cookies of this host with a socket that any site opens; its origin tells them apart."""
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "x" * 22 + "==",
    }
    path = "/ui/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    for origin, status in ((None, 403), ("http://evil.example", 403)):
        headers = asked if origin is None else {**asked, "Origin": origin}
        assert httpx.get(api.url + path, headers=headers).status_code == status
