"""The ledger of fast weights: its records, what a question opens, and taking one out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from perdure.memory import Repository, amending
from perdure.testing.records import record

from ..api.records import BOAT, PANGOLIN
from .served import Served


@pytest.fixture
def ledger(api: Served) -> Iterator[str]:
    """A session with two records of its own, and one profile that it mounts."""
    api.say("ledger", "My cousin Tamsin keeps a pangolin called Biscuit")
    with Repository.open(api.store) as repository:
        amending.teach(repository, "ledger", [record(PANGOLIN, time_ms=1)], title="teach")
    yield "ledger"
    api.ask("/v1/sessions/ledger", "DELETE")


def test_records_are_listed_with_what_was_measured(page: Page, api: Served, ledger: str) -> None:
    held = api.ask(f"/v1/sessions/{ledger}/memory/parametric")["data"][0]
    page.goto(f"/ui/sessions/{ledger}/weights")
    line = page.get_by_role("row", name=held["statement"])
    expect(line).to_contain_text(f"{held['measured']['recall']:.2f}")
    expect(page.locator(".tile", has_text="records").locator(".value")).to_have_text("1")


def test_a_record_is_taken_out(page: Page, api: Served, ledger: str) -> None:
    page.goto(f"/ui/sessions/{ledger}/weights")
    page.get_by_role("button", name="Revert ").click()
    page.get_by_role("button", name="Revert", exact=True).click()
    expect(page.get_by_text("Nothing is written into fast weights yet.")).to_be_visible()
    assert api.ask(f"/v1/sessions/{ledger}/memory/parametric")["data"] == []


def test_a_question_shows_what_it_would_open(page: Page, api: Served, ledger: str) -> None:
    page.goto(f"/ui/sessions/{ledger}/weights")
    page.get_by_label("A question").fill("What time is it?")
    page.get_by_role("button", name="Try").click()
    expect(page.get_by_text("0 of 1 would act")).to_be_visible()
    assert "q=What+time" in page.url
    before = api.ask(f"/v1/sessions/{ledger}")["head"]
    page.reload()
    expect(page.get_by_text("0 of 1 would act")).to_be_visible()
    assert api.ask(f"/v1/sessions/{ledger}")["head"] == before


def test_a_profile_is_mounted_and_unmounted(page: Page, api: Served, ledger: str) -> None:
    api.ask("/v1/sessions", "POST", json={"name": "user:ada"})
    with Repository.open(api.store) as repository:
        amending.teach(repository, "user:ada", [record(BOAT, time_ms=2)], title="teach")
    page.goto(f"/ui/sessions/{ledger}/weights")
    page.get_by_role("button", name="Mount a profile").click()
    page.get_by_label("Its name").fill("user:ada")
    page.get_by_role("button", name="Mount it").click()
    expect(page.get_by_role("link", name="user:ada")).to_be_visible()
    assert api.ask(f"/v1/sessions/{ledger}/mounts")["names"] == ["user:ada"]
    expect(page.get_by_role("link", name="in its profile")).to_be_visible()
    page.get_by_role("button", name="Unmount user:ada").click()
    page.get_by_role("button", name="Unmount", exact=True).click()
    expect(page.get_by_text("No profile is mounted here.")).to_be_visible()
    assert api.ask(f"/v1/sessions/{ledger}/mounts")["names"] == []


def test_consolidating_says_what_was_written(page: Page, api: Served, ledger: str) -> None:
    page.goto(f"/ui/sessions/{ledger}/weights")
    page.get_by_role("button", name="Consolidate").click()
    expect(page.get_by_text("written into")).to_be_visible()
    assert api.ask("/v1/jobs")["data"][0]["kind"] == "consolidate"


def test_it_fits_a_telephone(narrow: Page, ledger: str) -> None:
    narrow.goto(f"/ui/sessions/{ledger}/weights")
    expect(narrow.get_by_role("heading", name="Ledger")).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 390
