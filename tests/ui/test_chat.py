"""The conversation on the pages: said, streamed, stopped, undone, forked, compared."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from .conftest import NARROW, WIDE, opened
from .served import Served, taught

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def composer(page: Page) -> Locator:
    return page.get_by_label("Message", exact=True)


def head(api: Served, name: str) -> dict[str, object]:
    return api.ask(f"/v1/sessions/{name}/commits")["data"][0]  # type: ignore[no-any-return]


def texts(api: Served, name: str) -> list[str]:
    return [each["content"] for each in api.ask(f"/v1/sessions/{name}/messages")["data"]]


def test_what_is_typed_is_answered_and_kept(page: Page, api: Served) -> None:
    api.ask("/v1/sessions", "POST", json={"name": "chat-typed"})
    page.goto("/ui/sessions/chat-typed/chat?max_tokens=6&temperature=0")
    expect(page.get_by_text("Nothing was said yet.")).to_be_visible()
    composer(page).fill("first line")
    composer(page).press("Shift+Enter")
    page.keyboard.type("second line")
    page.keyboard.press("Enter")
    expect(page.locator(".messages .foot")).to_have_count(1)
    expect(composer(page)).to_have_value("")
    expect(page.get_by_text("Nothing was said yet.")).to_have_count(0)
    said = texts(api, "chat-typed")
    assert said[0] == "first line\nsecond line"
    assert head(api, "chat-typed")["metrics"]["generated"] == 6  # type: ignore[index]
    expect(page.locator(".by-assistant .said")).to_have_text(said[1], use_inner_text=True)


def test_an_answer_shows_its_commit_and_what_it_cost(page: Page, api: Served) -> None:
    taught(api, "chat-costs")
    commit = head(api, "chat-costs")
    page.goto("/ui/sessions/chat-costs/chat")
    foot = page.locator(".foot").last
    metrics: dict[str, int] = commit["metrics"]  # type: ignore[assignment]
    assert metrics["recalled"]
    for name in ("restored", "prefilled", "recalled", "generated"):
        expect(foot.locator(".mark", has_text=f"{name} {metrics[name]:,}")).to_be_visible()
    digits = str(commit["id"])
    expect(foot.get_by_role("link", name=f"Commit {digits[:8]} in the graph")).to_have_attribute(
        "href", f"/ui/sessions/chat-costs/graph?at={digits}"
    )
    expect(foot.get_by_role("link", name="What it remembered")).to_have_attribute(
        "href", f"/ui/traces/{digits}?session=chat-costs"
    )


def test_a_long_conversation_comes_in_pages(page: Page, api: Served) -> None:
    for number in range(20):
        api.say("chat-long", f"question {number}", max_tokens=1)
    page.goto("/ui/sessions/chat-long/chat")
    expect(page.get_by_text("question 19")).to_be_in_viewport()
    expect(page.locator(".message")).to_have_count(30)
    expect(page.get_by_text("question 4", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Earlier messages").click()
    expect(page.locator(".message")).to_have_count(40)
    expect(page.locator(".foot")).to_have_count(20)
    asked = page.locator(".by-user .said").all_inner_texts()
    assert asked == [f"question {number}" for number in range(20)]
    expect(page.get_by_role("button", name="Earlier messages")).to_be_hidden()
    page.goto("/ui/sessions/chat-long/chat?turn=2")
    expect(page.locator(".message.meant")).to_be_in_viewport()
    expect(page.locator(".message.meant")).to_have_attribute("id", "m3")


def test_what_another_client_says_appears(page: Page, api: Served) -> None:
    api.say("chat-others", "before")
    page.goto("/ui/sessions/chat-others/chat")
    expect(page.locator(".foot")).to_have_count(1)
    api.say("chat-others", "from elsewhere")
    expect(page.get_by_text("from elsewhere")).to_be_visible()
    expect(page.locator(".foot")).to_have_count(2)


def test_an_answer_is_stopped_and_what_came_is_kept(page: Page, api: Served) -> None:
    api.say("chat-stopped", "before")
    page.goto("/ui/sessions/chat-stopped/chat?max_tokens=3000")
    composer(page).fill("go on for long")
    composer(page).press("Enter")
    expect(page.locator(".coming .by-assistant .said")).not_to_be_empty()
    page.get_by_label("Stop").click()
    expect(page.locator(".messages .foot")).to_have_count(2)
    expect(page.get_by_label("Send")).to_be_visible()
    commit = head(api, "chat-stopped")
    assert commit["reason"] == "cancelled"
    assert 0 < commit["metrics"]["generated"] < 3000  # type: ignore[index]
    expect(page.locator(".by-assistant .said").last).to_have_text(texts(api, "chat-stopped")[-1], use_inner_text=True)


def test_an_answer_goes_on_when_its_page_is_left(page: Page, api: Served) -> None:
    api.say("chat-left", "before")
    page.goto("/ui/sessions/chat-left/chat?max_tokens=400&temperature=0")
    composer(page).fill("go on when I am gone")
    composer(page).press("Enter")
    expect(page.locator(".coming .by-assistant .said")).not_to_be_empty()
    page.goto("/ui/sessions")
    page.goto("/ui/sessions/chat-left/chat")
    expect(page.locator(".messages .foot")).to_have_count(2)
    commit = head(api, "chat-left")
    assert (commit["turn"], commit["reason"] in ("length", "stop")) == (2, True)


def test_a_refusal_is_said_in_words_and_nothing_typed_is_lost(page: Page, api: Served) -> None:
    api.say("chat-refused", "before")
    page.goto("/ui/sessions/chat-refused/chat?max_tokens=0")
    composer(page).fill("this must not be lost")
    composer(page).press("Enter")
    expect(page.get_by_role("alert").filter(has_text="max_tokens")).to_be_visible()
    expect(composer(page)).to_have_value("this must not be lost")
    assert texts(api, "chat-refused")[-2] == "before"


@pytest.fixture
def tenant(browser: Browser, keyed: Served, keys: dict[str, str]) -> Iterator[Page]:
    """A page of another tenant than the admin's."""
    for page in opened(browser, keyed.url, WIDE):
        page.goto("/ui/")
        page.get_by_label("Key of this server").fill(keys["other"])
        page.get_by_role("button", name="Sign in").click()
        yield page


