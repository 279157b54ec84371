"""Bundles out and in, proofs and upkeep, done on the page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from .served import Served


def panel(page: Page, name: str) -> Locator:
    return page.locator("section", has=page.get_by_role("heading", name=name, exact=True))


def choose(page: Page, where: Locator, session: str) -> None:
    field = where.get_by_label("Session")
    field.fill(session)
    page.get_by_role("option", name=session, exact=True).click()


def test_a_session_goes_out_and_comes_in_again(page: Page, api: Served, tmp_path: Path) -> None:
    api.say("traveller", "Where do we go?")
    page.goto("/ui/transfer")
    export = panel(page, "Export")
    choose(page, export, "traveller")
    with page.expect_download() as got:
        export.get_by_role("button", name="Download").click()
    got.value.save_as(tmp_path / "bundle")
    taking = panel(page, "Import")
    taking.get_by_label("Name (empty: as in the bundle)").fill("returned")
    taking.get_by_label("Name (empty: as in the bundle)").press("Tab")
    taking.locator("input[type=file]").set_input_files(tmp_path / "bundle")
    page.wait_for_url("**/ui/sessions/returned/chat")
    told = [api.ask(f"/v1/sessions/{name}/messages")["data"] for name in ("traveller", "returned")]
    assert [each["content"] for each in told[0]] == [each["content"] for each in told[1]]


def test_what_is_no_bundle_is_refused_in_words(page: Page, api: Served, tmp_path: Path) -> None:
    before = api.ask("/v1/stats")["sessions"]
    (tmp_path / "rubbish").write_bytes(b"no bundle at all")
    page.goto("/ui/transfer")
    panel(page, "Import").locator("input[type=file]").set_input_files(tmp_path / "rubbish")
    expect(panel(page, "Import").locator(".bad")).to_contain_text("bundle")
    assert api.ask("/v1/stats")["sessions"] == before


def test_a_session_is_verified_and_the_job_is_listed(page: Page, api: Served) -> None:
    api.say("proven", "Prove it")
    page.goto("/ui/transfer")
    verify = panel(page, "Verify")
    choose(page, verify, "proven")
    verify.get_by_role("button", name="Verify").click()
    expect(verify.get_by_text("sound")).to_be_visible()
    expect(panel(page, "Jobs").get_by_role("row", name="verify proven completed")).to_be_visible()
    newest = api.ask("/v1/jobs")["data"][0]
    assert (newest["kind"], newest["session"], newest["result"]["ok"]) == ("verify", "proven", True)


def test_the_store_is_examined_and_swept(page: Page, api: Served) -> None:
    api.say("swept", "Soon gone")
    api.ask("/v1/sessions/swept", "DELETE")
    page.goto("/ui/transfer")
    upkeep = panel(page, "Upkeep of the store")
    upkeep.get_by_role("button", name="Check every object").click()
    expect(upkeep.get_by_text("sound")).to_be_visible()
    upkeep.get_by_role("button", name="What could be deleted?").click()
    expect(upkeep.get_by_text("lead to nothing any more")).to_be_visible()
    upkeep.get_by_role("button", name="Delete it").click()
    expect(upkeep.get_by_text("were deleted")).to_be_visible()
    assert api.ask("/v1/jobs")["data"][0]["kind"] == "gc"


def test_it_fits_a_telephone(narrow: Page) -> None:
    narrow.goto("/ui/transfer")
    expect(panel(narrow, "Verify")).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 390
