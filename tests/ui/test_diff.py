"""Two revisions on the pages, tier by tier, as the interface compares them."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .conftest import NARROW
from .served import Served

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def branches(api: Served, name: str) -> None:
    """A session and a fork that say and remember different things."""
    api.say(name, "shared", max_tokens=2)
    api.ask(f"/v1/sessions/{name}/ingest", "POST", json={"text": "Bees hum.", "name": "bees"})
    api.ask(f"/v1/sessions/{name}/fork", "POST", json={"name": f"{name}-b"})
    api.say(name, f"only here {SCRIPT}", max_tokens=2)
    api.say(f"{name}-b", "only there", max_tokens=2)
    api.ask(f"/v1/sessions/{name}-b/ingest", "POST", json={"text": f"Wasps sting. {SCRIPT}", "name": "wasps"})


def test_the_diff_is_that_of_the_interface(page: Page, api: Served) -> None:
    branches(api, "diff-shown")
    found = api.ask("/v1/diff", params={"base": "diff-shown", "head": "diff-shown-b"})
    page.goto("/ui/sessions/diff-shown/diff?base=diff-shown&head=diff-shown-b")
    expect(page.get_by_text(f"{found['common_messages']} at the beginning are the same")).to_be_visible()
    expect(page.get_by_text(f"{found['blocks']['shared']} blocks of KV are stored once for both")).to_be_visible()
    for side in ("base", "head"):
        name = "diff-shown" if side == "base" else "diff-shown-b"
        drawn = page.locator(f".sides .message[data-side={name}] .said").all_inner_texts()
        assert drawn == [each["content"] for each in found[f"{side}_messages"]]
    changes = found["tiers"]["episodic"]["changes"]
    assert "Wasps sting." in [change["head"]["text"] for change in changes if change["head"]]
    for change, shown in zip(changes, page.locator(".tier-change").all(), strict=True):
        expect(shown.locator(".mark")).to_have_text(change["change"])
        for side in ("base", "head"):
            expect(shown).to_contain_text(change[side]["text"] if change[side] else "not there")
    working = found["tiers"]["working"]
    tokens = page.get_by_role("row", name="tokens in all")
    assert tokens.locator(".n").all_inner_texts() == [f"{working[side]['tokens']:,}" for side in ("base", "head")]
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_a_fork_is_compared_with_what_it_was_forked_from(page: Page, api: Served) -> None:
    branches(api, "diff-fork")
    page.goto("/ui/sessions/diff-fork-b/diff")
    expect(page.get_by_label("Base")).to_have_value("diff-fork")
    page.get_by_role("button", name="Swap them").click()
    page.wait_for_url("**base=diff-fork-b&head=diff-fork")
    expect(page.get_by_label("Base")).to_have_value("diff-fork-b")
    expect(page.locator(".tier-change").filter(has_text="Wasps").locator(".mark")).to_have_text("removed")


def test_revisions_are_typed_and_a_wrong_one_is_said_so(page: Page, api: Served) -> None:
    api.say("diff-typed", "one", "two", max_tokens=2)
    page.goto("/ui/sessions/diff-typed/diff")
    expect(page.locator(".sides .message")).to_have_count(2)
    page.get_by_label("Base").fill("nobody-at-all")
    page.get_by_label("Base").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nobody-at-all")
    page.get_by_label("Base").fill("diff-typed")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Both say the same.")).to_be_visible()


def test_the_diff_fits_a_telephone(narrow: Page, api: Served) -> None:
    branches(api, "diff-narrow")
    narrow.goto("/ui/sessions/diff-narrow/diff?base=diff-narrow&head=diff-narrow-b")
    expect(narrow.locator(".tier-change").filter(has_text="Wasps")).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
