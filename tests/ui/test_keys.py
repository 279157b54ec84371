"""Keys, quotas and the audit log, by an administrator on the page."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import WIDE, opened
from .served import Served


@pytest.fixture
def admin(browser: Browser, keyed: Served) -> Iterator[Page]:
    for page in opened(browser, keyed.url, WIDE):
        page.goto("/ui/keys")
        page.get_by_label("Key of this server").fill(keyed.headers["Authorization"].removeprefix("Bearer "))
        page.get_by_role("button", name="Sign in").click()
        yield page


def works(keyed: Served, token: str) -> bool:
    return httpx.get(f"{keyed.url}/v1/sessions", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_key_is_made_shown_once_rotated_and_revoked(admin: Page, keyed: Served) -> None:
    admin.get_by_role("button", name="New key").click()
    admin.get_by_label("Who uses it, and for what").fill("bot of the shop")
    admin.get_by_role("button", name="Make it").click()
    first = admin.get_by_label("Token").input_value()
    assert works(keyed, first)
    admin.get_by_role("button", name="I have copied it").click()
    expect(admin.get_by_role("row", name="bot of the shop")).to_contain_text("active")
    admin.get_by_role("button", name="Rotate bot of the shop").click()
    admin.get_by_role("button", name="Rotate", exact=True).click()
    second = admin.get_by_label("Token").input_value()
    assert (works(keyed, first), works(keyed, second)) == (False, True)
    admin.get_by_role("button", name="I have copied it").click()
    admin.get_by_role("button", name="Revoke bot of the shop").click()
    admin.get_by_role("button", name="Revoke", exact=True).click()
    expect(admin.get_by_role("row", name="bot of the shop")).to_contain_text("revoked")
    assert not works(keyed, second)
    assert first not in admin.content()


def test_a_quota_is_set(admin: Page, keyed: Served) -> None:
    admin.get_by_role("button", name="Change the quota of default").click()
    admin.get_by_label("Sessions", exact=True).fill("1000")
    admin.get_by_role("button", name="Set", exact=True).click()
    expect(admin.get_by_role("row", name="default").filter(has_text="1,000")).to_be_visible()
    bounds = {each["id"]: each for each in keyed.ask("/v1/quotas")["data"]}
    assert (bounds["default"]["sessions"], bounds["default"]["bytes"]) == (1000, None)


def test_the_audit_log_tells_who_did_what(admin: Page, keyed: Served) -> None:
    keyed.ask("/v1/sessions", "POST", json={"name": "audited"})
    admin.reload()
    line = admin.get_by_role("row", name="session.create").filter(has_text="audited")
    expect(line).to_be_visible()


def test_without_keys_it_says_how_the_first_is_made(page: Page) -> None:
    page.goto("/ui/keys")
    expect(page.get_by_text("perdure keys create NAME --scope admin")).to_be_visible()


def test_what_a_key_is_called_becomes_no_script(admin: Page, keyed: Served) -> None:
    """Whoever looks after the server sees the names that other tenants give."""
    evil = "x\" onclick=\"document.title='owned'\" y='"
    keyed.ask("/v1/keys", "POST", json={"name": evil, "tenant": "acme", "scopes": ["read"]})
    admin.reload()
    expect(admin.get_by_text(evil)).to_be_visible()
    admin.get_by_role("button", name=f"Rotate {evil}").click()
    expect(admin.get_by_role("button", name="Rotate", exact=True)).to_be_visible()
    assert admin.locator("[onclick]").count() == 0
    assert admin.title() != "owned"
