"""The first page: true numbers, and what happens while it is open."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .served import Served


def test_tokens_that_were_not_computed_again_are_counted(page: Page, api: Served) -> None:
    api.say("counted", "Once upon a time there was a heron", "And then?")
    page.goto("/ui/")
    panel = page.locator("section", has=page.get_by_role("heading", name="Tokens that were not computed again"))
    tokens = api.ask("/v1/stats")["tokens"]
    for kind in ("restored", "reused", "prefilled"):
        line = panel.locator("li", has_text=kind.capitalize())
        expect(line).to_contain_text(f"{tokens[kind]:,}")
    expect(panel).to_contain_text(f"{tokens['generated']:,} tokens were generated.")


def test_tiers_say_what_they_hold(page: Page, api: Served) -> None:
    api.say("held", "Hello")
    page.goto("/ui/")
    panel = page.locator("section", has=page.get_by_role("heading", name="Memory by tier"))
    unique = api.ask("/v1/stats")["tiers"]["working"]["unique"]
    expect(panel.locator("li", has_text="KV of conversations")).to_contain_text(
        re.compile(rf"{unique / 1e3:.0f}|{unique / 1e6:.1f}|kB|MB")
    )


def test_what_happens_is_told_while_it_happens(page: Page, api: Served) -> None:
    page.goto("/ui/")
    expect(page.get_by_text("Nothing has happened since this page was opened.")).to_be_visible()
    api.ask("/v1/sessions", "POST", json={"name": "told-at-once"})
    line = page.locator(".events li", has_text="told-at-once")
    expect(line).to_contain_text("session.created")
    line.get_by_role("link", name="told-at-once").click()
    page.wait_for_url("**/ui/sessions/told-at-once/chat")