@pytest.mark.parametrize(("bound", "told"), [({"tokens": 1}, "try again later"), ({"bytes": 1}, "remove or forget")])
def test_a_quota_that_is_used_up_keeps_what_was_typed(
    tenant: Page, keyed: Served, keys: dict[str, str], bound: dict[str, int], told: str
) -> None:
    mine = {"Authorization": f"Bearer {keys['other']}"}
    name = f"bounded-{next(iter(bound))}"
    keyed.ask("/v1/sessions", "POST", json={"name": name}, headers=mine)
    tenant.goto(f"/ui/sessions/{name}/chat?max_tokens=6&temperature=0")
    composer(tenant).fill("as much as is allowed")
    composer(tenant).press("Enter")
    expect(tenant.locator(".messages .foot")).to_have_count(1)
    keyed.ask("/v1/quotas/acme", "PUT", json=bound)
    try:
        composer(tenant).fill("one more")
        composer(tenant).press("Enter")
        expect(tenant.get_by_role("alert").filter(has_text=told)).to_be_visible()
        expect(composer(tenant)).to_have_value("one more")
    finally:
        keyed.ask("/v1/quotas/acme", "PUT", json={})
    composer(tenant).press("Enter")
    expect(tenant.locator(".messages .foot")).to_have_count(2)
    expect(tenant.get_by_role("alert").filter(has_text=told)).to_have_count(0)
    said = keyed.ask(f"/v1/sessions/{name}/messages", headers=mine)["data"]
    assert [each["content"] for each in said][::2] == ["as much as is allowed", "one more"]
    keyed.ask(f"/v1/sessions/{name}", "DELETE", headers=mine)


def test_a_turn_is_undone_and_the_undoing_is_too(page: Page, api: Served) -> None:
    api.say("chat-undone", "stays", "goes")
    page.goto("/ui/sessions/chat-undone/chat")
    before = api.ask("/v1/sessions/chat-undone")
    page.get_by_role("button", name="Undo to before this").last.click()
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator(".foot")).to_have_count(1)
    assert api.ask("/v1/sessions/chat-undone")["turns"] == 1
    expect(composer(page)).to_have_value("goes")
    page.reload()
    page.get_by_role("button", name="Take that back").click()
    expect(page.locator(".foot")).to_have_count(2)
    assert api.ask("/v1/sessions/chat-undone")["head"] == before["head"]
    expect(page).not_to_have_url(re.compile("undone="))


def test_a_fork_begins_at_the_answer(page: Page, api: Served) -> None:
    api.say("chat-forked", "one", "two")
    page.goto("/ui/sessions/chat-forked/chat")
    page.get_by_role("button", name="Fork from here").first.click()
    page.get_by_label("Name of the new session").fill("chat-forked")
    page.get_by_role("button", name="Fork", exact=True).click()
    expect(page.get_by_text("exists already")).to_be_visible()
    page.get_by_label("Name of the new session").fill("chat-fork")
    page.get_by_label("Name of the new session").press("Enter")
    page.wait_for_url("**/ui/sessions/chat-fork/chat")
    made = api.ask("/v1/sessions/chat-fork")
    assert (made["turns"], made["forked_from"]) == (1, "chat-forked")


def test_branches_are_compared_side_by_side(page: Page, api: Served) -> None:
    api.say("chat-left-side", "shared")
    api.ask("/v1/sessions/chat-left-side/fork", "POST", json={"name": "chat-right-side"})
    api.say("chat-left-side", "only left")
    api.say("chat-right-side", "only right", "and again")
    page.goto("/ui/sessions/chat-left-side/chat")
    page.get_by_role("button", name="Compare with…").last.click()
    page.get_by_role("link", name="chat-right-side").click()
    page.wait_for_url("**with=chat-right-side")
    left = page.locator(".sides .message[data-side=chat-left-side]")
    right = page.locator(".sides .message[data-side=chat-right-side]")
    expect(left).to_have_count(2)
    expect(right).to_have_count(4)
    boxes = [side.first.bounding_box() for side in (left, right)]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    page.reload()
    expect(right).to_have_count(4)
    boxes = [side.first.bounding_box() for side in (left, right)]
    assert boxes[0]
    assert boxes[1]
    assert boxes[0]["x"] == boxes[1]["x"]
    assert boxes[0]["y"] < boxes[1]["y"]
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_settings_are_in_the_address(page: Page, api: Served) -> None:
    api.say("chat-settings", "before")
    page.goto("/ui/sessions/chat-settings/chat")
    page.get_by_text("How answers are drawn").click()
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Temperature").press("Tab")
    page.wait_for_url(re.compile("temperature=0.5"))


def test_texts_are_texts_on_a_telephone_too(narrow: Page, api: Served) -> None:
    api.say("chat-script", SCRIPT + "x" * 7000)
    narrow.goto("/ui/sessions/chat-script/chat")
    expect(narrow.get_by_text("onerror=").first).to_be_visible()
    assert narrow.title() != "owned"
    assert narrow.locator("img[src=x]").count() == 0
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    narrow.get_by_role("button", name=re.compile("Show the other")).click()
    expect(narrow.locator(".by-user .said")).to_have_text(re.compile("x{7000}$"))
