"""Why an answer was given so: the page of a trace, held against the interface."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from perdure.memory import Repository, amending
from perdure.memory.facts import Fact
from perdure.testing.encoder import HashedWords
from perdure.testing.records import record_of

from ..api import records
from ..api.records import PANGOLIN
from ..conftest import Opens
from .conftest import NARROW
from .served import ASK, FACT, Served, taught

LEASH = Fact(PANGOLIN.subject, "", "red", f"{PANGOLIN.subject}'s leash is red.")
NAME = "tr-aunt"
SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> My cousin Wilma keeps a goat"


@pytest.fixture(scope="module")
def answer(api: Served) -> dict[str, Any]:
    """Of a session that recalled what it was told."""
    return taught(api, NAME)


def story_of(api: Served, answer: str) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/v1/responses/{answer}/trace")
    return found


@pytest.mark.parametrize("by", ["id", "commit"])
def test_what_was_recalled_is_told_with_its_numbers(page: Page, api: Served, answer: dict[str, Any], by: str) -> None:
    name = answer["id"] if by == "id" else answer["memory"]["commit"]
    story = story_of(api, name)
    page.goto(f"/ui/traces/{name}")
    expect(page.locator(".question")).to_have_text(ASK)
    recalled = page.locator("li.chosen")
    expect(recalled).to_have_count(len(story["chosen"]))
    first = story["chosen"][0]
    for said in (
        first["text"],
        f"{100 * first['mass']:.1f} % of attention",
        f"{first['tokens']} tokens, number {first['at']} to",
    ):
        expect(recalled.first).to_contain_text(said)
    expect(recalled.first.locator(".columns-of span")).to_have_count(len(first["by_layer"]))
    dropped = [each for each in story["considered"] if each["dropped"]]
    if len(dropped) > 5:
        page.get_by_role("button", name=f"Show {len(dropped) - 5} more").click()
    expect(page.locator("li.dropped")).to_have_count(len(dropped))
    expect(page.locator("li.dropped").first).to_contain_text(f"left out: {dropped[0]['dropped']}")
    expect(page.get_by_text(f"Before token {story['position']:,}, as stored KV")).to_be_visible()
    metrics = api.ask(f"/v1/commits/{story['commit']}")["metrics"]
    expect(page.locator(".tile", has_text="tokens recalled").locator(".value")).to_have_text(f"{metrics['recalled']:.0f}")


def test_the_answers_tokens_are_shaded_by_their_attention(page: Page, api: Served, answer: dict[str, Any]) -> None:
    story = story_of(api, answer["id"])
    page.goto(f"/ui/traces/{answer['id']}?memory=1")
    shares = story["chosen"][0]["by_token"]
    tokens = page.locator(".shaded .token")
    expect(tokens).to_have_count(len(story["tokens"]))
    most = shares.index(max(shares))
    expect(tokens.nth(most)).to_have_css("--share", "1.000")
    tokens.first.focus()
    expect(page.locator(".shaded .told")).to_contain_text(f"{100 * shares[0]:.1f} %")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".shaded .told")).to_contain_text("Token 1, ")
    expect(page.locator(".shaded .told")).to_contain_text(f"{100 * shares[1]:.1f} %")
    page.get_by_text("The same as a table").click()
    rows = page.locator(".shaded table tbody tr")
    expect(rows).to_have_count(len(shares))
    expect(rows.nth(most)).to_contain_text(f"{100 * shares[most]:.1f} %")


def test_an_answer_that_recalled_nothing_says_so(page: Page, api: Served) -> None:
    said = api.say("tr-new", "Hello")
    page.goto(f"/ui/traces/{said['memory']['commit']}?session=tr-new")
    expect(page.get_by_text("This answer recalled nothing")).to_be_visible()
    expect(page.get_by_role("link", name="tr-new, turn 1")).to_be_visible()


def test_fast_weights_that_were_looked_at_are_told(page: Page, api: Served, opens: Opens) -> None:
    api.say("tr-ledger", "Hello")
    with opens(encoder=HashedWords()) as runtime:
        made = [record_of(runtime, PANGOLIN, (records.ASK,), 3), record_of(runtime, LEASH, ("Whose leash is it?",), 4)]
    with Repository.open(api.store) as repository:
        amending.teach(repository, "tr-ledger", made, title="teach")
    story = story_of(api, api.say("tr-ledger", records.ASK)["id"])
    assert {bool(each["closed"]) for each in story["records"]} == {True, False}
    page.goto(f"/ui/traces/{story['commit']}")
    expect(page.locator(".tile", has_text="records open").locator(".value")).to_have_text(f"{story['opened']}")
    for judged in story["records"]:
        line = page.get_by_role("row", name=judged["statement"])
        for told in (f"{judged['score']:.3f}", f"{judged['against']:.3f}", judged["closed"] or "the question asks for it"):
            expect(line).to_contain_text(told)
        expect(line.locator(".mark")).to_have_text("closed" if judged["closed"] else "open")


def test_an_unknown_answer_is_refused_in_words(page: Page) -> None:
    page.goto("/ui/traces/resp_nobody")
    expect(page.get_by_role("alert")).to_contain_text("resp_nobody")


def test_a_memory_leads_to_itself(page: Page, api: Served, answer: dict[str, Any]) -> None:
    page.goto(f"/ui/traces/{answer['id']}")
    page.get_by_role("link", name=FACT).first.click()
    expect(page.get_by_role("dialog")).to_contain_text(FACT)
    assert "/ui/memories?id=" in page.url


def test_what_was_recalled_is_text_and_nothing_else(page: Page, api: Served) -> None:
    api.ask("/v1/sessions/tr-scripts/ingest", "POST", params={"create": True}, json={"text": SCRIPT})
    said = api.say("tr-scripts", "Which goat does my cousin Wilma keep?")
    page.goto(f"/ui/traces/{said['id']}")
    expect(page.get_by_text("document.title").first).to_be_visible()
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_a_telephone_shows_it_without_scrolling_sideways(narrow: Page, answer: dict[str, Any]) -> None:
    narrow.goto(f"/ui/traces/{answer['id']}")
    expect(narrow.locator(".shaded .token").first).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
